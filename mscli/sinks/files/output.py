"""Write bytes to named files, descriptors, pipes, devices and file objects, and translate the system's errors about them.

The parts of a frame are written with one ``writev`` (https://man7.org/linux/man-pages/man2/writev.2.html), without copying.

A named file gets its name once it can be read: see ``mscli.sinks.files.hidden``. Small pieces of it are gathered in memory.
They are written FILE_GATHER_S after those before, by the next write or by the thread that flushes the file to disk.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from math import inf
from threading import Event, RLock
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from mscli.core.descriptors import OutputReader, point_nowhere, takes_more
from mscli.core.errors import DisplacedError, OperationError
from mscli.core.limits import FILE_GATHER_S, FLUSH_S, SLEEPS_S
from mscli.core.log import Log
from mscli.core.threads import Thread
from mscli.encode.options import SinkOptions
from mscli.sinks.base import Sink

if TYPE_CHECKING:
    from datetime import datetime

    from mscli.core.folders import FolderEntry
    from mscli.sinks import SinkRow, Target

_log = Log("sinks")

GATHER_BYTES = 1 << 18  # pieces are written once they have this many bytes together,
SPARE_BYTES = 1 << 26  # disk space that is left to others when a file is written again
GATHER_SHARE = 4  # or this fraction of the disk's free space, so that a full disk is noticed soon

_SELF = r"/(?:dev|proc/self)/fd/(\d+)|/dev/std(in|out|err)"
_STANDARD = {"in": 0, "out": 1, "err": 2}
_POLL_S = 0.05  # the interval between checks for a reader
_AT_ONCE_BYTES = 4096  # accepted without blocking by a pipe that has room: PIPE_BUF
PIPE_BYTES = 1 << 20  # the most that an unprivileged process may set; four times as fast for large frames
_DESCRIPTOR_NAMES = {0: "stdin", 1: "stdout", 2: "stderr"}

_REASONS: dict[int, tuple[str, str]] = {
    errno.ENOENT: ("its folder does not exist", "create the folder first: mkdir -p {folder}"),
    errno.ENOTDIR: ("part of its path is not a folder", "check the path"),
    errno.EISDIR: ("it is a folder", "add a file name: {name}/NAME"),
    errno.EACCES: ("permission denied", "choose a folder that you may write to"),
    errno.EPERM: ("the system does not permit it", "choose another folder"),
    errno.EROFS: ("the file system is read-only", "choose another folder"),
    errno.ENOSPC: ("the disk is full", "free some space, or choose a folder on another disk"),
    errno.EDQUOT: ("your disk quota is used up", "free some space, or choose a folder on another disk"),
    errno.EFBIG: ("the file is as large as its file system or limit allows", "write to another disk, or raise ulimit -f"),
    errno.EIO: ("the disk reports a hardware error", "check the kernel's log: dmesg"),
    errno.ENAMETOOLONG: ("its name is too long", "choose a shorter name"),
    errno.ENXIO: ("there is no such device", "check the name"),
    errno.EBADF: ("the descriptor is not open for writing", "check the redirection in the shell"),
    errno.EAGAIN: ("its reader has stopped reading", "resume or end the reader; it keeps what it has read"),
    errno.EBUSY: ("another program is writing it", "wait for that program to end, or choose another name"),
}
_DISTRUSTED = "choose another name, or a folder in which only you may create files"


class BlockDeviceError(OSError):
    """A block device that the user has not allowed to overwrite."""


class SocketError(OSError):
    """A socket with a path, which cannot be opened as a file."""


class UnreadError(OSError):
    """A named pipe that nobody has opened for reading."""


def output_error(name: str, error: OSError, verb: str = "write") -> OperationError:
    """Translate the system's error about an output into a sentence and a remedy. ``verb``: what failed."""
    from mscli.core.folders import DistrustedError

    if error.errno == errno.EEXIST and not isinstance(error, BlockDeviceError):
        return OperationError(f"{name} already exists; use --force to overwrite it")
    if isinstance(error, BlockDeviceError):
        why, remedy = "it is a block device, and everything on it would be lost", "use --force to overwrite it"
    elif isinstance(error, DistrustedError):
        why, remedy = str(error.strerror), _DISTRUSTED
    elif isinstance(error, SocketError):
        why, remedy = "it is a socket", "choose a file or a named pipe (mkfifo)"
    elif isinstance(error, UnreadError):
        why, remedy = "nobody has opened the pipe for reading", "start its reader, or leave it out"
    else:
        unknown = (error.strerror or str(error), "choose another place for the output")
        why, remedy = _REASONS.get(error.errno or 0, unknown)
    folder = os.path.dirname(name) or "."
    if error.errno == errno.ENOENT and os.path.isdir(folder):
        why, remedy = "no file can be created in its folder", "choose another folder"
    return OperationError(f"cannot {verb} {name}: {why}", hints=[remedy.format(name=name, folder=folder)])


