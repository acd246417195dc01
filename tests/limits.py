"""How a run ends if a test or a worker hangs: it fails, within a stated time, and says what hung.

- A test that exceeds its timeout fails by a signal, and its worker goes on. The timeout is 120 s (pyproject.toml), or the
  test's own.
- A test that does not react to the signal, because it waits in C code, ends its worker ``GRACE_S`` later. The worker prints the
  stacks of all threads. The test fails, and another worker takes over (``tests.plan.Groups``).
- A run that loses more workers than ``--max-worker-restart`` (pyproject.toml) ends.
- A test that runs beside the virtual machine has no timeout (tests/conftest.py): the limit is that of the run.
- tests/run ends pytest with SIGTERM if it takes too long. The run fails, and shows which tests run, and all stacks.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TextIO

import pytest
from pytest_timeout import Settings

GRACE_S = 60.0
WORKER = b"exec(eval(sys.stdin.readline()))"  # in the command line by which xdist starts a worker
_timeout_s = pytest.StashKey[float]()


def pytest_configure(config: pytest.Config) -> None:
    stderr = os.fdopen(os.dup(2), "w")  # not captured yet
    config.add_cleanup(stderr.close)
    config.pluginmanager.register(Deaf(stderr))
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Running(stderr))


class Deaf:
    """Ends this process if a test does not react to its timeout."""

    def __init__(self, stderr: TextIO) -> None:
        self._stderr = stderr

    @pytest.hookimpl(tryfirst=True)
    def pytest_timeout_set_timer(self, item: pytest.Item, settings: Settings) -> None:
        item.stash[_timeout_s] = settings.timeout
        self._arm(item)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        """Arm again, because pytest disarms when a test has failed."""
        self._arm(item)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Iterator[None]:
        try:
            return (yield)
        finally:
            faulthandler.cancel_dump_traceback_later()

    def _arm(self, item: pytest.Item) -> None:
        if _timeout_s in item.stash:
            faulthandler.dump_traceback_later(item.stash[_timeout_s] + GRACE_S, exit=True, file=self._stderr)


class Running:
    """Ends the run on SIGTERM, and shows what runs. Is in the process that people start, not in workers."""

    def __init__(self, stderr: TextIO) -> None:
        self._stderr = stderr
        self._since_s: dict[str, float] = {}
        signal.signal(signal.SIGTERM, self._on_terminate)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Note a test that begins, before anybody can see that it has."""
        self._since_s[nodeid] = time.monotonic()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._since_s.pop(nodeid, None)

    def _on_terminate(self, _number: int, _frame: FrameType | None) -> None:
        now_s = time.monotonic()
        running = [f"  {nodeid}, for {now_s - since_s:.0f} s" for nodeid, since_s in self._since_s.items()]
        print("\nThe run takes too long. These tests run:", *(running or ["  none"]), sep="\n", file=self._stderr, flush=True)
        if pids := workers():
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGABRT)  # prints the stacks: pytest enables faulthandler
        else:
            faulthandler.dump_traceback(file=self._stderr)
        pytest.exit(f"the run takes too long; {len(running)} test(s) still run")


def workers() -> list[int]:
    """Return the process ids of the workers that this process has started."""
    ours = f"\nPPid:\t{os.getpid()}\n"
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has just ended
            if ours in (folder / "status").read_text() and WORKER in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found
