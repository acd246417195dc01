"""Find the index (``moov``) of an MP4 or QuickTime file, move it to the front of a finished one, change it, or do without it.

ISO/IEC 14496-12, sections 4.2 and 8.7.5: https://developer.apple.com/documentation/quicktime-file-format/movie_atom. A player
that gets the file over a network can begin before it has the end. The media stays as it is; only its place is new.
"""

from __future__ import annotations

import os
import re
import struct
import sys
from array import array
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from mscli.core.tuples import NamedTuple

FRONT, END, FRAGMENTS = PLACES = "front", "end", "fragments"  # where the index stands: before or after the media, or in parts

_PIECE_BYTES = 1 << 22
_PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
_OFFSETS = {b"stco": "I", b"co64": "Q"}  # tables of places in the file → the type of a place
_MOST_OFFSET = 2**32 - 1
_HEAD_BYTES = 8  # the size and the kind of a box
_FRAGMENT = (b"moof", b"mdat")


class Atom(NamedTuple):
    """A box in a file: its kind, and the places of its first byte, of its content, and of the next box."""

    kind: bytes
    at: int
    content: int
    end: int


def boxes(data: bytes, at: int = 0) -> Iterator[Atom]:
    """Yield the boxes in these bytes, from ``at`` on. Raises ValueError for bytes that are no boxes."""
    while at < len(data):
        box = _box(data[at : at + 16], at, len(data))
        yield box
        at = box.end


def index_place(fd: int) -> str:
    """Return where the index of an open file stands, one of PLACES, or "" if it has none."""
    media = False
    with suppress(OSError, ValueError):
        for box in _boxes_of(fd):
            if not box.at and box.kind != b"ftyp":
                return ""
            if box.kind == b"moov":
                inside = boxes(os.pread(fd, box.end - box.content, box.content))
                return FRAGMENTS if any(one.kind == b"mvex" for one in inside) else END if media else FRONT
            media = media or box.kind == b"mdat"
    return ""


def index_first(check: Callable[[], None], fd: int) -> Iterator[bytes]:
    """Yield the pieces of the finished file with its index in front, or nothing if it is there. Calls ``check`` before each.

    Raises OSError, and ValueError for a file without an index.
    """
    found = list(_boxes_of(fd))
    index = next((box for box in found if box.kind == b"moov"), None)
    if index is None:
        raise ValueError("the file has no index")
    if not any(box.kind == b"mdat" for box in found[: found.index(index)]):
        return
    front = found[0].end if found[0].kind == b"ftyp" else 0
    check()
    yield os.pread(fd, front, 0)
    yield moved_index(os.pread(fd, index.end - index.at, index.at))
    for begin, end in ((front, index.at), (index.end, found[-1].end)):
        for at in range(begin, end, _PIECE_BYTES):
            check()
            yield os.pread(fd, min(_PIECE_BYTES, end - at), at)


def moved_index(index: bytes) -> bytes:
    """Return the index of media that moves back by the size of the index."""
    moved = _moved(index, len(index))
    while len(moved) != len(again := _moved(index, len(moved))):  # tables have grown
        moved = again
    return again


def without_index(data: bytes) -> bytes:
    """Return whole boxes without an index."""
    return b"".join(data[box.at : box.end] for box in boxes(data) if box.kind != b"moov")


_ENTRY = rb"(?s)%s.{82}hvcC"  # a sample entry of HEVC, from its tag on
_ENTRY_BYTES = 1 << 16  # more than one has
_ARRAYS_AT = 4 + 82 + 4 + 22  # of parameter sets: their number, and the arrays


class SampleEntries:
    """The sample entries of a growing file with copied HEVC, which get another tag at its end. ``tag``: the present one."""

    def __init__(self, tag: str) -> None:
        self._pattern = _ENTRY % tag.encode()
        self._found: dict[int, bytes] = {}  # place → the first bytes
        self._last = b""  # the latest bytes
        self._end = 0  # and where they end

    def note(self, at: int, data: bytes | memoryview) -> None:
        """Look at a part of an index that is written at ``at``."""
        if at == self._end:
            at, data = at - len(self._last), self._last + data
        for match in re.finditer(self._pattern, data):
            self._found[at + match.start()] = bytes(data[match.start() : match.start() + _ENTRY_BYTES])
        self._end, self._last = at + len(data), bytes(data[-_ENTRY_BYTES:])

    def retagged(self, tag: str) -> Iterator[tuple[int, bytes]]:
        """Yield the places of what changes, with the new bytes. All parameter sets are then in the sample entries."""
        for at, entry in self._found.items():
            end, changed = _ARRAYS_AT + 1, bytearray(entry)
            for _ in range(entry[_ARRAYS_AT]):
                changed[end] |= 0x80  # array_completeness
                count, end = int.from_bytes(entry[end + 1 : end + 3]), end + 3
                for _ in range(count):
                    end += 2 + int.from_bytes(entry[end : end + 2])
            changed[:4] = tag.encode()
            yield at, bytes(changed[:end])


