"""A program that is forked is as one that is started."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, Program, clean_environment
from tests.starts import Forked

STATE = [sys.executable, "-m", "tests.state", "one", "two words", ""]


def run(popen: type[subprocess.Popen[bytes]]) -> tuple[object, bytes, int]:
    """What the program finds at its start, what it writes to stderr, and its exit code."""
    environment = clean_environment() | {"PYTHONPATH": f"{ROOT}:/packages", "MSCLI_X": "ü", "PWD": "/"}
    pipe = subprocess.PIPE
    with popen(STATE, cwd="/", env=environment, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        stdout, stderr = process.communicate(b"some input\n", timeout=60)
    return json.loads(stdout), stderr, process.returncode


def test_it_finds_what_a_started_one_finds_and_ends_as_it() -> None:
    started, forked = run(subprocess.Popen), run(Forked)
    assert forked == started
    assert forked[1:] == (b"an error\n", 3)


def test_the_program_answers_as_when_it_is_started(mscli: Program) -> None:
    """With what it prints for people, for programs, and for errors."""
    for arguments, code in (("devices --fake-devices --json", 0), ("capabilities --fake-devices", 0), ("snapshot --size x", 2)):
        answers = []
        for popen in (subprocess.Popen, Forked):
            with popen([*mscli.argv, *arguments.split()], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
                answers.append((*process.communicate(timeout=60), process.returncode))
        assert answers[0] == answers[1]
        assert answers[0][2] == code


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_recording_of_the_program(mscli: Program, number: signal.Signals) -> None:
    file = mscli.folder / "x.mkv"
    with Forked([*mscli.argv, "record", "--fake-devices", "--no-audio", file], stderr=subprocess.PIPE) as process:
        while not file.exists():
            assert process.poll() is None
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == 0


def test_what_is_killed_is_told() -> None:
    with Forked(STATE, stdin=subprocess.PIPE) as process:
        process.kill()
        assert process.wait(60) == -signal.SIGKILL


def test_it_ends_with_its_streams() -> None:
    """No copy of a pipe is left in the process that forks."""
    with Forked(STATE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()  # the program reads up to here
        assert process.stdout.read()  # to the end
        assert process.wait(60) == 3


def test_one_that_fails_says_why(tmp_path: Path) -> None:
    with Forked([sys.executable, "-m", "tests.vm.nothing"], cwd=tmp_path, stderr=subprocess.PIPE) as process:
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"No module named tests.vm.nothing" in stderr
