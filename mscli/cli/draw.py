"""Draw a picture in a terminal: by kitty's or iTerm2's protocol, as sixels, as half blocks in 24-bit or 256 colours, or as
characters without colours.

https://sw.kovidgoyal.net/kitty/graphics-protocol/, https://iterm2.com/documentation-images.html,
https://vt100.net/docs/vt3xx-gp/chapter14.html
"""

from __future__ import annotations

import os
import re
import select
import shutil
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from time import monotonic
from typing import TYPE_CHECKING

from mscli.core.limits import TERMINAL_S
from mscli.sinks import picture_file

if TYPE_CHECKING:
    import av

KITTY_LIVE = "kitty, each picture in place of the one before"
KITTY, ITERM, SIXEL, TRUE_COLOUR, PALETTE, GREYS = "kitty", "iterm2", "sixel", "24-bit", "256 colours", "no colours"

_KITTY_QUERY = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
_SIXEL_ABILITY = b"4"
_DEVICE_QUERY = b"\x1b[c"  # every terminal answers this, so its answer ends the wait
_CHUNK = 4096  # the most characters of one kitty command
_COLOURLESS = re.compile(r"vt\d|.*-m(ono)?$|ansi-m")  # names of terminals
_CELL = (8, 16)  # pixels of a character, where pixels are drawn


def protocol(environment: Mapping[str, str], answer: bytes) -> str:
    """Return how a terminal draws pictures, by its environment and its answer to the queries."""
    if b"_Gi=31;OK" in answer:
        return KITTY
    if environment.get("TERM_PROGRAM") in ("iTerm.app", "WezTerm") or environment.get("LC_TERMINAL") == "iTerm2":
        return ITERM
    if _SIXEL_ABILITY in _abilities(answer):
        return SIXEL
    if environment.get("NO_COLOR") or _COLOURLESS.match(environment.get("TERM", "")):
        return GREYS
    return TRUE_COLOUR if environment.get("COLORTERM") in ("truecolor", "24bit") else PALETTE


def _abilities(answer: bytes) -> list[bytes]:
    """Return the numbers with which a terminal says what it can."""
    found = re.search(rb"\x1b\[\?([\d;]*)c", answer)
    return found[1].split(b";") if found else []


def ask(fd: int) -> bytes:
    """Return a terminal's answer to the queries, or what came of it in time. ``fd``: the terminal, readable and writable."""
    import termios
    import tty

    before = termios.tcgetattr(fd)
    try:
        tty.setcbreak(fd, termios.TCSANOW)
        os.write(fd, _KITTY_QUERY + _DEVICE_QUERY)
        answer, end_s = b"", monotonic() + TERMINAL_S
        while not answer.endswith(b"c") and select.select([fd], [], [], max(0.0, end_s - monotonic()))[0]:
            answer += os.read(fd, 1024)
        return answer
    finally:
        termios.tcsetattr(fd, termios.TCSANOW, before)


def drawn(picture: av.VideoFrame, how: str, columns: int, rows: int) -> bytes:
    """Return the bytes that draw a picture in at most this many cells, with a line break at the end."""
    return _DRAW[how](picture, columns, rows)


