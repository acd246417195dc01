"""``mscli capture``: raw frames and samples, counted by their bytes."""

from __future__ import annotations

import json

import pytest

from tests.cli.program import FakeMachine, camera, microphone, streams
from tests.conftest import require

BITS = {"I420": 12, "NV12": 12, "YUYV": 16, "I422": 16, "RGB24": 24, "bgr24": 24, "RGBA": 32, "GREY": 8}  # per pixel
BYTES = {"u8": 1, "s16": 2, "s32": 4, "f32": 4}  # per sample
SMALL = ("--size", "64x48")


@pytest.mark.parametrize("form", BITS)
def test_frames_of_every_format_are_piped_whole(form: str, fake: FakeMachine) -> None:
    done = fake("capture", "--json", "--format", form, "--frames", "3", *SMALL, code=0)
    assert len(done.stdout) == 3 * 64 * 48 * BITS[form] // 8
    report = json.loads(done.stderr)
    (track,) = report["tracks"]
    assert (report["files"], report["reason"], track["frames"], track["bytes"]) == ([], "frames", 3, len(done.stdout))


@pytest.mark.parametrize("form", BYTES)
def test_samples_of_every_format_are_piped_whole(form: str, fake: FakeMachine) -> None:
    done = fake("capture", "--quiet", "--audio", "--no-video", "--format", form, "--frames", "1000", code=0)
    assert (len(done.stdout), done.stderr) == (1000 * BYTES[form], b"")


def test_without_a_format_frames_come_as_the_camera_gives_them(fake: FakeMachine) -> None:
    fake.plug(camera(modes=[{"width": 320, "height": 240, "frameRate": 30, "pixelFormat": "YUYV"}]), microphone())
    assert len(fake("capture", "--frames", "2", code=0).stdout) == 2 * 320 * 240 * 2
    assert len(fake("capture", "--microphone", "micro", "--frames", "480", code=0).stdout) == 480 * 2


def test_what_a_camera_compresses_is_handed_on_or_decoded(fake: FakeMachine) -> None:
    fake.plug(camera(modes=[{"width": 320, "height": 240, "frameRate": 30, "pixelFormat": "MJPEG"}]))
    native = fake("capture", "--format", "native", "--frames", "3", code=0).stdout
    assert (native[:2], native.count(b"\xff\xd8\xff"), native[-2:]) == (b"\xff\xd8", 3, b"\xff\xd9")
    assert len(fake("capture", "--frames", "3", code=0).stdout) == 3 * 320 * 240 * 3 // 2


def test_yuv4mpeg2_is_read_by_ffprobe(fake: FakeMachine) -> None:
    require("ffprobe")
    fake("capture", "--format", "y4m", "--frames", "5", "--frame-rate", "exact:15", "-o", "x.y4m", code=0)
    video = streams(fake.folder / "x.y4m")["video"]
    assert (video["width"], video["height"], video["r_frame_rate"], video["nb_read_packets"]) == (640, 480, "15/1", "5")


def test_a_file_gets_the_frames_and_stdout_the_report(fake: FakeMachine) -> None:
    report = fake.json("capture", "--json", "--frames", "2", *SMALL, "-o", "x.raw")
    assert (report["files"], fake.files) == (["x.raw"], ["x.raw"])
    assert report["tracks"][0]["bytes"] == (fake.folder / "x.raw").stat().st_size == 2 * 64 * 48 * 3 // 2


def test_a_duration_ends_it(fake: FakeMachine) -> None:
    report = fake.json("capture", "--json", "--duration", "0:00.5", *SMALL, "-o", "x.raw")
    assert (report["reason"], report["tracks"][0]["frames"]) == ("duration", 15)
    assert abs(report["duration"] - 0.5) < 0.001


@pytest.mark.parametrize("count", [0, 1, 100, 1_000_000])
def test_a_reader_that_leaves_is_no_failure(count: int, fake: FakeMachine) -> None:
    done = fake.shell(f"set -o pipefail; mscli capture --quiet | head -c {count} | wc -c")
    assert (done.returncode, int(done.stdout), done.stderr) == (0, count, b"")


def test_a_reader_that_leaves_is_told_in_the_report(fake: FakeMachine) -> None:
    done = fake.shell("mscli capture --json 2> report.json | head -c 100 > start.raw")
    assert done.returncode == 0
    assert json.loads((fake.folder / "report.json").read_text())["reason"] == "pipe"
