"""Who reads our stdout: a program that prints seldom notices at once that its reader has left, not at its next line."""

from __future__ import annotations

import os
import select
import stat
import sys
from collections.abc import Callable
from threading import Thread


class ReaderWatch:
    """While it is entered, and stdout is a pipe or a socket: sets ``left`` and calls ``wake`` when nobody reads it any more.

    Both happen on a thread of its own, which sleeps until then.
    """

    def __init__(self, wake: Callable[[], object]) -> None:
        self.left = False
        self._wake = wake
        self._ends: tuple[int, int] | None = None  # of a pipe: closing the one ends the wait at the other
        self._thread: Thread | None = None

    def __enter__(self) -> ReaderWatch:
        if hasattr(select, "poll") and _is_read(sys.stdout.fileno()):
            self._ends = os.pipe()
            self._thread = Thread(target=self._run, args=(self._ends[0],), name="mscli-reader", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._ends is not None and self._thread is not None:
            os.close(self._ends[1])
            self._thread.join()
            os.close(self._ends[0])

    def _run(self, end: int) -> None:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)  # nothing is asked for but what is always told: errors and the other end's close
        poll.register(end, select.POLLIN)
        if end not in dict(poll.poll()):
            self.left = True
            self._wake()


def _is_read(fd: int) -> bool:
    mode = os.fstat(fd).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
