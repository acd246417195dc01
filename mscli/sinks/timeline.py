"""Where each block of sound belongs on the one clock: an account of gaps, drift and late starts, without the sound itself.

Samples are counted from an origin that all tracks of a recording share. What is missing becomes silence, what comes twice
or too early is left out, and both are counted (per channel). A device's clock that runs fast or slow is followed by making its
sound longer or shorter, once it is UNHEARD_S off; until then, and always where the clocks agree, sound is left as it came.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from mscli.core.clock import MICROSECONDS
from mscli.core.holes import GAP_US
from mscli.sinks.drift import DriftLine

RUNAWAY_US = 40_000  # between the samples counted and the clock: too much to be followed without a step
MEASURE_S = 10.0  # of sound, before its drift is believed
UNHEARD_S = 0.005  # beside the clock: what needs no correction
SETTLE_S = 10.0  # in which a correction brings sound nearer to its place by a factor of e
MOST = 0.002  # of drift that is followed, 0.2 %: a thirtieth of a semitone, which is not heard
SILENT_PIECE_S = 1  # silence is written in pieces, whatever the length of the gap


class Placement(NamedTuple):
    """What to do with a block: samples of ``silence`` to write before it, and samples to ``skip`` from its start.

    ``position``: where its first sample that is not skipped belongs, in samples from the origin; between two of them where
    drift is corrected.
    """

    silence: int = 0
    skip: int = 0
    position: float = 0


class AudioTimeline:
    """The samples of one track, counted from ``origin_us`` (microseconds on CLOCK_MONOTONIC) at ``rate`` Hz."""

    def __init__(self, rate: int, origin_us: int) -> None:
        self.silence = 0  # samples filled in, that of a late start included
        self.skipped = 0  # samples left out
        self.stretching = False  # whether drift is corrected
        self._placed = 0  # samples, silence included, as long as they came
        self._stretched_s = 0.0  # by which they were made longer altogether
        self._ratio = 0.0  # by which they are made longer now
        self._rate = rate
        self._origin_us = origin_us
        self._heard = False  # whether the block before has been placed
        self._next_sequence = 0
        self._end_us = 0  # of the block before, by its own time
        self._line = DriftLine()

    @property
    def position(self) -> float:
        """Where what comes next belongs, in samples from the origin."""
        return self._placed + self._stretched_s * self._rate

    @property
    def drift_ppm(self) -> int:
        """By how many millionths the device's clock runs fast; 0 too while that is not known."""
        return round(-1_000_000 * self._line.slope) if self._line.span_s >= MEASURE_S else 0

    def place(self, timestamp_us: int, samples: int, sequence: int) -> Placement:
        """Count the next block in, and say how it fits. ``sequence`` is the device's count of samples at its start."""
        ahead = self._ahead(timestamp_us)
        silence, skip = self._correction(ahead, timestamp_us - self._end_us, sequence)
        skip = min(skip, samples)
        self._heard = skip < samples
        self._next_sequence = sequence + samples
        self._end_us = timestamp_us + samples * MICROSECONDS // self._rate
        self._count(silence, skip)
        placement = Placement(silence, skip, self.position)
        if self._heard:
            self._follow(timestamp_us / MICROSECONDS, (ahead - silence + skip) / self._rate)
        self._placed += samples - skip
        self._stretched_s += (samples - skip) / self._rate * self._ratio
        return placement

    def advance(self, until_us: int) -> int:
        """Samples of silence to write now so that the track reaches ``until_us``, because nothing else has come."""
        silence = max(0, round(self._ahead(until_us)))
        self._count(silence, 0)
        return silence

    def _ahead(self, at_us: int) -> float:
        """By how many samples that instant is later than the next one expected."""
        return (at_us - self._origin_us) * self._rate / MICROSECONDS - self.position

    def _correction(self, ahead: float, gap_us: int, sequence: int) -> tuple[int, int]:
        """Samples of silence and samples to skip."""
        by_clock = (round(max(0.0, ahead)), round(max(0.0, -ahead)))
        lost = sequence - self._next_sequence
        if lost > 0 and self._heard and abs(ahead - lost) <= self._samples(GAP_US):
            return lost, 0  # the device knows to the sample what it lost, and the clock agrees
        if lost or not self._heard:
            return by_clock  # after a pause, or a start of the device, nothing else is known
        gap = gap_us > GAP_US and ahead > self._samples(GAP_US)
        return by_clock if gap or abs(ahead) > self._samples(RUNAWAY_US) else (0, 0)

    def _count(self, silence: int, skipped: int) -> None:
        self._placed += silence
        self.silence += silence
        self.skipped += skipped

    def _follow(self, at_s: float, late_s: float) -> None:
        """Set the ratio that brings the sound back to the clock, of which it is ``late_s`` short at that instant."""
        line = self._line
        line.note(at_s, late_s + self._stretched_s)
        if line.span_s < MEASURE_S:
            return
        short_s = line.late_s - self._stretched_s
        self.stretching = self.stretching or abs(short_s) > UNHEARD_S
        if self.stretching:
            self._ratio = max(-MOST, min(MOST, line.slope + short_s / SETTLE_S))

    def _samples(self, us: int) -> float:
        return us * self._rate / MICROSECONDS


def silent_pieces(samples: int, rate: int) -> Iterator[int]:
    """The lengths of the pieces in which so many samples of silence are written, so that they need little memory."""
    while samples > 0:
        piece = min(samples, SILENT_PIECE_S * rate)
        yield piece
        samples -= piece
