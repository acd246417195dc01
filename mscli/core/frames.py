"""The two forms in which media travels from a source to a sink, and the table of pixel and sample formats.

Raw media is frames: ``VideoFrame`` and ``AudioData``. Encoded media is chunks: ``EncodedVideoChunk`` and ``EncodedAudioChunk``.
Their names are those of WebCodecs (https://www.w3.org/TR/webcodecs/), which also names many of the formats. Both hold
read-only memory (the buffer protocol), not arrays of a library: mapped driver buffers, camera JPEGs, decoded pictures and
encoder packets travel without being copied. Borrowed memory goes back when its last view dies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from importlib import import_module
from typing import Any, ClassVar, Literal, TypeVar

from mscli.core.clock import MICROSECONDS
from mscli.core.errors import ArgumentError, InvalidStateError, NotSupportedError
from mscli.core.nearest import did_you_mean
from mscli.core.tuples import NamedTuple

MOST_PIXELS = 1 << 28  # of a picture that is decoded: 16384 × 16384
NETWORK_PIXELS = 1 << 26  # of one from a network, where anybody may choose its size: 8192 × 8192


class Plane(NamedTuple):
    """The layout of a plane: ``unit_bytes`` for each ``h`` pixels of a row, and one row for each ``v`` rows of the picture."""

    unit_bytes: int
    h: int
    v: int
    black: bytes  # one unit of black (Y=16, U=V=128 if the format is YUV)

    def row_bytes(self, width: int) -> int:
        """Return the size in bytes of one packed row of a picture ``width`` pixels wide."""
        return -(-width // self.h) * self.unit_bytes

    def rows(self, height: int) -> int:
        """Return the number of rows of the plane in a picture ``height`` pixels high."""
        return -(-height // self.v)


class PixelFormat(NamedTuple):
    """A layout of a picture in memory."""

    name: str
    ffmpeg: str  # FFmpeg's name for the same bytes
    bits: int  # per pixel on average
    quality: int  # how much of the picture survives, to choose among equal modes: higher is better
    planes: tuple[Plane, ...]


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
    )
}

_UV, _VU = Plane(2, 2, 2, b"\x80\x80"), Plane(2, 2, 1, b"\x80\x80")  # both chroma samples of 4:2:0, of 4:2:2
_FULL_UV = Plane(2, 1, 1, b"\x80\x80")
_HALF, _WHOLE = Plane(1, 2, 1, b"\x80"), Plane(1, 1, 1, b"\x80")
_QUARTER, _SIXTEENTH = Plane(1, 4, 1, b"\x80"), Plane(1, 4, 4, b"\x80")
_ONE, _TWO, _THREE, _FOUR = (Plane(count, 1, 1, bytes(count)) for count in (1, 2, 3, 4))  # bytes per pixel; black is 0


def _packed_yuv(order: str, h: int = 1) -> tuple[Plane]:
    """Return one YUV plane. Each of its units covers ``h`` pixels and has its bytes in this order."""
    return (Plane(len(order), h, 1, bytes(16 if letter == "Y" else 128 for letter in order)),)


_BAYER = ("BGGR", "GBRG", "GRBG", "RGGB")  # by the colours of the first two pixels of the first two rows

# Formats that only cameras deliver, named as in <linux/videodev2.h>. FFmpeg lacks the ones without an FFmpeg name, or reads
# them inexactly; mscli.media.unpack reads them.
CAMERA_FORMATS: dict[str, PixelFormat] = {
    row.name: row
    for row in (
        PixelFormat("NV21", "nv21", 12, 50, (_Y, _UV)),
        PixelFormat("YV12", "", 12, 50, (_Y, _C, _C)),
        PixelFormat("NV16", "nv16", 16, 60, (_Y, _VU)),
        PixelFormat("NV61", "", 16, 60, (_Y, _VU)),
        PixelFormat("YV16", "", 16, 60, (_Y, _HALF, _HALF)),
        PixelFormat("NV24", "nv24", 24, 70, (_Y, _FULL_UV)),
        PixelFormat("NV42", "nv42", 24, 70, (_Y, _FULL_UV)),
        PixelFormat("YV24", "", 24, 70, (_Y, _WHOLE, _WHOLE)),
        PixelFormat("P010", "", 24, 51, (Plane(2, 1, 1, b"\0\x10"), Plane(4, 2, 2, b"\0\x80\0\x80"))),
        PixelFormat("YUV410", "yuv410p", 9, 45, (_Y, _SIXTEENTH, _SIXTEENTH)),
        PixelFormat("YVU410", "", 9, 45, (_Y, _SIXTEENTH, _SIXTEENTH)),
        PixelFormat("YUV411", "yuv411p", 12, 46, (_Y, _QUARTER, _QUARTER)),
        PixelFormat("YVYU", "yvyu422", 16, 61, _packed_yuv("YVYU", 2)),
        PixelFormat("VYUY", "", 16, 61, _packed_yuv("VYUY", 2)),
        PixelFormat("YUV24", "", 24, 70, _packed_yuv("YUV")),
        PixelFormat("AYUV", "", 32, 70, _packed_yuv("AYUV")),
        PixelFormat("VUYA", "", 32, 70, _packed_yuv("VUYA")),
        PixelFormat("YUVA", "", 32, 70, _packed_yuv("YUVA")),
        PixelFormat("YUV444", "", 16, 33, (Plane(2, 1, 1, b"\x88\x01"),)),
        PixelFormat("YUV555", "", 16, 34, (Plane(2, 1, 1, b"\x10\x0a"),)),
        PixelFormat("YUV565", "", 16, 35, (Plane(2, 1, 1, b"\x10\x14"),)),
        PixelFormat("XRGB", "0rgb", 32, 70, (_FOUR,)),
        PixelFormat("XBGR", "0bgr", 32, 70, (_FOUR,)),
        PixelFormat("BGR666", "", 32, 56, (_FOUR,)),
        PixelFormat("RGB565", "rgb565le", 16, 55, (_TWO,)),
        PixelFormat("RGB565BE", "", 16, 55, (_TWO,)),
        PixelFormat("RGB555", "rgb555le", 16, 54, (_TWO,)),
        PixelFormat("RGB555BE", "", 16, 54, (_TWO,)),
        PixelFormat("BGR555", "bgr555le", 16, 54, (_TWO,)),
        PixelFormat("RGBX555", "", 16, 54, (_TWO,)),
        PixelFormat("BGRX555", "", 16, 54, (_TWO,)),
        PixelFormat("RGB444", "", 16, 36, (_TWO,)),
        PixelFormat("BGR444", "", 16, 36, (_TWO,)),
        PixelFormat("RGBX444", "", 16, 36, (_TWO,)),
        PixelFormat("BGRX444", "", 16, 36, (_TWO,)),
        PixelFormat("RGB332", "", 8, 25, (_ONE,)),
        PixelFormat("HSV24", "", 24, 32, (_THREE,)),
        PixelFormat("HSV32", "", 32, 32, (_FOUR,)),
        PixelFormat("Y10", "gray10le", 16, 41, (_TWO,)),
        PixelFormat("Y12", "gray12le", 16, 41, (_TWO,)),
        PixelFormat("Y14", "gray14le", 16, 41, (_TWO,)),
        PixelFormat("Y16", "gray16le", 16, 41, (_TWO,)),
        PixelFormat("Y16BE", "gray16be", 16, 41, (_TWO,)),
        *(PixelFormat(f"S{order}8", f"bayer_{order.lower()}8", 8, 42, (_ONE,)) for order in _BAYER),
        *(PixelFormat(f"S{order}{bits}", f"bayer_{order.lower()}16le" if bits == 16 else "", 16, 43, (_TWO,))
          for bits in (10, 12, 14, 16) for order in _BAYER),
    )
}  # fmt: skip

FORMATS = PIXEL_FORMATS | CAMERA_FORMATS  # every format that a frame can have

_NO_YUV = ("RGB", "BGR", "XRGB", "XBGR", "GREY", "Y1", "HSV", "S")  # the prefixes of all other formats


def is_yuv(name: str) -> bool:
    """Return whether a raw format has luma and chroma, which usually have the limited range. Grey counts as RGB."""
    return not name.startswith(_NO_YUV)


_ALIASES = {row.ffmpeg.upper(): row.name for row in FORMATS.values() if row.ffmpeg} | {
    "YU12": "I420", "YUY2": "YUYV", "YUV422P": "I422", "YUVJ420P": "I420", "GRAY8": "GREY", "GRAY": "GREY",
    "RGB": "RGB24", "BGR": "BGR24", "RGB3": "RGB24", "BGR3": "BGR24",
}  # fmt: skip


def pixel_format(name: str) -> PixelFormat:
    """Return the format with this WebCodecs, V4L2 or FFmpeg name, ignoring case. Raises NotSupportedError."""
    upper = name.upper()
    found = FORMATS.get(_ALIASES.get(upper, upper))
    if found is None:
        known = ", ".join(PIXEL_FORMATS)
        question = did_you_mean(name, PIXEL_FORMATS)
        raise NotSupportedError(f"unknown pixel format “{name}”{question}", hints=[f"pixel formats: {known}"])
    return found


class VideoColorSpace(NamedTuple):
    """The meaning of YUV values: https://www.w3.org/TR/webcodecs/#videocolorspace.

    ``primaries`` and ``transfer`` follow from the matrix. None: WebCodecs has no name for it.

    Does not differ from the standard.
    """

    matrix: str = "smpte170m"  # smpte170m (BT.601), bt709, bt2020-ncl, smpte240m, rgb; hsv180, hsv256: the range of the hue
    full_range: bool = False

    @property
    def primaries(self) -> str | None:
        """Return the colours of the primaries. Cameras use those of sRGB, whatever their matrix."""
        return {"bt2020-ncl": "bt2020", "smpte240m": "smpte170m"}.get(self.matrix, "bt709")

    @property
    def transfer(self) -> str | None:
        """Return the transfer characteristics. Cameras use sRGB's, which differ from BT.709's only in the darkest values."""
        return {"smpte240m": None, "rgb": "iec61966-2-1"}.get(self.matrix, "bt709")

    def to_json(self) -> dict[str, str | bool | None]:
        """Return the four members of the standard, with IDL keys."""
        return {
            "primaries": self.primaries,
            "transfer": self.transfer,
            "matrix": self.matrix,
            "fullRange": self.full_range,
        }


BT601 = VideoColorSpace()
BT709 = VideoColorSpace("bt709")
JPEG_COLOR = VideoColorSpace("smpte170m", True)
LIMITED_RGB = VideoColorSpace("rgb", False)  # RGB and grey from 16 to 235; with any other colour space they go from 0 to 255


class Rect(NamedTuple):
    """A rectangle of pixels: https://www.w3.org/TR/geometry-1/#domrect"""

    x: int
    y: int
    width: int
    height: int


