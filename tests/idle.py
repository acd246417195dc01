"""When a process has nothing to do: no thread of it runs, or waits for a processor. That is the same on a slow machine."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

TIMEOUT_S = 60.0
_LOOK_S = 0.003


def come_to_rest(process: subprocess.Popen[bytes]) -> None:
    """Wait until a process has nothing to do."""
    deadline = time.monotonic() + TIMEOUT_S
    while not _are_idle(_threads(process.pid), _threads(process.pid)):
        assert time.monotonic() < deadline, "it does not come to rest"
        time.sleep(_LOOK_S)


def idle_until_end(process: subprocess.Popen[bytes]) -> float:
    """Wait for the end of a process. Return for how many seconds it had nothing to do until then."""
    idle_s = 0.0
    deadline = time.monotonic() + TIMEOUT_S
    before, since = _threads(process.pid), time.monotonic()
    while process.poll() is None:
        assert time.monotonic() < deadline, "it does not end"
        time.sleep(_LOOK_S)
        now = _threads(process.pid)
        if _are_idle(before, now):
            idle_s += time.monotonic() - since
        before, since = now, time.monotonic()
    return idle_s


def _threads(pid: int) -> dict[str, str]:
    """Return the state of every thread of a process, and how often it has run."""
    try:
        return {task.name: (task / "status").read_text() for task in Path(f"/proc/{pid}/task").iterdir()}
    except OSError:  # one has just ended
        return {}


def _are_idle(before: dict[str, str], now: dict[str, str]) -> bool:
    """Return whether all threads slept from one look to the next."""
    return bool(now) and before == now and all("\nState:\tS" in status for status in now.values())
