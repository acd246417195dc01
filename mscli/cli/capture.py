"""``mscli capture``: write raw frames or PCM from the driver to a pipe, with as little in between as possible."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from mscli.api.listening import Listener, listening_of
from mscli.api.mediastream import MediaStream
from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.api.nativeformats import NativeFormats
from mscli.api.recording import Callbacks, Delivery, GroupPlan, Plan, Recording, facts_of, seconds_left
from mscli.api.wanted import Wanted
from mscli.cli.commands import SessionRun, keys_text, obey_signals, open_control, press
from mscli.cli.exitcodes import ExitCode
from mscli.cli.options import Options, asked_kinds, check_one, wanted_of, written_of
from mscli.cli.paramtypes import STDIN
from mscli.cli.preview import CommandPreview
from mscli.cli.report import Report, finish, report_ends, report_output_failure, reports_of
from mscli.cli.session import Session, chosen_format
from mscli.cli.surface.filters import refuse_unused_filters
from mscli.cli.surface.preview import PreviewPlan
from mscli.cli.target import STDOUT_NAMES, contents_of, refuse_shared, refuse_terminal, refuse_written_within
from mscli.core.addresses import file_path, masked, suffix_of
from mscli.core.clock import now_us
from mscli.core.codecs import CAMERA_CODECS, VIDEO_CODECS, camera_format, joined
from mscli.core.errors import ArgumentError, DOMException, NotSupportedError
from mscli.core.eventloop import FrameQueue, QueueLimits
from mscli.core.frames import PIXEL_FORMATS, SAMPLE_FORMATS, Media, span_s
from mscli.core.limits import ASLEEP_S
from mscli.core.log import Log
from mscli.core.nearest import did_you_mean
from mscli.core.orientation import PictureFilters
from mscli.core.outputformats import BY_SUFFIX, CONTAINERS, OUTPUT_FORMATS, RAW, OutputContents, OutputFormat, read_by
from mscli.core.properties import AUDIO, KINDS, VIDEO
from mscli.core.tuples import NamedTuple
from mscli.core.window import PausedTrack, Pauses, Window
from mscli.encode.options import SinkOptions, TrackFormat
from mscli.sinks import (
    DEVICES,
    SINKS,
    SinkRow,
    check_tracks,
    is_ring,
    load_sink,
    next_name,
    output_stream,
    raw_address_row,
)
from mscli.sinks.base import Sink

if TYPE_CHECKING:
    from mscli.api.getusermedia import Choice
    from mscli.cli.status import Progress

_WAIT_S = 0.2
_INSTEAD = "name a file with -o, send it to a program (| PROGRAM), or use --preview"  # of writing to a terminal

_log = Log("record")
_NATIVE = "native"
_FLOAT = "f32"
_IN_RING = ("rawvideo", "mjpeg", "h264")  # what a ring in shared memory holds
_AS_IT_COMES = ("", _NATIVE)  # formats that do not depend on the camera's


def run(
    options: Options,
    outputs: tuple[str, ...],
    form: str,
    frames: int | None,
    duration: float | None,
    force: bool,
    preview: PreviewPlan,
    deinterlace: bool,
    control: str | None,
    frame_log: str | None,
    pixels: str,
    print_ffmpeg: bool,
    print_gst: bool,
    when_full: str | None,
    buffer: QueueLimits | None,
    reopen: bool,
    filters: PictureFilters,
) -> int:
    """Capture and return the exit code."""
    alone = bool(preview.place and not outputs and sys.stdout.isatty())  # a preview alone writes nothing
    outputs = outputs or (os.devnull if alone else "-",)
    outputs = tuple(map(file_path, outputs))
    asked = AskedFormat(_as_known(form), _as_known(pixels))
    plans = [_planned(output, asked) for output in outputs]
    kinds = _kinds(options, plans)
    for plan in plans:
        _check(plan, kinds)
    if (deinterlace or any(filters)) and any(plan.format.native for plan in plans):
        changes = "--deinterlace changes" if deinterlace else "--crop, --flip, --rotate and --timestamp change"
        raise ArgumentError(f"native frames are those of the camera, and {changes} them; choose another --format")
    refuse_unused_filters(filters, kinds)
    limits = (buffer or QueueLimits())._replace(when_full=when_full or "")
    wanted = wanted_of(options, kinds)
    check_one(written_of(options, wanted), "raw output holds", "use “mscli record”, or --mix")
    printed = [OutputContents.ffmpeg] * print_ffmpeg + [OutputContents.gst] * print_gst
    if not (options.dry_run or printed):
        refuse_terminal(outputs, _INSTEAD)
    if frame_log is not None and plans[0].format.row.container:
        hints = ["choose a format with one track, such as y4m"]
        raise NotSupportedError(f"--frame-log cannot tell what a frame adds to {plans[0].format.row.name}", hints=hints)
    if reopen and not any(_is_pipe(output) for output in outputs):
        raise click.UsageError("--reopen has no effect: no output is a named pipe; make one with mkfifo")
    refuse_shared(outputs, series=False)
    refuse_written_within(outputs, options, {"--frame-log": frame_log})
    with Session(options) as session:
        for plan in plans:
            if plan.row.raw and plan.is_misnamed:
                what = "pictures" if kinds == [VIDEO] else "samples"
                session.voice.warn(
                    f"“{plan.name}” will hold raw {what} without a header, although its name ends in .{suffix_of(plan.name)}; "
                    "“mscli record” and “mscli snapshot” write such files"
                )
        preferred = _preferred(kinds, plans[0].format)
        session.filling = "" if plans[0].format.native else "writing"
        how = SinkOptions(
            frames=frames,
            over_device=force,
            reopen=reopen,
            frame_log=sys.stdout.fileno() if frame_log in STDOUT_NAMES else frame_log,
            on_note=session.voice.warn,
            deinterlace=deinterlace,
            levels=options.json or session.voice.live,
            silence=options.silence_timeout,
            on_silence=session.note_silence,
            **filters._asdict(),
        )
        if printed:
            _print_readers(session, wanted, preferred, [(plan, plan.options(how)) for plan in plans], printed)
            return ExitCode.DONE
        if options.dry_run:
            session.dry_run(wanted, contents_of(plans, how), preferred)
            return ExitCode.DONE
        plans = [plan.named() for plan in plans]
        with CommandPreview(session, preview, how.filters, kinds, alone=alone) as shown:
            simple = len(plans) == 1 and plans[0].format.row.single and not reopen
            if not simple or control is not None:  # a command may add outputs
                ends = Plan(duration, frames, None, deinterlace, how.filters, limits=limits, levels=how.levels)
                ends = ends._replace(listening=listening_of(how))
                return _SeveralOutputs(session, wanted, plans, how, ends, control, asked, shown).run(preferred)
            window = Window(kinds, duration, frames)
            return _Capture(session, wanted, plans[0], how, limits, shown).run(preferred, window)


class AskedFormat(NamedTuple):
    """A format as it was asked for: --format and --pixel-format."""

    name: str = ""
    pixels: str = ""

    @property
    def row(self) -> OutputFormat:
        """Return the row of the table."""
        return OUTPUT_FORMATS.get(self.name, RAW)

    @property
    def native(self) -> bool:
        """Return whether what the device delivers is passed on unchanged."""
        return _NATIVE in self

    @property
    def legend(self) -> str:
        """Return the pixel or sample format, or "native", by whichever option it was asked for."""
        return self.pixels or ("" if self.name in OUTPUT_FORMATS else self.name)


def _is_pipe(output: str) -> bool:
    try:
        return stat.S_ISFIFO(os.stat(output).st_mode)
    except OSError:
        return False


def _as_known(name: str) -> str:
    """Return a format as the tables spell it, or as it was typed, for messages."""
    lower = name.lower()
    return lower if lower in (*OUTPUT_FORMATS, *SAMPLE_FORMATS, _NATIVE) else name


class Planned(NamedTuple):
    """An output, the row of its sink, and its format."""

    name: str
    row: SinkRow
    format: AskedFormat

    @property
    def is_misnamed(self) -> bool:
        """Return whether raw data will have a name that ends like that of another kind of file."""
        suffix = suffix_of(self.name)
        return not self.format.row.suffixes and SINKS.get(suffix, self.row).mime_type != self.row.mime_type

    def options(self, how: SinkOptions) -> SinkOptions:
        """Return the options of its sink."""
        return how._replace(format=self.format.name, pixel_format=self.format.pixels)

    def named(self) -> Planned:
        """Return the output with the time and a free number in a file's name."""
        name = self.name
        is_file = name not in STDOUT_NAMES and not self.row.writes_to(name)
        return self._replace(name=next_name(name, overwrite=False)) if is_file else self

    @property
    def title(self) -> str:
        """Return the name of its format, or its own, for messages."""
        return self.format.name or masked(self.name)

    @property
    def has_one_size(self) -> bool:
        """Return whether nothing in the output would tell that its pictures have another size from now on."""
        row = self.format.row
        return self.holds(VIDEO) and not (row.codec or row.container)

    def holds(self, kind: str) -> bool:
        """Return whether tracks of this kind go into it."""
        return kind in self.format.row.kinds and bool(getattr(self.row, kind)) and not (is_ring(self.name) and kind == AUDIO)