class VideoMedia:
    """The common members of raw and encoded pictures, which describe how to show them."""

    __slots__ = ()
    count: ClassVar[int] = 1  # how many frames it counts as

    coded_width: int  # pixels
    coded_height: int
    timestamp: int  # microseconds
    visible_rect: Rect | None  # the part to show; None: all of it
    display_size: tuple[int, int] | None  # the width and height to scale it to; None: no scaling

    @property
    def order_us(self) -> int:
        """Return the time that rises from one to the next, in microseconds."""
        return self.timestamp

    @property
    def display_width(self) -> int:
        """Return the width after cropping and scaling, in pixels."""
        if self.display_size is not None:
            return self.display_size[0]
        return self.visible_rect.width if self.visible_rect is not None else self.coded_width

    @property
    def display_height(self) -> int:
        """Return the height after cropping and scaling, in pixels."""
        if self.display_size is not None:
            return self.display_size[1]
        return self.visible_rect.height if self.visible_rect is not None else self.coded_height

    @property
    def enlarged(self) -> bool:
        """Return whether the picture is shown larger than it is coded."""
        shown = self.display_size  # what is cropped only is not larger
        return shown is not None and (shown[0] > self.coded_width or shown[1] > self.coded_height)

    @property
    def whole(self) -> bool:
        """Return whether the picture is shown as coded, without cropping or scaling."""
        return (self.display_width, self.display_height) == (self.coded_width, self.coded_height)


