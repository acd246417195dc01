"""How large a file can become beyond its packets: what each container adds, counted from above.

FFmpeg holds packets back and writes indexes at the end, so that the bytes on the disk say too little while a file grows. The
numbers are a little more than what files of all kinds of tracks were found to have.
"""

from __future__ import annotations

from typing import NamedTuple

from mscli.sinks.codecs import FRAGMENT_US


class Overhead(NamedTuple):
    """Bytes that a container adds to the whole, to each packet with its place in the index, and to each fragment or page."""

    head: int
    packet: int
    fragment: int


_MP4 = Overhead(4096, 40, 300)
_MATROSKA = Overhead(4096, 16, 80)
_OTHER = Overhead(8192 + 512, 12, 40)  # FLAC leaves 8 KiB of room behind its header

OVERHEADS = {  # by suffix
    "mp4": _MP4, "mov": _MP4, "m4a": _MP4, "mkv": _MATROSKA, "webm": _MATROSKA, "ogg": Overhead(1024, 12, 40),
    "wav": Overhead(512, 0, 0),
}  # fmt: skip


class SizeBound:
    """The most bytes that a file can have by what went into it."""

    def __init__(self, suffix: str) -> None:
        self._row = OVERHEADS.get(suffix, _OTHER)
        self._packets = 0  # bytes, each with what it costs
        self._span_us = 0  # from the file's beginning to its latest packet

    @property
    def bytes(self) -> int:
        """If nothing more follows."""
        return self._row.head + self._packets + self._row.fragment * (2 + self._span_us // FRAGMENT_US)

    def cost(self, size: int, *, key: bool = False) -> int:
        """Bytes that a packet of that size takes. ``key``: it is a key frame, which begins a fragment."""
        return size + self._row.packet + (self._row.fragment if key else 0)

    def add(self, size: int, until_us: int, *, key: bool = False) -> None:
        """Count a packet that ends at that time in the file."""
        self._packets += self.cost(size, key=key)
        self._span_us = max(self._span_us, until_us)
