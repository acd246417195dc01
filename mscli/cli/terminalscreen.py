"""A preview in the terminal: the picture, and below it the settings, the latest message and the status line.

It uses the alternate screen, so that the lines before it come back afterwards. See ``mscli.cli.draw`` for the ways to draw.
"""

from __future__ import annotations

import os
import select
import sys
from contextlib import suppress
from threading import Lock

from mscli.cli.draw import ITERM, KITTY, KITTY_LIVE, SIXEL, ask, drawn, protocol
from mscli.cli.forgiving import STDERR
from mscli.cli.printable import printable
from mscli.cli.style import is_smart
from mscli.core.errors import NotSupportedError
from mscli.core.frames import EncodedVideoChunk, VideoFrame
from mscli.core.level import FLOOR_DB, decibels
from mscli.core.limits import SLEEPS_S
from mscli.core.screens import PreviewFacts, Screen
from mscli.media import load_picture_reader

_ENTER = b"\x1b[?1049h\x1b[?25l\x1b[2J"  # the alternate screen, without a cursor
_LEAVE = b"\x1b[0m\x1b[?25h\x1b[?1049l"
_BEGIN, _END = b"\x1b[?2026h", b"\x1b[?2026l"  # what is between them appears at once
_CLEAR = b"\x1b[2J"
_LINES = 3  # below the picture
_PIXELS = (KITTY_LIVE, ITERM, SIXEL)
_METER_ROWS = 3


class TerminalScreen(Screen):
    """The terminal of stderr. Raises NotSupportedError if there is none that can draw."""

    rest_s = 1 / 15
    share = 0.1

    def __init__(self) -> None:
        if not is_smart(sys.stderr):
            dumb = sys.stderr.isatty()
            why = f"the terminal is “{os.environ.get('TERM', '')}”, which cannot draw" if dumb else "stderr is no terminal"
            hints = ["use --preview window or --preview web"]
            raise NotSupportedError(f"cannot show a preview in the terminal: {why}", hints=hints)
        self._fd = os.open(os.ttyname(STDERR), os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        how = protocol(os.environ, ask(self._fd))
        self._how = KITTY_LIVE if how == KITTY else how
        self._size = (0, 0)
        self._status = self._message = ""
        self._facts = PreviewFacts()
        self._closed = False
        self._turn = Lock()  # held to write
        self._read_picture = load_picture_reader()
        self._write(_ENTER)

    @property
    def closed(self) -> bool:
        """Return whether people have closed it."""
        return self._closed

    def set_status(self, text: str, _cells: int) -> None:
        """Keep the status line for the next drawing. Safe from any thread."""
        self._status = text

    def set_message(self, text: str) -> None:
        """Keep a message for the next drawing. Safe from any thread."""
        self._message = text.rstrip("\n").rpartition("\n")[2]

    def show(self, frame: VideoFrame | EncodedVideoChunk) -> None:
        """Draw the picture above the lines."""
        picture = self._read_picture(frame)
        if picture is not None:
            columns, rows = self._measure()
            data = drawn(picture, self._how, columns, max(1, rows - _LINES))
            if self._how in _PIXELS:
                data = data.removesuffix(b"\n")
            self._write(_BEGIN + b"\x1b[H" + data.replace(b"\n", b"\r\n") + self._lines(rows) + _END)

    def tell(self, facts: PreviewFacts) -> None:
        """Draw the lines, and a large meter if there is no picture."""
        self._facts = facts
        columns, rows = self._measure()
        meter = _meter(facts, columns) if facts.size is None and facts.sound is not None else b""
        self._write(_BEGIN + meter + self._lines(rows) + _END)

    def close(self) -> None:
        """Return to the lines that were there before."""
        if self._fd >= 0:
            self._closed = True
            if self._how == KITTY_LIVE:
                self._write(b"\x1b_Ga=d,q=2\x1b\\")
            self._write(_LEAVE)
            with self._turn:
                os.close(self._fd)
                self._fd = -1

    def _measure(self) -> tuple[int, int]:
        """Return the columns and rows of the terminal. Clear it if they have changed."""
        with suppress(OSError):
            size = os.get_terminal_size(self._fd)
            if size != self._size:
                self._size = (size.columns, size.lines)
                self._write(_CLEAR)
        return max(1, self._size[0]), max(1, self._size[1])

    def _lines(self, rows: int) -> bytes:
        """Return the lines below the picture, cut off at the right edge."""
        lines = (printable(str(self._facts)), self._message, self._status)
        first = max(1, rows - len(lines) + 1)
        placed = (
            f"\x1b[{first + number};1H\x1b[2K{line}\x1b[0m" for number, line in enumerate(lines) if first + number <= rows
        )
        return f"\x1b[?7l{''.join(placed)}\x1b[?7h".encode(errors="replace")

    def _write(self, data: bytes) -> None:
        """Write to the terminal. A terminal that takes nothing for a while misses the rest."""
        with self._turn, suppress(OSError):
            while data and self._fd >= 0 and select.select([], [self._fd], [], SLEEPS_S)[1]:
                with suppress(BlockingIOError):
                    data = data[os.write(self._fd, data) :]


def _meter(facts: PreviewFacts, columns: int) -> bytes:
    """Return a bar for the level, with a mark at the highest peak and a scale below."""
    assert facts.sound is not None, "there is sound"
    width = max(1, columns - 2)
    level, held = (round(width * (1 - decibels(one) / FLOOR_DB)) for one in facts.sound)
    colour = "31" if facts.sound.clipped else "32"
    bar = "█" * level + (" " * (held - level - 1) + "▌" if held > level else "")
    scale = "".join(f"\x1b[{_METER_ROWS + 2};{2 + round(width * (1 - db / FLOOR_DB))}H{db}" for db in (-60, -40, -20, -6))
    rows = (f"\x1b[{row};2H\x1b[2K\x1b[{colour}m{bar}\x1b[0m" for row in range(2, 2 + _METER_ROWS))
    title = f"\x1b[1;2H\x1b[2K{printable(facts.label)}  {facts.sound.decibels:.0f} dB{'  CLIP' if facts.sound.clipped else ''}"
    return (title + "".join(rows) + scale).encode()
