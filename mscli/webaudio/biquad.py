"""https://www.w3.org/TR/webaudio-1.0/#BiquadFilterNode: the filters of the Audio EQ Cookbook.

With constant coefficients, a piece of output is a matrix times the input plus a matrix times the state before it. That gives
what the recursion gives, without a step in Python for each sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import inf, isfinite, pi

import numpy as np
from numpy.typing import NDArray

from mscli.webaudio.mixing import Block
from mscli.webaudio.param import Level, Param, steady
from mscli.webaudio.processor import AudioSpan, Processor

Values = NDArray[np.float64]
Parts = Sequence[Values]

_PIECE = 64  # samples that one product of matrices computes
_FAINT = 1e-20  # what a filter that gets silence has left when it is silent itself
_KEPT = 256  # sets of matrices that are kept


# The coefficients: b0, b1, b2, a0, a1, a2 of each type, of cos ω₀, α of Q, α of Q in dB, A


def _lowpass(cos: Values, _alpha: Values, alpha_db: Values, _a: Values) -> Parts:
    half = (1 - cos) / 2
    return half, 2 * half, half, 1 + alpha_db, -2 * cos, 1 - alpha_db


def _highpass(cos: Values, _alpha: Values, alpha_db: Values, _a: Values) -> Parts:
    half = (1 + cos) / 2
    return half, -2 * half, half, 1 + alpha_db, -2 * cos, 1 - alpha_db


def _bandpass(cos: Values, alpha: Values, _alpha_db: Values, _a: Values) -> Parts:
    return alpha, 0 * alpha, -alpha, 1 + alpha, -2 * cos, 1 - alpha


def _notch(cos: Values, alpha: Values, _alpha_db: Values, _a: Values) -> Parts:
    return 1 + 0 * cos, -2 * cos, 1 + 0 * cos, 1 + alpha, -2 * cos, 1 - alpha


def _allpass(cos: Values, alpha: Values, _alpha_db: Values, _a: Values) -> Parts:
    return 1 - alpha, -2 * cos, 1 + alpha, 1 + alpha, -2 * cos, 1 - alpha


def _peaking(cos: Values, alpha: Values, _alpha_db: Values, a: Values) -> Parts:
    return 1 + alpha * a, -2 * cos, 1 - alpha * a, 1 + alpha / a, -2 * cos, 1 - alpha / a


def _lowshelf(cos: Values, _alpha: Values, _alpha_db: Values, a: Values) -> Parts:
    slope = _shelf_slope(cos, a)
    return (
        a * ((a + 1) - (a - 1) * cos + slope),
        2 * a * ((a - 1) - (a + 1) * cos),
        a * ((a + 1) - (a - 1) * cos - slope),
        (a + 1) + (a - 1) * cos + slope,
        -2 * ((a - 1) + (a + 1) * cos),
        (a + 1) + (a - 1) * cos - slope,
    )


def _highshelf(cos: Values, _alpha: Values, _alpha_db: Values, a: Values) -> Parts:
    slope = _shelf_slope(cos, a)
    return (
        a * ((a + 1) + (a - 1) * cos + slope),
        -2 * a * ((a - 1) + (a + 1) * cos),
        a * ((a + 1) + (a - 1) * cos - slope),
        (a + 1) - (a - 1) * cos + slope,
        2 * ((a - 1) - (a + 1) * cos),
        (a + 1) - (a - 1) * cos - slope,
    )


def _shelf_slope(cos: Values, a: Values) -> Values:
    """Return 2 α √A, where α is that of a slope of 1."""
    slope: Values = np.sqrt(1 - cos**2) * np.sqrt(2.0) * np.sqrt(a)
    return slope


_A2 = inf  # stands for the gain A², in the table

# type → coefficients, and the gains that the formulas approach at 0 Hz, at half the sample rate, and without a Q
_TYPES: dict[str, tuple[Callable[[Values, Values, Values, Values], Parts], float, float, float | None]] = {
    "lowpass": (_lowpass, 0, 1, None),
    "highpass": (_highpass, 1, 0, None),
    "bandpass": (_bandpass, 0, 0, 1),
    "lowshelf": (_lowshelf, _A2, 1, None),
    "highshelf": (_highshelf, 1, _A2, None),
    "peaking": (_peaking, 1, 1, _A2),
    "notch": (_notch, 1, 1, 0),
    "allpass": (_allpass, 1, 1, -1),
}
TYPES = tuple(_TYPES)


def coefficients(kind: str, frequency: Level, q: Level, gain: Level, rate: float) -> Values:
    """Return b0, b1, b2, a1 and a2, divided by a0, as rows. Where the formulas have no value, the filter is a gain."""
    formula, at_zero, at_end, without_q = _TYPES[kind]
    frequencies, qs, gains = np.broadcast_arrays(*(np.atleast_1d(np.asarray(one, np.float64)) for one in (frequency, q, gain)))
    with np.errstate(all="ignore"):
        omega = 2 * pi * frequencies / rate
        a = 10 ** (gains / 40)
        cos, sin = np.cos(omega), np.sin(omega)
        parts = formula(cos, sin / (2 * qs), sin / (2 * 10 ** (qs / 20)), a)
        rows: Values = np.stack([np.broadcast_to(parts[number], a.shape) / parts[3] for number in (0, 1, 2, 4, 5)])
    limits = [(omega <= 0, at_zero), (omega >= pi, at_end)]
    if without_q is not None:
        limits.insert(0, ((qs <= 0) & (omega > 0) & (omega < pi), without_q))
    for where, level in limits:
        if where.any():
            rows[:, where] = 0
            rows[0, where] = a[where] ** 2 if level == _A2 else level
    return rows


def response(kind: str, hertz: Values, frequency: float, q: float, gain: float, rate: float) -> tuple[Values, Values]:
    """Return the gain and the phase of a filter at frequencies: NaN outside of 0 to half the sample rate."""
    b0, b1, b2, a1, a2 = coefficients(kind, frequency, q, gain, rate)[:, 0]
    with np.errstate(all="ignore"):
        back = np.exp(-2j * pi * hertz / rate)
        found = (b0 + (b1 + b2 * back) * back) / (1 + (a1 + a2 * back) * back)
        found[~((hertz >= 0) & (hertz <= rate / 2))] = complex(np.nan, np.nan)
    return np.abs(found), np.angle(found)


@lru_cache(_KEPT)
def _matrices(kind: str, frequency: float, q: float, gain: float, rate: float) -> tuple[list[float], Values, Values]:
    """Return the coefficients, and the matrices from input to output and the next state, and from state to output.

    The state is what the samples before add to the next two outputs, as in the transposed direct form.
    """
    b0, b1, b2, a1, a2 = found = [float(value) for value in coefficients(kind, frequency, q, gain, rate)[:, 0]]
    step, entry = np.array([[-a1, 1.0], [-a2, 0.0]]), np.array([b1 - a1 * b0, b2 - a2 * b0])
    powers = [np.eye(2)]
    for _ in range(_PIECE):
        powers.append(step @ powers[-1])
    pulse = [b0, *(float((power @ entry)[0]) for power in powers[: _PIECE - 1])]
    forward = np.zeros((_PIECE, _PIECE))  # of an input in each row, what it adds to each output
    for row in range(_PIECE):
        forward[row, row:] = pulse[: _PIECE - row]
    outward = np.stack([power[0] for power in powers[:_PIECE]], axis=1)
    inward = np.stack([powers[_PIECE - 1 - row] @ entry for row in range(_PIECE)])
    return [*found, *powers[_PIECE].ravel().tolist()], np.hstack([forward, inward]), outward


class Biquad(Processor):
    """A filter of the second order. ``kind``: its type."""

    def __init__(self, frequency: Param, detune: Param, q: Param, gain: Param, rate: float) -> None:
        super().__init__(params=[frequency, detune, q, gain])
        self.kind = "lowpass"
        self._rate = rate
        self._memory: list[tuple[float, ...]] = []  # of each channel x[n-1], x[n-2], y[n-1], y[n-2], whatever the coefficients

    def process(self, inputs: Sequence[Block | None], span: AudioSpan) -> Sequence[Block | None]:
        """Return the filtered input."""
        frequency, detune, q, gain = (param.during(span) for param in self.params)
        memory, (block,) = self._memory, inputs
        if block is None and all(abs(value) < _FAINT for row in memory for value in row):
            memory.clear()
            return []
        if block is None:
            block = np.zeros((len(memory), span.samples), np.float32)
        memory += [(0.0, 0.0, 0.0, 0.0)] * (len(block) - len(memory))
        if len(block) < len(memory):  # the other channels still sound
            block = np.vstack([block, np.zeros((len(memory) - len(block), span.samples), np.float32)])
        frequency = _detuned(frequency, detune, self._rate / 2)
        if steady(frequency, q, gain):
            return [self._steady(block, (float(frequency), float(q), float(gain)))]
        return [self._stepwise(block, coefficients(self.kind, frequency, q, gain, self._rate))]

    def _steady(self, block: Block, setting: tuple[float, float, float]) -> Block:
        """Return the block by products of matrices, or by steps if it holds what is not finite."""
        (b0, b1, b2, a1, a2, p00, p01, p10, p11), onward, outward = _matrices(self.kind, *setting, self._rate)
        channels, samples = block.shape
        pieces = -(-samples // _PIECE)
        given = block.astype(np.float64)
        if samples % _PIECE:
            given = np.pad(given, ((0, 0), (0, pieces * _PIECE - samples)))
        made = given.reshape(channels * pieces, _PIECE) @ onward
        states: list[tuple[float, float]] = []
        first = second = 0.0
        for number, (add_first, add_second) in enumerate(made[:, _PIECE:].tolist()):
            if number % pieces == 0:
                x1, x2, y1, y2 = self._memory[number // pieces]
                first, second = b1 * x1 - a1 * y1 + b2 * x2 - a2 * y2, b2 * x1 - a2 * y1
            states.append((first, second))
            first, second = p00 * first + p01 * second + add_first, p10 * first + p11 * second + add_second
        if not isfinite(first + second) or not np.isfinite(made[:, _PIECE:]).all():
            return self._stepwise(block, np.array([[b0], [b1], [b2], [a1], [a2]]))
        found = (made[:, :_PIECE] + np.array(states) @ outward).reshape(channels, -1)[:, :samples]
        for channel, (heard, sent) in enumerate(zip(given, found, strict=True)):
            self._memory[channel] = (
                float(heard[samples - 1]), float(heard[samples - 2]), float(sent[samples - 1]), float(sent[samples - 2]),
            )  # fmt: skip
        return found.astype(np.float32)

    def _stepwise(self, block: Block, rows: Values) -> Block:
        """Return the block, sample by sample, because the coefficients change. NaN and infinity go their way."""
        lists = np.broadcast_to(rows, (5, block.shape[1])).T.tolist()
        found = np.empty(block.shape)
        for channel, row in enumerate(block.astype(np.float64)):
            x1, x2, y1, y2 = self._memory[channel]
            made = []
            for x, (b0, b1, b2, a1, a2) in zip(row.tolist(), lists, strict=True):
                y = b0 * x + b1 * x1 + b2 * x2 - a1 * y1 - a2 * y2
                x2, x1, y2, y1 = x1, x, y1, y
                made.append(y)
            found[channel] = made
            self._memory[channel] = x1, x2, y1, y2
        return found.astype(np.float32)


def _detuned(frequency: Level, detune: Level, most: float) -> Level:
    """Return the computed frequency: https://www.w3.org/TR/webaudio-1.0/#computedfrequency."""
    if steady(frequency, detune) and not detune:
        return frequency
    found = np.clip(frequency * np.power(2.0, np.asarray(detune) / 1200), 0.0, most)
    return found if found.ndim else float(found)
