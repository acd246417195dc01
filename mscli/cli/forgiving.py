"""Output for people that may fail without ending a command or changing its exit code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from mscli.core.descriptors import OutputReader, point_nowhere

STDOUT, STDERR = 1, 2


@contextmanager
def forgiving_stderr() -> Iterator[None]:
    """Ignore a full stderr or a missing reader. All later output to stderr is then discarded."""
    try:
        yield
    except OSError:
        point_nowhere(STDERR)


class Readers:
    """The readers of our output on some descriptors."""

    def __init__(self, *fds: int) -> None:
        self._readers = {fd: OutputReader() for fd in fds}

    def abandon_reader(self) -> None:
        """Stop writing to readers that are stalled. Called repeatedly.

        A write that is blocked on such a reader returns after the next signal.
        """
        for fd, reader in self._readers.items():
            with suppress(OSError):  # the descriptor is closed
                if reader.sleeps(fd):
                    point_nowhere(fd)
