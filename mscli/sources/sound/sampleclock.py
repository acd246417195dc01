"""Determine when samples were captured: time blocks of sound, including the first ones, by counting samples.

The measured time of a block is often late on a busy machine, but never early.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from mscli.core.clock import MICROSECONDS
from mscli.core.frames import AudioData
from mscli.core.log import Burst, Log
from mscli.core.tuples import NamedTuple

OLDEST_US = MICROSECONDS  # a driver's age of a block is trusted up to this value

_log = Log("sound")


class Stamp(NamedTuple):
    """The capture time of a block's first sample, its sample number since the start, and the samples lost before it."""

    timestamp: int  # microseconds on CLOCK_MONOTONIC
    sequence: int  # samples per channel, losses included
    lost: int


class SampleClock:
    """A clock for audio blocks that counts samples. It hides late callbacks but follows the device's drift.

    Measured times are often late on a busy machine, but never early. So the earliest one within WINDOW_S is the truth. The
    clock follows it quickly if it was late itself, and slowly in the other direction (a real device's drift is below 0.05 %).
    If all blocks are late by more than GAP_S for CONFIRM_S, samples were lost. After a stall without a loss, the waiting blocks
    come in a burst, and the clock is right again.
    """

    WINDOW_S = 0.5
    GAP_S = 0.06
    CONFIRM_S = 0.5
    BACK, FORTH = 0.05, 0.001  # the largest correction per block, as a fraction of its duration

    def __init__(self, rate: int) -> None:
        self._sample_us = MICROSECONDS / rate
        self._sequence = 0
        self._offset_us: float | None = None  # of sample number 0
        # sequences and offsets within WINDOW_S, both rising, so the first offset is the smallest
        self._earliest: deque[tuple[int, float]] = deque()
        self._late_since_us: int | None = None
        self._least_late_us = 0.0

    def begin(self, first_us: float) -> None:
        """Set the capture time of the first sample, if that is known better than from the first block."""
        self._offset_us = first_us
        self._earliest.append((0, first_us))

    def stamp(self, measured_us: int, samples: int, overflow: bool = False) -> Stamp:
        """Return the time of a block of ``samples`` per channel whose first one was captured at about ``measured_us``.

        ``overflow``: the driver reports a loss before the block.
        """
        offset_us = measured_us - self._sequence * self._sample_us
        if self._offset_us is None:
            self._offset_us, overflow = offset_us, False  # nothing can be missing before the first block
        lost = self._lost(measured_us, offset_us - self._offset_us, overflow)
        self._sequence += lost
        self._offset_us += self._correction_us(offset_us - lost * self._sample_us, samples)
        stamp = Stamp(round(self._offset_us + self._sequence * self._sample_us), self._sequence, lost)
        self._sequence += samples
        return stamp

    def _lost(self, measured_us: int, late_us: float, overflow: bool) -> int:
        if overflow:
            self._late_since_us = None
            return max(1, int(late_us / self._sample_us))
        if late_us <= self.GAP_S * MICROSECONDS:
            self._late_since_us = None
            return 0
        if self._late_since_us is None:
            self._late_since_us, self._least_late_us = measured_us, late_us
        self._least_late_us = min(self._least_late_us, late_us)
        if measured_us - self._late_since_us < self.CONFIRM_S * MICROSECONDS:
            return 0
        self._late_since_us = None
        return int(self._least_late_us / self._sample_us)

    def _correction_us(self, offset_us: float, samples: int) -> float:
        while self._earliest and self._earliest[-1][1] >= offset_us:
            self._earliest.pop()
        self._earliest.append((self._sequence, offset_us))
        oldest = self._sequence - self.WINDOW_S * MICROSECONDS / self._sample_us
        while self._earliest[0][0] < oldest:
            self._earliest.popleft()
        assert self._offset_us is not None, "stamp has set it"
        duration_us = samples * self._sample_us
        wanted_us = self._earliest[0][1] - self._offset_us
        return max(-self.BACK * duration_us, min(wanted_us, self.FORTH * duration_us))


