"""One opened video node (/dev/video0), and its errors said for people.

https://docs.kernel.org/userspace-api/media/v4l/func-open.html
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import Any, TypeVar

from mscli.core.errors import DOMException, NotAllowedError, NotReadableError
from mscli.sources import v4l2_abi as abi

UNPLUGGED = frozenset({errno.ENODEV, errno.ENXIO, errno.ENOENT})
UNKNOWN = frozenset({errno.EINVAL, errno.ENOTTY, errno.ENODATA})  # no such request, or nothing (more) to tell

Entry = TypeVar("Entry", abi.FormatDescription, abi.FrameSize, abi.FrameInterval)


class Node:
    """An open video node. Every failure of the driver is raised as one of ``mscli.core.errors``, naming the camera.

    Raises NotAllowedError and NotReadableError from the constructor as well. ``label`` is the camera's name for messages.
    """

    def __init__(self, path: str, label: str = "") -> None:
        self.path = path
        self.label = label
        try:
            self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise self.failure(error, "be opened") from error

    def __enter__(self) -> Node:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the node back; a second time nothing happens."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def call(self, request: int, argument: Any, doing: str) -> None:
        """Ask the driver for what must work. ``doing`` ends the sentence “camera … cannot …”."""
        try:
            abi.ioctl(self.fd, request, argument)
        except OSError as error:
            raise self.failure(error, doing) from error

    def ask(self, request: int, argument: Any) -> bool:
        """Ask for what the driver may not have; whether it had it."""
        try:
            abi.ioctl(self.fd, request, argument)
        except OSError as error:
            if error.errno in UNKNOWN:
                return False
            raise self.failure(error, "tell what it can do") from error
        return True

    def enumerate(self, request: int, first: Entry) -> Iterator[Entry]:
        """All entries of one of the driver's lists; ``first`` says which list."""
        kind = type(first)
        entry = kind.from_buffer_copy(first)
        while self.ask(request, entry):
            yield entry
            following = kind.from_buffer_copy(first)
            following.index = entry.index + 1
            entry = following

    def capability(self) -> tuple[str, int]:
        """The card's name, and the capabilities (``CAP_…`` flags) of this node, not of its whole device."""
        found = abi.Capability()
        self.call(abi.QUERYCAP, found, "tell what it is")
        caps = found.device_caps if found.capabilities & abi.CAP_DEVICE_CAPS else found.capabilities
        return found.card.decode("utf-8", "replace").strip(), caps

    def failure(self, error: OSError, doing: str) -> DOMException:
        """The error for people: what happened to which camera, why, and what to do about it."""
        camera = f"camera “{self.label}” ({self.path})" if self.label else f"camera {self.path}"
        if error.errno in UNPLUGGED:
            return NotReadableError(f"{camera} was unplugged, or its driver was removed", hints=["plug it in again"])
        if error.errno in (errno.EACCES, errno.EPERM):
            return NotAllowedError(f"{camera} may not be used by this user", hints=permission_hints(self.path))
        if error.errno == errno.EBUSY:
            return NotReadableError(f"{camera} is in use by {holders(self.path)}", hints=["close the other program"])
        if error.errno == errno.ENOSPC:
            hints = ["use another USB port", "ask for a smaller size, a lower rate, or MJPEG"]
            return NotReadableError(f"{camera} cannot {doing}: the USB bus has no bandwidth left", hints=hints)
        return NotReadableError(f"{camera} cannot {doing}: {os.strerror(error.errno or 0)}")


def permission_hints(path: str) -> list[str]:
    """What would let this user open the node: its group if that has access, else its owner."""
    import grp

    try:
        status = os.stat(path)
        group = grp.getgrgid(status.st_gid).gr_name
    except (OSError, KeyError):
        return ["ask this machine's administrator for access to it"]
    if status.st_mode & 0o060 == 0o060 and status.st_gid != 0:
        return [f"join the group “{group}”, which may: `sudo usermod -aG {group} $USER`, then log in again"]
    return [f"only root may: `sudo setfacl -m u:$USER:rw {path}`, or run udev, which sets such permissions"]


def holders(path: str) -> str:
    """Who has the node open, with name and pid, as far as this user may know."""
    found = [f"{_process_name(pid)} (pid {pid})" for pid in _pids() if pid != os.getpid() and _has_open(pid, path)]
    return ", ".join(found) if found else "another program"


def _pids() -> list[int]:
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())


def _has_open(pid: int, path: str) -> bool:
    folder = f"/proc/{pid}/fd"
    try:
        return any(_points_to(os.path.join(folder, fd), path) for fd in os.listdir(folder))
    except OSError:  # another user's process, or one that has just ended
        return False


def _points_to(link: str, path: str) -> bool:
    try:
        return os.readlink(link) == path
    except OSError:
        return False


def _process_name(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return "a program"
