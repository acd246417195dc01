"""What is said to people may fail to be said: that ends no command, and changes no exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from mscli.core.descriptors import point_nowhere, takes_more

STDOUT, STDERR = 1, 2


@contextmanager
def forgiving_stderr() -> Iterator[None]:
    """Within it stderr may be full, or its reader gone. What is left of it then goes nowhere, at the interpreter's end too."""
    try:
        yield
    except OSError:
        point_nowhere(STDERR)


def forsake_readers() -> None:
    """Say no more to who reads nothing at this instant. A write that waits for it goes on, once a signal wakes it up."""
    for fd in (STDOUT, STDERR):
        with suppress(OSError):  # it is closed
            if not takes_more(fd):
                point_nowhere(fd)
