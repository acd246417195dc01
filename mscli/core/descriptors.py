"""What holds of an open descriptor whatever is behind it: whether it takes more, and how to be rid of that."""

from __future__ import annotations

import os
from time import monotonic

SLEEPS_S = 0.75  # a reader that takes nothing for so long, while more waits for it, is taken to sleep


def takes_more(fd: int, timeout_s: float | None = 0.0) -> bool:
    """Whether a write goes on within that time (None: however long it takes). A file always says yes, a full pipe no."""
    import select

    if not hasattr(select, "poll"):
        return bool(select.select([], [fd], [], timeout_s)[1])
    poll = select.poll()  # select knows no descriptor above 1023
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(None if timeout_s is None else timeout_s * 1000))


class Reader:
    """Who reads what is written to a descriptor, looked at again and again by whoever has to come to an end."""

    def __init__(self) -> None:
        self._taken = 0
        self._since_s: float | None = None  # from when on it has taken nothing while more waited for it

    @property
    def kept_waiting(self) -> bool:
        """Whether something waited for it at the last look."""
        return self._since_s is not None

    def sleeps(self, fd: int, taken: int = 0) -> bool:
        """Whether it has taken nothing for SLEEPS_S. ``taken``: bytes that have gone to it so far."""
        if takes_more(fd):
            self._since_s = None
            return False
        if self._since_s is None or taken != self._taken:
            self._taken, self._since_s = taken, monotonic()
        return monotonic() - self._since_s >= SLEEPS_S


def point_nowhere(fd: int) -> None:
    """Have it stand for the null device in this process; a write that waits there goes on so, once a signal wakes it up."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, fd)
    os.close(null)
