"""How one clock runs against another: the straight line through what was seen of both, for which the older counts less.

https://en.wikipedia.org/wiki/Weighted_least_squares, kept as five sums, whatever the length of the recording.
"""

from __future__ import annotations

from math import exp, sqrt

FORGET_S = 20.0  # in which the weight of what was seen falls to 1/e


class DriftLine:
    """The line ``late = offset + slope × time`` that fits best; times count from the latest one that was noted."""

    def __init__(self) -> None:
        self._at_s: float | None = None
        self._weight = self._x = self._xx = self._y = self._xy = 0.0

    def note(self, at_s: float, late_s: float) -> None:
        """At the instant ``at_s`` of the one clock the other was ``late_s`` behind."""
        self._age(0.0 if self._at_s is None else max(0.0, at_s - self._at_s))
        self._at_s = at_s
        self._weight += 1
        self._y += late_s

    @property
    def span_s(self) -> float:
        """How long has been watched: of times evenly spread their distance, and never more than some FORGET_S."""
        return sqrt(12 * max(0.0, self._spread)) / self._weight if self._weight else 0.0

    @property
    def slope(self) -> float:
        """Seconds by which the other clock falls behind in one second; 0 while there is nothing to tell it by."""
        return (self._weight * self._xy - self._x * self._y) / self._spread if self._spread > 0 else 0.0

    @property
    def late_s(self) -> float:
        """How late the other clock is at the latest instant, by the line."""
        return (self._y - self.slope * self._x) / self._weight if self._weight else 0.0

    @property
    def _spread(self) -> float:
        return self._weight * self._xx - self._x * self._x

    def _age(self, step_s: float) -> None:
        """Count times from ``step_s`` later on, and let what was noted fade."""
        fade = exp(-step_s / FORGET_S)
        self._xx = fade * (self._xx - 2 * step_s * self._x + step_s * step_s * self._weight)
        self._xy = fade * (self._xy - step_s * self._y)
        self._x = fade * (self._x - step_s * self._weight)
        self._weight *= fade
        self._y *= fade
