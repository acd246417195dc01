"""Still pictures: the right colours in every pixel format, a camera's JPEG untouched, damage refused."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest

from mscli.core.errors import InvalidStateError, NotReadableError
from mscli.core.frames import BT601, BT709, JPEG_COLOR, PIXEL_FORMATS, VideoColorSpace, VideoFrame
from mscli.sinks import SINKS
from mscli.sinks.image import jpeg_scale
from mscli.sinks.jpeg import file_parts
from tests.sinks.synth import BLUE, GREEN, RED, close_to, h264, jpeg, magick_rgb, noise, opened, picture, probe, run, yuv

SUFFIXES = ("png", "jpg", "webp")
RAW = [name for name, row in PIXEL_FORMATS.items() if not row.encoded]


def saved(path: Path, frame: VideoFrame, quality: float | None = None) -> Path:
    sink = opened(SINKS[path.suffix[1:]], str(path), quality=quality)
    sink.write(0, frame)
    sink.close()
    return path


def decoded(path: Path) -> list[tuple[int, ...]]:
    data = run("ffmpeg", "-v", "error", "-i", path, "-pix_fmt", "rgb24", "-f", "rawvideo", "-")
    return [tuple(data[at : at + 3]) for at in range(0, len(data), 3)]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", RAW)
def test_every_pixel_format_keeps_its_colour_to_the_last_odd_pixel(name: str, suffix: str, tmp_path: Path) -> None:
    path = saved(tmp_path / f"a.{suffix}", picture(name, 65, 47, RED, padding=7))
    wanted = (yuv(RED, JPEG_COLOR)[0],) * 3 if name == "GREY" else RED
    pixels = decoded(path)
    assert len(pixels) == 65 * 47
    assert all(close_to(found, wanted, 6) for found in set(pixels))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("color", [BT601, BT709, JPEG_COLOR, VideoColorSpace("bt709", True)])
def test_matrix_and_range_of_the_source_are_honoured(color: VideoColorSpace, suffix: str, tmp_path: Path) -> None:
    path = saved(tmp_path / f"a.{suffix}", picture("NV12", 32, 32, BLUE, color=color))
    assert run("identify", "-format", "%wx%h", path) == b"32x32"
    assert close_to(magick_rgb(path), BLUE, 5)


def test_grey_makes_a_grey_png(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", picture("GREY"))
    assert run("identify", "-format", "%[channels] %[type]", path).split()[0] == b"gray"


def test_alpha_stays_in_a_png(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", picture("BGRA"))
    assert b"alpha" in run("identify", "-format", "%[type]", path).lower()


def test_a_jpeg_is_jfif_with_the_chroma_of_its_source(tmp_path: Path) -> None:
    pixels = {}
    for name in ("I420", "YUYV", "RGB24"):
        (stream,) = probe(saved(tmp_path / f"{name}.jpg", picture(name)))["streams"]
        pixels[name] = (stream["pix_fmt"], stream["color_range"])
    assert pixels == {"I420": ("yuvj420p", "pc"), "YUYV": ("yuvj422p", "pc"), "RGB24": ("yuvj444p", "pc")}
    assert b"JFIF" in (tmp_path / "I420.jpg").read_bytes()[:20]


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_quality_makes_larger_files(suffix: str, tmp_path: Path) -> None:
    frame = noise(128, 96, 0, 1)
    sizes = [saved(tmp_path / f"a.{suffix}", frame, quality).stat().st_size for quality in (0.1, 0.5, 0.75, 1.0)]
    assert sizes == sorted(sizes)
    assert sizes[-1] > 2 * sizes[0]


@pytest.mark.parametrize("quality", [-1, 1.5, None])
def test_a_quality_out_of_range_is_the_default_as_on_a_canvas(quality: float | None, tmp_path: Path) -> None:
    frame = noise(64, 48, 0, 1)
    wanted = saved(tmp_path / "a.jpg", frame, 0.92).read_bytes()
    assert saved(tmp_path / "b.jpg", frame, quality).read_bytes() == wanted


def test_the_scale_of_quality_is_that_of_libjpeg() -> None:
    assert [jpeg_scale(quality) for quality in (1, 0.92, 0.75, 0.5, 0.25, 0)] == [1, 1, 4, 8, 16, 31]


def test_a_cameras_jpeg_is_the_file(tmp_path: Path) -> None:
    frame = jpeg()
    assert saved(tmp_path / "a.jpg", frame).read_bytes() == bytes(frame.planes[0])


def test_huffman_tables_that_a_camera_leaves_out_are_put_in(tmp_path: Path) -> None:
    whole = bytes(jpeg().planes[0])
    bare = re.sub(rb"\xff\xc4\x01\xa2.{416}", b"", whole, flags=re.DOTALL)
    assert len(bare) == len(whole) - 420
    path = saved(tmp_path / "a.jpg", replace(jpeg(), planes=(memoryview(bare),)))
    assert len(path.read_bytes()) == len(whole)
    assert decoded(path) == decoded(saved(tmp_path / "b.jpg", jpeg()))


def test_a_jpeg_with_tables_is_not_copied() -> None:
    data = jpeg().planes[0]
    assert file_parts(data)[0] is data


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_a_cameras_jpeg_becomes_another_kind_of_picture(suffix: str, tmp_path: Path) -> None:
    assert close_to(magick_rgb(saved(tmp_path / f"a.{suffix}", jpeg(rgb=GREEN))), GREEN, 5)


def test_a_key_picture_of_a_cameras_h264_becomes_a_picture(tmp_path: Path) -> None:
    assert close_to(magick_rgb(saved(tmp_path / "a.png", h264(1)[0])), GREEN, 5)


def test_a_picture_that_others_are_needed_for_is_refused() -> None:
    with pytest.raises(NotReadableError):
        opened(SINKS["png"], io.BytesIO()).write(0, h264(2)[1])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_damaged_picture_is_refused_and_the_next_one_taken(suffix: str, tmp_path: Path) -> None:
    sink = opened(SINKS[suffix], str(tmp_path / f"a.{suffix}"))
    with pytest.raises(NotReadableError, match="damaged"):
        sink.write(0, replace(jpeg(), planes=(jpeg().planes[0][:40],)))
    sink.write(0, jpeg())
    sink.close()
    assert close_to(magick_rgb(tmp_path / f"a.{suffix}"), RED, 5)
    assert sink.corrections(0) == {"decodeErrors": 1}


def test_a_picture_that_lacks_rows_is_damaged() -> None:
    whole = picture("YUYV")
    with pytest.raises(NotReadableError, match="damaged"):
        opened(SINKS["png"], io.BytesIO()).write(0, replace(whole, planes=(whole.planes[0][:-100],)))


def test_a_file_takes_one_picture() -> None:
    sink = opened(SINKS["png"], io.BytesIO())
    sink.write(0, picture())
    with pytest.raises(InvalidStateError):
        sink.write(0, picture())
