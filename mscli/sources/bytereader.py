"""Read bytes in order, and look ahead at the next ones. A subclass gets them from a pipe or a network."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

from mscli.core.errors import NotReadableError
from mscli.core.frames import MOST_PIXELS

_PIECE = 1 << 16


def check_pixels(name: str, width: int, height: int, most: int) -> None:
    """Raise NotReadableError if a picture from ``name`` has more pixels than ``most``."""
    if width * height > most:
        side = math.isqrt(most)
        what = f"{name} has pictures of {width}×{height} pixels; at most {side}×{side}, or as many of another shape, are read"
        raise NotReadableError(what, hints=["make them smaller first"])


class EndedEarly(EOFError):
    """The writer ended in the middle of something."""


class ByteReader(ABC):
    """A reader of bytes in their order. ``name``: where they come from, for messages."""

    name = ""
    stopping = False
    cut_off = False  # whether a reader of containers took a stop for the end
    most_pixels = MOST_PIXELS  # of a picture in these bytes
    deadline_s: float | None = None  # until when to wait for bytes, on the monotonic clock

    def __init__(self) -> None:
        self._held = bytearray()  # bytes that were read and not taken
        self._ended = False

    def check_size(self, width: int, height: int) -> None:
        """Raise NotReadableError if a picture has more pixels than one from there may have."""
        check_pixels(self.name, width, height, self.most_pixels)

    @abstractmethod
    def close(self) -> None:
        """Close what brings the bytes."""

    @abstractmethod
    def _comes(self) -> bool:
        """Wait until there is something to read, the end included. Return False at the end, and after a stop.

        Raises NotReadableError at the deadline.
        """

    @abstractmethod
    def _some(self, count: int) -> bytes:
        """Return at most ``count`` of the bytes that have come, none at the end, and note the end."""

    @abstractmethod
    def _read_into(self, parts: list[memoryview]) -> int:
        """Wait for bytes and fill the parts in turn as far as they go. Return how many there were, 0 at the end."""

    def comes(self, magic: bytes) -> bool:
        """Return whether these bytes come next, without taking them. It waits for more only while what came is alike."""
        return all(self.held(count)[:count] == magic[:count] for count in range(1, len(magic) + 1))

    def read(self, count: int) -> bytes:
        """Return at most ``count`` bytes, as soon as there are any; none at the end. PyAV reads containers with this."""
        if self._held:
            taken = bytes(self._held[:count])
            del self._held[:count]
            return taken
        if self._comes():
            return self._some(count)
        self.cut_off = self.cut_off or not self._ended
        return b""

    def fill(self, *parts: memoryview) -> bool:
        """Fill all parts in turn. Return False if the writer has ended before the first byte.

        Raises EndedEarly if it ends later, or reading is stopped. After a stop nothing is taken.
        """
        wanted = sum(part.nbytes for part in parts)
        count = self.fill_most(*parts)
        if count < wanted and (count or self.stopping):
            raise EndedEarly
        return count == wanted

    def fill_most(self, *parts: memoryview) -> int:
        """Fill the parts in turn until the writer ends. Return how many bytes were filled.

        If reading is stopped, nothing is taken, so that what was begun is read again from its beginning.
        """
        left, filled = [part for part in parts if part.nbytes], 0
        while left and (count := self._take_held(left[0]) if self._held else self._read_into(left)):
            filled += count
            while left and count >= left[0].nbytes:
                count -= left.pop(0).nbytes
            if left:
                left[0] = left[0][count:]
        if left and self.stopping:
            self.put_back(memoryview(b"".join(parts))[:filled])
            return 0
        return filled

    def put_back(self, *parts: bytearray | memoryview) -> None:
        """Let these bytes come next again."""
        self._held[:0] = b"".join(parts)

    def line(self, most: int) -> bytes:
        """Return the next line without its end, b"" at the end of the input. Raises EndedEarly if it ends within the line."""
        while (at := self._held.find(b"\n")) < 0 and len(self._held) < most:
            if not self._more():
                if self._held:
                    raise EndedEarly
                return b""
        if at < 0:
            raise NotReadableError(f"{self.name} has a line of more than {most} bytes where a header was expected")
        line = bytes(self._held[:at])
        del self._held[: at + 1]
        return line

    def held(self, count: int) -> bytearray:
        """Return the bytes that come next, without taking them, at least ``count`` unless the writer ends."""
        while len(self._held) < count and self._more():
            pass
        return self._held

    def skip(self, count: int) -> int:
        """Drop the first ``count`` held bytes. Return ``count``."""
        del self._held[:count]
        return count

    def _more(self) -> bool:
        """Hold more bytes. Return whether there are any."""
        data = self._some(_PIECE) if self._comes() else b""
        self._held += data
        return bool(data)

    def _take_held(self, part: memoryview) -> int:
        count = min(part.nbytes, len(self._held))
        part[:count] = self._held[:count]
        del self._held[:count]
        return count
