"""SIGINT, SIGTERM and SIGHUP to each command: what was captured is kept; a second SIGINT ends at once."""

from __future__ import annotations

import array
import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path
from typing import IO

import pytest

from mscli.api.commands import COMMANDS, Run
from mscli.cli import commands
from mscli.cli.signals import Stopper
from mscli.core.eventloop import EventLoop, FrameQueue
from tests.cli.program import (
    TIMEOUT_S,
    FakeMachine,
    Running,
    camera,
    eventually,
    full_pipe,
    handles_signals,
    microphone,
    packets,
)
from tests.conftest import ROOT, require

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
FRAME_BYTES = 320 * 240 * 3 // 2
ENDS_WITHIN_S = 2.0 + 4.0  # what is promised, and what ending Python takes on a machine that is slow and busy


@pytest.mark.parametrize("number", SIGNALS)
def test_a_capture_ends_with_whole_frames(number: signal.Signals, fake: FakeMachine) -> None:
    fake.plug(camera())
    with fake.running("capture", "--json") as capture:
        assert capture.process.stdout
        start = os.read(capture.process.stdout.fileno(), FRAME_BYTES)  # nothing more, which a buffer would keep for itself
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


@pytest.mark.parametrize("number", SIGNALS)
def test_events_that_nobody_reads_yet_are_waited_for_until_a_signal(number: signal.Signals, fake: FakeMachine) -> None:
    os.mkfifo(fake.folder / "events")
    with fake.running("record", "--events", "events", "x.mkv", events=False) as waiting:
        assert eventually(lambda: handles_signals(waiting.process.pid))
        waiting.send(number)
        assert waiting.process.wait(ENDS_WITHIN_S) == 130
        assert (waiting.end().stderr, fake.files) == (b"", ["events"])


@pytest.mark.parametrize("number", SIGNALS)
def test_a_camera_that_gives_nothing_is_probed_until_a_signal(number: signal.Signals, fake: FakeMachine) -> None:
    fake.plug(camera(faults={"stallAfterFrames": 0, "stallSeconds": 60}))
    with fake.running("capabilities", "--probe", events=False) as probing:
        assert eventually(lambda: handles_signals(probing.process.pid))
        probing.send(number)
        assert probing.process.wait(ENDS_WITHIN_S) == 130
        done = probing.end()
    assert (done.stdout, done.stderr) == (b"", b"")


class Interrupted(EventLoop):
    """A signal comes when its consumer has found no task and does not wait yet."""

    def _earliest(self) -> FrameQueue | None:
        signal.raise_signal(signal.SIGTERM)
        return super()._earliest()


def test_a_signal_between_the_last_look_and_the_wait_is_not_slept_through() -> None:
    event_loop = Interrupted()
    began = time.monotonic()
    with Stopper(lambda: event_loop.post(lambda: None)) as stopper:
        event_loop.wait(TIMEOUT_S)
    assert stopper.requested
    assert time.monotonic() - began < TIMEOUT_S


def test_a_signal_that_does_not_interrupt_the_wait_ends_it() -> None:
    """As one does that comes just before the wait begins: Python's own note of it is made on another thread here."""
    event_loop = EventLoop()

    def signal_once_it_waits() -> None:
        while not event_loop.changed._waiters:  # type: ignore[attr-defined]
            pass
        signal.raise_signal(signal.SIGTERM)

    began = time.monotonic()
    with Stopper(lambda: event_loop.post(lambda: None)) as stopper:
        other = threading.Thread(target=signal_once_it_waits)
        other.start()
        event_loop.wait(TIMEOUT_S)
        other.join()
    assert stopper.requested
    assert time.monotonic() - began < TIMEOUT_S


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
    return command.process.wait(ENDS_WITHIN_S)


ASLEEP = {  # commands that fill a pipe at once, and what they then write
    "capture": ("capture", "--size", "1280x720"),
    "capture, converted": ("capture", "--size", "1280x720", "--format", "RGB24", "-o", "/dev/stdout"),
    "record": ("record", "--no-audio", "--video-codec", "mjpeg", "--quality", "1", "/dev/stdout"),
    "record sound": ("record", "--format", "wav", "--no-video", "-"),
}
LOUD = microphone(sampleRates=[192000], channelCounts=[8])  # fills a pipe in a third of a second


@pytest.mark.parametrize(("name", "number"), list(zip(ASLEEP, [*SIGNALS, signal.SIGTERM], strict=True)))
def test_a_reader_that_sleeps_is_given_up_after_one_signal(name: str, number: signal.Signals, fake: FakeMachine) -> None:
    fake.plug(camera(modes=[{"width": 1280, "height": 720, "frameRate": 30}]), LOUD)
    with fake.running(*ASLEEP[name]) as command:
        pipe = command.process.stdout
        assert pipe
        assert eventually(lambda: is_full(pipe))
        command.send(number)
        assert command.process.wait(ENDS_WITHIN_S) == 9
        assert command.process.stderr
        said = command.process.stderr.read().decode()
        assert "mscli: error: cannot write stdout: its reader has stopped reading\n  resume or end the reader" in said
        assert len(pipe.read()) > 500_000  # what it took stands