class Border:
    """A context manager that passes each error to ``translate``, which raises another error or returns to let it pass.

    It is a class because a generator would be too slow for use on each packet.
    """

    def __init__(self, translate: Callable[[BaseException], None]) -> None:
        self._translate = translate

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is not None:
            self._translate(error)


class Output(ABC):
    """A target for bytes. ``open`` → ``write``* with a ``mark`` wherever it can be read → ``commit`` or ``discard``.

    After an error all further bytes are discarded, so that a library can finish the file that it is writing. An output is a
    writable file object, as far as libraries need one. Raises OperationError; BrokenPipeError passes through.
    """

    name: str
    size = 0  # the largest written position, in bytes
    failed = False
    identity: tuple[int, int] | None = None  # device and inode of the regular file, once it has its name
    since: datetime | None = None  # the local time at which its media begins, if it wants to know
    durable = False  # whether readable data must survive a power cut,
    name_durable = True  # and with it the name of the file; False if somebody else flushes its folder
    at_once = False  # whether each write is written at once, because all of the data comes with it
    on_mark: Callable[[int, int], None] | None = None  # for a regular file: called with its descriptor and its size
    rearrange: Callable[[int], Iterable[bytes]] | None = None  # for a regular file: returns the pieces of a better one
    done = True  # whether everything is written when ``commit`` returns; False only if it is written later
    behind = False  # whether it accepts no more for now; only true for an output with a queue

    def open(self) -> None:  # noqa: B027 (some outputs have nothing to do)
        """Prepare to write. Raises OperationError."""

    def write(self, data: bytes | memoryview) -> int:
        """Write all of the data and return its size in bytes."""
        self.write_all((data,))
        return len(data)

    def write_all(self, parts: Iterable[bytes | memoryview]) -> None:
        """Write all parts in order, without copying if the system can."""
        if not self.failed:
            with Border(self._translate):
                self._grow(self._put([memoryview(part) for part in parts]))

    def write_unit(self, parts: Sequence[bytes | memoryview], head: bytes = b"", *, key: bool = True) -> None:  # noqa: ARG002
        """Write a frame, and before the first one the header. ``key``: whether decoding can start at it."""
        self.write_all((head, *parts) if head and not self.size else parts)

    def announce(self, at_us: int, sequence: int, size: tuple[int, int], form: str) -> None:  # noqa: B027
        """Note the facts about the frame that is written next: its time, its number, its size and its format or codec."""

    def seekable(self) -> bool:
        """Return whether ``seek`` works."""
        return False

    @property
    def taken(self) -> int:
        """Return how many bytes have reached the target. Those of a write that fails count, too."""
        return self.size

    @property
    def kept_bytes(self) -> int | None:
        """Return how many bytes stay of an output that has failed, or None if it has not."""
        return self.taken if self.failed else None

    @property
    def readable(self) -> bool:
        """Return whether the output can be read so far."""
        return self.size > 0

    @property
    def free_bytes(self) -> int | None:
        """Return the free space in bytes, or None if unknown or meaningless."""
        return None

    def abandon_reader(self) -> bool:
        """Give up a stalled reader, so that the write that waits for it fails. Called repeatedly.

        Return whether a write is waiting. The caller must then interrupt it with a signal: it fails, or reports its progress.
        """
        return False

    def mark(self) -> None:  # noqa: B027
        """Note that everything up to here can be read."""

    def finishing(self, unindexed: Callable[[bytes], bytes]) -> None:  # noqa: B027
        """Note that the rest completes the file. ``unindexed`` returns it for an output whose beginning cannot be changed."""

    def commit(self) -> None:  # noqa: B027
        """Finish. After an error: keep what was marked."""

    def drain(self) -> None:  # noqa: B027
        """Wait until everything is written after ``commit``. Raises OperationError, BrokenPipeError."""

    def discard(self) -> None:
        """Give up. Keep what was marked, and remove the rest."""
        self.failed = True
        self.commit()

    def _grow(self, count: int) -> None:
        self.size += count

    def _translate(self, error: BaseException) -> None:
        """Log and translate the system's error about the output. BrokenPipeError passes through: the reader has left."""
        if isinstance(error, OSError):
            self.failed = True
            _log.warning("“%s”: %s after %d bytes", self.name, error.strerror or error, self.size)
            if not isinstance(error, BrokenPipeError):
                raise output_error(self.name, error) from error

    @abstractmethod
    def _put(self, parts: list[memoryview]) -> int:
        """Write all parts and return their size in bytes."""


