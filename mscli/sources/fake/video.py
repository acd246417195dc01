"""The frames of a fake camera, or its chunks if its mode is encoded: painted, and generated at the camera's rate.

A frame shows colour bars, a frame number for programs, a moving pointer for people, and sometimes a flash.

Lengths are fractions of the frame's width W and height H; s is a sixteenth of the shorter one. Edges are rounded to even
pixels. From top to bottom:

- EBU colour bars (white, yellow, cyan, green, magenta, red, blue, black, at 75 %), each W/8 wide, down to 3/4 of H;
- in the centre, over the bars, the code: 8 columns × 4 rows of cells, each s × s, so that it stays readable after
  a central crop and scaling down to 160 × 120;
- from 3/4 to 7/8 of H, a white pointer on black, W/16 wide, that moves from left to right once a second;
- below it, 16 steps of grey, from black to white.

The code is a 32-bit word, most significant bit first, in reading order; white is 1, black is 0:

    bits 31-30   1 0      always
    bit  29      flash    1 in a frame that flashes
    bits 28-5    number   frames since the start of the device, modulo 2^24, lost ones included; the first is 0
    bits 4-1     check    15 xor each of the six hexadecimal digits of the number
    bit  0       1        always

A frame that flashes is all white, except for the code. ``mscli.sources.fake.backend`` says when that is.

Controls change the bars and the greys (``Appearance``). The code, the pointer's place and the flash stay the same.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from math import inf
from operator import mul
from typing import TYPE_CHECKING, cast

from mscli.core.boxes import Scalar
from mscli.core.clock import MICROSECONDS
from mscli.core.codecs import CAMERA_CODECS
from mscli.core.errors import NotReadableError
from mscli.core.frames import BT601, DELTA, KEY, PIXEL_FORMATS, EncodedVideoChunk, Plane, VideoFrame
from mscli.core.tuples import NamedTuple
from mscli.sources.fake.description import ENCODERS, EncoderRow

if TYPE_CHECKING:
    from av.video.codeccontext import VideoCodecContext
    from av.video.plane import VideoPlane

# What a frame shows

COLUMNS, ROWS = 8, 4
NUMBERS = 1 << 24  # the frame number wraps around here

EDGE_STEPS = 8  # in which a colour changes to the next one if the picture is out of focus

Rgb = tuple[int, int, int]
ColourRun = tuple[int, Rgb]  # the column (pixels) where it ends, and its colour

BLACK: Rgb = (0, 0, 0)
WHITE: Rgb = (255, 255, 255)
BARS: tuple[Rgb, ...] = tuple((191 * (i & 1), 191 * (i >> 2 & 1), 191 * (i >> 1 & 1)) for i in (7, 5, 6, 4, 3, 1, 2, 0))
GREYS: tuple[Rgb, ...] = tuple((17 * i,) * 3 for i in range(16))

UNITS = {  # per plane, the components of one unit in memory: fields of ``Colour``
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
    """A colour in every notation, 0 to 255: RGB, BT.601 YUV, full-range luma, alpha and padding."""

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
    """Return a colour in every notation. Its YUV has the limited range (Y 16 to 235) unless ``full_range``."""
    r, g, b = rgb
    luma = 0.299 * r + 0.587 * g + 0.114 * b
    low, span, chroma = (0, 1.0, 1.0) if full_range else (16, 219 / 255, 224 / 255)
    y = round(low + span * luma)
    u, v = (min(255, round(128 + chroma * difference)) for difference in ((b - luma) / 1.772, (r - luma) / 1.402))
    return Colour(r, g, b, y, u, v, round(luma))


def code_word(number: int, flash: bool) -> int:
    """Return the 32 bits that the cells show."""
    check = 15
    for digit in range(6):
        check ^= number >> 4 * digit & 15
    return 1 << 31 | flash << 29 | number % NUMBERS << 5 | check << 1 | 1


class Band(NamedTuple):
    """A band of identical rows of a frame, from ``top`` to ``bottom`` (exclusive)."""

    top: int
    bottom: int
    runs: tuple[ColourRun, ...]


def _edges(start: float, step: float, count: int, limit: int) -> list[int]:
    """Return ``count`` + 1 even numbers about ``step`` apart, none above ``limit``."""
    return [min(limit, 2 * round((start + i * step) / 2)) for i in range(count + 1)]


def _side_by_side(colours: Sequence[Rgb], width: int) -> tuple[ColourRun, ...]:
    ends = [*_edges(0, width / len(colours), len(colours), width)[1:-1], width]
    return tuple(zip(ends, colours, strict=True))


def _within(begin: int, end: int, runs: Sequence[ColourRun]) -> tuple[ColourRun, ...]:
    """Return the runs, none of which begins before ``begin`` or ends after ``end``."""
    return tuple((min(max(last, begin), end), rgb) for last, rgb in runs)


class Appearance(NamedTuple):
    """The effect of a camera's controls on the bars and the greys.

    ``gain``: multiplies the light. ``lighter``: is added, in 1/255. ``contrast``, ``saturation``: multiply the distance from
    mid-grey and from the pixel's own grey. ``warmth``: is added to red and taken from blue, in 1/255. ``zoom``: enlarges about
    the centre. ``shift``: moves to the left, as a share of the width. ``blur``: width of the edges, as a share of the width.
    ``drop``: moves the upper edge of the greys down, as a share of an eighth of the height. ``covered``: the whole frame is
    black, as with a cap on the lens.
    """

    gain: float = 1.0
    lighter: float = 0.0
    contrast: float = 1.0
    saturation: float = 1.0
    warmth: float = 0.0
    zoom: float = 1.0
    shift: float = 0.0
    blur: float = 0.0
    drop: float = 0.0
    covered: bool = False

    def colour(self, rgb: Rgb) -> Rgb:
        """Return a colour as it appears."""
        grey = sum(rgb) / 3
        lit = ((grey + (part - grey) * self.saturation) * self.gain + self.lighter for part in rgb)
        tinted = zip(lit, (self.warmth, 0.0, -self.warmth), strict=True)
        red, green, blue = (min(255, max(0, round(127.5 + (part + tint - 127.5) * self.contrast))) for part, tint in tinted)
        return red, green, blue

    def runs(self, colours: Sequence[Rgb], width: int) -> tuple[ColourRun, ...]:
        """Return equally wide stripes of these colours as they appear."""
        seen = [self.colour(rgb) for rgb in colours]
        if self[5:] == _UNMOVED:
            return _side_by_side(seen, width)
        step, half = width / len(seen), self.blur * width / 2
        edges = [width / 2 + (n * step - width / 2) * self.zoom - self.shift * width for n in range(1, len(seen))]
        ends = {edge + half * (2 * part / EDGE_STEPS - 1) for edge in edges for part in range(EDGE_STEPS)}
        return tuple(
            [
                (min(width, max(0, 2 * round(end / 2))), _blurred(seen, edges, end, half))
                for end in (*sorted(ends), float(width))
            ]
        )


_UNMOVED = Appearance()[5:]
PLAIN = Appearance()


def _blurred(stripes: Sequence[Rgb], edges: Sequence[float], at: float, half: float) -> Rgb:
    """Return the mean colour of what is less than ``half`` away. Exactly on an edge, nothing else counts than the left."""
    if not half:
        return stripes[bisect_left(edges, at)]
    borders = pairwise((-inf, *edges, inf))
    shares = [max(0.0, min(at + half, right) - max(at - half, left)) / (2 * half) for left, right in borders]
    red, green, blue = (round(sum(map(mul, shares, parts))) for parts in zip(*stripes, strict=True))
    return red, green, blue


class Scene:
    """The content of a frame of this size (pixels), as bands from top to bottom."""

    def __init__(self, width: int, height: int) -> None:
        cell = min(width, height) / 16
        self._width, self._height = width, height
        self._columns = _edges(width / 2 - COLUMNS / 2 * cell, cell, COLUMNS, width)
        self._rows = _edges(height / 2 - ROWS / 2 * cell, cell, ROWS, height)
        self._high = 2 * round(height * 3 / 8)  # the upper edge of the pointer
        self._cells = lru_cache(maxsize=1 << COLUMNS)(self._make_cells)  # most rows stay the same from frame to frame
        self.show(PLAIN)

    def show(self, appearance: Appearance) -> None:
        """Change how bars and greys appear."""
        self._covered = appearance.covered
        self._low = min(self._height, 2 * round(self._height * (7 + appearance.drop) / 16))  # the lower edge of the pointer
        self._bars, self._greys = (appearance.runs(row, self._width) for row in (BARS, GREYS))
        left, right = self._columns[0], self._columns[-1]
        self._grounds = [(ground, _within(0, left, ground), _within(right, self._width, ground))
                         for ground in (self._bars, ((self._width, WHITE),))]  # fmt: skip

    def bands(self, number: int, turn: float, flash: bool) -> list[Band]:
        """Return the bands of a frame. ``turn``: the position of the pointer, from 0 to 1."""
        if self._covered:
            return [Band(0, self._height, ((self._width, BLACK),))]
        ground, left, right = self._grounds[flash]
        word = code_word(number, flash)
        bands = [Band(0, self._rows[0], ground)]
        for row in range(ROWS):
            cells = self._cells(word >> (ROWS - 1 - row) * COLUMNS & (1 << COLUMNS) - 1)
            bands.append(Band(self._rows[row], self._rows[row + 1], left + cells + right))
        return [*bands, Band(self._rows[-1], self._height, ground)] if flash else bands + self._below(turn)

    def _make_cells(self, bits: int) -> tuple[ColourRun, ...]:
        """Return one row of the code."""
        ends = enumerate(self._columns[1:])
        return tuple([(end, WHITE if bits >> COLUMNS - 1 - i & 1 else BLACK) for i, end in ends])

    def _below(self, turn: float) -> list[Band]:
        """Return the background of the code: bars, the pointer and greys."""
        pointer = self._width / 16
        left, right = _edges(turn * (self._width - pointer), pointer, 1, self._width)
        return [
            Band(self._rows[-1], self._high, self._bars),
            Band(self._high, self._low, ((left, BLACK), (right, WHITE), (self._width, BLACK))),
            Band(self._low, self._height, self._greys),
        ]


class PlanePainter:
    """A painter of bands into the bytes of one plane. Bands that repeat from frame to frame are painted once."""

    def __init__(self, plane: Plane, letters: str, full_range: bool) -> None:
        self._plane, self._letters, self._full_range = plane, letters, full_range
        self._unit = lru_cache(maxsize=256)(self._make_unit)  # more than there are colours, also blurred
        self._band = lru_cache(maxsize=16)(self._make_band)  # twice the bands of a frame

    def paint(self, bands: Sequence[Band]) -> memoryview:
        """Return the packed plane."""
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
    """A painter of frames in one raw format and size (pixels)."""

    def __init__(self, name: str, width: int, height: int, full_range: bool = False) -> None:
        planes = zip(PIXEL_FORMATS[name].planes, UNITS[name], strict=True)
        self.strides = tuple(plane.row_bytes(width) for plane in PIXEL_FORMATS[name].planes)
        self._scene = Scene(width, height)
        self._planes = [PlanePainter(plane, letters, full_range) for plane, letters in planes]
        self._appearance = PLAIN

    def paint(self, number: int, turn: float, flash: bool, appearance: Appearance = PLAIN) -> tuple[memoryview, ...]:
        """Return the packed, read-only planes of a frame. See ``Scene.bands`` and ``Scene.show``."""
        if appearance != self._appearance:
            self._scene.show(appearance)
            self._appearance = appearance
        bands = self._scene.bands(number, turn, flash)
        return tuple([plane.paint(bands) for plane in self._planes])


# Frames and chunks at the camera's rate


class VideoFeed:
    """A maker of a camera's frames. Frame k of the common grid is captured k frame durations after the epoch."""

    delay = 0  # durations of a frame from the instant of its capture to its delivery

    def __init__(
        self, pixel_format: str, settings: Mapping[str, Scalar], appearance: Callable[[int], Appearance] = lambda _: PLAIN
    ) -> None:
        """Prepare the frames. ``appearance``: returns how the frame with a number appears."""
        self._appearance = appearance
        self.rate = float(settings["frameRate"])  # frames per second
        self._frames, self._seconds = self.rate.as_integer_ratio()  # exactly: this number of frames in this number of seconds
        self._lasts_us = self.at_us(1)
        self._format, self._width, self._height = pixel_format, int(settings["width"]), int(settings["height"])
        self._codec = CAMERA_CODECS.get(pixel_format)
        self._encoder = FrameEncoder(pixel_format, self._width, self._height, self.rate) if self._codec else None
        self._color_space = self._codec.encoded_color(BT601) if self._codec else BT601
        raw = "I420" if self._codec else pixel_format
        self._painter = Painter(raw, self._width, self._height, self._color_space.full_range)

    def first(self, since_epoch_us: int) -> int:
        """Return the first frame of the grid that is captured at that instant or later."""
        return -(-since_epoch_us * self._frames // (self._seconds * MICROSECONDS))

    def at_us(self, index: int) -> int:
        """Return when a frame of the grid is captured, in microseconds since the epoch."""
        return index * self._seconds * MICROSECONDS // self._frames

    def size(self, index: int) -> int:  # noqa: ARG002 (blocks of sound differ)
        """Return how much a frame counts for in sequence numbers and losses."""
        return 1

    def frame(self, index: int, number: int, timestamp: int) -> VideoFrame | EncodedVideoChunk:
        """Return frame ``index`` of the grid, which is frame ``number`` since the camera was started."""
        planes = self._painter.paint(number, self._turn(index), number > 0 and self._flashes(index), self._appearance(number))
        size, color = (self._width, self._height), self._color_space
        if self._codec is None or self._encoder is None:
            return VideoFrame(self._format, *size, timestamp, planes, self._painter.strides, self._lasts_us, number, color)
        data, key = self._encoder.encode(planes, number)
        kind = KEY if key else DELTA
        return EncodedVideoChunk(kind, timestamp, data, self._codec.name, *size, self._lasts_us, number, color)

    def _turn(self, index: int) -> float:
        """Return how much of a frame's second is over, from 0 to 1."""
        return index * self._seconds % self._frames / self._frames

    def _flashes(self, index: int) -> bool:
        """Return whether a frame is the first in its second; never for the epoch's."""
        second = index * self._seconds // self._frames
        return second > 0 and (index - 1) * self._seconds // self._frames < second


class FrameEncoder:
    """An encoder of I420 pictures: one chunk each, a key chunk once a second, parameter sets in the chunks."""

    def __init__(self, codec: str, width: int, height: int, rate: float) -> None:
        from av import FFmpegError

        self._row, self._width, self._height = ENCODERS[codec], width, height
        name = CAMERA_CODECS[codec].encoder
        try:
            self._context = _open_encoder(name, self._row, width, height, rate)
        except FFmpegError as error:
            message = f"the fake camera cannot encode {width}×{height} frames with {name}: {error.strerror}"
            raise NotReadableError(message) from error

    def encode(self, planes: tuple[memoryview, ...], number: int) -> tuple[memoryview, bool]:
        """Return the chunk of a picture, and whether decoding may start there."""
        from av import VideoFrame as Picture

        picture = Picture(self._width, self._height, self._row.pix_fmt)
        for plane, data in zip(picture.planes, planes, strict=True):
            _fill(plane, data)
        picture.pts = number
        (packet,) = self._context.encode(picture)
        return memoryview(bytes(packet)), packet.is_keyframe


def _open_encoder(name: str, row: EncoderRow, width: int, height: int, rate: float) -> VideoCodecContext:
    from fractions import Fraction

    from av import CodecContext

    context = cast("VideoCodecContext", CodecContext.create(name, "w"))
    context.width, context.height, context.pix_fmt = width, height, row.pix_fmt
    context.framerate = Fraction(rate).limit_denominator(1001)
    context.time_base = 1 / context.framerate
    context.gop_size = max(1, round(rate))
    context.thread_count = 1  # more would hold frames back
    context.options = row.options
    context.open()
    return context


def _fill(plane: VideoPlane, packed: memoryview) -> None:
    """Copy packed rows into a plane whose rows may be padded."""
    row = len(packed) // plane.height
    if plane.line_size == row:
        plane.update(bytes(packed))
    else:
        padding = bytes(plane.line_size - row)
        plane.update(b"".join(bytes(packed[at : at + row]) + padding for at in range(0, len(packed), row)))
