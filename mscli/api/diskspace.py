"""Whether a recording has room, and for how long."""

from __future__ import annotations

from mscli.core.errors import OperationError
from mscli.sinks.base import Sink

LEAST_S = 10  # a recording that has no room for so many seconds is not begun


def check_room(sink: Sink) -> None:
    """Raise OperationError if the disk is too full to begin."""
    free, need = sink.free_bytes, sink.expected_bits_per_second / 8 * LEAST_S
    if free is not None and free < need:
        raise OperationError(
            f"there is no room to record: the disk has {_amount(free)} left, and {LEAST_S} s take about {_amount(need)}",
            hints=["free some space, choose a folder on another disk, or a smaller picture: --size, --frame-rate"],
        )


def seconds_left(sink: Sink, recorded_s: float) -> float | None:
    """For how many seconds there is room, at the rate so far, before there is one as expected; None where nobody knows."""
    written = sink.bytes_written
    rate = written / recorded_s if written and recorded_s >= LEAST_S else sink.expected_bits_per_second / 8
    free = sink.free_bytes
    return None if free is None or not rate else free / rate


def _amount(count: float) -> str:
    return f"{count / 1e9:.3g} GB" if count >= 1e8 else f"{count / 1e6:.2g} MB"
