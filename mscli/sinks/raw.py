"""Raw output: packed planes or interleaved samples one after the other, or YUV4MPEG2, without a container.

Native frames go from the driver's memory to the descriptor with one ``writev`` each (https://man7.org/linux/man-pages/man2/writev.2.html).
YUV4MPEG2 is what mjpegtools and FFmpeg read: https://wiki.multimedia.cx/index.php/YUV4MPEG2.

There are no times: sound keeps its own by silence where it is missing, but pictures that never came leave no trace.
Nothing tells what a picture is, so all of a stream are of one form: that which was asked for, or that of the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mscli.core.errors import NotSupportedError
from mscli.core.frames import (
    PIXEL_FORMATS,
    SAMPLE_FORMATS,
    AudioData,
    Frame,
    VideoFrame,
    packed_planes,
    pixel_format,
    silence_before,
    without_first,
)
from mscli.sinks.base import SinkOptions, TrackFormat
from mscli.sinks.copying import check_whole
from mscli.sinks.files import OutputSink
from mscli.sinks.timeline import AudioTimeline, silent_pieces

if TYPE_CHECKING:
    from mscli.sinks import SinkRow

NATIVE = "native"  # untouched, also when it is encoded
Y4M = "y4m"
_DECODED = "I420"  # what encoded pictures become if nothing is said
_UNKNOWN_RATE = "30:1"

Parts = Sequence[bytes | memoryview]


class RawSink(OutputSink):
    """Frames of one track, back to back.

    ``options.format``: a pixel or sample format to convert to, "native", "y4m", or "" (raw frames as they are, others decoded).
    """

    _parts: Callable[[Any], Parts]
    _converter: Any = None
    _timeline: AudioTimeline | None = None  # of sound; its drift stays, for there is nothing to keep in step with
    _size: tuple[int, int] | None = None  # of all pictures
    _form = ""  # the pixel format of all pictures as they come, once it is known
    _encoding = False  # whether the camera encodes, and that is handed on
    _hidden = 0  # pictures of another form left out between encoded ones
    _rate = _UNKNOWN_RATE

    @classmethod
    def check(cls, row: SinkRow, options: SinkOptions, kinds: Sequence[str]) -> None:  # noqa: ARG003
        """One track, and a format of its kind."""
        if len(kinds) != 1:
            hints = ["choose one with --no-video or --no-audio", "or write both into a container: mscli record FILE.mkv"]
            raise NotSupportedError("a raw output holds exactly one track", hints=hints)
        if kinds[0] == "video" and options.format not in ("", NATIVE, Y4M):
            _raw_pixels(options.format)
        if kinds[0] == "audio" and options.format not in ("", NATIVE, *SAMPLE_FORMATS):
            hints = [f"sample formats: {', '.join(SAMPLE_FORMATS)}"]
            raise NotSupportedError(f"there is no sample format “{options.format}”", hints=hints)

    def open(self, tracks: list[TrackFormat]) -> None:
        """Check and open; the output gets its name with the first frame."""
        self.check(self.row, self.options, [track.kind for track in tracks])
        self._parts = self._writer(tracks[0])
        self.output.open()

    def write(self, track: int, frame: Frame) -> None:  # noqa: ARG002
        """Write the frame; nothing if it is damaged and has to be decoded."""
        for one in self._in_place(frame) if isinstance(frame, AudioData) else (frame,):
            parts = self._parts(one)
            if parts:
                self.output.write_all(parts)
                self.output.mark()

    def corrections(self, track: int) -> Mapping[str, int]:  # noqa: ARG002
        """Pictures left out, and samples filled in and left out."""
        done = {"decodeErrors": getattr(self._converter, "damaged", 0), "hidden": self._hidden}
        if self._timeline is not None:
            done |= {"silence": self._timeline.silence, "skipped": self._timeline.skipped}
        return {name: count for name, count in done.items() if count}

    def _writer(self, track: TrackFormat) -> Callable[[Any], Parts]:
        wanted = self.options.format
        if track.kind == "audio":
            return _samples if wanted in ("", NATIVE) else self._converted_samples
        if wanted == Y4M:
            self._rate = y4m_rate(track.settings.get("frameRate"))
            return self._y4m
        self._encoding = wanted == NATIVE and bool(track.pixel_format) and PIXEL_FORMATS[track.pixel_format].encoded
        return self._as_it_comes if wanted in ("", NATIVE) else self._converted

    def _as_it_comes(self, frame: VideoFrame) -> Parts:
        self._form = self._form or self._form_of(frame)
        if self._form and not PIXEL_FORMATS[self._form].encoded:
            return self._in_format(frame, self._form)
        if frame.format != self._form:  # a muted track's black, which no picture of this camera's can be
            self._hidden += 1
            return ()
        check_whole(frame)
        return packed_planes(frame)

    def _form_of(self, first: VideoFrame) -> str:
        """The form of all pictures if that is the first; "" if it says nothing of the camera's."""
        if first.blank and self._encoding:
            return ""
        as_it_is = not PIXEL_FORMATS[first.format].encoded or (self.options.format == NATIVE and first.whole)
        return first.format if as_it_is else _DECODED

    def _converted(self, frame: VideoFrame) -> Parts:
        return self._in_format(frame, pixel_format(self.options.format).name)

    def _in_format(self, frame: VideoFrame, name: str) -> Parts:
        if self._size is None:
            self._size = (frame.display_width, frame.display_height)
        frame = replace(frame, display_size=self._size)  # a camera may change it; a stream without headers has one
        if frame.format == name and frame.whole:
            return packed_planes(frame)
        if self._converter is None:
            from mscli.sinks.convert import Converter

            self._converter = Converter(name)
        raw = self._converter.convert(frame)
        return packed_planes(raw) if raw else ()

    def _y4m(self, frame: VideoFrame) -> Parts:
        planes = self._in_format(frame, "I420")
        if not planes:
            return ()
        header = b"" if self.output.size else self._y4m_header()
        return (header + b"FRAME\n", *planes)

    def _y4m_header(self) -> bytes:
        assert self._size is not None, "a picture has come"
        width, height = self._size
        return f"YUV4MPEG2 W{width} H{height} F{self._rate} Ip A1:1 C420mpeg2 XYSCSS=420MPEG2 XCOLORRANGE=LIMITED\n".encode()

    def _in_place(self, block: AudioData) -> Iterator[AudioData]:
        """The block without what comes twice, after silence as long as what is missing: so sound keeps its time."""
        if self._timeline is None:
            self._timeline = AudioTimeline(block.sample_rate, block.timestamp)
        silence, skip, _ = self._timeline.place(block.timestamp, block.number_of_frames, block.sequence)
        for samples in silent_pieces(silence, block.sample_rate):
            yield silence_before(block, samples)
        if skip < block.number_of_frames:
            yield without_first(block, skip)

    def _converted_samples(self, block: AudioData) -> Parts:
        if block.format == self.options.format:
            return _samples(block)
        if self._converter is None:
            from mscli.sinks.convert import SampleConverter

            self._converter = SampleConverter(self.options.format)
        return _samples(self._converter.convert(block))


def _samples(block: AudioData) -> Parts:
    return (block.data,)


def _raw_pixels(name: str) -> str:
    """The name of a raw pixel format. Raises NotSupportedError, also for encoded ones: nothing is encoded here."""
    row = pixel_format(name)
    if row.encoded:
        hints = [f"--format {NATIVE} hands on what the camera encodes", "mscli record FILE.mkv encodes"]
        raise NotSupportedError(f"raw output is not encoded as {row.name}", hints=hints)
    return row.name


def y4m_rate(frame_rate: object) -> str:
    """The rate as YUV4MPEG2 writes it: 30:1, and 30000:1001 for 29.97."""
    if not isinstance(frame_rate, int | float) or frame_rate <= 0:
        return _UNKNOWN_RATE
    if abs(frame_rate - round(frame_rate)) < 1e-3:
        return f"{round(frame_rate)}:1"
    whole = round(frame_rate * 1.001)
    if abs(frame_rate - whole / 1.001) < 5e-3:
        return f"{whole * 1000}:1001"
    return f"{round(frame_rate * 1000)}:1000"