# Named files.


class NamedFile(Output):
    """A regular file. Its name is hidden from its first byte until the first ``mark``, or until ``commit`` without marks."""

    def __init__(
        self,
        path: str,
        overwrite: bool,
        *,
        on_note: Callable[[str], object] | None = None,
        on_loss: Callable[[DisplacedError], object] | None = None,
    ) -> None:
        """Remember the path. ``on_note`` gets messages for people, ``on_loss`` a DisplacedError, which then is not raised."""
        self.name = path
        self._on_note = on_note or _log.warning
        self._on_loss = on_loss
        from mscli.sinks.files.hidden import HiddenFile

        self._file = HiddenFile(path, self._on_note, overwrite=overwrite)
        self._at = 0  # the position, in bytes
        self._marks: list[int] = []  # sizes up to which it can be read, once written
        self._readable = 0  # the size up to which it can be read, in bytes
        self._turn = RLock()  # protects the following attributes, because the flushing thread writes too
        self._gathered = bytearray()
        self._wrote_s = -inf  # when the file was written last
        self._most = 0  # the limit of gathered bytes
        self._written_at = 0  # the position of the last write, in bytes
        self._written = 0  # the largest written position, in bytes
        self._broken = False  # whether a write has failed, so that no other may follow
        self._shortened = False  # whether another program has shortened the file
        self._syncer: Syncer | None = None
        self._alone = False  # whether no flushing thread could be started
        self._kept_bytes: int | None = None  # of a file that was cut to what can be read

    def open(self) -> None:
        """Check that the file can be created. It is created with the first byte, so that no empty file is left."""
        with Border(self._translate):
            self._file.check()

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Seek, as in ``io``. Seeking back, to change a header, first flushes the data that the header describes."""
        if self.failed:
            self._at = offset
            return offset
        with Border(self._translate), self._turn:
            self._flush()
            self._at = self._written_at = os.lseek(self._file.fd, offset, whence)
            if self.durable and self._at < self.size:
                sync_data(self._file.fd)
        return self._at

    def tell(self) -> int:
        """Return the position, as in ``io``."""
        return self._at

    @property
    def kept_bytes(self) -> int | None:
        """Return the size of a file that was cut to what can be read."""
        return self._kept_bytes

    @property
    def readable(self) -> bool:
        """Return whether the file has its final name."""
        return self._readable > 0 and self.identity is not None

    @property
    def free_bytes(self) -> int | None:
        """Return the space on its disk that this user may use, in bytes."""
        return free_bytes(self._file.fd if self._file.fd >= 0 else os.path.dirname(os.path.realpath(self.name)))

    def mark(self) -> None:
        """Note that the file can be read up to here, and give it its final name if it has none yet."""
        with Border(self._translate), self._turn:
            self._marks.append(self.size)
            if self._file.hidden:
                self._flush()
                self._publish()
            elif not self._gathered:
                self._note_readable()
        if self._syncer is None and not self._alone:
            self._start_syncer()

    def commit(self) -> None:
        """Name and close the file. After an error, cut it to the last mark or remove it. Raises OperationError."""
        if self._file.fd < 0:
            return
        if self._syncer is not None:
            self._syncer.stop()
        try:
            try:
                self._write_rest()
            finally:
                with Border(self._translate):
                    self._settle()
            self._check_place()
            self._rewrite()
        finally:
            self._close()
            _log.info("“%s”: finished, %d bytes", self.name, self.size)

    # Writing

    def _put(self, parts: list[memoryview]) -> int:
        if self._file.fd < 0:
            self._create()
        self._check_synced()
        total = sum(part.nbytes for part in parts)
        with self._turn:
            if self.at_once or total >= self._most:
                self._flush()
                self._write(parts, total)
            else:
                self._gather(parts)
        return total

    def _gather(self, parts: list[memoryview]) -> None:
        if monotonic() - self._wrote_s >= FILE_GATHER_S:  # first, because it can be read up to there
            self._flush()
        for part in parts:
            self._gathered += part.cast("B")
        if len(self._gathered) >= self._most:
            self._flush()

    def _flush(self) -> None:
        """Write the gathered pieces. May be called from any thread. Raises OSError."""
        with self._turn:
            if not self._gathered or self._broken:
                return
            gathered, self._gathered = self._gathered, bytearray()
            self._write([memoryview(gathered)], len(gathered))

    def _write(self, parts: list[memoryview], total: int) -> None:
        self._shortened = self._shortened or os.fstat(self._file.fd).st_size < self._written
        self._wrote_s = monotonic()
        try:
            write_fully(self._file.fd, parts)
            self._written_at += total
        except OSError:
            self._broken = True
            self._written_at = os.lseek(self._file.fd, 0, os.SEEK_CUR)
            raise
        finally:
            self._written = max(self._written, self._written_at)
            self._note_readable()
            self._note_room()

    def _note_room(self) -> None:
        if self.at_once:
            return
        room = free_bytes(self._file.fd)
        self._most = GATHER_BYTES if room is None else min(GATHER_BYTES, room // GATHER_SHARE)

    def _note_readable(self) -> None:
        """Advance to the last mark that is written now."""
        reached = [mark for mark in self._marks if mark <= self._written]
        if not reached:
            return
        del self._marks[: len(reached)]
        self._readable = reached[-1]
        if self.on_mark is not None:
            self.on_mark(self._file.fd, self._readable)

    def _grow(self, count: int) -> None:
        self._at += count
        self.size = max(self.size, self._at)

    def _start_syncer(self) -> None:
        try:
            self._syncer = Syncer(self._sync)
        except RuntimeError:
            self._alone = True
            self._on_note(f"{self.name} is not flushed to the disk while it is written: out of threads")

    def _sync(self) -> float:
        """Write what has waited long enough, and flush the file. Return how many seconds to wait before the next time."""
        with self._turn:
            if monotonic() - self._wrote_s >= FLUSH_S:
                self._flush()
        if self.durable:
            sync_data(self._file.fd)
        left_s = self._wrote_s + FLUSH_S - monotonic()
        return left_s if left_s > 0 else 0 if self._gathered and not self._broken else FLUSH_S

    def _check_synced(self) -> None:
        """Raise an error from the flushing thread."""
        if self._syncer is not None and self._syncer.error is not None:
            raise self._syncer.error

    def _create(self) -> None:
        """Create the file under a hidden name, unless another program is writing it. Raises OSError."""
        self._file.create()
        self._note_room()
        _log.info("“%s”: begun, as %s", self.name, self._file.hidden)

    def _publish(self, *, complete: bool = False) -> None:
        self._file.publish(durable=self.durable, complete=complete, with_name=self.name_durable)
        self.identity = self._file.identity
        _log.debug("“%s”: got its name after %d bytes", self.name, self.size)

    # The end

    def _write_rest(self) -> None:
        """Write the gathered pieces. If the file has failed, ignore further errors."""
        if self.failed:
            with suppress(OSError):  # the first error was raised
                self._flush()
        else:
            with Border(self._translate):
                self._check_synced()
                self._flush()

    def _settle(self) -> None:
        if self._file.hidden and self.failed:
            _log.warning("“%s”: given up: nothing of its %d bytes can be read", self.name, self.size)
            self._file.remove()
            self.size = self._kept_bytes = 0
        elif self._file.hidden:
            self._publish(complete=True)
        else:
            if self.failed:
                _log.warning("“%s”: cut to the %d of %d bytes that can be read", self.name, self._readable, self.size)
                os.ftruncate(self._file.fd, self._readable)
                self.size = self._kept_bytes = self._readable
            if self.durable:
                os.fsync(self._file.fd)

    def _check_place(self) -> None:
        """Raise DisplacedError, or pass it to ``on_loss``, if the name no longer refers to this file."""
        if self.failed or self.identity is None:
            return
        loss = self._file.find_loss(self._written, shortened=self._shortened)
        if loss is not None and self._on_loss is None:
            raise loss
        if loss is not None and self._on_loss is not None:
            self._on_loss(loss)

    def _rewrite(self) -> None:
        """Replace the finished file by its better arrangement, if there is one. If that fails, note why, and keep it."""
        if self.rearrange is None or self.failed or self._file.find_loss(self._written, shortened=self._shortened) is not None:
            return
        room = self.free_bytes
        try:
            if room is not None and room < self.size + SPARE_BYTES:
                raise OSError(errno.ENOSPC, "there is not enough disk space for a second copy")
            size = self._file.rewrite(self.rearrange(self._file.fd), durable=self.durable)
        except (OSError, ValueError) as error:
            why = (error.strerror if isinstance(error, OSError) else "") or error
            self._on_note(f"{self.name} keeps its index at the end: {why}")
        else:
            self.identity, self.size = self._file.identity, size or self.size

    def _close(self) -> None:
        self.failed = True
        with Border(self._translate):
            self._file.close()


class Syncer:
    """A thread that flushes a file to the disk again and again, so that a slow disk blocks no other thread.

    ``sync`` returns how many seconds to wait before the next time. ``error``: why flushing failed. Raises RuntimeError if the
    system has no thread left.
    """

    def __init__(self, sync: Callable[[], float]) -> None:
        self.error: OSError | None = None
        self._sync = sync
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="mscli-sync", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop flushing."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            wait_s = FLUSH_S
            while not self._stopping.wait(wait_s):
                wait_s = self._sync()
        except OSError as error:  # the system reports it once per open file, so keep it for the writer
            self.error = error


def sync_data(fd: int) -> None:
    """Flush a file's data to the disk, with the metadata that reading it needs."""
    getattr(os, "fdatasync", os.fsync)(fd)


