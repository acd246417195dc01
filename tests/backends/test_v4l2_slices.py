"""Slices that a camera puts into buffers of their own."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mscli.core.annexb import H264, HEVC, Units
from mscli.core.frames import EncodedVideoChunk
from mscli.sources.v4l2.slices import SliceJoiner

SETS, SEI = b"\0\0\0\1\x67\x42\0\0\1\x68\xce", b"\0\0\1\x06\x05"


def at(place: int, kind: int = 0x41) -> bytes:
    """A slice of H.264 that begins at this macroblock."""
    code = f"{place + 1:b}"
    bits = (("0" * (len(code) - 1) + code) + "1").ljust(40, "0")
    return b"\0\0\0\1" + bytes([kind]) + int(bits, 2).to_bytes(5, "big") + b"\xff"


def joined(units: Units, *buffers: bytes) -> list[tuple[bytes, int]]:
    """What comes of the buffers: the chunks and their numbers."""
    slices = SliceJoiner(units)
    chunks = [EncodedVideoChunk("delta", n, memoryview(data), "h264", 64, 48, sequence=n) for n, data in enumerate(buffers)]
    passed = [one for chunk in chunks for one in slices.take(chunk)] + slices.rest()
    return [(bytes(one.data), one.sequence) for one in passed]


def test_every_place_of_a_slice_is_read() -> None:
    for place in (0, 1, 2, 3, 98, 99, 100, 8159, 139263):
        assert H264.slice_place(memoryview(at(place))) == place
    assert H264.slice_place(memoryview(SETS)) is None
    assert H264.slice_place(memoryview(SETS + at(99))) == H264.slice_place(memoryview(SEI + at(5))) == 0


@pytest.mark.parametrize(
    ("buffers", "pictures"),
    [
        ((at(0), at(0), at(0)), ((0,), (1,), (2,))),
        ((at(0), at(99), at(0), at(99)), ((0, 1), (2, 3))),
        ((at(0), at(40), at(80), at(0), at(40)), ((0, 1, 2), (3, 4))),
        ((SETS, at(0), at(99), SETS, at(0), at(99)), ((0,), (1, 2), (3,), (4, 5))),
        ((SETS + at(0, 0x65), at(99, 0x65), SEI + at(0), at(99)), ((0, 1), (2, 3))),
        ((at(99), at(0), at(99), at(0)), ((1, 2), (3,))),  # joined in the middle
        ((at(0), at(99), at(99), at(0)), ((0, 1), (2,), (3,))),  # a first slice is lost
        ((at(0), at(0), at(99), at(0), at(99)), ((0,), (1,), (3, 4))),  # not known before
        ((at(0), at(0, 0x03), at(0, 0x04), at(0)), ((0, 1, 2), (3,))),  # partitions
    ],
)
def test_slices_are_joined_to_pictures(buffers: Sequence[bytes], pictures: Sequence[Sequence[int]]) -> None:
    found = joined(H264, *buffers)
    assert [data for data, _ in found] == [b"".join(buffers[number] for number in numbers) for numbers in pictures]
    numbers = [number for _, number in found]
    assert numbers == sorted(set(numbers))


def test_slices_of_hevc_are_joined() -> None:
    first, later = b"\0\0\1\x02\x01\x80\x11", b"\0\0\1\x02\x01\x40\x11"
    found = joined(HEVC, first, later, later, first, later, first)
    assert [data for data, _ in found] == [first + later + later, first + later, first]


def test_a_picture_is_not_held_back_once_it_is_known_to_be_whole() -> None:
    slices = SliceJoiner(H264)
    took = [len(slices.take(EncodedVideoChunk("delta", n, memoryview(at(0)), "h264", 64, 48, sequence=n))) for n in range(4)]
    assert took == [0, 2, 1, 1]
