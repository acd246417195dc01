"""Cameras on Linux: the kernel's video nodes, listed through sysfs, asked for their modes, and opened.

https://docs.kernel.org/userspace-api/media/v4l/v4l2.html
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial

from mscli.core.bounded import Round
from mscli.core.errors import DOMException, NotAllowedError, NotReadableError
from mscli.sources import v4l2_abi as abi
from mscli.sources.base import DEVICE_KINDS, VIDEO_INPUT, Abilities, Backend, Device, Request, Source, Watching
from mscli.sources.identity import attribute, distinct_ids, group_id, physical_device, port_path, real_path
from mscli.sources.v4l2_modes import buffer_type_for, buffer_type_of, layouts, modes
from mscli.sources.v4l2_node import SYSFS, Node

SUBSYSTEM = "video4linux"
ANSWER_S = 2.0  # in which drivers say what their nodes are; a camera that slept may need a half


class V4L2Backend(Backend):
    """The cameras that the kernel knows: capture nodes, single- or multi-planar."""

    name = "v4l2"

    def __init__(self) -> None:
        self._round: Round[str, Device | None] = Round(ANSWER_S, "mscli-node")

    def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
        """The cameras in the order of their nodes, the first being the default. Costs an open and two queries for each."""
        if VIDEO_INPUT not in kinds:
            return []
        folders = _nodes()
        named = [_named(folder, device_id, self.name) for folder, device_id in zip(folders, _ids(folders), strict=True)]
        described = self._round.answers({device.handle: partial(_describe, device) for device in named})
        answers = (described[device.handle] if device.handle in described else _hanging(device) for device in named)
        found = [device for device in answers if device is not None and _made(_folder(device)) == folders[_folder(device)]]
        self.problem = "" if found else _why_none()
        return [device._replace(default=index == 0) for index, device in enumerate(found)]

    def watch(self, notify: Callable[[], object]) -> Watching | None:
        """By the kernel's and udev's events."""
        from mscli.sources.uevents import UeventWatch

        try:
            return UeventWatch([SUBSYSTEM], notify)
        except OSError:
            return None

    def abilities(self, device: Device) -> Abilities:
        from mscli.sources.v4l2_signal import take_timings

        with self._node(device) as node:
            with suppress(NotReadableError):  # one in use by another program has been set by that; its modes can be read
                take_timings(node)
            return Abilities(modes(node))

    def open(self, device: Device, request: Request) -> Source:
        from mscli.sources.v4l2_signal import require_signal
        from mscli.sources.v4l2_stream import V4L2Source

        node = self._node(device)
        try:
            require_signal(node)
            buffer_type = buffer_type_of(node)
            row = layouts(node, buffer_type).get(request.pixel_format)
            if row is None:
                raise NotReadableError(f"camera “{node.label}” ({node.path}) no longer has the format {request.pixel_format}")
            return V4L2Source(node, buffer_type, row.fourcc, request)
        except BaseException:
            node.close()
            raise

    def _node(self, device: Device) -> Node:
        """Its node, open; nobody waits for a driver that is known to hang."""
        if self._round.hangs(device.handle):
            raise _no_answer(device)
        return Node(device.handle, device.label)


def _nodes() -> dict[str, int]:
    """The sysfs folders of all video nodes that are whole, by number, and which of those that had that number each is."""
    try:
        names = [name for name in os.listdir(SYSFS) if name.startswith("video")]
    except FileNotFoundError:  # no driver of such a device is loaded
        return {}
    folders = [os.path.join(SYSFS, name) for name in sorted(names, key=lambda name: (len(name), name))]
    return {folder: made for folder in folders if (made := _made(folder))}


def _made(folder: str) -> int:
    """What no other node with that folder has: an inode. 0 of one that has no name yet, for it is just coming, or is gone."""
    try:
        return os.stat(os.path.join(folder, "name")).st_ino
    except OSError:
        return 0


def _ids(folders: Iterable[str]) -> Iterator[str]:
    """Their deviceIds: from what every user may read, and what stays over a reboot and a replug."""
    return distinct_ids(("camera", *_identity(folder)) for folder in folders)


def _identity(folder: str) -> tuple[str, ...]:
    serial = attribute(physical_device(folder), "serial")
    return _place(folder), serial, attribute(folder, "name"), attribute(folder, "index")


def _place(folder: str) -> str:
    """Where the device is plugged in; of one that is no hardware, the folder of its kind."""
    device = os.path.join(folder, "device")
    return port_path(real_path(device) if os.path.exists(device) else os.path.dirname(real_path(folder)))


def _named(folder: str, device_id: str, backend: str) -> Device:
    """What sysfs says of the camera that a node may have behind it."""
    name = os.path.basename(folder)
    path = f"/dev/{name}"
    return Device(device_id, VIDEO_INPUT, attribute(folder, "name") or name, group_id(folder), backend, path=path, handle=path)


def _describe(device: Device) -> Device | None:
    """The camera behind a node; None if it is none. What cannot be opened is taken for one, and says why."""
    try:
        with Node(device.handle, device.label) as node:
            card, caps = node.capability()
            if not is_camera(caps):
                return None
            node.label = card or device.label
            device = device._replace(label=node.label)
            busy = node.in_use(buffer_type_for(caps))
    except DOMException as error:
        further = isinstance(error, NotAllowedError) and _is_further(device)
        return None if further else device.troubled(error)
    return device.troubled(busy, busy=True) if busy else device


def _is_further(device: Device) -> bool:
    """Whether it is not the first node of its camera: these are mostly for metadata."""
    return attribute(_folder(device), "index") != "0"


def _folder(device: Device) -> str:
    """Where sysfs describes its node."""
    return os.path.join(SYSFS, os.path.basename(device.handle))


def _hanging(device: Device) -> Device | None:
    """A camera whose driver does not answer, and so does not say what the node is."""
    return None if _is_further(device) else device.troubled(_no_answer(device))


def _no_answer(device: Device) -> NotReadableError:
    sentence = f"camera “{device.label}” ({device.path}) did not answer within {ANSWER_S:g} s: its driver hangs"
    return NotReadableError(sentence, hints=["replug it and try again"])


def _why_none() -> str:
    """Why there is no camera, and what helps, if that is not only that none is plugged in."""
    if _nodes():
        return "no video node captures pictures, only metadata or other data: plug in a camera, or load its driver"
    from mscli.sources.trouble import why_no_camera

    return why_no_camera()


def is_camera(caps: int) -> bool:
    """Whether a node with those capabilities captures pictures."""
    return bool(caps & (abi.CAP_CAPTURE | abi.CAP_CAPTURE_MPLANE)) and not caps & abi.CAP_M2M
