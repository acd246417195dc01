"""Read the headers of coded pictures: what H.264 and HEVC have in common. Nothing is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol


@dataclass(frozen=True, slots=True)
class CodedPicture:
    """The facts in the header of a picture's first slice.

    ``order``: its place in the order of display, in the stream's numbers, since the latest picture with ``resets``, or
    None if unknown. ``reordered``: how many pictures may be decoded before one that is shown after it, or None if unknown.
    """

    resets: bool  # whether the numbers begin anew, and no later picture depends on one before it
    field: bool
    order: int | None
    reordered: int | None


class PictureHeaders(Protocol):
    """The parameter sets of a stream so far, with which the headers of its slices can be read.

    ``unit``: how much further the next picture usually is in the stream's numbers.
    """

    unit: ClassVar[int]

    def read(self, data: memoryview) -> CodedPicture | None:
        """Note the parameter sets in a chunk. Return its picture, or None if it has none that can be read."""


def full_order(low: int, bits: int, before: int) -> int:
    """Return a place in the order of display, given its lowest bits and an earlier picture's place."""
    period = 1 << bits
    return before + (low - before + period // 2) % period - period // 2


class Bits:
    """The bits of a unit behind its header. Raises IndexError at their end."""

    def __init__(self, unit: bytes) -> None:
        data = unit.replace(b"\0\0\3", b"\0\0")  # without emulation prevention
        self._bits, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def read(self, count: int) -> int:
        """Return an unsigned number of ``count`` bits."""
        self._left -= count
        if self._left < 0:
            raise IndexError
        return self._bits >> self._left & (1 << count) - 1

    def ue(self) -> int:
        """Return an unsigned number in an Exp-Golomb code."""
        zeros = 0
        while not self.read(1):
            zeros += 1
        return (1 << zeros) - 1 + self.read(zeros)

    def se(self) -> int:
        """Return a signed number in an Exp-Golomb code."""
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)

    def skip(self, *counts: int) -> None:
        """Skip a field for each count: that number of bits, or an Exp-Golomb code if the count is 0."""
        for count in counts:
            self.read(count) if count else self.ue()
