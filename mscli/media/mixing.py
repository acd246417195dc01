"""Add the sound of several inputs up, each at its capture time on the common clock, although one of them stalls."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from mscli.core.clock import MICROSECONDS
from mscli.core.frames import SAMPLE_FORMATS, AudioData, between
from mscli.core.limits import MIX_LATE_US
from mscli.media.gain import summed
from mscli.media.placing import Placer
from mscli.media.resample import SoundConverter

_LEAST_S, _MOST_S = 0.01, 1.0  # the length of a block


class MixInput:
    """The sound of one track on the common clock. Bound: MIX_LATE_US of sound, and what a track is ahead of the others."""

    def __init__(self, shape: AudioData) -> None:
        bits = SAMPLE_FORMATS[shape.format].bits
        self._convert = SoundConverter(shape.sample_rate, shape.number_of_channels, bits).convert
        self._settings = {"sampleRate": shape.sample_rate, "channelCount": shape.number_of_channels, "sampleSize": bits}
        self._placer: Placer | None = None
        self._placed: deque[AudioData] = deque()
        self.over = False  # whether nothing more comes

    @property
    def until(self) -> int:
        """Return up to which sample its sound has come."""
        return 0 if self._placer is None else self._placer.sent

    def put(self, block: AudioData, origin_us: int) -> None:
        """Take the next block. ``origin_us``: the time of sample 0."""
        fitting = self._convert(block)
        if fitting is None:
            return
        if self._placer is None:
            self._placer = Placer(self._settings)
            self._placer.start(origin_us, fitting)
        self._placed.extend(self._placer.encode(fitting))

    def take(self, first: int, last: int) -> list[AudioData]:
        """Return the sound from sample ``first`` to ``last`` (exclusive). Nothing before ``last`` is asked for again."""
        parts = [part for block in self._placed if (part := between(block, first, last)).number_of_frames]
        while self._placed and self._placed[0].sequence + self._placed[0].number_of_frames <= last:
            self._placed.popleft()
        return parts


class Mix:
    """The sum of several inputs: pure, without a thread. ``shape``: a block with the format, rate and channels of the mix."""

    def __init__(self, inputs: int, shape: AudioData) -> None:
        self.inputs = [MixInput(shape) for _ in range(inputs)]
        self._shape = shape
        self._origin_us: int | None = None
        self._next = 0  # the number of the next sample

    def put(self, index: int, block: AudioData) -> None:
        """Take the next block of an input."""
        if self._origin_us is None:
            self._origin_us = block.timestamp
        self.inputs[index].put(block, self._origin_us)

    def take(self, at_us: int) -> AudioData | None:
        """Return the next block, or None while it is worth waiting for an input. ``at_us``: the time of the clock."""
        if self._origin_us is None:
            return None
        rate = self._shape.sample_rate
        there = min((one.until for one in self.inputs if not one.over), default=max(one.until for one in self.inputs))
        overdue = (at_us - MIX_LATE_US - self._origin_us) * rate // MICROSECONDS
        overdue = min(overdue, max(one.until for one in self.inputs))  # a mix of nothing is not made up
        last = min(max(there, overdue), self._next + round(_MOST_S * rate))
        if last - self._next < _LEAST_S * rate:
            return None
        return self._block(last)

    def _block(self, last: int) -> AudioData:
        """Return the sum up to sample ``last``."""
        assert self._origin_us is not None, "something has come"
        first, self._next = self._next, last
        timestamp = self._origin_us + round(first * MICROSECONDS / self._shape.sample_rate)
        shape = replace(self._shape, number_of_frames=last - first, sequence=first, timestamp=timestamp)
        return summed(shape, [part for one in self.inputs for part in one.take(first, last)])
