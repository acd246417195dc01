"""Mix channels: https://www.w3.org/TR/webaudio-1.0/#channel-up-mixing-and-down-mixing."""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt

import numpy as np
from numpy.typing import NDArray

Block = NDArray[np.float32]  # (channels, samples)

_H = sqrt(0.5)
_L, _R, _C, _SL, _SR = 0, 1, 2, 4, 5  # the channels of 5.1; the fourth is for low frequencies

# (from, to) → for each new channel, the old channels with their factors
_SPEAKERS: dict[tuple[int, int], tuple[dict[int, float], ...]] = {
    (1, 2): ({0: 1}, {0: 1}),
    (1, 4): ({0: 1}, {0: 1}, {}, {}),
    (1, 6): ({}, {}, {0: 1}, {}, {}, {}),
    (2, 4): ({0: 1}, {1: 1}, {}, {}),
    (2, 6): ({0: 1}, {1: 1}, {}, {}, {}, {}),
    (4, 6): ({0: 1}, {1: 1}, {}, {}, {2: 1}, {3: 1}),
    (2, 1): ({0: 0.5, 1: 0.5},),
    (4, 1): ({0: 0.25, 1: 0.25, 2: 0.25, 3: 0.25},),
    (6, 1): ({_L: _H, _R: _H, _C: 1, _SL: 0.5, _SR: 0.5},),
    (4, 2): ({0: 0.5, 2: 0.5}, {1: 0.5, 3: 0.5}),
    (6, 2): ({_L: 1, _C: _H, _SL: _H}, {_R: 1, _C: _H, _SR: _H}),
    (6, 4): ({_L: 1, _C: _H}, {_R: 1, _C: _H}, {_SL: 1}, {_SR: 1}),
}


class MixRule:
    """A rule by which the connections of an input are mixed."""

    __slots__ = ("count", "mode", "speakers")

    def __init__(self, count: int, mode: str, speakers: bool) -> None:
        self.count, self.mode, self.speakers = count, mode, speakers

    def channels(self, most: int) -> int:
        """Return the number of channels of an input whose connections have at most this many."""
        return {"max": most, "clamped-max": min(most, self.count)}.get(self.mode, self.count)


def mix(block: Block, channels: int, *, speakers: bool = True) -> Block:
    """Return the block with another number of channels."""
    given, samples = block.shape
    if given == channels:
        return block
    recipe = _SPEAKERS.get((given, channels)) if speakers else None
    if recipe is None:
        mixed = np.zeros((channels, samples), np.float32)
        kept = min(given, channels)
        mixed[:kept] = block[:kept]
        return mixed
    if given == 1 and all(recipe):
        return np.broadcast_to(block, (channels, samples))
    mixed = np.zeros((channels, samples), np.float32)
    for row, parts in zip(mixed, recipe, strict=True):
        for channel, factor in parts.items():
            row += np.float32(factor) * block[channel]
    return mixed


def interleaved(block: Block) -> memoryview:
    """Return the samples as bytes, those of all channels together."""
    return np.ascontiguousarray(block.T).data.cast("B")


def mixed(blocks: Iterable[Block | None], rule: MixRule) -> Block | None:
    """Return the sum of an input's connections, or None if all are silent."""
    sounding = [block for block in blocks if block is not None]
    if not sounding:
        return None
    channels = rule.channels(max(len(block) for block in sounding))
    total = mix(sounding[0], channels, speakers=rule.speakers)
    if len(sounding) > 1:
        total = total + mix(sounding[1], channels, speakers=rule.speakers)
        for block in sounding[2:]:
            total += mix(block, channels, speakers=rule.speakers)
    return total
