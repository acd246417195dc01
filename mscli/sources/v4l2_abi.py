"""The kernel's V4L2 interface as data: structures, request numbers, flags, and which of its pixel formats are ours.

https://docs.kernel.org/userspace-api/media/v4l/videodev.html. The size of a structure is part of its request's number, so a
structure that is laid out wrongly is refused by the kernel, and by a test, rather than misread.
"""

from __future__ import annotations

import ctypes
import fcntl
from ctypes import c_char, c_int32, c_int64, c_long, c_uint8, c_uint16, c_uint32, c_uint64, c_ulong
from typing import Any, NamedTuple

MAX_PLANES = 8

BUF_TYPE_CAPTURE = 1
BUF_TYPE_CAPTURE_MPLANE = 9
MEMORY_MMAP = 1

CAP_CAPTURE = 0x1
CAP_CAPTURE_MPLANE = 0x1000
CAP_M2M = 0x8000 | 0x4000  # codecs and scalers: memory to memory, single- and multi-planar
CAP_DEVICE_CAPS = 0x80000000
CAP_TIMEPERFRAME = 0x1000  # in v4l2_captureparm.capability

KIND_DISCRETE = 1  # of frame sizes and intervals

FLAG_KEYFRAME = 0x8  # in v4l2_buffer.flags
FLAG_ERROR = 0x40
FLAG_TIMESTAMP_MASK = 0xE000
FLAG_TIMESTAMP_MONOTONIC = 0x2000

COLORSPACE_SMPTE240M = 2
COLORSPACE_REC709 = 3
COLORSPACE_JPEG = 7
COLORSPACE_BT2020 = 10
COLORSPACE_DCI_P3 = 12
YCBCR_709 = frozenset({2, 4, 6, 7, 8})  # BT.709, xvYCC 709, both of BT.2020, SMPTE 240M: nearer to BT.709 than to BT.601
QUANTIZATION_FULL = 1

EVENT_CTRL = 3  # a control has another value
EVENT_SOURCE_CHANGE = 5  # the signal at an input is another one, was interrupted, or is gone
EVENT_SEND_INITIAL = 1  # a flag: tell the value that it has already
CID_PRIVACY = 0x009A0910  # whether the camera's shutter is closed, or its button has switched it off


class PixelLayout(NamedTuple):
    """A kernel pixel format that is one of ours: its four-character code, our name, and whether each plane is a buffer."""

    fourcc: str
    name: str
    split: bool = False


# Several codes can stand for the same picture. Alpha means nothing in one from a camera.
LAYOUTS = (
    PixelLayout("YUYV", "YUYV"),
    PixelLayout("UYVY", "UYVY"),
    PixelLayout("NV12", "NV12"),
    PixelLayout("NM12", "NV12", split=True),
    PixelLayout("YU12", "I420"),
    PixelLayout("YM12", "I420", split=True),
    PixelLayout("422P", "I422"),
    PixelLayout("YM16", "I422", split=True),
    PixelLayout("YM24", "I444", split=True),
    PixelLayout("RGB3", "RGB24"),
    PixelLayout("BGR3", "BGR24"),
    PixelLayout("XB24", "RGBX"),
    PixelLayout("AB24", "RGBX"),
    PixelLayout("XR24", "BGRX"),
    PixelLayout("AR24", "BGRX"),
    PixelLayout("BGR4", "BGRX"),
    PixelLayout("GREY", "GREY"),
    PixelLayout("MJPG", "MJPEG"),
    PixelLayout("JPEG", "MJPEG"),
    PixelLayout("H264", "H264"),
)


def fourcc_code(fourcc: str) -> int:
    """The number that stands for a four-character code in the interface."""
    return int.from_bytes(fourcc.encode("ascii"), "little")


def fourcc_text(code: int) -> str:
    """The four characters of a code, for people; what cannot be printed as ``?``."""
    return "".join(chr(byte) if 32 <= byte < 127 else "?" for byte in code.to_bytes(4, "little"))


LAYOUT_OF_CODE = {fourcc_code(row.fourcc): row for row in LAYOUTS}


class Capability(ctypes.Structure):
    """struct v4l2_capability."""

    _fields_ = (
        ("driver", c_char * 16),
        ("card", c_char * 32),
        ("bus_info", c_char * 32),
        ("version", c_uint32),
        ("capabilities", c_uint32),
        ("device_caps", c_uint32),
        ("reserved", c_uint32 * 3),
    )


class FormatDescription(ctypes.Structure):
    """struct v4l2_fmtdesc."""

    _fields_ = (
        ("index", c_uint32),
        ("type", c_uint32),
        ("flags", c_uint32),
        ("description", c_char * 32),
        ("pixelformat", c_uint32),
        ("mbus_code", c_uint32),
        ("reserved", c_uint32 * 3),
    )