def free_bytes(place: str | int) -> int | None:
    """Return the space that this user may use on the disk of a folder or an open file, in bytes, or None if unknown."""
    try:
        disk = os.statvfs(place)
    except OSError:  # the folder is gone, or the file was closed meanwhile
        return None
    return disk.f_bavail * disk.f_frsize


# Descriptors, pipes, devices and file objects.


class Headed(Output):
    """An output of a container whose header FFmpeg completes at the end. ``head`` puts into it what is known at the beginning.

    If the output cannot seek, this looks as if it could, because FFmpeg writes no header otherwise. What is written back is
    dropped.
    """

    def __init__(self, output: Output, head: Callable[[bytes], bytes]) -> None:
        self.name = output.name
        self._output = output
        self._head = head
        self._at = 0  # the position, in bytes

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Seek, as in ``io``."""
        self._at = offset + (0, self._at, self.size)[whence]
        if self._output.seekable():
            self._output.seek(self._at)  # type: ignore[attr-defined]  # it is seekable
        return self._at

    def tell(self) -> int:
        """Return the position, as in ``io``."""
        return self._at

    def _put(self, parts: list[memoryview]) -> int:
        if not self.size:
            self._output.write(self._head(b"".join(parts)))
        elif self._at == self.size or self._output.seekable():
            self._output.write_all(parts)
        return sum(part.nbytes for part in parts)

    def _grow(self, count: int) -> None:
        self._at += count
        self.size = max(self.size, self._at)


class FileObject(Output):
    """The caller's writable binary file object, which stays open."""

    def __init__(self, target: Any) -> None:
        self.name = str(getattr(target, "name", "the given file"))
        self._target = target

    def commit(self) -> None:
        """Flush it, if it can be flushed."""
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


