"""Describe the kernel's V4L2 interface as data: structures, request numbers, flags, and the pixel formats that are ours.

https://docs.kernel.org/userspace-api/media/v4l/videodev.html. The size of a structure is part of its request's number, so a
structure with a wrong layout is rejected by the kernel, and by a test, and is not misread.
"""

from __future__ import annotations

import ctypes
import fcntl
from ctypes import c_char, c_int32, c_int64, c_long, c_uint8, c_uint16, c_uint32, c_uint64, c_ulong
from typing import Any

from mscli.core.tuples import NamedTuple

MAX_PLANES = 8

BUF_TYPE_CAPTURE = 1
BUF_TYPE_OUTPUT = 2
BUF_TYPE_CAPTURE_MPLANE = 9
MEMORY_MMAP = 1

CAP_CAPTURE = 0x1
CAP_OUTPUT = 0x2
CAP_CAPTURE_MPLANE = 0x1000
CAP_OUTPUT_MPLANE = 0x2000
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
COLORSPACE_SRGB = 8  # that of webcams, with the matrix of BT.601
COLORSPACE_BT2020 = 10
COLORSPACE_DCI_P3 = 12
YCBCR_MATRIX = {  # V4L2_YCBCR_ENC_… → matrix (WebCodecs' name); constant-luminance BT.2020 is treated as the usual one
    1: "smpte170m", 2: "bt709", 3: "smpte170m", 4: "bt709", 5: "smpte170m", 6: "bt2020-ncl", 7: "bt2020-ncl", 8: "smpte240m",
}  # fmt: skip
HSV_256 = 129  # V4L2_HSV_ENC_256: the hue has 256 steps, not 180
YCBCR_LIMITED = (3, 4, 7)  # of these, the ones whose range is always limited: xvYCC, and constant-luminance BT.2020
COLORSPACE_MATRIX = {  # colour space → its matrix, if the driver reports none; BT.601 for any other
    COLORSPACE_SMPTE240M: "smpte240m",
    COLORSPACE_REC709: "bt709",
    COLORSPACE_BT2020: "bt2020-ncl",
    COLORSPACE_DCI_P3: "bt709",
}
QUANTIZATION_FULL = 1
FIELD_NONE = 1  # whole pictures
FIELD_INTERLACED, FIELD_INTERLACED_TB, FIELD_INTERLACED_BT = 4, 8, 9
LINES_OF_525 = (480, 486)  # heights of 525-line television, whose bottom field comes first
QUANTIZATION_LIMITED = 2
PIX_PRIV_MAGIC = 0xFEEDCAFE  # in v4l2_pix_format.priv: the members behind it count

EVENT_CTRL = 3  # a control has another value
EVENT_SOURCE_CHANGE = 5  # the signal at an input has changed, was interrupted, or is gone
EVENT_SEND_INITIAL = 1  # a flag: also report the current value
CHANGED_VALUE = 1  # in v4l2_event_ctrl.changes

CTRL_TYPE_INTEGER = 1
CTRL_TYPE_BOOLEAN = 2
CTRL_TYPE_MENU = 3
CTRL_TYPE_INTEGER64 = 5
CTRL_TYPE_INTEGER_MENU = 9  # a menu of numbers
CTRL_TYPE_RECT = 0x0107
CTRL_WHICH_MIN = 0x0F020000  # in v4l2_ext_controls.which: the least value in place of the current one
CTRL_WHICH_MAX = 0x0F030000
CTRL_NEXT = 0x80000000  # in the id of a query: describe the control with the next higher id
CTRL_DISABLED = 0x1  # in v4l2_query_ext_ctrl.flags
CTRL_READ_ONLY = 0x4
CTRL_INACTIVE = 0x10  # setting it has no effect now, because an automatic mode is on
CTRL_WRITE_ONLY = 0x40

