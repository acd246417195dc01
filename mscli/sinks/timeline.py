"""Where each block of sound belongs on the one clock: an account of gaps, drift and late starts, without the sound itself.

Samples are counted from an origin that all tracks of a recording share. What is missing becomes silence, what comes twice
or too early is left out, and both are counted (per channel), so that sound never runs away from the picture.
"""

from __future__ import annotations

from typing import NamedTuple

from mscli.core.clock import MICROSECONDS

GAP_US = 20_000  # from the end of one block to the start of the next: more than a block may jitter
DRIFT_US = 40_000  # between the samples counted and the clock: less is not noticed beside a picture


class Placement(NamedTuple):
    """What to do with a block: samples of ``silence`` to write before it, and samples to ``skip`` from its start."""

    silence: int = 0
    skip: int = 0


class AudioTimeline:
    """The samples of one track, counted from ``origin_us`` (microseconds on CLOCK_MONOTONIC) at ``rate`` Hz."""

    def __init__(self, rate: int, origin_us: int) -> None:
        self.position = 0  # samples placed, silence included
        self.silence = 0  # samples filled in, that of a late start included
        self.skipped = 0  # samples left out
        self._rate = rate
        self._origin_us = origin_us
        self._heard = False  # whether a sample of the device has been placed
        self._next_sequence = 0
        self._end_us = 0  # of the block before, by its own time

    def place(self, timestamp_us: int, samples: int, sequence: int) -> Placement:
        """Count the next block in, and say how it fits. ``sequence`` is the device's count of samples at its start."""
        ahead = self._samples(timestamp_us - self._origin_us) - self.position  # how much later it is than expected
        silence, skip = self._correction(ahead, timestamp_us - self._end_us, sequence)
        skip = min(skip, samples)
        self._heard = self._heard or skip < samples
        self._next_sequence = sequence + samples
        self._end_us = timestamp_us + samples * MICROSECONDS // self._rate
        return self._count(Placement(silence, skip), samples)

    def advance(self, until_us: int) -> int:
        """Samples of silence to write now so that the track reaches ``until_us``, because nothing else has come."""
        silence = max(0, self._samples(until_us - self._origin_us) - self.position)
        self._count(Placement(silence), 0)
        return silence

    def _correction(self, ahead: int, gap_us: int, sequence: int) -> Placement:
        if not self._heard:
            return Placement(max(0, ahead), max(0, -ahead))
        lost = sequence - self._next_sequence
        if lost > 0 and abs(ahead - lost) <= self._samples(DRIFT_US):
            return Placement(lost)  # the device knows to the sample what it lost, and the clock agrees
        if ahead > self._samples(DRIFT_US) or (gap_us > GAP_US and ahead > self._samples(GAP_US)):
            return Placement(ahead)
        return Placement(0, -ahead if ahead < -self._samples(DRIFT_US) else 0)

    def _count(self, placement: Placement, samples: int) -> Placement:
        self.position += placement.silence + samples - placement.skip
        self.silence += placement.silence
        self.skipped += placement.skip
        return placement

    def _samples(self, us: int) -> int:
        return round(us * self._rate / MICROSECONDS)