class Memory(FileObject):
    """A recording in memory that is completed at its end: see ``Slices`` of ``mscli.api.recording``."""

    def __init__(self, target: Any) -> None:
        super().__init__(target)
        self._at = 0  # the position, in bytes

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Seek, as in ``io``."""
        self._at = offset + (0, self._at, self.size)[whence]
        self._target.seek(self._at)
        return self._at

    def tell(self) -> int:
        """Return the position, as in ``io``."""
        return self._at

    def finishing(self, unindexed: Callable[[bytes], bytes]) -> None:
        """Note that the rest completes the recording."""
        self._target.finishing(unindexed)

    def _grow(self, count: int) -> None:
        self._at += count
        self.size = max(self.size, self._at)


class Descriptor(Output):
    """The caller's open descriptor, which stays open."""

    def __init__(self, fd: int) -> None:
        self.name = _DESCRIPTOR_NAMES.get(fd, f"descriptor {fd}")
        self._fd = fd
        self._reader = OutputReader()
        self._taken = 0  # bytes taken by its reader
        self._abandoned_reader = False
        self.may_wait: Callable[[float], bool] | None = None  # called with the seconds of a stall; None: wait forever
        self.deferred = False  # whether the first write, not ``open``, waits for a reader

    def open(self) -> None:
        """Enlarge its buffer, if it is a pipe."""
        with Border(self._translate):
            kind = os.fstat(self._fd).st_mode
        if stat.S_ISFIFO(kind):
            _widen(self._fd)

    def abandon_reader(self) -> bool:
        """Redirect the descriptor to the null device if its reader is stalled. A write that a signal interrupts then fails.

        A file always accepts more, however slow its disk is.
        """
        if self._abandoned_reader or self._fd < 0:
            return False
        if self._reader.sleeps(self._fd, self._taken):
            self._abandoned_reader = True
            _log.warning("“%s”: given up after %d bytes: its reader sleeps", self.name, self._taken)
            point_nowhere(self._fd)
        return self._reader.kept_waiting

    def _put(self, parts: list[memoryview]) -> int:
        total = sum(part.nbytes for part in parts)
        wrote = self._write_some(parts)
        if wrote < total:
            rest = [part.cast("B") for part in parts]
            while rest := _after(rest, wrote):
                wrote = self._write_some(rest)
        if self._abandoned_reader:
            raise BlockingIOError(errno.EAGAIN, "")
        return total

    @property
    def taken(self) -> int:
        """Return how many bytes its reader can read, also of a write that has failed."""
        return self._taken

    @property
    def opens_late(self) -> bool:
        """Return whether ``open`` waits for a reader."""
        return False

    def _write_some(self, parts: list[memoryview]) -> int:
        if self.may_wait is not None:
            self._wait_for_reader(self.may_wait)
            parts = [parts[0].cast("B")[:_AT_ONCE_BYTES]]
        while True:
            try:
                wrote = _writev(self._fd, parts)
                self._taken += wrote
                return wrote
            except BlockingIOError:  # another process has made the shared pipe non-blocking
                takes_more(self._fd, None)

    def _wait_for_reader(self, may_wait: Callable[[float], bool]) -> None:
        """Wait until a small write does not block. Raises BlockingIOError once ``may_wait`` returns False."""
        since_s = monotonic()
        while not takes_more(self._fd, _POLL_S):
            if not may_wait(monotonic() - since_s):
                raise BlockingIOError(errno.EAGAIN, "")


