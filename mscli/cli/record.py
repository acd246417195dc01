"""``mscli record``: run a MediaRecorder that writes to files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from mscli.api.commands import RecorderRun
from mscli.api.mediarecorder import MediaRecorder, RecorderOutput
from mscli.api.mediastream import MediaStream
from mscli.api.nativeformats import CopiedFormats
from mscli.api.recording import OutputReport, Recording
from mscli.api.wanted import Wanted
from mscli.cli.commands import SessionRun, keys_text, obey_signals, obey_trigger, open_control, press
from mscli.cli.encoding import refuse_unused_encoding
from mscli.cli.exitcodes import ExitCode
from mscli.cli.options import Options, asked_kinds, check_one, wanted_of, written_of
from mscli.cli.paramtypes import STDIN
from mscli.cli.preview import CommandPreview
from mscli.cli.report import LINK_EVENTS, Triggers, finish, report_ends, report_link, report_output_failure, reports_of
from mscli.cli.series import SeriesPlan
from mscli.cli.session import Session
from mscli.cli.surface.filters import refuse_unused_filters
from mscli.cli.surface.preview import PreviewPlan
from mscli.cli.target import (
    RecordTarget,
    contents_of,
    contradiction,
    record_target,
    refuse_shared,
    refuse_terminal,
    refuse_written_within,
)
from mscli.cli.trigger import BY_MOTION, Trigger
from mscli.core.addresses import file_path, masked
from mscli.core.codecs import CAMERA_CODECS
from mscli.core.errors import ArgumentError, DOMException, NotSupportedError
from mscli.core.events import Event
from mscli.core.orientation import PictureFilters
from mscli.core.properties import AUDIO, KINDS, VIDEO
from mscli.encode.options import COPY, LinkOptions, SinkOptions
from mscli.sinks import SinkRow, check_cut, check_tracks, copied_formats, load_sink, lossless_audio, next_name

Length = tuple[float | None, int | None]  # seconds, frames

LEAST_LAPSE_S = 0.1  # with less, a time-lapse would be hardly faster than life, and a camera could not follow
_INSTEAD = "name a file, or send it to a program: mscli record - | PROGRAM"  # of writing to a terminal
_TICK_S = 0.2  # the interval of checks for the recorder's state and keys, and of updates of the status line


def run(
    options: Options,
    files: tuple[str, ...],
    plan: SeriesPlan,
    encoding: SinkOptions,
    frames: int | None,
    container: str | None,
    force: bool,
    control: str | None,
    time_lapse: float | None,
    ca_file: str | None,
    give_up: float | None,
    filters: PictureFilters,
    preview: PreviewPlan,
) -> int:
    """Record and return the exit code."""
    encoding = encoding._replace(**filters._asdict())
    _check_lapse(time_lapse, options, encoding, plan)
    files = tuple(map(file_path, files))
    targets = [record_target(name, container) for name in files]
    options.publishes = _check_published(targets, time_lapse, {"--ca-file": ca_file, "--give-up": give_up})
    refuse_shared(files, series=plan.series is not None)
    refuse_written_within(files, options)
    with Session(options) as session:
        sink_options = plan.apply(
            encoding._replace(
                levels=options.json or not options.quiet,
                silence=options.silence_timeout,
                on_silence=session.note_silence,
                time_lapse_s=time_lapse,
                overwrite=force,
                over_device=force,
                on_note=session.voice.warn,
                link=LinkOptions(options.insecure, ca_file or "", give_up),
            )
        )
        if all(target.row.publishes for target in targets):
            check_cut(targets[0].row, sink_options)
        kinds = _kinds(session, [target.row for target in targets]) if time_lapse is None else [VIDEO]
        wanted = wanted_of(options, kinds)
        written = written_of(options, wanted)
        kinds = [one.kind for one in written]
        for target in targets:
            _check_target(target, sink_options, written, alone=len(targets) == 1)
        refuse_unused_encoding(encoding, kinds)
        refuse_unused_filters(filters, kinds)
        _refuse_unheard(plan, kinds)
        if plan.trigger.startswith(BY_MOTION) and VIDEO not in kinds:
            raise click.UsageError("--trigger motion has no effect without video")
        for sentence in _contradictions(targets, sink_options, kinds):
            session.voice.warn(sentence)
        formats = _formats(targets, sink_options)
        session.filling = "" if formats else "recording"
        if options.dry_run:
            session.dry_run(wanted, contents_of(targets, sink_options), formats)
            return ExitCode.DONE
        refuse_terminal(files, _INSTEAD)
        if plan.series is None:
            targets = [_named(target, overwrite=force) for target in targets]
            refuse_shared([target.name for target in targets], series=False)
        limits = plan.duration_s, frames
        with CommandPreview(session, preview, encoding.filters, kinds) as shown:
            run = _RecordLoop(session, targets, sink_options, limits, shown, container, plan.trigger, control)
            return run.run(wanted, formats)


def _named(target: RecordTarget, *, overwrite: bool) -> RecordTarget:
    """Return the target of a single recording, with the time and a free number in its name."""
    return target if target.is_address else target._replace(name=next_name(target.name, overwrite=overwrite))


def _check_target(target: RecordTarget, options: SinkOptions, wanted: Sequence[Wanted], *, alone: bool = False) -> None:
    """Raise NotSupportedError if an output does not hold the tracks: all of them if it is ``alone``, or those of its kinds."""
    if target.row.raw:
        check_one(wanted, "raw output holds", "use .mkv or .mp4")
    if target.row.encodes and not target.row.video:
        check_one([one for one in wanted if one.kind == AUDIO], f"a {target.row.name} file holds only", "use .mkv or .mp4")
    kinds = [one.kind for one in wanted]
    check_tracks(target.row, target.options(options), kinds if alone else _held(target.row, kinds))


def _check_lapse(time_lapse: float | None, options: Options, encoding: SinkOptions, plan: SeriesPlan) -> None:
    """Raise UsageError if a time-lapse is combined with what it cannot have."""
    if time_lapse is None:
        return
    if options.video is False:
        raise click.UsageError("--time-lapse needs video")
    if AUDIO in asked_kinds(options, ()):
        raise click.UsageError("--time-lapse records no sound")
    if time_lapse < LEAST_LAPSE_S:
        raise click.UsageError(f"--time-lapse is at least {LEAST_LAPSE_S:g}s, not {time_lapse:g}s")
    others = {"--deinterlace": encoding.deinterlace, "--segment-… or --trigger": plan.series is not None}
    for name, is_given in others.items():
        if is_given:
            raise click.UsageError(f"--time-lapse and {name} cannot be combined")


def _check_published(targets: Sequence[RecordTarget], time_lapse: float | None, given: Mapping[str, object]) -> bool:
    """Return whether an output is a server. Raises UsageError for options that need one, or that none can have.

    ``given``: options that are for servers only.
    """
    served = [target for target in targets if target.is_address and target.row.publishes]
    unused = next((name for name, value in given.items() if value is not None and not served), None)
    if unused is not None:
        raise click.UsageError(f"{unused} has no effect: no server is published to")
    if time_lapse is not None and any(target.row.publishes for target in targets):
        raise click.UsageError("a time-lapse cannot be published: name a file")
    for target in served:
        target.options(SinkOptions())  # a wrong setting is found before any device is opened
    return bool(served)


def _refuse_unheard(plan: SeriesPlan, kinds: Sequence[str]) -> None:
    """Raise UsageError if files depend on sound that is not recorded."""
    if plan.series is not None and AUDIO not in kinds:
        asked = {"--trigger sound": plan.series.sound_db, "--split-on-silence": plan.series.silence}
        for name, value in asked.items():
            if value is not None:
                raise click.UsageError(f"{name} has no effect without sound")


def _contradictions(targets: Sequence[RecordTarget], options: SinkOptions, kinds: Sequence[str]) -> list[str]:
    """Return a sentence for each request that has no effect, or that a file's name contradicts."""
    rows = [target.row for target in targets if AUDIO in kinds and target.row.audio]
    titles = [lossless_audio(row, options) for row in rows] if options.audio_bits_per_second else []
    unused = [f"--audio-bitrate has no effect: {titles[0]} is lossless"] if titles and all(titles) else []
    return [*filter(None, (contradiction(*target) for target in targets)), *unused]


