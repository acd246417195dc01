"""https://www.w3.org/TR/webaudio-1.0/#DelayNode."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np

from mscli.webaudio.mixing import Block, mix
from mscli.webaudio.param import Param
from mscli.webaudio.processor import AudioSpan, Processor


class DelayLine:
    """A ring of the latest samples. ``most``: the longest delay that will be asked for, in samples."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._ring = np.zeros((1, 0), np.float32)
        self._end = 0  # the number of the next sample that is written
        self._silent_from = 0  # everything from this sample on is silent

    def write(self, block: Block | None, samples: int) -> None:
        """Add a block, or silence of this length."""
        self._fit(1 if block is None else len(block), samples)
        size = self._ring.shape[1]
        places = np.arange(self._end, self._end + samples) % size
        self._ring[:, places] = 0 if block is None else mix(block, len(self._ring))
        self._end += samples
        if block is not None:
            self._silent_from = self._end

    def read(self, delay: float | np.ndarray, begin: int, samples: int) -> Block | None:
        """Return samples from number ``begin`` on as they were ``delay`` samples before."""
        if begin - self._silent_from > self._most + samples:
            self._ring = self._ring[:1]
            return None
        self._fit(1, samples)
        size = self._ring.shape[1]
        places = np.arange(begin, begin + samples) - delay
        whole = np.floor(places).astype(np.int64)
        share = (places - whole).astype(np.float32)
        earlier = self._ring[:, whole % size]
        if not share.any():
            return earlier
        return earlier * (1 - share) + self._ring[:, (whole + 1) % size] * share

    @property
    def end(self) -> int:
        """Return the number of the next sample that is written."""
        return self._end

    def _fit(self, channels: int, samples: int) -> None:
        """Make room for the longest delay and a span, and for more channels: what was mono sounds on all of them."""
        size = self._most + 2 * samples + 2
        if self._ring.shape[1] < size:
            old = self._ring.shape[1]
            ring = np.zeros((len(self._ring), size), np.float32)
            known = np.arange(max(0, self._end - old), self._end)
            if old:
                ring[:, known % size] = self._ring[:, known % old]
            self._ring = ring
        if len(self._ring) < channels:
            self._ring = np.array(mix(self._ring, channels))


class Delay(Processor):
    """A node that delays its input. ``in_cycle``: whether it breaks a cycle; then it delays by one quantum at least."""

    def __init__(self, delay_time: Param, most_s: float, rate: float) -> None:
        super().__init__(params=[delay_time])
        self._delay_time = delay_time
        self._line = DelayLine(ceil(most_s * rate) + 1)
        self.in_cycle = False

    def process(self, inputs: Sequence[Block | None], span: AudioSpan) -> Sequence[Block | None]:
        """Return the sound of before. In a cycle, the input follows by ``write_input``."""
        delay = self._delay_time.during(span) * span.rate
        begin = self._line.end
        if self.in_cycle:
            return [self._line.read(np.maximum(delay, span.quantum), begin, span.samples)]
        self._line.write(inputs[0], span.samples)
        return [self._line.read(delay, begin, span.samples)]

    def inputs(self) -> list[Block | None]:
        """Return the input. That of a delay that breaks a cycle is not there yet."""
        return [None] if self.in_cycle else super().inputs()

    def write_input(self, span: AudioSpan) -> None:
        """Take the input, after all nodes were rendered."""
        self._line.write(super().inputs()[0], span.samples)
