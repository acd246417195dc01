"""When a series goes over to its next file, by duration and by the clock on the wall, and which files it lets go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from mscli.core.clock import MICROSECONDS
from mscli.sinks.base import Series

_SAME_MARK_US = 100_000  # a file that began so little before a full mark of the clock began at it: two clocks are compared


def next_boundary(now: datetime, unit_s: int) -> datetime:
    """The first instant after ``now`` (with its zone) at which the local time of day is a multiple of ``unit_s`` seconds."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    of_day = (now.replace(tzinfo=None) - midnight.replace(tzinfo=None)) // timedelta(microseconds=1)
    unit_us = unit_s * MICROSECONDS
    then = now.astimezone() + timedelta(microseconds=unit_us - of_day % unit_us)
    changed = then.astimezone().utcoffset() or timedelta()  # the clocks may be changed in between
    corrected = then - (changed - (now.astimezone().utcoffset() or timedelta()))
    return (corrected if corrected > now else then).astimezone()


class Schedule:
    """The instants at which files are due to end. ``wall``: the local time of an instant (microseconds)."""

    def __init__(self, series: Series, wall: Callable[[int], datetime]) -> None:
        self._duration_us = None if series.duration_s is None else max(1, round(series.duration_s * MICROSECONDS))
        self._clock_s = series.clock_s
        self._wall = wall
        self._origin_us: int | None = None

    def due_us(self, after_us: int) -> int | None:
        """The first end after an instant; None if files do not end by time. The first call is for the series' beginning.

        Durations are counted from there, so that they do not drift.
        """
        first = self._origin_us is None
        if self._origin_us is None:
            self._origin_us = after_us
        ends = []
        if self._duration_us is not None:
            ends.append(after_us + self._duration_us - (after_us - self._origin_us) % self._duration_us)
        if self._clock_s is not None:
            later_us = after_us + (0 if first else _SAME_MARK_US)
            wall = self._wall(later_us)
            ends.append(later_us + (next_boundary(wall, self._clock_s) - wall) // timedelta(microseconds=1))
        return min(ends, default=None)

    def named_us(self, at_us: int) -> int:
        """The instant that names a file which begins at that one: a mark of the clock is not missed by a hair."""
        return at_us if self._clock_s is None else at_us + _SAME_MARK_US


def surplus(sizes: Sequence[int], series: Series) -> int:
    """How many of the finished files, the oldest first by their sizes in bytes, are too many."""
    least = 0 if series.keep_files is None else max(0, len(sizes) - series.keep_files)
    if series.keep_bytes is None:
        return least
    total = sum(sizes[least:])
    while least < len(sizes) - 1 and total > series.keep_bytes:
        total -= sizes[least]
        least += 1
    return least
