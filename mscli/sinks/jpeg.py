"""A camera's JPEG as a file, pixels untouched: many cameras leave out the Huffman tables that a file has to carry.

https://www.w3.org/Graphics/JPEG/itu-t81.pdf, annex B (segments) and K.3 (the tables that Motion-JPEG takes for granted).
"""

from __future__ import annotations

from collections.abc import Iterator

START = b"\xff\xd8"  # what every JPEG begins with
_HUFFMAN, _SCAN = 0xC4, 0xDA

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
_TABLES = (  # class and number of the table, codes of each length from 1 to 16 bits, values
    (0x00, "00010501010101010100000000000000", _DIGITS),
    (0x01, "00030101010101010101010000000000", _DIGITS),
    (0x10, "0002010303020403050504040000017d", _LUMA),
    (0x11, "00020102040403040705040400010277", _CHROMA),
)


class BrokenJpegError(ValueError):
    """The bytes are not a JPEG, or end before its picture begins."""


def file_parts(jpeg: memoryview) -> list[bytes | memoryview]:
    """The parts of a JPEG file of that picture, uncopied; the standard Huffman tables are put in where it has none."""
    places = {marker: at for at, marker in _segments(jpeg)}
    if _HUFFMAN in places:
        return [jpeg]
    scan = places[_SCAN]
    return [jpeg[:scan], _huffman_segment(), jpeg[scan:]]


def _segments(jpeg: memoryview) -> Iterator[tuple[int, int]]:
    """Where each segment is, and its marker; the last is the scan, which holds the picture."""
    at, marker = len(START), 0
    if bytes(jpeg[:at]) != START:
        raise BrokenJpegError("it does not begin as a JPEG does")
    while marker != _SCAN:
        head = bytes(jpeg[at : at + 4])
        if len(head) < 4 or head[0] != 0xFF:
            raise BrokenJpegError("it ends before its picture begins")
        marker = head[1]
        yield at, marker
        at += 2 + int.from_bytes(head[2:], "big")


def _huffman_segment() -> bytes:
    tables = b"".join(bytes([number]) + bytes.fromhex(codes) + values for number, codes, values in _TABLES)
    return bytes([0xFF, _HUFFMAN]) + (len(tables) + 2).to_bytes(2, "big") + tables
