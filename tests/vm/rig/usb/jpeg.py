"""A JPEG of plain columns, without a codec: blocks of a DC coefficient only; baseline, 4:2:2 as from webcams (ITU-T T.81)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

Colour = tuple[int, int, int]  # Y, U, V

# Huffman tables of our own: twelve DC categories in four-bit codes, and one AC code, "end of block".
DC_CODES = bytes([0, 0, 0, 12, *bytes(12)]) + bytes(range(12))
AC_CODES = bytes([1, *bytes(15)]) + b"\0"
END_OF_BLOCK = "0"


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def header(width: int, height: int) -> bytes:
    components = bytes([1, 0x21, 0, 2, 0x11, 0, 3, 0x11, 0])  # two Y blocks side by side for a U and a V
    return (
        b"\xff\xd8"
        + segment(0xDB, bytes([0]) + bytes([1]) * 64)  # quantised by 1: the colours are exact
        + segment(0xC0, struct.pack(">BHHB", 8, height, width, 3) + components)
        + segment(0xC4, b"\x00" + DC_CODES)
        + segment(0xC4, b"\x10" + AC_CODES)
        + segment(0xDA, bytes([3, 1, 0, 2, 0, 3, 0, 0, 63, 0]))
    )


def block(difference: int) -> str:
    """The bits of a block whose DC coefficient differs so from the one before."""
    size = abs(difference).bit_length()
    value = difference if difference > 0 else difference + (1 << size) - 1
    return f"{size:04b}" + (f"{value:0{size}b}" if size else "") + END_OF_BLOCK


def row_of_blocks(columns: list[Colour], before: list[int]) -> Iterator[str]:
    """The bits of eight rows of the picture; ``before`` holds the last DC of Y, U and V."""
    for left, right in zip(columns[::2], columns[1::2], strict=True):
        u, v = (left[1] + right[1]) // 2, (left[2] + right[2]) // 2
        for component, level in ((0, left[0]), (0, right[0]), (1, u), (2, v)):
            coefficient = 8 * (level - 128)
            yield block(coefficient - before[component])
            before[component] = coefficient


def columns(colours: list[Colour], height: int) -> bytes:
    """A picture of columns eight pixels wide, of even number; ``height`` is a multiple of eight."""
    before = [0, 0, 0]
    bits = "".join("".join(row_of_blocks(colours, before)) for _ in range(height // 8))
    bits += "1" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big")
    return header(8 * len(colours), height) + data.replace(b"\xff", b"\xff\0") + b"\xff\xd9"