TOP, BOTTOM = "top", "bottom"  # fields: the even rows (including the first), the odd rows
_NOTHING = memoryview(b"")


def _exchange() -> Any:
    """Return the module that exchanges frames with NumPy and PyAV. Loaded by name, because the core knows neither."""
    return import_module("mscli.media.exchange")


def _rebuilt(cls: type[Any], values: Mapping[str, Any]) -> Any:
    """Return a frame or chunk of what ``_pickled`` has kept."""
    views = {name: tuple(map(memoryview, value)) if name == "planes" else value for name, value in values.items()}
    return cls(**{name: memoryview(value) if name == "data" else value for name, value in views.items()})


def _pickled(media: Any) -> tuple[Any, ...]:
    """Return how to pickle a frame or chunk: with its bytes in place of its memory."""
    values = {field.name: getattr(media, field.name) for field in fields(media)}
    for name, value in values.items():
        if name == "planes":
            values[name] = tuple(map(bytes, value))
        elif isinstance(value, memoryview):
            values[name] = bytes(value)
    return _rebuilt, (type(media), values)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class VideoFrame(VideoMedia):
    """A raw picture: https://www.w3.org/TR/webcodecs/#videoframe.

    ``timestamp`` and ``duration`` are microseconds; the timestamp is CLOCK_MONOTONIC at the instant of capture.
    ``sequence`` is the driver's frame number: a gap in it is a loss before us. ``strides``: bytes from one row to the next.

    Its memory is read-only and goes back to the camera when nobody holds it any more, or earlier by ``close``. Arrays and
    views keep it, too.

    Differs from the standard: formats are also those of cameras; planes are read without a promise, and ``to_ndarray`` and
    ``to_av`` share the memory where they can.
    """

    format: str
    coded_width: int
    coded_height: int
    timestamp: int
    planes: tuple[memoryview, ...]
    strides: tuple[int, ...]
    duration: int | None = None
    sequence: int = 0
    color_space: VideoColorSpace = BT601
    visible_rect: Rect | None = None
    display_size: tuple[int, int] | None = None
    blank: bool = False  # whether it is black because the device delivered nothing or nothing may be shown
    first_field: str = ""  # the field of an interlaced picture that was captured first: TOP or BOTTOM
    notes: Mapping[str, Any] | None = None  # what ``metadata`` returns

    def __repr__(self) -> str:
        size = f"{self.coded_width}×{self.coded_height}"
        shown = "" if self.whole else f" shown as {self.display_width}×{self.display_height}"
        state = " closed" if self.closed else " blank" if self.blank else ""
        return f"<VideoFrame {self.format} {size}{shown} at {self.timestamp / MICROSECONDS:.6f} s{state}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _pickled(self)

    @property
    def coded_rect(self) -> Rect:
        """Return the rectangle of all pixels."""
        return Rect(0, 0, self.coded_width, self.coded_height)

    @property
    def rotation(self) -> int:
        """Return 0: no source rotates its pictures."""
        return 0

    @property
    def flip(self) -> bool:
        """Return False: no source flips its pictures."""
        return False

    def metadata(self) -> dict[str, Any]:
        """Return what the source says about the picture: a ``VideoFrameMetadata`` dictionary, with IDL keys."""
        return dict(self.notes or {})

    def clone(self) -> VideoFrame:
        """Return another frame with the same memory, which can be closed by itself."""
        return replace(self)

    @property
    def closed(self) -> bool:
        """Return whether the frame has given up its memory."""
        return not self.planes

    def close(self) -> None:
        """Give up the memory now. Clones and arrays of it stay usable. Safe to call twice."""
        object.__setattr__(self, "planes", ())
        object.__setattr__(self, "strides", ())

    def _open(self) -> VideoFrame:
        if self.closed:
            raise InvalidStateError("the frame is closed")
        return self

    def allocation_size(self, **options: Any) -> int:
        """Return how many bytes ``copy_to`` needs with these options."""
        size: int = _exchange().allocation_size(self._open(), options)
        return size

    def copy_to(self, destination: Any, **options: Any) -> list[dict[str, int]]:
        """Copy the visible pixels into writable memory, and return the ``offset`` and ``stride`` of each plane.

        ``format``: the pixel format to convert to. ``rect``: another part, with ``x``, ``y``, ``width`` and ``height``.
        ``layout``: where each plane begins, and its stride. Raises TypeError if it does not fit.
        """
        layout: list[dict[str, int]] = _exchange().copy_video(self._open(), destination, options)
        return layout

    def to_ndarray(self, format: str = "") -> Any:  # noqa: A002
        """Return the visible pixels as an array of NumPy, converted to a pixel format such as "rgb24", "bgr24" or "gray".

        RGB has the shape (height, width, 3), grey (height, width), and planar YUV as in PyAV and OpenCV, with the planes
        below one another. Packed RGB and grey are not copied: the array is read-only and shares the frame's memory.
        """
        return _exchange().to_ndarray(self._open(), format)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """Return the array of a frame in RGB or grey. Raises TypeError for YUV."""
        return _exchange().as_array(self._open(), dtype, copy)

    @classmethod
    def from_ndarray(cls, array: Any, format: str = "", *, timestamp: int | None = None, **more: Any) -> VideoFrame:  # noqa: A002
        """Return a frame with a copy of an array of uint8, shaped as ``to_ndarray`` shapes it.

        By default two dimensions are grey, three are RGB24 or RGBA, and the timestamp is now. ``more``: other members, such as
        ``duration`` and ``color_space``. Raises TypeError for what is no such array, and ValueError for a wrong shape.
        """
        frame: VideoFrame = _exchange().from_ndarray(array, format, timestamp, more)
        return frame

    def to_av(self) -> Any:
        """Return a copy as an ``av.VideoFrame``, cropped and scaled as it is shown, with the time in microseconds."""
        return _exchange().to_av(self._open())

    @classmethod
    def from_av(cls, picture: Any, **more: Any) -> VideoFrame:
        """Return a frame with the memory of an ``av.VideoFrame``. ``more``: other members. Raises NotSupportedError."""
        frame: VideoFrame = _exchange().from_av(picture, more)
        return frame

    @property
    def nbytes(self) -> int:
        """Return the size of the frame's memory in bytes."""
        held = 0
        for plane in self.planes:
            held += plane.nbytes
        return held

    @property
    def packed(self) -> bool:
        """Return whether the planes have no padding."""
        layout = FORMATS[self.format].planes
        return all(s == p.row_bytes(self.coded_width) for p, s in zip(layout, self.strides, strict=True))


