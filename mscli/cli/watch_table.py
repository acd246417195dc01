"""The table of ``mscli devices --watch``: redrawn in place on a terminal, printed repeatedly in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from mscli.api.mediadeviceinfo import MediaDeviceInfo
from mscli.cli.change import DeviceListChange
from mscli.sources.base import DEVICE_KINDS

if TYPE_CHECKING:
    from mscli.cli.inplace import InPlace
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
            from mscli.cli.inplace import InPlace
            from mscli.cli.tables import console

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
