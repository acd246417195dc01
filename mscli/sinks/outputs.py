"""Where bytes go: open descriptors, pipes, devices and file objects, and what the system says when they do not go there.

Parts of a frame go out with one ``writev`` (https://man7.org/linux/man-pages/man2/writev.2.html), uncopied.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

from mscli.core.descriptors import Reader, point_nowhere, takes_more
from mscli.core.errors import OperationError

PIPE_BYTES = 1 << 20  # the most that an unprivileged process may ask for; four times the speed with large frames
_DESCRIPTOR_NAMES = {0: "stdin", 1: "stdout", 2: "stderr"}

_REASONS: dict[int, tuple[str, str]] = {
    errno.ENOENT: ("its folder does not exist", "make the folder first: mkdir -p {folder}"),
    errno.ENOTDIR: ("a part of its path is not a folder", "check the path"),
    errno.EISDIR: ("it is a folder", "add a file name: {name}/NAME"),
    errno.EACCES: ("you may not write there", "choose a folder that belongs to you"),
    errno.EPERM: ("the system does not permit it", "choose another folder"),
    errno.EROFS: ("the file system is read-only", "choose another folder"),
    errno.ENOSPC: ("the disk is full", "free some space, or choose a folder on another disk"),
    errno.EDQUOT: ("your disk quota is used up", "free some space, or choose a folder on another disk"),
    errno.EFBIG: (
        "the file has grown larger than its file system or limit allows",
        "write to another disk, or raise ulimit -f",
    ),
    errno.EIO: ("the disk reports a hardware error", "look into the kernel's log: dmesg"),
    errno.ENAMETOOLONG: ("its name is too long", "choose a shorter name"),
    errno.ENXIO: ("nothing is behind that device or socket", "check what it stands for"),
    errno.EBADF: ("that descriptor is not open for writing", "check the redirection of the shell"),
    errno.EAGAIN: ("its reader does not read", "have it read, or end it: what it has taken stands"),
    errno.EEXIST: ("it exists already", "use --force to replace it, or choose another name"),
}


def output_error(name: str, error: OSError, done: str = "written") -> OperationError:
    """The system's error about an output as a sentence and a remedy. ``done``: what cannot be done with it."""
    unknown = (error.strerror or str(error), "choose another place for the output")
    why, remedy = _REASONS.get(error.errno or 0, unknown)
    folder = os.path.dirname(name) or "."
    return OperationError(f"“{name}” cannot be {done}: {why}", hints=[remedy.format(name=name, folder=folder)])


class Border:
    """Where errors that are not ours become ours: ``translate`` gets each, and raises another one or lets it pass.

    A class, since for each packet a generator takes too long.
    """

    def __init__(self, translate: Callable[[BaseException], None]) -> None:
        self._translate = translate

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is not None:
            self._translate(error)


class Output(ABC):
    """A place for bytes. ``open`` → ``write``* with a ``mark`` wherever it can be read → ``commit`` or ``discard``.

    After an error everything written is thrown away, so that a library in the middle of a file can come to its end. It
    is itself a writable file object, as far as libraries need one. Raises OperationError; BrokenPipeError passes through.
    """

    name: str
    size = 0  # bytes, up to the furthest that was written
    failed = False
    identity: tuple[int, int] | None = None  # of the regular file that got its name here: device and inode
    durable = False  # whether what can be read has to survive a power cut
    on_mark: Callable[[int, int], None] | None = None  # of a regular file: called with its descriptor and its size

    def open(self) -> None:  # noqa: B027 (nothing to do is a fair answer)
        """Make ready to write. Raises OperationError."""

    def write(self, data: bytes | memoryview) -> int:
        """Write all of it; the number of bytes."""
        self.write_all((data,))
        return len(data)

    def write_all(self, parts: Iterable[bytes | memoryview]) -> None:
        """Write all parts, one after the other, uncopied where the system can."""
        if not self.failed:
            with Border(self._translate):
                self._grow(self._put([memoryview(part) for part in parts]))

    def seekable(self) -> bool:
        """Whether ``seek`` works."""
        return False

    @property
    def readable(self) -> bool:
        """Whether there is something that can be read, as far as it goes."""
        return self.size > 0

    @property
    def free_bytes(self) -> int | None:
        """Bytes that there is room for; None where that has no meaning or is not known."""
        return None

    def forsake(self) -> bool:
        """Asked again and again: give up a reader that sleeps, so that the write which waits for it fails.

        Whether a write waits, which has to be woken by a signal: it fails, or shows how far it has come.
        """
        return False

    def mark(self) -> None:  # noqa: B027
        """Say that everything up to here can be read as it stands."""

    def commit(self) -> None:  # noqa: B027
        """Finish. After an error: keep what was marked."""

    def discard(self) -> None:
        """Give up: what was marked stays, the rest goes."""
        self.failed = True
        self.commit()

    def _grow(self, count: int) -> None:
        self.size += count

    def _translate(self, error: BaseException) -> None:
        """Note what the system says of the output, and say it in our words; that a reader has left passes through."""
        if isinstance(error, OSError):
            self.failed = True
            if not isinstance(error, BrokenPipeError):
                raise output_error(self.name, error) from error

    @abstractmethod
    def _put(self, parts: list[memoryview]) -> int:
        """Write all parts; the number of bytes."""