def _planned(output: str, asked: AskedFormat) -> Planned:
    """Return the plan for an output. Its format is the one asked for, else that of its suffix, else raw data."""
    address = raw_address_row(output)
    by_suffix = None if asked.name or address is not None else BY_SUFFIX.get(suffix_of(output))
    name = by_suffix.name if by_suffix is not None else asked.name
    if not name and asked.pixels:
        name = "rawvideo"
    form = asked._replace(name=name)
    if form.row.container and address is not None and address.raw and not is_ring(output):
        hints = ["choose y4m, mjpeg, multipart, h264, or raw data"]
        raise NotSupportedError(f"readers cannot join {form.name} on a socket", hints=hints)
    if is_ring(output) and form.name in OUTPUT_FORMATS and form.name not in _IN_RING:
        hints = [f"leave --format out, or choose {joined(_IN_RING)}"]
        raise NotSupportedError(f"a ring in shared memory holds frames, not {form.name}", hints=hints)
    return Planned(output, address or SINKS[form.row.container or "raw"], form)


def _kinds(options: Options, plans: Sequence[Planned]) -> list[str]:
    """Return the kinds of tracks to capture: those asked for, else video if an output holds it, else audio."""
    held = [kind for kind in KINDS if any(plan.holds(kind) for plan in plans)]
    usual = VIDEO if VIDEO in held else AUDIO
    kinds = asked_kinds(options, (usual,), all_of=False)
    if options.input and len(kinds) > 1 and not options.audio:  # both are there, and one is captured
        kinds = [usual]
    if not kinds:
        raise ArgumentError("neither audio nor video is requested")
    for kind in kinds:
        if kind not in held:
            flag = "--audio --no-video" if kind == VIDEO else "--no-audio"
            names = joined([plan.title for plan in plans])
            raise NotSupportedError(f"{names} holds no {kind}", hints=[f"use {flag}, or another --format"])
    return kinds


