"""A Unix socket that listens at a path, accessible only to its owner, in folders in which everyone may create files too."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import suppress

from mscli.core.folders import DistrustedError, FolderEntry, find_entry

_MODE = stat.S_IRUSR | stat.S_IWUSR
_NO_LISTENER = (errno.ECONNREFUSED, errno.ENOENT)


class PathTakenError(OSError):
    """An error: something else has the path of a socket. ``strerror``: what."""

    def __init__(self, why: str) -> None:
        super().__init__(errno.EADDRINUSE, why)


class UnixListener:
    """A socket that listens at a path until ``close``. It replaces one to which nobody listens any more.

    Raises OSError if it cannot be created, PathTakenError if the path is taken, DistrustedError for a link or a socket of
    another user in a sticky folder.
    """

    def __init__(self, path: str, backlog: int) -> None:
        self._entry = _entry(path)
        try:
            self.socket = _listening(self._entry, path, backlog)
        except BaseException:
            self._entry.close()
            raise
        self._identity = _identity(self._entry)

    def close(self) -> None:
        """Remove the socket, unless something else has taken its path."""
        self.socket.close()
        with suppress(OSError), self._entry as entry:
            if _identity(entry) == self._identity:
                entry.unlink(entry.name)


def _entry(path: str) -> FolderEntry:
    """Return the entry of the socket. A link at the end of the path is not followed, as ``bind`` follows none."""
    folder, name = os.path.split(path.rstrip("/"))
    entry = find_entry(f"{folder or '.'}/.")
    entry.name = name or "."
    return entry


def _listening(entry: FolderEntry, path: str, backlog: int) -> socket.socket:
    there = f"/proc/self/fd/{entry.folder}"  # the folder that was found, whatever becomes of its path
    address = os.path.join(there, entry.name) if os.path.exists(there) else os.path.abspath(path)
    _make_room(entry, address)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with suppress(OSError):
            os.fchmod(made.fileno(), _MODE)  # on Linux, bind then creates the socket with this mode
        made.bind(address)
        if stat.S_IMODE(os.lstat(address).st_mode) != _MODE:
            os.chmod(address, _MODE)
        made.listen(backlog)
        made.setblocking(False)
    except BaseException:
        made.close()
        raise
    return made


def _make_room(entry: FolderEntry, address: str) -> None:
    """Remove a socket without a listener."""
    found = entry.stat()
    if found is None:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise PathTakenError("the name belongs to something that is not a socket")
    if not entry.trusts(found):
        raise DistrustedError("a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)
        try:
            asking.connect(address)
        except OSError as error:
            if error.errno in _NO_LISTENER:
                _remove_stale(entry)
                return
            if error.errno != errno.EAGAIN:  # EAGAIN means that somebody listens but is busy
                raise
    raise PathTakenError("another program listens on it")


def _remove_stale(entry: FolderEntry) -> None:
    try:
        entry.unlink(entry.name)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise OSError(error.errno, f"an old socket cannot be removed: {error.strerror}") from error


def _identity(entry: FolderEntry) -> tuple[int, int] | None:
    found = entry.stat()
    return None if found is None else (found.st_dev, found.st_ino)
