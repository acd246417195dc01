"""What holds of an open descriptor whatever is behind it: whether it takes more, and how to be rid of that."""

from __future__ import annotations

import os


def takes_more(fd: int, timeout_s: float | None = 0.0) -> bool:
    """Whether a write goes on within that time (None: however long it takes). A file always says yes, a full pipe no."""
    import select

    return bool(select.select([], [fd], [], timeout_s)[1])


def point_nowhere(fd: int) -> None:
    """Have it stand for the null device in this process; a write that waits there goes on so, once a signal wakes it up."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, fd)
    os.close(null)
