"""Name the files of a series, track them, and remove surplus ones.

A name is a pattern with a time and a number: https://man7.org/linux/man-pages/man3/strftime.3.html. ``%Y-%m-%d_%H-%M-%S`` is
the beginning of the file, in local time. ``%03d`` is its number, in this case with at least three digits (``%d`` is the day of
the month), and ``{index}`` its number as it is. ``%%`` is a percent sign.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import lru_cache
from itertools import count
from typing import TYPE_CHECKING

from mscli.core.clock import now_us, wall_clock
from mscli.core.errors import NotSupportedError, OperationError
from mscli.core.tuples import NamedTuple
from mscli.encode.options import Series, SinkOptions
from mscli.sinks.files.hidden import identity, is_taken
from mscli.sinks.files.output import NamedFile, free_bytes, output_error, output_for

if TYPE_CHECKING:
    from mscli.sinks import Target

_COUNTER = r"%0(\d)d|\{index\}"
_TIME = r"%(?:0\dd|[A-Za-z%])|\{index\}"
_PERCENT = "%%"  # the directive for a percent sign


@lru_cache(maxsize=16)
def is_pattern(name: str) -> bool:
    """Return whether a name contains a time or a number."""
    return any(found != _PERCENT for found in re.findall(_TIME, name))


@lru_cache(maxsize=16)
def is_counted(name: str) -> bool:
    """Return whether a name contains a number."""
    return any(re.fullmatch(_COUNTER, found) for found in re.findall(_TIME, name))


def is_timed(name: str) -> bool:
    """Return whether a name contains a time."""
    return any(found != _PERCENT and not re.fullmatch(_COUNTER, found) for found in re.findall(_TIME, name))


def with_counter(name: str) -> str:
    """Return the name, with a counter before its suffix if it has no time or number, so that names differ."""
    if is_pattern(name):
        return name
    stem, suffix = os.path.splitext(name)
    return f"{stem}-%03d{suffix}"


def expand(pattern: str, at: datetime, number: int) -> str:
    """Return the name of file ``number``, which begins at this local time. Text that is not a directive stays unchanged."""

    def directive(found: re.Match[str]) -> str:
        counter = re.fullmatch(_COUNTER, found[0])
        return f"{number:0{counter[1] or 1}}" if counter else at.strftime(found[0])

    return re.sub(_TIME, directive, pattern)


def candidates(pattern: str, at: datetime, number: int) -> Iterator[tuple[str, int]]:
    """Yield names for a file with their numbers, best first: the next numbers, or _02, _03, ... after a time.

    The latter sort after the plain name in every listing. “-” would sort before its dot.
    """
    if is_counted(pattern):
        yield from ((expand(pattern, at, n), n) for n in count(number))
    stem, suffix = os.path.splitext(expand(pattern, at, number))
    yield stem + suffix, number
    yield from ((f"{stem}_{n:02d}{suffix}", number) for n in count(2))


def may_make(pattern: str, name: str) -> bool:
    """Return whether a series may use this name for one of its files. Both are compared as whole paths."""
    made = _made(with_counter(pattern))
    return any(made.fullmatch(os.path.realpath(one)) for one in (with_counter(name), name))


def may_replace(pattern: str, link: str) -> bool:
    """Return whether a file with this pattern for its name may take the place of a symbolic link."""
    folder, name = os.path.split(link)
    place = os.path.join(os.path.realpath(folder), name)
    return _made(pattern).fullmatch(place) is not None if is_pattern(pattern) else place == os.path.realpath(pattern)


def _made(pattern: str) -> re.Pattern[str]:
    """Return what the whole paths of the files match."""
    stem, suffix = os.path.splitext(os.path.realpath(pattern))
    parts, at = [], 0
    for found in re.finditer(_TIME, stem):
        parts += [re.escape(stem[at : found.start()]), "%" if found[0] == _PERCENT else "[^/]+"]
        at = found.end()
    return re.compile("".join(parts) + re.escape(stem[at:]) + r"(_\d+)?" + re.escape(suffix))


class Names:
    """The names of a series in order. ``taken`` returns whether a name cannot be used."""

    def __init__(self, pattern: str, taken: Callable[[str], bool]) -> None:
        self._pattern = pattern
        self._taken = taken
        self._own: set[str] = set()
        self._number = 1
        self._latest = ("", 1)  # the latest name, and the first number that was possible for it

    def next(self, at: datetime) -> str:
        """Return the name of the next file, which begins at this local time."""
        found = candidates(self._pattern, at, self._number)
        name, number = next((name, number) for name, number in found if name not in self._own and not self._taken(name))
        self._latest = name, self._number
        self._number = number + 1
        self._own.add(name)
        return name

    def again(self, at: datetime) -> str:
        """Return another name for the latest file, which begins at this local time instead."""
        name, self._number = self._latest
        self._own.discard(name)
        return self.next(at)


def single(pattern: str, *, overwrite: bool) -> str:
    """Return the name of a single recording that begins now, with the next free number unless files may be replaced."""
    passes = is_counted(pattern) and not overwrite
    return Names(pattern, lambda name: passes and is_taken(name)).next(datetime.now().astimezone())


def make_folder(pattern: str, name: str) -> None:
    """Create the folder of a file, if the pattern has a time or number in the folder's name."""
    if is_pattern(os.path.dirname(pattern)):
        with suppress(OSError):  # the output reports this with a name
            os.makedirs(os.path.dirname(name), exist_ok=True)


