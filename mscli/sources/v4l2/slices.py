"""Join the slices of a picture if a camera puts each into a buffer of its own.

That a picture is complete is only known when the next one begins. So once a camera has sent a slice that continues a picture,
each of its pictures waits for the next. So does the very first one.
"""

from __future__ import annotations

from dataclasses import replace

from mscli.core.annexb import LATER, Units
from mscli.core.frames import KEY, EncodedVideoChunk


class SliceJoiner:
    """A joiner of the chunks of one stream, whose units are those of its codec."""

    def __init__(self, units: Units) -> None:
        self._units = units
        self._waiting: list[EncodedVideoChunk] = []  # the slices of a picture
        self._place = 0  # where in the picture the latest of them begins
        self._whole: bool | None = None  # whether each buffer has had a whole picture so far; None: not known
        self._joined = 0  # slices that were joined to others: they are not numbered

    def take(self, chunk: EncodedVideoChunk) -> list[EncodedVideoChunk]:
        """Return the chunks that this one completes. One without a picture is passed on as it is."""
        place = self._units.slice_place(chunk.data)
        if place is not None and place > self._place:
            self._whole, self._place = False, self._place if place == LATER else place
            self._joined += 1
            self._waiting += [chunk] if self._waiting else []  # its picture was passed on already
            return []
        chunk = replace(chunk, sequence=max(0, chunk.sequence - self._joined))
        completed = self.rest()
        if place is None:
            return [*completed, chunk]
        if completed and self._whole is None:
            self._whole = True
        self._place = place
        if self._whole:
            return [*completed, chunk]
        self._waiting = [chunk]
        return completed

    def rest(self) -> list[EncodedVideoChunk]:
        """Return the picture that waits, because no more of its slices come."""
        slices, self._waiting = self._waiting, []
        if len(slices) < 2:
            return slices
        kind = KEY if any(one.key for one in slices) else slices[0].type
        return [replace(slices[0], type=kind, data=memoryview(b"".join(one.data for one in slices)))]