class Special(Descriptor):
    """A device, pipe or socket with a path. It is written directly."""

    def __init__(self, path: str, *, over_device: bool = False, reopens: bool = False) -> None:
        """Remember the path. ``over_device``: whether a block device may be overwritten.

        ``reopens``: whether a FIFO whose reader leaves waits for the next one, who gets the header and whole frames.
        """
        super().__init__(-1)
        self.name = path
        self._over_device = over_device
        self._reopens = reopens
        self._joined = False  # whether the reader has got a frame at which decoding can start
        self._given_up = False  # whether to wait no longer for a reader
        self._awaited = False  # whether its reader has not come yet

    def open(self) -> None:
        """Open it. For a FIFO, wait for its reader, or if it is ``deferred``, do not: the first write does."""
        from mscli.core.folders import find_entry

        with Border(self._translate), find_entry(self.name) as entry:
            check_special(entry, entry.stat(), over_device=self._over_device)
            self._fd = self._opened(entry)
            if self._fd < 0:
                return
            check_special(entry, os.fstat(self._fd), over_device=self._over_device)
        _log.info("“%s”: opened", self.name)
        super().open()

    def _opened(self, entry: FolderEntry) -> int:
        """Return the descriptor, or -1 if a FIFO is deferred and has no reader yet."""
        if self.deferred and self.opens_late:
            self.deferred = False
            try:
                return _open_for_reader(entry, lambda _: False)
            except UnreadError:
                self._awaited = True
                return -1
        self._awaited = False
        return entry.open(os.O_WRONLY) if self.may_wait is None else _open_for_reader(entry, self._waits_longer)

    def _waits_longer(self, waited_s: float) -> bool:
        wanted = waited_s < SLEEPS_S or not self._given_up
        return wanted and (self.may_wait is None or self.may_wait(waited_s))

    def abandon_reader(self) -> bool:
        """Give up a reader that has not come, or is stalled."""
        self._given_up = True
        return super().abandon_reader()

    def _put(self, parts: list[memoryview]) -> int:
        if self._fd < 0:
            self.open()
        return super()._put(parts)

    def write_unit(self, parts: Sequence[bytes | memoryview], head: bytes = b"", *, key: bool = True) -> None:
        """Write a frame. If its reader leaves, wait for the next one, if that is wanted."""
        if not self._reopens:
            super().write_unit(parts, head, key=key)
            return
        if self._joined and _has_no_reader(self._fd):
            self._await_another()
        while self._joined or key:  # else a new reader waits for the next key frame
            try:
                self.write_all(parts if self._joined else (head, *parts))
                self._joined = True
                return
            except BrokenPipeError:
                self.failed = False
                self._await_another()

    def _await_another(self) -> None:
        """Wait for another reader, who gets nothing that was meant for the one before. Raises BrokenPipeError if none may come.

        The pipe stays open, so that a reader that opens it now does not find its end.
        """
        _log.info("“%s”: its reader has left after %d bytes; waiting for another", self.name, self.size)
        self._joined = False
        _empty(self.name, self._fd)
        since_s = monotonic()
        while _has_no_reader(self._fd):
            if not self._waits_longer(monotonic() - since_s):
                self.failed = True
                raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
            sleep(_POLL_S)

    @property
    def opens_late(self) -> bool:
        """Return whether it is a FIFO, because ``open`` then waits for a reader."""
        return stat.S_ISFIFO(os.stat(self.name).st_mode)

    def commit(self) -> None:
        """Close it. A reader that waits for the first byte learns of the end."""
        if self._awaited:
            self.deferred = True
            with suppress(OperationError):
                self.open()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            _log.info("“%s”: closed after %d bytes", self.name, self.size)


