"""The signal at a camera's input, where it has one (HDMI, SDI, television): which one it is, and taking it over.

https://docs.kernel.org/userspace-api/media/v4l/vidioc-query-dv-timings.html, vidioc-querystd.html
"""

from __future__ import annotations

import errno

from mscli.core.errors import NotReadableError
from mscli.sources import v4l2_abi as abi
from mscli.sources.v4l2_node import UNKNOWN, Node

WHY_UNUSABLE = {
    errno.ENOLINK: "gets no signal",
    errno.ENOLCK: "gets a signal that is too unsteady",
    errno.ERANGE: "gets a signal that it cannot take",
}
HINTS = ("check the cable, and that the device at its other end is on and sends a picture that this one can take",)


def take_signal(node: Node) -> str:
    """Set the driver to the signal that it detects, as none does by itself; why there is none to use, "" if nothing is wrong.

    Nothing happens with a camera whose input has no signal to detect. Raises NotReadableError, also when the camera is in use.
    """
    return take_timings(node) or _take_standard(node)


def take_timings(node: Node) -> str:
    """``take_signal`` of what is digital."""
    timings = abi.DvTimings()
    try:
        abi.ioctl(node.fd, abi.QUERY_DV_TIMINGS, timings)
    except OSError as error:
        if error.errno in UNKNOWN:
            return ""
        if error.errno in WHY_UNUSABLE:
            return WHY_UNUSABLE[error.errno]
        raise node.failure(error, "tell its signal") from error
    node.call(abi.S_DV_TIMINGS, timings, "take its signal")
    return ""


def _take_standard(node: Node) -> str:
    """``take_signal`` of television. The standard that is set stays if the signal may be of it: they are hard to tell apart."""
    detected, current = abi.Standards(), abi.Standards()
    if not (node.ask(abi.QUERYSTD, detected) and node.ask(abi.G_STD, current)):
        return ""
    if not detected.value:
        return WHY_UNUSABLE[errno.ENOLINK]
    if not detected.value & current.value:
        node.call(abi.S_STD, detected, "take its signal")
    return ""


def require_signal(node: Node) -> None:
    """Set the driver to a digital signal, where it takes one. Raises NotReadableError when there is none that it can use.

    Of television nothing is required: many a driver never detects a standard, and shows the picture all the same.
    """
    why = take_timings(node)
    if why:
        raise NotReadableError(f"camera “{node.label}” ({node.path}) {why}", hints=HINTS)
