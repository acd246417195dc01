"""The sound that waits between a track and a graph, by its position on the clock of the graph."""

from __future__ import annotations

from collections import deque

import numpy as np

from mscli.webaudio.mixing import Block, mix

_MOST_S = 1.0  # how far ahead of its reader sound may be
_LATE_S = 0.25  # of sound that came too late in a row; then a reader waits longer for the rest


class Line:
    """A bounded line of blocks, each with the position of its first sample. Not safe from several threads at once.

    **Bound**: what is more than a second ahead of the reader is dropped. What comes after its turn is dropped, too, and silence
    is read instead. If a source is late all the time, its sound is read that much later from then on. Neither side ever waits.
    """

    def __init__(self, rate: float) -> None:
        self._parts: deque[tuple[int, Block]] = deque()
        self._most, self._most_late = round(_MOST_S * rate), round(_LATE_S * rate)
        self._read = 0  # the position that is read next
        self._span = 0  # the samples that are read at once
        self._resumed = False  # whether nothing was read just before that position
        self._shift = 0  # how much later than its position sound is read, because it comes late
        self._late = 0  # samples in a row that came too late
        self.missed = 0  # samples of silence that were read instead of late ones

    @property
    def end(self) -> int:
        """Return the position after the last sample, or the one that is read next."""
        return self._parts[-1][0] + self._parts[-1][1].shape[1] if self._parts else self._read

    def turn_to(self, position: int) -> None:
        """Note the position that is read next. After a pause, what has waited meanwhile says nothing of the source."""
        self._resumed, self._read = position != self._read, position

    def put(self, position: int, block: Block) -> None:
        """Add a block."""
        begin, samples = position + self._shift, block.shape[1]
        if begin + samples > self._read:
            self._late = 0
        else:
            self._late += 0 if self._resumed else samples
            if self._late < self._most_late:
                return
            self._shift += self._read + self._span - begin
            begin, self._late = self._read + self._span, 0
        if begin < self._read + self._most:
            self._parts.append((begin, block))

    def take(self, position: int, samples: int) -> Block | None:
        """Return the samples from a position on, with silence where there is nothing, or None if there is nothing at all."""
        end = position + samples
        found: list[tuple[int, Block]] = []
        self._read, self._span = end, samples
        while self._parts and self._parts[0][0] < end:
            begin, block = self._parts.popleft()
            after = begin + block.shape[1]
            if after > end:
                self._parts.appendleft((end, block[:, end - begin :]))
            if after > position:
                first = max(position, begin)
                found.append((first - position, block[:, first - begin : min(after, end) - begin]))
        if not found:
            self.missed += samples
            return None
        if len(found) == 1 and found[0][1].shape[1] == samples:
            return found[0][1]
        channels = max(len(block) for _, block in found)
        joined = np.zeros((channels, samples), np.float32)
        for place, block in found:
            joined[:, place : place + block.shape[1]] = mix(block, channels)
        self.missed += samples - sum(block.shape[1] for _, block in found)
        return joined