def _held(row: SinkRow, kinds: Sequence[str]) -> list[str]:
    """Return the kinds of tracks that an output of this row holds. Raises NotSupportedError if it holds none."""
    held = [kind for kind in kinds if getattr(row, kind)]
    if not held:
        raise _refusal(row, kinds)
    return held


def _refusal(row: SinkRow, kinds: Sequence[str]) -> NotSupportedError:
    hints = ["leave it out with --no-video or --no-audio, or use .mp4, .webm, .mkv or .mov"]
    return NotSupportedError(f"{row.name} files cannot hold {' or '.join(kinds)}", hints=hints)


def _kinds(session: Session, rows: Sequence[SinkRow]) -> list[str]:
    """Return the kinds to record: the requested ones, or else all that an output holds, sound only with a microphone."""
    options = session.options
    held = [kind for kind in KINDS if any(getattr(row, kind) for row in rows)]
    kinds = asked_kinds(options, tuple(held))
    if options.input:
        kinds = _kinds_of_inputs(session, kinds, held)
    refused = [kind for kind in kinds if kind not in held]
    if not kinds:
        raise ArgumentError("neither audio nor video is requested")
    if refused:
        raise _refusal(rows[0], refused)
    unasked = AUDIO in kinds and VIDEO in kinds and AUDIO not in asked_kinds(options, ())
    if unasked and not (options.pace and _has_microphone(session)):  # a microphone cannot wait as a file without pace does
        kinds.remove(AUDIO)
    return kinds


