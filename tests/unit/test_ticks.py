"""The times of a series of pictures."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mscli.core.ticks import Ticks


def test_a_thousand_ticks_do_not_drift() -> None:
    ticks, now_us = Ticks(1_000_000, 0), 0
    for number in range(1000):
        due_us = ticks.next_us(now_us)
        assert due_us == number * 1_000_000
        now_us = due_us + 300_000 + number % 7 * 1000  # what a picture takes
    assert ticks.missed == 0


def test_a_late_picture_is_taken_at_once_and_missed_ones_are_counted() -> None:
    ticks = Ticks(1_000_000, 0)
    assert ticks.next_us(0) == 0
    assert ticks.next_us(1_400_000) == 1_000_000  # late, but not over
    assert ticks.next_us(4_200_000) == 4_000_000
    assert ticks.missed == 2
    assert ticks.next_us(4_300_000) == 5_000_000


def test_what_comes_very_late_stands_for_all_that_were_due() -> None:
    ticks = Ticks(1_000_000, 0)
    assert ticks.next_us(0) == 0
    ticks.pass_until(900_000)
    assert (ticks.missed, ticks.next_us(900_000)) == (0, 1_000_000)
    ticks.pass_until(3_500_000)
    assert (ticks.missed, ticks.next_us(3_510_000)) == (2, 4_000_000)


@given(st.integers(1, 10**7), st.lists(st.integers(0, 10**7), max_size=50))
def test_ticks_lie_on_the_grid_and_none_is_given_twice(interval_us: int, steps: list[int]) -> None:
    ticks, now_us, before = Ticks(interval_us, 0), 0, -1
    for given_, step in enumerate(steps):
        due_us = ticks.next_us(now_us)
        assert due_us % interval_us == 0
        assert due_us > before
        assert due_us // interval_us == given_ + ticks.missed
        assert now_us - due_us < interval_us
        before, now_us = due_us, max(now_us, due_us) + step
