"""What other programs write, in place of devices, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.backends.servers import jpegs
from tests.cli.program import FakeMachine, error_line
from tests.media_files import RATE, SECONDS, digests, ffmpeg, make


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a film of two seconds, with sound."""
    return make(tmp_path_factory.mktemp("films") / "clip.mkv")


def test_stdin_is_recorded_to_its_end(fake: FakeMachine, clip: Path) -> None:
    done = fake.shell(f"ffmpeg -v error -i {clip} -c copy -f matroska - | mscli record -i - --no-pace --json x.mkv")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [one["kind"] for one in found["tracks"]] == ["audio", "video"]
    assert found["tracks"][1]["frames"] == RATE * SECONDS


def test_a_film_that_comes_through_a_pipe_is_copied(fake: FakeMachine, clip: Path) -> None:
    copying = "mscli record -i - --no-pace --video-codec copy x.mkv"
    done = fake.shell(f"ffmpeg -v error -i {clip} -c copy -f matroska - | {copying}")
    assert done.returncode == 0, done.stderr
    assert digests(fake.folder / "x.mkv") == digests(clip)


def test_several_pipes_are_recorded_at_once(fake: FakeMachine, clip: Path) -> None:
    y4m = f"<(ffmpeg -v error -i {clip} -an -f yuv4mpegpipe -)"
    sound = f"<(ffmpeg -v error -i {clip} -vn -f wav -)"
    done = fake.shell(f"mscli record --camera {y4m} --camera {y4m} --microphone {sound} --no-pace --json x.mkv")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [(one["kind"], one["lost"]) for one in found["tracks"]] == [("audio", 0), ("video", 0), ("video", 0)]
    assert [one["frames"] for one in found["tracks"][1:]] == [RATE * SECONDS] * 2


@pytest.mark.parametrize(
    ("images", "whole", "bad"),
    [
        pytest.param("g g g half g g g g", 7, 1, id="within-the-picture"),
        pytest.param("half g g g", 3, 1, id="the-first"),
        pytest.param("g g no-end g g g g", 6, 1, id="before-the-end-marker"),
        pytest.param("g g head g g g g", 6, 1, id="within-the-header"),
    ],
)
@pytest.mark.parametrize("how", ["", "--video-codec copy"])
def test_a_jpeg_that_is_cut_off_is_damaged_and_lost(images: str, whole: int, bad: int, how: str, fake: FakeMachine) -> None:
    (image,) = jpegs(1)
    parts = {"g": image, "half": image[: len(image) // 2], "no-end": image[:-2], "head": image[:100]}
    (fake.folder / "x.mjpeg").write_bytes(b"".join(parts[name] for name in images.split()))
    done = fake.shell(f"mscli record -i - --no-pace --json {how} x.mkv < x.mjpeg")
    assert done.returncode == 0, done.stderr
    (track,) = json.loads(done.stdout)["tracks"]
    assert (track["frames"], track["damaged"], track["lost"]) == (whole, bad, bad)


@pytest.mark.parametrize("codec", ["png", "ppm"])
def test_an_image_that_is_cut_off_is_lost_with_one_warning(codec: str, fake: FakeMachine) -> None:
    image = ffmpeg("-f", "lavfi", "-i", "testsrc2=size=160x120", "-frames:v", "1", "-f", "image2pipe", "-c:v", codec, "-")
    (fake.folder / "x.images").write_bytes(image * 2 + (image[: len(image) // 2] + image) * 2)
    done = fake.shell("mscli record -i - --no-pace --json x.mkv < x.images")
    assert done.returncode == 0, done.stderr
    (track,) = json.loads(done.stdout)["tracks"]
    assert (track["frames"], track["lost"]) == (4, 2)
    assert done.stderr.count(b"has images that are cut off or damaged, which are lost") == 1


def test_a_descriptor_is_read(fake: FakeMachine, clip: Path) -> None:
    writer = f"ffmpeg -v error -i {clip} -an -f yuv4mpegpipe -"
    done = fake.shell(f"mscli capture -i fd:3 --no-pace --format I420 -o x.yuv 3< <({writer})")
    assert done.returncode == 0, done.stderr
    assert (fake.folder / "x.yuv").stat().st_size == RATE * SECONDS * 160 * 120 * 3 // 2


@pytest.mark.parametrize(
    ("script", "code", "why"),
    [
        ("true | mscli record -i - x.mkv", 5, "stdin is empty: its writer has ended"),
        ("echo nonsense | mscli record -i - x.mkv", 5, "stdin is damaged, or holds no media that mscli can read"),
        (
            "yes 2> /dev/null | mscli record -i - --input-format rawvideo x.mkv",
            7,
            "the size and the pixel format of the raw pictures",
        ),
        ("mscli record -i fd:9 x.mkv 9<&-", 3, "fd:9 is not open"),
        ("mscli record -i fd:3 x.mkv 3> x.txt", 5, "fd:3 is open only for writing"),
        ("mscli record -i fd:3 x.mkv 3< .", 5, "cannot read fd:3: is a directory"),
        ("mscli record --input-size 640x480 x.mkv", 2, "--input-size has no effect: no pipe is read"),
        ("echo | mscli record -i - --control - x.mkv", 2, "cannot both read stdin"),
    ],
)
def test_a_pipe_that_cannot_be_read_is_an_error_that_says_why(script: str, code: int, why: str, fake: FakeMachine) -> None:
    done = fake.shell(f"set -o pipefail; {script}")
    assert done.returncode in (code, 141), done.stderr
    assert why in error_line(done)
