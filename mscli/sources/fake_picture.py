"""The fake camera's picture: colour bars, a frame number that programs read, a pointer that people see move, and a flash.

Lengths are parts of the picture's width W and height H; s is a sixteenth of the shorter of the two. Edges are rounded to even
pixels. From top to bottom:

- EBU colour bars (white, yellow, cyan, green, magenta, red, blue, black, at 75 %), each W/8 wide, down to 3/4 of H;
- in the middle of the picture, over the bars, the code: 8 columns × 4 rows of cells, each s × s, so that cropping centrally
  and scaling down to 160 × 120 leave it readable;
- from 3/4 to 7/8 of H a white pointer on black, W/16 wide, that crosses the picture from left to right once a second;
- below it 16 steps of grey, from black to white.

The code is a 32-bit word, the most significant bit first, in the rows' reading order; white is 1, black is 0:

    bits 31-30   1 0      always
    bit  29      flash    1 in a frame that flashes
    bits 28-5    number   frames since the start of the device, modulo 2^24, lost ones included; the first is 0
    bits 4-1     check    15 xor each of the six hexadecimal digits of the number
    bit  0       1        always

A frame that flashes is white all over, except for the code. When that is stands in ``mscli.sources.fake``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from mscli.core.frames import PIXEL_FORMATS, Plane

COLUMNS, ROWS = 8, 4
NUMBERS = 1 << 24  # frame numbers before they begin again

Rgb = tuple[int, int, int]
Run = tuple[int, Rgb]  # the column (pixels) where it ends, and the colour up to there

BLACK: Rgb = (0, 0, 0)
WHITE: Rgb = (255, 255, 255)
BARS: tuple[Rgb, ...] = tuple((191 * (i & 1), 191 * (i >> 2 & 1), 191 * (i >> 1 & 1)) for i in (7, 5, 6, 4, 3, 1, 2, 0))
GREYS: tuple[Rgb, ...] = tuple((17 * i,) * 3 for i in range(16))

UNITS = {  # of each plane, the components of one unit in memory: fields of ``Colour``
    "I420": ("y", "u", "v"),
    "NV12": ("y", "uv"),
    "I422": ("y", "u", "v"),
    "YUYV": ("yuyv",),
    "UYVY": ("uyvy",),
    "I444": ("y", "u", "v"),
    "RGB24": ("rgb",),
    "BGR24": ("bgr",),
    "RGBA": ("rgba",),
    "RGBX": ("rgbx",),
    "BGRA": ("bgra",),
    "BGRX": ("bgrx",),
    "GREY": ("l",),
}


class Colour(NamedTuple):
    """A colour in every notation, 0 to 255: RGB, BT.601 YUV, luma of full range, alpha and padding."""

    r: int
    g: int
    b: int
    y: int
    u: int
    v: int
    l: int  # noqa: E741 (a letter of UNITS)
    a: int = 255
    x: int = 0


def colour(rgb: Rgb, full_range: bool = False) -> Colour:
    """The colour of that RGB; its YUV in the limited range (Y 16 to 235) unless ``full_range``."""
    r, g, b = rgb
    luma = 0.299 * r + 0.587 * g + 0.114 * b
    low, span, chroma = (0, 1.0, 1.0) if full_range else (16, 219 / 255, 224 / 255)
    y = round(low + span * luma)
    u, v = (min(255, round(128 + chroma * difference)) for difference in ((b - luma) / 1.772, (r - luma) / 1.402))
    return Colour(r, g, b, y, u, v, round(luma))


def code_word(number: int, flash: bool) -> int:
    """The 32 bits that the cells show."""
    check = 15
    for digit in range(6):
        check ^= number >> 4 * digit & 15
    return 1 << 31 | flash << 29 | number % NUMBERS << 5 | check << 1 | 1


class Band(NamedTuple):
    """Rows ``top`` to ``bottom`` (exclusive) of a picture that are all alike."""

    top: int
    bottom: int
    runs: tuple[Run, ...]


def _edges(start: float, step: float, count: int, limit: int) -> list[int]:
    """``count`` + 1 even numbers about ``step`` apart, none beyond ``limit``."""
    return [min(limit, 2 * round((start + i * step) / 2)) for i in range(count + 1)]


def _side_by_side(colours: Sequence[Rgb], width: int) -> tuple[Run, ...]:
    ends = [*_edges(0, width / len(colours), len(colours), width)[1:-1], width]
    return tuple(zip(ends, colours, strict=True))


class Scene:
    """What a picture of that size (pixels) shows, as bands from top to bottom."""

    def __init__(self, width: int, height: int) -> None:
        cell = min(width, height) / 16
        self._width, self._height = width, height
        self._columns = _edges(width / 2 - COLUMNS / 2 * cell, cell, COLUMNS, width)
        self._rows = _edges(height / 2 - ROWS / 2 * cell, cell, ROWS, height)
        self._bars = _side_by_side(BARS, width)
        self._greys = _side_by_side(GREYS, width)

    def bands(self, number: int, turn: float, flash: bool) -> Iterator[Band]:
        """The picture of that frame. ``turn``: where the pointer is on its way, from 0 to 1."""
        ground = ((self._width, WHITE),) if flash else self._bars
        yield Band(0, self._rows[0], ground)
        yield from self._code(code_word(number, flash), ground)
        if flash:
            yield Band(self._rows[-1], self._height, ground)
        else:
            yield from self._below(turn)

    def _code(self, word: int, ground: tuple[Run, ...]) -> Iterator[Band]:
        left, right = self._columns[0], self._columns[-1]
        before = tuple((min(end, left), rgb) for end, rgb in ground)
        after = tuple((max(end, right), rgb) for end, rgb in ground)
        for row in range(ROWS):
            bits = word >> (ROWS - 1 - row) * COLUMNS
            cells = tuple((end, WHITE if bits >> COLUMNS - i & 1 else BLACK) for i, end in enumerate(self._columns) if i)
            yield Band(self._rows[row], self._rows[row + 1], before + cells + after)

    def _below(self, turn: float) -> Iterator[Band]:
        (high, low), pointer = _edges(self._height * 3 / 4, self._height / 8, 1, self._height), self._width / 16
        left, right = _edges(turn * (self._width - pointer), pointer, 1, self._width)
        yield Band(self._rows[-1], high, self._bars)
        yield Band(high, low, ((left, BLACK), (right, WHITE), (self._width, BLACK)))
        yield Band(low, self._height, self._greys)


class PlanePainter:
    """Turns bands into the bytes of one plane. Bands that stay the same from frame to frame are made once."""

    def __init__(self, plane: Plane, letters: str, full_range: bool) -> None:
        self._plane, self._letters, self._full_range = plane, letters, full_range
        self._unit = lru_cache(maxsize=64)(self._make_unit)  # more than there are colours
        self._band = lru_cache(maxsize=16)(self._make_band)  # twice the bands of a picture

    def paint(self, bands: Sequence[Band]) -> memoryview:
        """The packed plane."""
        return memoryview(b"".join(map(self._band, bands)))

    def _make_unit(self, rgb: Rgb) -> bytes:
        components = colour(rgb, self._full_range)
        return bytes(getattr(components, letter) for letter in self._letters)

    def _make_band(self, band: Band) -> bytes:
        h, v = self._plane.h, self._plane.v
        row, start = bytearray(), 0
        for end, rgb in band.runs:
            row += self._unit(rgb) * (-(-end // h) - start // h)
            start = end
        return bytes(row) * (-(-band.bottom // v) - band.top // v)


class Painter:
    """Paints the frames of one raw format and size (pixels)."""

    def __init__(self, name: str, width: int, height: int, full_range: bool = False) -> None:
        planes = zip(PIXEL_FORMATS[name].planes, UNITS[name], strict=True)
        self.strides = tuple(plane.row_bytes(width) for plane in PIXEL_FORMATS[name].planes)
        self._scene = Scene(width, height)
        self._planes = [PlanePainter(plane, letters, full_range) for plane, letters in planes]

    def paint(self, number: int, turn: float, flash: bool) -> tuple[memoryview, ...]:
        """The packed, read-only planes of that frame; see ``Scene.bands``."""
        bands = list(self._scene.bands(number, turn, flash))
        return tuple(plane.paint(bands) for plane in self._planes)
