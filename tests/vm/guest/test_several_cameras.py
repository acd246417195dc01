"""Two cameras and a microphone in one file: their pictures stand at the same times."""

from __future__ import annotations

import bisect
import fcntl
import json
import os
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from mscli.cli import main as mscli_main
from mscli.sources.base import Device
from tests.vm.guest.conftest import run
from tests.vm.guest.test_cli import tone

CAMERAS = ("/dev/video0", "/dev/video1")
SET_CONTROL, BRIGHTNESS = 0xC008561C, 0x00980900  # VIDIOC_S_CTRL, V4L2_CID_BRIGHTNESS
DARK, BRIGHT = 40, 220
FLASH_S = 2.3
RATE = 5
ENOUGH = 12  # pictures of the one camera that can be compared with the other's


@contextmanager
def flashing(*paths: str) -> Iterator[None]:
    """The pictures of all cameras become bright and dark again, of all in the same instant."""
    cameras = [os.open(path, os.O_RDWR) for path in paths]
    over = threading.Event()

    def flash() -> None:
        level = BRIGHT
        while not over.wait(FLASH_S):
            for camera in cameras:
                with suppress(OSError):
                    fcntl.ioctl(camera, SET_CONTROL, struct.pack("Ii", BRIGHTNESS, level))
            level = DARK + BRIGHT - level

    thread = threading.Thread(target=flash, name="flash")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for camera in cameras:
            os.close(camera)


def brightness(path: Path, camera: int) -> list[tuple[float, bool]]:
    """Return the time of each picture of a camera in a file, in seconds, and whether it is bright."""
    stream = f"v:{camera}"
    entries = ("-select_streams", stream, "-show_entries", "packet=pts_time", "-of", "csv=p=0")
    times = sorted(float(line.strip(",")) for line in run("ffprobe", "-v", "error", *entries, str(path)).split())
    pixel = ("-vf", "scale=1:1:flags=area", "-pix_fmt", "gray", "-fps_mode", "passthrough", "-f", "rawvideo", "-")
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", f"0:{stream}", *pixel]
    levels = subprocess.run(command, check=True, capture_output=True).stdout
    assert len(levels) == len(times)
    assert max(levels) - min(levels) > 60 or len(levels) < ENOUGH, "it has flashed"
    middle = (min(levels) + max(levels)) / 2
    return [(at, level > middle) for at, level in zip(times, levels, strict=True)]


def agreement(left: list[tuple[float, bool]], right: list[tuple[float, bool]], shift: float = 0) -> list[bool]:
    """Return for the pictures on the right, shifted in time, whether each is as bright as the left's at that time.

    A picture counts if the left has one before and one after it that are alike and near each other: a busy machine loses
    pictures, and says nothing about the time between two of them that differ.
    """
    times = [at for at, _ in left]
    alike = []
    for at, bright in right:
        after = bisect.bisect(times, at + shift)
        if not 0 < after < len(left):
            continue
        (before_at, before), (after_at, level) = left[after - 1], left[after]
        if before == level and after_at - before_at < FLASH_S:
            alike.append(bright == level)
    return alike


def in_step(left: list[tuple[float, bool]], right: list[tuple[float, bool]]) -> bool:
    """Whether no shift makes the pictures fit better than one below half a frame."""
    shares = {}
    for hundredths in range(-50, 51):
        alike = agreement(left, right, hundredths / 100)
        if len(alike) >= ENOUGH / 2:
            shares[hundredths / 100] = alike.count(True) / len(alike)
    near = max((share for shift, share in shares.items() if abs(shift) <= 0.5 / RATE), default=0)
    return near == max(shares.values())


def test_two_cameras_and_the_loopback_are_in_step_in_one_file(
    tmp_path: Path, webcam: Device, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [flag for camera in CAMERAS for flag in ("--camera", camera)]
    shape = ("--size", "160x90", "--frame-rate", str(RATE), "--video-codec", "mjpeg")
    warm = ["record", "--fake-devices", "--frames", "3", "--size", "160x90", "--video-codec", "mjpeg", str(tmp_path / "w.mkv")]
    assert mscli_main.run(warm) == 0  # what is imported with the first frames costs none of those that follow
    capsys.readouterr()
    for attempt in range(3):  # a busy machine can lose so many pictures that the rest says nothing
        path = tmp_path / f"{attempt}.mkv"
        command = ["record", *flags, "--audio", "--timeout", "60", *shape, "--duration", "20", "--json", str(path)]
        with tone(tmp_path), flashing(*CAMERAS):
            assert mscli_main.run(command) == 0  # in this process: starting one takes longer here than the frames
        report = json.loads(capsys.readouterr().out)
        assert [track["kind"] for track in report["tracks"]] == ["audio", "video", "video"]
        assert report["reason"] == "duration"
        kinds = run("ffprobe", "-v", "error", "-show_entries", "stream=codec_type", "-of", "csv=p=0", str(path)).split()
        assert kinds == ["video", "video", "audio"]
        left, right = (brightness(path, number) for number in (0, 1))
        if len(agreement(left, right)) >= ENOUGH:
            break
    assert len(agreement(left, right)) >= ENOUGH, (left, right)
    assert {bright for _, bright in left} == {bright for _, bright in right} == {True, False}, "they have flashed"
    assert in_step(left, right), (left, right)
    assert not in_step(left, [(at + FLASH_S / 2, bright) for at, bright in right]), "it would be seen"
