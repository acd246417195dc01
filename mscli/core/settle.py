"""Decide when a camera that was just started shows pictures worth keeping: exposure and white balance have settled.

The measure is the trend of the mean luma and chroma over the last frames. Ranges over shorter windows fail with cameras that
change in steps, and where light flickers no range ever closes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

WINDOW = 10  # frames whose trend counts
STEADY = 3  # frames that suffice at the start if they are well exposed and hardly differ
BLACK = 3.0  # a mean luma below this, in 1/255, is no picture
GREEN = 20.0  # nor are means of both chroma components below this: memory that nobody has written to is green

_DRIFT, _DRIFT_SHARE = 1.5, 0.02  # luma that may change over the window: the larger of a number and a share of the mean
_RANGE, _RANGE_SHARE = 8.5, 0.08  # in which the luma may move about its trend
_CHROMA_RANGE = 0.8
_STILL = 0.5  # luma and chroma may differ this much among steady frames
_WELL_EXPOSED = (60.0, 200.0)


class Look(NamedTuple):
    """The means of one picture, 0 to 255 with the full range: luma and the two chroma components.

    ``digest``: equal for pictures that show the same.
    """

    luma: float
    cb: float = 128.0
    cr: float = 128.0
    digest: int = 0


class Settling:
    """A judge of pictures in their order. ``skipped``: how many came before the one that is good, by reason."""

    def __init__(self) -> None:
        self.skipped: dict[str, int] = {}
        self._looks: deque[Look] = deque(maxlen=WINDOW)
        self._seen = 0  # pictures that show something

    def is_settled(self, look: Look) -> bool:
        """Take the next picture. Return whether it may be kept. Count it as skipped otherwise."""
        self._looks.append(look)
        why = self._fault(look)
        if why:
            self.skipped[why] = self.skipped.get(why, 0) + 1
        return not why

    @property
    def newest(self) -> Look | None:
        """Return the last picture's means."""
        return self._looks[-1] if self._looks else None

    def _fault(self, look: Look) -> str:
        fault = unusable(look)
        if fault:
            return fault
        looks = list(self._looks)
        digests = [look.digest for look in looks]
        is_still_scene = len(digests) == WINDOW and len(set(digests)) == 1
        if digests[-2:-1] == digests[-1:] and not is_still_scene:
            return "frozen"
        self._seen += 1
        if self._seen == STEADY and _steady(looks):
            return ""
        return "" if len(looks) == WINDOW and _level(looks) else "unsettled"


def unusable(look: Look) -> str:
    """Return why a picture is never worth keeping: "black" or "green"; or ""."""
    if look.luma >= BLACK and max(look.cb, look.cr) >= GREEN:
        return ""
    return "black" if max(look.cb, look.cr) >= GREEN else "green"


def _steady(looks: Sequence[Look]) -> bool:
    low, high = _WELL_EXPOSED
    lumas, cbs, crs, _ = zip(*looks[-STEADY:], strict=True)
    return low <= looks[-1].luma <= high and max(map(_range, (lumas, cbs, crs))) < _STILL


def _level(looks: Sequence[Look]) -> bool:
    lumas, cbs, crs, _ = zip(*looks, strict=True)
    mean = sum(lumas) / len(lumas)
    is_flat = abs(_slope(lumas)) * len(lumas) < max(_DRIFT, _DRIFT_SHARE * mean)
    return is_flat and _range(lumas) < max(_RANGE, _RANGE_SHARE * mean) and max(_range(cbs), _range(crs)) < _CHROMA_RANGE


def _range(values: Sequence[float]) -> float:
    return max(values) - min(values)


def _slope(values: Sequence[float]) -> float:
    """Return the slope of the line through equally spaced values, by least squares."""
    middle = (len(values) - 1) / 2
    return sum((at - middle) * value for at, value in enumerate(values)) / sum((at - middle) ** 2 for at in range(len(values)))
