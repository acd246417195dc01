"""The times of a series of pictures or files: a fixed interval apart, or at the marks that the local clock shows."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil


class Ticks:
    """Times that are an interval apart (microseconds), from ``begin_us`` on. They do not drift: a late one delays no other.

    ``missed``: how many passed while there was no time for them.
    """

    def __init__(self, interval_us: int, begin_us: int) -> None:
        self.missed = 0
        self._interval_us = max(1, interval_us)
        self._next_us = begin_us

    def next_us(self, now_us: int) -> int:
        """Return the next time, now or later, and skip those that are over. The latest one is not too late to be used.

        A time is over once the next one has come.
        """
        late = max(0, (now_us - self._next_us) // self._interval_us)
        self.missed += late
        due_us = self._next_us + late * self._interval_us
        self._next_us = due_us + self._interval_us
        return due_us

    def pass_until(self, at_us: int) -> None:
        """Skip the times up to this one, because what came so late stands for them."""
        late = max(0, (at_us - self._next_us) // self._interval_us + 1)
        self.missed += late
        self._next_us += late * self._interval_us


def next_boundary(now: datetime, unit_s: int) -> datetime:
    """Return the first instant after ``now`` (with its zone) at which the local time of day is a multiple of ``unit_s``.

    When clocks are set back, the marks of the repeated hour occur twice.
    """
    now = now.astimezone()
    then = _next_mark(now, unit_s)
    changed = _clocks_changed(now, then)
    if changed is None:
        return then
    return changed if not _of_day(changed) % timedelta(seconds=unit_s) else _next_mark(changed, unit_s)


def _next_mark(now: datetime, unit_s: int) -> datetime:
    """Return the next multiple, assuming that the clock does not change."""
    unit = timedelta(seconds=unit_s)
    return (now + (unit - _of_day(now) % unit)).astimezone()


def _of_day(at: datetime) -> timedelta:
    return at.replace(tzinfo=None) - at.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)


def _clocks_changed(first: datetime, last: datetime) -> datetime | None:
    """Return the instant after ``first`` and up to ``last`` at which the local clock changes, or None."""
    if first.utcoffset() == last.utcoffset():
        return None
    before, after = int(first.timestamp()), ceil(last.timestamp())  # clocks change at whole seconds
    while after - before > 1:
        middle = (before + after) // 2
        if datetime.fromtimestamp(middle).astimezone().utcoffset() == first.utcoffset():
            before = middle
        else:
            after = middle
    return datetime.fromtimestamp(after).astimezone()