def _kinds_of_inputs(session: Session, kinds: Sequence[str], held: Sequence[str]) -> list[str]:
    """Return the kinds without those that are neither at an address nor asked for, or that no output holds."""
    options = session.options
    options.kinds_at = {address: session.kinds_at(address) for address in options.input}
    asked = {VIDEO: options.video or options.camera, AUDIO: options.audio or options.microphone}
    there = [kind for kind in held if any(kind in found for found in options.kinds_at.values())]
    return [kind for kind in kinds if kind in there or asked[kind]] or list(kinds)


def _has_microphone(session: Session) -> bool:
    if session.wait_for(lambda: session.devices.enumerate_devices([KINDS[AUDIO]])):
        return True
    problems = session.devices.problems([KINDS[AUDIO]])
    if not session.wait_for(lambda: session.devices.enumerate_devices([KINDS[VIDEO]])):
        return False  # nothing is recorded, and the error that follows explains why
    session.voice.warn(f"no microphone found; recording video only{''.join(f' ({one})' for one in problems)}")
    return False


def _formats(targets: Sequence[RecordTarget], options: SinkOptions) -> Sequence[str]:
    """Return the native pixel formats for a recording: any, unless the camera's encoded video is copied."""
    rows = [one.row for one in targets if one.row.video and one.options(options).video_codec == COPY]
    if not rows:
        return CopiedFormats([]) if options.video_codec == COPY else ()
    first, *others = map(copied_formats, rows)
    formats = [form for form in first if all(form in other for other in others)]
    if options.time_lapse_s is not None:
        formats = [form for form in formats if CAMERA_CODECS[form].intra]
        if not formats:
            hints = ["leave out “copy” to encode the video, or use .mkv for a camera's MJPEG"]
            raise NotSupportedError(f"a time-lapse cannot be copied into .{rows[0].suffix}", hints=hints)
    return CopiedFormats(formats)