class Fract(ctypes.Structure):
    """struct v4l2_fract: seconds, as a fraction."""

    _fields_ = (("numerator", c_uint32), ("denominator", c_uint32))


class SizeSteps(ctypes.Structure):
    """struct v4l2_frmsize_stepwise; a discrete size is its first two numbers."""

    _fields_ = tuple((f"{end}_{side}", c_uint32) for side in ("width", "height") for end in ("min", "max", "step"))


class SizeDiscrete(ctypes.Structure):
    """struct v4l2_frmsize_discrete."""

    _fields_ = (("width", c_uint32), ("height", c_uint32))


class _SizeUnion(ctypes.Union):
    _fields_ = (("discrete", SizeDiscrete), ("stepwise", SizeSteps))


class FrameSize(ctypes.Structure):
    """struct v4l2_frmsizeenum."""

    _anonymous_ = ("size",)
    _fields_ = (
        ("index", c_uint32),
        ("pixel_format", c_uint32),
        ("type", c_uint32),
        ("size", _SizeUnion),
        ("reserved", c_uint32 * 2),
    )


class IntervalSteps(ctypes.Structure):
    """struct v4l2_frmival_stepwise."""

    _fields_ = (("min", Fract), ("max", Fract), ("step", Fract))


class _IntervalUnion(ctypes.Union):
    _fields_ = (("discrete", Fract), ("stepwise", IntervalSteps))


class FrameInterval(ctypes.Structure):
    """struct v4l2_frmivalenum."""

    _anonymous_ = ("interval",)
    _fields_ = (
        ("index", c_uint32),
        ("pixel_format", c_uint32),
        ("width", c_uint32),
        ("height", c_uint32),
        ("type", c_uint32),
        ("interval", _IntervalUnion),
        ("reserved", c_uint32 * 2),
    )


class Pix(ctypes.Structure):
    """struct v4l2_pix_format."""

    _fields_ = tuple(
        (name, c_uint32)
        for name in (
            "width", "height", "pixelformat", "field", "bytesperline", "sizeimage", "colorspace", "priv", "flags",
            "ycbcr_enc", "quantization", "xfer_func",
        )
    )  # fmt: skip


class PlaneFormat(ctypes.Structure):
    """struct v4l2_plane_pix_format."""

    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("sizeimage", c_uint32), ("bytesperline", c_uint32), ("reserved", c_uint16 * 6))


class PixMplane(ctypes.Structure):
    """struct v4l2_pix_format_mplane."""

    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (
        ("width", c_uint32),
        ("height", c_uint32),
        ("pixelformat", c_uint32),
        ("field", c_uint32),
        ("colorspace", c_uint32),
        ("plane_fmt", PlaneFormat * MAX_PLANES),
        ("num_planes", c_uint8),
        ("flags", c_uint8),
        ("ycbcr_enc", c_uint8),
        ("quantization", c_uint8),
        ("xfer_func", c_uint8),
        ("reserved", c_uint8 * 7),
    )


