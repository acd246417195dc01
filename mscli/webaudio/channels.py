"""https://www.w3.org/TR/webaudio-1.0/#ChannelSplitterNode and https://www.w3.org/TR/webaudio-1.0/#ChannelMergerNode."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mscli.webaudio.mixing import Block
from mscli.webaudio.processor import AudioSpan, Processor


class Splitter(Processor):
    """A node with one channel of its input at each output."""

    def process(self, inputs: Sequence[Block | None], span: AudioSpan) -> Sequence[Block | None]:  # noqa: ARG002
        """Return the channels, as far as there are outputs."""
        (block,) = inputs
        if block is None:
            return []
        return [block[number : number + 1] for number in range(min(len(block), len(self.blocks)))]


class Merger(Processor):
    """A node whose output has one channel for each input."""

    def process(self, inputs: Sequence[Block | None], span: AudioSpan) -> Sequence[Block | None]:
        """Return the inputs, side by side."""
        if all(block is None for block in inputs):
            return []
        merged = np.zeros((len(inputs), span.samples), np.float32)
        for row, block in zip(merged, inputs, strict=True):
            if block is not None:
                row[:] = block[0]
        return [merged]
