"""Ids that survive a reboot and a replug into the same port: hashes of the hardware and its place, never of a node's number.

deviceId: the place, serial number and name of the device. groupId: the physical device (USB device, PCI function, platform
device) that camera and microphone are part of, so that a webcam's two halves share it. A place is a path in sysfs, except for
the numbers of USB buses, which are given out in the order of probing.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator

ID_DIGITS = 16  # 64 bits: a clash among a machine's devices is out of the question, and people can still paste it

_ROOT_HUB = re.compile(r"(?<=/usb)(\d+)(?=/|$)")


def stable_id(*parts: str) -> str:
    """The id of what ``parts`` describe: the same on every run, for every user of the machine."""
    import hashlib  # late: a machine without devices needs none

    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:ID_DIGITS]


def distinct_ids(described: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """The id of each, in order; what nothing tells apart is counted."""
    seen: Counter[tuple[str, ...]] = Counter()
    for parts in described:
        yield stable_id(*parts, *(["another"] * seen[parts]))
        seen[parts] += 1


def port_path(folder: str) -> str:
    """A sysfs folder's path as it is after every boot: the controller and the chain of ports, without the USB bus's number.

    A controller has a bus for each major version of USB, which stands in for the number: …/usb2/-1.4/-1.4:1.0.
    """
    hub = _ROOT_HUB.search(folder)
    if hub is None:
        return folder
    controller, ports = folder[: hub.start()], folder[hub.end() :]
    version, _, _ = attribute(controller + hub[1], "version").partition(".")
    return controller + version + re.sub(rf"(?<=/){hub[1]}(?=-)", "", ports)


def real_path(path: str) -> str:
    """The path without symbolic links. A link that goes while it is followed, as it may where devices do, is taken as it is."""
    try:
        return os.path.realpath(path)
    except OSError:  # between two looks at the link
        return os.path.abspath(path)


def physical_device(sysfs: str) -> str:
    """The sysfs folder of the physical device above a class device (/sys/class/video4linux/video0): its USB device if
    it has one, else the bus device that the driver is bound to, else the folder itself."""
    device = real_path(os.path.join(sysfs, "device"))
    start = device if os.path.isdir(device) else real_path(sysfs)
    folder = start
    while folder not in ("/", "/sys", "/sys/devices"):
        if os.path.exists(os.path.join(folder, "idVendor")):
            return folder
        folder = os.path.dirname(folder)
    return start


def attribute(folder: str, name: str) -> str:
    """A sysfs attribute's text, stripped; empty where there is none."""
    try:
        with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def group_id(sysfs: str) -> str:
    """The groupId of a class device: the same for everything that hangs on one physical device."""
    folder = physical_device(sysfs)
    return stable_id("group", port_path(folder), attribute(folder, "serial"))