class _RecordLoop:
    """The main thread's side of the recorder: wait for the end, report events, handle keys, show the status."""

    def __init__(
        self,
        session: Session,
        targets: Sequence[RecordTarget],
        options: SinkOptions,
        window: Length,
        shown: CommandPreview,
        container: str | None = None,
        trigger: str = "",
        control: str | None = None,
    ) -> None:
        self.session = session
        self.targets = list(targets)  # also those that were added
        self.container = container
        self.to_stdout = any(target.to_stdout for target in targets)
        self.options = options
        self.window = window
        self.shown = shown
        self.trigger = Trigger(trigger, session.wake, session.stopper.count)
        self.control = control
        self.recorder: MediaRecorder | None = None
        self.wanted: Sequence[Wanted] = ()
        self.done = False
        self.warned_missed = False  # that triggers were missed
        self.ended_triggers = False  # that no trigger can come any more

    def run(self, wanted: Sequence[Wanted], formats: Sequence[str]) -> int:
        """Record and return the exit code."""
        self.wanted = written_of(self.session.options, wanted)
        for target in self.targets:
            load_sink(
                target.row, target.output, target.options(self.options)
            )  # report an impossible output before the camera's light goes on
        try:
            with open_control(self.control, self.session, to_stdout=self.to_stdout) as control:
                self.session.open(wanted, formats, self._start)
                self.session.show_outputs(contents_of(self.targets, self.options))
                self.session.show_tracks(self.to_stdout)
                self.session.enable_gc()
                assert self.recorder is not None, "it was started with the devices"
                run = RecordRun(self, self.recorder)
                if control is not None:
                    control.serve(run)
                self.shown.show(self.session.tracks)
                recording = self._wait(run)
            return self._finish(recording)
        except KeyboardInterrupt:
            if self.recorder is not None:
                self.recorder.abandon()
            raise
        finally:
            if self.recorder is not None:
                self.recorder.stop()  # the session waits for the recorder when it closes the devices

    def _start(self, stream: MediaStream) -> None:
        """Start the recorder before the devices, so that their first frames are recorded."""
        outputs = [RecorderOutput(target.output, target.row) for target in self.targets]
        served = self.control is not None  # commands are answered before a reader has come
        recorder = MediaRecorder(stream, outputs=outputs, sink_options=self.options, window=self.window, defer=served)
        for name in (*recorder.EVENTS, "segment", "outputerror", *LINK_EVENTS):
            recorder.add_event_listener(name, self._on_event)
        recorder.start()
        assert recorder.recording is not None, "it was started"
        self.session.write_to(recorder.recording.abandon_reader, to_stdout=self.to_stdout)
        self.recorder = recorder

    def written(self) -> list[RecordTarget]:
        """Return the targets of the outputs that are written."""
        assert self.recorder is not None, "it was started with the devices"
        assert self.recorder.recording is not None, "it was started"
        return [self.targets[position] for position in self.recorder.recording.going if position < len(self.targets)]

    def _on_event(self, event: Event) -> None:
        if event.type in ("start", "pause", "resume"):
            for target in self.targets if event.type == "start" else self.written():
                self.session.events.emit(event.type, None, event.time, file=masked(target.name))
        if event.type == "segment":
            self.session.events.emit(event.type, None, event.time, file=event.detail["file"])
        if event.type in LINK_EVENTS:
            report_link(self.session, event.type, event.detail)
        if event.type == "outputerror":
            report_output_failure(self.session, event.detail["file"], event.detail["error"], event.time)
        self.done = self.done or event.type == "stop"

    def _wait(self, run: RecordRun) -> Recording:
        """Wait until the recorder has stopped: by itself, by a signal or key, or because a device ended."""
        from mscli.cli.keys import Keys
        from mscli.cli.status import progress_of, status_line

        session, recorder = self.session, run.recorder
        recording = recorder.recording
        assert recording is not None, "it was started"
        wanted = (session.voice.live or self.shown.in_terminal) and not self.trigger.reads and self.control != STDIN
        with (
            self.trigger,
            Keys(wanted=wanted) as keys,
            status_line(session.voice, recording.tracks, keys_text(there=keys.there), self.trigger.how) as refresh,
        ):
            again_s = self.options.series.duration_s if self.options.series is not None else None
            self.trigger.watch(session.tracks, session.report_motion, again_s)
            while not self.done:
                session.event_loop.wait(_TICK_S)
                press(self.shown.press(keys.pressed()), run)
                self.shown.end_if_closed()
                obey_signals(run)
                self._trigger(run, recording)
                refresh(progress_of(recording, paused=run.paused))
                if session.stopper.abandoned:
                    session.stopper.interrupt()
                if run.stopping or session.over:
                    recording.asked_reason = recording.asked_reason or ("signal" if run.stopping else "ended")
                    run.finish()
        recording.join()
        return recording

    def _trigger(self, run: RecordRun, recording: Recording) -> None:
        """Pass triggers on to the recording, and notify it once when no more can come."""
        over = self.trigger.over  # checked before the last triggers are counted
        obey_trigger(self.trigger, run)
        if recording.missed_triggers and not self.warned_missed:
            self.warned_missed = True
            self.session.voice.warn("missing triggers: they come faster than files can be written, or during a pause")
        if over and not self.ended_triggers:
            self.ended_triggers = True
            recording.end_triggers()

    @property
    def _waits(self) -> bool:
        """Return whether nothing is recorded before a trigger."""
        return self.options.series is not None and self.options.series.triggered

    def _finish(self, recording: Recording) -> int:
        session, outputs = self.session, recording.outputs
        frames = sum(counts.frames for output in outputs for counts in output.counts)
        try:
            if recording.error is not None and not isinstance(recording.error, BrokenPipeError):
                raise recording.error
            session.check_source(frames)
        except DOMException as error:
            if len(outputs) == 1 or recording.error is not error:
                session.events.emit("error", error=error.to_json())
            if frames:
                self._report(recording, outputs, "error")
            raise
        if not frames and session.stopper.requested and not self._waits:
            return ExitCode.ABANDONED
        return self._report(recording, outputs, "pipe" if isinstance(recording.error, BrokenPipeError) else recording.reason)

    def _report(self, recording: Recording, outputs: Sequence[OutputReport], reason: str) -> int:
        session = self.session
        triggers = Triggers(recording.triggers, recording.missed_triggers) if self._waits else None
        names = [target.name for target in self.targets]
        series, limited = self.options.series is not None, self.window != (None, None) and not self._waits
        reports = reports_of(recording, outputs, names, reason, series=series, limited=limited, triggers=triggers)
        report_ends(session, recording, reports)
        options = session.options
        code = finish(
            reports,
            session.voice,
            as_json=options.json,
            strict=options.strict,
            to_stderr=self.to_stdout,
            more=session.end_monitor(),
        )
        return code or (ExitCode.SOURCE_ENDED if recording.cut_short else code)


