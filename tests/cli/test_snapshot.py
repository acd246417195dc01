"""``mscli snapshot``: pictures that ImageMagick reads, in files and in pipes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.program import FakeMachine, camera, output_of, picture
from tests.conftest import require


@pytest.fixture(autouse=True)
def identify() -> None:
    """What reads the pictures back."""
    require("identify", "convert")


@pytest.mark.parametrize(("name", "kind"), [("x.png", "PNG"), ("x.jpg", "JPEG"), ("x.JPEG", "JPEG"), ("x.webp", "WEBP")])
def test_the_suffix_says_what_kind_of_picture_it_is(name: str, kind: str, fake: FakeMachine) -> None:
    report = fake.json("snapshot", "--json", "--size", "400x300", name)
    assert (picture(fake.folder / name), fake.files) == (f"{kind} 400x300", [name])
    (track,) = report["tracks"]
    assert (report["files"], track["frames"], track["bytes"]) == ([name], 1, (fake.folder / name).stat().st_size)
    assert (track["settings"]["width"], track["settings"]["height"]) == (400, 300)


@pytest.mark.parametrize(("flags", "kind"), [((), "PNG"), (("--format", "jpeg"), "JPEG"), (("--format", "webp"), "WEBP")])
def test_a_picture_goes_into_a_pipe_and_the_report_to_stderr(flags: tuple[str, ...], kind: str, fake: FakeMachine) -> None:
    done = fake("snapshot", "--json", *flags, "-", code=0)
    file = fake.folder / "read.from.pipe"
    file.write_bytes(done.stdout)
    assert picture(file) == f"{kind} 640x480"
    report = json.loads(done.stderr)
    assert (report["files"], report["tracks"][0]["bytes"]) == ([], len(done.stdout))


@pytest.mark.parametrize("pixel_format", ["I420", "MJPEG"])
def test_quality_changes_the_size_of_a_jpeg(pixel_format: str, fake: FakeMachine) -> None:
    fake.plug(camera(modes=[{"width": 640, "height": 480, "frameRate": 30, "pixelFormat": pixel_format}]))
    sizes = [fake.json("snapshot", "--json", "--quality", quality, "x.jpg")["tracks"][0]["bytes"] for quality in ("0.1", "1")]
    assert sizes[0] < sizes[1]


def test_the_picture_has_the_colour_bars(fake: FakeMachine) -> None:
    fake("snapshot", "x.png", code=0)
    first, last = (colour(fake.folder / "x.png", x, 60) for x in (20, 620))
    assert min(first) > 150
    assert max(last) < 40


def colour(path: Path, x: int, y: int) -> list[int]:
    """Red, green and blue of a pixel."""
    channels = ",".join(f"%[fx:round(255*p{{{x},{y}}}.{channel})]" for channel in "rgb")
    return [int(value) for value in output_of("convert", path, "-format", channels, "info:").split(",")]


def test_the_device_is_given_back_at_once(fake: FakeMachine) -> None:
    fake.plug(camera(faults={"vanishAfterFrames": 1}))
    assert fake("snapshot", "--quiet", "x.png", code=0).stderr == b""
    assert picture(fake.folder / "x.png") == "PNG 320x240"
