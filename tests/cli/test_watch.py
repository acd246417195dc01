"""``mscli devices --watch``: what it prints, when it ends, and that it sleeps in between."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from tests.conftest import ROOT, Program, clean_environment, require
from tests.idle import idle_until_end

TIMEOUT_S = 20.0
CAMERA = {"kind": "videoinput", "deviceId": "c0", "groupId": "g", "label": "Door"}
LATER = {**CAMERA, "deviceId": "c1", "label": "Garden", "faults": {"appearAfterSeconds": 1.5}}
BUSY = {"kind": "audioinput", "deviceId": "m0", "groupId": "g", "label": "Desk", "faults": {"busy": True}}


@pytest.fixture
def description(tmp_path: Path) -> str:
    """A file that describes two cameras, of which one comes later, and a microphone that is in use."""
    file = tmp_path / "devices.json"
    file.write_text(json.dumps({"devices": [CAMERA, LATER, BUSY]}))
    return str(file)


@contextmanager
def watching(mscli: Program, *arguments: str, stdout: int | IO[bytes] = subprocess.PIPE) -> Iterator[subprocess.Popen[bytes]]:
    command = [*mscli.argv, "devices", "--watch", *arguments]
    environment = clean_environment() | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command,
        bufsize=0,  # else a buffer may hold lines that select() does not see
        cwd=mscli.folder,
        env=environment,
        stdout=stdout,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def next_line(process: subprocess.Popen[bytes]) -> Any:
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], TIMEOUT_S)[0], "no line came"
    return json.loads(process.stdout.readline())


def ids(infos: list[dict[str, Any]]) -> list[str]:
    return [info["deviceId"] for info in infos]


def test_a_line_at_the_start_and_one_for_each_change(mscli: Program, description: str) -> None:
    with watching(mscli, "--json", "--fake-devices-from", description) as process:
        first, second = next_line(process), next_line(process)
    assert first["type"] == second["type"] == "devicechange"
    assert ids(first["added"]) == ids(first["devices"]) == ["m0", "c0"]
    assert (ids(second["added"]), ids(second["removed"]), ids(second["devices"])) == (["c1"], [], ["m0", "c0", "c1"])
    assert first["time"] < second["time"] < time.monotonic()
    assert first["wallTime"] < second["wallTime"]


def test_a_device_says_what_is_wrong_with_it_and_what_helps(mscli: Program, description: str) -> None:
    microphone, camera = mscli.json("devices", "--json", "--fake-devices-from", description)
    assert microphone["problem"] == "“Desk” is in use by another program"
    assert microphone["remedy"] == "close that program, or choose another device"
    assert not {"problem", "remedy"} & camera.keys()


def test_problem_and_remedy_are_columns_of_the_long_table_and_lines_below_the_short_one(
    mscli: Program, description: str
) -> None:
    long = mscli("devices", "-v", "--fake-devices-from", description, code=0)
    header, row, *_ = long.stdout.decode().splitlines()
    assert header.split()[-2:] == ["problem", "remedy"]
    assert row.rstrip().endswith("close that program, or choose another device")
    assert long.stderr == b""
    short = mscli("devices", "--fake-devices-from", description, code=0)
    assert "problem" not in short.stdout.decode().splitlines()[0]
    problem = "mscli: warning: “Desk” is in use by another program; close that program, or choose another device\n"
    assert short.stderr.decode() == problem


def test_only_the_kinds_that_are_asked_for_are_told(mscli: Program, description: str) -> None:
    with watching(mscli, "--json", "--kind", "audioinput", "--fake-devices-from", description) as process:
        assert ids(next_line(process)["devices"]) == ["m0"]
        assert process.stdout is not None
        assert not select.select([process.stdout], [], [], 2.5)[0], "a camera was told"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("devices", [["--fake-devices"], []], ids=["fake devices", "this machine"])
def test_a_signal_ends_it_at_once_and_well(mscli: Program, number: signal.Signals, devices: list[str]) -> None:
    with watching(mscli, "--json", *devices) as process:
        next_line(process)
        process.send_signal(number)
        assert idle_until_end(process) < 6
        _, stderr = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, stderr) == (0, b"")


def test_it_ends_when_its_reader_leaves_not_at_the_next_change(mscli: Program) -> None:
    with watching(mscli, "--json", "--fake-devices") as process:
        next_line(process)
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(TIMEOUT_S) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["table", "json"])
def test_it_ends_when_there_never_was_a_reader(mscli: Program, form: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as stdout, watching(mscli, "--fake-devices", *form, stdout=stdout) as process:
        assert process.wait(TIMEOUT_S) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""


def test_a_file_is_written_to_for_as_long_as_it_takes(mscli: Program, description: str) -> None:
    file = mscli.folder / "lines.json"
    with file.open("wb") as stdout, watching(mscli, "--json", "--fake-devices-from", description, stdout=stdout) as process:
        deadline = time.monotonic() + TIMEOUT_S
        while file.read_text().count("\n") < 2:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)


def screen(mscli: Program, description: str) -> str:
    """What a terminal of 100 columns is sent up to the second table."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "wb") as stdout, watching(mscli, "--fake-devices-from", description, stdout=stdout):
        shown = ""
        while "Garden" not in shown:
            assert select.select([ours], [], [], TIMEOUT_S)[0], shown
            shown += os.read(ours, 65536).decode()
    os.close(ours)
    return shown


