"""Put the parameter sets of a copied H.264 or HEVC stream where MP4 and QuickTime files have them.

ISO/IEC 14496-15, section 8.3.2: with the tag ``hvc1``, the sets are in the sample entry and nowhere else. With ``hev1``, they
may be in the samples, too, and replace those with the same number. A decoder begins anew where another sample entry begins.

So HEVC is written as ``hev1``, without the sets that the sample entry has. If others come, they stay in the samples, because a
growing file has one sample entry, and the finished file also has a sample entry for them: a player that seeks back needs the
earlier ones. If none come, the file becomes ``hvc1`` at its end. H.264 keeps all sets in its samples, which players accept.
"""

from __future__ import annotations

from mscli.core.annexb import START_CODE, Units
from mscli.core.frames import EncodedVideoChunk
from mscli.core.tuples import NamedTuple

_MOST_ENTRIES = 64  # of a file, so that its index stays small if the sets change again and again


class Sample(NamedTuple):
    """A chunk as a file stores it. ``entry``: the parameter sets of the sample entry that begins with it, or b""."""

    data: bytes | memoryview
    entry: bytes = b""


class SampleSets:
    """The parameter sets of one track of a file. ``changed``: whether any came that are not in its first sample entry."""

    def __init__(self, units: Units, header: bytes, *, strips: bool) -> None:
        """Take those in the header. ``strips``: whether samples are to have none that the sample entry has."""
        self.changed = False
        self._units = units
        self._strips = strips
        self._first = self._entry = self._latest = tuple(units.sets_apart(memoryview(header))[0])
        self._entries = 1

    @property
    def room(self) -> int:
        """Return the bytes that a key chunk may need in addition."""
        return 3 * len(self._in_chunk) + 200

    def sample(self, chunk: EncodedVideoChunk) -> Sample:
        """Return the chunk as the file stores it."""
        sets, rest = self._units.sets_apart(chunk.data)
        if sets:
            self._note(tuple(sets))
        if not self.changed:
            return Sample(b"".join(rest) if sets and self._strips else chunk.data)
        if not chunk.key:
            return Sample(chunk.data)
        data = chunk.data if sets else b"".join((self._in_chunk, chunk.data))
        if self._latest == self._entry or self._entries == _MOST_ENTRIES:
            return Sample(data)
        self._entry, self._entries = self._latest, self._entries + 1
        return Sample(data, self._in_chunk)

    @property
    def _in_chunk(self) -> bytes:
        return b"".join(b"\0" + START_CODE + one for one in self._latest)

    def _note(self, sets: tuple[bytes, ...]) -> None:
        """Note sets. Those of the first type begin a new collection; others are added to it."""
        begins = any(one[0] >> self._units.shift & self._units.kinds[-1] == self._units.needed[0] for one in sets)
        self._latest = sets if begins else (*self._latest, *(one for one in sets if one not in self._latest))
        self.changed = self.changed or not set(sets) <= set(self._first)