def show(picture: av.VideoFrame, fd: int) -> None:
    """Draw a picture on the terminal behind a descriptor. The cursor is below it afterwards."""
    try:
        terminal = os.open(os.ttyname(fd), os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return  # not a terminal any more
    try:
        how = protocol(os.environ, ask(terminal))
        columns, rows = shutil.get_terminal_size()
        data = drawn(picture, how, columns, max(1, rows - 2))
        while data:
            data = data[os.write(terminal, data) :]
    finally:
        os.close(terminal)


def _scaled(picture: av.VideoFrame, width: int, height: int, pixels: str) -> av.VideoFrame:
    """Return the picture in a pixel format, as large as it can be within a size without another shape."""
    scale = min(width / picture.width, height / picture.height)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    return picture.reformat(*size, pixels, dst_color_range="JPEG")


def _pixel_rows(picture: av.VideoFrame) -> Iterator[list[bytes]]:
    plane = picture.planes[0]
    data = memoryview(plane)
    for row in range(picture.height):
        line = bytes(data[row * plane.line_size : row * plane.line_size + 3 * picture.width])
        yield [line[at : at + 3] for at in range(0, len(line), 3)]


def _half_blocks(picture: av.VideoFrame, columns: int, rows: int, colour: Callable[[bytes], str]) -> bytes:
    """Draw two pixels in each cell: the upper one as the colour of “▀”, the lower one as its background."""
    small = _scaled(picture, columns, 2 * rows, "rgb24")
    lines, pixels = [], list(_pixel_rows(small))
    for upper, lower in zip(pixels[::2], [*pixels[1::2], *([[]] if len(pixels) % 2 else [])], strict=True):
        line, before = "", ""
        for column, top in enumerate(upper):
            style = f"\x1b[38;{colour(top)}m" + (f"\x1b[48;{colour(lower[column])}m" if lower else "")
            line += (style if style != before else "") + "▀"
            before = style
        lines.append(f"{line}\x1b[0m\n")
    return "".join(lines).encode()


def _true_colour(pixel: bytes) -> str:
    return f"2;{pixel[0]};{pixel[1]};{pixel[2]}"


_LEVELS = (0, 95, 135, 175, 215, 255)  # of the colour cube of 256-colour terminals
_NEAREST = bytes(min((abs(level - value), index) for index, level in enumerate(_LEVELS))[1] for value in range(256))


@lru_cache(maxsize=1 << 15)
def _palette(pixel: bytes) -> str:
    """Return the index of the nearest colour in xterm's cube, or of the nearest grey."""
    red, green, blue = (_NEAREST[part] for part in pixel)
    mean = sum(pixel) // 3
    grey = min(23, max(0, (mean - 3) // 10))
    cube_error = sum(abs(_LEVELS[level] - part) for level, part in zip((red, green, blue), pixel, strict=True))
    grey_error = sum(abs(8 + 10 * grey - part) for part in pixel)
    return f"5;{232 + grey}" if grey_error < cube_error else f"5;{16 + 36 * red + 6 * green + blue}"


_RAMP = " .:-=+*#%@"  # from dark to bright
_SHADES = "".join(_RAMP[value * len(_RAMP) // 256] for value in range(256)).encode()


def _greys(picture: av.VideoFrame, columns: int, rows: int) -> bytes:
    """Draw with characters that cover more or less of a cell."""
    scale = min(columns / picture.width, rows * _CELL[1] / _CELL[0] / picture.height)
    width, height = max(1, round(picture.width * scale)), max(1, round(picture.height * scale * _CELL[0] / _CELL[1]))
    small = picture.reformat(width, height, "gray", dst_color_range="JPEG")
    plane, step = memoryview(small.planes[0]), small.planes[0].line_size
    return b"".join(bytes(plane[row * step : row * step + width]).translate(_SHADES) + b"\n" for row in range(height))


def _kitty(picture: av.VideoFrame, columns: int, rows: int, keys: str = "") -> bytes:
    small = _scaled(picture, columns * _CELL[0], rows * _CELL[1], "rgb24")
    text = b64encode(picture_file("png", small))
    chunks = [text[at : at + _CHUNK] for at in range(0, len(text), _CHUNK)]
    parts = []
    for number, chunk in enumerate(chunks, 1):
        more = f"m={int(number < len(chunks))}"
        head = f"a=T,f=100,{keys}{more}" if number == 1 else more
        parts.append(b"\x1b_G" + head.encode() + b";" + chunk + b"\x1b\\")
    return b"".join(parts) + b"\n"


def _iterm(picture: av.VideoFrame, columns: int, rows: int) -> bytes:
    small = _scaled(picture, columns * _CELL[0], rows * _CELL[1], "yuvj420p")
    data = picture_file("jpg", small)
    return b"\x1b]1337;File=inline=1;size=%d:" % len(data) + b64encode(data) + b"\x07\n"


_SIXEL_ROWS = 6  # pixels in a column of one character
_SAME = re.compile(rb"(.)\1{3,}", re.DOTALL)


def _sixel(picture: av.VideoFrame, columns: int, rows: int) -> bytes:
    """Draw in 256 colours, each three bits of red, three of green and two of blue. A character is a column of six pixels."""
    small = _scaled(picture, columns * _CELL[0], rows * _CELL[1], "rgb8")
    plane, width = memoryview(small.planes[0]), small.width
    lines = [
        bytes(plane[at : at + width]) for at in range(0, small.height * small.planes[0].line_size, small.planes[0].line_size)
    ]
    colours = b"".join(
        b"#%d;2;%d;%d;%d" % (index, (index >> 5) * 100 // 7, (index >> 2 & 7) * 100 // 7, (index & 3) * 100 // 3)
        for index in range(256)
    )
    bands = [_sixel_band(lines[at : at + _SIXEL_ROWS], width) for at in range(0, len(lines), _SIXEL_ROWS)]
    return b'\x1bPq"1;1;%d;%d' % (width, small.height) + colours + b"-".join(bands) + b"\x1b\\\n"


def _sixel_band(lines: Sequence[bytes], width: int) -> bytes:
    """Return six rows of pixels, one colour after the other, with equal characters counted."""
    of_colour: dict[int, bytearray] = {}
    for row, line in enumerate(lines):
        for column, colour in enumerate(line):
            if colour not in of_colour:
                of_colour[colour] = bytearray(b"?") * width
            of_colour[colour][column] += 1 << row
    parts = (b"#%d" % colour + _SAME.sub(_counted, bytes(data)) for colour, data in of_colour.items())
    return b"$".join(parts)


def _counted(found: re.Match[bytes]) -> bytes:
    return b"!%d%b" % (len(found[0]), found[1])


_DRAW: dict[str, Callable[[av.VideoFrame, int, int], bytes]] = {
    KITTY: _kitty,
    KITTY_LIVE: lambda picture, columns, rows: _kitty(picture, columns, rows, "i=4711,q=2,"),
    ITERM: _iterm,
    SIXEL: _sixel,
    TRUE_COLOUR: lambda picture, columns, rows: _half_blocks(picture, columns, rows, _true_colour),
    GREYS: _greys,
    PALETTE: lambda picture, columns, rows: _half_blocks(picture, columns, rows, _palette),
}
