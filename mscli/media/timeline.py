"""Compute the position of each audio block on the common clock: gaps, drift and late starts, without touching the sound.

Samples are counted from an origin that all tracks of a recording share. Missing samples become silence; duplicate and early
samples are dropped. Both are counted (per channel). If a device's clock runs fast or slow, its sound is stretched, once it is
UNHEARD_S off. Until then, and if the clocks agree, the sound is unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import exp, sqrt

from mscli.core.clock import MICROSECONDS
from mscli.core.timing import SOUND_GAP_US
from mscli.core.tuples import NamedTuple

# How one clock runs relative to another: a straight line fitted to observations of both, with less weight for older ones.


FORGET_S = 20.0  # the time in which an observation's weight falls to 1/e


class DriftLine:
    """The best fit of the line ``late = offset + slope × time``. Times count from the latest observation."""

    def __init__(self) -> None:
        self._at_s: float | None = None
        self._weight = self._x = self._xx = self._y = self._xy = 0.0

    def note(self, at_s: float, late_s: float) -> None:
        """Record that at time ``at_s`` of the one clock the other was ``late_s`` behind."""
        self._age(0.0 if self._at_s is None else max(0.0, at_s - self._at_s))
        self._at_s = at_s
        self._weight += 1
        self._y += late_s

    @property
    def span_s(self) -> float:
        """Return the length of the observation: for evenly spread times, their range, limited to a few FORGET_S."""
        return sqrt(12 * max(0.0, self._spread)) / self._weight if self._weight else 0.0

    @property
    def slope(self) -> float:
        """Return how many seconds the other clock loses per second, or 0 if that is not known yet."""
        return (self._weight * self._xy - self._x * self._y) / self._spread if self._spread > 0 else 0.0

    @property
    def late_s(self) -> float:
        """Return how late the other clock is at the latest time, by the line."""
        return (self._y - self.slope * self._x) / self._weight if self._weight else 0.0

    @property
    def _spread(self) -> float:
        return self._weight * self._xx - self._x * self._x

    def _age(self, step_s: float) -> None:
        """Move the origin of times by ``step_s``, and reduce the weight of earlier observations."""
        fade = exp(-step_s / FORGET_S)
        self._xx = fade * (self._xx - 2 * step_s * self._x + step_s * step_s * self._weight)
        self._xy = fade * (self._xy - step_s * self._y)
        self._x = fade * (self._x - step_s * self._weight)
        self._weight *= fade
        self._y *= fade


RUNAWAY_US = 40_000  # between the counted samples and the clock: too much to be corrected without a jump
MEASURE_S = 10.0  # the length of sound before its drift is trusted
UNHEARD_S = 0.005  # an offset from the clock that needs no correction
CORRECTED_S = 10.0  # the time in which a correction reduces the offset by a factor of e
MOST = 0.002  # the largest drift that is corrected, 0.2 %: a thirtieth of a semitone, which is inaudible
SILENT_PIECE_S = 1  # silence is written in chunks, however long the gap


class Placement(NamedTuple):
    """The treatment of a block: write ``silence`` samples before it, and ``skip`` samples at its start.

    ``position``: the target position of its first sample that is not skipped, in samples from the origin. It lies between two
    samples while drift is corrected.
    """

    silence: int = 0
    skip: int = 0
    position: float = 0


class AudioTimeline:
    """The sample count of one track from ``origin_us`` (microseconds on CLOCK_MONOTONIC) on, at ``rate`` Hz."""

    def __init__(self, rate: int, origin_us: int) -> None:
        self.silence = 0  # silent samples inserted, including those of a late start
        self.skipped = 0  # samples dropped
        self.stretching = False  # whether drift is corrected
        self._placed = 0  # samples, including silence, before stretching
        self._stretched_s = 0.0  # the total by which they were stretched
        self._ratio = 0.0  # the current stretch
        self._rate = rate
        self._origin_us = origin_us
        self._heard = False  # whether the previous block was placed
        self._next_sequence = 0
        self._end_us = 0  # of the previous block, by its own timestamp
        self._line = DriftLine()

    @property
    def position(self) -> float:
        """Return the target position of the next sample, in samples from the origin."""
        return self._placed + self._stretched_s * self._rate

    @property
    def drift_ppm(self) -> int:
        """Return how much the device's clock is fast, in millionths, or 0 if that is not known yet."""
        return round(-1_000_000 * self._line.slope) if self._line.span_s >= MEASURE_S else 0

    def place(self, timestamp_us: int, samples: int, sequence: int) -> Placement:
        """Count the next block and return how it fits. ``sequence``: the device's sample count at its start."""
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
        """Return how many samples of silence to write now to reach ``until_us``, because nothing else has come."""
        silence = max(0, round(self._ahead(until_us)))
        self._count(silence, 0)
        return silence

    def _ahead(self, at_us: int) -> float:
        """Return by how many samples a time is later than the next expected sample."""
        return (at_us - self._origin_us) * self._rate / MICROSECONDS - self.position

    def _correction(self, ahead: float, gap_us: int, sequence: int) -> tuple[int, int]:
        """Return the samples of silence to insert and the samples to skip."""
        by_clock = (round(max(0.0, ahead)), round(max(0.0, -ahead)))
        lost = sequence - self._next_sequence
        if lost > 0 and self._heard and abs(ahead - lost) <= self._samples(SOUND_GAP_US):
            return lost, 0  # the device knows its loss to the sample, and the clock agrees
        if lost or not self._heard:
            return by_clock  # after a pause or a restart of the device, only the clock is known
        gap = gap_us > SOUND_GAP_US and ahead > self._samples(SOUND_GAP_US)
        return by_clock if gap or abs(ahead) > self._samples(RUNAWAY_US) else (0, 0)

    def _count(self, silence: int, skipped: int) -> None:
        self._placed += silence
        self.silence += silence
        self.skipped += skipped

    def _follow(self, at_s: float, late_s: float) -> None:
        """Set the stretch that brings the sound back to the clock. ``late_s``: how much it lacks at ``at_s``."""
        line = self._line
        line.note(at_s, late_s + self._stretched_s)
        if line.span_s < MEASURE_S:
            return
        short_s = line.late_s - self._stretched_s
        self.stretching = self.stretching or abs(short_s) > UNHEARD_S
        if self.stretching:
            self._ratio = max(-MOST, min(MOST, line.slope + short_s / CORRECTED_S))

    def _samples(self, us: int) -> float:
        return us * self._rate / MICROSECONDS


def silent_pieces(samples: int, rate: int) -> Iterator[int]:
    """Yield the lengths of the chunks in which to write ``samples`` of silence, to save memory."""
    while samples > 0:
        piece = min(samples, SILENT_PIECE_S * rate)
        yield piece
        samples -= piece
