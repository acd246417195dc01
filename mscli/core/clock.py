"""The one clock of the program: CLOCK_MONOTONIC in microseconds, and its place in UTC for people."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from threading import Event

DAY_S = 86_400
LONGEST_S = 1_000_000_000  # of a duration: 31 years, and its microseconds are still exact
MICROSECONDS = 1_000_000  # in a second


def now_us() -> int:
    """This instant in microseconds on CLOCK_MONOTONIC, the clock that V4L2 stamps frames with."""
    return time.monotonic_ns() // 1000


class Clock(Protocol):
    """What a source that makes its own frames is paced by, so that its time can be told to run otherwise."""

    def now_us(self) -> int:
        """This instant in microseconds."""

    def wait_until_us(self, at_us: int, cancelled: Event) -> bool:
        """Wait until that instant, or until ``cancelled`` is set; whether the instant was reached."""


class SystemClock:
    """CLOCK_MONOTONIC itself."""

    def now_us(self) -> int:
        """This instant in microseconds on CLOCK_MONOTONIC."""
        return now_us()

    def wait_until_us(self, at_us: int, cancelled: Event) -> bool:
        """Wait until that instant, or until ``cancelled`` is set; whether the instant was reached."""
        return not cancelled.wait(max(0, at_us - now_us()) / MICROSECONDS)


def wall_time(at_us: int | None = None) -> str:
    """The instant ``at_us`` of the monotonic clock (default: now) as ISO 8601 in UTC, to the microsecond."""
    from datetime import UTC, datetime

    ago_ns = 0 if at_us is None else time.monotonic_ns() - at_us * 1000
    instant = datetime.fromtimestamp((time.time_ns() - ago_ns) / 1e9, UTC)
    return instant.isoformat(timespec="microseconds").replace("+00:00", "Z")
