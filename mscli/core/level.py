"""Measure how loud sound is: the peak of its samples, and the highest one of the last seconds."""

from __future__ import annotations

import math
from typing import Any

from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.frames import AudioData
from mscli.core.tuples import NamedTuple

CLIPPED = 32767 / 32768  # a peak from which the converter may have been overdriven
FLOOR_DB = -60.0  # anything below is shown as silence
_HELD_US = 2 * MICROSECONDS  # how long a peak and a clipping stay visible

_CODES: dict[str, tuple[Any, int, int]] = {
    "u8": ("B", 128, 128),
    "s16": ("h", 0, 1 << 15),
    "s32": ("i", 0, 1 << 31),
    "f32": ("f", 0, 1),
}  # type code, zero level, full scale


def peak(block: AudioData) -> float:
    """Return the largest sample of any channel, from 0 to 1 (full scale). 40 ns a sample: 0.2 % of a core at 48 kHz."""
    code, zero, full = _CODES[block.format]
    samples: memoryview[Any] = block.data.cast("B").cast(code)
    return max(max(samples) - zero, zero - min(samples)) / full if len(samples) else 0.0


def decibels(level: float) -> float:
    """Return a level in dBFS, at least ``FLOOR_DB``."""
    return max(FLOOR_DB, 20 * math.log10(level)) if level > 0 else FLOOR_DB


class MeterReading(NamedTuple):
    """A reading of a meter: the current peak, the highest of the last two seconds, and whether sound was clipped."""

    level: float = 0.0
    held: float = 0.0

    @property
    def decibels(self) -> float:
        """Return the highest peak in dBFS."""
        return decibels(self.held)

    @property
    def clipped(self) -> bool:
        """Return whether a sample was at full scale."""
        return self.held >= CLIPPED


class PeakHold:
    """The recent peaks of sound. Bound: those of two seconds."""

    def __init__(self) -> None:
        self._recent: list[tuple[int, float]] = []  # time and peak

    def read(self, level: float | None) -> MeterReading | None:
        """Add a peak, if there was sound. Return what to show, or None without sound."""
        now = now_us()
        if level is not None:
            self._recent.append((now, level))
        self._recent = [(at_us, one) for at_us, one in self._recent if at_us > now - _HELD_US]
        return MeterReading(self._recent[-1][1], max(one for _, one in self._recent)) if self._recent else None
