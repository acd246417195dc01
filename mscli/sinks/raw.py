"""Raw output: packed planes or interleaved samples one after the other, or YUV4MPEG2, without a container.

Native frames go from the driver's memory to the descriptor with one ``writev`` each (https://man7.org/linux/man-pages/man2/writev.2.html).
YUV4MPEG2 is what mjpegtools and FFmpeg read: https://wiki.multimedia.cx/index.php/YUV4MPEG2.

The output has no timestamps. Silence replaces missing sound, so sound keeps its time. Missing pictures leave no trace.
The output does not describe its pictures, so all have one format: the requested one, or that of the first picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mscli.core.codecs import CAMERA_CODECS, VIDEO_CODECS, camera_format, check_whole
from mscli.core.errors import NotSupportedError
from mscli.core.frames import (
    FORMATS,
    LIMITED_RGB,
    SAMPLE_FORMATS,
    AudioData,
    EncodedVideoChunk,
    Media,
    VideoColorSpace,
    VideoFrame,
    is_yuv,
    packed_planes,
    pixel_format,
    silence_before,
    without_first,
)
from mscli.core.log import INFO, Burst, Log
from mscli.core.nearest import did_you_mean
from mscli.core.selection import picture_in_words, sound_in_words
from mscli.encode.options import SinkOptions, TrackFormat
from mscli.media.chunkfilter import NO_FAULTS, Faults
from mscli.sinks.files.output import OutputSink

if TYPE_CHECKING:
    from mscli.media.timeline import AudioTimeline
    from mscli.sinks import SinkRow

NATIVE = "native"  # unchanged, even if encoded
Y4M = "y4m"
_DECODED = "I420"  # the default format of decoded chunks
_UNKNOWN_RATE = "30:1"

Parts = Sequence[bytes | memoryview]


_log = Log("raw")


class RawSink(OutputSink):
    """A sink for the frames of one track, one after the other.

    ``options.format``: a pixel or sample format to convert to, "native", "y4m", or "" (raw frames unchanged, chunks decoded).
    """

    codecs = VIDEO_CODECS
    _parts: Callable[[Any], Parts]
    _converter: Any = None
    _chunk_filter: Any = None  # for chunks that are passed on
    _timeline: AudioTimeline | None = None  # for sound; drift is not corrected, because there is no other track
    _size: tuple[int, int] | None = None  # of all pictures
    _form = ""  # the pixel format or codec of all pictures, once known
    _encoding = False  # whether the camera's encoded video is passed on
    _torn = 0  # chunks that depend on one that was lost
    _hidden = 0  # skipped pictures with another format between chunks
    _rate = _UNKNOWN_RATE
    _color: VideoColorSpace | None = None  # of all pictures, for a stream that declares it

    @classmethod
    def check(cls, row: SinkRow, options: SinkOptions, kinds: Sequence[str]) -> None:  # noqa: ARG003
        """Check that there is one track and that the format suits its kind."""
        alike = next((kind for kind in kinds if kinds.count(kind) > 1), "")
        if alike:
            raise NotSupportedError(f"raw output holds one track, not {kinds.count(alike)} {alike} tracks")
        if len(kinds) != 1:
            hints = ["choose one with --no-video or --no-audio", "for both, use “mscli record FILE.mkv”"]
            raise NotSupportedError("raw output holds one track, either video or audio", hints=hints)
        if kinds[0] == "video" and options.format not in ("", NATIVE, Y4M):
            _check_pixels(options.format)
        if kinds[0] == "audio" and options.format not in ("", NATIVE, *SAMPLE_FORMATS):
            hints = [f"sample formats: {', '.join(SAMPLE_FORMATS)}"]
            raise NotSupportedError(
                f"unknown sample format “{options.format}”{did_you_mean(options.format, SAMPLE_FORMATS)}", hints=hints
            )

    @classmethod
    def describe(cls, row: SinkRow, options: SinkOptions, tracks: Sequence[TrackFormat]) -> str:  # noqa: ARG003
        """Return the format, and the size and rate of pictures, or the rate and channels of sound."""
        track, form = tracks[0], options.format
        if track.kind == "audio":
            return f"{form if form in SAMPLE_FORMATS else 'samples as captured'}, {sound_in_words(track.settings)}"
        plain = track.pixel_format if track.pixel_format not in CAMERA_CODECS else _DECODED
        title = {Y4M: "YUV4MPEG2", NATIVE: track.pixel_format, "": plain}.get(form) or camera_format(form)
        return f"{title} {picture_in_words(track.settings)}"

    def open(self, tracks: list[TrackFormat]) -> None:
        """Check the track and open the output, which gets its name with the first frame."""
        self.check(self.row, self.options, [track.kind for track in tracks])
        self._parts = self._writer(tracks[0])
        self._hiding = Burst(_log, f"“{self.name}”: %d frame(s) left out that are not %s as the first ones")
        if _log.hears(INFO):
            _log.info("“%s”: raw: %s", self.name, self.describe(self.row, self.options, tracks))
        self.output.durable = True
        self.output.open()

    def write(self, track: int, frame: Media) -> None:  # noqa: ARG002
        """Write the frame. Write nothing if it cannot be decoded."""
        for one in self._in_place(frame) if isinstance(frame, AudioData) else (frame,):
            parts = self._parts(one)
            if parts:
                self.output.write_all(parts)
                self.output.mark()

    def faults(self, track: int) -> Faults:  # noqa: ARG002
        """Return the faults of frames that could not be decoded or passed on."""
        if self._chunk_filter is not None:
            seen: Faults = self._chunk_filter.faults
            return seen._replace(torn=self._torn)
        return getattr(self._converter, "faults", NO_FAULTS)  # a sound converter has none

    def corrections(self, track: int) -> Mapping[str, int]:
        """Return the counts of skipped pictures, and of samples filled in and skipped."""
        done = {**self.faults(track).corrections, "hidden": self._hidden}
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
        self._encoding = wanted == NATIVE and track.pixel_format in CAMERA_CODECS
        return self._as_it_comes if wanted in ("", NATIVE) else self._converted

    def _as_it_comes(self, frame: VideoFrame | EncodedVideoChunk) -> Parts:
        self._form = self._form or self._form_of(frame)
        if self._form in FORMATS:
            return self._in_format(frame, self._form)
        if not isinstance(frame, EncodedVideoChunk) or frame.codec != self._form:  # a muted track's black, or another camera's
            self._hidden += 1
            self._hiding.note(1, self._form)
            return ()
        self._hiding.end()
        check_whole(frame)
        if self._chunk_filter is None:
            from mscli.media.chunkfilter import ChunkFilter

            self._chunk_filter = ChunkFilter(whole=True)
        data = self._chunk_filter.pass_on(frame)
        self._torn += self._chunk_filter.broken
        return () if data is None else (data,)

    def _form_of(self, first: VideoFrame | EncodedVideoChunk) -> str:
        """Return the format of all pictures, given the first one, or "" if that one does not reveal the camera's format."""
        if isinstance(first, VideoFrame):
            return "" if first.blank and self._encoding else first.format
        return first.codec if self.options.format == NATIVE and first.whole else _DECODED

    def _converted(self, frame: VideoFrame | EncodedVideoChunk) -> Parts:
        return self._in_format(frame, pixel_format(self.options.format).name)

    def _in_format(self, frame: VideoFrame | EncodedVideoChunk, name: str, color: VideoColorSpace | None = None) -> Parts:
        if self._size is None:
            self._size = (frame.display_width, frame.display_height)
        frame = replace(frame, display_size=self._size)  # a stream without headers has a single size
        limited = frame.color_space == LIMITED_RGB and self.options.format not in ("", NATIVE)
        fits = not limited and color in (None, frame.color_space)
        if isinstance(frame, VideoFrame) and frame.format == name and frame.whole and fits:
            return packed_planes(frame)
        if self._converter is None:
            from mscli.media.pictures import Converter

            self._converter = Converter(name, color)
        raw = self._converter.convert(frame)
        return packed_planes(raw) if raw else ()

    def _y4m(self, frame: VideoFrame | EncodedVideoChunk) -> Parts:
        if self._color is None:  # the header has one range for all pictures, and readers assume BT.601
            raw_yuv = isinstance(frame, VideoFrame) and is_yuv(frame.format)
            self._color = VideoColorSpace(full_range=raw_yuv and frame.color_space.full_range)
        planes = self._in_format(frame, "I420", self._color)
        if not planes:
            return ()
        field = frame.first_field if isinstance(frame, VideoFrame) and frame.whole else ""
        header = b"" if self.output.size else self._y4m_header(field)
        return (header + b"FRAME\n", *planes)

    def _y4m_header(self, first_field: str) -> bytes:
        assert self._size is not None, "a picture has come"
        assert self._color is not None, "with its colour"
        (width, height), color_range = self._size, "FULL" if self._color.full_range else "LIMITED"
        shape = f"W{width} H{height} F{self._rate} I{first_field[:1] or 'p'} A1:1"
        return f"YUV4MPEG2 {shape} C420mpeg2 XYSCSS=420MPEG2 XCOLORRANGE={color_range}\n".encode()

    def _in_place(self, block: AudioData) -> Iterator[AudioData]:
        """Yield silence for the gap before the block, and the block without duplicate samples."""
        from mscli.media.timeline import AudioTimeline, silent_pieces  # imported late: pictures need none

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
            from mscli.media.sound import SampleConverter

            self._converter = SampleConverter(self.options.format)
        return _samples(self._converter.convert(block))


