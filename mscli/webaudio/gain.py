"""https://www.w3.org/TR/webaudio-1.0/#GainNode."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mscli.webaudio.mixing import Block
from mscli.webaudio.param import Param
from mscli.webaudio.processor import AudioSpan, Processor


class Gain(Processor):
    """A node that multiplies its input."""

    def __init__(self, gain: Param) -> None:
        super().__init__(params=[gain])
        self._gain = gain

    def process(self, inputs: Sequence[Block | None], span: AudioSpan) -> Sequence[Block | None]:
        """Return the input, louder or softer."""
        gain = self._gain.during(span)
        (block,) = inputs
        if block is None or (not isinstance(gain, np.ndarray) and gain == 1):
            return inputs
        return [block * (gain.astype(np.float32) if isinstance(gain, np.ndarray) else np.float32(gain))]
