"""Why a device cannot be used, and what helps, for people: who holds it, who may open it, and where there can be none.

https://man7.org/linux/man-pages/man5/proc.5.html. Linux only; every question is answered from files that every user may read,
as far as the user may know the answer.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from typing import NamedTuple

# Who holds it


class Holders(NamedTuple):
    """Who uses a device, as far as that is known: processes, the end of “in use by …”, and what to do about it."""

    pids: tuple[int, ...]
    who: str
    remedy: str

    @property
    def ours(self) -> bool:
        """Whether it is this program and no other."""
        return self.pids == (os.getpid(),)


def holders(path: str) -> Holders:
    """Who uses the node, with name and pid, as far as this user may know. The asker has it open once, and does not count."""
    found, hidden = [], False
    for pid in _pids():
        times = _times_open(pid, path)
        hidden = hidden or times is None
        if times and (pid != os.getpid() or times > 1):
            found.append(pid)
    return _told(found, f"sudo fuser -v {path}" if hidden else "")


def process_holders(pids: Iterable[int]) -> Holders:
    """Processes (or threads of them) that a driver names as those who use a device."""
    return _told(sorted({_process_of(pid) for pid in pids}), "")


def _told(pids: list[int], look: str) -> Holders:
    if pids:
        names = (f"{process_name(pid)} (pid {pid})" if pid != os.getpid() else "this program" for pid in pids)
        return Holders(tuple(pids), ", ".join(names), "close it there, or choose another device")
    if look:
        return Holders((), "another user's program, whose name only root may see", f"`{look}` names it: close that")
    return Holders((), "another program", "close the other program, which may run in another container")


def _pids() -> list[int]:
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())


def _times_open(pid: int, path: str) -> int | None:
    """How often the process has the file open; None if this user may not know."""
    folder = f"/proc/{pid}/fd"
    try:
        return sum(_points_to(os.path.join(folder, fd), path) for fd in os.listdir(folder))
    except OSError as error:  # another user's process, or one that has just ended
        return None if error.errno == errno.EACCES else 0


def _points_to(link: str, path: str) -> bool:
    try:
        return os.readlink(link) == path
    except OSError:
        return False


def process_name(pid: int) -> str:
    """The name of a process that this user may not own."""
    return read_text(f"/proc/{pid}/comm").strip() or "a program"


def _process_of(thread: int) -> int:
    """The process that a thread belongs to."""
    lines = (line.split() for line in read_text(f"/proc/{thread}/status").splitlines())
    return next((int(words[1]) for words in lines if words[:1] == ["Tgid:"]), thread)


# Who may open it


def permission_remedy(path: str) -> str:
    """What would let this user open the node: its group if that has access, else its owner."""
    import grp

    try:
        status = os.stat(path)
        group = grp.getgrgid(status.st_gid)
    except (OSError, KeyError):
        return "ask this machine's administrator for access to it"
    if status.st_mode & 0o060 != 0o060 or status.st_gid == 0:
        return f"only root may: `sudo setfacl -m u:$USER:rw {path}`, or run udev, which sets such permissions"
    if _user_name() in group.gr_mem:
        return f"this user joined the group “{group.gr_name}”, which may, after logging in: log out and in again"
    return f"join the group “{group.gr_name}”, which may: `sudo usermod -aG {group.gr_name} $USER`, then log in again"


def _user_name() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return ""


# Where there can be none

CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv", "/run/systemd/container")  # of Docker; of Podman; of others
USB_VIDEO = "0e"  # the interface class, https://www.usb.org/defined-class-codes
_CGROUPS = ("docker", "kubepods", "containerd", "libpod", "lxc")


def in_container() -> bool:
    """Whether this is a container, which has the devices that it was given and no others."""
    groups = read_text("/proc/1/cgroup")
    return any(map(os.path.exists, CONTAINER_MARKS)) or any(f"/{name}" in groups for name in _CGROUPS)


def in_wsl() -> bool:
    """Whether this is the Windows Subsystem for Linux, whose kernel says so."""
    return "microsoft" in read_text("/proc/version").lower()


def why_no_camera() -> str:
    """Why this system has no video node, and what helps; empty if none is plugged in, as far as can be told."""
    if in_wsl():
        return "WSL has no cameras of its own: in Windows `usbipd bind --busid …`, then `usbipd attach --wsl --busid …`"
    if in_container():
        return "this container was given no camera: start it with --device /dev/video0"
    if _usb_cameras_without_driver():
        return "a USB camera is plugged in, but its driver is not loaded: `sudo modprobe uvcvideo`"
    return ""


def why_no_sound() -> str:
    """Why this system has neither sound card nor sound server, and what helps; empty if there is none to be had."""
    if in_wsl():
        return "WSL has no sound cards: set PULSE_SERVER=/mnt/wslg/PulseServer, where Windows plays and records"
    if in_container():
        return "this container was given no sound: start it with --device /dev/snd, or a sound server's socket and PULSE_SERVER"
    return ""


def _usb_cameras_without_driver() -> bool:
    folder = "/sys/bus/usb/devices"
    interfaces = [os.path.join(folder, name) for name in os.listdir(folder)] if os.path.isdir(folder) else []
    return any(
        read_text(f"{each}/bInterfaceClass").strip() == USB_VIDEO and not os.path.exists(f"{each}/driver")
        for each in interfaces
    )


def read_text(path: str) -> str:
    """The file's text; empty where it cannot be read: what it tells of is not there, or this is not Linux."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
