"""Read what H.264 says of the order of its pictures: the headers of parameter sets and slices.

https://www.itu.int/rec/T-REC-H.264, sections 7.3.2.1, 7.3.2.2, 7.3.3 and annex E. Nothing is decoded.
"""

from __future__ import annotations

from mscli.core.annexb import find_units
from mscli.core.tuples import NamedTuple

_HEADER_BYTES = 48  # of a slice, with what is read of it
_SET_BYTES = 512
_SLICE, _IDR, _SPS, _PPS = 1, 5, 7, 8
_HIGH = {44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244}  # profiles that tell the format of chroma
_EXTENDED_SAR = 255
_INTRA = (2, 7)  # types of slices


class _Bits:
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


class Sps(NamedTuple):
    """The facts in a sequence parameter set. ``reordered``: how many may come before one and be shown after it."""

    planes_apart: bool
    frame_number_bits: int
    order_type: int
    order_bits: int
    gaps_allowed: bool
    frames_only: bool
    reordered: int | None


class CodedPicture(NamedTuple):
    """The facts in the header of a picture's first slice. ``order``: the lowest bits of its place in the order of display."""

    sps: Sps
    idr: bool
    reference: bool  # whether others may depend on it
    intra: bool
    frame_number: int
    order: int | None
    field: bool


class Headers:
    """The parameter sets of a stream so far, with which the headers of its slices can be read."""

    def __init__(self) -> None:
        self._sequences: dict[int, Sps] = {}
        self._pictures: dict[int, int] = {}  # picture parameter set → sequence parameter set

    def read(self, data: memoryview) -> CodedPicture | None:
        """Note the parameter sets in a chunk. Return its picture, or None if it has none that can be read."""
        for match in find_units(data):
            header, begin = match[1][0], match.end()
            kind = header & 31
            try:
                if kind == _SPS:
                    number, sps = _sps(_Bits(bytes(data[begin : begin + _SET_BYTES])))
                    self._sequences[number] = sps
                elif kind == _PPS:
                    bits = _Bits(bytes(data[begin : begin + _HEADER_BYTES]))
                    self._pictures[bits.ue()] = bits.ue()
                elif kind in (_SLICE, _IDR):
                    return self._picture(_Bits(bytes(data[begin : begin + _HEADER_BYTES])), header)
            except (IndexError, KeyError):
                if kind in (_SLICE, _IDR):
                    return None
        return None

    def _picture(self, bits: _Bits, header: int) -> CodedPicture:
        bits.ue()
        intra, sps = bits.ue() in _INTRA, self._sequences[self._pictures[bits.ue()]]
        if sps.planes_apart:
            bits.skip(2)
        number, field = bits.read(sps.frame_number_bits), False
        if not sps.frames_only and bits.read(1):
            field = True
            bits.skip(1)
        idr = header & 31 == _IDR
        if idr:
            bits.ue()
        order = bits.read(sps.order_bits) if sps.order_type == 0 else None
        return CodedPicture(sps, idr, bool(header & 0x60), intra, number, order, field)


def _sps(bits: _Bits) -> tuple[int, Sps]:
    profile = bits.read(8)
    bits.skip(8, 8)
    number, planes_apart = bits.ue(), False
    if profile in _HIGH:
        planes_apart = _read_chroma(bits)
    frame_number_bits = bits.ue() + 4
    order_type, order_bits = bits.ue(), 0
    if order_type == 0:
        order_bits = bits.ue() + 4
    elif order_type == 1:
        bits.skip(1, 0, 0)
        for _ in range(bits.ue()):
            bits.ue()
    bits.ue()
    gaps_allowed = bool(bits.read(1))
    bits.skip(0, 0)
    frames_only = bool(bits.read(1))
    if not frames_only:
        bits.skip(1)
    bits.skip(1)
    if bits.read(1):
        bits.skip(0, 0, 0, 0)
    reordered = 0 if order_type == 2 else None  # the type of streams in the order of display
    if reordered is None and bits.read(1):
        reordered = _reordered(bits)
    return number, Sps(planes_apart, frame_number_bits, order_type, order_bits, gaps_allowed, frames_only, reordered)


def _read_chroma(bits: _Bits) -> bool:
    """Read the formats and the scaling lists. Return whether the planes are coded apart."""
    full = bits.ue() == 3  # 4:4:4
    apart = bool(bits.read(1)) if full else False
    bits.skip(0, 0, 1)
    if bits.read(1):
        for number in range(12 if full else 8):
            if bits.read(1):
                _skip_scaling_list(bits, 16 if number < 6 else 64)  # the 4×4 lists come first
    return apart


def _skip_scaling_list(bits: _Bits, count: int) -> None:
    last = following = 8
    for _ in range(count):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


def _reordered(bits: _Bits) -> int | None:
    """Return the limit of reordered pictures in the usability information."""
    if bits.read(1) and bits.read(8) == _EXTENDED_SAR:
        bits.skip(16, 16)
    if bits.read(1):
        bits.skip(1)
    if bits.read(1):
        bits.skip(3, 1)
        if bits.read(1):
            bits.skip(8, 8, 8)
    if bits.read(1):
        bits.skip(0, 0)
    if bits.read(1):
        bits.skip(32, 32, 1)
    timed = False
    for _ in range(2):
        if bits.read(1):
            timed = True
            count = bits.ue() + 1
            bits.skip(4, 4)
            for _ in range(count):
                bits.skip(0, 0, 1)
            bits.skip(5, 5, 5, 5)
    if timed:
        bits.skip(1)
    bits.skip(1)
    if not bits.read(1):
        return None
    bits.skip(1, 0, 0, 0, 0)
    return bits.ue()


class References:
    """The numbers of the pictures of a stream that others depend on. They tell if one did not arrive."""

    def __init__(self) -> None:
        self._headers = Headers()
        self._last: int | None = None  # the number of the latest of them

    def misses(self, data: memoryview) -> bool:
        """Note the next chunk. Return whether pictures before it are missing on which it, or a later one, may depend."""
        picture, last = self._headers.read(data), self._last
        if picture is None:
            return False
        if picture.reference:
            self._last = picture.frame_number
        if last is None or picture.idr or picture.intra or picture.sps.gaps_allowed:
            return False
        return picture.frame_number not in (last, (last + 1) % (1 << picture.sps.frame_number_bits))