class Measured(NamedTuple):
    """A block of sound as it arrived. ``measured_us``: the approximate capture time of its first sample."""

    measured_us: int  # microseconds on CLOCK_MONOTONIC
    samples: int  # per channel
    overflow: bool  # whether the driver reports a loss before it
    data: bytes


def age_us(claimed_us: int, samples: int, rate: int) -> int:
    """Return the age of a block's first sample: as claimed, or the block's duration if the claim is shorter or too long."""
    lasts_us = samples * MICROSECONDS // rate
    return claimed_us if lasts_us <= claimed_us <= OLDEST_US else lasts_us


class FirstBlocks:
    """A queue that holds the first blocks until the capture time of the first sample is known. Later blocks pass at once.

    While a device starts, its first blocks are late. They wait until no block has implied an earlier beginning for STEADY_S of
    sound, but for at most WINDOW_S of sound.
    """

    STEADY_S = 0.1
    STEP_US = 500  # ignore an improvement of the beginning by less than this

    def __init__(self, clock: SampleClock, rate: int) -> None:
        self._clock = clock
        self._sample_us = MICROSECONDS / rate
        self._held: list[Measured] | None = []  # bound: WINDOW_S of sound; None: they were passed on
        self._samples = 0  # in the held blocks
        self._begin_us = 0.0  # the earliest beginning that a block implies
        self._steady_since = 0  # the number of samples before that block

    def take(self, block: Measured) -> Iterator[Measured]:
        """Take a block. Yield the blocks that can be stamped and passed on now."""
        if self._held is None:
            yield block
            return
        self._note(block)
        self._held.append(block)
        self._samples += block.samples
        steady_us = (self._samples - self._steady_since) * self._sample_us
        held_us = self._samples * self._sample_us
        if steady_us > self.STEADY_S * MICROSECONDS or held_us >= SampleClock.WINDOW_S * MICROSECONDS:
            yield from self.release()

    def release(self) -> list[Measured]:
        """Return the blocks that are held back. The earliest known beginning determines their times."""
        held, self._held = self._held or [], None
        if held:
            self._clock.begin(self._begin_us)
        return held

    def _note(self, block: Measured) -> None:
        begin_us = block.measured_us - self._samples * self._sample_us
        if not self._samples or begin_us < self._begin_us - self.STEP_US:
            self._steady_since = self._samples
        self._begin_us = min(begin_us, self._begin_us) if self._samples else begin_us


class BlockTimer:
    """A filter that times a microphone's blocks, and reports and logs losses.

    ``why``: who reports an overflow, in words for the log.
    """

    def __init__(self, label: str, why: str, sample_format: str, rate: int, channels: int, layout: str = "") -> None:
        self._why = why
        self._shape = sample_format, rate, channels, layout
        self._clock = SampleClock(rate)
        self._first = FirstBlocks(self._clock, rate)
        self._lost = Burst(_log, f"“{label}”: %d sample(s) lost%s")

    def take(self, block: Measured) -> Iterator[tuple[int, AudioData]]:
        """Yield the blocks that can be timed now, each with the number of samples lost before it."""
        return map(self._timed, self._first.take(block))

    def release(self) -> Iterator[tuple[int, AudioData]]:
        """Yield the first blocks if they still wait, because no other block follows."""
        return map(self._timed, self._first.release())

    def _timed(self, block: Measured) -> tuple[int, AudioData]:
        stamp = self._clock.stamp(block.measured_us, block.samples, block.overflow)
        if stamp.lost:
            self._lost.note(stamp.lost, self._why if block.overflow else " in a gap")
        else:
            self._lost.end()
        sample_format, rate, channels, layout = self._shape
        data = memoryview(block.data)
        sound = AudioData(sample_format, rate, block.samples, channels, stamp.timestamp, data, stamp.sequence, layout=layout)
        return stamp.lost, sound
