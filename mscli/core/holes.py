"""What a device ought to have given and did not: holes in the flow of its frames that its own numbers say nothing of.

The times of pictures jitter, and a camera gives fewer of them in the dark. So a hole in pictures is a distance of more than
LONG times the nominal one, and the one before and the one after: one that stays is another rate. Whether something is a hole
is known with the next picture. A hole in sound is more than its blocks jitter.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from mscli.core.clock import MICROSECONDS
from mscli.core.frames import AudioData, Frame, frame_size

LONG = 2.5  # two pictures are missing at least: a single one is not told from a slow exposure
GAP_US = 15_000  # from the end of one block of sound to the start of the next: more than a block may jitter


class Holes:
    """Finds what is missing among the frames of one device since its start, which have to be noted in their order.

    A device that returns counts from 0 again. Frames that stand for those that it did not give are noted, too: they are not
    missing.
    """

    def __init__(self) -> None:
        self._last_us: int | None = None  # of pictures the latest, of sound its end
        self._next_sequence = 0
        self._steps: deque[_Step] = deque(maxlen=3)

    def note(self, frame: Frame, rate: float) -> int:
        """Pictures, or samples per channel, that were found missing and that the device did not number.

        ``rate``: the nominal one of pictures, per second.
        """
        known = max(0, frame.sequence - self._next_sequence)
        last_us, begin_us = self._last_us, frame.timestamp
        self._next_sequence = frame.sequence + frame_size(frame)
        self._last_us = begin_us + frame.duration if isinstance(frame, AudioData) else begin_us
        if last_us is None:
            return 0
        if isinstance(frame, AudioData):
            return _samples(begin_us - last_us, known, frame.sample_rate)
        step_us = begin_us - last_us
        self._steps.append(_Step(step_us, known, step_us / (1 + known)))
        return self._pictures(MICROSECONDS / rate)

    def _pictures(self, nominal_us: float) -> int:
        """Those missing before the latest picture but one."""
        if len(self._steps) < 3:
            return 0
        before, step, after = self._steps
        usual_us = max(nominal_us, before.each_us, after.each_us)
        return round(step.us / usual_us) - 1 - step.known if step.each_us > LONG * usual_us else 0


class _Step(NamedTuple):
    """From one picture to the next, between which so many are known to be lost."""

    us: int
    known: int
    each_us: float  # for each of the pictures


def _samples(gap_us: int, known: int, rate: int) -> int:
    """Of a gap in sound those beyond the known ones."""
    missing = gap_us * rate / MICROSECONDS - known
    return round(missing) if missing * MICROSECONDS > GAP_US * rate else 0
