"""https://www.w3.org/TR/webaudio-1.0/#AnalyserNode."""

from __future__ import annotations

from collections.abc import Sequence
from threading import RLock

import numpy as np
from numpy.typing import NDArray

from mscli.webaudio.mixing import Block, mix
from mscli.webaudio.processor import AudioSpan, Processor

MOST = 32768  # samples that are kept


class Analyser(Processor):
    """A node that passes its input on, and keeps the latest of it. ``latest`` is for any thread."""

    def __init__(self) -> None:
        super().__init__()
        self._kept = np.zeros(MOST, np.float32)
        self._end = 0
        self._writing = RLock()  # a signal handler may find it held by its own thread

    def process(self, inputs: Sequence[Block | None], span: AudioSpan) -> Sequence[Block | None]:
        """Keep the input in mono, and return it."""
        (block,) = inputs
        heard = np.zeros(span.samples, np.float32) if block is None else mix(block, 1)[0]
        begin = self._end + max(0, span.samples - MOST)
        with self._writing:
            self._end += span.samples
            self._kept[np.arange(begin, self._end) % MOST] = heard[-MOST:]
        return inputs

    def latest(self, samples: int) -> tuple[NDArray[np.float32], int]:
        """Return the latest samples, and how many have come altogether."""
        with self._writing:
            return self._kept[np.arange(self._end - samples, self._end) % MOST], self._end


def blackman(samples: int) -> NDArray[np.float64]:
    """Return the window of https://www.w3.org/TR/webaudio-1.0/#blackman-window."""
    turn = 2 * np.pi * np.arange(samples) / samples
    window: NDArray[np.float64] = 0.42 - 0.5 * np.cos(turn) + 0.08 * np.cos(2 * turn)
    return window


def spectrum(heard: NDArray[np.float32], before: NDArray[np.float64], smoothing: float) -> NDArray[np.float64]:
    """Return the magnitudes, smoothed with those of before: https://www.w3.org/TR/webaudio-1.0/#smoothing-over-time."""
    with np.errstate(all="ignore"):
        found = np.abs(np.fft.rfft(heard * blackman(len(heard)))[: len(heard) // 2]) / len(heard)
        smoothed: NDArray[np.float64] = smoothing * before + (1 - smoothing) * found
    return np.where(np.isfinite(smoothed), smoothed, 0.0)
