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
from mscli.sources.trouble import holders, in_container, permission_remedy

SYSFS = "/sys/class/video4linux"
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

    @property
    def _sysfs(self) -> str:
        """Where the kernel describes it, as long as it is plugged in."""
        return os.path.join(SYSFS, os.path.basename(self.path))

    def in_use(self, buffer_type: int) -> DOMException | None:
        """The error that says which other program uses the camera, if one does.

        Asking for no buffers changes nothing, but is refused to all who are not the owner of those that there are.
        """
        try:
            abi.ioctl(self.fd, abi.REQBUFS, abi.RequestBuffers(0, buffer_type, abi.MEMORY_MMAP))
        except OSError as error:
            return self.failure(error, "be used") if error.errno == errno.EBUSY and not holders(self.path).ours else None
        return None

    def failure(self, error: OSError, doing: str) -> DOMException:
        """The error for people: what happened to which camera, why, and what to do about it."""
        camera = f"camera “{self.label}” ({self.path})" if self.label else f"camera {self.path}"
        if error.errno in (errno.ENOENT, errno.EPERM) and os.path.exists(self._sysfs) and in_container():
            hints = [f"start the container with --device {self.path}"]
            return NotAllowedError(f"{camera} was not given to this container", hints=hints)
        if error.errno in UNPLUGGED:
            return NotReadableError(f"{camera} was unplugged, or its driver was removed", hints=["plug it in again"])
        if error.errno in (errno.EACCES, errno.EPERM):
            return NotAllowedError(f"{camera} may not be used by this user", hints=[permission_remedy(self.path)])
        if error.errno == errno.EBUSY:
            holding = holders(self.path)
            return NotReadableError(f"{camera} is in use by {holding.who}", hints=[holding.remedy])
        if error.errno == errno.ENOSPC:
            hints = ["use a port of another USB controller, or ask for a smaller size, a lower rate, or MJPEG"]
            return NotReadableError(f"{camera} cannot {doing}: the USB bus has no bandwidth left", hints=hints)
        return NotReadableError(f"{camera} cannot {doing}: {os.strerror(error.errno or 0)}")
