"""Helpers for open file descriptors of any type: test whether a write would block, and redirect one to the null device."""

from __future__ import annotations

import os
from time import monotonic

from mscli.core.limits import SLEEPS_S


def takes_more(fd: int, timeout_s: float | None = 0.0) -> bool:
    """Return whether a write would not block, after waiting up to ``timeout_s`` (None: no limit).

    A regular file is always ready; a full pipe is not.
    """
    import select

    if not hasattr(select, "poll"):
        return bool(select.select([], [fd], [], timeout_s)[1])
    poll = select.poll()  # select() cannot handle descriptors above 1023
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(None if timeout_s is None else timeout_s * 1000))


class OutputReader:
    """A watch on the process that reads our output. It notices when that process stops reading."""

    def __init__(self) -> None:
        self._taken = 0
        self._since_s: float | None = None  # when the reader stopped taking data, on the monotonic clock

    @property
    def kept_waiting(self) -> bool:
        """Return whether data was waiting at the last check."""
        return self._since_s is not None

    def sleeps(self, fd: int, taken: int = 0) -> bool:
        """Return whether the reader has taken nothing for SLEEPS_S. ``taken``: the total bytes written to it so far."""
        if takes_more(fd):
            self._since_s = None
            return False
        if self._since_s is None or taken != self._taken:
            self._taken, self._since_s = taken, monotonic()
        return monotonic() - self._since_s >= SLEEPS_S


def point_nowhere(fd: int) -> None:
    """Redirect the descriptor to the null device, in this process only.

    A write that is blocked on the descriptor continues there after the next signal interrupts it.
    """
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, fd)
    os.close(null)