def _check(plan: Planned, kinds: list[str]) -> None:
    """Raise NotSupportedError if an output does not hold its tracks, or not in this format."""
    held = [kind for kind in kinds if plan.holds(kind)]
    form = plan.format
    if not held:
        raise NotSupportedError(
            f"{plan.title} holds no {joined(kinds)}", hints=["leave this output out, or choose another --format"]
        )
    if len(held) > 1 and form.row.single:
        hints = [
            f"use a container for both: --format {' or '.join(CONTAINERS)}, or “mscli record”",
            "or choose one with --no-audio or --no-video",
        ]
        raise NotSupportedError("raw output holds one track, either video or audio", hints=hints)
    if plan.row in DEVICES:
        check_tracks(plan.row, plan.options(SinkOptions()), held)
        return
    if form.name in OUTPUT_FORMATS:
        if form.row.container and form.pixels:
            raise NotSupportedError(f"{form.name} has no pixel format to choose", hints=["leave --pixel-format out"])
        if not form.row.container:
            check_tracks(plan.row, plan.options(SinkOptions()), held)
        return
    named = form.name
    if named and held == [VIDEO] and named not in _AS_IT_COMES:
        camera_format(named)
    if named and held == [AUDIO] and named not in (_NATIVE, *SAMPLE_FORMATS):
        hints = [f"sample formats: {', '.join(SAMPLE_FORMATS)}"]
        if named.upper() in {*PIXEL_FORMATS, *CAMERA_CODECS}:
            raise NotSupportedError(f"cannot write audio as {named}, a pixel format", hints=hints)
        raise NotSupportedError(f"unknown sample format “{named}”{did_you_mean(named, SAMPLE_FORMATS)}", hints=hints)


