"""The table of ``mscli devices --watch``: redrawn in place on a terminal, printed repeatedly in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.segment import Segment
from rich.text import Text

from mscli.api.mediadeviceinfo import MediaDeviceInfo
from mscli.cli.change import DeviceListChange
from mscli.sources.base import DEVICE_KINDS

if TYPE_CHECKING:
    from mscli.cli.tables import Marked


class WatchTable:
    """A view that shows all devices and marks changes: + added, - removed (until the next change), ~ altered."""

    def __init__(self, *, verbose: bool) -> None:
        self._verbose = verbose
        self._place: InPlace | None = None
        self._marked: Marked | None = None  # of the latest table
        self._problems: Sequence[str] = ()

    def __enter__(self) -> WatchTable:
        if sys.stdout.isatty():
            from mscli.cli.tables import console
            from mscli.cli.watch_table import InPlace

            self._place = InPlace(console(sys.stdout), kept=True)
            self._place.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._place is not None:
            self._place.__exit__(kind, error, trace)

    def show(self, change: DeviceListChange, problems: Sequence[str]) -> None:
        """Draw the table. The first one has no marks."""
        from mscli.cli.tables import show_devices

        is_first = self._marked is None
        self._marked = [("", info) for info in change.devices] if is_first else list(_marked(change))
        self._problems = problems
        if self._place is None:
            show_devices(self._marked, problems, verbose=self._verbose)
            sys.stdout.flush()
        self.redraw()

    def redraw(self) -> None:
        """Draw the table again in place, because the terminal was resized."""
        if self._place is not None and self._marked is not None:
            self._place.draw(self._picture(self._marked))

    def _picture(self, marked: Marked) -> Group:
        from mscli.cli.tables import devices_table, troubles

        table = devices_table(marked, verbose=self._verbose, lines=True) if marked else Text("No devices found.")
        lines = troubles(marked, self._problems, verbose=self._verbose)
        return Group(table, *(Text(line, style="yellow") for line in lines))


def _marked(change: DeviceListChange) -> Iterator[tuple[str, MediaDeviceInfo]]:
    """Yield every device with its mark, in list order. Removed devices come last within their kind."""
    marks = {id(info): mark for mark, infos in (("+", change.added), ("~", change.altered)) for info in infos}
    for kind in DEVICE_KINDS:
        yield from ((marks.get(id(info), ""), info) for info in change.devices if info.kind == kind)
        yield from (("-", info) for info in change.removed if info.kind == kind)


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