def check_special(entry: FolderEntry, found: os.stat_result | None, *, over_device: bool) -> None:
    """Raise an OSError if a pipe, device or socket may not be written.

    That is so if it belongs to another user in a sticky folder, if it is a socket or a block device, or if it has become a
    regular file.
    """
    if found is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    if not entry.trusts(found):
        from mscli.core.folders import DistrustedError

        raise DistrustedError("a pipe or device")
    if stat.S_ISREG(found.st_mode):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    if stat.S_ISSOCK(found.st_mode):
        raise SocketError(errno.ENXIO, os.strerror(errno.ENXIO))
    if stat.S_ISBLK(found.st_mode) and not over_device:
        raise BlockDeviceError(errno.EEXIST, os.strerror(errno.EEXIST))


def _open_for_reader(entry: FolderEntry, may_wait: Callable[[float], bool]) -> int:
    """Open a pipe once it has a reader. Raises OSError once ``may_wait`` returns False."""
    since_s = monotonic()
    while True:
        try:
            fd = entry.open(os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            if not may_wait(monotonic() - since_s):
                raise UnreadError(errno.ENXIO, os.strerror(errno.ENXIO)) from None
            sleep(_POLL_S)
        else:
            os.set_blocking(fd, True)
            return fd


def _after(parts: list[memoryview], count: int) -> list[memoryview]:
    """Return the parts without their first ``count`` bytes."""
    for index, part in enumerate(parts):
        if count < part.nbytes:
            return [part[count:], *parts[index + 1 :]]
        count -= part.nbytes
    return []


def _has_no_reader(fd: int) -> bool:
    """Return whether nobody has a FIFO open for reading."""
    import select

    poll = select.poll()
    poll.register(fd, 0)
    return any(events & select.POLLERR for _, events in poll.poll(0))


def _empty(path: str, fd: int) -> None:
    """Read what is left in a FIFO that we write to."""
    with suppress(OSError):
        reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            if os.path.samestat(os.fstat(reading), os.fstat(fd)):
                while os.read(reading, PIPE_BYTES):
                    pass
        finally:
            os.close(reading)


def write_fully(fd: int, parts: list[memoryview]) -> None:
    """Write all parts into a file. Raises OSError."""
    parts = [part.cast("B") for part in parts]
    while parts:
        parts = _after(parts, _writev(fd, parts))


def _writev(fd: int, parts: list[memoryview]) -> int:
    return os.writev(fd, parts) if hasattr(os, "writev") else os.write(fd, parts[0])


def _widen(fd: int) -> None:
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError):  # the user's limit of pipe memory is reached: keep the buffer's size
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