def _preferred(kinds: list[str], form: AskedFormat) -> Sequence[str]:
    """Return the camera formats that suit the output format best."""
    if form.native:
        return NativeFormats()
    if kinds != [VIDEO] or form.legend in _AS_IT_COMES:
        return (VIDEO_CODECS[form.row.codec].camera,) if form.row.codec else ()
    return (camera_format(form.legend),)


def _format_of(session: Session, choice: Choice) -> TrackFormat:
    """Return what is known about a chosen track, with the format of floating-point samples."""
    found = chosen_format(choice)
    whole = choice.kind == AUDIO and found.settings.get("sampleSize") == SAMPLE_FORMATS[_FLOAT].bits
    floating = whole and session.devices.machine.abilities_of(choice.device).floating
    return found._replace(pixel_format=_FLOAT) if floating else found


def _print_readers(
    session: Session,
    wanted: Sequence[Wanted],
    preferred: Sequence[str],
    plans: Sequence[tuple[Planned, SinkOptions]],
    printed: Sequence[Callable[[OutputContents], str]],
) -> None:
    """Print, for each output, what makes FFmpeg or GStreamer read it. No device is started."""
    tracks = [_format_of(session, choice) for choice in session.negotiate(wanted, preferred)]
    for plan, options in plans:
        track = next(track for track in tracks if plan.holds(track.kind))
        stream = output_stream(options, track)
        for text in printed:
            print(read_by(text(stream), plan.name, of_ffmpeg=text is OutputContents.ffmpeg))  # noqa: T201


