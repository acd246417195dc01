"""Whatever comes into the ring of the last seconds: it holds them, from where a file can begin, and never too much."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mscli.sinks.recording.triggered import Kept, Ring

CASES = settings(max_examples=300, derandomize=True, deadline=None, database=None)
STEP_US = 40_000
pieces = st.lists(st.tuples(st.integers(1, 1000), st.booleans()), max_size=120)  # size, key frame


def kept(index: int, size: int, begins: bool) -> Kept:
    piece: Any = index
    return Kept(0, piece, index * STEP_US, index * STEP_US + 1, size, begins)


@given(given_pieces=pieces, seconds=st.floats(0, 3))
@CASES
def test_the_last_seconds_are_there_from_a_beginning_on(given_pieces: list[tuple[int, bool]], seconds: float) -> None:
    ring, gone = Ring(seconds), 0
    for index, (size, begins) in enumerate(given_pieces):
        gone += len(ring.add(kept(index, size, begins)))
        wanted_us = round(index * STEP_US - seconds * 1e6)
        beginnings = [n * STEP_US for n, (_, one) in enumerate(given_pieces[: index + 1]) if one]
        before = [at_us for at_us in beginnings if at_us <= wanted_us]
        expected = max(before) if before else min(beginnings, default=None)
        assert ring.beginning(wanted_us, ending=False) == expected
        assert ring.beginning(index * STEP_US + 1, ending=False) is None, "a later one may still come"
        assert ring.beginning(index * STEP_US + 1, ending=True) == max(beginnings, default=None)
        held = [one.at_us for one in ring]
        assert held == [n * STEP_US for n in range(gone, index + 1)]
        assert expected is None or expected in held


@given(given_pieces=pieces, most=st.integers(1000, 20_000))
@CASES
def test_it_never_holds_more_than_its_bound(given_pieces: list[tuple[int, bool]], most: int) -> None:
    ring = Ring(1e6, most)
    for index, (size, begins) in enumerate(given_pieces):
        ring.add(kept(index, size, begins))
        held = list(ring)
        assert sum(one.size for one in held) <= most
        assert ring.beginning(0, ending=False) in (None, *(one.at_us for one in held if one.begins))
