"""What a V4L2 driver tells by itself: that the camera's privacy switch is on or off, and that the signal at its input changed.

https://docs.kernel.org/userspace-api/media/v4l/vidioc-dqevent.html, ext-ctrls-camera.html (V4L2_CID_PRIVACY)
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

from mscli.sources import v4l2_abi as abi
from mscli.sources.v4l2_node import Node

PRIVACY, SIGNAL = "privacy", "signal"


def watch_events(node: Node) -> None:
    """Have the driver tell, of the switch also how it is now. Nothing happens with a camera that has no such thing."""
    current = ctypes.c_int()
    node.ask(abi.G_INPUT, current)  # inputs are numbered from 0; a driver that cannot tell has one
    flags = abi.EVENT_SEND_INITIAL
    node.ask(abi.SUBSCRIBE_EVENT, abi.EventSubscription(type=abi.EVENT_CTRL, id=abi.CID_PRIVACY, flags=flags))
    node.ask(abi.SUBSCRIBE_EVENT, abi.EventSubscription(type=abi.EVENT_SOURCE_CHANGE, id=current.value))


def news(node: Node) -> Iterator[tuple[str, bool]]:
    """What was told since the last time: PRIVACY and whether the switch is on, or SIGNAL."""
    while True:
        event = abi.Event()
        try:
            abi.ioctl(node.fd, abi.DQEVENT, event)
        except OSError:  # there is no more, or the camera is gone, which its buffers say better
            return
        if event.type == abi.EVENT_SOURCE_CHANGE:
            yield SIGNAL, True
        elif event.type == abi.EVENT_CTRL and event.id == abi.CID_PRIVACY:
            yield PRIVACY, bool(event.ctrl.value)