def _samples(block: AudioData) -> Parts:
    return (block.data,)


def _check_pixels(name: str) -> None:
    """Raise NotSupportedError unless ``name`` is a pixel format. A codec is rejected, because nothing is encoded here."""
    form = camera_format(name)
    if form in CAMERA_CODECS:
        hints = [f"--format {NATIVE} passes on what the camera encodes", "to encode, use “mscli record FILE.mkv”"]
        raise NotSupportedError(f"cannot encode raw output as {form}", hints=hints)


def y4m_rate(frame_rate: object) -> str:
    """Format a rate for YUV4MPEG2: 30:1, 30000:1001 for 29.97, 1:3 for a third."""
    if not isinstance(frame_rate, int | float) or frame_rate <= 0:
        return _UNKNOWN_RATE
    if abs(frame_rate - round(frame_rate)) < 1e-3 and frame_rate >= 1:
        return f"{round(frame_rate)}:1"
    whole = round(frame_rate * 1.001)
    if whole and abs(frame_rate - whole / 1.001) < 5e-3:
        return f"{whole * 1000}:1001"
    if frame_rate >= 1 and frame_rate * 1000 == round(frame_rate * 1000):
        return f"{round(frame_rate * 1000)}:1000"
    from fractions import Fraction  # imported late: rarely needed

    interval = (1 / Fraction(frame_rate)).limit_denominator(1001)
    return f"{interval.denominator}:{interval.numerator}"
