"""Files that get their name once they can be read.

A file is written under a hidden name in its own folder (``.NAME.xxxxxx.part``) and renamed while it stays open
(https://man7.org/linux/man-pages/man2/rename.2.html), so that what stands under the asked name can always be read.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from typing import TYPE_CHECKING

from mscli.sinks.base import Sink, SinkOptions
from mscli.sinks.outputs import Border, Descriptor, FileObject, Output, Special, output_error
from mscli.sinks.syncing import Syncer, sync_data, sync_folder

if TYPE_CHECKING:
    from mscli.sinks import SinkRow, Target

_TEMPORARY_BYTES = len(".123456.part") + 1  # of a name, beyond the asked one
_NAME_BYTES = 255

_SELF = re.compile(r"/(?:dev|proc/self)/fd/(\d+)|/dev/std(in|out|err)")
_STANDARD = {"in": 0, "out": 1, "err": 2}


class NamedFile(Descriptor):
    """A regular file, under a hidden name from its first byte to its first ``mark``, or to ``commit`` where there is none."""

    def __init__(self, path: str, overwrite: bool) -> None:
        super().__init__(-1)
        self.name = path
        self._overwrite = overwrite
        self._path = os.path.realpath(path)  # what a symbolic link points to is replaced, not the link
        self._temporary = ""
        self._at = 0  # bytes from the start
        self._readable = 0  # bytes that were marked
        self._syncer: Syncer | None = None

    def open(self) -> None:
        """See that it can be made. Nothing is made before the first byte, so that nothing is left if there is none."""
        with Border(self._translate):
            check_file(self._path, overwrite=self._overwrite)

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """As in ``io``. Who goes back changes a head that speaks of the rest: that is on the disk before it."""
        self._at = os.lseek(self._fd, offset, whence) if not self.failed else offset
        if self.durable and self._at < self.size and not self.failed:
            with Border(self._translate):
                sync_data(self._fd)
        return self._at

    def tell(self) -> int:
        """As in ``io``."""
        return self._at

    @property
    def readable(self) -> bool:
        """Whether the file has its name."""
        return self._readable > 0 and self.identity is not None

    @property
    def free_bytes(self) -> int | None:
        """What its disk has for this user."""
        return free_bytes(self._fd if self._fd >= 0 else os.path.dirname(self._path))

    def mark(self) -> None:
        """Give the file its name, if it has none yet."""
        self._readable = self.size
        with Border(self._translate):
            if self.on_mark is not None:
                self.on_mark(self._fd, self.size)
            if self._temporary:
                self._publish()
        if self.durable and self._syncer is None:
            self._syncer = Syncer(self._fd)

    def commit(self) -> None:
        """Name and close the file; cut it to what was marked, or remove it, after an error. Raises OperationError."""
        if self._fd < 0:
            return
        if self._syncer is not None:
            self._syncer.stop()
        try:
            with Border(self._translate):
                self._settle()
                self._check_synced()
        finally:
            fd, self._fd, self.failed = self._fd, -1, True  # nothing more is written
            with Border(self._translate):
                os.close(fd)  # a file on a network may find only now that its disk is full

    def _settle(self) -> None:
        if self._temporary and self.failed:
            self._remove()
        elif self._temporary:
            self._publish()
        else:
            if self.failed:
                os.ftruncate(self._fd, self._readable)
            if self.durable:
                os.fsync(self._fd)

    def _put(self, parts: list[memoryview]) -> int:
        while self._fd < 0:
            self._create()
        self._check_synced()
        return super()._put(parts)

    def _check_synced(self) -> None:
        """Raise what the disk has said of bytes that it took before."""
        if self._syncer is not None and self._syncer.error is not None:
            raise self._syncer.error

    def _create(self) -> None:
        folder, name = os.path.split(self._path)
        short = os.fsdecode(os.fsencode(name)[: _NAME_BYTES - _TEMPORARY_BYTES])
        path = os.path.join(folder, f".{short}.{os.urandom(3).hex()}.part")
        with contextlib.suppress(FileExistsError):
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
            self._temporary = path

    def _grow(self, count: int) -> None:
        self._at += count
        self.size = max(self.size, self._at)

    def _publish(self) -> None:
        try:
            if self.durable:
                os.fsync(self._fd)
            if self._overwrite or not _moved(self._temporary, self._path):
                os.replace(self._temporary, self._path)
            self.identity = identity(os.fstat(self._fd))
        except OSError:
            self._remove()
            raise
        self._temporary = ""
        if self.durable:
            sync_folder(os.path.dirname(self._path))

    def _remove(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._temporary)
        self._temporary = ""


def identity(found: os.stat_result) -> tuple[int, int]:
    """By which a file is the same under whatever name, for as long as it is open or there."""
    return found.st_dev, found.st_ino


def free_bytes(place: str | int) -> int | None:
    """Bytes that the disk of a folder or an open file has for this user; None where the system does not tell."""
    if not hasattr(os, "statvfs"):
        return None
    try:
        disk = os.statvfs(place)
    except OSError:  # the folder is gone, or the file was closed meanwhile
        return None
    return disk.f_bavail * disk.f_frsize


def output_for(target: Target, *, overwrite: bool = True) -> Output:
    """The output that a path, a descriptor or a file object stands for, not yet opened.

    Raises OperationError for what can be known before: a folder, a missing folder, a file that may not be replaced.
    """
    if isinstance(target, int):
        return Descriptor(target)
    if not isinstance(target, str):
        return FileObject(target)
    own = _SELF.fullmatch(target)
    if own:
        return Descriptor(_STANDARD[own[2]] if own[2] else int(own[1]))
    return _at_path(target, overwrite)


def _at_path(path: str, overwrite: bool) -> Output:
    try:
        kind = _kind(path)
        if kind and not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
            return Special(path)
        check_file(path, overwrite=overwrite)
    except OSError as error:
        raise output_error(path, error) from error
    return NamedFile(path, overwrite)


def check_file(path: str, *, overwrite: bool) -> None:
    """Raise the OSError that making the file would meet, as far as it can be known."""
    kind = _kind(path)
    if stat.S_ISDIR(kind) or path.endswith("/"):
        raise IsADirectoryError(errno.EISDIR, "")
    if kind and not overwrite:
        raise FileExistsError(errno.EEXIST, "")
    folder = os.path.dirname(os.path.realpath(path))
    os.stat(folder)
    if hasattr(os, "statvfs") and os.statvfs(folder).f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, "")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "")


def _kind(path: str) -> int:
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return 0


def _moved(temporary: str, path: str) -> bool:
    """Move the file to a name that must be free. False where there are no links: then the name is held by an empty file."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        return False
    os.unlink(temporary)
    return True


class OutputSink(Sink):
    """A sink with one output: what the sinks of this folder have in common."""

    def __init__(self, row: SinkRow, target: Target, options: SinkOptions) -> None:
        self.row = row
        self.options = options
        self.output = output_for(target, overwrite=options.overwrite)

    @property
    def bytes_written(self) -> int:
        """Bytes that the output has taken so far."""
        return self.output.size

    def forsake(self) -> bool:
        """Give up a reader that sleeps."""
        return self.output.forsake()

    @property
    def free_bytes(self) -> int | None:
        """Bytes that there is room for; None where that is not known."""
        return self.output.free_bytes

    def close(self) -> None:
        """Finish the output; without a frame there is none."""
        self.output.commit() if self.output.size else self.output.discard()

    def abort(self) -> None:
        """Give up."""
        self.output.discard()
