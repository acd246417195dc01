"""Colour: range × matrix × format × output, each computed by plain arithmetic and measured, by readers that are not our own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest

from mscli.core.frames import FORMATS, VideoColorSpace, VideoFrame, frame_bytes, packed_planes, split_planes
from mscli.media.pictures import Converter
from mscli.sinks import SINKS
from tests.camera.formats import BAND, HEIGHT, ROWS, WIDTH, Made, Row, made, rgb_of
from tests.sinks.synth import opened

MATRICES = {"601": "smpte170m", "709": "bt709", "2020": "bt2020-ncl", "240M": "smpte240m"}
YUV = [row for row in ROWS if row.yuv]
LIGHT = [row for row in ROWS if not row.yuv]
Shown = Sequence[tuple[int, int, int]]


def frame_of(row: Row, picture: Made, color: VideoColorSpace) -> VideoFrame:
    """The picture as a camera would give it, with padding at the end of each row."""
    data, stride = picture.padded()
    planes, strides = split_planes(row.name, WIDTH, HEIGHT, memoryview(data), stride)
    return VideoFrame(row.name, WIDTH, HEIGHT, 0, planes, strides, color_space=color)


def light(row: Row, *, full: bool = True) -> VideoColorSpace:
    """The colour space of a format that is no YUV."""
    hues = "hsv256" if row.said else "hsv180"
    return VideoColorSpace(hues if row.name.startswith("HSV") else "rgb", full)


def bands_in(data: bytes) -> npt.NDArray[Any]:
    """The colours in the middle of the bands of an RGB picture."""
    return np.frombuffer(data, np.uint8).reshape(HEIGHT, WIDTH, 3)[HEIGHT // 2, BAND // 2 :: BAND].astype(int)


def off(data: bytes, shown: Shown) -> int:
    """By how much the colours of an RGB picture are off."""
    return int(np.abs(bands_in(data) - shown).max())


def rgb(frame: VideoFrame) -> bytes:
    """The frame in RGB."""
    converted = Converter("RGB24").convert(frame)
    assert converted is not None
    return b"".join(map(bytes, packed_planes(converted)))


@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", MATRICES)
def test_every_yuv_format_in_every_matrix_and_range_becomes_the_right_rgb(matrix: str, full: bool) -> None:
    color = VideoColorSpace(MATRICES[matrix], full)
    pictures = [(row, made(row, matrix, full)) for row in YUV]
    found = {row.fourcc: off(rgb(frame_of(row, one, color)), one.shown) for row, one in pictures}
    assert {fourcc: by for fourcc, by in found.items() if by > 1} == {}


def test_every_other_format_becomes_the_right_rgb() -> None:
    pictures = [(row, made(row)) for row in LIGHT]
    found = {(row.fourcc, *row.said): off(rgb(frame_of(row, one, light(row))), one.shown) for row, one in pictures}
    assert {fourcc: by for fourcc, by in found.items() if by > 1} == {}


@pytest.mark.parametrize("row", [row for row in LIGHT if not row.name.startswith("HSV")], ids=lambda row: row.fourcc)
def test_rgb_and_grey_of_limited_range_are_brought_to_the_full_one(row: Row) -> None:
    picture = made(row)
    shown = np.clip(np.round((np.array(picture.shown) - 16) * 255 / 219), 0, 255).astype(int)
    assert off(rgb(frame_of(row, picture, light(row, full=False))), shown.tolist()) <= 2  # two roundings of 8 bits


# Outputs

SOURCES = [row for row in ROWS if row.fourcc in ("YUYV", "NV12", "YU12", "422P", "NV24", "RGB3", "XR24")]
OUTPUTS = {  # suffix and codec → by how much a colour may be off: roundings of 8 bits, and what a codec loses
    ("png", ""): 1,
    ("jpg", ""): 4,
    ("webp", ""): 6,
    ("y4m", ""): 3,
    ("mkv", "ffv1"): 2,
    ("mkv", "h264"): 5,
    ("mp4", "h264"): 5,
    ("mov", "mjpeg"): 5,
    ("webm", "vp9"): 6,
}
TAGS = {1: "709", 5: "601", 6: "601", 2: "601", 7: "240M", 9: "2020"}  # ITU-T H.273, 2 being what nobody said
FULL = 2


def written(frame: VideoFrame, suffix: str, codec: str, folder: Path) -> Path:
    """A file of the frame."""
    path = folder / f"a.{suffix}"
    row = SINKS["raw" if suffix == "y4m" else suffix]
    sink = opened(row, str(path), format="y4m" if suffix == "y4m" else "", video_codec=codec, quality=1.0)
    sink.write(0, frame)
    if codec:
        sink.write(0, replace(frame, timestamp=33_333))
    sink.close()
    return path


def shown_in(path: Path) -> list[tuple[int, int, int]]:
    """The colours of the bands in a file: by OpenCV, or by plain arithmetic from what FFmpeg's decoder gives."""
    if path.suffix in (".png", ".jpg", ".webp"):
        pixels = cv2.imread(str(path))
        assert pixels is not None, path
        row = pixels[HEIGHT // 2, BAND // 2 :: BAND, ::-1]
        return [(int(r), int(g), int(b)) for r, g, b in row]
    with av.open(str(path)) as container:
        picture = next(container.decode(video=0))
    if picture.format.is_rgb:
        row = picture.to_ndarray(format="rgb24")[HEIGHT // 2, BAND // 2 :: BAND]
        return [(int(r), int(g), int(b)) for r, g, b in row]
    planes = [np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size) for plane in picture.planes]
    rows = [
        plane[part.height // 2, part.width // 12 : part.width : part.width // 6]
        for plane, part in zip(planes, picture.planes, strict=True)
    ]
    matrix, full = TAGS[picture.colorspace], picture.color_range == FULL
    return [rgb_of([int(part) for part in yuv], matrix, full) for yuv in zip(*rows, strict=True)]


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda output: "-".join(filter(None, output)))
def test_every_output_shows_the_colours_of_every_range_and_matrix(output: tuple[str, str], tmp_path: Path) -> None:
    wrong = {}
    for matrix, name in MATRICES.items():
        for full in (False, True):
            for row in SOURCES if (matrix, full) == ("601", False) else SOURCES[:2]:
                picture = made(row, matrix, full)
                color = VideoColorSpace(name, full) if row.yuv else light(row)
                shown = shown_in(written(frame_of(row, picture, color), *output, tmp_path))
                found = int(np.abs(np.array(shown) - picture.shown).max())
                if found > OUTPUTS[output]:
                    wrong[row.fourcc, matrix, full] = found
    assert wrong == {}


@pytest.mark.parametrize(("full", "said"), [(False, b"LIMITED"), (True, b"FULL")])
def test_y4m_says_the_range_that_its_bytes_have(full: bool, said: bytes, tmp_path: Path) -> None:
    row = next(row for row in ROWS if row.fourcc == "YU12")
    picture = made(row, full=full)
    written(frame_of(row, picture, VideoColorSpace(full_range=full)), "y4m", "", tmp_path)
    header, _, data = (tmp_path / "a.y4m").read_bytes().partition(b"FRAME\n")
    assert b"XCOLORRANGE=" + said in header
    assert data == picture.packed


# Small and odd sizes, of which scalers forget the last column or row

RED = {"YUYV": ((81, 90, 81, 240),), "UYVY": ((90, 81, 240, 81),), "YVYU": ((81, 240, 81, 90),), "VYUY": ((240, 81, 90, 81),),
       "I420": ((81,), (90,), (240,)), "NV12": ((81,), (90, 240)), "NV16": ((81,), (90, 240)), "NV24": ((81,), (90, 240)),
       "NV42": ((81,), (240, 90)), "I422": ((81,), (90,), (240,)), "I444": ((81,), (90,), (240,)),
       "P010": ((0, 81), (0, 90, 0, 240)), "RGB24": ((254, 0, 0),), "BGRX": ((0, 0, 254, 9),)}  # fmt: skip


@pytest.mark.parametrize("name", RED)
def test_a_picture_of_any_small_size_keeps_its_colour(name: str) -> None:
    wrong = []
    for width in range(1, 8):
        for height in range(1, 8):
            layout = FORMATS[name].planes
            rows = [
                bytes(unit) * (plane.row_bytes(width) // plane.unit_bytes)
                for unit, plane in zip(RED[name], layout, strict=True)
            ]
            planes = tuple(memoryview(row * plane.rows(height)) for row, plane in zip(rows, layout, strict=True))
            frame = VideoFrame(name, width, height, 0, planes, tuple(map(len, rows)))
            converted = Converter("I420").convert(frame)
            assert converted is not None
            found = [np.frombuffer(plane, np.uint8).astype(int) for plane in packed_planes(converted)]
            if any(np.abs(plane - wanted).max() > 1 for plane, wanted in zip(found, (81, 90, 240), strict=True)):
                wrong.append((width, height))
    assert wrong == []


@pytest.mark.parametrize("name", ["I420", "NV12", "I444", "RGB24", "BGRX", "GREY"])
@pytest.mark.parametrize("value", [16, 128, 235])
def test_a_picture_that_is_scaled_keeps_its_colour(name: str, value: int) -> None:
    planes, strides = split_planes(name, 96, 64, memoryview(bytes([value]) * frame_bytes(name, 96, 64)))
    scaled = Converter().convert(VideoFrame(name, 96, 64, 0, planes, strides, display_size=(50, 34)))
    assert scaled is not None
    assert (scaled.format, scaled.coded_width, scaled.coded_height) == (name, 50, 34)
    colours = {byte for plane in packed_planes(scaled) for byte in bytes(plane)[:: 4 if name == "BGRX" else 1]}
    assert colours == {value}
