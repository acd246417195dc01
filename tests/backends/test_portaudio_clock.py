"""The sample clock: late callbacks do not show in its timestamps, drift and losses do."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mscli.sources.sound.sampleclock import FirstBlocks, Measured, SampleClock, Stamp

RATE = 48000
BLOCK = 480  # samples, 10 ms
BLOCK_US = 10_000
LATEST_US = 20_000  # how late a callback may be
CASES = settings(derandomize=True, deadline=None, database=None)

late_us = st.lists(st.integers(0, LATEST_US), min_size=1, max_size=60)


def run(truths_us: Iterable[float], lateness_us: list[int]) -> tuple[list[float], list[Stamp]]:
    """Stamp blocks that were captured at ``truths_us`` and measured later, by a lateness that repeats."""
    clock, truths = SampleClock(RATE), list(truths_us)
    return truths, [clock.stamp(int(at + lateness_us[i % len(lateness_us)]), BLOCK) for i, at in enumerate(truths)]


def steady(blocks: int, drift_ppm: float = 0) -> list[float]:
    """When each block was captured, by a device whose clock is too fast by so many millionths."""
    return [1_000_000 + i * BLOCK_US * (1 - drift_ppm / 1e6) for i in range(blocks)]


@given(late_us)
@CASES
def test_late_callbacks_do_not_show_in_the_distance_of_blocks(lateness: list[int]) -> None:
    _, stamps = run(steady(300), lateness)
    for before, after in pairwise(stamps):
        assert 0.95 * BLOCK_US - 1 <= after.timestamp - before.timestamp <= 1.001 * BLOCK_US + 1
        assert after.sequence == before.sequence + BLOCK
        assert after.lost == 0


@given(late_us)
@CASES
def test_a_time_is_never_too_early_and_never_later_than_the_latest_callback(lateness: list[int]) -> None:
    truths, stamps = run(steady(300), lateness)
    for truth, stamp in zip(truths, stamps, strict=True):
        assert -1 <= stamp.timestamp - truth <= LATEST_US + 1


def test_after_a_second_only_the_earliest_callbacks_count() -> None:
    truths, stamps = run(steady(300), [20_000, 13_000, 400, 17_000, 9_000])
    assert all(abs(stamp.timestamp - truth - 400) <= 20 for truth, stamp in zip(truths[100:], stamps[100:], strict=True))


@given(st.floats(-500, 500), late_us)
@CASES
def test_a_drift_of_half_a_thousandth_is_followed_and_no_loss(drift_ppm: float, lateness: list[int]) -> None:
    truths, stamps = run(steady(3000, drift_ppm), lateness)
    assert -500 <= stamps[-1].timestamp - truths[-1] <= LATEST_US + 500
    assert sum(stamp.lost for stamp in stamps) == 0


@given(st.integers(90_000, 3_000_000), late_us)
@CASES
def test_a_gap_is_recognised_within_a_second_as_lost_samples(gap_us: int, lateness: list[int]) -> None:
    truths = [at + (gap_us if i >= 100 else 0) for i, at in enumerate(steady(220))]
    _, stamps = run(truths, lateness)
    lost_us = sum(stamp.lost for stamp in stamps) * 1e6 / RATE
    assert abs(lost_us - gap_us) <= LATEST_US + 1000
    assert sum(1 for stamp in stamps if stamp.lost) == 1
    assert -1 <= stamps[-1].timestamp - truths[-1] <= LATEST_US + 1000
    assert all(after.sequence == before.sequence + BLOCK + after.lost for before, after in pairwise(stamps))
    assert all(after.timestamp > before.timestamp for before, after in pairwise(stamps))


@given(st.integers(100_000, 2_000_000))
@CASES
def test_a_stall_whose_blocks_come_in_a_burst_is_no_loss(stall_us: int) -> None:
    truths = steady(500)
    clock, resumed = SampleClock(RATE), truths[100] + stall_us
    measured = [max(at, resumed + i * 100) if i >= 100 else at for i, at in enumerate(truths)]
    stamps = [clock.stamp(int(at), BLOCK) for at in measured]
    assert sum(stamp.lost for stamp in stamps) == 0
    assert abs(stamps[-1].timestamp - truths[-1]) <= 1000


@pytest.mark.parametrize(("gap_us", "lost"), [(30_000, 1440), (0, 1)])
def test_an_overflow_that_the_driver_tells_of_is_a_loss_at_once(gap_us: int, lost: int) -> None:
    clock = SampleClock(RATE)
    clock.stamp(0, BLOCK)
    assert clock.stamp(BLOCK_US + gap_us, BLOCK, overflow=True).lost == lost


def test_an_overflow_before_the_first_block_is_none() -> None:
    assert SampleClock(RATE).stamp(0, BLOCK, overflow=True) == Stamp(0, 0, 0)


# The first blocks


def first(measured_us: Iterable[float]) -> tuple[list[Stamp], int]:
    """Stamp blocks that were measured at these times from the start of a device on; and how many are still held back."""
    clock = SampleClock(RATE)
    blocks = FirstBlocks(clock, RATE)
    times = list(measured_us)
    ready = [one for at in times for one in blocks.take(Measured(int(at), BLOCK, False, b""))]
    stamps = [clock.stamp(one.measured_us, one.samples) for one in ready]
    return stamps, len(times) - len(stamps)


@given(first_late_us=st.integers(0, 300_000), late=st.integers(0, 10))
@CASES
def test_first_blocks_that_are_late_have_the_times_of_those_after_them(first_late_us: int, late: int) -> None:
    truths = steady(100)
    come = [at + first_late_us if i < late else at for i, at in enumerate(truths)]
    stamps, held = first(max(come[: i + 1]) for i in range(100))  # none overtakes another
    assert held == 0
    assert all(abs(stamp.timestamp - truth) <= 1 for stamp, truth in zip(stamps, truths, strict=True))


def test_blocks_that_come_in_time_are_held_for_a_tenth_of_a_second() -> None:
    assert [first(steady(count))[1] for count in (5, 10, 11, 12, 60)] == [5, 10, 0, 0, 0]


def test_blocks_that_each_tell_of_an_earlier_beginning_are_held_for_half_a_second() -> None:
    falling = [at + 500_000 - i * 1_000 for i, at in enumerate(steady(60))]
    assert first(falling[:49])[1] == 49
    stamps, held = first(falling[:50])
    assert held == 0
    assert stamps[0].timestamp == falling[49] - 49 * BLOCK_US


def test_what_is_held_back_is_given_out_at_the_end_and_only_once() -> None:
    blocks = FirstBlocks(SampleClock(RATE), RATE)
    block = Measured(1_000_000, BLOCK, False, b"")
    assert list(blocks.take(block)) == []
    assert blocks.release() == [block]
    assert blocks.release() == []
    assert list(blocks.take(block)) == [block]