class RecordRun(SessionRun, RecorderRun):
    """The run of ``mscli record``."""

    instead = _INSTEAD

    def __init__(self, recording: _RecordLoop, recorder: MediaRecorder) -> None:
        RecorderRun.__init__(self, recorder)
        self.session = recording.session
        self.series = recording.options.series is not None
        self._recording = recording

    def finish(self) -> None:
        """Stop the recorder after the session was asked to end."""
        RecorderRun.stop(self)

    @property
    def outputs(self) -> list[str]:
        return [target.name for target in self._recording.written()]

    def add_output(self, name: str) -> str:
        name = file_path(name)
        with self._outputs_turn:
            options = self._recording.options
            target = record_target(name, self._recording.container)
            self.check_added(name)
            _check_target(target, options, self._recording.wanted)
            for sentence in _contradictions([target], options, [track.kind for track in self.tracks]):
                self.session.voice.warn(sentence)
            if not self.series:
                target = _named(target, overwrite=options.overwrite)
                self.check_added(target.name)
            self.recorder.add_output(RecorderOutput(target.output, target.row))
            self._recording.targets.append(target)
            return target.name

    def remove_output(self, name: str) -> None:
        with self._outputs_turn:
            assert self.recorder.recording is not None, "it was started"
            self.remove_from(self.recorder.recording, file_path(name), [target.name for target in self._recording.targets])
