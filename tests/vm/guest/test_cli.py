"""The installed program on real drivers: every command, and what it says when a camera fails."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mscli.cli import main as mscli_main
from mscli.core.frames import VideoColorSpace, VideoFrame, frame_bytes, split_planes
from mscli.sources.base import Device
from tests.conftest import ROOT, Program, clean_environment
from tests.vm.guest.conftest import PATIENCE_SECONDS, control, run, used_by_another, wait_until
from tests.vm.guest.pictures import assert_bars_from_the_middle, assert_colour_bars
from tests.vm.guest.v4l2_ctl import Listed, listed_modes

TONE_HZ = 1000
NATIVE = ["YUYV", "UYVY", "NV12", "I420", "I422", "RGB24", "BGR24", "RGBX", "BGRX", "GREY"]
RGB_LIKE = ("RGB", "BGR", "GREY")


def raw_frame(name: str, width: int, height: int, data: bytes) -> VideoFrame:
    """Raw bytes as a frame, in the colours that vivid's webcam makes."""
    planes, strides = split_planes(name, width, height, memoryview(data))
    colours = VideoColorSpace(full_range=name.startswith(RGB_LIKE))
    return VideoFrame(name, width, height, 0, planes, strides, color_space=colours)


def decoded_picture(path: Path, width: int, height: int) -> VideoFrame:
    """The first picture of a file, as FFmpeg reads it."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    data = subprocess.run(command, check=True, capture_output=True).stdout
    assert len(data) == width * height * 3
    return raw_frame("RGB24", width, height, data)


def streams(path: Path) -> dict[str, dict[str, Any]]:
    """What ffprobe finds in a file, by kind; it reads every packet."""
    found = json.loads(run("ffprobe", "-v", "error", "-count_packets", "-show_streams", "-of", "json", str(path)))
    return {stream["codec_type"]: stream for stream in found["streams"]}


def picture_times(path: Path) -> list[float]:
    """When each picture of a file is shown, in seconds."""
    entries = ("-select_streams", "v", "-show_entries", "packet=pts_time")
    return sorted(map(float, run("ffprobe", "-v", "error", *entries, "-of", "csv=p=0", str(path)).split()))


def loudness(samples: memoryview, rate: int, hz: float) -> float:
    """How much of the sound's energy is in one tone, from 0 to 1: Goertzel's algorithm."""
    turn = 2 * math.cos(2 * math.pi * hz / rate)
    now = before = energy = 0.0
    for sample in samples:
        now, before = sample + turn * now - before, now
        energy += sample * sample
    return 2 * (now * now + before * before - turn * now * before) / (energy * len(samples) or 1)


@contextmanager
def tone(folder: Path, *effects: str) -> Iterator[None]:
    """A tone played into the loopback card, which its other half records. ``effects``: of sox."""
    wav = folder / "tone.wav"
    made = ["-r", "48000", "-c", "2", "-b", "16", str(wav), "synth", "60", "sine", str(TONE_HZ), "vol", "0.5"]
    run("sox", "-n", *made, *effects)
    with subprocess.Popen(["aplay", "-q", "-D", "hw:0,1", wav]) as player:
        yield
        player.kill()


@contextmanager
def running(mscli: Program, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    with mscli.start(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        yield process
        process.kill()


def error_line(stderr: bytes) -> str:
    """The line that tells the error; there is one, and no traceback."""
    text = stderr.decode()
    assert "Traceback" not in text
    lines = [line for line in text.splitlines() if line.startswith("mscli: ")]
    assert len(lines) == 1, text
    return lines[0]


def let_others_in(*paths: str | Path) -> None:
    """Python may be in the home of root, where nobody else may look. What is changed here is gone with the machine."""
    for folder in {parent for path in paths for parent in Path(path).resolve().parents}:
        os.chmod(folder, folder.stat().st_mode | 0o011)


def test_devices_lists_two_cameras_and_the_loopback_card(executed: Program, webcam: Device) -> None:
    found = executed.json("devices", "--json")
    labels = Counter(device["label"] for device in found if device["kind"] == "videoinput")
    assert labels == {"vivid": 2}
    assert [device["path"] for device in found if device["kind"] == "videoinput"] == ["/dev/video0", "/dev/video1"]
    for kind in ("audioinput", "audiooutput"):
        assert any("Loopback" in device["label"] for device in found if device["kind"] == kind), kind
    assert len({(device["kind"], device["deviceId"]) for device in found}) == len(found)


def test_capabilities_agree_with_v4l2_ctl_mode_by_mode(mscli: Program, webcam: Device) -> None:
    found = mscli.json("capabilities", "/dev/video0", "--json")
    assert found["label"] == "vivid"
    assert {Listed.of(mode) for mode in found["modes"]} == listed_modes("/dev/video0")
    assert found["capabilities"]["width"]["max"] == 3840
    assert found["capabilities"]["frameRate"]["max"] == 60


def test_a_snapshot_has_the_width_and_the_colours(mscli: Program, webcam: Device) -> None:
    report = mscli.json("snapshot", "--width", "1280", "--json", "x.png")
    assert report["files"] == ["x.png"]
    assert run("identify", "-format", "%m %wx%h", str(mscli.folder / "x.png")) == "PNG 1280x720"
    assert_colour_bars(decoded_picture(mscli.folder / "x.png", 1280, 720))


def assert_thirty_frames(name: str, data: bytes) -> None:
    """As many bytes as thirty pictures of 320×180 have, and colour bars in the first and the last."""
    size = frame_bytes(name, 320, 180)
    assert len(data) == 30 * size
    for at in (0, 29):
        assert_colour_bars(raw_frame(name, 320, 180, data[at * size : (at + 1) * size]))


@pytest.mark.parametrize("name", NATIVE)
def test_thirty_frames_of_each_format_are_captured(tmp_path: Path, webcam: Device, name: str) -> None:
    file = tmp_path / "frames"
    command = ["capture", "--frames", "30", "--size", "320x180", "--format", name, "-o", str(file)]
    assert mscli_main.run(command) == 0  # in this process: starting one takes longer here than the frames
    assert_thirty_frames(name, file.read_bytes())


def test_thirty_frames_are_captured_to_stdout(executed: Program, webcam: Device) -> None:
    done = executed("capture", "--frames", "30", "--size", "320x180", "--format", "YUYV", code=0)
    assert_thirty_frames("YUYV", done.stdout)


def test_a_recording_has_picture_and_sound_and_tells_every_loss(mscli: Program, webcam: Device) -> None:
    with tone(mscli.folder):
        sound = ("--microphone", "hw:0,0", "--audio-codec", "pcm")  # Opus takes all of an emulated processor
        report = mscli.json("record", "--frames", "31", "--size", "320x240", *sound, "--json", "x.mkv")
    video, audio = (next(t for t in report["tracks"] if t["kind"] == kind) for kind in ("video", "audio"))
    found = streams(mscli.folder / "x.mkv")
    width, height = found["video"]["width"], found["video"]["height"]
    assert (width, height) == (video["settings"]["width"], video["settings"]["height"]) == (320, 240)
    assert report["reason"] == "frames"
    heard = sum(audio[what] for what in ("frames", "silence", "lost", "dropped"))  # silence: a microphone that begins late
    assert heard > audio["settings"]["sampleRate"]
    times = picture_times(mscli.folder / "x.mkv")
    assert len(times) == video["frames"] == 31
    assert heard / audio["settings"]["sampleRate"] > times[-1], "sound lasts until the last picture"
    missing = round((times[-1] - times[0]) * video["settings"]["frameRate"]) + 1 - len(times)
    assert -2 <= missing <= video["lost"] + video["dropped"] + 2, (times, video)
    assert_bars_from_the_middle(decoded_picture(mscli.folder / "x.mkv", width, height), tolerance=12)
    assert_tone(mscli.folder / "x.mkv")


def assert_tone(path: Path) -> None:
    """The sound of the file is the tone, apart from silence where a busy machine has lost some of it."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-vn", "-f", "s16le", "-ac", "1", "-ar", "8000", "-"]
    samples = memoryview(subprocess.run(command, check=True, capture_output=True).stdout).cast("h")
    assert len(samples) > 8000
    tenths = [samples[at : at + 800] for at in range(0, len(samples) - 800, 400)]
    clearest = max(tenths, key=lambda tenth: loudness(tenth, 8000, TONE_HZ))  # a busy machine breaks the tone now and then
    assert loudness(clearest, 8000, TONE_HZ) > 0.9
    assert loudness(clearest, 8000, TONE_HZ * 1.5) < 0.01