class _Finished(NamedTuple):
    name: str
    size: int  # bytes
    identity: tuple[int, int]
    changed_ns: int  # identifies it together with the inode, which may be reused


class Retention:
    """The finished files of a series. It removes the oldest if there are too many."""

    def __init__(self, plan: Series) -> None:
        self._plan = plan
        self._files: list[_Finished] = []

    @property
    def names(self) -> list[str]:
        """Return the files that are still there."""
        return [one.name for one in self._files]

    @property
    def lost(self) -> list[str]:
        """Return the files that are not there any more, or were changed. Raises OperationError."""
        return [one.name for one in self._files if _look_at(one.name, one.identity) != one]

    def add(self, name: str, own: tuple[int, int] | None) -> bool:
        """Count a closed file, and remove surplus ones. Return whether it exists. Raises OperationError.

        ``own``: its device and inode.
        """
        finished = _look_at(name, own)
        if finished is not None:
            self._files.append(finished)
        if not self._plan.keeps_all:  # looking at each file after each would take long in a series of many
            for _ in range(surplus([one.size for one in self._files], self._plan)):
                _remove(self._files.pop(0))
        return finished is not None


class FileSeries:
    """The files of a series, by their names. It removes the oldest of its finished files if there are too many."""

    def __init__(
        self,
        target: Target,
        options: SinkOptions,
        series: Series,
        on_file: Callable[[str], object] = lambda _: None,
    ) -> None:
        """Check the target. ``on_file``: called with the name of each finished file."""
        if not isinstance(target, str):
            hints = ["use a name with a time or a number, such as clip-%03d.mkv"]
            raise NotSupportedError("cannot write several files to an open output", hints=hints)
        self._options = options
        self.plan = series
        self._on_file = on_file
        self._pattern = with_counter(target)
        self._names = Names(self._pattern, self._is_taken)
        self._began: list[str] = []  # files that are not finished
        self._kept = Retention(series)
        self.finished: list[str] = []
        self.begun = 0  # how many files have begun
        self._check()

    @property
    def files(self) -> list[str]:
        """Return the files, including unfinished ones."""
        return self._kept.names + self._began

    @property
    def armed(self) -> bool:
        """Return whether it waits for a trigger."""
        return self.plan.triggered and not self._began

    @property
    def free_bytes(self) -> int | None:
        """Return the free space for the next file. May be called from any thread, even while a file ends."""
        (name,) = self._began[-1:] or [self._pattern]
        folder = os.path.dirname(os.path.abspath(name))
        while not os.path.isdir(folder):
            folder = os.path.dirname(folder)
        return free_bytes(folder)

    def begin(self, at: datetime) -> str:
        """Return the name of the next file, whose folder exists. ``at``: the time for its name."""
        name = self._names.next(at)
        make_folder(self._pattern, name)
        self._began.append(name)
        self.begun += 1
        return name

    def end(self, name: str, own: tuple[int, int] | None) -> None:
        """Count a closed file, if it exists, and remove surplus ones. ``own``: its device and inode. Raises OperationError."""
        self._began.remove(name)
        if self._kept.add(name, own):
            self.finished.append(name)
            self._on_file(name)

    def drop(self, name: str) -> None:
        """Forget a file that could not begin."""
        self._began.remove(name)
        self.begun -= 1

    def report_loss(self, loss: OperationError) -> None:
        """Report that a file is gone. The series continues."""
        if self._options.on_note is not None:
            self._options.on_note(str(loss))

    def _is_taken(self, name: str) -> bool:
        return not self._options.overwrite and is_taken(name)

    def _check(self) -> None:
        """Raise the error that the first file is certain to raise."""
        if is_pattern(os.path.dirname(self._pattern)):
            return
        first = Names(self._pattern, self._is_taken).next(wall_clock(now_us()))
        if not isinstance(output_for(first, self._options), NamedFile):
            raise NotSupportedError(f"cannot record several files to {first}: it is not a regular file")


def surplus(sizes: Sequence[int], series: Series) -> int:
    """Return how many of the oldest files are surplus. ``sizes``: the files' sizes in bytes, oldest first."""
    least = 0 if series.keep_files is None else max(0, len(sizes) - series.keep_files)
    if series.keep_bytes is None:
        return least
    total = sum(sizes[least:])
    while least < len(sizes) - 1 and total > series.keep_bytes:
        total -= sizes[least]
        least += 1
    return least


def _look_at(name: str, own: tuple[int, int] | None) -> _Finished | None:
    """Return the file with this name, or None if another file has that name now."""
    with _translated(name, "check"):
        found = os.stat(name)
        if identity(found) == own:
            return _Finished(name, found.st_size, identity(found), found.st_mtime_ns)
    return None


def _remove(file: _Finished) -> None:
    """Remove one of our files, unless it was replaced or moved."""
    with _translated(file.name, "remove"):
        found = os.stat(file.name, follow_symlinks=False)
        if (identity(found), found.st_mtime_ns) == (file.identity, file.changed_ns):
            os.unlink(file.name)


@contextmanager
def _translated(name: str, verb: str) -> Iterator[None]:
    """Ignore missing files. Raise other errors of the system as OperationError."""
    try:
        yield
    except FileNotFoundError:
        pass
    except OSError as error:
        raise output_error(name, error, verb) from error
