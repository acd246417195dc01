"""Explain why a device cannot be used, and suggest remedies: who uses it, who may open it, and why there may be none.

https://man7.org/linux/man-pages/man5/proc.5.html. Linux only. All answers come from world-readable files, as far as this user
may know.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable

from mscli.core.tuples import NamedTuple

# Who uses a device


class Holders(NamedTuple):
    """The processes that use a device, as far as known. ``who`` completes “in use by …”; ``remedy`` says what to do."""

    pids: tuple[int, ...]
    who: str
    remedy: str

    @property
    def ours(self) -> bool:
        """Return whether this process is the only one."""
        return self.pids == (os.getpid(),)


def holders(path: str) -> Holders:
    """Return the processes that have the device node open, as far as this user may know.

    The caller has opened the node once; that does not count.
    """
    found, hidden = [], False
    for pid in _pids():
        times = _times_open(pid, path)
        hidden = hidden or times is None
        if times and (pid != os.getpid() or times > 1):
            found.append(pid)
    return _described(found, f"sudo fuser -v {path}" if hidden else "")


def process_holders(pids: Iterable[int]) -> Holders:
    """Return the processes that a driver reports as users of a device. ``pids`` may be thread ids."""
    return _described(sorted({_process_of(pid) for pid in pids}), "")


def _described(pids: list[int], look: str) -> Holders:
    if pids:
        names = (f"{process_name(pid)} (pid {pid})" if pid != os.getpid() else "this program" for pid in pids)
        return Holders(tuple(pids), ", ".join(names), "close that program, or choose another device")
    if look:
        return Holders((), "a program of another user", f"find it with `{look}`, and close it")
    return Holders((), "another program", "close the other program; it may run in another container")


def _pids() -> list[int]:
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())


def _times_open(pid: int, path: str) -> int | None:
    """Return how many times a process has opened a file, or None if this user may not know."""
    folder = f"/proc/{pid}/fd"
    try:
        return sum(_points_to(os.path.join(folder, fd), path) for fd in os.listdir(folder))
    except OSError as error:  # it belongs to another user, or it has just ended
        return None if error.errno == errno.EACCES else 0


def _points_to(link: str, path: str) -> bool:
    try:
        return os.readlink(link) == path
    except OSError:
        return False


def process_name(pid: int) -> str:
    """Return the name of a process, which may belong to another user."""
    return read_text(f"/proc/{pid}/comm").strip() or "a program"


def _process_of(thread: int) -> int:
    """Return the process that a thread belongs to."""
    lines = (line.split() for line in read_text(f"/proc/{thread}/status").splitlines())
    return next((int(words[1]) for words in lines if words[:1] == ["Tgid:"]), thread)


# Who may open a device


def permission_remedy(path: str) -> str:
    """Return what would let this user open the node: membership of its group, or else an ACL entry."""
    import grp

    try:
        status = os.stat(path)
        group = grp.getgrgid(status.st_gid)
    except (OSError, KeyError):
        return "ask the administrator of this machine for access"
    if status.st_mode & 0o060 != 0o060 or status.st_gid == 0:
        return f"only root may use it; run `sudo setfacl -m u:$USER:rw {path}`, or start udev, which sets permissions"
    if _user_name() in group.gr_mem:
        return f"log out and in again, so that you are in the group “{group.gr_name}”"
    return f"join the group “{group.gr_name}”: run `sudo usermod -aG {group.gr_name} $USER`, then log in again"


def _user_name() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return ""


# Why there may be no device

WITHOUT_HARDWARE = "try --fake-devices for a built-in camera and microphone"  # what helps in any case
CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv", "/run/systemd/container")  # of Docker, of Podman, of others
USB_VIDEO = "0e"  # the interface class, https://www.usb.org/defined-class-codes
_CGROUPS = ("docker", "kubepods", "containerd", "libpod", "lxc")


def in_container() -> bool:
    """Return whether this is a container, which only has the devices that it was given."""
    groups = read_text("/proc/1/cgroup")
    return any(map(os.path.exists, CONTAINER_MARKS)) or any(f"/{name}" in groups for name in _CGROUPS)


def in_wsl() -> bool:
    """Return whether this is the Windows Subsystem for Linux."""
    return "microsoft" in read_text("/proc/version").lower()


def why_no_camera() -> str:
    """Return why this system has no video node and what to do, or "" if no camera is known to be plugged in."""
    if in_wsl():
        return "WSL has no camera; attach one in Windows: `usbipd bind --busid …`, then `usbipd attach --wsl --busid …`"
    if in_container():
        return "this container has no camera; start it with --device /dev/video0"
    if _usb_cameras_without_driver():
        return "the driver of a USB camera is not loaded; run `sudo modprobe uvcvideo`"
    return ""


def why_no_sound() -> str:
    """Return why this system has neither a sound card nor a sound server and what to do, or "" if there is no known reason."""
    if in_wsl():
        return "WSL has no sound cards; set PULSE_SERVER=/mnt/wslg/PulseServer to use those of Windows"
    if in_container():
        return "this container has no sound; start it with --device /dev/snd, or with a sound server's socket and PULSE_SERVER"
    return ""


def _usb_cameras_without_driver() -> bool:
    folder = "/sys/bus/usb/devices"
    interfaces = [os.path.join(folder, name) for name in os.listdir(folder)] if os.path.isdir(folder) else []
    return any(
        read_text(f"{each}/bInterfaceClass").strip() == USB_VIDEO and not os.path.exists(f"{each}/driver")
        for each in interfaces
    )


def read_text(path: str) -> str:
    """Return a file's text, or "" if it cannot be read: the subject does not exist, or this is not Linux."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