class Fragments:
    """The target of one of several muxers that write a file in fragments, one after the other.

    ``alone``: whether only fragments are passed on. So the first muxer leaves no index at its end, and the next no header at
    its beginning. It may be set between two fragments.
    """

    def __init__(self, target: Any, begun: int = 0, *, alone: bool = False) -> None:
        """Count fragments. ``target``: the file's output. ``begun``: the fragments that the file has already."""
        self.entries: SampleEntries | None = None  # what looks at the indexes
        self.alone = alone
        self.begun = begun
        self._target = target
        self._head = b""  # of the next box, as far as it has come
        self._left = 0  # bytes of the current box that have not come yet
        self._kind = b""  # of the current box
        self._kinds: set[bytes] = set()  # of the boxes in the latest write
        self._ending = False  # whether the muxer writes its index or completes its header

    def seekable(self) -> bool:
        """Return whether the muxer may complete its header."""
        return not self.alone and bool(self._target.seekable())

    def seek(self, offset: int, whence: int = 0) -> int:
        """Seek to complete the header."""
        self._ending = True
        return offset if self.alone else int(self._target.seek(offset, whence))

    def tell(self) -> int:
        """Return the position."""
        return int(self._target.tell())

    def write(self, data: bytes | memoryview) -> int:
        """Write what is to be passed on."""
        view = memoryview(data).cast("B")
        self._kinds = {self._kind}
        parts = [] if self._ending else [*self._parts(view)]
        if self.entries is not None and not self.alone and (self._ending or b"moov" in self._kinds):
            self.entries.note(self._target.tell(), view)
        if not self.alone:
            parts = [view]
        if parts:
            self._target.write_all(parts)
        return view.nbytes

    def _parts(self, view: memoryview) -> Iterator[memoryview]:
        """Follow the boxes. Yield the parts of those that are passed on if only fragments are."""
        while view.nbytes:
            if self._left:
                part, view = view[: self._left], view[self._left :]
            else:
                missing = _HEAD_BYTES - len(self._head)
                self._head, view = self._head + bytes(view[:missing]), view[missing:]
                if len(self._head) < _HEAD_BYTES:
                    return
                self._left, self._kind = struct.unpack(">I4s", self._head)
                self._kinds.add(self._kind)
                if self._left < _HEAD_BYTES:  # the muxer seeks back to it once it knows the size of the index
                    self._ending = True
                    return
                self.begun += self._kind == b"moof"
                part, self._head = memoryview(self._head), b""
            self._left -= part.nbytes
            if self._kind in _FRAGMENT:
                yield part


def _boxes_of(fd: int) -> Iterator[Atom]:
    at, size = 0, os.fstat(fd).st_size
    while at < size:
        box = _box(os.pread(fd, 16, at), at, size)
        yield box
        at = box.end


def _box(head: bytes, at: int, end: int) -> Atom:
    """Return the box at ``at``, of which ``head`` has the first bytes. Raises ValueError if it does not end before ``end``."""
    if len(head) < 8:
        raise ValueError("a box is cut off")
    size, kind = struct.unpack_from(">I4s", head)
    content = 8
    if size == 1 and len(head) >= 16:
        content, (size,) = 16, struct.unpack_from(">Q", head, 8)
    elif size == 0:
        size = end - at
    if size < content or at + size > end:
        raise ValueError("a box is cut off")
    return Atom(kind, at, at + content, at + size)


def _moved(data: bytes, by: int) -> bytes:
    """Return boxes whose tables of places point ``by`` bytes further back."""
    parts = []
    for kind, _, content, end in boxes(data):
        inside = data[content:end]
        if kind in _PARENTS:
            inside = _moved(inside, by)
        elif kind in _OFFSETS:
            kind, inside = _moved_table(kind, inside, by)
        parts.append(struct.pack(">I4s", len(inside) + 8, kind) + inside)
    return b"".join(parts)


def _moved_table(kind: bytes, table: bytes, by: int) -> tuple[bytes, bytes]:
    """Return the table, wider if the places need it, and its kind."""
    places = _swapped(array(_OFFSETS[kind], table[8:]))
    if max(places, default=0) + by > _MOST_OFFSET:
        kind = b"co64"
    moved = array(_OFFSETS[kind], (place + by for place in places))
    return kind, table[:8] + _swapped(moved).tobytes()


def _swapped(places: array[int]) -> array[int]:
    """Return the places in the other order of bytes, if this machine's is not that of files."""
    if sys.byteorder == "little":
        places.byteswap()
    return places
