"""https://www.w3.org/TR/webaudio-1.0/#playback-AudioBufferSourceNode."""

from __future__ import annotations

from math import inf

import numpy as np

from mscli.webaudio.mixing import Block
from mscli.webaudio.param import Param, steady
from mscli.webaudio.processor import AudioSpan
from mscli.webaudio.scheduled import Scheduled

_EXACT = 1e-6  # samples by which a position may be off one that exists, because of rounding


class BufferSource(Scheduled):
    """A source of recorded sound. ``start_s``, ``lasts_s`` and ``loop_s`` are seconds of the buffer."""

    def __init__(self, rate: Param, detune: Param) -> None:
        super().__init__([rate, detune])
        self.start_s, self.lasts_s = 0.0, inf
        self.loop_s: tuple[float, float] | None = None  # where the loop begins and ends
        self._buffer: Block | None = None
        self._rate = 1.0  # of the buffer, in Hz
        self._begun = 0.0  # the first position, in samples of the buffer
        self._place: float | None = None  # of the next sample; None before the first
        self._played = 0.0
        self._looping = False  # whether it has been in the loop

    def use(self, buffer: Block | None, rate: float) -> None:
        """Play another buffer."""
        self._buffer, self._rate = buffer, rate

    def play(self, span: AudioSpan, first: int, last: int) -> Block | None:
        """Return the sound at the rate of playback, which holds for a quantum."""
        rate, detune = (param.during(span) for param in self.params)
        if self._buffer is None:
            self.finish()
            return None
        made = np.zeros((len(self._buffer), span.samples), np.float32)
        whole = [slice(first, last)]
        parts = (
            whole if steady(rate, detune) else [slice(max(part.start, first), min(part.stop, last)) for part in span.parts()]
        )
        for part in parts:
            if part.start < part.stop and not self._over:
                speed = float(np.ravel(rate)[0 if steady(rate) else part.start])
                cents = float(np.ravel(detune)[0 if steady(detune) else part.start])
                step = speed * 2 ** (cents / 1200) * self._rate / span.rate
                self._play_part(self._buffer, made[:, part], step)
        return made

    def _play_part(self, buffer: Block, made: Block, step: float) -> None:
        """Fill a part with every ``step``-th sample of the buffer."""
        length = buffer.shape[1]
        loop = self._loop(length)
        if self._place is None:
            self._place = min(self.start_s * self._rate, float(length))
            if loop is not None:
                self._place = min(self._place, loop[1]) if step >= 0 else max(self._place, loop[0])
            self._begun = self._place
        places = self._place + np.arange(made.shape[1]) * step
        following = self._place + made.shape[1] * step
        if loop is None:
            self._looping = False
        else:
            begin, end = loop
            inside = np.logical_or.accumulate(places >= begin if self._begun < end else places < end) | self._looping
            self._looping = bool(inside[-1])
            places = np.where(inside, begin + (places - begin) % (end - begin), places)
            if self._looping:
                following = begin + (following - begin) % (end - begin)
        exact = np.rint(places)
        places = np.where(np.abs(places - exact) < _EXACT, exact, places)
        sounding = (places >= 0) & (places < length)
        lasts = self.lasts_s * self._rate
        if lasts < inf and step:
            sounding &= self._played + np.arange(made.shape[1]) * abs(step) < lasts - _EXACT
        lower = np.floor(places[sounding]).astype(np.int64)
        share = (places[sounding] - lower).astype(np.float32)
        upper = lower + 1
        if loop is not None and self._looping:
            upper = np.where(upper >= loop[1], int(loop[0]), upper)
        beyond = upper >= length
        sound = buffer[:, lower]
        if share.any():
            above = np.where(beyond, np.float32(0), buffer[:, np.minimum(upper, length - 1)])
            sound = sound * (1 - share) + above * share
        made[:, sounding] = sound
        self._place = following
        self._played += made.shape[1] * abs(step)
        past = loop is None and (following >= length if step > 0 else following < 0)
        if past or self._played >= lasts - _EXACT:
            self.finish()

    def _loop(self, length: int) -> tuple[float, float] | None:
        """Return where the loop begins and ends, or None if there is none."""
        if self.loop_s is None:
            return None
        begin, end = (seconds * self._rate for seconds in self.loop_s)
        return (begin, min(end, float(length))) if 0 <= begin < min(end, length) else (0.0, float(length))
