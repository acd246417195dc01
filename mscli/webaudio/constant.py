"""https://www.w3.org/TR/webaudio-1.0/#ConstantSourceNode."""

from __future__ import annotations

import numpy as np

from mscli.webaudio.mixing import Block
from mscli.webaudio.processor import AudioSpan
from mscli.webaudio.scheduled import Scheduled


class Constant(Scheduled):
    """A source of one value."""

    def play(self, span: AudioSpan, first: int, last: int) -> Block | None:
        """Return the value of ``offset``."""
        made = np.zeros((1, span.samples), np.float32)
        made[0, first:last] = np.broadcast_to(self.params[0].during(span), span.samples)[first:last]
        return made
