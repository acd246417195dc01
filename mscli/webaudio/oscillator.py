"""https://www.w3.org/TR/webaudio-1.0/#OscillatorNode: waves without the partials that the sample rate cannot hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, log2, pi

import numpy as np
from numpy.typing import NDArray

from mscli.webaudio.mixing import Block
from mscli.webaudio.param import Param
from mscli.webaudio.processor import AudioSpan
from mscli.webaudio.scheduled import Scheduled

Values = NDArray[np.float64]

_PARTIALS = 2048  # of the built-in waves
_PER_PARTIAL = 16  # points of a table for each period of its highest partial
_SMALLEST = 4096  # points of a table
_KEPT = 64  # tables of a wave


class Wave:
    """A periodic wave by its cosine and sine terms, of which the first is the mean and is left out."""

    def __init__(self, cosines: Sequence[float], sines: Sequence[float], *, normalized: bool = True) -> None:
        self._terms = np.array(cosines, np.float64) - 1j * np.array(sines, np.float64)
        self._terms[0] = 0
        sounding = np.flatnonzero(self._terms)
        self._highest = int(sounding[-1]) if len(sounding) else 0
        self._tables: dict[int, Values] = {}
        self._scale = 1.0
        if normalized:
            peak = float(np.abs(self._table(self._highest)).max())
            self._scale = 1 / peak if peak else 1.0
            self._tables.clear()

    def at(self, phases: Values, most: float) -> Values:
        """Return the wave at phases from 0 to 1, with partials up to number ``most``."""
        table = self._table(min(self._highest, int(most)))
        places = phases * (len(table) - 1)
        whole = places.astype(np.int64)
        found: Values = table[whole] + (places - whole) * (table[np.minimum(whole + 1, len(table) - 1)] - table[whole])
        return found

    def _table(self, partials: int) -> Values:
        """Return one period, with its first point again at the end."""
        table = self._tables.get(partials)
        if table is None:
            points = max(_SMALLEST, 2 ** ceil(log2(_PER_PARTIAL * max(1, partials))))
            terms = np.zeros(points // 2 + 1, np.complex128)
            terms[1 : partials + 1] = self._terms[1 : partials + 1]
            period = np.fft.irfft(terms, points) * (points / 2) * self._scale
            if len(self._tables) >= _KEPT:
                self._tables.clear()
            table = self._tables[partials] = np.append(period, period[0])
        return table


class _Sine(Wave):
    """The pure sine, which needs no table."""

    def __init__(self) -> None:
        super().__init__([0, 0], [0, 1])

    def at(self, phases: Values, most: float) -> Values:
        """Return the sine."""
        return np.sin(2 * pi * phases) if most >= 1 else np.zeros(len(phases))


def _sines(of: Callable[[Values], Values]) -> Callable[[], Wave]:
    """Return a maker of a wave of sines: https://www.w3.org/TR/webaudio-1.0/#oscillator-coefficients."""
    numbers = np.arange(1, _PARTIALS)
    return lambda: Wave(np.zeros(_PARTIALS).tolist(), [0.0, *of(numbers.astype(np.float64)).tolist()])


_BUILT_IN: dict[str, Callable[[], Wave]] = {
    "sine": _Sine,
    "square": _sines(lambda n: 2 / (n * pi) * (1 - (-1) ** n)),
    "sawtooth": _sines(lambda n: (-1) ** (n + 1) * 2 / (n * pi)),
    "triangle": _sines(lambda n: 8 * np.sin(n * pi / 2) / (pi * n) ** 2),
}
TYPES = (*_BUILT_IN, "custom")
_made: dict[str, Wave] = {}


def built_in(kind: str) -> Wave:
    """Return a built-in wave."""
    if kind not in _made:
        _made[kind] = _BUILT_IN[kind]()
    return _made[kind]


class Oscillator(Scheduled):
    """A source of a periodic wave."""

    def __init__(self, frequency: Param, detune: Param) -> None:
        super().__init__([frequency, detune])
        self.wave = built_in("sine")
        self._phase: float | None = None  # of the next sample, from 0 to 1; None before the first

    def play(self, span: AudioSpan, first: int, last: int) -> Block | None:
        """Return the wave, whose phase is zero at the very time of its beginning."""
        frequency, detune = (param.during(span) for param in self.params)
        nyquist = span.rate / 2
        hertz = np.clip(frequency * np.power(2.0, np.asarray(detune) / 1200), -nyquist, nyquist)
        each = np.broadcast_to(hertz, span.samples)[first:last]
        if self._phase is None:
            self._phase = float((span.times[first] - self.begin) * each[0])
        steps = each / span.rate
        phases = self._phase + np.concatenate([[0.0], np.cumsum(steps)])
        self._phase = float(phases[-1] % 1)
        made = np.zeros((1, span.samples), np.float32)
        highest = float(np.abs(each).max())
        made[0, first:last] = self.wave.at(phases[:-1] % 1, nyquist / highest if highest else nyquist)
        return made
