"""Read a fragmented MP4: the tracks that its index (``moov``) names, and when a fragment (``moof``) begins and ends.

ISO/IEC 14496-12, sections 8.8.7, 8.8.8 and 8.8.12. Only what FFmpeg's muxer writes with ``default_base_moof`` is known.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

from mscli.core.tuples import NamedTuple
from mscli.encode.mp4 import boxes

_DURATION, _SIZE, _FLAGS, _OFFSET = 0x100, 0x200, 0x400, 0x800  # of ``trun``: what each sample tells
_DATA_PLACE, _FIRST_FLAGS = 0x1, 0x4  # and what stands before the samples
_SKIPPED = {0x1: 8, 0x2: 4}  # of ``tfhd``: bytes before the defaults
_DEFAULTS = {0x8: _DURATION, 0x10: _SIZE, 0x20: _FLAGS}
_NO_KEY = 0x10000  # of a sample: other samples are needed to decode it


class Fragment(NamedTuple):
    """A fragment by its first track. ``key``: whether decoding can begin with it. Times are seconds of the file."""

    track: int
    key: bool
    begin_s: float
    end_s: float


def timescales(index: bytes) -> Mapping[int, int]:
    """Return the units per second of each track that an index names, by the track's number."""
    found = {}
    for track in _inside(index, b"moov", b"trak"):
        (head,), (media,) = _inside(track, b"tkhd"), _inside(track, b"mdia", b"mdhd")
        found[_after_times(head)] = _after_times(media)
    return found


def read_fragment(head: bytes, scales: Mapping[int, int]) -> Fragment:
    """Return the facts of a fragment. ``head``: its ``moof``; ``scales``: the tracks' units per second."""
    track = next(_inside(head, b"moof", b"traf"))
    (defaults,), (since,) = _inside(track, b"tfhd"), _inside(track, b"tfdt")
    number, usual = _usual(defaults)
    (begin,) = struct.unpack_from(">Q" if since[0] else ">I", since, 4)
    samples = [sample for run in _inside(track, b"trun") for sample in _samples(run, usual)]
    scale = scales[number]
    lasts = sum(duration for duration, _ in samples)
    return Fragment(number, not samples[0][1] & _NO_KEY, begin / scale, (begin + lasts) / scale)


def _inside(data: bytes, kind: bytes, *more: bytes) -> Iterator[bytes]:
    """Yield what is in the boxes of a kind, or in those of another kind inside them."""
    for box in boxes(data):
        if box.kind == kind:
            content = data[box.content : box.end]
            yield from _inside(content, *more) if more else [content]


def _after_times(content: bytes) -> int:
    """Return the number behind the two times at the beginning of a box."""
    value: int
    (value,) = struct.unpack_from(">I", content, 20 if content[0] else 12)
    return value


def _usual(content: bytes) -> tuple[int, dict[int, int]]:
    """Return the number of a fragment's track, and what is true of each sample that does not tell it."""
    flags, number = struct.unpack_from(">II", content)
    at = 8 + sum(size for flag, size in _SKIPPED.items() if flags & flag)
    usual = {_DURATION: 0, _SIZE: 0, _FLAGS: 0}
    for flag, name in _DEFAULTS.items():
        if flags & flag:
            (usual[name],) = struct.unpack_from(">I", content, at)
            at += 4
    return number, usual


def _samples(content: bytes, usual: Mapping[int, int]) -> Iterator[tuple[int, int]]:
    """Yield the duration and the flags of each sample of a run."""
    flags, count = struct.unpack_from(">II", content)
    at = 8 + 4 * bool(flags & _DATA_PLACE)
    first = struct.unpack_from(">I", content, at)[0] if flags & _FIRST_FLAGS else None
    at += 4 * (first is not None)
    told = [name for name in (_DURATION, _SIZE, _FLAGS, _OFFSET) if flags & name]
    for index in range(count):
        values = dict(zip(told, struct.unpack_from(f">{len(told)}I", content, at), strict=True))
        at += 4 * len(told)
        own = {**usual, **values}
        yield own[_DURATION], first if first is not None and not index else own[_FLAGS]
