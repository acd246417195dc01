"""The one clock of the program: CLOCK_MONOTONIC in microseconds, and its place in UTC for people."""

from __future__ import annotations

import time

MICROSECONDS = 1_000_000  # in a second


def now_us() -> int:
    """This instant in microseconds on CLOCK_MONOTONIC, the clock that V4L2 stamps frames with."""
    return time.monotonic_ns() // 1000


def wall_time(at_us: int | None = None) -> str:
    """The instant ``at_us`` of the monotonic clock (default: now) as ISO 8601 in UTC, to the microsecond."""
    from datetime import UTC, datetime

    ago_ns = 0 if at_us is None else time.monotonic_ns() - at_us * 1000
    instant = datetime.fromtimestamp((time.time_ns() - ago_ns) / 1e9, UTC)
    return instant.isoformat(timespec="microseconds").replace("+00:00", "Z")
