"""Boxes: what a device can do, as sets of values for each property, without listing every combination.

A ``Box`` says: every combination of one value from each of these sets can be delivered (except that ``aspectRatio``
follows from ``width`` and ``height``). A camera's discrete mode is a box of single values; a stepwise driver or a scaler is
a box of spans.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Scalar = str | bool | int | float


class Span(NamedTuple):
    """All numbers from ``min`` to ``max`` in steps of ``step`` from min; step 0: every real number between."""

    min: float
    max: float
    step: float = 0

    def cut(self, low: float, high: float) -> Span | None:
        """What of the span lies within [low, high]; None if nothing does."""
        if low > self.max or high < self.min:
            return None
        low, high = self._up(max(low, self.min)), self._down(min(high, self.max))
        return Span(low, high, self.step) if low <= high else None

    def nearest(self, wanted: float) -> float:
        """The number of the span at the least fitness distance from ``wanted``, the lower of two equally close."""
        last = self._down(self.max)  # steps may end before max
        if 0 < wanted <= self.min or self.min == last:
            return self.min
        if 0 < last <= wanted:
            return last
        around = (self._down(wanted), self._up(wanted)) if self.min < wanted < last else ()
        return min(self.min, *around, last, key=lambda number: apart(number, wanted))

    def _up(self, value: float) -> float:
        steps = math.ceil(round((value - self.min) / self.step, 9)) if self.step else 0
        return self.min + steps * self.step if self.step else value

    def _down(self, value: float) -> float:
        steps = math.floor(round((value - self.min) / self.step, 9)) if self.step else 0
        return self.min + steps * self.step if self.step else value


def apart(actual: float, ideal: float) -> float:
    """The fitness distance of two numbers: https://www.w3.org/TR/mediacapture-streams/#dfn-fitness-distance."""
    return 0.0 if actual == ideal else abs(actual - ideal) / max(abs(actual), abs(ideal))


Values = tuple[Scalar, ...] | Span


class Mode(NamedTuple):
    """A camera's native mode: a pixel format, and the sizes (pixels) and rates (frames per second) that it has.

    A width, height or rate is a number, or a ``Span`` where the driver takes any value between bounds.
    """

    pixel_format: str
    width: float | Span
    height: float | Span
    frame_rate: float | Span

    def to_json(self) -> dict[str, Any]:
        """The mode with the contract's keys; a span as ``{"min", "max", "step"}``."""
        sizes = {"width": self.width, "height": self.height, "frameRate": self.frame_rate}
        return {key: _span_json(value) for key, value in sizes.items()} | {"pixelFormat": self.pixel_format}


def _span_json(value: float | Span) -> Any:
    if not isinstance(value, Span):
        return value
    return {"min": value.min, "max": value.max} | ({"step": value.step} if value.step else {})


def values_of(value: float | Span) -> Values:
    """A mode's number or span as a set of values."""
    return value if isinstance(value, Span) else (value,)


class Rank(NamedTuple):
    """How natural a box is among equals, the lowest wins: see the first rows of ``mscli.core.ties.STEPS``."""

    place: float = 0  # of its device in the order of preference
    switched: float = 0  # 1: the device would have to leave the mode in which others use it
    derived: float = 0  # 1: made of native frames


class Box(NamedTuple):
    """A set of settings that one device can deliver: IDL property names to sets of values.

    ``backing``: for derived pictures, the native modes that they can be made of; ``shapes``: their most natural sizes.
    ``native``: for derived sound, the device's own sample rates and channel counts.
    """

    values: Mapping[str, Values]
    device: Any = None
    mode: Mode | None = None
    rank: Rank = Rank()
    backing: tuple[Mode, ...] = ()
    shapes: tuple[tuple[float, float], ...] = ()
    native: Mapping[str, Values] | None = None


def scalars(values: Values) -> Iterator[float]:
    """The numeric bounds of a set of values, for capabilities."""
    if isinstance(values, Span):
        yield values.min
        yield values.nearest(values.max)
    else:
        yield from (v for v in values if isinstance(v, int | float))
