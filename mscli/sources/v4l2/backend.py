"""List, describe and open the cameras of Linux: the kernel's video nodes, found through sysfs.

https://docs.kernel.org/userspace-api/media/v4l/v4l2.html
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial

from mscli.core.calls import Round
from mscli.core.errors import DOMException, NotAllowedError, NotReadableError
from mscli.core.limits import LISTING_S
from mscli.sources.base import DEVICE_KINDS, VIDEO_INPUT, Abilities, Backend, Device, Request, Source, Watching
from mscli.sources.identity import attribute, distinct_ids, group_id, physical_device, port_path, real_path
from mscli.v4l2 import abi
from mscli.v4l2.modes import buffer_type_for, buffer_type_of, layouts, modes, unknown_formats
from mscli.v4l2.node import SYSFS, Node

SUBSYSTEM = "video4linux"


class V4L2Backend(Backend):
    """The backend of cameras that the kernel knows: capture nodes, single- or multi-planar."""

    name = "v4l2"

    def __init__(self) -> None:
        self._round: Round[str, Device | None] = Round(LISTING_S, "mscli-node")

    def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
        """Return the cameras in the order of their nodes; the first is the default. Open and query each node twice."""
        if VIDEO_INPUT not in kinds:
            return []
        folders = _nodes()
        named = [_named(folder, device_id, self.name) for folder, device_id in zip(folders, _ids(folders), strict=True)]
        described = self._round.answers({device.handle: partial(_describe, device) for device in named})
        answers = (described[device.handle] if device.handle in described else _hanging(device) for device in named)
        found = [device for device in answers if device is not None and _inode(_folder(device)) == folders[_folder(device)]]
        self.problem = "" if found else _why_none()
        return [device._replace(default=index == 0) for index, device in enumerate(found)]

    def watch(self, notify: Callable[[], object]) -> Watching | None:
        """Call ``notify`` at the events of the kernel and of udev. Return None if they are not available."""
        from mscli.sources.uevents import UeventWatch

        try:
            return UeventWatch([SUBSYSTEM], notify)
        except OSError:
            return None

    def abilities(self, device: Device) -> Abilities:
        from mscli.v4l2.controls import CameraControls
        from mscli.v4l2.events import take_timings

        with self._node(device) as node:
            with suppress(NotReadableError):  # another program uses and has set the camera, but its modes can be read
                take_timings(node)
            return Abilities(
                modes(node),
                controls=CameraControls(node).abilities(),
                unusable=unknown_formats(node),
                settles=True,
                maker=attribute(physical_device(_folder(device)), "manufacturer"),
            )

    def open(self, device: Device, request: Request) -> Source:
        from mscli.sources.v4l2.stream import V4L2Source
        from mscli.v4l2.events import require_signal

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
        """Open the camera's node. Do not wait for a driver that is known to hang."""
        if self._round.hangs(device.handle):
            raise _no_answer(device)
        return Node(device.handle, device.label)


def _nodes() -> dict[str, int]:
    """Return the sysfs folder of every complete video node, in the order of their numbers, with its ``_inode``."""
    try:
        names = [name for name in os.listdir(SYSFS) if name.startswith("video")]
    except FileNotFoundError:  # no driver of such a device is loaded
        return {}
    folders = [os.path.join(SYSFS, name) for name in sorted(names, key=lambda name: (len(name), name))]
    return {folder: inode for folder in folders if (inode := _inode(folder))}


def _inode(folder: str) -> int:
    """Return the inode that distinguishes a node from others with the same number; 0 if it is incomplete or gone."""
    try:
        return os.stat(os.path.join(folder, "name")).st_ino
    except OSError:
        return 0


def _ids(folders: Iterable[str]) -> Iterator[str]:
    """Return deviceIds, derived from attributes that every user may read and that survive a reboot and a replug."""
    return distinct_ids(("camera", *_identity(folder)) for folder in folders)


def _identity(folder: str) -> tuple[str, ...]:
    serial = attribute(physical_device(folder), "serial")
    return _place(folder), serial, attribute(folder, "name"), attribute(folder, "index")


def _place(folder: str) -> str:
    """Return where the device is plugged in, or the folder of its kind if it is not hardware."""
    device = os.path.join(folder, "device")
    return port_path(real_path(device) if os.path.exists(device) else os.path.dirname(real_path(folder)))


def _named(folder: str, device_id: str, backend: str) -> Device:
    """Return the camera that a node may belong to, as sysfs describes it."""
    name = os.path.basename(folder)
    path = f"/dev/{name}"
    return Device(device_id, VIDEO_INPUT, attribute(folder, "name") or name, group_id(folder), backend, path=path, handle=path)


def _describe(device: Device) -> Device | None:
    """Return the camera behind a node, or None. A node that cannot be opened counts as a camera, with the reason."""
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
    """Return whether this is not the camera's first node. Further nodes are mostly for metadata."""
    return attribute(_folder(device), "index") != "0"


def _folder(device: Device) -> str:
    """Return the sysfs folder of the camera's node."""
    return os.path.join(SYSFS, os.path.basename(device.handle))


def _hanging(device: Device) -> Device | None:
    """Return a camera whose driver does not answer, or None for a further node, which is probably not a camera."""
    return None if _is_further(device) else device.troubled(_no_answer(device))


def _no_answer(device: Device) -> NotReadableError:
    sentence = f"camera “{device.label}” ({device.path}) did not answer within {LISTING_S:g} s, because its driver hangs"
    return NotReadableError(sentence, hints=["replug it and try again"])


def _why_none() -> str:
    """Return why there is no camera and what helps, or nothing if simply none is plugged in."""
    if _nodes():
        return "no video device is a camera; plug in a camera, or load its driver"
    from mscli.core.trouble import why_no_camera

    return why_no_camera()


def is_camera(caps: int) -> bool:
    """Return whether a node with these capabilities captures pictures."""
    return bool(caps & (abi.CAP_CAPTURE | abi.CAP_CAPTURE_MPLANE)) and not caps & abi.CAP_M2M
