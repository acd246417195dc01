"""The files of a series of pictures: their names, the surplus ones, and a link to the newest one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from mscli.core.clock import now_us, wall_clock
from mscli.core.errors import OperationError
from mscli.core.folders import sync_folder
from mscli.core.limits import FLUSH_S
from mscli.core.ticks import next_boundary
from mscli.encode.options import Series, SinkOptions
from mscli.sinks import SinkRow, load_sink
from mscli.sinks.files.hidden import is_taken
from mscli.sinks.files.series import Names, Retention, is_counted, is_timed, make_folder, with_counter

if TYPE_CHECKING:
    from mscli.encode.options import TrackFormat
    from mscli.sinks.base import Sink

_ANY_TIME = datetime(2000, 1, 1)


class Album:
    """The outputs of pictures, one each. ``series``: which are kept, or None for a single picture.

    ``latest``: the name of a symbolic link to the newest picture, or "".
    """

    def __init__(self, row: SinkRow, file: str, options: SinkOptions, series: Series | None, latest: str = "") -> None:
        self.to_stdout = file == "-"
        self.is_named = not (self.to_stdout or row.writes_to(file))  # whether its pictures are files with names
        self._row, self._file, self._options, self._latest = row, file, options, latest
        self._is_series = self.is_named and series is not None
        self._pattern = with_counter(file) if self._is_series else file
        self._keeps = not options.over_device and (self._is_series or is_counted(file))  # what is there already
        if self._keeps:
            self._options = options._replace(overwrite=False)
        self._names = Names(self._pattern, self._is_taken)
        self._kept = Retention(series or Series())
        self._name = ""  # of the next picture
        self._taken_us: int | None = None  # when that was taken, if known
        self.size = (0, 0)  # of the latest picture, if known
        self._opened: Sink | None = None  # the latest one
        self._unsynced: set[str] = set()  # folders with names of pictures that are not on the disk yet
        self._synced_s = -inf  # when the folders were flushed
        self._is_timed = self.is_named and is_timed(file)  # otherwise a name needs no time

    @property
    def files(self) -> list[str]:
        """Return the pictures that are kept."""
        return self._kept.names

    def next_sink(self, taken_us: int | None = None) -> Sink:
        """Return the sink of the next picture, not opened yet. Raises OperationError if writing it is certain to fail.

        ``taken_us``: when the picture was taken, for its name, if that is known.
        """
        sink, name = self._opened, self._file
        if self.is_named:
            name = self._next_name(self._names.next, taken_us)
        if self._is_series and sink is not None and sink.goes_on:
            sink.go_on(name)
            return sink
        return load_sink(self._row, sys.stdout.fileno() if self.to_stdout else name, self._options)

    def open(self, sink: Sink, track: TrackFormat) -> None:
        """Open a sink, unless that is done. Let it know how the camera is set when the picture is taken."""
        sink.another = self._another if self._keeps else None
        sink.name_durable = not self._is_series
        if sink is not self._opened:
            sink.open([track])
        sink.track, self._opened = track, sink

    def rename(self, sink: Sink, taken_us: int | None) -> None:
        """Name the picture of an open sink, which was named before it was taken, by the time at which it was."""
        if self._is_timed and sink.goes_on:
            sink.go_on(self._next_name(self._names.again, taken_us))

    def add(self, sink: Sink, size: tuple[int, int]) -> str:
        """Count a picture that was written, remove surplus ones, and return its name, or "". Raises OperationError.

        ``size``: that of the camera's pictures, for a sink that does not say what it has written.
        """
        self.size = sink.size if any(sink.size) else size
        if not self.is_named:
            return ""
        self._kept.add(self._name, sink.identity)
        if self._is_series:
            self._unsynced.add(os.path.dirname(self._name) or ".")
            self.sync()
        return self._name

    def sync(self, *, at_once: bool = False) -> None:
        """Flush the names of the pictures to the disk, if that is due: it costs as much as writing a picture."""
        if not self._unsynced or not (at_once or monotonic() - self._synced_s >= FLUSH_S):
            return
        for folder in self._unsynced:
            with suppress(OSError):  # not every file system can
                sync_folder(folder)
        self._unsynced.clear()
        self._synced_s = monotonic()

    def link(self, name: str) -> None:
        """Let the link to the newest picture, if there is one, point to this file. Raises OperationError."""
        if self._latest:
            _link(self._latest, name)

    def _another(self) -> str:
        """Return another name for the latest picture, because another program has just taken its name."""
        return self._next_name(self._names.next, self._taken_us)

    def _next_name(self, choose: Callable[[datetime], str], taken_us: int | None) -> str:
        self._taken_us = taken_us
        name = choose(wall_clock(now_us() if taken_us is None else taken_us) if self._is_timed else _ANY_TIME)
        make_folder(self._pattern, name)
        self._name = name
        return name

    def _is_taken(self, name: str) -> bool:
        return self._keeps and is_taken(name)


def next_mark_us(interval_s: int) -> int:
    """Return when the local clock shows the next multiple of an interval, in microseconds on CLOCK_MONOTONIC."""
    now = now_us()
    wall = wall_clock(now)
    return now + (next_boundary(wall, interval_s) - wall) // timedelta(microseconds=1)


def _link(link: str, name: str) -> None:
    """Make a symbolic link to a file, in one step. Raises OperationError."""
    beside = f"{link}.{os.getpid()}.part"
    try:
        os.symlink(os.path.relpath(name, os.path.dirname(os.path.abspath(link))), beside)
        os.replace(beside, link)
    except OSError as error:
        with suppress(OSError):
            os.unlink(beside)
        raise OperationError(f"cannot link {link} to {name}: {os.strerror(error.errno or 0).lower()}") from error
