"""https://www.w3.org/TR/webaudio-1.0/#AudioScheduledSourceNode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

import numpy as np

from mscli.webaudio.mixing import Block
from mscli.webaudio.param import Param
from mscli.webaudio.processor import AudioSpan, Processor


class Scheduled(Processor):
    """A source of sound from ``begin`` to ``end`` (seconds). ``on_ended`` is called after that, once."""

    def __init__(self, params: Sequence[Param]) -> None:
        super().__init__(0, 1, params)
        self.begin = self.end = inf
        self.on_ended: Callable[[], object] | None = None
        self._over = False

    @property
    def active(self) -> bool:
        """Return whether it has something to play, now or later."""
        return self.begin < inf and not self._over

    def process(self, inputs: Sequence[Block | None], span: AudioSpan) -> Sequence[Block | None]:  # noqa: ARG002 (it has none)
        """Return what it plays during the span."""
        first, last = (int(np.searchsorted(span.times, time)) for time in (self.begin, self.end))
        sounding = first < last and not self._over
        made = None
        if sounding:
            made = self.play(span, first, last)
        else:
            self._rest(span)
        if self.active and last < span.samples:
            self.finish()
        return [made]

    def play(self, span: AudioSpan, first: int, last: int) -> Block | None:
        """Return the span, silent but for the samples from ``first`` to ``last``."""
        raise NotImplementedError

    def _rest(self, span: AudioSpan) -> None:
        """Let the parameters go on while it is silent."""
        for param in self.params:
            param.during(span)

    def finish(self) -> None:
        """End for good."""
        self._over = True
        on_ended, self.on_ended = self.on_ended, None
        if on_ended is not None:
            on_ended()
