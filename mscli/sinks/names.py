"""Names of the files of a series: patterns with time and number. https://man7.org/linux/man-pages/man3/strftime.3.html

``%Y-%m-%d_%H-%M-%S`` is when the file begins, in local time; ``%03d`` is its number, in at least so many digits (``%d`` is the
day of the month); ``%%`` is a percent sign.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import count

_COUNTER = re.compile(r"%0(\d)d")
_TIME = re.compile(r"%(?:0\dd|[A-Za-z%])")
_PERCENT = "%%"  # stands for one


def is_pattern(name: str) -> bool:
    """Whether a name says something of time or number."""
    return any(found != _PERCENT for found in _TIME.findall(name))


def is_counted(name: str) -> bool:
    """Whether a name says something of number."""
    return any(_COUNTER.fullmatch(found) for found in _TIME.findall(name))


def with_counter(name: str) -> str:
    """The name with a counter before its suffix, if it has neither time nor number: every file needs a name of its own."""
    if is_pattern(name):
        return name
    stem, suffix = os.path.splitext(name)
    return f"{stem}-%03d{suffix}"


def expand(pattern: str, at: datetime, number: int) -> str:
    """The name of file ``number`` that begins at that local time. What is no directive stays as it is."""

    def directive(found: re.Match[str]) -> str:
        counter = _COUNTER.fullmatch(found[0])
        return f"{number:0{counter[1]}}" if counter else at.strftime(found[0])

    return _TIME.sub(directive, pattern)


def candidates(pattern: str, at: datetime, number: int) -> Iterator[tuple[str, int]]:
    """Names for a file, the best first, each with its number: the next numbers, or behind a time -2, -3, ..."""
    if is_counted(pattern):
        yield from ((expand(pattern, at, n), n) for n in count(number))
    stem, suffix = os.path.splitext(expand(pattern, at, number))
    yield stem + suffix, number
    yield from ((f"{stem}-{n}{suffix}", number) for n in count(2))


class Names:
    """The names of a series, one after the other; ``taken`` says which are not to be used."""

    def __init__(self, pattern: str, taken: Callable[[str], bool]) -> None:
        self._pattern = pattern
        self._taken = taken
        self._own: set[str] = set()
        self._number = 1

    def next(self, at: datetime) -> str:
        """The name of the next file, which begins at that local time."""
        found = candidates(self._pattern, at, self._number)
        name, number = next((name, number) for name, number in found if name not in self._own and not self._taken(name))
        self._number = number + 1
        self._own.add(name)
        return name


def single(pattern: str, *, overwrite: bool) -> str:
    """The name for one recording that begins now: a number goes on to one that is free, unless files may be replaced."""
    passes = is_counted(pattern) and not overwrite
    return Names(pattern, lambda name: passes and os.path.lexists(name)).next(datetime.now().astimezone())