def test_on_a_terminal_the_table_is_drawn_again_in_its_place_with_marks(mscli: Program, description: str) -> None:
    shown = screen(mscli, description)
    first, second = shown.rsplit("kind", 1)
    assert "Door" in first
    assert "\x1b[1A" in first, "the cursor goes back up over the first table"
    row = next(line for line in second.splitlines() if "Garden" in line)
    assert "+" in row
    assert "+" not in next(line for line in second.splitlines() if "Door" in line)


def test_a_table_that_is_drawn_again_shows_control_characters_as_such(mscli: Program, description: str) -> None:
    rude = {**BUSY, "label": "Desk\x1b]0;title\x07 [red]"}
    Path(description).write_text(json.dumps({"devices": [CAMERA, LATER, rude]}))
    shown = screen(mscli, description)
    assert "\x07" not in shown
    assert shown.count("\\x07 [red]") >= 2  # the name, and the sentence below the table


def test_in_a_pipe_each_table_follows_the_one_before(mscli: Program, description: str) -> None:
    with watching(mscli, "--fake-devices-from", description) as process:
        assert process.stdout is not None
        text = b""
        while b"Garden" not in text:
            assert select.select([process.stdout], [], [], TIMEOUT_S)[0]
            text += os.read(process.stdout.fileno(), 65536)
    rows = text.decode().splitlines()
    assert sum("Door" in row for row in rows) == 2
    assert next(row for row in rows if "Garden" in row).startswith("+")


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["table", "json"])
@pytest.mark.parametrize("told", [True, False], ids=["by SIGHUP", "by the next change"])
def test_it_ends_well_when_its_terminal_is_closed(mscli: Program, description: str, told: bool, form: list[str]) -> None:
    require("setsid")
    ours, theirs = pty.openpty()
    own = ["setsid", "--ctty"] if told else ["setsid"]  # whoever has a terminal of its own is told that it is closed
    command = [*own, *mscli.argv, "devices", "--watch", *form, "--fake-devices-from", description]
    environment = clean_environment() | {"PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=theirs, stdout=theirs, stderr=pipe) as process:
        os.close(theirs)
        try:
            shown = b""
            while b"Door" not in shown:
                assert select.select([ours], [], [], TIMEOUT_S)[0], shown
                shown += os.read(ours, 65536)
            os.close(ours)
            assert process.wait(TIMEOUT_S) == 0
            assert process.stderr is not None
            assert process.stderr.read() == b""
        finally:
            process.kill()


def wake_ups(pid: int) -> int:
    """How often the threads of a process went to sleep so far, each after it had woken up."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    lines = (line.split() for task in tasks for line in (task / "status").read_text().splitlines())
    return sum(int(words[1]) for words in lines if words[0] == "voluntary_ctxt_switches:")


@pytest.mark.parametrize("devices", [["--fake-devices"], []], ids=["fake devices", "this machine"])
def test_nothing_wakes_it_up_while_nothing_happens(mscli: Program, devices: list[str]) -> None:
    with watching(mscli, "--json", *devices) as process:
        next_line(process)
        deadline, before = time.monotonic() + TIMEOUT_S, -1
        while (now := wake_ups(process.pid)) != before:  # it may still be at its start
            assert time.monotonic() < deadline, "it does not come to rest"
            before = now
            time.sleep(2.5)  # longer than the pause between two looks of one that polls


def test_sigint_ends_it_also_among_signals_of_a_terminal_that_is_resized(mscli: Program) -> None:
    """The kernel gives a signal to another thread if the main thread has one pending: eight tries, of which some would hang."""
    with ExitStack() as stack:
        tries = [stack.enter_context(watching(mscli, "--json", "--fake-devices")) for _ in range(8)]
        for one in tries:
            assert one.stdout
            assert one.stdout.readline()
            for number in (*[signal.SIGWINCH] * 5, signal.SIGINT):
                one.send_signal(number)
        assert [one.wait(TIMEOUT_S) for one in tries] == [0] * len(tries)
