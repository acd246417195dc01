"""https://www.w3.org/TR/webaudio-1.0/#stereopanner-algorithm."""

from __future__ import annotations

from collections.abc import Sequence
from math import pi

import numpy as np

from mscli.webaudio.mixing import Block
from mscli.webaudio.param import Param
from mscli.webaudio.processor import AudioSpan, Processor


class StereoPanner(Processor):
    """A node that moves its input between two loudspeakers, at equal power."""

    def __init__(self, pan: Param) -> None:
        super().__init__(params=[pan])
        self._pan = pan

    def process(self, inputs: Sequence[Block | None], span: AudioSpan) -> Sequence[Block | None]:
        """Return the input in stereo."""
        pan = np.asarray(self._pan.during(span))
        (block,) = inputs
        if block is None:
            return []
        mono = len(block) == 1
        place = (pan + 1) / 2 if mono else np.where(pan <= 0, pan + 1, pan)
        left, right = np.cos(place * pi / 2), np.sin(place * pi / 2)
        panned = np.empty((2, span.samples), np.float32)
        if mono:
            panned[0], panned[1] = block[0] * left, block[0] * right
        else:
            panned[0] = np.where(pan <= 0, block[0] + block[1] * left, block[0] * left)
            panned[1] = np.where(pan <= 0, block[1] * right, block[1] + block[0] * right)
        return [panned]
