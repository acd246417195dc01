"""Still pictures: the right colours in every pixel format, a camera's JPEG untouched, damage refused."""

from __future__ import annotations

import cProfile
import io
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mscli.core.clock import MICROSECONDS, now_us, wall_clock
from mscli.core.errors import InvalidStateError, NotSupportedError, OperationError
from mscli.core.folders import FolderEntry, find_entry
from mscli.core.frames import BT601, BT709, JPEG_COLOR, PIXEL_FORMATS, Media, Rect, VideoColorSpace, VideoFrame
from mscli.core.jpeg import file_parts
from mscli.core.orientation import Orientation
from mscli.encode.options import Series, SinkOptions, TrackFormat
from mscli.sinks import SINKS, load_album
from mscli.sinks.base import Sink
from mscli.sinks.pictures import album as pictures
from mscli.sinks.pictures.image import jpeg_scale
from tests.sinks.synth import (
    BLUE,
    GREEN,
    RED,
    close_to,
    h264,
    halves,
    jpeg,
    magick_rgb,
    noise,
    opened,
    picture,
    probe,
    run,
    yuv,
)

SUFFIXES = ("png", "jpg", "webp")
RAW = list(PIXEL_FORMATS)


def saved(path: Path, frame: Media, quality: float | None = None) -> Path:
    sink = opened(SINKS[path.suffix[1:]], str(path), quality=quality, metadata=False)
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
    assert saved(tmp_path / "a.jpg", frame).read_bytes() == bytes(frame.data)


def test_huffman_tables_that_a_camera_leaves_out_are_put_in(tmp_path: Path) -> None:
    whole = bytes(jpeg().data)
    bare = re.sub(rb"\xff\xc4\x01\xa2.{416}", b"", whole, flags=re.DOTALL)
    assert len(bare) == len(whole) - 420
    path = saved(tmp_path / "a.jpg", replace(jpeg(), data=memoryview(bare)))
    assert len(path.read_bytes()) == len(whole)
    assert decoded(path) == decoded(saved(tmp_path / "b.jpg", jpeg()))


def test_a_jpeg_with_tables_is_not_copied() -> None:
    data = jpeg().data
    assert file_parts(data)[0] is data


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_a_cameras_jpeg_becomes_another_kind_of_picture(suffix: str, tmp_path: Path) -> None:
    assert close_to(magick_rgb(saved(tmp_path / f"a.{suffix}", jpeg(rgb=GREEN))), GREEN, 5)


def test_a_key_picture_of_a_cameras_h264_becomes_a_picture(tmp_path: Path) -> None:
    assert close_to(magick_rgb(saved(tmp_path / "a.png", h264(1)[0])), GREEN, 5)


def opened_in_memory(suffix: str) -> tuple[Sink, io.BytesIO]:
    """A sink of that kind, and the file that it writes."""
    file = io.BytesIO()
    return opened(SINKS[suffix], file), file


def test_a_picture_that_others_are_needed_for_is_refused() -> None:
    sink, file = opened_in_memory("png")
    sink.write(0, h264(2)[1])
    assert (sink.corrections(0), file.getvalue()) == ({"early": 1}, b"")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_damaged_picture_is_refused_and_the_next_one_taken(suffix: str, tmp_path: Path) -> None:
    sink = opened(SINKS[suffix], str(tmp_path / f"a.{suffix}"))
    sink.write(0, replace(jpeg(), data=jpeg().data[:-100]))
    assert not (tmp_path / f"a.{suffix}").exists()
    sink.write(0, jpeg())
    sink.close()
    assert close_to(magick_rgb(tmp_path / f"a.{suffix}"), RED, 5)
    assert sink.corrections(0) == {"decodeErrors": 1}


def test_a_picture_that_lacks_rows_is_damaged() -> None:
    whole = picture("YUYV")
    sink, file = opened_in_memory("png")
    sink.write(0, replace(whole, planes=(whole.planes[0][:-100],)))
    assert (sink.corrections(0), file.getvalue()) == ({"decodeErrors": 1}, b"")


def test_a_file_takes_one_picture() -> None:
    sink = opened(SINKS["png"], io.BytesIO())
    sink.write(0, picture())
    with pytest.raises(InvalidStateError):
        sink.write(0, picture())


