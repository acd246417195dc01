"""Read what HEVC says of the order of its pictures, and find missing ones: the headers of parameter sets and slices.

https://www.itu.int/rec/T-REC-H.265, sections 7.3.2.2, 7.3.2.3, 7.3.4, 7.3.6.1, 7.3.7 and 8.3. Nothing is decoded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mscli.core.annexb import HEVC, find_units
from mscli.core.codedpictures import Bits, CodedPicture, full_order
from mscli.core.frames import EncodedVideoChunk
from mscli.core.references import References
from mscli.core.tuples import NamedTuple

_HEADER_BYTES = 128  # of a slice, with what is read of it
_SET_BYTES = 2048
_RADL_N, _RASL_R, _BLA, _IDR, _CRA = 6, 9, range(16, 19), range(19, 21), 21
_STARTS = range(16, 24)  # types of pictures at which decoding can start
_SLICES = range(32)
_SPS, _PPS, _END_OF_SEQUENCE = 33, 34, 36
_MOST_SETS = 16 + 64  # parameter sets that a stream can have: those of sequences and of pictures
_NOT_REFERENCED = range(0, 16, 2)  # types that no picture of the lowest layer of time depends on


class KeptPicture(NamedTuple):
    """A picture that is kept for others. ``order``: its place, of which only the bits in ``mask`` are known."""

    order: int
    used: bool  # by this picture; otherwise by later ones
    mask: int = -1

    def is_at(self, order: int) -> bool:
        """Return whether the picture at this place is meant."""
        return (order ^ self.order) & self.mask == 0


_Set = tuple[KeptPicture, ...]  # those that are kept, their places relative to the picture's


class HevcSps(NamedTuple):
    """The facts in a sequence parameter set."""

    planes_apart: bool
    order_bits: int
    reordered: int
    sets: tuple[_Set, ...]
    long_term: tuple[KeptPicture, ...] | None  # None: there are no long-term pictures


class HevcPps(NamedTuple):
    """The facts in a picture parameter set."""

    sequence: int
    tells_output: bool
    extra_bits: int


@dataclass(frozen=True, slots=True)
class HevcPicture(CodedPicture):
    """A picture of HEVC, with all pictures that are kept for it and for later ones."""

    kept: tuple[KeptPicture, ...]


class HevcHeaders:
    """The parameter sets of a stream so far, with which the headers of its slices can be read."""

    unit: ClassVar[int] = 1

    def __init__(self) -> None:
        self._sequences: dict[int, HevcSps] = {}
        self._pictures: dict[int, HevcPps] = {}
        self._order = 0  # the place of the latest picture from which others are counted
        self._begins = True  # whether the next picture begins a sequence

    def read(self, data: memoryview) -> HevcPicture | None:
        """Note the parameter sets in a chunk. Return its picture, or None if it has none that can be read.

        No more sets are read than a stream can have, so that no chunk costs more than some milliseconds.
        """
        sets = 0
        for match in find_units(data):
            begin = match.end() + 1
            if begin >= data.nbytes or match[1][0] & 1 or data[begin - 1] >> 3:
                continue  # of another layer
            kind = match[1][0] >> 1
            sets += kind in (_SPS, _PPS)
            if sets > _MOST_SETS:
                return None
            try:
                if kind == _SPS:
                    number, sps = _sps(Bits(bytes(data[begin : begin + _SET_BYTES])))
                    self._sequences[number] = sps
                elif kind == _PPS:
                    bits = Bits(bytes(data[begin : begin + _HEADER_BYTES]))
                    number, sequence = bits.ue(), bits.ue()
                    bits.skip(1)
                    self._pictures[number] = HevcPps(sequence, bool(bits.read(1)), bits.read(3))
                elif kind == _END_OF_SEQUENCE:
                    self._begins = True
                elif kind in _SLICES:
                    is_lowest = data[begin - 1] & 7 == 1
                    return self._picture(Bits(bytes(data[begin : begin + _HEADER_BYTES])), kind, is_lowest=is_lowest)
            except (IndexError, KeyError):
                if kind in _SLICES:
                    return None
        return None

    def _picture(self, bits: Bits, kind: int, *, is_lowest: bool) -> HevcPicture | None:
        if not bits.read(1):  # its first slice is missing
            return None
        if kind in _STARTS:
            bits.skip(1)
        pps = self._pictures[bits.ue()]
        sps = self._sequences[pps.sequence]
        bits.skip(pps.extra_bits) if pps.extra_bits else None
        bits.skip(0, *([1] if pps.tells_output else ()), *([2] if sps.planes_apart else ()))
        resets = kind in _BLA or kind in _IDR or (kind == _CRA and self._begins)
        low = bits.read(sps.order_bits) if kind not in _IDR else 0
        order = low if resets else full_order(low, sps.order_bits, self._order)
        kept = _kept(bits, sps, order) if kind not in _IDR else ()
        self._begins = False
        if is_lowest and not _RADL_N <= kind <= _RASL_R and kind not in _NOT_REFERENCED:
            self._order = order
        return HevcPicture(resets, False, order, sps.reordered, kept)


def _kept(bits: Bits, sps: HevcSps, order: int) -> tuple[KeptPicture, ...]:
    """Return the pictures that are kept, from the header of a slice."""
    near = sps.sets[bits.read((len(sps.sets) - 1).bit_length())] if bits.read(1) else _set(bits, sps.sets, last=True)
    kept = [one._replace(order=order + one.order) for one in near]
    if sps.long_term is None:
        return tuple(kept)
    listed = bits.ue() if sps.long_term else 0
    cycles = 0
    count = listed + bits.ue()
    for number in range(count):
        if number < listed:
            one = sps.long_term[bits.read((len(sps.long_term) - 1).bit_length())]
        else:
            one = KeptPicture(bits.read(sps.order_bits), bool(bits.read(1)), (1 << sps.order_bits) - 1)
        if number in (0, listed):
            cycles = 0
        if bits.read(1):
            cycles += bits.ue()
            low = order & one.mask
            one = KeptPicture(one.order + order - (cycles << sps.order_bits) - low, one.used)
        kept.append(one)
    return tuple(kept)


def _set(bits: Bits, sets: tuple[_Set, ...], *, last: bool) -> _Set:
    """Read a set of kept pictures. ``sets``: those before it. ``last``: whether it is a slice's own."""
    if sets and bits.read(1):
        based = sets[-1 - bits.ue()] if last else sets[-1]
        sign = bits.read(1)
        by = (bits.ue() + 1) * (-1 if sign else 1)
        moved = []
        for place in [*(one.order for one in based), 0]:
            used = bool(bits.read(1))
            if used or bits.read(1):
                moved.append(KeptPicture(place + by, used))
        earlier = sorted((one for one in moved if one.order < 0), key=lambda one: -one.order)
        return (*earlier, *sorted((one for one in moved if one.order > 0), key=lambda one: one.order))
    counts, kept = (bits.ue(), bits.ue()), []
    for count, sign in zip(counts, (-1, 1), strict=True):
        place = 0
        for _ in range(count):
            place += sign * (bits.ue() + 1)
            kept.append(KeptPicture(place, bool(bits.read(1))))
    return tuple(kept)


