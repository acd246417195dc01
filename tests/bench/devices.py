"""What a look at the devices costs, beside a program that only prints its version, and what it costs to follow them."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.measure import ENVIRONMENT, SCRIPT, CannotRun, Row, versus

PEER = ["ffmpeg", "-version"]
TARGETS = {"devices --kind videoinput --json": 1.0, "devices --json": 2.0}
START_S, IDLE_S = 3, 10
MEASURABLE_MS = 10.0  # a tick of the clock that CPU time is told by


def rows(runs: int) -> Iterator[Row]:
    for command, target in TARGETS.items():
        yield versus(command, [*SCRIPT, *command.split()], "ffmpeg -version", PEER, target, runs)
    yield Row(f"devices --watch, {IDLE_S} s of nothing", idle_ms(), "a tick of the clock", MEASURABLE_MS, 1.0)


def idle_ms() -> float:
    """The CPU time of a watch, after its start, while nothing happens. Raises CannotRun where the kernel does not tell it."""
    command = [*SCRIPT, "devices", "--watch", "--json"]
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as watch:
        try:
            assert watch.stdout is not None
            watch.stdout.readline()
            time.sleep(START_S)
            before = spent_ns(watch.pid)
            time.sleep(IDLE_S)
            return (spent_ns(watch.pid) - before) / 1e6
        finally:
            watch.kill()


def spent_ns(pid: int) -> int:
    """The CPU time of all threads of a process."""
    tasks = Path(f"/proc/{pid}/task")
    if not os.path.exists(tasks / str(pid) / "schedstat"):
        raise CannotRun("this kernel counts no CPU time of threads")
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir())
