"""Costs of whole processes: CPU time and peak memory as the kernel counts them, of interleaved runs."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent
KEPT = ("HOME", "LANG", "PATH", "PULSE_SERVER", "TMPDIR", "XDG_RUNTIME_DIR")
ENVIRONMENT = {name: os.environ[name] for name in KEPT if name in os.environ}  # nothing that changes how Python starts

PYTHON = [sys.executable]
MODULE = [sys.executable, "-m", "mscli"]
SCRIPT = [str(Path(sys.executable).parent / "mscli")]

Argv = Sequence[str]


class Cost(NamedTuple):
    """What a process and the children that it waited for took: user and system time in ms, the largest resident set in MiB,
    and the time on the clock in ms."""

    cpu_ms: float
    peak_mib: float
    wall_ms: float


class CannotRun(Exception):
    """A command is not installed, or it failed; the text says which and why."""


@dataclass(frozen=True)
class Row:
    """A line of the table: what was measured, beside what it is measured against, and the ratio to reach."""

    what: str
    ours: float
    against: str = ""
    theirs: float = 0.0
    target: float | None = None
    unit: str = "ms"

    @property
    def ratio(self) -> float:
        return self.ours / self.theirs if self.theirs else 0.0


def cost(argv: Argv) -> Cost:
    """One run to the end, its output thrown away. Raises CannotRun."""
    program = shutil.which(argv[0], path=ENVIRONMENT.get("PATH"))
    if program is None:
        raise CannotRun(f"{argv[0]} is not installed")
    with tempfile.TemporaryFile() as errors, open(os.devnull, "r+b") as null:
        streams = [(os.POSIX_SPAWN_DUP2, (errors if fd == 2 else null).fileno(), fd) for fd in range(3)]
        begun = time.monotonic()
        pid = os.posix_spawn(program, list(argv), ENVIRONMENT, file_actions=streams)
        _, status, used = os.wait4(pid, 0)
        wall_ms = 1000 * (time.monotonic() - begun)
        if status:
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip().splitlines() or ["no message"]
            raise CannotRun(f"{' '.join(argv)}: exit code {os.waitstatus_to_exitcode(status)}: {said[-1]}")
    return Cost(1000 * (used.ru_utime + used.ru_stime), used.ru_maxrss / 1024, wall_ms)


def costs(*commands: Argv, runs: int) -> list[Cost]:
    """What each command costs, run in turns (A B A B ...) after one turn that only warms the caches.

    The medians of the times; of the memory peaks the lowest, since a busy machine only ever makes queues longer.
    """
    turns = [[cost(argv) for argv in commands] for _ in range(runs + 1)][1:]
    columns = zip(*turns, strict=True)
    return [
        Cost(median(e.cpu_ms for e in column), min(e.peak_mib for e in column), median(e.wall_ms for e in column))
        for column in columns
    ]


def versus(what: str, ours: Argv, against: str, theirs: Argv, target: float, runs: int) -> Row:
    """The CPU time of one command beside another's, run in turns."""
    mine, other = costs(ours, theirs, runs=runs)
    return Row(what, mine.cpu_ms, against, other.cpu_ms, target)
