"""Receive a V4L2 driver's events: the privacy switch is on or off, the signal has changed, a control was set.

https://docs.kernel.org/userspace-api/media/v4l/vidioc-dqevent.html, ext-ctrls-camera.html (V4L2_CID_PRIVACY)
"""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Iterable, Iterator

from mscli.core.errors import NotReadableError
from mscli.core.tuples import NamedTuple
from mscli.v4l2 import abi
from mscli.v4l2.node import UNPLUGGED, Node

PRIVACY, SIGNAL, CONTROL = "privacy", "signal", "control"


class News(NamedTuple):
    """An event: PRIVACY and whether the switch is on, SIGNAL, or CONTROL with its id and new number."""

    what: str
    value: int = 0
    control_id: int = 0


def watch_events(node: Node, controls: Iterable[int] = ()) -> None:
    """Subscribe to the driver's events, including the switch's current state and changes of ``controls`` by other programs.

    Events that the camera does not have are ignored.
    """
    current = ctypes.c_int()
    node.ask(abi.G_INPUT, current)  # inputs are numbered from 0; a driver that does not answer has one input
    flags = abi.EVENT_SEND_INITIAL
    node.ask(abi.SUBSCRIBE_EVENT, abi.EventSubscription(type=abi.EVENT_CTRL, id=abi.CID_PRIVACY, flags=flags))
    watch_controls(node, controls)
    node.ask(abi.SUBSCRIBE_EVENT, abi.EventSubscription(type=abi.EVENT_SOURCE_CHANGE, id=current.value))


def watch_controls(node: Node, controls: Iterable[int]) -> None:
    """Subscribe to changes of controls by other programs. Those that are watched already stay so."""
    for control_id in controls:
        node.ask(abi.SUBSCRIBE_EVENT, abi.EventSubscription(type=abi.EVENT_CTRL, id=control_id))


def news(node: Node) -> Iterator[News]:
    """Yield the events since the last call."""
    while True:
        event = abi.V4l2Event()
        try:
            node.ioctl(abi.DQEVENT, event)
        except OSError:  # no more events, or the camera is gone, which its buffers report better
            return
        if event.type == abi.EVENT_SOURCE_CHANGE:
            yield News(SIGNAL)
        elif event.type == abi.EVENT_CTRL and event.id == abi.CID_PRIVACY:
            yield News(PRIVACY, event.ctrl.value)
        elif event.type == abi.EVENT_CTRL and event.ctrl.changes & abi.CHANGED_VALUE:
            wide = event.ctrl.type == abi.CTRL_TYPE_INTEGER64
            yield News(CONTROL, event.ctrl.value64 if wide else event.ctrl.value, event.id)


# Detect the signal at a camera's input (HDMI, SDI, television), and set the driver to it.


WHY_UNUSABLE = {
    errno.ENOLINK: "has no signal",
    errno.ENOLCK: "has an unsteady signal",
    errno.ERANGE: "has a signal that it does not support",
}
HINTS = ("check the cable, and that the device at its other end is on and sends a supported signal",)


def take_signal(node: Node) -> str:
    """Set the driver to the signal that it detects. Return why there is no usable signal, or "" if nothing is wrong.

    Does nothing if the camera's input has no signal to detect. Raises NotReadableError, also if the camera is in use.
    """
    return take_timings(node) or _take_standard(node)


def take_timings(node: Node) -> str:
    """Do what ``take_signal`` does for a digital signal."""
    timings = abi.DvTimings()
    try:
        node.ioctl(abi.QUERY_DV_TIMINGS, timings)
    except OSError as error:
        if error.errno == errno.EBUSY or error.errno in UNPLUGGED:
            raise node.failure(error, "report its signal") from error
        return WHY_UNUSABLE.get(error.errno or 0, "")  # any other failure: the driver does not report a signal
    node.call(abi.S_DV_TIMINGS, timings, "adopt its signal")
    return ""


def _take_standard(node: Node) -> str:
    """Do what ``take_signal`` does for television. Keep the current standard if the signal may have it."""
    detected, current = abi.Standards(), abi.Standards()
    if not (node.ask(abi.QUERYSTD, detected) and node.ask(abi.G_STD, current)):
        return ""
    if not detected.value:
        return WHY_UNUSABLE[errno.ENOLINK]
    if not detected.value & current.value:
        node.call(abi.S_STD, detected, "adopt its signal")
    return ""


def require_signal(node: Node) -> None:
    """Set the driver to its digital signal, if its input has one. Raises NotReadableError if no signal is usable.

    A television signal is not required, because many drivers never detect a standard but still deliver the picture.
    """
    why = take_timings(node)
    if why:
        raise NotReadableError(f"camera “{node.label}” ({node.path}) {why}", hints=HINTS)