class _Capture:
    """The main loop of a capture with one output, on the main thread: take a frame, write it, repeat."""

    def __init__(
        self,
        session: Session,
        wanted: Sequence[Wanted],
        plan: Planned,
        how: SinkOptions,
        limits: QueueLimits,
        shown: CommandPreview,
    ) -> None:
        self.limits = limits
        self.shown = shown
        self.session = session
        self.wanted = wanted
        self.plan = plan
        self.row = row = plan.row
        self.how = how = plan.options(how)
        self.output = output = plan.name
        self.pauses = session.event_loop.pauses = Pauses()
        self.to_stdout = output in STDOUT_NAMES
        target = sys.stdout.fileno() if self.to_stdout else output
        self.sink: Sink = load_sink(row, target, how)
        self.queues: list[FrameQueue] = []

    def prepare(self, stream: MediaStream) -> None:
        """Open the output before the device streams, and queue every frame from the first on."""
        (track,) = stream.get_tracks()
        self.paused = PausedTrack(self.pauses, paced=track.paced)
        self.sink.open([self.how.filtered(TrackFormat(track.kind, track.settings, track.pixel_format, paced=track.paced))])
        self.session.write_to(self.sink.abandon_reader, to_stdout=self.to_stdout)
        self.queues.append(track.open_queue(self.session.event_loop, limits=self.limits))
        self.sink.facts = lambda _: facts_of(track, self.queues[0], self.sink.paused_us)

    def run(self, preferred: Sequence[str], window: Window) -> int:
        """Capture and return the exit code."""
        try:
            self.session.open(self.wanted, preferred, self.prepare)
        except BaseException:
            self.sink.abort()
            raise
        if not self.shown.alone:
            self.session.show_outputs(contents_of([self.plan], self.how))
        self.session.show_tracks(self.to_stdout)
        self.session.enable_gc()
        reason, delivery = self._capture(window)
        return self._finish(reason, delivery, limited=window.limited)

    def _capture(self, window: Window) -> tuple[str, Delivery]:
        """Write until the end and close the output. Return the reason for the end, and what was written."""
        _log.info("begins: %s", ", ".join(f"{track.kind} “{track.label}”" for track in self.session.tracks))
        how, listening = self.how, listening_of(self.how)
        delivery = Delivery(
            self.sink,
            self.session.tracks,
            window,
            self.session.voice.warn,
            deinterlace=how.deinterlace,
            filters=how.filters,
            levels=how.levels,
            listener=None if listening is None else Listener(listening, self.session.tracks),
        )
        try:
            self.shown.show(self.session.tracks)
            run = CaptureRun(self.session, [self.output], self.pauses)
            with _Terminal(self.session, run, None, self.shown, to_stdout=self.to_stdout) as terminal:
                reason = self._loop(window, delivery, run, lambda: terminal.update(lambda: self._progress(delivery)))
            delivery.finish()
            self.sink.close()
        except BrokenPipeError:
            reason = "pipe"
            self.sink.abort()
        except BaseException:
            self.sink.abort()
            raise
        _log.info("ended: %s", reason)
        return reason, delivery

    def _progress(self, delivery: Delivery) -> Progress:
        from mscli.cli.status import Progress

        recorded_s, dropped = span_s(delivery.counts), self.queues[0].dropped + delivery.dropped[0]
        return Progress(
            self.session.tracks,
            delivery.counts,
            recorded_s,
            self.sink.bytes_written,
            self.pauses.lasting,
            dropped,
            delivery.damaged,
            seconds_left(self.sink, recorded_s),
        )

    def _loop(self, window: Window, delivery: Delivery, run: CaptureRun, on_frame: Callable[[], object]) -> str:
        event_loop = self.session.event_loop
        while True:
            on_frame()
            obey_signals(run)
            if delivery.over or run.stopping or self.shown.ends_run:
                break
            taken = event_loop.take(_WAIT_S)
            if delivery.awaited and not self.pauses.lasting:
                delivery.note_missing([self.queues[0].dropped + self.session.tracks[0].lost])
            if taken is None:
                if event_loop.finished:
                    break
                if reason := self._overdue(window):
                    return reason
                continue
            self._take(taken.frame, window, delivery)
        if run.stopping or self.shown.ends_run:
            return "signal"
        return window.reason or "ended"

    def _take(self, frame: Media, window: Window, delivery: Delivery) -> None:
        """Write the requested part of the frame. Inside a pause, write nothing."""
        placed = self.paused.place(frame)
        if placed is None:
            self.queues[0].omitted += frame.count
            return
        self.sink.paused_us = frame.timestamp - placed.timestamp
        if self.paused.decodes(placed):
            delivery.take(0, placed)
            return
        delivery.dropped[0] += window.encloses(0, placed)

    def _overdue(self, window: Window) -> str:
        """Return why the capture is over, because its end has passed without a frame that shows it, or ""."""
        placed_us = self.pauses.place(now_us())
        paced = self.session.tracks[0].paced  # the timestamps of a paced source are not on our clock
        return "" if paced or placed_us is None else window.overdue(placed_us)

    def _finish(self, reason: str, delivery: Delivery, *, limited: bool) -> int:
        track, (counts,) = self.session.tracks[0], delivery.counts
        failure = delivery.complete_counts(complete=reason not in ("signal", "pipe"))
        counts.dropped, counts.lost = self.queues[0].dropped + delivery.dropped[0], counts.lost + track.lost
        if failure is not None:
            self.session.events.emit("error", error=failure.to_json())
            if counts.frames:
                self._report("error", delivery, limited=limited)
            raise failure
        self.session.events.emit("stop", track, reason=reason)
        if reason == "signal" and not counts.frames:
            return ExitCode.ABANDONED
        return self._report(reason, delivery, limited=limited)

    def _report(self, reason: str, delivery: Delivery, *, limited: bool) -> int:
        unsaved = self.to_stdout or self.shown.alone or self.row.writes_to(self.output)
        files = [] if unsaved else [self.output]
        unnamed = "stdout" if self.to_stdout else "the preview" if self.shown.alone else masked(self.output)
        size, damage = self.sink.bytes_written, delivery.damage()
        report = Report(files, reason, self.session.tracks, delivery.counts, size, unnamed=unnamed, warnings=damage)
        report = report._replace(limited=limited)
        options = self.session.options
        return finish(
            [report],
            self.session.voice,
            as_json=options.json,
            strict=options.strict,
            to_stderr=self.to_stdout,
            more=self.session.end_monitor(),
        )


