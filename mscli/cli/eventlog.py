"""``--events FILE``: one JSON object per line for everything that happens to tracks, devices and outputs."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from io import FileIO
from typing import Any

from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.core.clock import MICROSECONDS, now_us, wall_time
from mscli.core.descriptors import Reader, point_nowhere
from mscli.core.errors import OperationError


class EventLog:
    """Writes events as they come; without a file it writes none. A file that fails later is warned of once and given up."""

    def __init__(self, path: str | None, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._file = None if path is None else _open(path)
        self._reader = Reader()
        self._last_us = 0

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
            written = self._file.write(line)
        except OSError as error:
            self._give_up(error.strerror or str(error))
        else:
            if written != len(line):
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


def _open(path: str) -> FileIO:
    """Unbuffered; a pipe that is full blocks nobody."""
    try:
        file = open(path, "wb", buffering=0)  # noqa: SIM115 (it stays open)
        if stat.S_ISFIFO(os.fstat(file.fileno()).st_mode):
            os.set_blocking(file.fileno(), False)
        return file
    except OSError as error:
        hints = ["--events takes a file in a folder that exists, a named pipe, or a descriptor: /dev/fd/3"]
        raise OperationError(f"events cannot be written to “{path}”: {error.strerror}", hints=hints) from error
