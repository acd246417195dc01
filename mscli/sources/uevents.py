"""Watch for devices through netlink events of the kernel and udev. No polling and no privileges are needed.

https://man7.org/linux/man-pages/man7/netlink.7.html (NETLINK_KOBJECT_UEVENT),
https://man7.org/linux/man-pages/man2/ioctl_nsfs.2.html (NS_GET_USERNS). The kernel sends an event first. udev sends another one
after it has set a node's group and permissions. Without udev, as in some containers, there is only the kernel's.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
import struct
from collections.abc import Callable, Collection

from mscli.core.threads import Thread

KERNEL, UDEV = 1, 2  # multicast groups
LARGEST = 1 << 16  # bytes of a message; those of the kernel have at most 2 kB besides the path
_PROTOCOL = 15  # NETLINK_KOBJECT_UEVENT
_GET_OWNER = 0xB701  # NS_GET_USERNS of linux/nsfs.h
_FIRST = 0xEFFFFFFD  # the inode of the first user namespace, PROC_USER_INIT_INO of linux/proc_ns.h
_UDEV_PREFIX = b"libudev\0"
_UDEV_PLACE = struct.Struct("@II")  # the offset and the length of its properties, in bytes
_UDEV_PLACE_AT = 16  # after the prefix, the magic number and the header size


def parse(message: bytes) -> dict[str, str]:
    """Return a message's properties: ACTION, DEVPATH, SUBSYSTEM and more. Return {} for any other message."""
    if message.startswith(_UDEV_PREFIX):
        if len(message) < _UDEV_PLACE_AT + _UDEV_PLACE.size:
            return {}
        start, length = _UDEV_PLACE.unpack_from(message, _UDEV_PLACE_AT)
        message = message[start : start + length]
    fields = (field.partition("=") for field in message.decode("utf-8", "replace").split("\0"))
    return {name: value for name, equals, value in fields if equals}


def _require_events() -> None:
    """Raise OSError if the kernel sends no device events here, although anybody may listen.

    It only sends them to network namespaces of the first user namespace, so not to rootless containers.
    """
    if not os.path.exists("/proc/self/ns/user"):  # a kernel without user namespaces
        return
    with open("/proc/self/ns/net", "rb") as namespace:
        owner = fcntl.ioctl(namespace, _GET_OWNER)  # EPERM: the owner is outside this process's user namespace
    try:
        if os.fstat(owner).st_ino != _FIRST:
            raise OSError(errno.EOPNOTSUPP, "the kernel sends no events to this network namespace")
    finally:
        os.close(owner)


class UeventWatch:
    """A watch on some subsystems. It calls ``notify`` on a thread of its own for every event, until ``close``.

    Raises OSError if the system does not allow listening.
    """

    def __init__(self, subsystems: Collection[str], notify: Callable[[], object]) -> None:
        _require_events()
        self._subsystems = subsystems
        self._notify = notify
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, _PROTOCOL)
        try:
            self._socket.bind((0, KERNEL | UDEV))
            self._wake = os.eventfd(0, os.EFD_CLOEXEC)
        except OSError:
            self._socket.close()
            raise
        self._thread = Thread(target=self._run, name="mscli-uevents", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and join the thread. Must not be called from ``notify``. Safe to call twice."""
        if self._wake < 0:
            return
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        self._socket.close()
        os.close(self._wake)
        self._wake = -1

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        while self._wake not in dict(poll.poll()):
            if self._concerns_us():
                self._notify()

    def _concerns_us(self) -> bool:
        """Return whether the next message matters. Return True also if messages were lost in a burst."""
        try:
            return parse(self._socket.recv(LARGEST)).get("SUBSYSTEM") in self._subsystems
        except BlockingIOError:
            return False
        except OSError:  # ENOBUFS
            return True
