"""Frames of picture and sound as they travel from a source to a sink, and the table of pixel and sample formats.

Named as in WebCodecs (https://www.w3.org/TR/webcodecs/#videoframe, #audiodata), whose format names are used where it has
one. A frame holds planes of read-only memory (the buffer protocol), no array of some library: a mapped driver buffer, a
camera's JPEG bytes or a decoder's picture travel uncopied. Memory lent by a driver goes back when the last view of it dies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple, TypeVar

from mscli.core.clock import MICROSECONDS
from mscli.core.errors import NotSupportedError


class Plane(NamedTuple):
    """How a plane is laid out: ``unit_bytes`` for each ``h`` pixels of a row, one row for each ``v`` rows of picture."""

    unit_bytes: int
    h: int
    v: int
    black: bytes  # one unit of black (Y=16, U=V=128 where the format is YUV)

    def row_bytes(self, width: int) -> int:
        """Bytes of one packed row of a picture ``width`` pixels wide."""
        return -(-width // self.h) * self.unit_bytes

    def rows(self, height: int) -> int:
        """Rows of the plane in a picture ``height`` pixels high."""
        return -(-height // self.v)


class PixelFormat(NamedTuple):
    """One way to write a picture into memory. ``planes`` is empty for encoded pictures."""

    name: str
    ffmpeg: str  # FFmpeg's name for the same bytes: a pix_fmt, or a decoder's for encoded pictures
    bits: int  # per pixel on average; 0 where that varies
    quality: int  # how much of the picture survives, for choosing between equals: higher is better
    planes: tuple[Plane, ...] = ()

    @property
    def encoded(self) -> bool:
        """Whether a picture of this format has to be decoded before its pixels can be read."""
        return not self.planes


_Y = Plane(1, 1, 1, b"\x10")
_C = Plane(1, 2, 2, b"\x80")

PIXEL_FORMATS: dict[str, PixelFormat] = {
    row.name: row
    for row in (
        PixelFormat("I420", "yuv420p", 12, 50, (_Y, _C, _C)),
        PixelFormat("NV12", "nv12", 12, 50, (_Y, Plane(2, 2, 2, b"\x80\x80"))),
        PixelFormat("I422", "yuv422p", 16, 60, (_Y, Plane(1, 2, 1, b"\x80"), Plane(1, 2, 1, b"\x80"))),
        PixelFormat("YUYV", "yuyv422", 16, 61, (Plane(4, 2, 1, b"\x10\x80\x10\x80"),)),
        PixelFormat("UYVY", "uyvy422", 16, 61, (Plane(4, 2, 1, b"\x80\x10\x80\x10"),)),
        PixelFormat("I444", "yuv444p", 24, 70, (_Y, Plane(1, 1, 1, b"\x80"), Plane(1, 1, 1, b"\x80"))),
        PixelFormat("RGB24", "rgb24", 24, 72, (Plane(3, 1, 1, b"\0\0\0"),)),
        PixelFormat("BGR24", "bgr24", 24, 72, (Plane(3, 1, 1, b"\0\0\0"),)),
        PixelFormat("RGBA", "rgba", 32, 71, (Plane(4, 1, 1, b"\0\0\0\xff"),)),
        PixelFormat("RGBX", "rgb0", 32, 71, (Plane(4, 1, 1, b"\0\0\0\0"),)),
        PixelFormat("BGRA", "bgra", 32, 71, (Plane(4, 1, 1, b"\0\0\0\xff"),)),
        PixelFormat("BGRX", "bgr0", 32, 71, (Plane(4, 1, 1, b"\0\0\0\0"),)),
        PixelFormat("GREY", "gray", 8, 40, (Plane(1, 1, 1, b"\0"),)),
        PixelFormat("MJPEG", "mjpeg", 0, 30),
        PixelFormat("H264", "h264", 0, 20),
    )
}

_ALIASES = {row.ffmpeg.upper(): row.name for row in PIXEL_FORMATS.values()} | {
    "YU12": "I420", "YUY2": "YUYV", "YUV422P": "I422", "YUVJ420P": "I420", "GRAY8": "GREY", "GRAY": "GREY",
    "RGB": "RGB24", "BGR": "BGR24", "RGB3": "RGB24", "BGR3": "BGR24", "MJPG": "MJPEG", "JPEG": "MJPEG", "AVC": "H264",
}  # fmt: skip


def pixel_format(name: str) -> PixelFormat:
    """The format of that name: WebCodecs', V4L2's or FFmpeg's, in any case. Raises NotSupportedError."""
    upper = name.upper()
    found = PIXEL_FORMATS.get(_ALIASES.get(upper, upper))
    if found is None:
        known = ", ".join(PIXEL_FORMATS)
        raise NotSupportedError(f"there is no pixel format “{name}”", hints=[f"pixel formats: {known}"])
    return found


