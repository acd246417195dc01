"""The program's only clock, CLOCK_MONOTONIC in microseconds, and its conversion to UTC."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime
    from threading import Event

DAY_S = 86_400
LONGEST_S = 1_000_000_000  # the longest duration: 31 years, still exact in microseconds
MICROSECONDS = 1_000_000  # per second


def now_us() -> int:
    """Return the current time in microseconds on CLOCK_MONOTONIC, the clock of V4L2's timestamps."""
    return time.monotonic_ns() // 1000


class Clock(Protocol):
    """The clock that paces a source which generates its own frames. Tests pass a clock of their own."""

    def now_us(self) -> int:
        """Return the current time in microseconds."""

    def wait_until_us(self, at_us: int, cancelled: Event) -> bool:
        """Wait until ``at_us``, or until ``cancelled`` is set. Return whether ``at_us`` was reached."""


class SystemClock:
    """The clock of the system: CLOCK_MONOTONIC."""

    def now_us(self) -> int:
        """Return the current time in microseconds on CLOCK_MONOTONIC."""
        return now_us()

    def wait_until_us(self, at_us: int, cancelled: Event) -> bool:
        """Wait until ``at_us``, or until ``cancelled`` is set. Return whether ``at_us`` was reached."""
        return not cancelled.wait(max(0, at_us - now_us()) / MICROSECONDS)


def wall_clock(at_us: int) -> datetime:
    """Return the local time of a timestamp on CLOCK_MONOTONIC (microseconds), with its zone."""
    from datetime import datetime

    return datetime.fromtimestamp(time.time() - (now_us() - at_us) / MICROSECONDS).astimezone()


_UNITS = ((31_557_600, "years"), (86_400, "days"), (3600, "hours"), (60, "minutes"), (1, "s"))


def time_text(us: int) -> str:
    """Format a duration for people, in a suitable unit: “1.5 s”, “56 years”."""
    seconds = us / MICROSECONDS
    unit_s, unit = next((row for row in _UNITS if seconds >= 2 * row[0] or row[0] == 1 <= seconds), (1 / 1000, "ms"))
    return f"{seconds / unit_s:.3g} {unit}"


def wall_time(at_us: int | None = None) -> str:
    """Convert a time on the monotonic clock (default: now) to ISO 8601 in UTC, with microseconds."""
    from datetime import UTC, datetime

    ago_ns = 0 if at_us is None else time.monotonic_ns() - at_us * 1000
    instant = datetime.fromtimestamp((time.time_ns() - ago_ns) / 1e9, UTC)
    return instant.isoformat(timespec="microseconds").replace("+00:00", "Z")