class _SeveralOutputs:
    """A capture with several outputs. Each has its own queue and thread, so one that fails or is slow affects no other."""

    def __init__(
        self,
        session: Session,
        wanted: Sequence[Wanted],
        plans: Sequence[Planned],
        how: SinkOptions,
        plan: Plan,
        control: str | None,
        asked: AskedFormat,
        shown: CommandPreview,
    ) -> None:
        self.shown = shown
        self.session = session
        self.wanted = wanted
        self.plans = list(plans)  # also those that were added
        outputs = [one.name for one in plans]
        self.outputs = list(outputs)  # also those that were added
        self.asked = asked
        self.control = control
        self.plan = plan
        self.to_stdout = any(output in STDOUT_NAMES for output in outputs)
        targets = [sys.stdout.fileno() if output in STDOUT_NAMES else output for output in outputs]
        self.how = how._replace(frame_log=None)  # the log is that of the first output
        hows = [how, *[self.how] * (len(plans) - 1)]
        self.sinks = [load_sink(one.row, target, one.options(of)) for one, target, of in zip(plans, targets, hows, strict=True)]
        self.recording: Recording | None = None
        self.done = False

    def run(self, preferred: Sequence[str]) -> int:
        """Capture and return the exit code."""
        session = self.session
        with open_control(self.control, session, to_stdout=self.to_stdout) as control:
            session.open(self.wanted, preferred, self._prepare)
            session.show_outputs(contents_of(self.plans, self.how))
            session.show_tracks(self.to_stdout)
            session.enable_gc()
            recording = self.recording
            assert recording is not None, "it was started with the devices"
            run = SeveralRun(self, recording)
            if control is not None:
                control.serve(run)
            self._capture(recording, run)
        return self._finish(recording)

    def _capture(self, recording: Recording, run: SeveralRun) -> None:
        """Wait until all outputs are written."""
        session = self.session
        try:
            self.shown.show(session.tracks)
            from mscli.cli.status import progress_of

            with _Terminal(session, run, self.control, self.shown, to_stdout=self.to_stdout) as terminal:
                self._wait(recording, run, lambda: terminal.update(lambda: progress_of(recording, paused=run.paused)))
        except BaseException:
            recording.abandon()
            raise
        recording.join()

    def _prepare(self, stream: MediaStream) -> None:
        """Open the outputs before the device streams, and record every frame from the first on."""
        tracks = self.tracks = stream.get_tracks()
        opened: list[Sink] = []
        places = [self._places(plan) for plan in self.plans]
        try:
            for sink, held in zip(self.sinks, places, strict=True):
                opened.append(sink)
                self._open(sink, held)
        except BaseException:
            for sink in opened:
                sink.abort()
            raise
        calls = Callbacks(_nothing, _nothing, self._on_failure, self._on_end, self.session.voice.warn)
        groups = [GroupPlan(sink, held) for sink, held in zip(self.sinks, places, strict=True)]
        self.recording = Recording(tracks, groups, [(index, 0) for index in range(len(groups))], str, self.plan, calls)
        self.recording.start()
        self.session.write_to(self.recording.abandon_reader, to_stdout=self.to_stdout)

    def _places(self, plan: Planned) -> list[int]:
        """Return the places of the tracks that go into an output."""
        return [place for place, track in enumerate(self.tracks) if plan.holds(track.kind)]

    def _open(self, sink: Sink, places: Sequence[int]) -> None:
        sink.give_up_readers(partial(self._may_wait, sink))
        sink.defer()
        tracks = [self.tracks[place] for place in places]
        formats = (TrackFormat(track.kind, track.settings, track.pixel_format, paced=track.paced) for track in tracks)
        sink.open([self.how.filtered(one) for one in formats])

    def add_output(self, name: str) -> None:
        """Write to one more output. Raises InvalidStateError, OperationError, NotSupportedError."""
        recording, plan = self.recording, _planned(name, self.asked)
        assert recording is not None, "it was started with the devices"
        _check(plan, [track.kind for track in self.tracks])
        places = self._places(plan)
        sink = load_sink(plan.row, name, plan.options(self.how))

        def load() -> Sink:
            self._open(sink, places)
            return sink

        recording.add_output(places, load)
        self.outputs.append(name)
        self.plans.append(plan)
        self.sinks.append(sink)

    def _wait(self, recording: Recording, run: SeveralRun, on_frame: Callable[[], object]) -> None:
        session = self.session
        while not self.done:
            on_frame()
            obey_signals(run)
            session.event_loop.wait(_WAIT_S)
            if session.stopper.abandoned:
                session.stopper.interrupt()
            if run.stopping or self.shown.ends_run:
                recording.asked_reason = "signal"
                recording.finish()

    def _may_wait(self, sink: Sink, waited_s: float) -> bool:
        """Return whether to keep waiting for a stalled reader: forever, until its output is to end, or another is done."""
        recording = self.recording
        return recording is None or waited_s < ASLEEP_S or not (recording.is_ending(sink) or recording.any_complete)

    def _on_failure(self, _recording: Recording, output: Sink, error: Exception) -> None:
        name = self.outputs[self.sinks.index(output)] if output in self.sinks else output.name
        self.session.event_loop.post(lambda: report_output_failure(self.session, name, error))

    def _on_end(self, _recording: Recording) -> None:
        def end() -> None:
            self.done = True

        self.session.event_loop.post(end)

    def _finish(self, recording: Recording) -> int:
        session, outputs, error = self.session, recording.outputs, recording.error
        failed = error is not None and not isinstance(error, BrokenPipeError)
        reason = "error" if failed else "pipe" if error is not None else recording.reason
        frames = sum(counts.frames for output in outputs for counts in output.counts)
        if reason == "signal" and not frames:
            return ExitCode.ABANDONED
        limited = self.plan.duration_s is not None or self.plan.frames is not None
        reports = reports_of(recording, outputs, self.outputs, reason, limited=limited)
        report_ends(session, recording, reports, session.tracks[0])
        options = session.options
        code = ExitCode.DONE
        if isinstance(error, DOMException) and len(outputs) == 1:
            session.events.emit("error", error=error.to_json())
        if frames or not failed:
            code = finish(
                reports,
                session.voice,
                as_json=options.json,
                strict=options.strict,
                to_stderr=self.to_stdout,
                more=session.end_monitor(),
            )
        if error is not None and failed:
            raise error
        return code


