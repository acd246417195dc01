"""Output that is redrawn in place on a terminal, even if the terminal is resized."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console, RenderableType
from rich.live import Live
from rich.segment import Segment

# Whether long lines are cut at the margin or wrapped. For a moment, a terminal may be narrower than it reports.
_CUT, _WRAP = "\x1b[?7l", "\x1b[?7h"


class InPlace:
    """A block of lines on a terminal. Each ``draw`` replaces the previous one. ``kept``: leave the last one at the end."""

    def __init__(self, console: Console, *, kept: bool) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=not kept)
        self._drawn: RenderableType = ""
        self._size = console.size

    def __enter__(self) -> InPlace:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._go_back()
        self._live.stop()

    def draw(self, picture: RenderableType) -> None:
        """Replace the block."""
        self._go_back()
        size = self._console.size
        self._console.file.write(_CUT)
        self._live.update(picture, refresh=True)
        self._console.file.write(_WRAP)
        self._console.file.flush()
        self._drawn, self._size = picture, size

    def _go_back(self) -> None:
        """Erase the extra rows of a terminal that became narrower and wrapped the lines. rich does not know of them."""
        width = self._console.width
        drawn = self._console.options.update(width=self._size.width)
        lines = self._console.render_lines(self._drawn, drawn, pad=False) if width < self._size.width else []
        rows = sum(max(0, Segment.get_line_length(line) - 1) // width for line in lines[: self._size.height])
        if rows:
            self._console.file.write(f"\x1b[{rows}A\r\x1b[J")  # move up, and erase everything below