# The output for a target.


def output_for(
    target: Target, options: SinkOptions | None = None, *, on_loss: Callable[[DisplacedError], object] | None = None
) -> Output:
    """Return the output for a path, a descriptor or a file object, without opening it. ``on_loss``: see ``NamedFile``.

    Raises OperationError for problems that are known in advance: a folder, a missing folder, a file that may not be replaced.
    """
    if isinstance(target, int):
        return Descriptor(target)
    if not isinstance(target, str):
        return Memory(target) if getattr(target, "whole", False) else FileObject(target)
    own = re.fullmatch(_SELF, target)
    if own:
        return Descriptor(_STANDARD[own[2]] if own[2] else int(own[1]))
    try:
        return _at_path(target, options or SinkOptions(), on_loss)
    except OSError as error:
        raise output_error(target, error) from error


def _at_path(path: str, options: SinkOptions, on_loss: Callable[[DisplacedError], object] | None) -> Output:
    from mscli.core.folders import find_entry

    with find_entry(path) as entry:
        found = entry.stat()
        if found is not None and not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
            check_special(entry, found, over_device=options.over_device)
            return Special(path, over_device=options.over_device, reopens=options.reopen)
        from mscli.sinks.files.hidden import check_file

        check_file(entry, path, overwrite=options.overwrite)
    return NamedFile(path, options.overwrite, on_note=options.on_note, on_loss=on_loss)


def give_up_reader(output: Output, may_wait: Callable[[float], bool]) -> None:
    """Call ``may_wait`` with the seconds so far while an output's reader is stalled. If it returns False, writing fails."""
    if isinstance(output, Descriptor) and not output.seekable():
        output.may_wait = may_wait


def defer(output: Output) -> None:
    """Let the first write to an output wait for a reader, instead of ``open``."""
    if isinstance(output, Descriptor):
        output.deferred = True


class OutputSink(Sink):
    """The base class of sinks with one output."""

    def __init__(self, row: SinkRow, target: Target, options: SinkOptions) -> None:
        self.row = row
        self.options = options
        self.output = self._output_for(target)

    def _output_for(self, target: Target) -> Output:
        """Return the output for the target, without opening it."""
        return output_for(target, self.options)

    @property
    def name(self) -> str:  # type: ignore[override]
        """Return what people call the output."""
        return self.output.name

    @property
    def is_file(self) -> bool:
        """Return whether it is a regular file."""
        return self.output.seekable()

    @property
    def identity(self) -> tuple[int, int] | None:  # type: ignore[override]
        """Return the device and inode of a regular file that has its name."""
        return self.output.identity

    @property
    def bytes_written(self) -> int:
        """Return the bytes that the output has taken so far."""
        return self.output.size if self.output.kept_bytes is None else self.output.kept_bytes

    def abandon_reader(self) -> bool:
        """Give up a stalled reader."""
        return self.output.abandon_reader()

    def give_up_readers(self, may_wait: Callable[[float], bool]) -> None:
        """Call ``may_wait`` while a reader is stalled."""
        give_up_reader(self.output, may_wait)

    def defer(self) -> None:
        """Let the first write wait for a reader."""
        defer(self.output)

    @property
    def free_bytes(self) -> int | None:
        """Return the free space in bytes, or None if unknown."""
        return self.output.free_bytes

    def close(self) -> None:
        """Finish the output. Without any frame, none is created."""
        self.output.commit() if self.output.size else self.output.discard()

    def abort(self) -> None:
        """Give up."""
        self.output.discard()
