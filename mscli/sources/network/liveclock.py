"""Bring the times of a live sender onto our clock."""

from __future__ import annotations

from mscli.core.clock import MICROSECONDS
from mscli.sources.sound.sampleclock import SampleClock

_BETTER_US = 500  # ignore an improvement of the beginning by less than this
_STEADY_US = 100_000  # the beginning is over when nothing has come earlier for this long
_BEGINNING_US = MICROSECONDS  # how long the beginning takes at most
JUMP_US, _BACK_US = 2 * MICROSECONDS, 100_000  # times that go further than this, on or back, have jumped


class LiveClock:
    """The distance from a sender's times to ours, in microseconds. What a sender sends may arrive late, but never early.

    A server first sends what it held back, so the first packets are late. The distance is only known when what arrives is as
    young as it can be. After that, it follows the drift of the sender as a microphone's does: its times are counted as the
    samples of a device of 1 MHz.
    """

    def __init__(self) -> None:
        self.shift_us: int | None = None  # what to add to the sender's times, once that is known
        self._clock: SampleClock | None = None
        self._sent_us = 0  # the last one of the sender's times
        self._least_us: int | None = None  # the least distance, in the beginning
        self._least_at_us = self._begun_us = 0  # when that was found, and when the first packet came

    def note(self, sent_us: int, arrival_us: int) -> None:
        """Note that something of this time of the sender has arrived. Call it in order of the sender's times."""
        if self._clock is None:
            self._begin(sent_us, arrival_us)
            return
        step_us = sent_us - self._sent_us
        if not -_BACK_US < step_us < JUMP_US:
            self._settle(sent_us, arrival_us - sent_us)
        elif step_us > 0:
            stamp = self._clock.stamp(arrival_us - step_us, step_us)
            self._sent_us, self.shift_us = sent_us, stamp.timestamp + step_us - sent_us

    def _begin(self, sent_us: int, arrival_us: int) -> None:
        distance_us = arrival_us - sent_us
        if self._least_us is None:
            self._begun_us = arrival_us
        if self._least_us is None or distance_us < self._least_us - _BETTER_US:
            self._least_us, self._least_at_us = distance_us, arrival_us
        if arrival_us - self._least_at_us >= _STEADY_US or arrival_us - self._begun_us >= _BEGINNING_US:
            self._settle(sent_us, min(self._least_us, distance_us))

    def _settle(self, sent_us: int, distance_us: int) -> None:
        self._clock = SampleClock(MICROSECONDS)
        self._clock.begin(distance_us + sent_us)
        self._sent_us, self.shift_us = sent_us, distance_us