def _size_in(settings: Mapping[str, Any]) -> tuple[Any, Any]:
    return settings.get("width"), settings.get("height")


def _nothing(*_: object) -> None:
    """Ignore a notification."""


class _Terminal(ExitStack):
    """The keys and the status line of a capture on a terminal. There is neither if stdout carries the frames."""

    def __init__(
        self, session: Session, run: CaptureRun, control: str | None, shown: CommandPreview, *, to_stdout: bool
    ) -> None:
        super().__init__()
        self._run = run
        self._shown = shown
        self._live = shown.in_terminal or (session.voice.live and not to_stdout)
        if self._live:
            from mscli.cli.keys import Keys
            from mscli.cli.status import status_line

            self._keys = self.enter_context(Keys(wanted=control != STDIN))
            keys = keys_text(there=self._keys.there)
            self._refresh = self.enter_context(status_line(session.voice, session.tracks, keys))
            self._due_s = 0.0

    def update(self, progress: Callable[[], Progress]) -> None:
        """Act on pressed keys and draw the line, a few times a second. Called for every frame."""
        if self._live and monotonic() >= self._due_s:
            self._due_s = monotonic() + _WAIT_S
            press(self._shown.press(self._keys.pressed()), self._run)
            self._refresh(progress())


class CaptureRun(SessionRun):
    """The run of ``mscli capture`` with one output and no commands but those of keys and signals."""

    instead = _INSTEAD

    def __init__(self, session: Session, outputs: Sequence[str], pauses: Pauses) -> None:
        super().__init__(session.tracks)
        self.session = session
        self._given = outputs  # also those that were added
        self._pauses = pauses

    @property
    def paused(self) -> bool:
        return self._pauses.lasting

    @property
    def outputs(self) -> Sequence[str]:
        return self._given

    def pause(self) -> None:
        with self._turn:
            if not self.paused:
                self._pauses.begin(now_us())
                self._post_event("pause")

    def resume(self) -> None:
        with self._turn:
            if self.paused:
                self._pauses.end(now_us())
                self._post_event("resume")

    def _post_event(self, name: str) -> None:
        at_us, files = now_us(), [masked(output) for output in self.outputs]

        def emit() -> None:
            for file in files:
                self.session.events.emit(name, self.tracks[0], at_us, file=file)

        self.session.event_loop.post(emit)


