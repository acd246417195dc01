"""The table of ``mscli devices --watch``: drawn again in its place on a terminal, one after the other in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.text import Text

from mscli.api.mediadeviceinfo import MediaDeviceInfo
from mscli.cli.change import Change
from mscli.sources.base import DEVICE_KINDS

if TYPE_CHECKING:
    from mscli.cli.tables import Marked


class WatchTable:
    """Shows the devices with a mark at what changed: + came, - went (listed until the next change), ~ is not as it was."""

    def __init__(self, *, verbose: bool) -> None:
        self._verbose = verbose
        self._live: Live | None = None
        self._is_first = True

    def __enter__(self) -> WatchTable:
        from mscli.cli.tables import console

        if sys.stdout.isatty():
            self._live = Live(console=console(sys.stdout), auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, change: Change, problems: Sequence[str]) -> None:
        """Draw the table. The first one has no marks: nothing came, it was there."""
        from mscli.cli.tables import show_devices

        marked = [("", info) for info in change.devices] if self._is_first else list(_marked(change))
        self._is_first = False
        if self._live is not None:
            self._live.update(self._picture(marked, problems), refresh=True)
        else:
            show_devices(marked, problems, verbose=self._verbose)
            sys.stdout.flush()

    def _picture(self, marked: Marked, problems: Sequence[str]) -> Group:
        from mscli.cli.tables import devices_table, troubles

        table = devices_table(marked, verbose=self._verbose) if marked else Text("no devices found")
        return Group(table, *(Text(line, style="yellow") for line in troubles(marked, problems, verbose=self._verbose)))


def _marked(change: Change) -> Iterator[tuple[str, MediaDeviceInfo]]:
    """Every device with its mark, in the order of the list; what went stands last among its kind."""
    marks = {id(info): mark for mark, infos in (("+", change.added), ("~", change.altered)) for info in infos}
    for kind in DEVICE_KINDS:
        yield from ((marks.get(id(info), ""), info) for info in change.devices if info.kind == kind)
        yield from (("-", info) for info in change.removed if info.kind == kind)
