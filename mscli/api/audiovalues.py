"""The arguments of an audio graph, checked as WebIDL and the Web Audio API do."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

from mscli.core.errors import ArgumentError, NotSupportedError

MOST_CHANNELS = 32
RATES = (3_000.0, 768_000.0)  # Hz, from the lowest to the highest


def number(value: Any, name: str) -> float:
    """Return a finite number. Raises TypeError."""
    if isinstance(value, bool | str) or not hasattr(value, "__float__"):
        raise ArgumentError(f"{name} is a number, not {value!r}")
    if not isfinite(value):
        raise ArgumentError(f"{name} is a finite number, not {value!r}")
    return float(value)


def not_negative(value: Any, name: str) -> float:
    """Return a finite number from 0 on. Raises TypeError, and ValueError for a negative one."""
    found = number(value, name)
    if found < 0:
        raise ValueError(f"{name} is not negative, as {found:g} is")
    return found


def whole_number(value: Any, name: str) -> int:
    """Return a whole number from 0 on. Raises TypeError."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < 0:
        raise ArgumentError(f"{name} is a whole number from 0 on, not {value!r}")
    return int(value)


def one_of(value: Any, choices: Sequence[str], name: str) -> str:
    """Return a value of an enumeration. Raises TypeError."""
    if value not in choices:
        raise ArgumentError(f"{name} is one of {', '.join(choices)}, not {value!r}")
    return str(value)


def channel_number(value: Any, name: str = "number_of_channels") -> int:
    """Return a number of channels. Raises NotSupportedError unless it is from 1 to 32, and TypeError."""
    found = whole_number(value, name)
    if not 1 <= found <= MOST_CHANNELS:
        raise NotSupportedError(f"{name} is from 1 to {MOST_CHANNELS}, not {found}")
    return found


def sample_rate_of(value: Any) -> float:
    """Return a sample rate in Hz. Raises NotSupportedError if it is out of range, and TypeError."""
    found = number(value, "sample_rate")
    if not RATES[0] <= found <= RATES[1]:
        raise NotSupportedError(f"a sample rate is from {RATES[0]:g} to {RATES[1]:g} Hz, not {found:g}")
    return found