class SeveralRun(CaptureRun):
    """The run of ``mscli capture`` with several outputs, or with one to which others can be added."""

    def __init__(self, capture: _SeveralOutputs, recording: Recording) -> None:
        super().__init__(capture.session, capture.outputs, recording.pauses)
        self._capture = capture
        self._recording = recording

    @property
    def outputs(self) -> list[str]:
        return [self._given[position] for position in self._recording.going if position < len(self._given)]

    def check_applied(self, before: Sequence[tuple[MediaStreamTrack, Mapping[str, Any]]]) -> None:
        changed = [track.label for track, old in before if _size_in(old) != _size_in(track.get_settings())]
        names = [masked(plan.name) for plan in self._going if plan.has_one_size]
        if changed and names:
            hints = ["capture with --format mjpeg, h264 or matroska, or record into a file"]
            raise NotSupportedError(f"{names[0]} holds raw pictures, which cannot change their size", hints=hints)

    @property
    def _going(self) -> list[Planned]:
        plans = self._capture.plans
        return [plans[position] for position in self._recording.going if position < len(plans)]

    def add_output(self, name: str) -> str:
        with self._outputs_turn:
            self.check_added(name)
            file = _planned(name, self._capture.asked).named().name
            self.check_added(file)
            self._capture.add_output(file)
            return file

    def remove_output(self, name: str) -> None:
        with self._outputs_turn:
            self.remove_from(self._recording, name, self._given, self.tracks[0])
