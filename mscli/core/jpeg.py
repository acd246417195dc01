"""Check a camera's JPEG for completeness, and turn it into a valid file without touching its pixels.

Many cameras omit the Huffman tables that a file must contain. Some add bytes of their own before or after the JPEG.

https://www.w3.org/Graphics/JPEG/itu-t81.pdf, annex B (segments) and K.3 (the default tables of Motion-JPEG).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator

from mscli.core.tuples import NamedTuple

_START, _END = b"\xff\xd8", b"\xff\xd9"
# bits of which all are 1, which are no code, and bits of which all are 0
FILLS = (b"\xff\x00" * 32 + _END, b"\0" * 32 + _END)
_JUNK = 64  # the most bytes before the start marker
_FILL = rb"\xff+(?=\xff)"  # fill bytes that may precede a marker
_SEGMENTS = 1000  # the limit of segments before the scan
_HUFFMAN, _SCAN, _INTERVAL = 0xC4, 0xDA, 0xDD
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_MOST_COMPONENTS = 4
_FRAMES = {*range(0xC0, 0xD0)} - {_HUFFMAN, 0xC8, 0xCC}  # headers that hold the size
_BASELINE = (0xC0, 0xC1)  # headers of baseline JPEGs, whose scan has some bits for every block
_LEAST_BITS_OF_256_PIXELS = 8  # of a baseline scan: at least two bits for each of four blocks
_KNOWN_HEADS = 16  # of several cameras, or of JPEGs that wait for a writer
_LONGEST_KNOWN = 4096  # bytes
_READ_BEHIND = 9  # bytes from the scan on that may tell something: those of a header before it that is cut short

_DIGITS = bytes(range(12))
_LUMA = bytes.fromhex(
    "01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a34353637"
    "38393a434445464748494a535455565758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3"
    "a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa"
)
_CHROMA = bytes.fromhex(
    "000102031104052131061241510761711322328108144291a1b1c109233352f0156272d10a162434e125f11718191a262728292a3536"
    "3738393a434445464748494a535455565758595a636465666768696a737475767778797a82838485868788898a92939495969798999a"
    "a2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa"
)
_TABLES = (  # class and number of the table; the count of codes of each length from 1 to 16 bits; values
    (0x00, "00010501010101010100000000000000", _DIGITS),
    (0x01, "00030101010101010101010000000000", _DIGITS),
    (0x10, "0002010303020403050504040000017d", _LUMA),
    (0x11, "00020102040403040705040400010277", _CHROMA),
)


class BrokenJpegError(ValueError):
    """The bytes are not a complete JPEG. The message completes a sentence that begins with “a frame”."""


class UnendedJpegError(BrokenJpegError):
    """There is no end marker. The image data may be complete nevertheless."""


class Head(NamedTuple):
    """The header of a JPEG. ``scan``: the offset of the scan, in bytes. ``tables``: whether it contains Huffman tables."""

    width: int
    height: int
    baseline: bool
    tables: bool
    scan: int
    restarts: int  # the least number of restart markers in the scan


_known: deque[tuple[bytes, Head]] = deque(maxlen=_KNOWN_HEADS)  # the bytes of the latest headers, and what they say


def picture(data: memoryview) -> memoryview:
    """Return the JPEG from its start marker to its end marker.

    Raises BrokenJpegError if it is incomplete or has an impossible size.
    """
    jpeg = _from_start(data)
    head = _head(jpeg)
    _check_size(head, jpeg)
    if bytes(jpeg[-len(_END) :]) == _END:
        return jpeg
    scan = bytes(jpeg[head.scan :])
    end = scan.rfind(_END)
    if end < 0 and len(_RESTART.findall(scan)) < head.restarts:
        raise BrokenJpegError("ends before all of its picture is there")
    if end < 0:
        raise UnendedJpegError("has no end marker")
    return jpeg[: head.scan + end + len(_END)]


def check(data: memoryview) -> None:
    """Raise BrokenJpegError if decoding is pointless: the data is not a JPEG, or its size is impossible."""
    jpeg = _from_start(data)
    _check_size(_head(jpeg), jpeg)


def unended(data: memoryview) -> list[bytes]:
    """Return what a JPEG without an end marker may consist of, without the bytes of 0 that fill the buffer.

    It is complete if a strict decoder shows the same picture whichever of ``FILLS`` follows, from which missing bits are taken.
    A single byte of 0 may belong to it.
    """
    filled = bytes(_from_start(data))
    bare = filled.rstrip(b"\0")
    return [bare, filled] if len(filled) - len(bare) == 1 else [bare]


def ended(data: bytes) -> bytes:
    """Return the complete data with an end marker."""
    return data + _END


def size(data: memoryview) -> tuple[int, int]:
    """Return the width and height from the JPEG's header. Raises BrokenJpegError."""
    head = _head(_from_start(data))
    return head.width, head.height


