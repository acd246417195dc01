"""Read bytes from a pipe, whose writer may be slow, stall or die. Nothing here waits once ``stopping`` is set."""

from __future__ import annotations

import os
import select
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from mscli.core.errors import NotAllowedError, NotFoundError, NotReadableError
from mscli.core.log import Log
from mscli.sources.bytereader import ByteReader

_log = Log("pipe")

_POLL_MS = 100  # how often a reader that waits looks whether it is still wanted
_PIPE_BYTES = 1 << 20  # what a pipe can hold at most without privileges


class PipeReader(ByteReader):
    """The reading end of a pipe: ``-``, ``fd:N``, or the path of a FIFO. A context manager.

    Raises NotFoundError, NotAllowedError or NotReadableError if it cannot be read.
    """

    def __init__(self, address: str) -> None:
        super().__init__()
        self.name = "stdin" if address == "-" else address
        self._fd, self._owned = _descriptor(address, self.name)
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)
        _make_large(self._fd)
        _log.debug("%s: opened as descriptor %d", self.name, self._fd)

    def close(self) -> None:
        """Close the pipe, unless it is not ours."""
        if self._owned:
            self._owned = False
            os.close(self._fd)

    def fill_most(self, *parts: memoryview) -> int:
        """Fill the parts in turn until the writer ends. Errors are translated once for all that is read."""
        with _errors_translated(self.name):
            return super().fill_most(*parts)

    def _read_into(self, parts: list[memoryview]) -> int:
        if not self._comes():
            return 0
        count = os.readv(self._fd, parts)
        self._note_end(not count)
        return count

    def _some(self, count: int) -> bytes:
        with _errors_translated(self.name):
            data = os.read(self._fd, count)
        self._note_end(not data)
        return data

    def _note_end(self, ended: bool) -> None:
        self._ended = ended
        if ended:
            _log.info("%s: its writer has ended", self.name)

    def _comes(self) -> bool:
        """Wait until there is something to read, the end included. Return False at the end, and after ``stop``.

        Raises NotReadableError at the deadline.
        """
        while not (self.stopping or self._ended):
            if self._poll.poll(_POLL_MS):
                return True
            if self.deadline_s is not None and monotonic() > self.deadline_s:
                raise NotReadableError(
                    f"nothing comes from {self.name}", hints=["start its writer first, or wait with --timeout"]
                )
        return False


@contextmanager
def _errors_translated(name: str) -> Iterator[None]:
    """Raise NotAllowedError or NotReadableError for an error of the system while it reads a pipe."""
    try:
        yield
    except PermissionError:
        raise NotAllowedError(f"no permission to read {name}") from None
    except OSError as error:
        raise NotReadableError(f"cannot read {name}: {(error.strerror or str(error)).lower()}") from error


def _descriptor(address: str, name: str) -> tuple[int, bool]:
    """Return the descriptor of an address, and whether it is ours to close."""
    import fcntl

    if address != "-" and not address.lower().startswith("fd:"):
        with _errors_translated(name):
            return os.open(address, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), True
    number = "0" if address == "-" else address[3:]
    if not (number.isascii() and number.isdigit()):
        raise NotFoundError(f"{name} is not the number of a descriptor, such as fd:3")
    hints = [f"redirect it in the shell: {number}< FIFO"]
    try:
        mode = os.fstat(int(number)).st_mode
    except (OSError, OverflowError, ValueError):  # not open, or larger than a descriptor or an int of Python can be
        raise NotFoundError(f"{name} is not open", hints=hints) from None
    if fcntl.fcntl(int(number), fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY:
        raise NotReadableError(f"{name} is open only for writing", hints=hints)
    if stat.S_ISCHR(mode) and os.isatty(int(number)):
        raise NotReadableError(f"{name} is a terminal, not a pipe", hints=["write into it: PROGRAM | mscli ..."])
    return int(number), False


def _make_large(fd: int) -> None:
    """Let the pipe hold as much as it can, so that writer and reader run side by side."""
    if sys.platform == "linux":
        import fcntl
        from contextlib import suppress

        with suppress(OSError):  # not a pipe, or the system allows less
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
