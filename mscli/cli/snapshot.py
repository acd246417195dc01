"""``mscli snapshot``: one picture, whole or not at all."""

from __future__ import annotations

import sys

import click

from mscli.api.mediastream import MediaStream
from mscli.cli.completion import complete_file
from mscli.cli.exitcodes import ExitCode
from mscli.cli.options import Options, capture_options
from mscli.cli.paramtypes import Fraction
from mscli.cli.report import Report, finish
from mscli.cli.session import Session
from mscli.cli.target import refuse_events_within, refuse_folder
from mscli.core.errors import NotReadableError, NotSupportedError
from mscli.core.frames import PIXEL_FORMATS, Counts, VideoFrame
from mscli.core.mailbox import Lane
from mscli.core.properties import VIDEO
from mscli.sinks import SINKS, SinkRow, load_sink, sink_row
from mscli.sinks.base import Sink, SinkOptions, TrackFormat

STDOUT_SUFFIX = "png"  # what "-" writes unless --format says otherwise
DAMAGED = 30  # damaged pictures after which a camera counts as failed
_WAIT_S = 0.5


@click.command("snapshot", short_help="Take a picture: PNG, JPEG or WebP.")
@click.argument("file", shell_complete=complete_file)
@click.option(
    "--format", "suffix", type=click.Choice(["png", "jpeg", "webp"]), help="For “-”: the kind of picture; PNG if not given."
)
@click.option("--quality", type=Fraction(), help="Of JPEG and WebP, from 0 to 1.")
@capture_options
def command(options: Options, file: str, suffix: str | None, quality: float | None) -> int:
    """Take a picture into FILE: PNG, JPEG or WebP by its suffix; “-” writes PNG to stdout.

    A file that exists is replaced as a whole; if anything fails it stays as it was.

    \b
    mscli snapshot picture.png
    mscli snapshot --camera brio --size 1920x1080 picture.jpg
    mscli snapshot --format jpeg - | magick - small.png
    """
    if options.video is False:
        raise NotSupportedError("a snapshot needs the picture", hints=["leave --no-video out"])
    options.video, options.audio = True, False
    refuse_folder(file, STDOUT_SUFFIX)
    refuse_events_within(file, options.events)
    row = SINKS[suffix or STDOUT_SUFFIX] if suffix or file == "-" else sink_row(file, "still")
    with Session(options) as session:
        if options.dry_run:
            session.dry_run([VIDEO])
            return ExitCode.DONE
        return _take(session, row, file, SinkOptions(quality=quality))


def _take(session: Session, row: SinkRow, file: str, sink_options: SinkOptions) -> int:
    lanes: list[Lane] = []
    sink = load_sink(row, sys.stdout.fileno() if file == "-" else file, sink_options)
    session.write_to(sink.forsake, to_stdout=file == "-")

    def prepare(stream: MediaStream) -> None:
        (track,) = stream.get_tracks()
        sink.open([TrackFormat(VIDEO, track.settings, track.pixel_format)])
        lanes.append(track.open_lane(session.mailbox))

    session.open([VIDEO], prepare=prepare)
    to_stderr = file == "-"
    session.show_tracks(to_stderr)
    counts = Counts()
    try:
        counts.note(_write_one(session, sink, counts))
        sink.close()
        counts.bytes = sink.track_bytes(0)
    except BaseException:
        sink.abort()
        raise
    counts.dropped, counts.lost = lanes[0].dropped, counts.lost + session.tracks[0].lost
    report = Report([] if to_stderr else [file], "frames", session.tracks, [counts], size=sink.bytes_written)
    return finish(report, session.voice, as_json=session.options.json, strict=session.options.strict, to_stderr=to_stderr)


def _write_one(session: Session, sink: Sink, counts: Counts) -> VideoFrame:
    """Write the first picture that is whole; of damaged ones at most ``DAMAGED`` are passed over."""
    while True:
        frame = _next_frame(session)
        if not PIXEL_FORMATS[frame.format].encoded:
            session.tracks[0].stop()  # it is whole: the light goes off before the picture is written
        try:
            sink.write(0, frame)
        except NotReadableError:
            counts.lost += 1
            if counts.lost > DAMAGED:
                raise
        else:
            return frame


def _next_frame(session: Session) -> VideoFrame:
    """The next frame that comes. Raises what keeps it from coming."""
    while True:
        session.stopper.interrupt_if_requested()
        taken = session.mailbox.take(_WAIT_S)
        if taken is not None and isinstance(taken.frame, VideoFrame):
            return taken.frame
        session.check_source(0)
