"""Read what H.264 says of the order of its pictures, and find missing ones: the headers of parameter sets and slices.

https://www.itu.int/rec/T-REC-H.264, sections 7.3.2.1, 7.3.2.2, 7.3.3 and annex E. Nothing is decoded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mscli.core.annexb import H264, find_units
from mscli.core.codedpictures import Bits, CodedPicture, full_order
from mscli.core.frames import EncodedVideoChunk
from mscli.core.references import References
from mscli.core.tuples import NamedTuple

_HEADER_BYTES = 48  # of a slice, with what is read of it
_SET_BYTES = 512
_MOST_SETS = 32 + 256  # parameter sets that a stream can have: those of sequences and of pictures
_SLICE, _IDR, _SPS, _PPS = 1, 5, 7, 8
_HIGH = {44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244}  # profiles that tell the format of chroma
_EXTENDED_SAR = 255
_INTRA = (2, 7)  # types of slices


class H264Sps(NamedTuple):
    """The facts in a sequence parameter set. ``reordered``: how many may come before one and be shown after it."""

    planes_apart: bool
    frame_number_bits: int
    order_type: int
    order_bits: int
    gaps_allowed: bool
    frames_only: bool
    reordered: int | None


@dataclass(frozen=True, slots=True)
class H264Picture(CodedPicture):
    """A picture of H.264."""

    sps: H264Sps
    reference: bool  # whether others may depend on it
    intra: bool
    frame_number: int


class H264Headers:
    """The parameter sets of a stream so far, with which the headers of its slices can be read."""

    unit: ClassVar[int] = 2  # 1 if one is odd

    def __init__(self) -> None:
        self._sequences: dict[int, H264Sps] = {}
        self._pictures: dict[int, int] = {}  # picture parameter set → sequence parameter set
        self._order = 0  # the place of the latest picture that others depend on

    def read(self, data: memoryview) -> H264Picture | None:
        """Note the parameter sets in a chunk. Return its picture, or None if it has none that can be read.

        No more sets are read than a stream can have, so that no chunk costs more than some milliseconds.
        """
        sets = 0
        for match in find_units(data):
            header, begin = match[1][0], match.end()
            kind = header & 31
            sets += kind in (_SPS, _PPS)
            if sets > _MOST_SETS:
                return None
            try:
                if kind == _SPS:
                    number, sps = _sps(Bits(bytes(data[begin : begin + _SET_BYTES])))
                    self._sequences[number] = sps
                elif kind == _PPS:
                    bits = Bits(bytes(data[begin : begin + _HEADER_BYTES]))
                    self._pictures[bits.ue()] = bits.ue()
                elif kind in (_SLICE, _IDR):
                    return self._picture(Bits(bytes(data[begin : begin + _HEADER_BYTES])), header)
            except (IndexError, KeyError):
                if kind in (_SLICE, _IDR):
                    return None
        return None

    def _picture(self, bits: Bits, header: int) -> H264Picture:
        bits.ue()
        intra, sps = bits.ue() in _INTRA, self._sequences[self._pictures[bits.ue()]]
        if sps.planes_apart:
            bits.skip(2)
        number, field = bits.read(sps.frame_number_bits), False
        if not sps.frames_only and bits.read(1):
            field = True
            bits.skip(1)
        idr, reference = header & 31 == _IDR, bool(header & 0x60)
        if idr:
            bits.ue()
        order = None
        if sps.order_type == 0:
            order = full_order(bits.read(sps.order_bits), sps.order_bits, 0 if idr else self._order)  # 8.2.1.1
            self._order = order if reference else self._order
        return H264Picture(idr, field, order, sps.reordered, sps, reference, intra, number)


def _sps(bits: Bits) -> tuple[int, H264Sps]:
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
    return number, H264Sps(planes_apart, frame_number_bits, order_type, order_bits, gaps_allowed, frames_only, reordered)


def _read_chroma(bits: Bits) -> bool:
    """Read the formats and the scaling lists. Return whether the planes are coded apart."""
    full = bits.ue() == 3  # 4:4:4
    apart = bool(bits.read(1)) if full else False
    bits.skip(0, 0, 1)
    if bits.read(1):
        for number in range(12 if full else 8):
            if bits.read(1):
                _skip_scaling_list(bits, 16 if number < 6 else 64)  # the 4×4 lists come first
    return apart


def _skip_scaling_list(bits: Bits, count: int) -> None:
    last = following = 8
    for _ in range(count):
        if following:
            following = (last + bits.se()) % 256
        last = following or last


def _reordered(bits: Bits) -> int | None:
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


def _recovery_count(message: bytes) -> int:
    """Return how many pictures that others depend on come before the first whole one: annex D.1.8."""
    try:
        return Bits(message).ue()
    except IndexError:
        return 0


class NumberedReferences(References):
    """The numbers of the pictures of a stream that others depend on. They tell if one did not arrive."""

    def __init__(self) -> None:
        super().__init__()
        self._headers = H264Headers()
        self._number: int | None = None  # of the latest of them
        self._picture: H264Picture | None = None  # of the latest chunk
        self._references = self._before = 0  # how many there were, and how many before the latest chunk
        self._start: int | None = None  # the source's number of the latest chunk at which decoding can start
        self._distance = 0  # from one of these to the next, once known

    def note(self, chunk: EncodedVideoChunk, *, starts: bool, begins: bool = False) -> bool:
        lacks = super().note(chunk, starts=starts)
        picture = self._picture
        self.leads = self._is_shown_before_first(picture, begins=begins)
        if starts:
            self._note_start(chunk.sequence)
        recovery = H264.recovery(chunk.data) if starts and picture is not None and not picture.resets else b""
        is_partial = self._is_partial(self._before, _recovery_count(recovery), starts=starts, begins=begins)
        return lacks or (is_partial and not self.refreshes)

    def _note_start(self, number: int) -> None:
        """Note the number of a chunk at which decoding can start. If one was lost before it, the distance stays."""
        if self._start is not None and number > self._start:
            distance = number - self._start
            self._distance = self._distance if self._distance and distance % self._distance == 0 else distance
        self._start = number

    def _can_be_start(self, after: int, before: int) -> bool:
        """Return whether a key frame can be among the missing chunks between two numbers."""
        if self._start is None or not self._distance:  # some drivers number what is no picture
            return False
        return (before - 1 - self._start) // self._distance > (after - self._start) // self._distance

    def _misses(self, chunk: EncodedVideoChunk) -> bool:
        latest = self._at
        is_gap = super()._misses(chunk)
        picture, last = self._headers.read(chunk.data), self._number
        self._picture = picture
        if picture is None:
            return False
        self._before = self._references
        if picture.reference:
            self._number = picture.frame_number
            self._references += 1
        if last is None or picture.resets or picture.intra:
            return False
        if picture.sps.gaps_allowed:  # only the source's numbers can tell
            return is_gap
        if is_gap and latest is not None and self._can_be_start(latest[0], chunk.sequence):
            return True  # its number may fit: a key frame sets it to 0, and it has few bits
        return picture.frame_number not in (last, (last + 1) % (1 << picture.sps.frame_number_bits))
