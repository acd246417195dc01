"""What every way of pictures into packets does: what it gives out waits for the start, and times only ever rise.

When a recording starts (all tracks have begun, or one has kept the others waiting too long) its origin of time is known.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from mscli.core.clock import MICROSECONDS
from mscli.core.frames import VideoFrame
from mscli.sinks.filetracks import Chunk
from mscli.sinks.muxer import TICKS


class Pictures(ABC):
    """The pictures of a track, each of which becomes a ``Chunk`` in ``encode``."""

    def __init__(self) -> None:
        self.first_us: int | None = None  # when the first picture was captured, if there was one (microseconds)
        self._ticks = -1  # of the picture before, from the first
        self._early: list[Chunk] = []

    def shows(self, frame: VideoFrame) -> bool:  # noqa: ARG002 (most show every one)
        """Whether the frame is to be seen, and no black that is left out."""
        return True

    @abstractmethod
    def encode(self, frame: VideoFrame) -> list[Chunk]:
        """The chunks that the frame completes."""

    def hold(self, frame: VideoFrame) -> None:
        """Take a frame before the start."""
        self._early += self.encode(frame)

    def held(self) -> list[Chunk]:
        """What waited for the start."""
        chunks, self._early = self._early, []
        return chunks

    def _next_ticks(self, at_us: int) -> int:
        """The time of a picture that was captured then, in ticks from the first: later than all before."""
        self._ticks = max(self._ticks + 1, self._ticks_at(at_us))
        return self._ticks

    def _ticks_at(self, at_us: int) -> int:
        assert self.first_us is not None, "a picture has come"
        return round((at_us - self.first_us) * TICKS / MICROSECONDS)
