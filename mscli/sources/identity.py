"""Ids that survive a reboot and a replug into the same port: hashes of the hardware and its port, not of a node's number.

deviceId: the port, serial number and name of the device. groupId: the physical device (USB device, PCI function, platform
device) to which it belongs, so that a webcam's camera and microphone share it. A port is a path in sysfs without the numbers of
USB buses, which depend on the order of probing.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator

ID_DIGITS = 16  # 64 bits: no collisions within one machine, and short enough to paste

_ROOT_HUB = r"(?<=/usb)(\d+)(?=/|$)"


def stable_id(*parts: str) -> str:
    """Return the id for a description: the same on every run and for every user of the machine."""
    import hashlib  # imported late: not needed without devices

    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:ID_DIGITS]


def distinct_ids(described: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Yield an id for each description, in order. Identical descriptions are numbered."""
    seen: Counter[tuple[str, ...]] = Counter()
    for parts in described:
        yield stable_id(*parts, *(["another"] * seen[parts]))
        seen[parts] += 1


def port_path(folder: str) -> str:
    """Return a sysfs folder's path in a form that is stable across boots: the controller and the chain of ports.

    A controller has one bus per major USB version, which replaces the bus number: …/usb2/-1.4/-1.4:1.0.
    """
    hub = re.search(_ROOT_HUB, folder)
    if hub is None:
        return folder
    controller, ports = folder[: hub.start()], folder[hub.end() :]
    version, _, _ = attribute(controller + hub[1], "version").partition(".")
    return controller + version + re.sub(rf"(?<=/){hub[1]}(?=-)", "", ports)


def real_path(path: str) -> str:
    """Return the path without symbolic links. A link that disappears in the meantime is not resolved."""
    try:
        return os.path.realpath(path)
    except OSError:  # the link has just disappeared
        return os.path.abspath(path)


def physical_device(sysfs: str) -> str:
    """Return the sysfs folder of the physical device of a class device (/sys/class/video4linux/video0).

    This is its USB device, or else the bus device that the driver is bound to, or else the folder itself.
    """
    device = real_path(os.path.join(sysfs, "device"))
    start = device if os.path.isdir(device) else real_path(sysfs)
    folder = start
    while folder not in ("/", "/sys", "/sys/devices"):
        if os.path.exists(os.path.join(folder, "idVendor")):
            return folder
        folder = os.path.dirname(folder)
    return start


def attribute(folder: str, name: str) -> str:
    """Return a sysfs attribute's text, stripped, or "" if there is none."""
    try:
        with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def group_id(sysfs: str) -> str:
    """Return the groupId of a class device, which all parts of one physical device share."""
    folder = physical_device(sysfs)
    return stable_id("group", port_path(folder), attribute(folder, "serial"))
