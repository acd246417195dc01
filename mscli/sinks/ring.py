"""The last seconds of a recording in memory: encoded pictures and raw sound, to begin a file with.

Bound: RING_BYTES. What it lets go first is the oldest, always up to a key frame, for nothing can begin in between.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from mscli.core.clock import MICROSECONDS

if TYPE_CHECKING:
    from mscli.sinks.filetracks import Piece

RING_BYTES = 256 * 1024 * 1024  # half a minute of MJPEG in 1080p, many minutes of H.264


class Kept(NamedTuple):
    """A piece of a track, from ``at_us`` to before ``end_us``. ``begins``: a file may begin with it."""

    track: int
    piece: Piece
    at_us: int
    end_us: int
    size: int  # bytes
    begins: bool


class Ring:
    """Keeps the pieces of the last ``seconds`` and what a file needs before them to begin."""

    def __init__(self, seconds: float, most_bytes: int = RING_BYTES) -> None:
        self._span_us = round(seconds * MICROSECONDS)
        self._most_bytes = most_bytes
        self._kept: deque[Kept] = deque()
        self._beginnings: deque[int] = deque()  # instants at which a file may begin
        self._bytes = 0
        self._newest_us = 0

    def __iter__(self) -> Iterator[Kept]:
        return iter(self._kept)

    def add(self, one: Kept) -> list[Kept]:
        """Keep a piece; those that have to go for it."""
        self._kept.append(one)
        self._bytes += one.size
        self._newest_us = max(self._newest_us, one.at_us)
        if one.begins:
            self._beginnings.append(one.at_us)
        return self._let_go()

    def beginning(self, wanted_us: int, *, ending: bool) -> int | None:
        """The latest instant up to ``wanted_us`` at which a file can begin, else the first after it; None if there is none.

        What was captured up to there may still be on its way, unless nothing more comes: until then it is None, too.
        """
        if self._newest_us < wanted_us and not ending:
            return None
        before = [at_us for at_us in self._beginnings if at_us <= wanted_us]
        return before[-1] if before else next(iter(self._beginnings), None)

    def _let_go(self) -> list[Kept]:
        gone: list[Kept] = []
        while len(self._beginnings) > 1 and self._beginnings[1] <= self._newest_us - self._span_us:
            gone += self._drop_beginning()
        while self._bytes > self._most_bytes and self._kept:
            gone += self._drop_beginning()
        return gone

    def _drop_beginning(self) -> list[Kept]:
        """Let go what comes before the second beginning, or everything if there is none."""
        if self._beginnings:
            self._beginnings.popleft()
        gone: list[Kept] = []
        while self._kept and (not self._beginnings or self._kept[0].end_us <= self._beginnings[0]):
            gone.append(self._kept.popleft())
        self._bytes -= sum(one.size for one in gone)
        return gone
