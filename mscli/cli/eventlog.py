"""``--events FILE``: one JSON object per line for everything that happens to tracks, devices and outputs."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from io import FileIO
from time import sleep
from typing import Any

from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.cli.forgiving import STDOUT
from mscli.cli.target import STDOUT_NAMES
from mscli.core.clock import MICROSECONDS, now_us, wall_time
from mscli.core.descriptors import Reader, point_nowhere
from mscli.core.errors import OperationError

_NONBLOCK = getattr(os, "O_NONBLOCK", 0)
_LOOK_S = 0.05  # between two looks whether somebody reads a named pipe


class EventLog:
    """Writes events as they come; without a file it writes none. A file that fails later is warned of once and given up."""

    def __init__(self, path: str | None, warn: Callable[[str], None]) -> None:
        self._path = path
        self._warn = warn
        self._file: FileIO | None = None
        self._reader = Reader()
        self._last_us = 0

    def open(self, look: Callable[[], object]) -> None:
        """Open the file. A named pipe waits for its reader, who is to get every event.

        Raises OperationError, and what ``look`` raises, which is called again and again meanwhile.
        """
        if self._path is not None:
            self._file = _open(self._path, look)

    @property
    def written(self) -> bool:
        """Whether there is a file for them."""
        return self._file is not None

    def emit(self, type: str, track: MediaStreamTrack | None = None, at_us: int | None = None, **detail: Any) -> None:  # noqa: A002
        """Write an event: its type, its time in seconds on CLOCK_MONOTONIC and in UTC, its track if it has one, and details."""
        if self._file is None:
            return
        at_us = self._last_us = max(self._last_us, now_us() if at_us is None else at_us)  # a log goes forward
        of_track = {"track": track.id, "kind": track.kind, "label": track.label} if track else {}
        import json

        event = {"type": type, "time": at_us / MICROSECONDS, "wallTime": wall_time(at_us), **of_track, **detail}
        line = json.dumps(event, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"  # a file's name may be no UTF-8
        try:
            while line and (written := self._file.write(line)) is not None:
                line = line[written:]  # of a file: what its disk does not take says why
        except OSError as error:
            self._give_up(error.strerror or str(error))
        else:
            if line:
                self._give_up("their reader does not read")

    def _give_up(self, why: str) -> None:
        self.close()
        self._warn(f"events are no longer written: {why}")

    def forsake(self) -> None:
        """Asked again and again: tell no more to who sleeps, such as a terminal that is stopped."""
        if self._file is not None and self._reader.sleeps(self._file.fileno()):
            point_nowhere(self._file.fileno())

    def close(self) -> None:
        """Write no more."""
        file, self._file = self._file, None
        if file is not None:
            file.close()


def _open(path: str, look: Callable[[], object]) -> FileIO:
    """Unbuffered; a pipe that is full blocks nobody."""
    try:
        while (file := _opened(path)) is None:
            look()
            sleep(_LOOK_S)
        if _NONBLOCK and not stat.S_ISFIFO(os.fstat(file.fileno()).st_mode):
            os.set_blocking(file.fileno(), True)
        return file
    except OSError as error:
        hints = ["--events takes a file in a folder that exists, a named pipe, “-” for stdout, or a descriptor: /dev/fd/3"]
        raise OperationError(f"events cannot be written to “{path}”: {error.strerror}", hints=hints) from error


def _opened(path: str) -> FileIO | None:
    """The file, which blocks nobody; None if it is a named pipe without a reader."""
    if path in STDOUT_NAMES:
        if not stat.S_ISFIFO(os.fstat(STDOUT).st_mode):
            return open(os.dup(STDOUT), "wb", buffering=0)  # what else is printed goes after it
        path = "/dev/stdout"
    try:
        return open(path, "wb", buffering=0, opener=lambda name, flags: os.open(name, flags | _NONBLOCK, 0o666))
    except OSError as error:
        if error.errno == errno.ENXIO and stat.S_ISFIFO(os.stat(path).st_mode):
            return None
        raise
