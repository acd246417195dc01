"""Find the pictures and the parameter sets in an H.264 or HEVC chunk.

A chunk consists of units with start codes: annex B of https://www.itu.int/rec/T-REC-H.264 and
https://www.itu.int/rec/T-REC-H.265.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice, pairwise

from mscli.core.tuples import NamedTuple

# Patterns are compiled when they are first used, because most runs use none.
_UNIT = rb"(?s)\x00\x00\x01([\x00-\x7f])"  # a start code and the header, whose first bit must be 0
START_CODE = b"\0\0\1"
_MOST_UNITS = 8192  # in a chunk: more than any encoder makes of a picture, and found in two milliseconds
LATER = 1 << 32  # a place of a slice that is not the first
_RECOVERY = b"\6"  # the type of a message
_PLACE_BYTES = 6  # of a slice's header, with the place where the slice begins


def find_units(data: memoryview) -> Iterator[re.Match[bytes]]:
    """Find the start code and the first header byte (group 1) of each unit, up to one more than a chunk can have."""
    return islice(re.finditer(_UNIT, data), _MOST_UNITS + 1)


class Content(NamedTuple):
    """The content of a chunk. ``sets``: its parameter sets with their start codes, in order; ``kinds``: their types."""

    picture: bool
    sets: bytes
    kinds: frozenset[int]


class Units(NamedTuple):
    """The unit types of a standard. ``needed``, ``names``: its parameter sets, all of which decoding needs."""

    shift: int  # the position of the type in the first byte of a header
    kinds: range  # types with a meaning; the last one is also the mask of the type
    pictures: range
    needed: tuple[int, ...]
    names: tuple[str, ...]
    start: bytes  # a pattern of a unit at which decoding can start
    header: int  # the bytes of a unit's header
    messages: tuple[int, ...]  # types of units without which a picture can be decoded (SEI)
    parts: tuple[int, ...] = ()  # types of units that only continue a slice

    def is_start(self, data: memoryview) -> bool:
        """Return whether decoding can start at the chunk."""
        return re.search(self.start, data) is not None

    def from_first(self, data: memoryview) -> memoryview:
        """Return the chunk from its first unit on. Some cameras put other bytes before it."""
        if data[:3] == START_CODE or data[:4] == b"\0" + START_CODE:
            return data
        begin = next((match.start() for match in find_units(data)), 0)
        return data[begin - 1 :] if begin and not data[begin - 1] else data[begin:]

    def recovery(self, data: memoryview) -> bytes:
        """Return the message of a recovery point before the picture of a chunk, or b"" if there is none."""
        for match in find_units(data):
            at = match.start(1) + self.header
            kind = match[1][0] >> self.shift & self.kinds[-1]
            if kind in self.pictures:
                break
            if kind == self.messages[0] and data[at : at + 1] == _RECOVERY:
                return bytes(data[at + 2 : at + 2 + data[at + 1]])
        return b""

    def slice_place(self, data: memoryview) -> int | None:
        """Return where in its picture the slice begins that the chunk begins with: 0 for the first slice, or LATER if unknown.

        Return 0, too, if other units come before a slice, because these begin a picture, and None if the chunk has no slice.
        """
        first = True
        for match in find_units(data):
            kind = match[1][0] >> self.shift & self.kinds[-1]
            if kind in self.pictures:
                return self._place(kind, data[match.start(1) + self.header :]) if first else 0
            first = first and kind not in self.kinds
        return None

    def _place(self, kind: int, header: memoryview) -> int:
        """Return where a slice begins, from its header. That of HEVC only tells whether it is the first."""
        bits = "".join(f"{byte:08b}" for byte in header[:_PLACE_BYTES])
        zeros = bits.find("1")
        if zeros == 0 and kind not in self.parts:
            return 0
        if not self.parts or kind in self.parts or not 0 < zeros < len(bits) // 2:
            return LATER
        return int(bits[zeros : 2 * zeros + 1], 2) - 1  # ue(v): as many bits after the first 1 as there are zeros before it

    def content(self, data: memoryview) -> Content | None:
        """Return the content of the chunk, or None if it has no unit."""
        units = list(self._units(data))
        if not units:
            return None
        sets = b"".join(b"\0" + bytes(unit).rstrip(b"\0") for kind, unit in units if kind in self.needed)
        kinds = {kind for kind, _ in units}
        return Content(not kinds.isdisjoint(self.pictures), sets, frozenset(kinds.intersection(self.needed)))

    def sets_apart(self, data: memoryview) -> tuple[list[bytes], list[memoryview]]:
        """Return the parameter sets before the first slice, without start codes, and the parts that are left of the chunk."""
        sets: list[bytes] = []
        rest: list[memoryview] = []
        at, kind = 0, -1
        for match in find_units(data):
            begin = match.start()
            self._sort(data[at:begin], kind, sets, rest)
            at, kind = begin, match[1][0] >> self.shift & self.kinds[-1]
            if kind in self.pictures:
                break
        self._sort(data[at:], kind, sets, rest)
        return sets, rest

    def _sort(self, unit: memoryview, kind: int, sets: list[bytes], rest: list[memoryview]) -> None:
        if kind in self.needed:
            sets.append(bytes(unit[len(START_CODE) :]).rstrip(b"\0"))
        elif unit.nbytes:
            rest.append(unit)

    def has_messages(self, data: memoryview) -> bool:
        """Return whether a unit of the chunk is a message."""
        return any(kind in self.messages for kind, _ in self._units(data))

    def without_messages(self, data: memoryview) -> bytes:
        """Return the units of the chunk that are no messages."""
        return b"".join(b"\0" + bytes(unit) for kind, unit in self._units(data) if kind not in self.messages)

    def _units(self, data: memoryview) -> Iterator[tuple[int, memoryview]]:
        """Yield the type of each unit, and its bytes with the start code. A chunk of too many units has none."""
        found = [(match.start(), match[1][0] >> self.shift & self.kinds[-1]) for match in find_units(data)]
        if len(found) > _MOST_UNITS:
            return
        for (at, kind), (end, _) in pairwise([*found, (data.nbytes, 0)]):
            if kind in self.kinds:
                yield kind, data[at:end]


H264 = Units(
    0, range(1, 32), range(1, 6), (7, 8), ("SPS", "PPS"),  # slices and their partitions
    # an IDR slice, or a recovery point as the first message of a SEI unit
    rb"(?s)\x00\x00\x01(?:[\x05\x25\x45\x65]|\x06\x06)",
    1, (6,), (3, 4),
)  # fmt: skip
HEVC = Units(
    1, range(64), range(32), (32, 33, 34), ("VPS", "SPS", "PPS"),  # slices
    # an IRAP slice (types 16 to 21), or a recovery point as the first message of a prefix SEI unit (type 39)
    rb"(?s)\x00\x00\x01(?:[\x20\x22\x24\x26\x28\x2a]|\x4e.\x06)",
    2, (39, 40),
)  # fmt: skip
