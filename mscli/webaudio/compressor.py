"""https://www.w3.org/TR/webaudio-1.0/#DynamicsCompressorOptions-processing.

What the specification leaves open: the knee is a parabola in decibels. The detector follows the loudest sample of a few at
once, and falls back within milliseconds. The gain falls by nine tenths of its way in ``attack`` seconds, and rises by 10 dB in
``release`` seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import gcd, log10

import numpy as np
from numpy.typing import NDArray

from mscli.webaudio.delay import DelayLine
from mscli.webaudio.mixing import Block
from mscli.webaudio.param import Param, steady
from mscli.webaudio.processor import AudioSpan, Processor

Values = NDArray[np.float64]

LOOK_AHEAD_S = 0.006
_STEP = 32  # samples that share one decision between attack and release
_QUIET = 0.0001  # below this level nothing is reduced
_FALL_S = 0.0025  # the time constant of the detector
_MAKEUP = 0.6  # the power of the full-range gain that is given back
_SHORTEST = 1.0  # samples of attack and release


def curve_db(level_db: Values | float, threshold: float, knee: float, ratio: float) -> Values:
    """Return the output level for input levels: https://www.w3.org/TR/webaudio-1.0/#compression-curve."""
    over = np.maximum(np.asarray(level_db, np.float64) - threshold, 0)
    in_knee = np.minimum(over, knee)
    bend = in_knee**2 / (2 * knee) if knee > 0 else 0.0
    reduced: Values = level_db + (1 / ratio - 1) * (bend + over - in_knee)
    return reduced


def makeup(threshold: float, knee: float, ratio: float) -> float:
    """Return the fixed gain that makes up for the reduction of a full-range signal."""
    return float(np.power(10.0, -_MAKEUP * curve_db(0.0, threshold, knee, ratio) / 20))


@lru_cache(64)
def _speeds(attack: float, release: float, rate: float, step: int) -> tuple[Values, Values]:
    """Return the powers of the two rates, for each sample of a step."""
    counts = np.arange(1, step + 1)
    falling: Values = np.power(0.1, counts / max(_SHORTEST, attack * rate))
    rising: Values = np.power(10.0, 0.5 * counts / max(_SHORTEST, release * rate))
    return falling, rising


class Compressor(Processor):
    """A node that lowers what is loud. ``reduction``: by how much, in dB, for any thread."""

    def __init__(self, params: Sequence[Param], rate: float) -> None:
        super().__init__(params=params)
        self.reduction = 0.0
        self._ahead = round(LOOK_AHEAD_S * rate)
        self._line = DelayLine(self._ahead)
        self._gain = self._detected = 1.0

    def process(self, inputs: Sequence[Block | None], span: AudioSpan) -> Sequence[Block | None]:
        """Return the input, delayed and with its loud parts lowered."""
        levels = [param.during(span) for param in self.params]
        (block,) = inputs
        begin = self._line.end
        self._line.write(block, span.samples)
        parts = [slice(0, span.samples)] if steady(*levels) else span.parts()
        table = np.stack([np.broadcast_to(level, span.samples) for level in levels], axis=1)
        gains = [self._gains(block, part, table[part.start].tolist(), span.rate) for part in parts]
        self.reduction = 20 * log10(self._gain) if self._gain > 0 else -1000.0
        delayed = self._line.read(float(self._ahead), begin, span.samples)
        return [] if delayed is None else [delayed * np.concatenate(gains).astype(np.float32)]

    def _gains(self, block: Block | None, part: slice, levels: list[float], rate: float) -> Values:
        """Return the gain of each sample of a part."""
        threshold, knee, ratio, attack, release = levels
        samples = part.stop - part.start
        step = gcd(samples, _STEP)
        loudest = np.zeros(samples // step) if block is None else np.nan_to_num(_loudest(block[:, part], step))
        wanted = np.ones(len(loudest))
        loud = loudest >= _QUIET
        level_db = 20 * np.log10(loudest[loud])
        wanted[loud] = 10 ** ((curve_db(level_db, threshold, knee, ratio) - level_db) / 20)
        falling, rising = _speeds(attack, release, rate, step)
        back = 1 - float(np.exp(-step / (_FALL_S * rate)))
        gain, detected = self._gain, self._detected
        before, toward = [], []
        attack_end, release_end = float(falling[-1]), float(rising[-1])
        for aim in wanted.tolist():
            detected = aim if aim < detected else detected + (aim - detected) * back
            before.append(gain)
            toward.append(detected)
            gain = detected + (gain - detected) * attack_end if detected < gain else min(gain * release_end, detected, 1.0)
        self._gain, self._detected = gain, detected
        begins, ends = np.array(before)[:, None], np.array(toward)[:, None]
        attacked = ends + (begins - ends) * falling
        released = np.minimum(begins * rising, ends)
        gains: Values = np.where(ends < begins, attacked, released).ravel() * makeup(threshold, knee, ratio)
        return gains


def _loudest(block: Block, step: int) -> Values:
    """Return the loudest sample of all channels, in each step."""
    loudest: Values = np.abs(block).max(axis=0).reshape(-1, step).max(axis=1).astype(np.float64)
    return loudest
