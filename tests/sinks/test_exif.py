"""Metadata in pictures, read back by exiftool and ImageMagick. The pixels stay the same."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mscli.core.clock import now_us
from mscli.core.frames import Media
from mscli.encode.options import SinkOptions, TrackFormat
from mscli.sinks import SINKS, load_sink
from tests.conftest import require
from tests.sinks.synth import RED, jpeg, picture, run

SETTINGS: dict[str, Any] = {
    "width": 66, "height": 48, "exposureMode": "manual", "exposureTime": 125.0, "iso": 400, "exposureCompensation": -0.5,
    "whiteBalanceMode": "continuous", "torch": True, "deviceId": "ü",
}  # fmt: skip
SUFFIXES = ("png", "jpg", "webp", "avif", "tiff")
ALL = (*SUFFIXES, "ppm", "pgm")


def saved(path: Path, frame: Media, *, metadata: bool = True) -> Path:
    """A file with a frame of a camera with SETTINGS."""
    sink = load_sink(SINKS[path.suffix[1:]], str(path), SinkOptions(metadata=metadata))
    sink.open([TrackFormat("video", SETTINGS, "I420", "Küchen-Kamera", "Maker & Söhne")])
    sink.write(0, frame)
    sink.close()
    return path


def tags(path: Path) -> dict[str, Any]:
    """What exiftool reads, numbers as numbers; it must not complain."""
    require("exiftool")
    (found,) = json.loads(run("exiftool", "-j", "-n", "-validate", "-warning", "-a", path))
    (read,) = json.loads(run("exiftool", "-j", "-n", path))
    assert "Warning" not in found, found
    return dict(read)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_exiftool_reads_what_the_camera_was_set_to(suffix: str, tmp_path: Path) -> None:
    frame = picture("I420", 66, 48, RED, at_us=now_us() - 1_500_000)
    read = tags(saved(tmp_path / f"a.{suffix}", frame))
    assert (read["Make"], read["Model"]) == ("Maker & Söhne", "Küchen-Kamera")
    assert read["Software"].startswith("mscli ")
    assert (read["ExposureTime"], read["ISO"], read["ExposureCompensation"]) == (0.0125, 400, -0.5)
    assert (read["ExposureMode"], read["WhiteBalance"], read["Flash"]) == (1, 0, 1)
    assert (read["ImageWidth"], read["ImageHeight"]) == (66, 48)
    assert json.loads(read["UserComment"]) == SETTINGS
    taken = datetime.strptime(
        f"{read['DateTimeOriginal']}.{read['SubSecTimeOriginal']:06}{read['OffsetTimeOriginal']}", "%Y:%m:%d %H:%M:%S.%f%z"
    )
    age = datetime.now().astimezone() - taken
    assert timedelta(seconds=1.5) <= age < timedelta(seconds=120)


@pytest.mark.parametrize("suffix", ALL)
def test_metadata_change_no_pixel(suffix: str, tmp_path: Path) -> None:
    frame = picture("RGB24", 65, 47, RED)
    with_, without = (saved(tmp_path / f"{name}.{suffix}", frame, metadata=name == "with") for name in ("with", "without"))
    assert with_.stat().st_size > without.stat().st_size
    assert b"Lavc" not in without.read_bytes()  # the name of the encoder
    pixels = [run("ffmpeg", "-v", "error", "-i", path, "-pix_fmt", "rgb24", "-f", "rawvideo", "-") for path in (with_, without)]
    assert pixels[0] == pixels[1]
    assert len(pixels[0]) == 65 * 47 * 3


@pytest.mark.parametrize("suffix", ALL)
def test_imagemagick_reads_the_size(suffix: str, tmp_path: Path) -> None:
    assert run("identify", "-format", "%wx%h", saved(tmp_path / f"a.{suffix}", picture("I420", 65, 47))) == b"65x47"


def test_a_comment_of_a_ppm_holds_the_settings(tmp_path: Path) -> None:
    _, comment, settings, *_ = saved(tmp_path / "a.ppm", picture("I420")).read_bytes().split(b"\n", 3)
    assert b" mscli " in comment
    assert json.loads(settings[2:]) == SETTINGS


def test_a_camera_s_jpeg_gets_exif_and_keeps_every_other_byte(tmp_path: Path) -> None:
    chunk = jpeg()
    data = saved(tmp_path / "a.jpg", chunk).read_bytes()
    assert tags(tmp_path / "a.jpg")["Model"] == "Küchen-Kamera"
    at = data.index(b"\xff\xe1")
    assert data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4], "big") :] == bytes(chunk.data)
    assert saved(tmp_path / "b.jpg", chunk, metadata=False).read_bytes() == bytes(chunk.data)


def test_a_jpeg_with_exif_of_its_own_stays_as_it_is(tmp_path: Path) -> None:
    data = saved(tmp_path / "a.jpg", picture("I420", 64, 48)).read_bytes()
    chunk = jpeg()
    own = chunk.__class__(
        chunk.type, chunk.timestamp, memoryview(data), chunk.codec, 64, 48, chunk.duration, chunk.sequence, chunk.color_space
    )
    assert saved(tmp_path / "b.jpg", own).read_bytes() == data