def test_a_fifo_whose_reader_sleeps_is_given_up_after_one_signal(fake: FakeMachine) -> None:
    fake.plug(LOUD)
    os.mkfifo(fake.folder / "x.wav")
    with fake.running("record", "x.wav") as recording, open(fake.folder / "x.wav", "rb") as pipe:
        assert eventually(lambda: is_full(pipe))
        recording.send(signal.SIGTERM)
        assert recording.process.wait(ENDS_WITHIN_S) == 9
        assert recording.wait_for("error")["error"]["message"] == "cannot write x.wav: its reader has stopped reading"


def test_a_reader_that_wakes_up_after_the_signal_gets_all(fake: FakeMachine) -> None:
    fake.plug(camera(modes=[{"width": 1280, "height": 720, "frameRate": 30}]))
    with fake.running("capture", "--json") as capture:
        pipe = capture.process.stdout
        assert pipe
        assert eventually(lambda: is_full(pipe))
        capture.send(signal.SIGTERM)
        time.sleep(0.3)  # less than a reader that sleeps is given
        done = capture.end()
    report = json.loads(done.stderr)
    assert (done.returncode, report["reason"], report["tracks"][0]["bytes"]) == (0, "signal", len(done.stdout))


def test_a_reader_that_is_slow_after_the_signal_gets_all(fake: FakeMachine) -> None:
    fake.plug(camera(modes=[{"width": 1280, "height": 720, "frameRate": 30}]))
    with fake.running("capture", "--json") as capture:
        pipe = capture.process.stdout
        assert pipe
        assert eventually(lambda: is_full(pipe))
        capture.send(signal.SIGTERM)
        read = b""
        for _ in range(25):  # two and a half seconds, in which the pipe is never empty
            read += pipe.read1(100_000)  # type: ignore[attr-defined]
            time.sleep(0.1)
        done = capture.end()
    report = json.loads(done.stderr)
    assert (done.returncode, report["reason"], report["tracks"][0]["bytes"]) == (0, "signal", len(read) + len(done.stdout))


@pytest.mark.parametrize("command", [("devices", "--watch", "--json"), ("record", "--json", "x.mkv")])
def test_a_result_that_nobody_reads_is_given_up_after_a_signal(command: tuple[str, ...], fake: FakeMachine) -> None:
    with full_pipe() as writing, fake.running(*command, events=command[0] == "record", stdout=writing) as running:
        if command[0] == "record":
            running.wait_for("start")
            assert eventually(lambda: "x.mkv" in fake.files)
        else:
            assert eventually(lambda: is_blocked(running.process.pid))
        running.send(signal.SIGTERM)
        assert running.process.wait(ENDS_WITHIN_S) == 0


def is_blocked(pid: int) -> bool:
    """Whether the process waits for a pipe to take more."""
    return "pipe_write" in Path(f"/proc/{pid}/wchan").read_text()


def test_text_that_nobody_reads_keeps_no_recording_from_its_end(fake: FakeMachine) -> None:
    require("ffprobe")
    with full_pipe() as writing, fake.running("record", "x.mkv", stderr=writing) as recording:
        assert eventually((fake.folder / "x.mkv").exists)
        recording.send(signal.SIGTERM)
        assert recording.process.wait(ENDS_WITHIN_S) == 0


def test_a_second_interrupt_ends_a_capture_whose_reader_sleeps(fake: FakeMachine) -> None:
    with fake.running("capture", "--size", "1280x720", "-o", "-") as capture:
        pipe = capture.process.stdout
        assert pipe
        assert eventually(lambda: is_full(pipe))
        assert interrupt_twice(capture) == 130


def test_a_second_interrupt_ends_a_recording_whose_reader_sleeps(fake: FakeMachine) -> None:
    fake.plug(LOUD)
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


STORMS = {  # signals, and how long after each the next comes
    "four in four milliseconds": ([signal.SIGINT] * 4, 0.001),
    "a person who is in a hurry": ([signal.SIGINT] * 6, 0.12),
    "one after the other": ([signal.SIGTERM] * 20, 0.01),
    "each of them": (SIGNALS * 3, 0.002),
}


@pytest.mark.parametrize("storm", STORMS)
@pytest.mark.parametrize(
    ("command", "fault"),
    [
        (("record", "x.mkv"), {}),
        (("record", "--reconnect", "9", "x.mkv"), {"vanishAfterFrames": 5}),
        (("capture", "-o", "x.raw"), {"hangOnOpen": True}),
        (("snapshot", "x.png"), {"hangOnOpen": True}),
        (("capabilities", "--probe"), {"stallAfterFrames": 0}),
        (("devices", "--watch"), {}),
    ],
)
def test_however_many_signals_come_it_ends_with_a_code_and_no_traceback(
    command: tuple[str, ...], fault: dict[str, object], storm: str, fake: FakeMachine
) -> None:
    fake.plug(camera(faults=fault), microphone())
    numbers, apart_s = STORMS[storm]
    with fake.running(*command, events=False) as running:
        assert eventually(lambda: handles_signals(running.process.pid))
        for number in numbers:
            if running.process.poll() is None:
                running.send(number)
            time.sleep(apart_s)  # as far apart as the case says
        done = running.end()
    opening = command[0] == "record" and not fake.files  # on a busy machine the devices may need longer than they get
    abandoned = fault or numbers.count(signal.SIGINT) > 1 or opening
    assert done.returncode in ((0, 130) if abandoned else (0,))
    assert b"Traceback" not in done.stderr
    assert b"KeyboardInterrupt" not in done.stderr
    assert not [name for name in fake.files if name.endswith(".part")]


