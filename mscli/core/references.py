"""Tell which chunks of a stream depend on one that did not arrive. They are decodable, but show remains of other pictures."""

from __future__ import annotations

from mscli.core.clock import MICROSECONDS
from mscli.core.frames import EncodedVideoChunk
from mscli.core.timing import can_be_lost

_USUAL_US = MICROSECONDS // 30  # the distance between pictures, if the source does not tell it


class References:
    """The chunks of one stream so far. By default, the source's numbers tell which of them did not arrive.

    From a missing chunk on, each depends on it, up to the next at which decoding can start.
    """

    def __init__(self) -> None:
        self._lacks = False
        self._at: tuple[int, int] | None = None  # number and time (µs) of the latest chunk

    def note(self, chunk: EncodedVideoChunk, *, starts: bool) -> bool:
        """Note the next chunk. Return whether it depends on a missing one. ``starts``: whether decoding can start at it."""
        missed = self._misses(chunk)
        self._lacks = not starts and (self._lacks or missed)
        return self._lacks

    def lose(self) -> None:
        """Note that the latest chunk could not be decoded."""
        self._lacks = True

    def _misses(self, chunk: EncodedVideoChunk) -> bool:
        """Return whether chunks before this one are missing on which it, or a later one, may depend."""
        at = chunk.sequence, chunk.timestamp
        last, self._at = self._at, at
        if last is None or at[0] <= last[0] + 1:
            return False
        return can_be_lost(at[0] - last[0] - 1, at[1] - last[1], MICROSECONDS / (chunk.duration or _USUAL_US))
