"""What a V4L2 driver tells by itself: that the camera's privacy shutter or switch is closed, or open again.

https://docs.kernel.org/userspace-api/media/v4l/vidioc-dqevent.html, ext-ctrls-camera.html (V4L2_CID_PRIVACY)
"""

from __future__ import annotations

from collections.abc import Iterator

from mscli.sources import v4l2_abi as abi
from mscli.sources.v4l2_node import Node


def watch_privacy(node: Node) -> None:
    """Have the driver tell, also how it is now. Nothing happens with a camera that has no such switch."""
    flags = abi.EVENT_SEND_INITIAL
    node.ask(abi.SUBSCRIBE_EVENT, abi.EventSubscription(type=abi.EVENT_CTRL, id=abi.CID_PRIVACY, flags=flags))


def privacy_changes(node: Node) -> Iterator[bool]:
    """What was told since the last time: whether it is closed."""
    while True:
        event = abi.Event()
        try:
            abi.ioctl(node.fd, abi.DQEVENT, event)
        except OSError:  # there is no more, or the camera is gone, which its buffers say better
            return
        if event.type == abi.EVENT_CTRL and event.id == abi.CID_PRIVACY:
            yield bool(event.ctrl.value)
