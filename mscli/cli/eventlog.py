"""``--events FILE``: one JSON object per line for everything that happens to tracks, devices and outputs."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from io import FileIO
from time import sleep
from typing import TYPE_CHECKING, Any

from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.cli.forgiving import STDERR, STDOUT
from mscli.cli.printable import json_text
from mscli.cli.target import STDOUT_NAMES
from mscli.core.clock import MICROSECONDS, now_us, wall_time
from mscli.core.descriptors import OutputReader, point_nowhere
from mscli.core.errors import OperationError

if TYPE_CHECKING:
    from mscli.core.folders import FolderEntry

_NONBLOCK = getattr(os, "O_NONBLOCK", 0)
_OWN = dict.fromkeys(STDOUT_NAMES, STDOUT) | dict.fromkeys(("/dev/stderr", "/dev/fd/2", "/proc/self/fd/2"), STDERR)
_LOOK_S = 0.05  # the interval between checks for a reader of a named pipe


class EventLog:
    """A writer of events. Without a file it does nothing. If the file fails later, it is given up with one warning."""

    def __init__(self, path: str | None, warn: Callable[[str], None]) -> None:
        self._path = path
        self._warn = warn
        self._file: FileIO | None = None
        self._reader = OutputReader()
        self._last_us = 0

    def open(self, look: Callable[[], object]) -> None:
        """Open the file. For a named pipe, wait for a reader, so that it gets every event.

        ``look`` is called repeatedly while waiting. Raises OperationError, and the errors of ``look``.
        """
        if self._path is not None:
            self._file = _open(self._path, look)

    @property
    def written(self) -> bool:
        """Return whether events are written to a file."""
        return self._file is not None

    def emit(self, type: str, track: MediaStreamTrack | None = None, at_us: int | None = None, **detail: Any) -> None:  # noqa: A002
        """Write an event: its type, its time in seconds on CLOCK_MONOTONIC and in UTC, its track if any, and details."""
        if self._file is None:
            return
        at_us = self._last_us = max(self._last_us, now_us() if at_us is None else at_us)  # times in a log never go back
        of_track = {"track": track.id, "kind": track.kind, "label": track.label} if track else {}
        line = event_line(at_us, type, **of_track, **detail)
        try:
            while line and (written := self._file.write(line)) is not None:
                line = line[written:]  # the next write to a full disk raises the reason
        except OSError as error:
            self._give_up(error.strerror or str(error))
        else:
            if line:
                self._give_up("the reader has stopped reading")

    def _give_up(self, why: str) -> None:
        self.close()
        self._warn(f"writing no more events: {why}")

    def abandon_reader(self) -> None:
        """Stop writing to a stalled reader, such as a stopped terminal. Called repeatedly."""
        if self._file is not None and self._reader.sleeps(self._file.fileno()):
            point_nowhere(self._file.fileno())

    def close(self) -> None:
        """Stop writing."""
        file, self._file = self._file, None
        if file is not None:
            file.close()


def event_line(at_us: int, type: str, **detail: Any) -> bytes:  # noqa: A002
    """Return the line of an event."""
    event = {"type": type, "time": at_us / MICROSECONDS, "wallTime": wall_time(at_us), **detail}
    return json_text(event).encode(errors="backslashreplace") + b"\n"  # a file's name may not be valid UTF-8


def _open(path: str, look: Callable[[], object]) -> FileIO:
    """Open the file without a buffer, so that a full pipe blocks nothing."""
    try:
        while (file := _opened(path)) is None:
            look()
            sleep(_LOOK_S)
        if _NONBLOCK and not stat.S_ISFIFO(os.fstat(file.fileno()).st_mode):
            os.set_blocking(file.fileno(), True)
        return file
    except OSError as error:
        hints = ["use a file in an existing folder, a named pipe, - for stdout, or a descriptor such as /dev/fd/3"]
        raise OperationError(f"cannot write events to {path}: {(error.strerror or str(error)).lower()}", hints=hints) from error


def _opened(path: str) -> FileIO | None:
    """Return the file, opened for appending without blocking, or None if it is a named pipe without a reader."""
    own = _OWN.get(path)
    if own is not None:
        if not stat.S_ISFIFO(os.fstat(own).st_mode):
            return open(os.dup(own), "wb", buffering=0)  # other output follows at the same position
        path = f"/dev/fd/{own}"
    from mscli.core.folders import find_entry

    with find_entry(path) as entry:
        found = entry.stat()
        _check(entry, found)
        try:
            fd = entry.open(os.O_WRONLY | os.O_CREAT | os.O_APPEND | _NONBLOCK)
        except OSError as error:
            if error.errno == errno.ENXIO and found is not None and stat.S_ISFIFO(found.st_mode):
                return None
            raise
        try:
            _check(entry, os.fstat(fd))
        except OSError:
            os.close(fd)
            raise
        return FileIO(fd, "wb")


def _check(entry: FolderEntry, found: os.stat_result | None) -> None:
    """Raise OSError if events may not be written to this file."""
    from mscli.core.folders import DistrustedError

    if found is not None and not entry.trusts(found):
        raise DistrustedError("a file, pipe or device")
    if found is not None and stat.S_ISBLK(found.st_mode):
        raise OSError(errno.EEXIST, "it is a block device, and everything on it would be lost")
