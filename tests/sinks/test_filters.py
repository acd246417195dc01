"""Pictures that are cropped, flipped, rotated and captioned before they are encoded: the same pixels as those of ffmpeg."""

from __future__ import annotations

import subprocess
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from mscli.core.errors import NotSupportedError
from mscli.core.frames import FORMATS, Rect, VideoFrame, packed_planes, split_planes
from mscli.core.orientation import Caption, Orientation, PictureFilters
from mscli.media.filters import PictureFilter
from tests.conftest import require
from tests.sinks.synth import T0, picture

FONT = Path("/usr/share/fonts/truetype/dejavu/DejaVuSerif-Bold.ttf")
CAPTION = PictureFilters(caption=Caption("%Y {device} ä"))


def test_pattern(form: str, width: int, height: int, *filters: str) -> bytes:
    """A moving pattern of ffmpeg, through its filters, in a pixel format."""
    source = f"testsrc2=size={width}x{height}:rate=1,format={form}"
    chain = ",".join([source, *filters, f"format={form}"])
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", chain, "-frames:v", "1", "-f", "rawvideo", "-"]
    return subprocess.run(command, check=True, capture_output=True).stdout


test_pattern.__test__ = False  # type: ignore[attr-defined]


def frame_of(form: str, width: int, height: int, data: bytes) -> VideoFrame:
    """The frame of packed bytes."""
    planes, strides = split_planes(form, width, height, memoryview(data))
    return VideoFrame(form, width, height, T0, planes, strides, None, 0)


def packed(frame: VideoFrame) -> bytes:
    """The frame's bytes without padding."""
    return b"".join(packed_planes(frame))


@pytest.mark.parametrize("form", ["I420", "RGB24", "NV12"])
@pytest.mark.parametrize(
    ("orientation", "theirs"),
    [
        (Orientation(rotate=90), ["transpose=clock"]),
        (Orientation(rotate=180), ["hflip", "vflip"]),
        (Orientation(rotate=270), ["transpose=cclock"]),
        (Orientation(flip="horizontal"), ["hflip"]),
        (Orientation(flip="vertical"), ["vflip"]),
        (Orientation(Rect(20, 30, 102, 64)), ["crop=102:64:20:30"]),
        (Orientation(Rect(20, 30, 102, 64), "vertical", 90), ["crop=102:64:20:30", "vflip", "transpose=clock"]),
    ],
)
def test_every_pixel_is_as_ffmpeg_places_it(form: str, orientation: Orientation, theirs: list[str]) -> None:
    require("ffmpeg")
    size = 322, 242
    ffmpeg = FORMATS[form].ffmpeg
    frame = frame_of(form, *size, test_pattern(ffmpeg, *size))
    (made,) = PictureFilter(PictureFilters(orientation), "").read(frame, T0)
    assert made.format == form
    assert (made.coded_width, made.coded_height) == orientation.size_of(*size)
    assert packed(made) == test_pattern(ffmpeg, *size, *theirs)


def rgb(frame: VideoFrame) -> npt.NDArray[np.uint8]:
    """The pixels of an RGB24 frame."""
    return np.frombuffer(packed(frame), np.uint8).reshape(frame.coded_height, frame.coded_width, 3)


def test_a_caption_changes_only_the_lower_left_corner() -> None:
    frame = picture("RGB24", 640, 480)
    before = rgb(frame).copy()
    (made,) = PictureFilter(CAPTION, "Camera").read(frame, T0)
    changed = (rgb(made) != before).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert rows.min() >= 450
    assert columns.min() == 0
    assert columns.max() < 400
    corner = rgb(made)[460:, : columns.max()]
    assert corner.max() == 255
    assert corner.min() == 0
    assert (rgb(frame) == before).all(), "the frame itself is shared with others"


@pytest.mark.parametrize(
    ("form", "size"),
    [
        *((form, size) for form in ("I420", "NV12", "RGB24", "GREY") for size in ((320, 240), (321, 241), (8, 6))),
        ("YUYV", (322, 241)),
    ],
)
def test_a_caption_fits_into_every_format_and_size(form: str, size: tuple[int, int]) -> None:
    (made,) = PictureFilter(CAPTION, "Camera").read(picture(form, *size), T0)
    assert (made.format, made.coded_width, made.coded_height) == (form, *size)
    assert packed(made) != packed(picture(form, *size))


def test_a_caption_follows_the_time_and_the_font() -> None:
    frame = picture("RGB24", 640, 480)

    def drawn(caption: Caption, at_us: int = T0) -> bytes:
        return packed(PictureFilter(PictureFilters(caption=caption), "Camera").read(frame, at_us)[0])

    assert drawn(Caption("%H:%M:%S"), T0) != drawn(Caption("%H:%M:%S"), T0 + 1_000_000)
    assert drawn(Caption("text"), T0) == drawn(Caption("text"), T0 + 1_000_000)
    if FONT.exists():
        assert drawn(Caption("text")) != drawn(Caption("text", str(FONT)))


def test_the_text_has_the_time_and_the_device() -> None:
    noon = datetime(2026, 1, 2, 12, 30)
    assert Caption("%F %H:%M {device}").text(noon, "Brio") == "2026-01-02 12:30 Brio"


@pytest.mark.parametrize("content", [b"no font", b""])
def test_a_file_that_is_no_font_is_refused(tmp_path: Path, content: bytes) -> None:
    font = tmp_path / "x.ttf"
    font.write_bytes(content)
    with pytest.raises(NotSupportedError, match="not a TrueType or OpenType font"):
        PictureFilter(PictureFilters(caption=Caption(font=str(font))), "")


def test_a_font_that_does_not_exist_is_refused() -> None:
    with pytest.raises(NotSupportedError, match="not a TrueType or OpenType font"):
        PictureFilter(PictureFilters(caption=Caption(font="/none.ttf")), "")


def test_a_picture_smaller_than_the_crop_is_refused() -> None:
    with pytest.raises(NotSupportedError, match=r"--crop 100x10\+0\+0 is not inside the picture of 64×48"):
        PictureFilter(PictureFilters(Orientation(Rect(0, 0, 100, 10))), "").read(picture("I420", 64, 48), T0)
