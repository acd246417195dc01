"""--crop, --flip, --rotate and --timestamp of commands, on what other programs read."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.program import FakeMachine, camera, error_line, streams


def raw(fake: FakeMachine, *flags: str) -> bytes:
    """The first frame of the fake camera, as packed RGB."""
    return fake("capture", *flags, "--format", "RGB24", "--frames", "1", "-o", "-", code=0).stdout


def by_ffmpeg(data: bytes, size: str, filters: str) -> bytes:
    """What ffmpeg makes of a frame."""
    told = ["ffmpeg", "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-i", "-", "-vf", filters]
    return subprocess.run([*told, "-f", "rawvideo", "-"], input=data, check=True, capture_output=True).stdout


@pytest.mark.parametrize(
    ("flags", "filters"),
    [
        (("--rotate", "90"), "transpose=clock"),
        (("--flip", "horizontal"), "hflip"),
        (("--crop", "101x51+33+21", "--rotate", "270"), "crop=101:51:33:21,transpose=cclock"),
    ],
)
def test_captured_pixels_are_those_of_ffmpeg(flags: tuple[str, ...], filters: str, fake: FakeMachine) -> None:
    fake.plug(camera(modes=[{"width": 320, "height": 240, "frameRate": 30, "pixelFormat": "RGB24"}]))
    assert raw(fake, *flags) == by_ffmpeg(raw(fake), "320x240", filters)


@pytest.mark.parametrize(
    ("flags", "size"),
    [
        (("--rotate", "90"), (480, 640)),
        (("--crop", "100x60+10+20"), (100, 60)),
        (("--timestamp=%H:%M {device}",), (640, 480)),
        (("--time-lapse", "0.1s", "--timestamp", "--rotate", "90"), (480, 640)),
    ],
)
def test_recordings_have_the_changed_size_and_say_so(flags: tuple[str, ...], size: tuple[int, int], fake: FakeMachine) -> None:
    done = fake("record", *flags, "--no-audio", "-t", "0.3", "x.mkv", code=0)
    video = streams(fake.folder / "x.mkv")["video"]
    assert (video["width"], video["height"]) == size
    assert f"x.mkv: H.264 {size[0]}×{size[1]} at 30 fps" in done.stderr.decode()


def test_a_cameras_jpegs_are_changed_too(fake: FakeMachine) -> None:
    fake.plug(camera(modes=[{"width": 320, "height": 240, "frameRate": 30, "pixelFormat": "MJPG"}]))
    fake("record", "--rotate", "90", "--video-codec", "mjpeg", "-t", "0.2", "x.mkv", code=0)
    assert streams(fake.folder / "x.mkv")["video"]["width"] == 240
    fake("capture", "--rotate", "90", "--frames", "2", "-o", "x.mjpeg", "-o", "x.y4m", code=0)
    assert b" W240 H320 " in (fake.folder / "x.y4m").read_bytes()[:80]
    assert streams(fake.folder / "x.mjpeg")["video"]["width"] == 240


@pytest.mark.parametrize(
    ("flags", "said", "code"),
    [
        (("--rotate", "90", "--video-codec", "copy"), "cannot change video that is copied", 7),
        (("--crop", "999x9+0+0"), "--crop 999x9+0+0 is not inside the picture of 640×480", 7),
        (("--font", "x.ttf"), "--font needs --timestamp", 2),
        (("--font", "x.ttf", "--timestamp"), "not a TrueType or OpenType font", 7),
        (("--rotate", "45"), "45", 2),
        (("--no-video", "--rotate", "90"), "--crop, --flip or --rotate has no effect without video", 2),
        (("--crop", "10x10"), "640x480+100+50", 2),
        (("--timestamp=a\nb",), "one line", 2),
    ],
)
def test_changes_that_are_impossible_are_refused(flags: tuple[str, ...], said: str, code: int, fake: FakeMachine) -> None:
    assert said in fake("record", *flags, "-t", "0.2", "x.mkv", code=code).stderr.decode()
    assert fake.files == []


def test_native_frames_are_not_changed(fake: FakeMachine) -> None:
    assert "--rotate" in error_line(fake("capture", "--rotate", "90", "--format", "native", "-o", "x", code=2))


def test_the_built_in_font_needs_no_file(fake: FakeMachine, tmp_path: Path) -> None:
    plain, captioned = raw(fake), raw(fake, "--timestamp")
    assert len(plain) == len(captioned)
    assert plain[: 640 * 3 * 400] == captioned[: 640 * 3 * 400]
    assert plain != captioned
