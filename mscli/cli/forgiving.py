"""What is said to people may fail to be said: that ends no command, and changes no exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from mscli.core.descriptors import Reader, point_nowhere

STDOUT, STDERR = 1, 2


@contextmanager
def forgiving_stderr() -> Iterator[None]:
    """Within it stderr may be full, or its reader gone. What is left of it then goes nowhere, at the interpreter's end too."""
    try:
        yield
    except OSError:
        point_nowhere(STDERR)


class Readers:
    """Who reads what is said, on those descriptors."""

    def __init__(self, *fds: int) -> None:
        self._readers = {fd: Reader() for fd in fds}

    def forsake(self) -> None:
        """Asked again and again: say no more to who sleeps. A write that waits for it goes on, once a signal wakes it up."""
        for fd, reader in self._readers.items():
            with suppress(OSError):  # it is closed
                if reader.sleeps(fd):
                    point_nowhere(fd)