def file_parts(jpeg: memoryview) -> list[bytes | memoryview]:
    """Return the parts of a valid JPEG file without copying. Standard Huffman tables are inserted if there are none."""
    head = _head(jpeg)
    return [jpeg] if head.tables else [jpeg[: head.scan], _huffman_segment(), jpeg[head.scan :]]


def _from_start(data: memoryview) -> memoryview:
    at = bytes(data[: _JUNK + len(_START)]).find(_START)
    if at < 0:
        raise BrokenJpegError("does not begin like a JPEG")
    return data[at:]


def _check_size(head: Head, jpeg: memoryview) -> None:
    """Reject a size of zero, and a size that needs more bytes than there are."""
    if not head.width or not head.height:
        raise BrokenJpegError(f"claims an impossible size of {head.width}×{head.height} pixels")
    least_bits = head.width * head.height // 256 * _LEAST_BITS_OF_256_PIXELS
    if head.baseline and (jpeg.nbytes - head.scan) * 8 < least_bits:
        raise BrokenJpegError(f"is too short for {head.width}×{head.height} pixels")


def _head(jpeg: memoryview) -> Head:
    """Return the header. It is only read if no known one has the same bytes, because a camera repeats its own."""
    for begin, head in list(_known):  # another thread may add one
        if bytes(jpeg[: len(begin)]) == begin:
            return head
    head = _read_head(jpeg)
    if head.scan < _LONGEST_KNOWN:
        _known.appendleft((bytes(jpeg[: head.scan + _READ_BEHIND]), head))
    return head


def _read_head(jpeg: memoryview) -> Head:
    width = height = blocks = interval = 0
    baseline = tables = False
    for at, marker in _segments(jpeg):
        if marker in _FRAMES:
            height, width = (int.from_bytes(jpeg[at + place : at + place + 2], "big") for place in (5, 7))
            baseline = marker in _BASELINE
            blocks = _blocks(width, height, bytes(jpeg[at + 10 : at + 10 + 3 * _MOST_COMPONENTS]), jpeg[at + 9 : at + 10])
        elif marker == _INTERVAL:
            interval = int.from_bytes(jpeg[at + 4 : at + 6], "big")
        tables = tables or marker == _HUFFMAN
    restarts = (blocks - 1) // interval if baseline and interval and blocks else 0
    return Head(width, height, baseline, tables, at, restarts)


def _blocks(width: int, height: int, components: bytes, count: memoryview) -> int:
    """Return how many blocks a scan of all components has, each with all of them (A.2.3)."""
    sampling = [
        components[3 * number + 1] for number in range(count[0] if count.nbytes else 0) if 3 * number + 1 < len(components)
    ]
    wide, high = max((one >> 4 for one in sampling), default=0), max((one & 15 for one in sampling), default=0)
    if not wide or not high:
        return 0
    if len(sampling) == 1:
        wide = high = 1
    return -(-width // (8 * wide)) * -(-height // (8 * high))


def _segments(jpeg: memoryview) -> Iterator[tuple[int, int]]:
    """Yield the offset and marker of each segment. The last one is the scan."""
    at = len(_START)
    for _ in range(_SEGMENTS):
        head = bytes(jpeg[at : at + 4])
        if head[:2] == b"\xff\xff" and (fill := re.compile(_FILL).match(jpeg, at)):
            at = fill.end()
            head = bytes(jpeg[at : at + 4])
        if len(head) < 4 or head[0] != 0xFF:
            raise BrokenJpegError("ends before its image data")
        marker = head[1]
        yield at, marker
        if marker == _SCAN:
            return
        at += 2 + int.from_bytes(head[2:], "big")
    raise BrokenJpegError(f"has more than {_SEGMENTS} segments before its image data")


def _huffman_segment() -> bytes:
    tables = b"".join(bytes([number]) + bytes.fromhex(codes) + values for number, codes, values in _TABLES)
    return bytes([0xFF, _HUFFMAN]) + (len(tables) + 2).to_bytes(2, "big") + tables