CID_BRIGHTNESS = 0x00980900
CID_CONTRAST = 0x00980901
CID_SATURATION = 0x00980902
CID_AUTO_WHITE_BALANCE = 0x0098090C
CID_WHITE_BALANCE_TEMPERATURE = 0x0098091A
CID_SHARPNESS = 0x0098091B
CID_UVC_REGION_OF_INTEREST_RECT = 0x00981AE1
CID_UVC_REGION_OF_INTEREST_AUTO = 0x00981AE2
CID_EXPOSURE_AUTO = 0x009A0901
CID_EXPOSURE_ABSOLUTE = 0x009A0902
CID_PAN_ABSOLUTE = 0x009A0908
CID_TILT_ABSOLUTE = 0x009A0909
CID_FOCUS_ABSOLUTE = 0x009A090A
CID_FOCUS_AUTO = 0x009A090C
CID_ZOOM_ABSOLUTE = 0x009A090D
CID_PRIVACY = 0x009A0910  # whether the camera's shutter is closed, or its button has switched it off
CID_AUTO_EXPOSURE_BIAS = 0x009A0913
CID_ISO_SENSITIVITY = 0x009A0917
CID_FLASH_LED_MODE = 0x009C0901


class PixelLayout(NamedTuple):
    """A kernel pixel format that is one of ours: its four-character code, our name, and whether each plane is a buffer."""

    fourcc: str
    name: str
    split: bool = False


# Several codes can stand for the same picture. A camera's alpha values have no meaning.
LAYOUTS = (
    PixelLayout("YUYV", "YUYV"),
    PixelLayout("UYVY", "UYVY"),
    PixelLayout("YVYU", "YVYU"),
    PixelLayout("VYUY", "VYUY"),
    PixelLayout("NV12", "NV12"),
    PixelLayout("NM12", "NV12", split=True),
    PixelLayout("NV21", "NV21"),
    PixelLayout("NM21", "NV21", split=True),
    PixelLayout("NV16", "NV16"),
    PixelLayout("NM16", "NV16", split=True),
    PixelLayout("NV61", "NV61"),
    PixelLayout("NM61", "NV61", split=True),
    PixelLayout("NV24", "NV24"),
    PixelLayout("NV42", "NV42"),
    PixelLayout("P010", "P010"),
    PixelLayout("YU12", "I420"),
    PixelLayout("YM12", "I420", split=True),
    PixelLayout("YV12", "YV12"),
    PixelLayout("YM21", "YV12", split=True),
    PixelLayout("422P", "I422"),
    PixelLayout("YM16", "I422", split=True),
    PixelLayout("YM61", "YV16", split=True),
    PixelLayout("YM24", "I444", split=True),
    PixelLayout("YM42", "YV24", split=True),
    PixelLayout("YUV9", "YUV410"),
    PixelLayout("YVU9", "YVU410"),
    PixelLayout("411P", "YUV411"),
    PixelLayout("YUV3", "YUV24"),
    PixelLayout("YUV4", "AYUV"),
    PixelLayout("AYUV", "AYUV"),
    PixelLayout("XYUV", "AYUV"),
    PixelLayout("VUYA", "VUYA"),
    PixelLayout("VUYX", "VUYA"),
    PixelLayout("YUVA", "YUVA"),
    PixelLayout("YUVX", "YUVA"),
    PixelLayout("Y444", "YUV444"),
    PixelLayout("YUVO", "YUV555"),
    PixelLayout("YUVP", "YUV565"),
    PixelLayout("RGB3", "RGB24"),
    PixelLayout("BGR3", "BGR24"),
    PixelLayout("XB24", "RGBX"),
    PixelLayout("AB24", "RGBX"),
    PixelLayout("XR24", "BGRX"),
    PixelLayout("AR24", "BGRX"),
    PixelLayout("BGR4", "BGRX"),
    PixelLayout("RGB4", "XRGB"),
    PixelLayout("BX24", "XRGB"),
    PixelLayout("BA24", "XRGB"),
    PixelLayout("RX24", "XBGR"),
    PixelLayout("RA24", "XBGR"),
    PixelLayout("BGRH", "BGR666"),
    PixelLayout("RGBP", "RGB565"),
    PixelLayout("RGBR", "RGB565BE"),
    PixelLayout("RGBO", "RGB555"),
    PixelLayout("XR15", "RGB555"),
    PixelLayout("AR15", "RGB555"),
    PixelLayout("RGBQ", "RGB555BE"),
    PixelLayout("XR15-BE", "RGB555BE"),
    PixelLayout("AR15-BE", "RGB555BE"),
    PixelLayout("XB15", "BGR555"),
    PixelLayout("AB15", "BGR555"),
    PixelLayout("RX15", "RGBX555"),
    PixelLayout("RA15", "RGBX555"),
    PixelLayout("BX15", "BGRX555"),
    PixelLayout("BA15", "BGRX555"),
    PixelLayout("R444", "RGB444"),
    PixelLayout("XR12", "RGB444"),
    PixelLayout("AR12", "RGB444"),
    PixelLayout("XB12", "BGR444"),
    PixelLayout("AB12", "BGR444"),
    PixelLayout("RX12", "RGBX444"),
    PixelLayout("RA12", "RGBX444"),
    PixelLayout("BX12", "BGRX444"),
    PixelLayout("GA12", "BGRX444"),
    PixelLayout("RGB1", "RGB332"),
    PixelLayout("HSV3", "HSV24"),
    PixelLayout("HSV4", "HSV32"),
    PixelLayout("GREY", "GREY"),
    PixelLayout("Y10 ", "Y10"),
    PixelLayout("Y12 ", "Y12"),
    PixelLayout("Y14 ", "Y14"),
    PixelLayout("Y16 ", "Y16"),
    PixelLayout("Z16 ", "Y16"),  # distances, not brightness
    PixelLayout("Y16 -BE", "Y16BE"),
    PixelLayout("BA81", "SBGGR8"),
    PixelLayout("GBRG", "SGBRG8"),
    PixelLayout("GRBG", "SGRBG8"),
    PixelLayout("RGGB", "SRGGB8"),
    PixelLayout("BG10", "SBGGR10"),
    PixelLayout("GB10", "SGBRG10"),
    PixelLayout("BA10", "SGRBG10"),
    PixelLayout("RG10", "SRGGB10"),
    PixelLayout("BG12", "SBGGR12"),
    PixelLayout("GB12", "SGBRG12"),
    PixelLayout("BA12", "SGRBG12"),
    PixelLayout("RG12", "SRGGB12"),
    PixelLayout("BG14", "SBGGR14"),
    PixelLayout("GB14", "SGBRG14"),
    PixelLayout("GR14", "SGRBG14"),
    PixelLayout("RG14", "SRGGB14"),
    PixelLayout("BYR2", "SBGGR16"),
    PixelLayout("GB16", "SGBRG16"),
    PixelLayout("GR16", "SGRBG16"),
    PixelLayout("RG16", "SRGGB16"),
    PixelLayout("MJPG", "MJPEG"),
    PixelLayout("JPEG", "MJPEG"),
    PixelLayout("H264", "H264"),
    PixelLayout("HEVC", "HEVC"),
    PixelLayout("VP80", "VP8"),
    PixelLayout("VP90", "VP9"),
)