@pytest.mark.parametrize("before", [signal.SIGTERM, signal.SIGHUP])
def test_only_the_second_sigint_abandons(before: signal.Signals) -> None:
    with Stopper(lambda: None) as stopper:
        for number, abandoned in ((before, False), (signal.SIGINT, False), (before, False), (signal.SIGINT, True)):
            signal.raise_signal(number)
            stopper.request()  # as its command does
            assert (stopper.requested, stopper.abandoned) == (True, abandoned)
        assert list(stopper.noted()) == [before.name, "SIGINT", before.name, "SIGINT"]


def test_a_sigint_after_the_key_that_ends_a_recording_is_the_second() -> None:
    with Stopper(lambda: None) as stopper:
        stopper.request()
        signal.raise_signal(signal.SIGINT)
        assert stopper.abandoned


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    "command",
    [["record", "--no-audio", "x.mkv"], ["capture", "-o", "x.raw"], ["capture", "-o", "x.raw", "-o", "y.raw"]],
    ids=["record", "capture", "several"],
)
def test_a_signal_runs_its_row_of_the_table_of_commands(number: signal.Signals, command: list[str], fake: FakeMachine) -> None:
    with fake.running(*command, "--debug") as running:
        assert eventually(lambda: any(name.startswith("x.") for name in fake.files))
        running.send(number)
        done = running.end()
    assert done.returncode == 0
    assert b" mscli.control info: stop\n" in done.stderr


@pytest.mark.parametrize("how", ["SIGUSR1", "stdin"])
@pytest.mark.parametrize(
    ("command", "begun", "event"),
    [
        (["record", "--no-audio", "--duration", "0.2", "x.mkv"], "start", "segment"),
        (["snapshot", "x.png"], "settings", "dataavailable"),
    ],
    ids=["record", "snapshot"],
)
def test_a_trigger_runs_its_row_of_the_table_of_commands(
    how: str, command: list[str], begun: str, event: str, fake: FakeMachine
) -> None:
    if how == "stdin":
        err = fake(*command, "--trigger", how, "--debug", stdin=b"\n", code=0).stderr
    else:
        with fake.running(*command, "--trigger", how, "--debug") as running:
            running.wait_for(begun)
            running.send(signal.SIGUSR1)
            running.wait_for(event)
            running.send(signal.SIGTERM)
            err = running.end().stderr
    assert b" mscli.control info: trigger\n" in err


def test_every_key_and_signal_is_of_the_table_of_commands() -> None:
    assert {*commands.SIGNALS.values(), commands.LINE} <= COMMANDS.keys()
    assert {name for _, command in commands.KEYS.values() for name in command(Run(()))} <= COMMANDS.keys()


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_the_program_starts_ends_it_at_once(number: signal.Signals, fake: FakeMachine) -> None:
    os.mkfifo(fake.folder / "constraints")  # nobody writes: it waits before any command listens
    with fake.running("record", "--constraints", "constraints", "x.mkv", events=False) as running:
        assert eventually(lambda: waits_for_a_writer(running.process.pid))
        running.send(number)
        done = running.end()
    assert (done.returncode, done.stdout, done.stderr, fake.files) == (130, b"", b"", ["constraints"])


def waits_for_a_writer(pid: int) -> bool:
    """Whether the process opens a named pipe that nobody writes to."""
    return "wait_for_partner" in Path(f"/proc/{pid}/wchan").read_text()


MANY = 50
MERGED = f"""
import ctypes, signal
from threading import Event
from mscli.cli.leaving import count_triggers
from mscli.cli.signals import Stopper
from mscli.cli.trigger import Trigger

def send():  # without an instruction of Python between them
    assert not any(map(ctypes.CDLL(None)["raise"], [signal.SIGUSR1] * {MANY}))

count_triggers(["--trigger", "SIGUSR1"])
send()
came = Event()
with Stopper(came.set) as stopper, Trigger("SIGUSR1", came.set, stopper.count) as trigger:
    send()
    pulled = 0
    while pulled < 2 * {MANY}:
        came.wait()
        came.clear()
        pulled += trigger.pulled()
    assert pulled == 2 * {MANY}
"""


def test_each_signal_that_the_kernel_delivers_is_a_trigger() -> None:
    done = subprocess.run([sys.executable, "-c", MERGED], cwd=ROOT, capture_output=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr.decode()