class VideoColorSpace(NamedTuple):
    """How YUV stands for colour: https://www.w3.org/TR/webcodecs/#videocolorspace, in the two members that matter here."""

    matrix: str = "smpte170m"  # smpte170m (BT.601) or bt709
    full_range: bool = False


BT601 = VideoColorSpace()
BT709 = VideoColorSpace("bt709")
JPEG_COLOR = VideoColorSpace("smpte170m", True)


class Rect(NamedTuple):
    """A rectangle of pixels: https://www.w3.org/TR/geometry-1/#domrect"""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class VideoFrame:
    """A picture, or an encoded chunk of one (format MJPEG, H264): https://www.w3.org/TR/webcodecs/#videoframe.

    ``timestamp`` and ``duration`` are microseconds; the timestamp is CLOCK_MONOTONIC at the instant of capture.
    ``sequence`` is the driver's frame number: a gap in it is a loss before us. ``strides`` are bytes from row to row.
    """

    format: str
    coded_width: int  # pixels
    coded_height: int
    timestamp: int
    planes: tuple[memoryview, ...]
    strides: tuple[int, ...]
    duration: int | None = None
    sequence: int = 0
    color_space: VideoColorSpace = BT601
    key: bool = True  # whether decoding may start here; only ever False for H264
    visible_rect: Rect | None = None  # the part that is shown; None: all
    display_size: tuple[int, int] | None = None  # the width and height to show it at; None: its own
    blank: bool = False  # whether it is black because the device gave nothing, or nothing is to be shown

    @property
    def display_width(self) -> int:
        """Pixels that the picture is wide for whoever looks at it: after cropping and scaling."""
        if self.display_size is not None:
            return self.display_size[0]
        return self.visible_rect.width if self.visible_rect is not None else self.coded_width

    @property
    def display_height(self) -> int:
        """Pixels that the picture is high for whoever looks at it."""
        if self.display_size is not None:
            return self.display_size[1]
        return self.visible_rect.height if self.visible_rect is not None else self.coded_height

    @property
    def whole(self) -> bool:
        """Whether the picture is shown as it is coded, neither cropped nor scaled."""
        return (self.display_width, self.display_height) == (self.coded_width, self.coded_height)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the frame holds."""
        return sum(plane.nbytes for plane in self.planes)

    @property
    def packed(self) -> bool:
        """Whether the planes, one after the other, are the picture without padding."""
        layout = PIXEL_FORMATS[self.format].planes
        return all(s == p.row_bytes(self.coded_width) for p, s in zip(layout, self.strides, strict=bool(layout)))


def packed_planes(frame: VideoFrame) -> tuple[memoryview, ...]:
    """The frame's planes without padding between rows; uncopied where there is none."""
    layout = PIXEL_FORMATS[frame.format].planes
    if not layout:
        return frame.planes
    return tuple(
        _pack(view, plane, stride, frame) for view, plane, stride in zip(frame.planes, layout, frame.strides, strict=True)
    )


def _pack(view: memoryview, plane: Plane, stride: int, frame: VideoFrame) -> memoryview:
    row, rows = plane.row_bytes(frame.coded_width), plane.rows(frame.coded_height)
    if stride == row:
        return view[: row * rows]
    return memoryview(b"".join(view[y * stride : y * stride + row] for y in range(rows)))