class _FormatUnion(ctypes.Union):
    # struct v4l2_window, another member of the kernel's union, holds pointers: the union is aligned as they are
    _fields_ = (("pix", Pix), ("pix_mp", PixMplane), ("raw_data", c_ulong * (200 // ctypes.sizeof(c_ulong))))


class Format(ctypes.Structure):
    """struct v4l2_format."""

    _anonymous_ = ("fmt",)
    _fields_ = (("type", c_uint32), ("fmt", _FormatUnion))


class CaptureParm(ctypes.Structure):
    """struct v4l2_captureparm."""

    _fields_ = (
        ("capability", c_uint32),
        ("capturemode", c_uint32),
        ("timeperframe", Fract),
        ("extendedmode", c_uint32),
        ("readbuffers", c_uint32),
        ("reserved", c_uint32 * 4),
    )


class _ParmUnion(ctypes.Union):
    _fields_ = (("capture", CaptureParm), ("raw_data", c_uint8 * 200))


class StreamParm(ctypes.Structure):
    """struct v4l2_streamparm."""

    _anonymous_ = ("parm",)
    _fields_ = (("type", c_uint32), ("parm", _ParmUnion))


class RequestBuffers(ctypes.Structure):
    """struct v4l2_requestbuffers."""

    _fields_ = (
        ("count", c_uint32),
        ("type", c_uint32),
        ("memory", c_uint32),
        ("capabilities", c_uint32),
        ("flags", c_uint8),
        ("reserved", c_uint8 * 3),
    )


class TimeCode(ctypes.Structure):
    """struct v4l2_timecode, which we never read."""

    _fields_ = (("type", c_uint32), ("flags", c_uint32), ("frames", c_uint8 * 4), ("userbits", c_uint8 * 4))


class TimeVal(ctypes.Structure):
    """struct timeval; on 32-bit systems the one of 32-bit time, which the kernel tells by the request's number."""

    _fields_ = (("tv_sec", c_long), ("tv_usec", c_long))


class BufferPlane(ctypes.Structure):
    """struct v4l2_plane."""

    _fields_ = (
        ("bytesused", c_uint32),
        ("length", c_uint32),
        ("offset", c_ulong),  # a union whose largest member is a pointer
        ("data_offset", c_uint32),
        ("reserved", c_uint32 * 11),
    )


class _BufferPlace(ctypes.Union):
    _fields_ = (("offset", c_uint32), ("userptr", c_ulong), ("planes", ctypes.POINTER(BufferPlane)))


class Buffer(ctypes.Structure):
    """struct v4l2_buffer."""

    _fields_ = (
        ("index", c_uint32),
        ("type", c_uint32),
        ("bytesused", c_uint32),
        ("flags", c_uint32),
        ("field", c_uint32),
        ("timestamp", TimeVal),
        ("timecode", TimeCode),
        ("sequence", c_uint32),
        ("memory", c_uint32),
        ("m", _BufferPlace),
        ("length", c_uint32),
        ("reserved2", c_uint32),
        ("request_fd", c_uint32),
    )


class ControlEvent(ctypes.Structure):
    """struct v4l2_event_ctrl, as far as we read it."""

    _fields_ = (("changes", c_uint32), ("type", c_uint32), ("value", c_int32))


class _EventUnion(ctypes.Union):
    _fields_ = (("ctrl", ControlEvent), ("raw_data", c_uint8 * 64), ("value64", c_int64))  # which says how it is aligned


class Event(ctypes.Structure):
    """struct v4l2_event."""

    _anonymous_ = ("u",)
    _fields_ = (
        ("type", c_uint32),
        ("u", _EventUnion),
        ("pending", c_uint32),
        ("sequence", c_uint32),
        ("timestamp", c_long * 2),
        ("id", c_uint32),
        ("reserved", c_uint32 * 8),
    )


class EventSubscription(ctypes.Structure):
    """struct v4l2_event_subscription."""

    _fields_ = (("type", c_uint32), ("id", c_uint32), ("flags", c_uint32), ("reserved", c_uint32 * 5))


DvTimings = c_uint32 * 33  # struct v4l2_dv_timings, which goes back to the driver unread
Standards = c_uint64  # v4l2_std_id: a set of standards of analogue television, a bit for each

_WRITE, _READ = 1, 2  # directions as asm-generic/ioctl.h has them: of x86, Arm, RISC-V


def _request(direction: int, number: int, argument: type[Any]) -> int:
    return direction << 30 | ctypes.sizeof(argument) << 16 | ord("V") << 8 | number


QUERYCAP = _request(_READ, 0, Capability)
ENUM_FMT = _request(_READ | _WRITE, 2, FormatDescription)
G_FMT = _request(_READ | _WRITE, 4, Format)
S_FMT = _request(_READ | _WRITE, 5, Format)
REQBUFS = _request(_READ | _WRITE, 8, RequestBuffers)
QUERYBUF = _request(_READ | _WRITE, 9, Buffer)
QBUF = _request(_READ | _WRITE, 15, Buffer)
DQBUF = _request(_READ | _WRITE, 17, Buffer)
STREAMON = _request(_WRITE, 18, ctypes.c_int)
STREAMOFF = _request(_WRITE, 19, ctypes.c_int)
G_PARM = _request(_READ | _WRITE, 21, StreamParm)
S_PARM = _request(_READ | _WRITE, 22, StreamParm)
G_STD = _request(_READ, 23, Standards)
S_STD = _request(_WRITE, 24, Standards)
G_INPUT = _request(_READ, 38, ctypes.c_int)
QUERYSTD = _request(_READ, 63, Standards)
ENUM_FRAMESIZES = _request(_READ | _WRITE, 74, FrameSize)
ENUM_FRAMEINTERVALS = _request(_READ | _WRITE, 75, FrameInterval)
S_DV_TIMINGS = _request(_READ | _WRITE, 87, DvTimings)
DQEVENT = _request(_READ, 89, Event)
SUBSCRIBE_EVENT = _request(_WRITE, 90, EventSubscription)
QUERY_DV_TIMINGS = _request(_READ, 99, DvTimings)


def ioctl(fd: int, request: int, argument: Any) -> None:
    """Ask the driver; ``argument`` is changed in place. Raises OSError. A signal does not interrupt it."""
    while True:
        try:
            fcntl.ioctl(fd, request, argument)
            return
        except InterruptedError:
            continue
