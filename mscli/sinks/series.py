"""The files of a recording that goes into several: their names, what became of them, and the oldest that go."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.errors import NotSupportedError, OperationError
from mscli.sinks.base import GATHER_S, Series, SinkOptions
from mscli.sinks.container import RecordingSink
from mscli.sinks.cuts import surplus
from mscli.sinks.files import NamedFile, free_bytes, identity, output_for
from mscli.sinks.names import Names, is_pattern, with_counter
from mscli.sinks.outputs import output_error

if TYPE_CHECKING:
    from mscli.sinks import SinkRow, Target
    from mscli.sinks.encoders import Encoders
    from mscli.sinks.outputs import Output
    from mscli.sinks.recordingfile import RecordingFile


def wall_clock(at_us: int) -> datetime:
    """The local time of an instant on CLOCK_MONOTONIC (microseconds), with its zone."""
    return datetime.fromtimestamp(time.time() - (now_us() - at_us) / MICROSECONDS).astimezone()


class _Finished(NamedTuple):
    name: str
    size: int  # bytes
    identity: tuple[int, int]
    changed_ns: int  # with its identity: an inode may be used again


class FileSeries:
    """Makes the outputs of a series, and lets the oldest of its own finished files go when there are too many."""

    def __init__(self, target: Target, options: SinkOptions, series: Series) -> None:
        if not isinstance(target, str):
            hints = ["give them a name with a time or a number: clip-%03d.mkv"]
            raise NotSupportedError("a recording in several files needs a name for them, not an open output", hints=hints)
        self._overwrite = options.overwrite
        self._series = series
        self._pattern = with_counter(target)
        self._names = Names(self._pattern, self._is_taken)
        self._began: list[str] = []  # files that are not finished
        self._kept: list[_Finished] = []
        self.finished: list[str] = []
        self._check()

    @property
    def files(self) -> list[str]:
        """Those that stand, or will."""
        return [one.name for one in self._kept] + self._began

    @property
    def free_bytes(self) -> int | None:
        """What the disk has for the next file. From any thread: a file may end meanwhile."""
        (name,) = self._began[-1:] or [self._pattern]
        folder = os.path.dirname(os.path.abspath(name))
        while not os.path.isdir(folder):
            folder = os.path.dirname(folder)
        return free_bytes(folder)

    def begin(self, at: datetime) -> Output:
        """The output of the next file, open, which is named by that time. Raises OperationError."""
        name = self._names.next(at)
        if is_pattern(os.path.dirname(self._pattern)):
            with suppress(OSError):  # the output says it with a name
                os.makedirs(os.path.dirname(name), exist_ok=True)
        output = output_for(name, overwrite=self._overwrite)
        output.open()
        self._began.append(name)
        return output

    def end(self, output: Output) -> None:
        """That file is closed: count it in if it stands, and remove what is too much. Raises OperationError."""
        self._began.remove(output.name)
        finished = _look_at(output)
        if finished is not None:
            self._kept.append(finished)
            self.finished.append(output.name)
        for _ in range(surplus([one.size for one in self._kept], self._series)):
            _remove(self._kept.pop(0))

    def drop(self, output: Output) -> None:
        """That file could not begin: nothing is left of it."""
        self._began.remove(output.name)
        with suppress(OperationError):  # why it could not is on its way
            output.discard()

    def _is_taken(self, name: str) -> bool:
        return not self._overwrite and os.path.lexists(name)

    def _check(self) -> None:
        """Raise what the first file would meet, as far as it can be known."""
        if is_pattern(os.path.dirname(self._pattern)):
            return
        first = Names(self._pattern, self._is_taken).next(wall_clock(now_us()))
        if not isinstance(output_for(first, overwrite=self._overwrite), NamedFile):
            raise NotSupportedError(f"“{first}” is no regular file, which a recording in several files needs")


class SeriesSink(RecordingSink):
    """A recording in several files: what the sinks have in common that begin and end them."""

    gather_s = GATHER_S

    def __init__(self, row: SinkRow, target: Target, options: SinkOptions) -> None:
        super().__init__(row, target, options)
        assert options.series is not None, "else it is one file"
        self.plan = options.series
        self._series = FileSeries(target, options, self.plan)

    @property
    def files(self) -> list[str]:
        """Those that stand, or will."""
        return self._series.files

    @property
    def finished(self) -> list[str]:
        """All that were finished."""
        return self._series.finished

    @property
    def free_bytes(self) -> int | None:
        """Bytes that there is room for."""
        return self._series.free_bytes

    def _prepare(self) -> None:
        """Nothing is made before it is known when a file begins."""

    def _wall(self, at_us: int) -> datetime:
        """The local time of an instant of the recording, in which its pauses are left out."""
        return wall_clock(at_us + self.paused_us)

    def _begin_file(self, encoders: Encoders, begin_us: int, named_us: int) -> RecordingFile:
        """The next file, which begins at the first and is named by the second instant."""
        output = self._series.begin(self._wall(named_us))
        try:
            return self._make_file(encoders, output, begin_us)
        except BaseException:
            self._series.drop(output)
            raise

    def _account(self, file: RecordingFile) -> None:
        super()._account(file)
        self._series.end(file.output)


def _look_at(output: Output) -> _Finished | None:
    """The file that stands under the output's name, if it is the one that was written."""
    with _told(output.name, "counted"):
        found = os.stat(output.name)
        if identity(found) == output.identity:
            return _Finished(output.name, found.st_size, identity(found), found.st_mtime_ns)
    return None


def _remove(file: _Finished) -> None:
    """Remove a file of ours, unless somebody has put another in its place or moved it away."""
    with _told(file.name, "removed"):
        found = os.stat(file.name, follow_symlinks=False)
        if (identity(found), found.st_mtime_ns) == (file.identity, file.changed_ns):
            os.unlink(file.name)


@contextmanager
def _told(name: str, done: str) -> Iterator[None]:
    """Where a file that is gone is none of ours any more, and the system's other errors become OperationError."""
    try:
        yield
    except FileNotFoundError:
        pass
    except OSError as error:
        raise output_error(name, error, done) from error
