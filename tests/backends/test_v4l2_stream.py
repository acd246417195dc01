"""How a V4L2 buffer becomes a frame: planes, colours, key frames; no camera is needed for that."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pytest

from mscli.core.boxes import LEAST_RATE, Span
from mscli.core.codecs import CAMERA_CODECS
from mscli.core.frames import BT601, BT709, JPEG_COLOR, LIMITED_RGB, VideoColorSpace, frame_bytes
from mscli.sources.v4l2.stream import Picture, is_key
from mscli.v4l2 import abi, modes
from mscli.v4l2.modes import color_space

SRGB, ENC_601, ENC_709, LIMITED = 8, 1, 2, 2  # of <linux/videodev2.h>


def picture(name: str, *strides: int, split: bool = False, size: tuple[int, int] = (8, 4)) -> Picture:
    return Picture(name, split, *size, strides, BT601, Fraction(1001, 30000))


@pytest.mark.parametrize("name", ["YUYV", "NV12", "I420", "I422", "RGB24", "BGRX", "GREY"])
def test_a_picture_without_padding_takes_its_packed_bytes(name: str) -> None:
    width = {"YUYV": 16, "RGB24": 24, "BGRX": 32}.get(name, 8)
    assert picture(name, width).needed_bytes == picture(name, 0).needed_bytes == frame_bytes(name, 8, 4)


def test_a_padded_picture_is_cut_by_its_stride() -> None:
    made = picture("I420", 16)
    assert made.needed_bytes == 16 * 4 + 2 * 8 * 2
    planes, strides = made.planes([memoryview(bytes(range(made.needed_bytes)))])
    assert strides == (16, 8, 8)
    assert [plane[0] for plane in planes] == [0, 64, 80]


def test_a_picture_in_several_buffer_planes_takes_each_from_its_own() -> None:
    made = picture("NV12", 16, 32, split=True)
    assert made.needed_bytes == 16 * 4 + 32 * 2
    planes, strides = made.planes([memoryview(bytes([1]) * 100), memoryview(bytes([2]) * 100)])
    assert strides == (16, 32)
    assert [bytes(plane) for plane in planes] == [b"\1" * 64, b"\2" * 64]


def test_an_encoded_picture_is_whatever_came_but_not_nothing() -> None:
    made = picture("MJPEG", 0)
    assert made.needed_bytes == 1
    assert made.codec is CAMERA_CODECS["MJPEG"]


def test_a_rate_of_television_is_exact() -> None:
    assert picture("YUYV", 16).settings == {"width": 8, "height": 4, "frameRate": 30000 / 1001}


@pytest.mark.parametrize(
    ("name", "pix", "expected"),
    [
        ("YUYV", abi.Pix(colorspace=SRGB), BT601),
        ("YUYV", abi.Pix(colorspace=abi.COLORSPACE_REC709), BT709),
        ("YUYV", abi.Pix(colorspace=abi.COLORSPACE_REC709, ycbcr_enc=ENC_601), BT601),
        ("NV12", abi.Pix(colorspace=SRGB, ycbcr_enc=ENC_709), BT709),
        ("NV12", abi.Pix(colorspace=SRGB, quantization=abi.QUANTIZATION_FULL), VideoColorSpace(full_range=True)),
        ("YUYV", abi.Pix(colorspace=abi.COLORSPACE_JPEG), JPEG_COLOR),
        ("YUYV", abi.Pix(colorspace=SRGB, ycbcr_enc=3, quantization=abi.QUANTIZATION_FULL), BT601),
        ("YUYV", abi.Pix(colorspace=SRGB, ycbcr_enc=4, quantization=abi.QUANTIZATION_FULL), BT709),
        ("MJPEG", abi.Pix(colorspace=abi.COLORSPACE_REC709), JPEG_COLOR),
        ("RGB24", abi.Pix(colorspace=SRGB), VideoColorSpace(full_range=True)),
        ("RGB24", abi.Pix(colorspace=SRGB, ycbcr_enc=3), VideoColorSpace(full_range=True)),
        ("RGB24", abi.Pix(colorspace=SRGB, quantization=LIMITED), LIMITED_RGB),
        ("GREY", abi.Pix(colorspace=SRGB, quantization=LIMITED), LIMITED_RGB),
        ("YUYV", abi.Pix(colorspace=abi.COLORSPACE_BT2020), VideoColorSpace("bt2020-ncl")),
        ("YUYV", abi.Pix(colorspace=abi.COLORSPACE_SMPTE240M), VideoColorSpace("smpte240m")),
        ("YUYV", abi.Pix(colorspace=SRGB, ycbcr_enc=8), VideoColorSpace("smpte240m")),
        ("HSV24", abi.Pix(colorspace=SRGB), VideoColorSpace("hsv180", True)),
        ("HSV24", abi.Pix(colorspace=SRGB, ycbcr_enc=129), VideoColorSpace("hsv256", True)),
        ("HSV24", abi.Pix(colorspace=SRGB, quantization=LIMITED), VideoColorSpace("hsv180", True)),
        ("HSV32", abi.Pix(colorspace=SRGB, ycbcr_enc=129, quantization=LIMITED), VideoColorSpace("hsv256", True)),
        ("HSV24", abi.Pix(colorspace=SRGB, ycbcr_enc=ENC_601), VideoColorSpace("hsv180", True)),
        ("YUYV", abi.Pix(colorspace=SRGB, ycbcr_enc=128), BT601),
        ("RGB24", abi.Pix(colorspace=SRGB, ycbcr_enc=129), VideoColorSpace(full_range=True)),
        ("GREY", abi.Pix(colorspace=SRGB), VideoColorSpace(full_range=True)),
    ],
)
def test_colours_are_what_the_driver_says_or_the_kernels_defaults(name: str, pix: abi.Pix, expected: VideoColorSpace) -> None:
    assert color_space(name, pix) == expected


class Intervals:
    """A driver that takes any interval up to 4·10⁹ seconds."""

    path = label = "/dev/video0"

    def enumerate(self, _request: int, found: Any) -> Iterator[Any]:
        found.type, found.stepwise = 2, abi.IntervalSteps(abi.Fract(1, 30), abi.Fract(4_000_000_000, 1))
        yield found


def test_a_range_of_rates_begins_at_one_that_a_camera_can_have() -> None:
    assert modes._rates(Intervals(), 1, 0, 64, 32) == [Span(LEAST_RATE, 30)]  # type: ignore[arg-type]


SPS, IDR, SLICE = b"\0\0\0\1\x67spspps", b"\0\0\1\x65idr", b"\0\0\1\x41slice"


@pytest.mark.parametrize(
    ("name", "flags", "data", "key"),
    [
        ("H264", 0, SPS + IDR, True),
        ("H264", 0, SLICE, False),
        ("H264", 0, SLICE.replace(b"slice", b"sl\x65ice"), False),
        ("H264", abi.FLAG_KEYFRAME, SLICE, True),
        ("MJPEG", 0, b"\xff\xd8", True),
        ("VP8", 0, b"\x10", True),
        ("VP8", 0, b"\x11", False),
        ("VP8", abi.FLAG_KEYFRAME, b"\x11", False),
        ("VP9", abi.FLAG_KEYFRAME, b"\x86\x00", False),
    ],
)
def test_decoding_may_start_at_key_chunks(name: str, flags: int, data: bytes, key: bool) -> None:
    assert is_key(CAMERA_CODECS[name], flags, memoryview(data)) is key
