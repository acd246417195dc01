"""Resolve a path to an open folder and a name in it.

A path is walked once, part by part, through descriptors. Everything after that happens in the folder that was found,
whatever others do to the path, and follows no links. In a sticky folder such as ``/tmp``, where everybody may create files,
a link or a special file is only trusted if it belongs to this user or to the owner of the folder. The kernel has the same
rules, ``protected_symlinks`` and ``protected_fifos``: https://docs.kernel.org/admin-guide/sysctl/fs.html
"""

from __future__ import annotations

import errno
import os
import stat
from types import TracebackType

SMALL_BYTES = 1 << 20  # of a file of logins or tokens

_MOST_LINKS = 40  # the kernel's limit
_FOLDER = os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)  # O_PATH needs no permission to list


def is_small_file(path: str) -> bool:
    """Return whether this is an ordinary file that can be read as a whole. Raises OSError if it is absent."""
    found = os.stat(path)
    return stat.S_ISREG(found.st_mode) and found.st_size <= SMALL_BYTES


class DistrustedError(PermissionError):
    """An error: something that another user owns is in the way in a sticky folder. ``what``: a noun with its article."""

    def __init__(self, what: str) -> None:
        super().__init__(errno.EACCES, f"{what} of another user has this name, in a folder in which everyone may create files")


class FolderEntry:
    """A name in an open folder. Leaving this context manager closes the folder."""

    def __init__(self, folder: int, name: str, *, kernel_follows: bool = False) -> None:
        """Take over ``folder``. ``kernel_follows``: only the kernel can follow the name, a link to a process's descriptor."""
        self.folder = folder
        self.name = name
        self._follow = kernel_follows

    def __enter__(self) -> FolderEntry:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the folder."""
        os.close(self.folder)

    def stat(self, name: str = "") -> os.stat_result | None:
        """Return the status of the name, or of another one in its folder, or None if it does not exist."""
        try:
            return os.stat(name or self.name, dir_fd=self.folder, follow_symlinks=self._follow)
        except FileNotFoundError:
            return None

    def trusts(self, found: os.stat_result) -> bool:
        """Return whether a file in this folder belongs to somebody whom this user can trust."""
        return _is_trusted(self.folder, found)

    def open(self, flags: int, name: str = "", mode: int = 0o666) -> int:
        """Open the name, or another one in its folder, without following links."""
        flags |= 0 if self._follow else os.O_NOFOLLOW
        return os.open(name or self.name, flags, mode, dir_fd=self.folder)

    def link(self, other: str) -> None:
        """Give this name to the file ``other`` too. Raises FileExistsError if the name is taken."""
        os.link(other, self.name, src_dir_fd=self.folder, dst_dir_fd=self.folder, follow_symlinks=False)

    def rename(self, other: str) -> None:
        """Rename the file ``other`` to this name, replacing any other file."""
        os.rename(other, self.name, src_dir_fd=self.folder, dst_dir_fd=self.folder)

    def unlink(self, name: str) -> None:
        """Remove a name."""
        os.unlink(name, dir_fd=self.folder)

    def sync(self) -> None:
        """Flush the folder's names to the disk."""
        sync_folder(".", self.folder)


def sync_folder(path: str, within: int | None = None) -> None:
    """Flush the names in a folder to the disk. ``within``: the open folder in which a relative path begins."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=within)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def find_entry(path: str) -> FolderEntry:
    """Return the entry to which a path leads. A link at its end is followed.

    Raises the same OSErrors as opening a file, and DistrustedError for a link of another user in a sticky folder.
    """
    walk = _Walk(path)
    try:
        return walk.to_end()
    except BaseException:
        os.close(walk.folder)
        raise


class _Walk:
    def __init__(self, path: str) -> None:
        if not path:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        self._left = path.split("/")[::-1]  # the next part is the last
        self._links = 0
        self.folder = os.open("/" if path.startswith("/") else ".", _FOLDER)

    def to_end(self) -> FolderEntry:
        while True:
            part = self._left.pop()
            if part in ("", ".") and self._left:
                continue
            try:
                found = os.stat(part or ".", dir_fd=self.folder, follow_symlinks=False)
            except FileNotFoundError:
                if any(self._left):
                    raise
                return FolderEntry(self.folder, part)
            if stat.S_ISLNK(found.st_mode):
                if self._is_kernels_own(part, found):
                    return FolderEntry(self.folder, part, kernel_follows=True)
                self._follow(part, found)
            elif self._left:
                self._enter(part, os.O_NOFOLLOW)
            else:
                return FolderEntry(self.folder, part or ".")

    def _is_kernels_own(self, part: str, link: os.stat_result) -> bool:
        """Return whether the last part is a link like /proc/PID/fd/N to an open pipe, device or removed file without a path."""
        if self._left or not _is_in_proc(link):
            return False
        behind = os.stat(part, dir_fd=self.folder)
        try:
            named = os.stat(os.readlink(part, dir_fd=self.folder))
        except OSError:
            return True
        return not stat.S_ISREG(behind.st_mode) or not os.path.samestat(behind, named)

    def _follow(self, part: str, link: os.stat_result) -> None:
        if not _is_trusted(self.folder, link):
            raise DistrustedError("a link")
        self._links += 1
        if self._links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        if self._left and _is_in_proc(link):
            self._enter(part, 0)
            return
        target = os.readlink(part, dir_fd=self.folder)
        self._left += target.split("/")[::-1]
        if target.startswith("/"):
            self._enter("/", 0)

    def _enter(self, part: str, flags: int) -> None:
        folder = os.open(part, _FOLDER | flags, dir_fd=self.folder)
        os.close(self.folder)
        self.folder = folder


def _is_trusted(folder: int, found: os.stat_result) -> bool:
    of_folder = os.fstat(folder)
    return not of_folder.st_mode & stat.S_ISVTX or found.st_uid in (os.geteuid(), of_folder.st_uid)


def _is_in_proc(link: os.stat_result) -> bool:
    """Return whether the link is in /proc. The kernel may know its target better than its text says."""
    try:
        return link.st_dev == os.stat("/proc/self").st_dev
    except OSError:
        return False