def _sps(bits: Bits) -> tuple[int, HevcSps]:
    bits.skip(4)
    layers = bits.read(3)
    bits.skip(1)
    _skip_profile(bits, layers)
    number, planes_apart = bits.ue(), False
    if bits.ue() == 3:  # 4:4:4
        planes_apart = bool(bits.read(1))
    bits.skip(0, 0)
    if bits.read(1):
        bits.skip(0, 0, 0, 0)
    bits.skip(0, 0)
    order_bits = bits.ue() + 4
    reordered = 0
    for _ in range(layers + 1 if bits.read(1) else 1):
        bits.skip(0)
        reordered = bits.ue()
        bits.skip(0)
    bits.skip(0, 0, 0, 0, 0, 0)
    if bits.read(1) and bits.read(1):
        _skip_scaling_lists(bits)
    bits.skip(1, 1)
    if bits.read(1):
        bits.skip(4, 4, 0, 0, 1)
    sets: tuple[_Set, ...] = ()
    for _ in range(bits.ue()):
        sets = (*sets, _set(bits, sets, last=False))
    long_term: tuple[KeptPicture, ...] | None = None
    if bits.read(1):
        mask = (1 << order_bits) - 1
        long_term = tuple(KeptPicture(bits.read(order_bits), bool(bits.read(1)), mask) for _ in range(bits.ue()))
    return number, HevcSps(planes_apart, order_bits, reordered, sets, long_term)


def _skip_profile(bits: Bits, layers: int) -> None:
    """Skip the profile, tier and level of the stream, and of each of its layers of time."""
    bits.skip(88, 8)
    told = [(bits.read(1), bits.read(1)) for _ in range(layers)]
    if layers:
        bits.skip(2 * (8 - layers))
    for profile, level in told:
        bits.skip(*([88] if profile else ()), *([8] if level else ()))


def _skip_scaling_lists(bits: Bits) -> None:
    for size in range(4):
        for _ in range(2 if size == 3 else 6):
            if not bits.read(1):
                bits.skip(0)
                continue
            bits.skip(*[0] * (min(64, 1 << 4 + 2 * size) + (size > 1)))


def _recovery_count(message: bytes) -> int:
    """Return how far the first whole picture is from a recovery point, in the order of display: annex D.2.8."""
    try:
        return Bits(message).se()
    except IndexError:
        return 0


class KeptReferences(References):
    """The pictures that a decoder keeps. Each picture tells on which it depends, so that missing ones are known."""

    def __init__(self) -> None:
        super().__init__()
        self._headers = HevcHeaders()
        self._whole: dict[int, bool] = {}  # of each that is kept, by its place: whether it depends on no missing one
        self._order: int | None = None  # the place of the latest

    def note(self, chunk: EncodedVideoChunk, *, starts: bool, begins: bool = False) -> bool:
        lacks = super().note(chunk, starts=starts)
        picture = self._headers.read(chunk.data)
        is_early = self._is_shown_before_first(picture, begins=begins)
        self.leads = False
        if picture is None or picture.order is None:
            return lacks
        if picture.resets:
            self._whole.clear()
        kept: dict[int, bool] = {}
        broken = False
        for one in picture.kept:
            found = {order: whole for order, whole in self._whole.items() if one.is_at(order)}
            broken = broken or (one.used and not any(found.values()))
            kept |= found
        recovery = HEVC.recovery(chunk.data) if starts and not picture.resets else b""
        is_partial = self._is_partial(picture.order, _recovery_count(recovery), starts=starts, begins=begins)
        self._lacks = broken and not (starts or is_partial)  # what is refreshed may depend on missing ones
        self.leads = is_early and broken
        self._order = picture.order
        self._whole = {**kept, picture.order: not self._lacks}
        return self._lacks or (is_partial and not self.refreshes)

    def lose(self) -> None:
        super().lose()
        if self._order is not None:
            self._whole[self._order] = False
