"""``mscli capture``: raw frames or PCM, from the driver to a pipe with as little between as there can be."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from mscli.api.copying import NativeFormats
from mscli.api.mediastream import MediaStream
from mscli.cli.completion import complete_file, complete_raw_format
from mscli.cli.exitcodes import ExitCode
from mscli.cli.options import Options, asked_kinds, capture_options
from mscli.cli.paramtypes import Duration
from mscli.cli.report import Report, finish
from mscli.cli.session import Session
from mscli.cli.target import STDOUT_NAMES, refuse_events_within
from mscli.core.clock import now_us
from mscli.core.errors import ArgumentError, NotSupportedError
from mscli.core.frames import PIXEL_FORMATS, SAMPLE_FORMATS, Counts, Frame, VideoFrame, packed_planes, pixel_format
from mscli.core.mailbox import Lane
from mscli.core.properties import VIDEO
from mscli.core.window import Window
from mscli.sinks import SINKS, load_converter, load_sink
from mscli.sinks.base import Sink, SinkOptions, TrackFormat

_WAIT_S = 0.2
_NATIVE = "native"
_AS_IT_COMES = ("", _NATIVE, "y4m")  # formats that say nothing of the camera's


@click.command("capture", short_help="Write raw frames or PCM sound to a pipe or a file.")
@click.option(
    "-o", "--output", default="-", metavar="FILE|-", shell_complete=complete_file, help="Where to write; stdout if not given."
)
@click.option(
    "--format",
    "form",
    default="",
    metavar="FORMAT",
    shell_complete=complete_raw_format,
    help="Pixel or sample format; native: as the device gives it.",
)
@click.option("--frames", type=click.IntRange(1), help="End after so many frames (sound alone: samples per channel).")
@click.option("--duration", type=Duration(), help="End after so many seconds; also M:SS.")
@click.option("--preview", is_flag=True, help="Show the picture in a window, too.")
@capture_options
def command(options: Options, output: str, form: str, frames: int | None, duration: float | None, preview: bool) -> int:
    """Write raw frames (or, with --audio --no-video, PCM sound) to stdout or a file, without headers.

    FORMAT is a pixel format such as I420, NV12, YUYV, RGB24, BGR24, GREY, a sample format (s16, s32, f32, u8), y4m, or native.
    Without one, frames come as the camera gives them; compressed ones are decoded to I420. --dry-run --json says which it is.

    \b
    mscli capture --size 640x480 --format RGB24 --frames 30 -o frames.rgb
    mscli capture --format y4m | mpv -
    mscli capture --audio --no-video --format s16 --duration 5 > sound.pcm
    """
    kinds = asked_kinds(options, (VIDEO,), all_of=False)
    _check(kinds, form)
    refuse_events_within(output, options.events)
    with Session(options) as session:
        preferred = _preferred(kinds, form.lower())
        if options.dry_run:
            session.dry_run(kinds, preferred)
            return ExitCode.DONE
        return _Capture(session, kinds, output, form).run(preferred, Window(kinds, duration, frames), preview=preview)


def _check(kinds: list[str], form: str) -> None:
    if not kinds:
        raise ArgumentError("neither audio nor video is requested")
    if len(kinds) > 1:
        hints = ["choose one with --no-audio or --no-video, or use mscli record"]
        raise NotSupportedError("raw output holds one track, not picture and sound", hints=hints)
    if form and kinds == [VIDEO] and form.lower() not in _AS_IT_COMES:
        pixel_format(form)
    if form and kinds != [VIDEO] and form.lower() not in (_NATIVE, *SAMPLE_FORMATS):
        fits = f"sample formats: {', '.join(SAMPLE_FORMATS)}"
        also = "it is a pixel format" if form.upper() in PIXEL_FORMATS else "it is none"
        raise NotSupportedError(f"sound cannot be written as “{form}”: {also}", hints=[fits])


def _preferred(kinds: list[str], form: str) -> Sequence[str]:
    """The camera's formats that are best for the output's."""
    if form == _NATIVE:
        return NativeFormats()
    return () if kinds != [VIDEO] or form in _AS_IT_COMES else (pixel_format(form).name,)


class _Capture:
    """The loop of the command, on the main thread: take a frame, write it, until it is enough."""

    def __init__(self, session: Session, kinds: list[str], output: str, form: str) -> None:
        self.session = session
        self.kinds = kinds
        self.output = output
        self.to_stdout = output in STDOUT_NAMES
        target = sys.stdout.fileno() if self.to_stdout else output
        self.sink: Sink = load_sink(SINKS["raw"], target, SinkOptions(format=form.lower()))
        self.counts = Counts()
        self.lanes: list[Lane] = []

    def prepare(self, stream: MediaStream) -> None:
        """Check the output before the device streams, and take every frame from the first on."""
        (track,) = stream.get_tracks()
        self.sink.open([TrackFormat(track.kind, track.settings, track.pixel_format)])
        self.session.write_to(self.sink.forsake, to_stdout=self.to_stdout)
        self.lanes.append(track.open_lane(self.session.mailbox))

    def run(self, preferred: Sequence[str], window: Window, *, preview: bool) -> int:
        """Capture; the exit code."""
        self.session.open(self.kinds, preferred, self.prepare)
        self.session.show_tracks(self.to_stdout)
        self.session.settle()
        shown: Previewer | None = None
        try:
            if preview:
                shown = self.session.wait_for(lambda: Previewer(self.session.tracks[0].label), Previewer.close)
            reason = self._loop(window, shown)
            self.sink.close()
        except BrokenPipeError:
            reason = "pipe"
            self.sink.abort()
        except BaseException:
            self.sink.abort()
            raise
        finally:
            if shown is not None:
                shown.close()
        return self._finish(reason)

    def _loop(self, window: Window, shown: Previewer | None) -> str:
        mailbox, stopper = self.session.mailbox, self.session.stopper
        while not (window.over or stopper.requested or (shown is not None and shown.closed)):
            taken = mailbox.take(_WAIT_S)
            if taken is None:
                if mailbox.finished or window.overdue(now_us()):
                    break  # the device gives nothing more, and it is past the end
                continue
            frame = window.admit(0, taken.frame)
            if frame is not None:
                self.sink.write(0, frame)
                self.counts.note(frame)
                if shown is not None:
                    shown.show(frame)
        self.session.check_source(self.counts.frames)
        if stopper.requested or (shown is not None and shown.closed):
            return "signal"
        return window.reason or "ended"

    def _finish(self, reason: str) -> int:
        track = self.session.tracks[0]
        self.counts.dropped, self.counts.lost = self.lanes[0].dropped, track.lost
        self.counts.correct(self.sink.corrections(0))
        self.counts.bytes = self.sink.track_bytes(0)
        self.session.events.emit("stop", track, reason=reason)
        if reason == "signal" and not self.counts.frames:
            return ExitCode.ABANDONED
        files = [] if self.to_stdout else [self.output]
        report = Report(files, reason, [track], [self.counts], size=self.sink.bytes_written)
        options = self.session.options
        return finish(report, self.session.voice, as_json=options.json, strict=options.strict, to_stderr=self.to_stdout)


class Previewer:
    """The picture in a window beside the output: frames that the window is too slow for are not shown."""

    def __init__(self, title: str) -> None:
        from mscli.cli.preview import Preview

        self._window = Preview(title)
        self._convert = load_converter("BGR24")

    @property
    def closed(self) -> bool:
        """Whether the person closed the window."""
        return bool(self._window.closed)

    def show(self, frame: Frame) -> None:
        """Show a picture, unless the window is still busy with another."""
        picture = self._convert(frame) if self._window.ready and isinstance(frame, VideoFrame) else None
        if picture is not None:
            self._window.show(picture.coded_width, picture.coded_height, packed_planes(picture)[0])

    def close(self) -> None:
        """Close the window."""
        self._window.close()
