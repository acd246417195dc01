"""SIGINT, SIGTERM and SIGHUP to each command: what was captured is kept; a second SIGINT ends at once."""

from __future__ import annotations

import array
import fcntl
import json
import os
import signal
import termios
import time
from typing import IO

import pytest

from tests.cli.program import FakeMachine, Running, camera, eventually, microphone, packets
from tests.conftest import require

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
FRAME_BYTES = 320 * 240 * 3 // 2


@pytest.mark.parametrize("number", SIGNALS)
def test_a_capture_ends_with_whole_frames(number: signal.Signals, fake: FakeMachine) -> None:
    fake.plug(camera())
    with fake.running("capture", "--json") as capture:
        assert capture.process.stdout
        start = capture.process.stdout.read(FRAME_BYTES)
        capture.send(number)
        done = capture.end()
        assert capture.wait_for("stop")["reason"] == "signal"
    assert done.returncode == 0
    report = json.loads(done.stderr)
    written = len(start) + len(done.stdout)
    assert (report["reason"], written) == ("signal", report["tracks"][0]["frames"] * FRAME_BYTES)
    assert report["tracks"][0]["bytes"] == written


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("name", ["x.wav", "x.mkv"])
def test_a_recording_is_finished(name: str, number: signal.Signals, fake: FakeMachine) -> None:
    require("ffprobe")
    file = fake.folder / name
    with fake.running("record", "--json", name) as recording:
        recording.wait_for("start")
        assert eventually(file.exists)
        recording.send(number)
        done = recording.end()
        assert recording.wait_for("stop")["reason"] == "signal"
    assert (done.returncode, done.stderr, fake.files) == (0, b"", [name])
    report = json.loads(done.stdout)
    assert report["reason"] == "signal"
    frames = {track["kind"]: track["frames"] for track in report["tracks"]}
    assert frames["audio"] > 0
    assert name == "x.wav" or packets(file, "video") == frames["video"] > 0


@pytest.mark.parametrize(
    ("command", "number"),
    [
        (("snapshot", "x.png"), signal.SIGINT),
        (("snapshot", "x.png"), signal.SIGTERM),
        (("snapshot", "x.png"), signal.SIGHUP),
        (("capture", "-o", "x.raw"), signal.SIGTERM),
        (("record", "--no-audio", "x.mkv"), signal.SIGHUP),
    ],
)
def test_a_signal_before_the_first_frame_leaves_no_file(
    command: tuple[str, ...], number: signal.Signals, fake: FakeMachine
) -> None:
    fake.plug(camera(faults={"stallAfterFrames": 0, "stallSeconds": 4}))
    with fake.running(*command) as waiting:
        waiting.wait_for("settings")
        waiting.send(number)
        done = waiting.end()
    assert (done.returncode, fake.files) == (130, [])
    assert b"Traceback" not in done.stderr


def held(pipe: IO[bytes]) -> int:
    """How many bytes wait in a pipe."""
    waiting = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, waiting)
    return waiting[0]


def is_full(pipe: IO[bytes]) -> bool:
    """Whether a pipe into which a lot is written takes no more."""
    before = held(pipe)
    time.sleep(0.1)
    return before == held(pipe) > 500_000


def interrupt_twice(command: Running) -> int:
    """The exit code after Ctrl-C and, a moment later, once more."""
    command.send(signal.SIGINT)
    time.sleep(0.2)  # two signals at once would be one
    assert command.process.poll() is None
    command.send(signal.SIGINT)
    return command.process.wait(5)


def test_a_second_interrupt_ends_a_capture_whose_reader_sleeps(fake: FakeMachine) -> None:
    with fake.running("capture", "--size", "1280x720", "-o", "-") as capture:
        pipe = capture.process.stdout
        assert pipe
        assert eventually(lambda: is_full(pipe))
        assert interrupt_twice(capture) == 130


def test_a_second_interrupt_ends_a_recording_whose_reader_sleeps(fake: FakeMachine) -> None:
    fake.plug(microphone(sampleRates=[192000], channelCounts=[8]))  # fills a pipe in a third of a second
    os.mkfifo(fake.folder / "x.wav")
    with fake.running("record", "x.wav") as recording, open(fake.folder / "x.wav", "rb") as pipe:
        assert eventually(lambda: is_full(pipe))
        assert interrupt_twice(recording) == 130


def test_a_command_under_nohup_outlives_its_terminal(fake: FakeMachine) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with fake.running("capture", "--quiet", "--frames", "20", "-o", "x.raw") as capture:
            capture.wait_for("settings")
            capture.send(signal.SIGHUP)
            assert capture.end().returncode == 0
    finally:
        signal.signal(signal.SIGHUP, before)
    assert (fake.folder / "x.raw").stat().st_size == 20 * 640 * 480 * 3 // 2