KEY, DELTA = "key", "delta"  # types of chunks: decoding can start at a key chunk; a delta chunk depends on earlier chunks


class AudioMedia:
    """The common members of raw and encoded sound. ``count``: samples per channel."""

    __slots__ = ()

    timestamp: int  # microseconds
    sample_rate: int  # Hz
    number_of_channels: int
    count: int

    @property
    def order_us(self) -> int:
        """Return the time that rises from one to the next, in microseconds."""
        return self.timestamp

    @property
    def lasts_us(self) -> int:
        """Return the microseconds from the first sample to the one after the last."""
        return self.count * MICROSECONDS // self.sample_rate


class _Chunk:
    """The common members of encoded pictures and encoded sound."""

    __slots__ = ()
    blank: ClassVar[bool] = False

    type: str
    data: memoryview

    @property
    def key(self) -> bool:
        """Return whether decoding can start at the chunk."""
        return self.type == KEY

    @property
    def byte_length(self) -> int:
        """Return the size of the chunk in bytes."""
        return self.data.nbytes

    @property
    def nbytes(self) -> int:
        """Return the size of the chunk's memory in bytes, under the same name as for frames."""
        return self.data.nbytes

    def copy_to(self, destination: memoryview | bytearray) -> None:
        """Copy the bytes into ``destination``. Raises TypeError if they do not fit, as in WebCodecs."""
        if self.data.nbytes > len(destination):
            raise ArgumentError(f"a chunk of {self.data.nbytes} bytes does not fit into {len(destination)} bytes")
        destination[: self.data.nbytes] = self.data


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class EncodedVideoChunk(_Chunk, VideoMedia):
    """An encoded picture: https://www.w3.org/TR/webcodecs/#encodedvideochunk.

    Unlike in WebCodecs, a chunk also carries the configuration of its decoder. ``codec`` is a name in ``VIDEO_CODECS``.
    ``description`` holds the parameter sets of the stream if its source keeps them apart from the chunks. ``timestamp``,
    ``duration`` and ``sequence`` are defined as for ``VideoFrame``. Chunks arrive in decoding order.
    """

    type: str  # "key" or "delta"
    timestamp: int
    data: memoryview
    codec: str
    coded_width: int
    coded_height: int
    duration: int | None = None
    sequence: int = 0
    color_space: VideoColorSpace = BT601
    description: bytes | None = None
    visible_rect: Rect | None = None
    display_size: tuple[int, int] | None = None
    reorder_us: int = 0  # how long before its display it is decoded, if the display order differs

    def __repr__(self) -> str:
        size = f"{self.coded_width}×{self.coded_height}, {self.byte_length} bytes"
        return f"<EncodedVideoChunk {self.type} {self.codec} {size} at {self.timestamp / MICROSECONDS:.6f} s>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _pickled(self)

    @property
    def order_us(self) -> int:
        """Return the time that rises from chunk to chunk: when it is decoded, in microseconds."""
        return self.timestamp - self.reorder_us


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class EncodedAudioChunk(_Chunk, AudioMedia):
    """A chunk of encoded sound: https://www.w3.org/TR/webcodecs/#encodedaudiochunk.

    ``codec`` is a name in ``AUDIO_CODECS``. ``description`` is the stream's configuration for a decoder. ``count`` is the
    number of captured samples in the chunk. ``sequence`` is the position of the first sample, which may be negative.

    Differs from the standard as ``EncodedVideoChunk`` does.
    """

    type: str  # "key" or "delta"
    timestamp: int
    data: memoryview
    codec: str
    sample_rate: int  # of the decoded sound
    number_of_channels: int
    count: int
    duration: int | None = None
    sequence: int = 0
    description: bytes | None = None

    def __repr__(self) -> str:
        size = f"{self.count} samples, {self.byte_length} bytes"
        return f"<EncodedAudioChunk {self.type} {self.codec} {size} at {self.timestamp / MICROSECONDS:.6f} s>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _pickled(self)


