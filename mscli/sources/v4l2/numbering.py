"""Count the frames of a driver by its numbers, which show the missing ones.

https://docs.kernel.org/userspace-api/media/v4l/buffer.html: a number counts frames. Some drivers count the fields of whole
frames instead, so that their numbers rise by two although no frame is missing.
"""

from __future__ import annotations

from math import gcd, sqrt

SEQUENCE_RANGE = 1 << 32
LEARNED = 8  # the number of rises by multiples of a step, at the nominal rate, after which the step is believed


class Numbering:
    """The numbers of one stream. ``lasts_us``: the nominal duration of a frame, in microseconds.

    If all numbers rise by multiples of a step, either the driver counts so, or it has lost frames. Time tells: whoever loses
    every second frame takes twice as long for the others. As soon as a number follows the one before, every number counts.
    """

    def __init__(self, lasts_us: int) -> None:
        self.lasts_us = lasts_us
        self._count = 0  # the number of the latest frame, which does not wrap
        self._latest: int | None = None  # the driver's
        self._step: int | None = None  # None: it is being learned
        self._learn_from(0, ())

    def note(self, sequence: int, *at_us: int) -> int:
        """Count a frame, and return how many are missing before it, as far as that was not returned already.

        ``at_us``: its time in microseconds, by several clocks, of which the one counts by which most time has passed. Stamps
        may be wrong, and frames arrive at once after a program has stood still.
        """
        last, self._latest = self._latest, sequence
        rise = 0 if last is None else (sequence - last) % SEQUENCE_RANGE
        if last is None or rise >= SEQUENCE_RANGE // 2:  # the numbers begin, or begin anew
            self._count, self._step = sequence, None
            self._learn_from(sequence, at_us)
            return 0
        if rise == 0:  # the driver does not count
            return 0
        before, self._step = self._count, 1 if rise == 1 and self._step else self._step
        self._count = before + max(1, rise // self._step) if self._step else self._learn(rise, at_us)
        return self._count - before - 1

    @property
    def number(self) -> int:
        """Return the number of the latest frame: the driver's, divided by the step. It wraps as 32 bits do."""
        return self._count % SEQUENCE_RANGE

    def _learn_from(self, number: int, at_us: tuple[int, ...]) -> None:
        self._from, self._from_us = number, at_us
        self._common = self._risen = self._rises = 0  # the likely step, and the sum and the number of the rises

    def _learn(self, rise: int, at_us: tuple[int, ...]) -> int:
        """Return the number of a frame while the step is being learned."""
        self._common, self._risen, self._rises = gcd(self._common, rise), self._risen + rise, self._rises + 1
        took_us = max((now - then for now, then in zip(at_us, self._from_us, strict=True)), default=0)
        number = self._from + self._risen // self._common
        if self._common == 1:
            self._step = 1
        elif took_us >= self._risen * self.lasts_us / sqrt(self._common):  # closer to the time of all numbers
            number = self._from + self._risen
            self._learn_from(number, at_us)
        elif self._rises == LEARNED:
            self._step = self._common
        return number