class FileObject(Output):
    """A writable binary file object of the caller, which stays open."""

    def __init__(self, target: Any) -> None:
        self.name = str(getattr(target, "name", "the given file"))
        self._target = target

    def commit(self) -> None:
        """Flush it, where it can be."""
        if not self.failed and hasattr(self._target, "flush"):
            with Border(self._translate):
                self._target.flush()

    def _put(self, parts: list[memoryview]) -> int:
        for part in parts:
            view = part.cast("B")
            while view.nbytes:
                took = self._target.write(view)
                view = view[view.nbytes if took is None else took :]
        return sum(part.nbytes for part in parts)


class Descriptor(Output):
    """An open descriptor of the caller, which stays open."""

    def __init__(self, fd: int) -> None:
        self.name = _DESCRIPTOR_NAMES.get(fd, f"descriptor {fd}")
        self._fd = fd
        self._reader = Reader()
        self._taken = 0  # bytes, by its reader
        self._forsaken = False

    def open(self) -> None:
        """Widen it, if it is a pipe."""
        with Border(self._translate):
            kind = os.fstat(self._fd).st_mode
        if stat.S_ISFIFO(kind):
            _widen(self._fd)

    def forsake(self) -> bool:
        """Have the descriptor stand for nowhere, where a write that a signal wakes up goes on, and fails then.

        A file always takes more, however slow its disk is.
        """
        if self._forsaken or self._fd < 0:
            return False
        if self._reader.sleeps(self._fd, self._taken):
            self._forsaken = True
            point_nowhere(self._fd)
        return self._reader.kept_waiting

    def _put(self, parts: list[memoryview]) -> int:
        total = sum(part.nbytes for part in parts)
        wrote = self._write_some(parts)
        if wrote < total:
            rest = [part.cast("B") for part in parts]
            while rest := _after(rest, wrote):
                wrote = self._write_some(rest)
        if self._forsaken:
            raise BlockingIOError(errno.EAGAIN, "")
        return total

    def _write_some(self, parts: list[memoryview]) -> int:
        while True:
            try:
                wrote = _writev(self._fd, parts)
                self._taken += wrote
                return wrote
            except BlockingIOError:  # another process has made the shared pipe non-blocking
                takes_more(self._fd, None)


class Special(Descriptor):
    """A device, pipe or socket by its path, written directly."""

    def __init__(self, path: str) -> None:
        super().__init__(-1)
        self.name = path

    def open(self) -> None:
        """Open it. A FIFO waits here for its reader."""
        with Border(self._translate):
            self._fd = os.open(self.name, os.O_WRONLY)
        super().open()

    def commit(self) -> None:
        """Close it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _after(parts: list[memoryview], count: int) -> list[memoryview]:
    """What is left of the parts after ``count`` bytes of them."""
    for index, part in enumerate(parts):
        if count < part.nbytes:
            return [part[count:], *parts[index + 1 :]]
        count -= part.nbytes
    return []


def _writev(fd: int, parts: list[memoryview]) -> int:
    return os.writev(fd, parts) if hasattr(os, "writev") else os.write(fd, parts[0])


def _widen(fd: int) -> None:
    if sys.platform == "linux":
        import fcntl

        with contextlib.suppress(OSError):  # the user's share of pipe memory is used up: it stays as it is
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