def test_a_busy_camera_is_reported_with_who_holds_it(mscli: Program, webcam: Device) -> None:
    with used_by_another("/dev/video0") as pid:
        done = mscli("snapshot", "--camera", "/dev/video0", "x.png", code=5)
    line = error_line(done.stderr)
    assert line == f"mscli: error: camera “vivid” (/dev/video0) is in use by v4l2-ctl (pid {pid}) (NotReadableError)"
    assert os.listdir(mscli.folder) == []


def test_a_camera_that_this_user_may_not_use_is_reported_with_a_remedy(mscli: Program, webcam: Device) -> None:
    let_others_in(sys.executable, sys.base_prefix, ROOT, mscli.folder)
    os.chmod("/dev/video0", 0o600)
    os.chmod(mscli.folder, 0o777)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    done = subprocess.run(
        [*nobody, *mscli.argv, "snapshot", "--camera", "/dev/video0", "x.png"],
        cwd=mscli.folder,
        env=clean_environment() | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 4, done.stderr.decode()
    assert "NotAllowedError" in error_line(done.stderr)
    assert "/dev/video0" in error_line(done.stderr)
    assert b"setfacl" in done.stderr
    assert os.listdir(mscli.folder) == []


def test_a_camera_without_frames_is_given_up_and_leaves_no_file(mscli: Program, webcam: Device) -> None:
    control("/dev/video0", percentage_of_dropped_buffers=100)
    done = mscli("snapshot", "--camera", "/dev/video0", "x.png", code=5)
    assert "no frames from “vivid” within 5 s" in error_line(done.stderr)
    assert os.listdir(mscli.folder) == []


def test_a_camera_that_is_unplugged_leaves_a_readable_recording(mscli: Program, webcam: Device) -> None:
    file = mscli.folder / "x.mkv"
    camera = ("--camera", "/dev/video0", "--size", "320x180", "--no-audio")
    with running(mscli, "record", *camera, "--duration", "60", "--json", "x.mkv") as process:
        wait_until(lambda: file.exists() and file.stat().st_size, "the file")
        header = file.stat().st_size
        wait_until(lambda: file.stat().st_size > header + 1000, "frames in the file")
        control("/dev/video0", disconnect=1)
        stdout, stderr = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 8, stderr.decode()
    report = json.loads(stdout)
    assert report["reason"] == "ended"
    assert report["tracks"][0]["frames"] == int(streams(file)["video"]["nb_read_packets"]) > 0
    assert_colour_bars(decoded_picture(file, 320, 180), tolerance=12)
