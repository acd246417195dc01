"""Let a camera meter and focus on a part of its picture: the standard's pointsOfInterest as the region of interest of uvcvideo.

Linux 6.16 and newer: https://docs.kernel.org/userspace-api/media/drivers/uvcvideo.html#driver-specific-v4l2-controls. The
region is a rectangle on the sensor, and a mask says which automatics follow it.
"""

from __future__ import annotations

import ctypes
import json

from mscli.core.controls import NO_POINTS
from mscli.core.frames import Rect
from mscli.v4l2 import abi
from mscli.v4l2.node import Node

NAME = "pointsOfInterest"
SHARE = 8  # a region about a point is this fraction of the sensor's width and height
FOLLOWING = 0b1111  # exposure, iris, white balance and focus
_DECIMALS = 4  # of a point that is read


class Region:
    """The region of interest of one camera. Raises OSError for what the driver refuses."""

    def __init__(self, node: Node, whole: Rect, least: Rect) -> None:
        """Ask for nothing yet. ``whole``: the largest region, which is no region of interest. ``least``: the smallest."""
        self._node, self._whole, self._least = node, whole, least
        self._asked = "", whole  # the points that were set last, and the region that the driver made of them

    def read(self) -> str:
        """Return the points, as JSON."""
        points, region = self._asked
        now = _get(self._node)
        if points and now == region:
            return points
        if now == self._whole:
            return NO_POINTS
        x = (now.x + now.width / 2 - self._whole.x) / self._whole.width
        y = (now.y + now.height / 2 - self._whole.y) / self._whole.height
        return json.dumps([{"x": round(x, _DECIMALS), "y": round(y, _DECIMALS)}])

    def set(self, points: str) -> None:
        """Let the automatics follow the region that has all points, or the whole picture if there is none."""
        places = [(float(one["x"]), float(one["y"])) for one in json.loads(points)]
        _set(self._node, region_about(places, self._whole, self._least) if places else self._whole)
        self._follow(FOLLOWING if places else 0)
        self._asked = points, _get(self._node)

    def _follow(self, mask: int) -> None:
        """Let those of the automatics in the mask follow the region that can. Without any, restore the default."""
        query = abi.ControlQuery(id=abi.CID_UVC_REGION_OF_INTEREST_AUTO)
        try:
            abi.ioctl(self._node.fd, abi.QUERY_EXT_CTRL, query)
        except OSError:  # the camera decides itself
            return
        one = abi.ControlValue(id=query.id, value=(query.maximum & mask) or query.default_value)
        abi.ioctl(self._node.fd, abi.S_EXT_CTRLS, abi.ControlValues(count=1, controls=ctypes.pointer(one)))


def find_region(node: Node) -> Region | None:
    """Return the region of interest of a camera, or None if it has none that can be set."""
    query = abi.ControlQuery(id=abi.CID_UVC_REGION_OF_INTEREST_RECT)
    try:
        abi.ioctl(node.fd, abi.QUERY_EXT_CTRL, query)
        if query.type != abi.CTRL_TYPE_RECT or query.flags & (abi.CTRL_DISABLED | abi.CTRL_READ_ONLY | abi.CTRL_WRITE_ONLY):
            return None
        whole, least = (_get(node, which) for which in (abi.CTRL_WHICH_MAX, abi.CTRL_WHICH_MIN))
    except OSError:
        return None
    return Region(node, whole, least) if whole.width and whole.height else None


def region_about(points: list[tuple[float, float]], whole: Rect, least: Rect) -> Rect:
    """Return the region about points, which are fractions of the width and height. It lies within the whole."""
    (left, width), (top, height) = (
        _extent([point[axis] for point in points], whole[axis], whole[axis + 2], least[axis + 2]) for axis in (0, 1)
    )
    return Rect(left, top, width, height)


def _extent(places: list[float], start: int, size: int, least: int) -> tuple[int, int]:
    """Return the start and the size of a region in one direction."""
    low, high = (min(1.0, max(0.0, end(places))) * size for end in (min, max))
    length = min(size, max(least, round(high - low + size / SHARE)))
    return start + min(size - length, max(0, round((low + high - length) / 2))), length


def _get(node: Node, which: int = 0) -> Rect:
    found = abi.Rectangle()
    abi.ioctl(node.fd, abi.G_EXT_CTRLS, _request(found, which))
    return Rect(found.left, found.top, found.width, found.height)


def _set(node: Node, region: Rect) -> None:
    wanted = abi.Rectangle(*region)
    abi.ioctl(node.fd, abi.S_EXT_CTRLS, _request(wanted))


def _request(rectangle: abi.Rectangle, which: int = 0) -> abi.ControlValues:
    """Return a request that reads or sets the region. The caller keeps the rectangle until it is made."""
    one = abi.ControlValue(
        id=abi.CID_UVC_REGION_OF_INTEREST_RECT, size=ctypes.sizeof(rectangle), address=ctypes.addressof(rectangle)
    )
    return abi.ControlValues(which=which, count=1, controls=ctypes.pointer(one))
