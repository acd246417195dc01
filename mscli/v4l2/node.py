"""Open a video node (/dev/video0), make requests to its driver, and translate its errors for people.

https://docs.kernel.org/userspace-api/media/v4l/func-open.html
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import Any, TypeVar

from mscli.core.errors import DOMException, NotAllowedError, NotReadableError
from mscli.core.log import Log
from mscli.core.trouble import holders, in_container, permission_remedy
from mscli.v4l2 import abi

SYSFS = "/sys/class/video4linux"
UNPLUGGED = frozenset({errno.ENODEV, errno.ENXIO, errno.ENOENT})
UNKNOWN = frozenset({errno.EINVAL, errno.ENOTTY, errno.ENODATA})  # no such request, or no (more) answer
LISTED_AT_MOST = 1000  # the most entries of a list; some drivers never end theirs

_PER_FRAME = frozenset({abi.QBUF, abi.DQBUF, abi.DQEVENT})  # only logged if they fail for an unusual reason
_USUAL = frozenset({errno.EAGAIN, errno.ENOENT})  # their usual errors: nothing has come yet

_log = Log("v4l2")

Entry = TypeVar("Entry", abi.FormatDescription, abi.FrameSize, abi.FrameInterval)


class Node:
    """An open video node. Every failure of the driver is raised as one of ``mscli.core.errors``, naming the camera.

    Raises NotAllowedError and NotReadableError from the constructor as well. ``label`` is the camera's name for messages.
    """

    def __init__(self, path: str, label: str = "") -> None:
        self.path = path
        self.label = label
        self._logged: dict[int, tuple[str, str]] = {}  # request → the last argument and answer
        self._failed: set[int] = set()  # requests that failed; each is logged once
        try:
            self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            _log.debug("%s: not opened: %s", path, error.strerror)
            raise self.failure(error, "be opened") from error
        _log.debug("%s: opened", path)

    def __enter__(self) -> Node:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the node. Does nothing the second time."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)
            _log.debug("%s: closed", self.path)

    def ioctl(self, request: int, argument: Any) -> None:
        """Make a request, and log it and its answer. ``argument`` is changed in place. Raises OSError."""
        if _log.debugs:
            self._logged_ioctl(request, argument)
        else:
            abi.ioctl(self.fd, request, argument)

    def _logged_ioctl(self, request: int, argument: Any) -> None:
        """Log the request before its answer, which may never come. A repeated request with the same answer is not logged."""
        from mscli.v4l2.describe import describe, describe_error, request_name

        name, asked = request_name(request), describe(argument)
        before = self._logged.get(request, ("", ""))
        if request not in _PER_FRAME and asked != before[0]:
            _log.debug("%s: %s %s", self.path, name, asked)
        failure: OSError | None = None
        try:
            abi.ioctl(self.fd, request, argument)
        except OSError as error:
            failure = error
        answered = f"failed: {describe_error(failure)}" if failure else f"answered: {describe(argument)}"
        usual = request in _PER_FRAME and (failure is None or failure.errno in _USUAL)
        if not usual and (asked, answered) != before:
            _log.debug("%s: %s %s", self.path, name, answered)
            self._logged[request] = asked, answered
        if failure is not None:
            raise failure

    def call(self, request: int, argument: Any, doing: str) -> None:
        """Make a request that must work, or raise. ``doing`` ends the sentence “camera … cannot …”."""
        try:
            self.ioctl(request, argument)
        except OSError as error:
            raise self.failure(error, doing) from error

    def ask(self, request: int, argument: Any) -> bool:
        """Make a request that the driver may not support or may reject. Return whether it succeeded.

        Raises NotReadableError if the camera is gone.
        """
        try:
            self.ioctl(request, argument)
        except OSError as error:
            if error.errno in UNPLUGGED:
                raise self.failure(error, "report what it can do") from error
            if error.errno not in UNKNOWN and request not in self._failed:
                from mscli.v4l2.describe import describe_error, request_name

                self._failed.add(request)
                _log.warning("%s: %s failed: %s", self.path, request_name(request), describe_error(error))
            return False
        return True

    def enumerate(self, request: int, first: Entry) -> Iterator[Entry]:
        """Yield the entries of one of the driver's lists. ``first`` selects the list."""
        kind = type(first)
        for index in range(LISTED_AT_MOST):
            entry = kind.from_buffer_copy(first)
            entry.index = index
            if not self.ask(request, entry):
                return
            yield entry

    def capability(self) -> tuple[str, int]:
        """Return the card's name, and the capabilities (``CAP_…`` flags) of this node, not of its whole device."""
        found = abi.Capability()
        self.call(abi.QUERYCAP, found, "report what it is")
        caps = found.device_caps if found.capabilities & abi.CAP_DEVICE_CAPS else found.capabilities
        return found.card.decode("utf-8", "replace").strip(), caps

    @property
    def sysfs(self) -> str:
        """Return the folder in which the kernel describes the node while it is plugged in."""
        return os.path.join(SYSFS, os.path.basename(self.path))

    def in_use(self, buffer_type: int) -> DOMException | None:
        """Return the error that says which other program uses the camera, or None.

        Request zero buffers: that changes nothing, and fails if another program owns buffers.
        """
        try:
            self.ioctl(abi.REQBUFS, abi.RequestBuffers(0, buffer_type, abi.MEMORY_MMAP))
        except OSError as error:
            return self.failure(error, "be used") if error.errno == errno.EBUSY and not holders(self.path).ours else None
        return None

    def failure(self, error: OSError, doing: str) -> DOMException:
        """Return the error for people: what happened to which camera, why, and what to do about it."""
        camera = f"camera “{self.label}” ({self.path})" if self.label else f"camera {self.path}"
        if error.errno in (errno.ENOENT, errno.EPERM) and os.path.exists(self.sysfs) and in_container():
            hints = [f"start the container with --device {self.path}"]
            return NotAllowedError(f"{camera} is not available in this container", hints=hints)
        if error.errno in UNPLUGGED:
            return NotReadableError(f"{camera} was unplugged, or its driver was removed", hints=["plug it in again"])
        if error.errno in (errno.EACCES, errno.EPERM):
            return NotAllowedError(f"no permission to use {camera}", hints=[permission_remedy(self.path)])
        if error.errno == errno.EBUSY:
            holding = holders(self.path)
            return NotReadableError(f"{camera} is in use by {holding.who}", hints=[holding.remedy])
        if error.errno == errno.ENOSPC:
            hints = ["use another USB controller, a smaller size, a lower frame rate, or MJPEG"]
            return NotReadableError(f"{camera} cannot {doing}: the USB bus has no bandwidth left", hints=hints)
        return NotReadableError(f"{camera} cannot {doing}: {os.strerror(error.errno or 0)}")