_BIG_ENDIAN = "-BE"  # follows the four characters, as in v4l2-ctl, if the code's highest bit is set


def fourcc_code(fourcc: str) -> int:
    """Return the number that stands for a four-character code in the interface."""
    number = int.from_bytes(fourcc.removesuffix(_BIG_ENDIAN).encode("ascii"), "little")
    return number | 1 << 31 if fourcc.endswith(_BIG_ENDIAN) else number


def fourcc_text(code: int) -> str:
    """Return the four characters of a code, for people. A character that cannot be printed is ``?``."""
    letters = "".join(chr(byte) if 32 <= byte < 127 else "?" for byte in (code & ~(1 << 31)).to_bytes(4, "little"))
    return letters + _BIG_ENDIAN if code >> 31 and "?" not in letters else letters


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
    # struct v4l2_window, another member of the kernel's union, holds pointers, which determine the alignment of the union
    _fields_ = (("pix", Pix), ("pix_mp", PixMplane), ("raw_data", c_ulong * (200 // ctypes.sizeof(c_ulong))))


class Format(ctypes.Structure):
    """struct v4l2_format."""

    _anonymous_ = ("fmt",)
    _fields_ = (("type", c_uint32), ("fmt", _FormatUnion))


class CaptureParm(ctypes.Structure):
    """struct v4l2_captureparm, and v4l2_outputparm, whose members have the same places."""

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
    """struct timeval; on 32-bit systems the one with 32-bit time, which the kernel recognises by the request's number."""

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


class ControlQuery(ctypes.Structure):
    """struct v4l2_query_ext_ctrl."""

    _fields_ = (
        ("id", c_uint32),
        ("type", c_uint32),
        ("name", c_char * 32),
        ("minimum", c_int64),
        ("maximum", c_int64),
        ("step", c_uint64),
        ("default_value", c_int64),
        ("flags", c_uint32),
        ("elem_size", c_uint32),
        ("elems", c_uint32),
        ("nr_of_dims", c_uint32),
        ("dims", c_uint32 * 4),
        ("reserved", c_uint32 * 32),
    )


class _MenuUnion(ctypes.Union):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("name", c_char * 32), ("value", c_int64))


class MenuQuery(ctypes.Structure):
    """struct v4l2_querymenu: an item's name, or its number in a menu of numbers."""

    _pack_ = 1
    _layout_ = "ms"
    _anonymous_ = ("item",)
    _fields_ = (("id", c_uint32), ("index", c_uint32), ("item", _MenuUnion), ("reserved", c_uint32))


class _ControlUnion(ctypes.Union):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("value", c_int32), ("value64", c_int64), ("address", c_uint64))


class Rectangle(ctypes.Structure):
    """struct v4l2_rect."""

    _fields_ = (("left", c_int32), ("top", c_int32), ("width", c_uint32), ("height", c_uint32))


class ControlValue(ctypes.Structure):
    """struct v4l2_ext_control."""

    _pack_ = 1
    _layout_ = "ms"
    _anonymous_ = ("number",)
    _fields_ = (("id", c_uint32), ("size", c_uint32), ("reserved2", c_uint32), ("number", _ControlUnion))


class ControlValues(ctypes.Structure):
    """struct v4l2_ext_controls. ``which``: 0 for the current values, or CTRL_WHICH_…."""

    _fields_ = (
        ("which", c_uint32),
        ("count", c_uint32),
        ("error_idx", c_uint32),
        ("request_fd", c_int32),
        ("reserved", c_uint32),
        ("controls", ctypes.POINTER(ControlValue)),
    )


class ControlEvent(ctypes.Structure):
    """struct v4l2_event_ctrl, as far as we read it."""

    _anonymous_ = ("number",)
    _fields_ = (("changes", c_uint32), ("type", c_uint32), ("number", _ControlUnion))


class _EventUnion(ctypes.Union):
    _fields_ = (("ctrl", ControlEvent), ("raw_data", c_uint8 * 64), ("value64", c_int64))  # determines the alignment


class V4l2Event(ctypes.Structure):
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

_WRITE, _READ = 1, 2  # directions as in asm-generic/ioctl.h, for x86, Arm and RISC-V


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
QUERYMENU = _request(_READ | _WRITE, 37, MenuQuery)
G_INPUT = _request(_READ, 38, ctypes.c_int)
QUERYSTD = _request(_READ, 63, Standards)
G_EXT_CTRLS = _request(_READ | _WRITE, 71, ControlValues)
S_EXT_CTRLS = _request(_READ | _WRITE, 72, ControlValues)
ENUM_FRAMESIZES = _request(_READ | _WRITE, 74, FrameSize)
ENUM_FRAMEINTERVALS = _request(_READ | _WRITE, 75, FrameInterval)
S_DV_TIMINGS = _request(_READ | _WRITE, 87, DvTimings)
DQEVENT = _request(_READ, 89, V4l2Event)
SUBSCRIBE_EVENT = _request(_WRITE, 90, EventSubscription)
QUERY_DV_TIMINGS = _request(_READ, 99, DvTimings)
QUERY_EXT_CTRL = _request(_READ | _WRITE, 103, ControlQuery)


def ioctl(fd: int, request: int, argument: Any) -> None:
    """Make a request to the driver, which changes ``argument``. Repeat it if a signal interrupts it. Raises OSError."""
    while True:
        try:
            fcntl.ioctl(fd, request, argument)
            return
        except InterruptedError:
            continue