def frame_bytes(name: str, width: int, height: int) -> int:
    """Bytes of one packed picture of that format and size; 0 for encoded formats, where that varies."""
    return sum(plane.row_bytes(width) * plane.rows(height) for plane in PIXEL_FORMATS[name].planes)


def split_planes(
    name: str, width: int, height: int, data: memoryview, stride: int = 0
) -> tuple[tuple[memoryview, ...], tuple[int, ...]]:
    """Cut contiguous memory into the planes and strides of a picture. ``stride``: of the first plane, if it is padded."""
    layout = PIXEL_FORMATS[name].planes
    if not layout:
        return (data,), (0,)
    base = layout[0].row_bytes(width)
    views, strides, at = [], [], 0
    for plane in layout:
        step = plane.row_bytes(width) * (stride or base) // base
        size = step * plane.rows(height)
        views.append(data[at : at + size])
        strides.append(step)
        at += size
    return tuple(views), tuple(strides)


@lru_cache(maxsize=4)
def _black_planes(name: str, width: int, height: int) -> tuple[tuple[memoryview, ...], tuple[int, ...]]:
    layout = PIXEL_FORMATS[name].planes
    strides = tuple(plane.row_bytes(width) for plane in layout)
    data = (p.black * (s // p.unit_bytes * p.rows(height)) for p, s in zip(layout, strides, strict=True))
    return tuple(memoryview(plane) for plane in data), strides


def black(frame: VideoFrame) -> VideoFrame:
    """A black picture of the same shape and time; encoded pictures become I420, which every sink takes."""
    name = "I420" if PIXEL_FORMATS[frame.format].encoded else frame.format
    width, height = frame.display_width, frame.display_height
    planes, strides = _black_planes(name, width, height)
    return VideoFrame(name, width, height, frame.timestamp, planes, strides, frame.duration, frame.sequence, blank=True)


class SampleFormat(NamedTuple):
    """One way to write a sample of sound: interleaved, native byte order."""

    name: str
    ffmpeg: str
    bits: int
    silence: bytes


SAMPLE_FORMATS: dict[str, SampleFormat] = {
    row.name: row
    for row in (
        SampleFormat("u8", "u8", 8, b"\x80"),
        SampleFormat("s16", "s16", 16, b"\0\0"),
        SampleFormat("s32", "s32", 32, b"\0\0\0\0"),
        SampleFormat("f32", "flt", 32, b"\0\0\0\0"),
    )
}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AudioData:
    """A block of interleaved sound: https://www.w3.org/TR/webcodecs/#audiodata.

    ``timestamp`` is CLOCK_MONOTONIC of the first sample in microseconds. ``sequence`` counts samples per channel since the
    device was started, losses included: a gap to the block before is a loss before us.
    """

    format: str
    sample_rate: int  # Hz
    number_of_frames: int  # samples per channel
    number_of_channels: int
    timestamp: int
    data: memoryview
    sequence: int = 0
    blank: bool = False  # whether it is silent because the device gave nothing, or nothing is to be heard

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the block holds."""
        return self.data.nbytes

    @property
    def duration(self) -> int:
        """Microseconds from the first sample to the one after the last."""
        return self.number_of_frames * MICROSECONDS // self.sample_rate


Frame = VideoFrame | AudioData
F = TypeVar("F", bound=Frame)


def silence(block: AudioData) -> AudioData:
    """Silence of the same shape and time."""
    data = SAMPLE_FORMATS[block.format].silence * (block.number_of_frames * block.number_of_channels)
    return replace(block, data=memoryview(data), blank=True)


def silence_before(block: AudioData, samples: int) -> AudioData:
    """So many samples per channel of silence, in the block's form, before it."""
    data = SAMPLE_FORMATS[block.format].silence * (samples * block.number_of_channels)
    timestamp = block.timestamp - samples * MICROSECONDS // block.sample_rate
    sequence = block.sequence - samples
    return replace(block, number_of_frames=samples, timestamp=timestamp, data=memoryview(data), sequence=sequence)


def clip(block: AudioData, samples: int) -> AudioData:
    """The first ``samples`` per channel of a block."""
    if samples >= block.number_of_frames:
        return block
    data = block.data[: block.data.nbytes // block.number_of_frames * samples]
    return replace(block, number_of_frames=samples, data=data)


def without_first(block: AudioData, samples: int) -> AudioData:
    """The block without its first ``samples`` per channel, of which it has more."""
    if not samples:
        return block
    left = block.number_of_frames - samples
    return replace(
        block,
        number_of_frames=left,
        timestamp=block.timestamp + samples * MICROSECONDS // block.sample_rate,
        data=block.data[block.data.nbytes // block.number_of_frames * samples :],
        sequence=block.sequence + samples,
    )


def outline(frame: F) -> F:
    """The frame without its picture or sound: what ``blank`` needs of it, without the memory that it holds."""
    return replace(frame, planes=(), strides=()) if isinstance(frame, VideoFrame) else replace(frame, data=memoryview(b""))


def frame_size(frame: Frame) -> int:
    """What the frame counts for: one picture, or its samples per channel."""
    return frame.number_of_frames if isinstance(frame, AudioData) else 1


def is_light(frame: Frame) -> bool:
    """Whether it is sound or an encoded picture, which take little memory."""
    return not isinstance(frame, VideoFrame) or PIXEL_FORMATS[frame.format].encoded


def blank(frame: Frame) -> Frame:
    """What a disabled or muted track hands on in place of the frame: black or silence."""
    return black(frame) if isinstance(frame, VideoFrame) else silence(frame)


def span_s(counts: Sequence[Counts]) -> float:
    """Seconds from the first frame of all tracks to the end of the last, without those in which no file was to be."""
    firsts = [count.first_us for count in counts if count.first_us is not None]
    lasts = [count.last_us for count in counts if count.last_us is not None]
    absent_us = min((count.absent_us for count in counts if count.first_us is not None), default=0)
    return max(0, max(lasts) - min(firsts) - absent_us) / MICROSECONDS if firsts and lasts else 0.0


class Counts:
    """What became of the frames (video) or samples per channel (audio) of a track, for the report."""

    def __init__(self) -> None:
        self.frames = 0  # written to the output
        self.blank = 0  # of these, black or silent ones in the place of what the device did not give
        self.dropped = 0  # by us: a bounded lane was full, or H.264 after a pause is of no use
        self.lost = 0  # before us: gaps in the driver's sequence, overruns, stalls, damaged frames
        self.duplicated = 0
        self.silence = 0  # filled in where none came; samples
        self.skipped = 0  # left out because they came twice or too early; samples
        self.drift_ppm: int | None = None  # by which the device's clock was found to run fast, in millionths
        self.bytes = 0  # of frames handed to the output
        self.first_us: int | None = None
        self.last_us: int | None = None
        self.absent_us = 0  # of the time between them, in which no file was to be

    def correct(self, corrections: Mapping[str, int]) -> None:
        """Add what a sink had to correct: pictures damaged, severed and hidden are lost and no frames; and that of sound."""
        hidden = corrections.get("hidden", 0)
        lost = hidden + corrections.get("decodeErrors", 0) + corrections.get("severed", 0)
        self.frames = max(0, self.frames - lost - corrections.get("unwritten", 0))
        self.blank = min(self.blank - hidden, self.frames)
        self.lost += lost
        self.duplicated += corrections.get("duplicated", 0)
        self.silence += corrections.get("silence", 0)
        self.skipped += corrections.get("skipped", 0)
        self.drift_ppm = corrections.get("driftPpm")
        self.absent_us = corrections.get("absentUs", 0)

    def note(self, frame: Frame) -> None:
        """Count a frame that was written."""
        self.frames += frame_size(frame)
        self.blank += frame_size(frame) if frame.blank else 0
        self.bytes += frame.nbytes
        if self.first_us is None:
            self.first_us = frame.timestamp
        self.last_us = frame.timestamp + (frame.duration or 0)
