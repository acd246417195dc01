"""The kernel's structures as we lay them out: their sizes are in the request numbers that the kernel's headers have."""

from __future__ import annotations

import ctypes
import platform

import pytest

from mscli.core.codecs import CAMERA_CODECS
from mscli.core.frames import FORMATS
from mscli.v4l2 import abi

# VIDIOC_… of <linux/videodev2.h>, printed by a C program on x86_64
REQUESTS = {
    "QUERYCAP": 0x80685600,
    "ENUM_FMT": 0xC0405602,
    "G_FMT": 0xC0D05604,
    "S_FMT": 0xC0D05605,
    "REQBUFS": 0xC0145608,
    "QUERYBUF": 0xC0585609,
    "QBUF": 0xC058560F,
    "DQBUF": 0xC0585611,
    "STREAMON": 0x40045612,
    "STREAMOFF": 0x40045613,
    "G_PARM": 0xC0CC5615,
    "S_PARM": 0xC0CC5616,
    "G_STD": 0x80085617,
    "S_STD": 0x40085618,
    "QUERYMENU": 0xC02C5625,
    "G_INPUT": 0x80045626,
    "QUERYSTD": 0x8008563F,
    "G_EXT_CTRLS": 0xC0205647,
    "S_EXT_CTRLS": 0xC0205648,
    "ENUM_FRAMESIZES": 0xC02C564A,
    "ENUM_FRAMEINTERVALS": 0xC034564B,
    "S_DV_TIMINGS": 0xC0845657,
    "DQEVENT": 0x80885659,
    "SUBSCRIBE_EVENT": 0x4020565A,
    "QUERY_DV_TIMINGS": 0x80845663,
    "QUERY_EXT_CTRL": 0xC0E85667,
}
OFFSETS: dict[tuple[type[ctypes.Structure], str], int] = {
    (abi.Format, "pix"): 8,
    (abi.Buffer, "timestamp"): 24,
    (abi.Buffer, "sequence"): 56,
    (abi.Buffer, "m"): 64,
    (abi.Buffer, "length"): 72,
    (abi.BufferPlane, "offset"): 8,
    (abi.BufferPlane, "data_offset"): 16,
    (abi.PixMplane, "plane_fmt"): 20,
    (abi.PixMplane, "num_planes"): 180,
    (abi.PixMplane, "quantization"): 183,
    (abi.CaptureParm, "timeperframe"): 8,
    (abi.ControlEvent, "number"): 8,
    (abi.ControlQuery, "minimum"): 40,
    (abi.ControlQuery, "flags"): 72,
    (abi.ControlValue, "number"): 12,
    (abi.ControlValue, "address"): 12,
    (abi.ControlValues, "controls"): 24,
    (abi.MenuQuery, "item"): 8,
    (abi.V4l2Event, "u"): 8,
    (abi.V4l2Event, "pending"): 72,
    (abi.V4l2Event, "id"): 96,
}

on_x86_64 = pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers are those of x86_64")


@on_x86_64
@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_has_the_kernels_number(name: str) -> None:
    assert getattr(abi, name) == REQUESTS[name]


@on_x86_64
@pytest.mark.parametrize(("structure", "member"), OFFSETS)
def test_a_member_stands_where_the_kernel_has_it(structure: type[ctypes.Structure], member: str) -> None:
    assert getattr(structure, member).offset == OFFSETS[structure, member]


def test_a_buffer_plane_is_as_long_as_the_kernels() -> None:
    assert ctypes.sizeof(abi.BufferPlane) == 56 + ctypes.sizeof(ctypes.c_void_p)  # its size is in no request number


@pytest.mark.parametrize("row", abi.LAYOUTS, ids=lambda row: row.fourcc)
def test_every_kernel_format_is_one_of_ours(row: abi.PixelLayout) -> None:
    assert row.name in FORMATS or row.name in CAMERA_CODECS
    assert abi.fourcc_text(abi.fourcc_code(row.fourcc)) == row.fourcc
    assert not row.split or len(FORMATS[row.name].planes) > 1


def test_a_code_that_is_no_text_can_be_shown() -> None:
    assert abi.fourcc_text(0x80FF0A59) == "Y???"
