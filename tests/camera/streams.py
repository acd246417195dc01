"""Streams that cameras give, as rows: what comes, and what has to be made of it.

A row is added here and nowhere else. Its pictures carry their numbers, so that a recording is compared with them one by one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from tests.camera.driver import Camera, Shot, Stamp, true_time

SECOND_US = 1_000_000
STEP_S = 1 / 30
STAMPED = 90  # pictures in a stream: three seconds
BITS = 16  # of a picture's number, each a column
WIDTH, HEIGHT = 64, 32
DARK, BRIGHT = 16, 235


def picture(number: int) -> bytes:
    """A grey picture of WIDTH × HEIGHT that carries a number: the lowest bit on the left."""
    row = b"".join(bytes([BRIGHT if number >> bit & 1 else DARK]) * (WIDTH // BITS) for bit in range(BITS))
    return row * HEIGHT


def number_in(luma: bytes, stride: int) -> int:
    """The number that a picture carries, read from its middle row."""
    row = luma[HEIGHT // 2 * stride :][:WIDTH]
    column = WIDTH // BITS
    return sum((row[bit * column + column // 2] > (DARK + BRIGHT) // 2) << bit for bit in range(BITS))


@dataclass(frozen=True)
class Row:
    """A stream. ``retimed``: how many of so many pictures have a time that has to be replaced, at least and at most.

    ``stalls``: whether the camera stalls for so long that there is black between.
    """

    name: str
    camera: Camera
    retimed: Callable[[int], tuple[int, int]]
    stalls: bool = False


def none(_: int) -> tuple[int, int]:
    """No time is wrong."""
    return 0, 0


def every(count: int) -> tuple[int, int]:
    """All times are wrong."""
    return count, count


def some(count: int) -> tuple[int, int]:
    """Some times are wrong."""
    return 1, count


def from_(first: int) -> Callable[[int], tuple[int, int]]:
    """All times from that picture on are wrong; one or another may happen to be right."""
    return lambda count: (count - first - 2, count - first)


def few(most: int) -> Callable[[int], tuple[int, int]]:
    """One time is wrong, and so may be some that follow."""
    return lambda _: (1, most)


def _stamped(stamp: Callable[[int], Stamp], stall_at: int | None = None) -> Camera:
    """A camera whose picture of each number is stamped so. It waits for 1.5 seconds before one of them."""

    def shots() -> Iterator[Shot]:
        for number in range(STAMPED):
            yield Shot(picture(number), 1.5 if number == stall_at else STEP_S, stamp(number))

    return Camera(tuple(shots()), width=WIDTH, height=HEIGHT)


def _numbered(sequence: Callable[[int], int]) -> Camera:
    """A camera that gives the picture of each number that sequence number."""
    shots = tuple(Shot(picture(number), sequence=sequence(number)) for number in range(STAMPED))
    return Camera(shots, width=WIDTH, height=HEIGHT)


def _slow(seconds: int) -> Camera:
    """A camera that says that a picture lasts so long, and gives many more."""
    return replace(_stamped(lambda _: true_time), rate=Fraction(1, seconds))


def _ahead(seconds: float) -> Stamp:
    return lambda at_us: at_us + round(seconds * SECOND_US)


def _zero(_: int) -> int:
    return 0


def _time_of_day(at_us: int) -> int:
    return at_us + (time.time_ns() - time.monotonic_ns()) // 1000


STREAMS = (
    Row("true times", _stamped(lambda _: true_time), none),
    Row("true times, a stall", _stamped(lambda _: true_time, stall_at=30), none, stalls=True),
    Row("the time of day", _stamped(lambda _: _time_of_day), every),
    Row("the time of day from picture 20 on", _stamped(lambda n: _time_of_day if n >= 20 else true_time), from_(20)),
    Row("the first is zero", _stamped(lambda n: true_time if n else _zero), few(10)),
    Row("one in the middle is zero", _stamped(lambda n: _zero if n == 20 else true_time), few(10)),
    Row("all are zero", _stamped(lambda _: _zero), every),
    Row("a step back by 5 s", _stamped(lambda n: _ahead(-5 if n >= 20 else 0)), from_(20)),
    Row("steps back by 5 s, twice", _stamped(lambda n: _ahead(n // 30 * -5)), from_(30)),
    Row("10 s behind, a stall", _stamped(lambda _: _ahead(-10), stall_at=30), every, stalls=True),
    Row("190 s ahead", _stamped(lambda _: _ahead(190)), every),
    Row("a jump ahead by an hour", _stamped(lambda n: _ahead(3600 if n >= 20 else 0)), from_(20)),
    Row("one an hour ahead", _stamped(lambda n: _ahead(3600 if n == 20 else 0)), few(10)),
    Row("twice the pace", _stamped(lambda n: _ahead(n * STEP_S)), lambda count: (count - 10, count - 1)),
    Row("times that scatter by 0.2 s", _stamped(lambda n: _ahead((n * 7 % 11 + 1) / 60)), some),
    Row("nanoseconds", _stamped(lambda _: lambda at_us: at_us * 1000), every),
    Row("a rate of one an hour", _slow(3600), none),
    Row("numbers that jump by 200,000", _numbered(lambda n: n + 200_000 * (n // 20)), none),
    Row("numbers that go back", _numbered(lambda n: 1_000_000 - n), none),
    Row("numbers that rise by two", _numbered(lambda n: 2 * n), none),
    Row("numbers that rise by three, at the end of 32 bits", _numbered(lambda n: (3 * n - 100) % (1 << 32)), none),
    Row("numbers that begin anew", _numbered(lambda n: n % 20), none),
    Row("numbers that all are zero", _numbered(lambda _: 0), none),
    Row("numbers at the end of 32 bits", _numbered(lambda n: (n - 20) % (1 << 32)), none),
)
