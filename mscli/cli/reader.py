"""Notice that the reader of stdout has left, even if the program rarely prints."""

from __future__ import annotations

import os
import select
import stat
import sys
from collections.abc import Callable

from mscli.core.threads import Thread


class ReaderWatch:
    """A watch on the reader of stdout, if stdout is a pipe or a socket. It sets ``left`` and calls ``wake``.

    Both happen on a thread of its own, which sleeps until then.
    """

    def __init__(self, wake: Callable[[], object]) -> None:
        self.left = False
        self._wake = wake
        self._ends: tuple[int, int] | None = None  # a pipe: closing one end stops the wait at the other
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
        poll.register(sys.stdout.fileno(), 0)  # no events: errors and hang-ups are always reported
        poll.register(end, select.POLLIN)
        if end not in dict(poll.poll()):
            self.left = True
            self._wake()


def _is_read(fd: int) -> bool:
    mode = os.fstat(fd).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
