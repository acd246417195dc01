"""What other programs write, in place of devices, on the command line."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from subprocess import PIPE

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


# FFmpeg's muxers wait for the picture unless they may not
_NO_VIDEO = ("-c:v", "copy", "-bsf:v", "noise=drop=1", "-max_interleave_delta", "1", "-flush_packets", "1")


def fed(fake: FakeMachine, data: bytes, *arguments: str, ends: bool) -> tuple[bytes, list[str]]:
    """Run a command whose writer writes this and then ends, or stalls. Return its stdout and the lines of its stderr."""
    command = [*fake.argv, *arguments]
    with subprocess.Popen(command, cwd=fake.folder, env=fake.environment, stdin=PIPE, stdout=PIPE, stderr=PIPE) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.write(data)
        process.stdin.flush()
        if ends:
            process.stdin.close()
        process.wait(60)
        return process.stdout.read(), process.stderr.read().decode().splitlines()


@pytest.mark.parametrize("form", ["matroska", "mpegts", "flv"])
@pytest.mark.parametrize("ends", [True, False], ids=["that-ends", "that-goes-on"])
def test_the_sound_of_a_pipe_that_declares_video_and_sends_none_is_recorded(
    ends: bool, form: str, fake: FakeMachine, clip: Path
) -> None:
    data = ffmpeg("-i", clip, *_NO_VIDEO, "-c:a", "aac", "-f", form, "-")
    flags = ("--no-pace", "--timeout", "2", "--duration", "1", "--json")
    stdout, lines = fed(fake, data, "record", "-i", "-", *flags, "x.wav", ends=ends)
    (track,) = json.loads(stdout)["tracks"]
    assert track["kind"] == "audio"
    assert track["frames"] == pytest.approx(track["settings"]["sampleRate"], abs=50)
    assert "stdin declares video but has none: only its sound is used" in "".join(lines)


def test_the_sound_of_a_file_that_declares_video_and_has_none_is_recorded(fake: FakeMachine, clip: Path) -> None:
    ffmpeg("-i", clip, *_NO_VIDEO, fake.folder / "x.mkv")
    done = fake("record", "-i", "x.mkv", "--no-pace", "--json", "x.wav", code=0)
    assert [one["kind"] for one in json.loads(done.stdout)["tracks"]] == ["audio"]
    assert b"x.mkv declares video but has none: only its sound is used" in done.stderr


@pytest.mark.parametrize("form", ["matroska", "mpegts"])
def test_a_container_that_stops_coming_before_it_is_known_is_one_error(form: str, fake: FakeMachine, clip: Path) -> None:
    head = ffmpeg("-i", clip, *_NO_VIDEO, "-an", "-f", form, "-")[:500]
    _, lines = fed(fake, head, "record", "-i", "-", "--timeout", "1", "x.mkv", ends=False)
    assert lines == [
        "mscli: error: nothing comes from stdin (NotReadableError)",
        "  start its writer first, or wait with --timeout",
    ]


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