def packed_planes(frame: VideoFrame) -> tuple[memoryview, ...]:
    """Return the frame's planes without padding between rows. Planes without padding are not copied."""
    layout = FORMATS[frame.format].planes
    return tuple(
        _pack(view, plane, stride, frame) for view, plane, stride in zip(frame.planes, layout, frame.strides, strict=True)
    )


def _pack(view: memoryview, plane: Plane, stride: int, frame: VideoFrame) -> memoryview:
    row, rows = plane.row_bytes(frame.coded_width), plane.rows(frame.coded_height)
    if stride == row:
        return view[: row * rows]
    return memoryview(b"".join(view[y * stride : y * stride + row] for y in range(rows)))


def frame_bytes(name: str, width: int, height: int) -> int:
    """Return the size in bytes of a packed picture with this format and size."""
    return sum(plane.row_bytes(width) * plane.rows(height) for plane in FORMATS[name].planes)


def split_planes(
    name: str, width: int, height: int, data: memoryview, stride: int = 0
) -> tuple[tuple[memoryview, ...], tuple[int, ...]]:
    """Split contiguous memory into the planes and strides of a picture. ``stride``: that of the first plane, if padded."""
    layout = FORMATS[name].planes
    base = layout[0].row_bytes(width)
    views, strides, at = [], [], 0
    for plane in layout:
        step = plane.row_bytes(width) * (stride or base) // base
        size = step * plane.rows(height)
        views.append(data[at : at + size])
        strides.append(step)
        at += size
    return tuple(views), tuple(strides)


