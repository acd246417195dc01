"""The loudness of sound in decibels: the peak of a block, a meter of recent peaks, the levels of a track, and its silence.

dBFS are decibels below full scale. A track is silent while no sample of any channel reaches the threshold.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.frames import AudioData
from mscli.core.tuples import NamedTuple

CLIPPED = 32767 / 32768  # a peak from which the converter may have been overdriven
FLOOR_DB = -60.0  # anything below is shown as silence
SILENT_DB = -60.0  # dBFS below which a track is silent, unless another threshold is given
GAP_DB = -50.0  # the same between two files: a quiet room is louder than a microphone that is not connected
SOUND_DB = -40.0  # the same for a trigger
_HELD_US = 2 * MICROSECONDS  # how long a peak and a clipping stay visible

_CODES: Mapping[str, tuple[Any, int, int]] = {
    "u8": ("B", 128, 128),
    "s16": ("h", 0, 1 << 15),
    "s32": ("i", 0, 1 << 31),
    "f32": ("f", 0, 1),
}  # type code, zero level, full scale


class Levels(NamedTuple):
    """The levels of a track so far. Loudness is in LUFS (EBU R 128), peaks are in dB; None: silent, or not measured."""

    momentary: float | None = None  # the loudness of the last 400 ms
    loudest: float | None = None  # the highest of these
    integrated: float | None = None  # the loudness of everything, without silence
    true_peak: float | None = None  # dBTP: between the samples, too
    peak: float = 0.0  # the largest sample, from 0 to 1
    clipped: int = 0  # samples at full scale
    silent_s: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the report's members."""
        peak = round(20 * math.log10(self.peak), 2) if self.peak > 0 else None
        return {
            "integrated": self.integrated, "momentaryMax": self.loudest, "truePeak": self.true_peak, "samplePeak": peak,
            "clipped": self.clipped, "silent": round(self.silent_s, 3),
        }  # fmt: skip


def peak(block: AudioData) -> float:
    """Return the largest sample of any channel, from 0 to 1 (full scale). 40 ns a sample: 0.2 % of a core at 48 kHz."""
    code, zero, full = _CODES[block.format]
    samples: memoryview[Any] = block.data.cast("B").cast(code)
    return max(max(samples) - zero, zero - min(samples)) / full if len(samples) else 0.0


def clipped_samples(block: AudioData) -> int:
    """Return how many samples are at full scale or above."""
    code, zero, full = _CODES[block.format]
    most = CLIPPED * full
    return sum(1 for sample in block.data.cast("B").cast(code) if abs(sample - zero) >= most)


def decibels(level: float) -> float:
    """Convert a peak to dBFS, but not below the floor."""
    return max(FLOOR_DB, 20 * math.log10(level)) if level > 0 else FLOOR_DB


def ratio(db: float) -> float:
    """Convert dBFS to a peak from 0 to 1."""
    return float(10 ** (db / 20))


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


class Quiet(NamedTuple):
    """A silence that counts: how long it is, and the level below which all samples are (dBFS)."""

    seconds: float
    db: float = SILENT_DB


class Silence:
    """A judge of whether a track is silent, and since when. ``threshold_db``: dBFS from which on there is sound."""

    def __init__(self, threshold_db: float = SILENT_DB) -> None:
        self._least = ratio(threshold_db)
        self._since_us: int | None = None  # when the sound ended, or the first block began
        self.lasted_us = 0  # how long the silence before the latest block has lasted, or lasts with it
        self.sounds = False  # whether the latest block has sound

    def note(self, block: AudioData) -> None:
        """Take the next block."""
        end_us = block.timestamp + block.number_of_frames * MICROSECONDS // block.sample_rate
        since_us = block.timestamp if self._since_us is None else self._since_us
        self.sounds = not block.blank and peak(block) >= self._least
        self.lasted_us = max(0, (block.timestamp if self.sounds else end_us) - since_us)
        self._since_us = end_us if self.sounds else since_us
