"""Boxes describe what a device can do: a set of values for each property, instead of a list of all combinations.

A device can deliver every combination of one value from each set of a ``Box``. (Only ``aspectRatio`` is not free: it follows
from ``width`` and ``height``.) A camera's discrete mode is a box of single values. A stepwise driver or a scaler is a box of
spans.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from mscli.core.tuples import NamedTuple

Scalar = str | bool | int | float


class Span(NamedTuple):
    """The numbers ``min``, ``min + step``, ... up to ``max``. Step 0 means every real number between them."""

    min: float
    max: float
    step: float = 0

    def cut(self, low: float, high: float) -> Span | None:
        """Return the part of the span within [low, high], or None if it is empty."""
        if low > self.max or high < self.min:
            return None
        low, high = self._up(max(low, self.min)), self._down(min(high, self.max))
        return Span(low, high, self.step) if low <= high else None

    def nearest(self, wanted: float) -> float:
        """Return the number with the smallest fitness distance from ``wanted``; of two equally close, the lower."""
        last = self._down(self.max)  # the last step may be below max
        if 0 < wanted <= self.min or self.min == last:
            return self.min
        if 0 < last <= wanted:
            return last
        around = (self._down(wanted), self._up(wanted)) if self.min < wanted < last else ()
        return min(self.min, *around, last, key=lambda number: apart(number, wanted))

    def _up(self, value: float) -> float:
        return self._after(math.ceil(round((value - self.min) / self.step, 9))) if self.step else value

    def _down(self, value: float) -> float:
        return self._after(math.floor(round((value - self.min) / self.step, 9))) if self.step else value

    def _after(self, steps: int) -> float:
        """Return the number after some steps, without a rounding error: 0.7 after seven steps of 0.1."""
        number = self.min + steps * self.step
        return number if isinstance(number, int) else float(f"{number:.15g}")


def apart(actual: float, ideal: float) -> float:
    """Return the fitness distance of two numbers: https://www.w3.org/TR/mediacapture-streams/#dfn-fitness-distance."""
    return 0.0 if actual == ideal else abs(actual - ideal) / max(abs(actual), abs(ideal))


Values = tuple[Scalar, ...] | Span


class Mode(NamedTuple):
    """A camera's native mode: a pixel format with its sizes (pixels) and rates (frames per second).

    A width, height or rate is a number, or a ``Span`` if the driver accepts any value within bounds.
    """

    pixel_format: str
    width: float | Span
    height: float | Span
    frame_rate: float | Span

    def to_json(self) -> dict[str, Any]:
        """Return the mode with the contract's keys. A span becomes ``{"min", "max", "step"}``."""
        sizes = {"width": self.width, "height": self.height, "frameRate": self.frame_rate}
        return {key: _span_json(value) for key, value in sizes.items()} | {"pixelFormat": self.pixel_format}


class Unusable(NamedTuple):
    """A format or mode that a device lists but that cannot be used. ``why`` completes a sentence about it."""

    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.what}: {self.why}"


MOST_PIXELS = 65_535  # per side: no file format allows more
MOST_RATE = 1_000_000.0  # frames per second
LEAST_RATE = 1 / 86_400  # a frame per day


def nonsense(mode: Mode) -> str:
    """Return why no camera can have this mode, as the end of a sentence about it, or "" if one can."""
    for side in (mode.width, mode.height):
        if not all(1 <= end <= MOST_PIXELS for end in _ends(side)):
            return "impossible size"
    return "" if all(LEAST_RATE <= end <= MOST_RATE for end in _ends(mode.frame_rate)) else "impossible frame rate"


def _ends(value: float | Span) -> tuple[float, ...]:
    return (value.min, value.max) if isinstance(value, Span) else (value,)


def mode_text(mode: Mode) -> str:
    """Format the mode for people: YUYV 640×480 at 30 fps."""
    width, height, rate = ("–".join(f"{end:g}" for end in _ends(value)) for value in mode[1:])
    return f"{mode.pixel_format} {width}×{height} at {rate} fps"


def _span_json(value: float | Span) -> Any:
    if not isinstance(value, Span):
        return value
    return {"min": value.min, "max": value.max} | ({"step": value.step} if value.step else {})


def values_of(value: float | Span) -> Values:
    """Return a number or span of a mode as a set of values."""
    return value if isinstance(value, Span) else (value,)


class Rank(NamedTuple):
    """A measure of how natural a box is among equals; the lowest wins. See the first rows of ``mscli.core.select.STEPS``."""

    place: float = 0  # the device's position in the order of preference
    switched: float = 0  # 1: the device would have to leave a mode that others are using
    derived: float = 0  # 1: derived from native frames


class Box(NamedTuple):
    """A set of settings that one device can deliver: IDL property names, each with a set of values.

    ``backing``: the native modes from which derived frames can be made. ``shapes``: the most natural sizes of derived frames.
    ``native``: the device's own sample rates and channel counts, if the sound is derived. ``kept``: the current values of the
    device's controls. They stay unless somebody asks for another value.
    """

    values: Mapping[str, Values]
    device: Any = None
    mode: Mode | None = None
    rank: Rank = Rank()
    backing: tuple[Mode, ...] = ()
    shapes: tuple[tuple[float, float], ...] = ()
    native: Mapping[str, Values] | None = None
    kept: Mapping[str, Scalar] = MappingProxyType({})


def scalars(values: Values) -> Iterator[float]:
    """Yield the numeric bounds of a set of values, for capabilities."""
    if isinstance(values, Span):
        yield values.min
        yield values.nearest(values.max)
    else:
        yield from (v for v in values if isinstance(v, int | float))
