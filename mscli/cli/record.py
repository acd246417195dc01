"""``mscli record``: a MediaRecorder and a file."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click

from mscli.api.copying import CopiedFormats
from mscli.api.mediarecorder import MediaRecorder
from mscli.api.mediastream import MediaStream
from mscli.api.recording import Recording
from mscli.cli.completion import complete_file
from mscli.cli.encoding import encoding_options
from mscli.cli.exitcodes import ExitCode
from mscli.cli.options import Options, asked_kinds, capture_options
from mscli.cli.paramtypes import Duration
from mscli.cli.report import Report, finish
from mscli.cli.series import Plan, series_options
from mscli.cli.session import Session
from mscli.cli.target import CONTAINERS, RecordTarget, record_target, refuse_events_within
from mscli.cli.trigger import Trigger
from mscli.core.errors import ArgumentError, DOMException, NotSupportedError, OperationError
from mscli.core.events import Event
from mscli.core.properties import AUDIO, KINDS, VIDEO
from mscli.sinks import SinkRow, check_tracks, copied_formats, load_sink, next_name
from mscli.sinks.base import COPY, SinkOptions

Limits = tuple[float | None, int | None]  # seconds, frames

_TICK_S = 0.2  # between two looks at the recorder and the keys, and two changes of the status line
_KEYS = "p pause  q stop"


@click.command("record", short_help="Record camera and microphone: MP4, WebM, MKV, MOV; or sound alone.")
@click.argument("file", shell_complete=complete_file)
@click.option("--duration", type=Duration(), help="End after so many seconds; also M:SS and H:MM:SS.")
@click.option("--frames", type=click.IntRange(1), help="End after so many frames (sound alone: samples per channel).")
@click.option("--format", "container", type=click.Choice(CONTAINERS), help="Container, whatever the suffix; MKV into a pipe.")
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@series_options
@encoding_options
@capture_options
def command(
    options: Options, file: str, plan: Plan, encoding: SinkOptions, frames: int | None, container: str | None, force: bool
) -> int:
    """Record into FILE, by its suffix: MP4, WebM, MKV or MOV with picture and sound; M4A, MP3, WAV, FLAC or Ogg with sound. “-”
    is stdout.

    It ends after --duration, with q, or with Ctrl-C: everything captured before is in the file. p pauses it, and goes on. A
    file that exists is kept unless --force is given.

    FILE may say when a recording begins, as in %Y-%m-%d_%H-%M-%S.mp4 (strftime), and its number, as in clip-%03d.mp4: the
    next that is free. With --segment-duration, --segment-size or --segment-clock the recording goes into several such files,
    between which nothing is lost or doubled; a name with neither gets a number. With --trigger a file is recorded each time,
    from --pre-roll seconds before the trigger to --duration seconds after it, or to the next trigger or the end.

    \b
    mscli record clip.mp4
    mscli record --duration 1:00 --size 1920x1080 --frame-rate min:25 clip.mkv
    mscli record --video-codec h264:hw --video-bitrate 8M clip.mov
    mscli record --microphone usb --duration 5 voice.flac
    mscli record - | mpv -
    mscli record --segment-clock 10m --keep 50G %Y-%m-%d_%H-%M.mp4
    mscli record --trigger SIGUSR1 --pre-roll 10 --duration 20 event-%03d.mp4
    """
    target = record_target(file, container)
    refuse_events_within(file, options.events)
    with Session(options) as session:
        sink_options = plan.apply(encoding._replace(overwrite=force, on_note=session.voice.warn))
        kinds = _kinds(session, target.row)
        check_tracks(target.row, sink_options, kinds)
        if options.dry_run:
            session.dry_run(kinds, _formats(target.row, sink_options))
            return ExitCode.DONE
        if plan.series is None:
            target = target._replace(name=next_name(file, overwrite=force))
        return _Recording(session, target, sink_options, (plan.duration_s, frames), plan.trigger).run(kinds)


def _kinds(session: Session, row: SinkRow) -> list[str]:
    """Which tracks to record: what was asked for, else what the container holds, sound only if there is a microphone."""
    options = session.options
    held = [kind for kind in KINDS if getattr(row, kind)]
    kinds = asked_kinds(options, tuple(held))
    refused = [kind for kind in kinds if kind not in held]
    if not kinds:
        raise ArgumentError("neither audio nor video is requested")
    if refused:
        hints = ["choose with --no-video or --no-audio, or another suffix: .mp4, .webm, .mkv, .mov"]
        raise NotSupportedError(f".{row.suffix} holds no {' and no '.join(refused)}", hints=hints)
    if AUDIO in kinds and VIDEO in kinds and AUDIO not in asked_kinds(options, ()) and not _has_microphone(session):
        kinds.remove(AUDIO)
    return kinds


def _has_microphone(session: Session) -> bool:
    if session.wait_for(lambda: session.devices.enumerate_devices([KINDS[AUDIO]])):
        return True
    problems = session.devices.problems([KINDS[AUDIO]])
    if not session.wait_for(lambda: session.devices.enumerate_devices([KINDS[VIDEO]])):
        return False  # nothing is recorded, and the error that follows says why
    session.voice.warn(f"there is no microphone: only the picture is recorded{''.join(f' ({one})' for one in problems)}")
    return False


def _formats(row: SinkRow, options: SinkOptions) -> Sequence[str]:
    """The native pixel formats for a recording: any, unless what the camera encodes is copied."""
    return CopiedFormats(copied_formats(row)) if options.video_codec == COPY else ()


class _Recording:
    """The recorder, seen from the main thread: it waits for the end, tells events, heeds keys and shows how it goes."""

    def __init__(self, session: Session, target: RecordTarget, options: SinkOptions, window: Limits, trigger: str = "") -> None:
        self.session = session
        self.target = target
        self.options = options
        self.window = window
        self.trigger = Trigger(trigger, session.wake)
        self.recorder: MediaRecorder | None = None
        self.done = False
        self.told_over = False  # that no trigger can come any more

    def run(self, kinds: list[str]) -> int:
        """Record; the exit code."""
        load_sink(self.target.row, self.target.output, self.options)  # what cannot be written is said before a light goes on
        try:
            self.session.open(kinds, _formats(self.target.row, self.options), self._start)
            self.session.show_tracks(self.target.to_stdout)
            self.session.settle()
            assert self.recorder is not None, "it was started with the devices"
            return self._finish(self._wait(self.recorder))
        except KeyboardInterrupt:
            if self.recorder is not None:
                self.recorder.abandon()
            raise
        finally:
            if self.recorder is not None:
                self.recorder.stop()  # the session waits for it when it closes the devices

    def _start(self, stream: MediaStream) -> None:
        """Start the recorder before the devices run, so that their first frames are in the file."""
        target = self.target
        recorder = MediaRecorder(stream, file=target.output, row=target.row, sink_options=self.options, window=self.window)
        for name in (*recorder.EVENTS, "segment"):
            recorder.add_event_listener(name, self._on_event)
        recorder.start()
        assert recorder.recording is not None, "it was started"
        self.session.write_to(recorder.recording.forsake, to_stdout=target.to_stdout)
        self.recorder = recorder

    def _on_event(self, event: Event) -> None:
        if event.type in ("start", "pause", "resume"):
            self.session.events.emit(event.type, None, event.time, file=self.target.name)
        if event.type == "segment":
            self.session.events.emit(event.type, None, event.time, file=event.detail["file"])
        self.done = self.done or event.type == "stop"

    def _wait(self, recorder: MediaRecorder) -> Recording:
        """Until the recorder has stopped: by itself, by a signal or a key, or because a device ended."""
        from mscli.cli.keys import Keys
        from mscli.cli.status import status_line

        session, recording = self.session, recorder.recording
        assert recording is not None, "it was started"
        wanted = session.voice.live and not self.trigger.reads
        with (
            self.trigger,
            Keys(wanted=wanted) as keys,
            status_line(session.voice, recording, _KEYS * keys.there) as refresh,
        ):
            while not self.done:
                session.mailbox.wait(_TICK_S)
                self._heed(keys.pressed(), recorder)
                self._trigger(recording)
                refresh(recorder.state)
                if session.stopper.abandoned:
                    session.stopper.interrupt()
                if session.stopper.requested or session.ended:
                    recording.asked_reason = recording.asked_reason or ("signal" if session.stopper.requested else "ended")
                    recorder.stop()
        recording.join()
        return recording

    def _trigger(self, recording: Recording) -> None:
        """Hand on how often it was triggered, and once that it can be no more."""
        over = self.trigger.over  # looked at before the last triggers are counted
        for _ in range(self.trigger.pulled()):
            recording.trigger()
        if over and not self.told_over:
            self.told_over = True
            recording.end_triggers()

    def _heed(self, keys: str, recorder: MediaRecorder) -> None:
        """Do what the keys say. ``q`` is what a signal is."""
        if "q" in keys:
            self.session.stopper.request()
        if keys.count("p") % 2 and recorder.state != "inactive":
            (recorder.pause if recorder.state == "recording" else recorder.resume)()

    @property
    def _waits(self) -> bool:
        """Whether nothing is recorded before a trigger."""
        return self.options.series is not None and self.options.series.triggered

    def _finish(self, recording: Recording) -> int:
        session = self.session
        for counts, dropped, track in zip(recording.counts, recording.dropped, recording.tracks, strict=True):
            counts.dropped, counts.lost = dropped, counts.lost + track.lost
        frames = sum(counts.frames for counts in recording.counts)
        try:
            if recording.error is not None and not isinstance(recording.error, BrokenPipeError):
                raise recording.error
            self._check_kept(recording)
            session.check_source(frames)
        except DOMException as error:
            session.events.emit("error", error=error.to_json())
            if frames:
                self._report(recording, "error")
            raise
        if not frames and session.stopper.requested and not self._waits:
            return ExitCode.ABANDONED
        return self._report(recording, "pipe" if isinstance(recording.error, BrokenPipeError) else recording.reason)

    def _named(self, recording: Recording) -> list[str]:
        return self.target.files if self.options.series is None else recording.files

    def _check_kept(self, recording: Recording) -> None:
        """Raise OperationError if the file was taken away while it was written. Those of a series may be, one by one."""
        for name in self.target.files if self.options.series is None and recording.bytes_written else ():
            if not os.path.lexists(name):
                hints = ["leave it there until the recording has ended"]
                raise OperationError(f"“{name}” is no longer there: it was moved or removed meanwhile", hints=hints)

    def _report(self, recording: Recording, reason: str) -> int:
        session = self.session
        session.events.emit("stop", file=self.target.name, reason=reason)
        files = [name for name in self._named(recording) if os.path.lexists(name)]
        report = Report(files, reason, recording.tracks, recording.counts, size=recording.bytes_written)
        options, to_stderr = session.options, self.target.to_stdout
        return finish(report, session.voice, as_json=options.json, strict=options.strict, to_stderr=to_stderr)