@pytest.mark.parametrize("suffix", ["png", "tiff", "pgm"])
@pytest.mark.parametrize(("name", "bits"), [("Y10", 10), ("Y12", 12), ("Y16", 16)])
def test_deep_grey_keeps_its_depth(name: str, bits: int, suffix: str, tmp_path: Path) -> None:
    values = [(index * 2**bits // 64) for index in range(64)]
    plane = memoryview(b"".join(value.to_bytes(2, "little") for value in values))
    path = saved(tmp_path / f"a.{suffix}", VideoFrame(name, 64, 1, 0, (plane,), (128,)))
    read = run("ffmpeg", "-v", "error", "-i", path, "-pix_fmt", "gray16le", "-f", "rawvideo", "-")
    deep = [int.from_bytes(read[at : at + 2], "little") >> 16 - bits for at in range(0, len(read), 2)]
    assert deep == values


@pytest.mark.parametrize(("name", "bits"), [("Y10", 10), ("Y12", 12), ("Y16", 12)])
def test_an_avif_keeps_up_to_twelve_bits_of_grey(name: str, bits: int, tmp_path: Path) -> None:
    plane = memoryview(b"".join((index * 257 >> 16 - int(name[1:])).to_bytes(2, "little") for index in range(256)))
    path = saved(tmp_path / "a.avif", VideoFrame(name, 256, 1, 0, (plane,), (512,)), quality=1.0)
    assert probe(path)["streams"][0]["pix_fmt"] == f"gray{bits}le"
    read = run("ffmpeg", "-v", "error", "-i", path, "-pix_fmt", f"gray{bits}le", "-f", "rawvideo", "-")
    values = [int.from_bytes(read[at : at + 2], "little") for at in range(0, len(read), 2)]
    assert values == pytest.approx([index * 257 >> 16 - bits for index in range(256)], abs=1)


@pytest.mark.parametrize("suffix", ["avif", "tiff", "ppm"])
def test_further_formats_keep_the_colour(suffix: str, tmp_path: Path) -> None:
    path = saved(tmp_path / f"a.{suffix}", picture("NV12", 64, 48, BLUE))
    assert close_to(magick_rgb(path), BLUE, 5)


def test_a_pgm_is_grey(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pgm", picture("I420", 64, 48, RED))
    assert path.read_bytes().startswith(b"P5\n64 48\n255\n")


def quarters(name: str) -> VideoFrame:
    """A picture of 64×32 whose left half is red and right half blue."""
    return replace(halves(name, RED, BLUE), coded_height=32)


@pytest.mark.parametrize("name", ["I420", "YUYV", "RGB24", "NV12"])
@pytest.mark.parametrize(
    ("orientation", "size", "top_left", "bottom_right"),
    [
        (Orientation(rotate=90), (32, 64), RED, BLUE),
        (Orientation(rotate=180), (64, 32), BLUE, RED),
        (Orientation(rotate=270), (32, 64), BLUE, RED),
        (Orientation(flip="horizontal"), (64, 32), BLUE, RED),
        (Orientation(flip="vertical"), (64, 32), RED, BLUE),
        (Orientation(Rect(40, 0, 20, 16)), (20, 16), BLUE, BLUE),
        (Orientation(Rect(20, 0, 24, 16), "horizontal", 90), (16, 24), BLUE, RED),
    ],
)
def test_pictures_are_cropped_flipped_and_rotated(
    orientation: Orientation,
    size: tuple[int, int],
    top_left: Sequence[int],
    bottom_right: Sequence[int],
    name: str,
    tmp_path: Path,
) -> None:
    sink = opened(SINKS["png"], str(tmp_path / "a.png"), orientation=orientation)
    sink.write(0, quarters(name))
    sink.close()
    assert run("identify", "-format", "%wx%h", tmp_path / "a.png").decode() == f"{size[0]}x{size[1]}"
    pixels = decoded(tmp_path / "a.png")
    assert close_to(pixels[0], top_left, 8)
    assert close_to(pixels[-1], bottom_right, 8)


def test_a_crop_outside_the_picture_is_refused(tmp_path: Path) -> None:
    sink = opened(SINKS["png"], str(tmp_path / "a.png"), orientation=Orientation(Rect(60, 0, 20, 16)))
    with pytest.raises(NotSupportedError, match="64×32"):
        sink.write(0, quarters("I420"))
    sink.abort()


def test_a_camera_s_jpeg_is_rotated(tmp_path: Path) -> None:
    sink = opened(SINKS["jpg"], str(tmp_path / "a.jpg"), orientation=Orientation(rotate=90))
    sink.write(0, jpeg(64, 48))
    sink.close()
    assert run("identify", "-format", "%wx%h", tmp_path / "a.jpg") == b"48x64"


def test_later_pictures_of_a_series_walk_to_their_folder_once(tmp_path: Path) -> None:
    album = load_album(SINKS["jpg"], str(tmp_path / "x.jpg"), SinkOptions(metadata=False), Series())
    frame = picture("RGB24", 64, 48, RED)
    walks = []
    for number in (1, 2):
        counted = cProfile.Profile()
        with counted:
            sink = album.next_sink()
            album.open(sink, TrackFormat("video"))
            sink.write(0, frame)
            sink.close()
        assert album.add(sink, (0, 0)) == str(tmp_path / f"x-00{number}.jpg")
        walks.append(sum(one.callcount for one in counted.getstats() if one.code == find_entry.__code__))
    assert walks == [3, 1]  # the first is checked before the camera's light goes on, and again when it is opened


def test_the_names_of_a_series_are_flushed_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[str | None] = []  # folders, by path or as they are open
    monkeypatch.setattr(pictures, "FLUSH_S", 3600)
    monkeypatch.setattr(pictures, "sync_folder", flushed.append)
    monkeypatch.setattr(FolderEntry, "sync", lambda _: flushed.append(None))
    album = load_album(SINKS["jpg"], str(tmp_path / "x.jpg"), SinkOptions(metadata=False), Series())
    for _ in range(3):
        album.open(sink := album.next_sink(), TrackFormat("video"))
        sink.write(0, picture("RGB24", 64, 48, RED))
        sink.close()
        album.add(sink, (0, 0))
    assert flushed == [str(tmp_path)]  # the first one is due
    album.sync()
    assert flushed == [str(tmp_path)]
    album.sync(at_once=True)
    album.sync(at_once=True)
    assert flushed == [str(tmp_path)] * 2


def test_the_name_of_a_single_picture_is_flushed_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[str] = []
    monkeypatch.setattr(FolderEntry, "sync", lambda entry: flushed.append(entry.name))
    album = load_album(SINKS["jpg"], str(tmp_path / "x.jpg"), SinkOptions(metadata=False), None)
    album.open(sink := album.next_sink(), TrackFormat("video"))
    sink.write(0, picture("RGB24", 64, 48, RED))
    sink.close()
    assert flushed == ["x.jpg"]


def test_a_series_that_may_replace_files_replaces_no_pipe(tmp_path: Path) -> None:
    album = load_album(SINKS["jpg"], str(tmp_path / "x.jpg"), SinkOptions(over_device=True), Series())
    os.mkfifo(tmp_path / "x-002.jpg")
    sink = album.next_sink()
    album.open(sink, TrackFormat("video"))
    assert album.next_sink() is sink
    with pytest.raises(OperationError, match=r"x-002.jpg: it is not a regular file"):
        sink.write(0, picture("RGB24", 64, 48, RED))
    assert os.listdir(tmp_path) == ["x-002.jpg"]


def test_a_picture_is_named_by_its_own_time_and_keeps_its_number(tmp_path: Path) -> None:
    now, late = now_us(), 3 * 24 * 3600 * MICROSECONDS
    noon = wall_clock(now).replace(hour=12, minute=0, second=0)
    times = [now + round((noon - wall_clock(now)).total_seconds() * MICROSECONDS) - days * late for days in (1, 2)]
    album = load_album(SINKS["jpg"], str(tmp_path / "%F-%03d.jpg"), SinkOptions(), Series())
    album.open(sink := album.next_sink(), TrackFormat("video"))
    for number, taken_us in enumerate(times, 1):
        album.rename(sink, taken_us) if number == 1 else album.next_sink(taken_us)
        sink.write(0, picture("RGB24", 64, 48, RED))
        sink.close()
        assert album.add(sink, (0, 0)) == str(tmp_path / f"{wall_clock(taken_us):%F}-00{number}.jpg")
