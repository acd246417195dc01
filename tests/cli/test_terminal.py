"""No command writes pictures or sound to a terminal: it refuses, and says what to do instead."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.cli.program import FakeMachine


class Terminal(NamedTuple):
    """A terminal: its descriptor, and its name."""

    descriptor: int
    name: str


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """A terminal, on which nothing must appear."""
    master, slave = pty.openpty()
    os.set_blocking(master, False)
    yield Terminal(slave, os.ttyname(slave))
    with pytest.raises(BlockingIOError):
        os.read(master, 1)
    os.close(slave)
    os.close(master)


def run(fake: FakeMachine, terminal: Terminal, *arguments: str, to_terminal: bool = True) -> subprocess.CompletedProcess[bytes]:
    """Run mscli with stdout on the terminal, or with no stdout that matters."""
    out = terminal.descriptor if to_terminal else subprocess.DEVNULL
    command = [*fake.argv, *arguments]
    return subprocess.run(
        command, cwd=fake.folder, env=fake.environment, stdout=out, stderr=subprocess.PIPE, timeout=60, check=False
    )


def test_a_dumb_terminal_is_sent_no_picture_and_not_asked(fake: FakeMachine, terminal: Terminal) -> None:
    with fake.start(
        "snapshot", "--show", "x.png", env={"TERM": "dumb"}, stdout=terminal.descriptor, stderr=subprocess.PIPE
    ) as process:
        _, said = process.communicate(timeout=60)
    assert b"--show needs a terminal that is not dumb" in said


@pytest.mark.parametrize(
    ("arguments", "instead"),
    [
        (("capture",), "--preview"),
        (("capture", "-o", "-"), "-o"),
        (("capture", "-o", "x.raw", "-o", "/dev/stdout"), "| PROGRAM"),
        (("snapshot", "-"), "mscli snapshot - | PROGRAM"),
        (("snapshot", "-o", "-"), "name a file"),
        (("record", "-"), "mscli record - | PROGRAM"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_nothing_is_written_to_a_terminal(
    arguments: tuple[str, ...], instead: str, fake: FakeMachine, terminal: Terminal
) -> None:
    done = run(fake, terminal, *arguments)
    assert done.returncode == 2
    assert instead in done.stderr.decode()
    assert fake.files == []


@pytest.mark.parametrize("command", [("capture", "-o"), ("record",)])
def test_nothing_is_written_to_a_terminal_by_its_name(command: tuple[str, ...], fake: FakeMachine, terminal: Terminal) -> None:
    done = run(fake, terminal, *command, terminal.name, to_terminal=False)
    assert done.returncode == 2
    assert terminal.name in done.stderr.decode()


def test_a_dry_run_writes_nothing_and_is_not_refused(fake: FakeMachine, terminal: Terminal) -> None:
    assert run(fake, terminal, "capture", "--dry-run").returncode == 0