def copy_rows(target: memoryview, step: int, source: memoryview, stride: int, width: int, rows: int) -> None:
    """Copy rows of ``width`` bytes. ``step``, ``stride``: the distances of rows in bytes."""
    if step == stride:
        count = min(stride * rows, source.nbytes)
        target[:count] = source[:count]
        return
    for row in range(rows):
        target[row * step : row * step + width] = source[row * stride : row * stride + width]


@lru_cache(maxsize=4)
def _black_planes(name: str, width: int, height: int) -> tuple[tuple[memoryview, ...], tuple[int, ...]]:
    layout = FORMATS[name].planes
    strides = tuple(plane.row_bytes(width) for plane in layout)
    data = (p.black * (s // p.unit_bytes * p.rows(height)) for p, s in zip(layout, strides, strict=True))
    return tuple(memoryview(plane) for plane in data), strides


def black(frame: VideoFrame) -> VideoFrame:
    """Return a black picture with the same shape and time."""
    width, height = frame.display_width, frame.display_height
    planes, strides = _black_planes(frame.format, width, height)
    return VideoFrame(frame.format, width, height, frame.timestamp, planes, strides, frame.duration, frame.sequence, blank=True)


class SampleFormat(NamedTuple):
    """A format of interleaved samples in native byte order."""

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


_SAMPLE_CODES: Mapping[int, Literal["B", "H", "I"]] = {8: "B", 16: "H", 32: "I"}  # bits → code of a sample's bytes


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class AudioData(AudioMedia):
    """A block of interleaved sound: https://www.w3.org/TR/webcodecs/#audiodata.

    ``timestamp`` is the capture time of the first sample on CLOCK_MONOTONIC, in microseconds. ``sequence`` counts samples per
    channel since the device started, including lost ones: a gap after the previous block is a loss before us. ``layout`` is
    FFmpeg's name of the loudspeaker layout if there are more than two channels ("5.1"), or "" if they have no loudspeakers.

    Differs from the standard: samples are interleaved only.
    """

    format: str
    sample_rate: int  # Hz
    number_of_frames: int  # samples per channel
    number_of_channels: int
    timestamp: int
    data: memoryview
    sequence: int = 0
    blank: bool = False  # whether it is silent because the device delivered nothing or nothing may be heard
    layout: str = ""

    def __repr__(self) -> str:
        shape = f"{self.format} {self.sample_rate} Hz, {self.number_of_channels}×{self.number_of_frames} samples"
        state = " closed" if self.closed else " silent" if self.blank else ""
        return f"<AudioData {shape} at {self.timestamp / MICROSECONDS:.6f} s{state}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _pickled(self)

    def clone(self) -> AudioData:
        """Return another block with the same memory, which can be closed by itself."""
        return replace(self)

    @property
    def closed(self) -> bool:
        """Return whether the block has given up its memory."""
        return not self.data.nbytes and self.number_of_frames > 0

    def close(self) -> None:
        """Give up the memory now. Clones and arrays of it stay usable. Safe to call twice."""
        object.__setattr__(self, "data", _NOTHING)

    def _open(self) -> AudioData:
        if self.closed:
            raise InvalidStateError("the block of sound is closed")
        return self

    def allocation_size(self, **options: Any) -> int:
        """Return how many bytes ``copy_to`` needs with these options."""
        return len(_exchange().sound_bytes(self._open(), options))

    def copy_to(self, destination: Any, **options: Any) -> None:
        """Copy samples into writable memory.

        ``format``: "s16", "f32" and so on, or with "-planar" a single channel. ``planeIndex``: which. ``frameOffset`` and
        ``frameCount``: which samples. Raises ValueError if it does not fit.
        """
        _exchange().copy_sound(self._open(), destination, options)

    def to_ndarray(self, format: str = "") -> Any:  # noqa: A002
        """Return the samples as an array of NumPy with the shape (samples, channels), as in sounddevice.

        ``format``: "u8", "s16", "s32" or "f32" to convert to. Without it the array is read-only and shares the memory.
        """
        return _exchange().sound_to_ndarray(self._open(), format)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """Return the array of the samples."""
        return _exchange().sound_as_array(self._open(), dtype, copy)

    @classmethod
    def from_ndarray(cls, array: Any, sample_rate: int, *, timestamp: int | None = None) -> AudioData:
        """Return a block with a copy of an array of (samples, channels), or of one channel. By default it ends now.

        Raises TypeError for what is no array of uint8, int16, int32 or float32, and ValueError for a wrong shape.
        """
        block: AudioData = _exchange().sound_from_ndarray(array, sample_rate, timestamp)
        return block

    def to_av(self) -> Any:
        """Return a copy as an ``av.AudioFrame``, with the time in microseconds."""
        return _exchange().sound_to_av(self._open())

    @classmethod
    def from_av(cls, frame: Any) -> AudioData:
        """Return a block of an ``av.AudioFrame``, interleaved. Raises NotSupportedError for an unknown format."""
        block: AudioData = _exchange().sound_from_av(frame)
        return block

    @property
    def nbytes(self) -> int:
        """Return the size of the block's memory in bytes."""
        return self.data.nbytes

    @property
    def count(self) -> int:  # type: ignore[override]  # frozen, too
        """Return the number of samples per channel."""
        return self.number_of_frames

    @property
    def duration(self) -> int:
        """Return the microseconds from the first sample to the one after the last."""
        return self.number_of_frames * MICROSECONDS // self.sample_rate


Frame = VideoFrame | AudioData
Chunk = EncodedVideoChunk | EncodedAudioChunk
Media = Frame | Chunk
M = TypeVar("M", bound=Media)


def silence(block: AudioData) -> AudioData:
    """Return silence with the same shape and time."""
    data = SAMPLE_FORMATS[block.format].silence * (block.number_of_frames * block.number_of_channels)
    return replace(block, data=memoryview(data), blank=True)


def silence_before(block: AudioData, samples: int) -> AudioData:
    """Return silence of ``samples`` per channel, in the block's format, that ends where the block begins."""
    data = SAMPLE_FORMATS[block.format].silence * (samples * block.number_of_channels)
    timestamp = block.timestamp - samples * MICROSECONDS // block.sample_rate
    sequence = block.sequence - samples
    return replace(block, number_of_frames=samples, timestamp=timestamp, data=memoryview(data), sequence=sequence)


def clip(block: AudioData, samples: int) -> AudioData:
    """Return the first ``samples`` per channel of a block."""
    if samples >= block.number_of_frames:
        return block
    data = block.data[: block.data.nbytes // block.number_of_frames * samples]
    return replace(block, number_of_frames=samples, data=data)


def with_channels(block: AudioData, channels: Sequence[int], layout: str = "") -> AudioData:
    """Return the block with these of its channels, counted from 0, in this order. A channel that it lacks is silent."""
    row, count, wanted = SAMPLE_FORMATS[block.format], block.number_of_channels, len(channels)
    if not block.data.nbytes:
        return replace(block, number_of_channels=wanted, layout=layout)
    code = _SAMPLE_CODES[row.bits]
    samples: memoryview[Any] = block.data.cast("B").cast(code)
    new: memoryview[Any] = memoryview(bytearray(row.silence * (block.number_of_frames * wanted))).cast(code)
    for place, channel in enumerate(channels):
        if channel < count:
            new[place::wanted] = samples[channel::count]
    return replace(block, number_of_channels=wanted, data=new.cast("B").toreadonly(), layout=layout)


def reordered(block: AudioData, order: Sequence[int]) -> AudioData:
    """Return the block with its channels in another order: of each new channel the number of the old one."""
    return with_channels(block, order, block.layout)


def without_first(block: AudioData, samples: int) -> AudioData:
    """Return the block without its first ``samples`` per channel. The block must be longer than that."""
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


def between(block: AudioData, first: int, last: int) -> AudioData:
    """Return the part of a block from ``first`` to ``last`` (exclusive), positions in its ``sequence``. It may be empty."""
    first, last = max(first, block.sequence), min(last, block.sequence + block.number_of_frames)
    return clip(without_first(block, first - block.sequence), last - first) if first < last else clip(block, 0)


def own_copy(media: M) -> M:
    """Return the same media for another reader, so that each can close its own. Chunks cannot be closed."""
    return replace(media) if isinstance(media, VideoFrame | AudioData) else media


def outline(media: M) -> M:
    """Return the frame or chunk without its data, which frees the memory. The result is enough for ``blank``."""
    if isinstance(media, VideoFrame):
        return replace(media, planes=(), strides=())
    return replace(media, data=_NOTHING)


def blank_outline(media: Media) -> Frame:
    """Return a frame without planes or data that stands for black or silence, with the same shape and time.

    An encoded picture becomes I420, which every sink accepts.
    """
    if isinstance(media, VideoFrame):
        return replace(media, planes=(), strides=(), blank=True)
    if isinstance(media, AudioData):
        return replace(media, data=_NOTHING, blank=True)
    if isinstance(media, EncodedAudioChunk):
        shape = media.sample_rate, media.count, media.number_of_channels
        return AudioData("s16", *shape, media.timestamp, _NOTHING, media.sequence, blank=True)
    return VideoFrame(
        "I420", media.coded_width, media.coded_height, media.timestamp, (), (), media.duration, media.sequence,
        visible_rect=media.visible_rect, display_size=media.display_size, blank=True,
    )  # fmt: skip


def is_light(media: Media) -> bool:
    """Return whether this is sound or an encoded picture, which need little memory."""
    return not isinstance(media, VideoFrame)


def blank(media: Media) -> Frame:
    """Return the black frame or silence that replaces this frame or chunk on a disabled or muted track."""
    frame = blank_outline(media)
    return black(frame) if isinstance(frame, VideoFrame) else silence(frame)


def span_s(counts: Sequence[Counts]) -> float:
    """Return the seconds from the beginning to the end of the last frame, without the gaps between triggered files.

    It begins with the first frame of any track, or earlier if the output says so. No frame lasts longer than the recording.
    """
    firsts = [first for count in counts if (first := count.first_us) is not None and count.begin_us is None]
    firsts += [count.begin_us for count in counts if count.first_us is not None and count.begin_us is not None]
    lasts = [min(count.last_us, count.end_us or count.last_us) for count in counts if count.last_us is not None]
    absent_us = min((count.absent_us for count in counts if count.first_us is not None), default=0)
    return max(0, max(lasts) - min(firsts) - absent_us) / MICROSECONDS if firsts and lasts else 0.0


class Counts:
    """The counts of a track's frames (video) or samples per channel (audio), for the report."""

    def __init__(self) -> None:
        self.frames = 0  # written to the output
        self.blank = 0  # of these, black or silent ones in place of missing ones
        self.dropped = 0  # by us: a bounded queue was full, or H.264 after a pause cannot be decoded
        self.lost = 0  # before us: gaps in the driver's sequence, overruns, stalls, damaged frames
        self.received = 0  # passed to the output
        self.damaged = 0  # of these, the damaged ones; they are lost, unless the camera delivers no others
        self.duplicated = 0
        self.silence = 0  # samples filled in for missing ones
        self.skipped = 0  # samples left out because they are duplicates, too early or past the end
        self.levels: Any = None  # the levels of sound, if they were measured
        self.drift_ppm: int | None = None  # how fast the device's clock was found to run, in millionths
        self.bytes = 0  # of frames passed to the output
        self.first_us: int | None = None
        self.last_us: int | None = None
        self.begin_us: int | None = None  # where the output begins, if that was known: maybe before the track's first frame
        self.end_us: int | None = None  # the recording's end, if it was known
        self.absent_us = 0  # the total time between triggered files

    def __copy__(self) -> Counts:
        same = Counts()
        same.__dict__.update(self.__dict__)
        return same

    def correct(self, corrections: Mapping[str, int]) -> None:
        """Add a sink's corrections. Damaged, early, orphaned and hidden pictures count as lost, not as frames."""
        hidden = corrections.get("hidden", 0)
        lost = sum(corrections.get(why, 0) for why in ("decodeErrors", "early", "orphaned", "hidden"))
        behind = corrections.get("behind", 0)
        none = sum(corrections.get(why, 0) for why in ("unwritten", "parts", "past")) + behind
        self.frames = max(0, self.frames - lost - none)
        self.damaged = corrections.get("decodeErrors", 0) + corrections.get("torn", 0)
        self.lost += lost
        self.dropped += behind
        self.duplicated += corrections.get("duplicated", 0)
        self.silence += corrections.get("silence", 0)
        self.skipped += corrections.get("skipped", 0)
        if "kept" in corrections:  # in a file that was cut after an error
            self.frames = max(0, corrections["kept"] - corrections.get("duplicated", 0) - corrections.get("silence", 0))
        self.blank = min(self.blank - hidden, self.frames)
        self.drift_ppm = corrections.get("driftPpm")
        self.absent_us = corrections.get("absentUs", 0)

    def limit_to(self, begin_us: int | None, end_us: int | None) -> None:
        """Move the first and the last time into this span of an output."""
        self.begin_us = begin_us
        if self.first_us is not None and begin_us is not None:
            self.first_us = max(self.first_us, begin_us)
        if self.last_us is not None and end_us is not None:
            self.last_us = min(self.last_us, end_us)

    def add(self, other: Counts) -> None:
        """Add the counts of later frames of the same track, in another file."""
        for name in ("frames", "blank", "dropped", "lost", "received", "damaged", "duplicated", "silence", "skipped", "bytes"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.first_us = other.first_us if self.first_us is None else self.first_us
        self.last_us = self.last_us if other.last_us is None else other.last_us

    def note(self, frame: Media) -> None:
        """Count a frame that was written."""
        count = frame.count
        self.frames += count
        self.received += count
        if frame.blank:
            self.blank += count
        self.bytes += frame.nbytes
        if self.first_us is None:
            self.first_us = frame.timestamp
        end_us = frame.timestamp + (frame.duration or 0)
        self.last_us = end_us if self.last_us is None else max(self.last_us, end_us)
