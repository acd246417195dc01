"""The names of a file that is being written: a hidden one until it can be read, then its own; and whether it still has that.

A file is written under a hidden name in its own folder (``.NAME.part``) and renamed while it stays open
(https://man7.org/linux/man-pages/man2/rename.2.html), so a file with the requested name can always be read. The folder is
opened once, and everything happens through its descriptor: see ``mscli.core.folders``.

No other mscli writes a file with this name at the same time: the open file and ``.NAME.part`` are locked
(https://man7.org/linux/man-pages/man2/flock.2.html), even if ``.NAME.part`` belongs to another user.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import chain, count

from mscli.core.errors import DisplacedError
from mscli.core.folders import DistrustedError, FolderEntry, find_entry
from mscli.core.log import Log

_log = Log("sinks")

_LONGEST = 255 - len("..12345678.123.part")  # the most bytes of a name that fit into its hidden name
_LEAVE = "do not touch the file until the recording has ended"
_MODES = 0o777  # the mode bits that a new file takes over from the one that it replaces


class HiddenFile:
    """An open file that has a hidden name from ``create`` until ``publish``. ``on_note`` gets messages for people."""

    def __init__(self, path: str, on_note: Callable[[str], object], *, overwrite: bool) -> None:
        self.path = path
        self.fd = -1  # its descriptor, while it is open
        self.hidden = ""  # its hidden name, until it gets its final name
        self.identity: tuple[int, int] | None = None  # its device and inode, once it has its final name
        self._overwrite = overwrite
        self._on_note = on_note
        self._entry: FolderEntry | None = None  # its folder and name, while it is open
        self._followed = -1  # a descriptor opened by its final name, which follows it when it is moved
        self._guards: list[int] = []  # open leftover files with its hidden names; their locks keep other programs away

    def check(self) -> None:
        """Raise the OSError that ``create`` would raise, as far as that is known in advance."""
        with find_entry(self.path) as entry:
            check_file(entry, self.path, overwrite=self._overwrite)

    def create(self) -> None:
        """Create the file under a hidden name, unless another program is writing it. Raises OSError."""
        self._entry = entry = find_entry(self.path)
        try:
            old = _check_name(entry, self.path, overwrite=self._overwrite)  # the rest shows when it is created
            kept = old if old is not None and entry.trusts(old) else None
            self._claim(entry, 0o666 if kept is None else 0o600)
            if kept is not None:
                _take_over(self.fd, kept)
        except BaseException:
            if self.hidden:
                self.remove()
            self.close()
            raise

    def _claim(self, entry: FolderEntry, mode: int) -> None:
        """Create and lock a file with the first free hidden name, and lock leftovers before it. Raises OSError (EBUSY)."""
        for number in count(1):
            name = _hidden_name(entry.name, number)
            try:
                self.fd = entry.open(os.O_RDWR | os.O_CREAT | os.O_EXCL, name, mode)
            except FileExistsError:
                self._pass_over(entry, name)
            else:
                self.hidden = name
                _lock(self.fd)
                ours = [identity(os.fstat(guard)) for guard in self._guards]
                _check_unused(entry, entry.name, ours if self.identity is None else [*ours, self.identity])
                return

    def _pass_over(self, entry: FolderEntry, name: str) -> None:
        """Keep a leftover hidden file, and report it. Raises OSError (EBUSY) if another program is writing it."""
        guard = _lock_left_over(entry, name)
        if guard >= 0:
            self._guards.append(guard)
        self._on_note(f"found {self._beside(name)}, left behind by a run that was killed; remove it if you do not need it")

    def _beside(self, name: str) -> str:
        """Return the path of another name in the folder."""
        return os.path.join(os.path.dirname(self.path), name)

    def publish(self, *, durable: bool, complete: bool = False, with_name: bool = True) -> None:
        """Give the file its final name. If that fails, remove it. Raises OSError.

        ``durable``: flush the file to the disk, and ``with_name`` its name, too. ``complete``: whether it will not grow, and is
        closed next.
        """
        assert self._entry is not None, "created"
        try:
            if durable:
                os.fsync(self.fd)
            self._take_name(self._entry)
            self.identity = identity(os.fstat(self.fd))
        except OSError:
            self.remove()
            raise
        if not complete:
            with suppress(OSError):  # it has been moved already
                self._followed = self._entry.open(getattr(os, "O_PATH", os.O_RDONLY))
        if durable and with_name:
            with suppress(OSError):  # not every file system can
                self._entry.sync()

    def _take_name(self, entry: FolderEntry) -> None:
        """Rename the file to its final name, which must be free unless it may be replaced."""
        if not self._overwrite:
            try:
                entry.link(self.hidden)
            except FileExistsError:
                raise
            except OSError:  # hard links are not supported: reserve the name with an empty file
                os.close(entry.open(os.O_WRONLY | os.O_CREAT | os.O_EXCL))
            else:
                self.remove()
                return
        try:
            entry.rename(self.hidden)
        except PermissionError:
            if entry.stat() is not None:
                raise
            entry.link(self.hidden)  # files can be created here, but not removed
            self.remove()
        self.hidden = ""

    def remove(self) -> None:
        """Remove the hidden name. If that fails, report it."""
        name, self.hidden = self.hidden, ""
        assert self._entry is not None, "created"
        try:
            self._entry.unlink(name)
        except FileNotFoundError:
            pass
        except OSError as error:
            self._on_note(f"cannot remove {self._beside(name)}, a second name of {self.path}: {error.strerror}")

    def rewrite(self, pieces: Iterable[bytes], *, durable: bool) -> int | None:
        """Replace the finished file at once by another one that consists of the pieces. Return its size in bytes.

        Without pieces, do nothing and return None. If anything fails, the file stays. Raises OSError.
        """
        assert self._entry is not None, "created"
        pieces = iter(pieces)
        first, old = next(pieces, None), self.fd
        if first is None:
            return None
        try:
            self._claim(self._entry, 0o600)
            _take_over(self.fd, os.fstat(old))
            for piece in chain([first], pieces):
                left = memoryview(piece)
                while left:
                    left = left[os.write(self.fd, left) :]
            if durable:
                os.fsync(self.fd)
            named, new = self._entry.stat(), os.fstat(self.fd)
            if named is None or identity(named) != self.identity:
                raise OSError(errno.ESTALE, "its name is another file now")
            self._entry.rename(self.hidden)
        except BaseException:
            if self.hidden:
                self.remove()
            raise
        finally:
            if self.fd != old:
                os.close(old)
        self.hidden, self.identity = "", identity(new)
        if durable:
            with suppress(OSError):  # not every file system can
                self._entry.sync()
        return new.st_size

    def find_loss(self, size: int, *, shortened: bool) -> DisplacedError | None:
        """Return the error about a name that no longer refers to this file, or about changes by another program, or None.

        ``size``: the bytes that were written; ``shortened``: whether there were fewer at any time.
        """
        own = os.fstat(self.fd)
        try:
            there = identity(os.stat(self.path))
        except OSError:
            there = None
        if there == self.identity:
            if own.st_size == size and not shortened:
                return None
            what = "was changed by another program while it was written, and may be unusable"
            return DisplacedError(f"{self.path} {what}", hints=[_LEAVE])
        what = "was moved or removed" if there is None else "was replaced"
        moved = _path_of(self._followed, self.identity)
        lost = f"its {size} bytes are lost" if not own.st_nlink else "the recording has another name now"
        rest = f"the recording is now {moved}" if moved else lost
        return DisplacedError(f"{self.path} {what} while it was written; {rest}", hints=[_LEAVE])

    def close(self) -> None:
        """Close all descriptors. Raises OSError: a file on a network may report only now that its disk is full."""
        fd, entry, others = self.fd, self._entry, [*self._guards, self._followed]
        self.fd, self._entry, self._guards, self._followed = -1, None, [], -1
        if entry is not None:
            entry.close()
        for other in others:
            if other >= 0:
                os.close(other)
        if fd >= 0:
            os.close(fd)


def check_file(entry: FolderEntry, path: str, *, overwrite: bool) -> None:
    """Raise the OSError that creating the file would raise, as far as that is known in advance."""
    _check_name(entry, path, overwrite=overwrite)
    if os.statvfs(entry.folder).f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    if not os.access(".", os.W_OK | os.X_OK, dir_fd=entry.folder, effective_ids=True):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    for name in (entry.name, _hidden_name(entry.name, 1)):
        _check_unused(entry, name)


def _check_name(entry: FolderEntry, path: str, *, overwrite: bool) -> os.stat_result | None:
    """Return what has the name of the file, if anything. Raises OSError unless it may be replaced."""
    found = entry.stat()
    if path.endswith("/") or (found is not None and stat.S_ISDIR(found.st_mode)):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if found is not None and not stat.S_ISREG(found.st_mode):
        if entry.trusts(found):
            raise OSError(errno.EINVAL, "it is not a regular file")
        raise DistrustedError("a link, pipe or device")  # it was a file or nothing before
    if found is not None and not overwrite:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    return found


def is_taken(path: str) -> bool:
    """Return whether there is a file of this name, or another program is writing one."""
    if os.path.lexists(path):
        return True
    folder, name = os.path.split(path)
    hidden = _hidden_name(name, 1)
    if not os.path.lexists(os.path.join(folder, hidden)):
        return False
    try:
        with find_entry(path) as entry:
            _check_unused(entry, hidden)
    except OSError as error:
        return error.errno == errno.EBUSY
    return False


def _hidden_name(name: str, number: int) -> str:
    """Return the hidden name of a file. A name that is too long is cut and gets a checksum, which keeps it unique."""
    whole = os.fsencode(name)
    if len(whole) > _LONGEST:
        name = f"{os.fsdecode(whole[:_LONGEST])}.{zlib.crc32(whole):08x}"
    return f".{name}.part" if number == 1 else f".{name}.{number}.part"


def _lock(fd: int, how: int = fcntl.LOCK_EX) -> None:
    """Lock an open file, if its file system supports locks. Raises OSError (EBUSY) if another program has locked it."""
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY)) from None
    except OSError:
        _log.debug("descriptor %d cannot be locked", fd)


def _lock_left_over(entry: FolderEntry, name: str) -> int:
    """Open and lock a leftover file, and return its descriptor, or -1 if it cannot be opened or trusted.

    Raises OSError (EBUSY) if another program is writing it.
    """
    try:
        found = entry.stat(name)
        fd = -1 if found is None or not entry.trusts(found) else entry.open(os.O_RDONLY | os.O_NONBLOCK, name)
    except OSError:
        return -1
    if fd >= 0:
        try:
            _lock(fd)
        except OSError:
            os.close(fd)
            raise
    return fd


def _check_unused(entry: FolderEntry, name: str, ours: Sequence[tuple[int, int]] = ()) -> None:
    """Raise OSError (EBUSY) if another program is writing the file ``name``. ``ours``: files that are locked here."""
    found = entry.stat(name)
    if found is None or not stat.S_ISREG(found.st_mode) or not entry.trusts(found) or identity(found) in ours:
        return
    try:
        fd = entry.open(os.O_RDONLY | os.O_NONBLOCK, name)
    except OSError:  # without read permission this cannot be checked
        return
    try:
        _lock(fd, fcntl.LOCK_SH)
    finally:
        os.close(fd)


def _take_over(fd: int, old: os.stat_result) -> None:
    """Give a new file the owner, group and mode of the one that it replaces, as far as this user may.

    If the group cannot be kept, the new group gets no more permissions than everybody has.
    """
    for owner, group in ((old.st_uid, old.st_gid), (-1, old.st_gid)):
        with suppress(OSError):
            os.fchown(fd, owner, group)
            break
    mode = old.st_mode & _MODES
    if os.fstat(fd).st_gid != old.st_gid:
        mode &= ~stat.S_IRWXG | (mode & stat.S_IRWXO) << 3
    with suppress(OSError):  # the file system has no modes
        os.fchmod(fd, mode)


def _path_of(fd: int, wanted: tuple[int, int] | None) -> str:
    """Return the current path of an open file, from the kernel, or "" if it has none or is not the file ``wanted``."""
    with suppress(OSError):
        path = os.readlink(f"/proc/self/fd/{fd}")
        if identity(os.stat(path)) == wanted:
            return path
    return ""


def identity(found: os.stat_result) -> tuple[int, int]:
    """Return a file's device and inode, which identify it under any name while it is open or exists."""
    return found.st_dev, found.st_ino


def identity_of(target: object) -> tuple[int, int] | None:
    """Return the identity of the file with a name, or None if there is none."""
    try:
        return identity(os.stat(target)) if isinstance(target, str) else None
    except OSError:
        return None
