"""Whatever times a source gives: what comes out rises, is never in the future, and is right wherever that can be known."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from itertools import accumulate, pairwise
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mscli.core import drift
from mscli.core.drift import LEAST_OFF_FRAMES, LEAST_WINDOWS, LONG_US, QUEUE_FRAMES, WINDOW_US
from mscli.core.limits import CLOSE_US
from mscli.core.timing import (
    EARLY_US,
    LATE_US,
    SLOWER_AT_PACE,
    SLOWER_FRAMES,
    SLOWER_US,
    STALE_US,
    STEADY_FRAMES,
    STRAIGHT_FRAMES,
    Stamps,
    can_be_lost,
)

CASES = settings(max_examples=100, derandomize=True, deadline=None, database=None)
BEGIN_US = 5_000_000_000
STEP_US = 33_333
DELAY_US = 20_000  # from capture to arrival, at least
DAY_OF_TIME_US = 1_764_000_000_000_000


class Shot(NamedTuple):
    """A frame: when it was captured, what it is stamped, and when it arrived."""

    true_us: int
    stamp_us: int
    arrival_us: int


Stamp = Callable[[int, int], int]  # from a frame's number and true time


def shots(stamp: Stamp, jitter_us: Iterable[int] = (0,) * 200, step_us: int = STEP_US) -> list[Shot]:
    """Frames at an even pace, each of which arrives so much later than the usual delay."""
    times = (BEGIN_US + 50_000 + number * step_us for number in range(1 << 30))
    frames = zip(times, jitter_us, strict=False)
    return [Shot(at, stamp(number, at), at + DELAY_US + late) for number, (at, late) in enumerate(frames)]


def placed(frames: Iterable[Shot], lasts_us: int = STEP_US) -> list[int]:
    """Where the frames are placed."""
    stamps = Stamps(BEGIN_US)
    return [stamps.place(frame.stamp_us, frame.arrival_us, lasts_us) for frame in frames]


def errors(frames: list[Shot], lasts_us: int = STEP_US) -> list[int]:
    """By how much each is placed too late."""
    return [at - frame.true_us for at, frame in zip(placed(frames, lasts_us), frames, strict=True)]


anything = st.integers(-(1 << 63), 1 << 63)
near = st.integers(BEGIN_US - 3_000_000, BEGIN_US + 10_000_000)
jitters = st.builds(lambda seed: random.Random(seed).choices(range(15_000), k=150), st.integers(0, 1 << 16))


@given(
    frames=st.lists(st.tuples(anything | near, st.integers(0, 500_000)), min_size=1, max_size=150),
    lasts_us=st.integers(0, 1 << 40),
)
@CASES
def test_times_rise_and_lie_between_the_start_and_now_whatever_comes(frames: list[tuple[int, int]], lasts_us: int) -> None:
    arrivals = accumulate((step for _, step in frames), initial=BEGIN_US)
    stamps, last_us = Stamps(BEGIN_US), BEGIN_US - EARLY_US
    for (stamp_us, _), arrival_us in zip(frames, arrivals, strict=False):
        at_us = stamps.place(stamp_us, arrival_us, lasts_us)
        assert last_us < at_us <= max(arrival_us + EARLY_US, last_us + 1)
        last_us = at_us


@given(delays=st.lists(st.integers(0, 900_000), min_size=1, max_size=150), step_us=st.integers(1000, 2_000_000))
@CASES
def test_times_that_can_be_true_are_left_alone(delays: list[int], step_us: int) -> None:
    frames = shots(lambda _, at: at, delays, step_us)
    arrivals = accumulate((frame.arrival_us for frame in frames), max)
    in_order = [frame._replace(arrival_us=at) for frame, at in zip(frames, arrivals, strict=True)]
    assert errors(in_order, step_us) == [0] * len(frames)


@given(stopped_s=st.floats(0.1, 100), waiting=st.integers(1, 500))
@CASES
def test_a_queue_that_is_emptied_after_a_stop_keeps_its_times(stopped_s: float, waiting: int) -> None:
    before, after = shots(lambda _, at: at)[:30], shots(lambda _, at: at, [0] * 600)[30 : 30 + waiting]
    resumed_us = after[-1].true_us + round(stopped_s * 1e6)
    burst = [frame._replace(arrival_us=resumed_us + n * 500) for n, frame in enumerate(after)]
    assert not any(errors([*before, *burst]))


@given(offset_us=st.integers(200_000, 1 << 60) | st.integers(-(1 << 60), -200_000), jitter=jitters)
@CASES
def test_a_constant_distance_is_recognised_and_taken_out(offset_us: int, jitter: list[int]) -> None:
    frames = shots(lambda _, at: at + offset_us, jitter)
    off = errors(frames)
    assert all(abs(one - DELAY_US) <= max(jitter) for one in off), "none is further off than its arrival"
    steps = [b - a for a, b in pairwise(placed(frames)[STEADY_FRAMES + 1 :])]
    assert all(abs(step - STEP_US) <= STEP_US * 0.06 for step in steps), "it only follows what seems to drift"


@given(at=st.integers(1, 60), offset_us=st.integers(200_000, 1 << 60) | st.integers(-(1 << 60), -200_000), jitter=jitters)
@CASES
def test_a_clock_that_steps_changes_nothing(at: int, offset_us: int, jitter: list[int]) -> None:
    off = errors(shots(lambda number, true: true + offset_us * (number >= at), jitter))
    assert off[:at] == [0] * at
    assert all(abs(one) <= 1.1 * max(jitter) for one in off), "the delay is known from before"


@given(wrong=st.dictionaries(st.integers(1, 60), anything, max_size=20), jitter=jitters)
@CASES
def test_single_times_that_cannot_be_true_leave_the_others_alone(wrong: dict[int, int], jitter: list[int]) -> None:
    far = {number: stamp for number, stamp in wrong.items() if abs(stamp - BEGIN_US) > 100_000_000}
    off = errors(shots(lambda number, true: far.get(number, true), jitter))
    assert all(abs(one) <= max(jitter) for one in off)
    assert not any(one for number, one in enumerate(off) if number not in far and number - 1 not in far)


@given(stamp_us=anything, jitter=jitters, rate=st.sampled_from([0.5, 0.8, 1, 1.5, 2]))
@CASES
def test_a_clock_that_stands_still_is_replaced_by_arrival_smoothed(stamp_us: int, jitter: list[int], rate: float) -> None:
    frames = shots(lambda *_: stamp_us, [*jitter] * 3)
    at, arrivals = placed(frames, round(STEP_US * rate)), [frame.arrival_us for frame in frames]
    if abs(stamp_us - BEGIN_US) > 100_000_000:
        assert all(abs(a - b) <= 2 * STEP_US for a, b in zip(at, arrivals, strict=True))
        assert _roughness(at[100:]) <= max(10, _roughness(arrivals[100:]))


def _roughness(times: list[int]) -> float:
    """How much steps differ from each other."""
    steps = [b - a for a, b in pairwise(times)]
    return sum(abs(b - a) for a, b in pairwise(steps)) / len(steps)


@pytest.mark.parametrize(
    ("stamp", "most_us"),
    [
        (lambda number, at: at + number * STEP_US, EARLY_US),  # twice as fast
        (lambda number, at: at - number * STEP_US // 2, LATE_US + STALE_US),  # half as fast
        (lambda number, at: at + number * STEP_US // 20, EARLY_US),
        (lambda number, at: -at, DELAY_US),  # backwards
        (lambda number, at: at // 1_000_000 * 1_000_000, EARLY_US),  # whole seconds
        (lambda number, at: at * 9 // 100, DELAY_US),  # ticks of 90 kHz
        (lambda number, at: at * 1000, DELAY_US),  # nanoseconds
        (lambda number, at: number, DELAY_US),
        (lambda number, at: at + DAY_OF_TIME_US + number * 33, 2 * DELAY_US),  # another clock that runs 0.1 % fast
        (lambda number, at: at + DAY_OF_TIME_US - number * 33, 2 * DELAY_US),
    ],
)
def test_a_clock_that_runs_wrongly_takes_no_frame_far_from_its_time(stamp: Stamp, most_us: int) -> None:
    off = errors(shots(stamp, [0] * 2000))
    assert max(map(abs, off)) <= DELAY_US + most_us
    assert max(map(abs, off[200:])) <= max(DELAY_US, most_us if most_us <= EARLY_US else 0)


@pytest.mark.parametrize("pace", [0.2, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("step_us", [10_000, 16_667, STEP_US, 100_000, 200_000, 500_000, 1_000_000])
@pytest.mark.parametrize("jitter_us", [0, 5_000])
def test_a_slow_clock_is_noticed_within_two_frames_or_a_quarter_of_a_second(pace: float, step_us: int, jitter_us: int) -> None:
    jitter = random.Random(step_us).choices(range(jitter_us + 1), k=3000)
    first_us = shots(lambda _, at: at)[0].true_us
    off = errors(shots(lambda _, at: first_us + round((at - first_us) * pace), jitter, step_us), step_us)
    most_us = max(SLOWER_US, SLOWER_AT_PACE * step_us)
    assert max(map(abs, off)) <= (most_us + step_us + jitter_us) * 1.1 + DELAY_US
    noticed = max(STRAIGHT_FRAMES, int(most_us / (1 - pace) / step_us * 1.1)) + 15  # and taken over smoothly
    assert max(map(abs, off[noticed:])) <= DELAY_US + 2 * jitter_us + step_us


@pytest.mark.parametrize("pace", [0.2, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("step_us", [10_000, 16_667, STEP_US, 100_000])
@pytest.mark.parametrize("jitter_us", [0, 5_000])
def test_the_slow_clock_of_a_camera_below_its_rate_is_noticed_within_eight_frames(
    pace: float, step_us: int, jitter_us: int
) -> None:
    jitter = random.Random(step_us).choices(range(jitter_us + 1), k=3000)
    first_us = shots(lambda _, at: at)[0].true_us
    off = errors(shots(lambda _, at: first_us + round((at - first_us) * pace), jitter, step_us), step_us // 2)
    most_us = max(SLOWER_US, SLOWER_FRAMES * step_us)
    assert max(map(abs, off)) <= (most_us + step_us + jitter_us) * 1.1 + DELAY_US
    noticed = int(most_us / (1 - pace) / step_us * 1.1) + 15  # and taken over smoothly
    assert max(map(abs, off[noticed:])) <= DELAY_US + 2 * jitter_us + step_us


QUEUE_US = (QUEUE_FRAMES + 1) * STEP_US  # by which a slow clock may be off, since a full queue looks like it
FIRST_RATES = [0.001, 0.003, 0.01, 0.02, 0.029]


@pytest.mark.parametrize("rate", [*FIRST_RATES, *(-rate for rate in FIRST_RATES)])
@pytest.mark.parametrize("late", [0, 0.02], ids=["", "some late"])
@pytest.mark.parametrize("offset_us", [0, DAY_OF_TIME_US])
def test_a_clock_of_another_rate_is_measured_and_corrected_without_a_step(rate: float, late: float, offset_us: int) -> None:
    chance = random.Random(1)
    jitter = [chance.randrange(15_000) + (chance.randrange(200_000) if chance.random() < late else 0) for _ in range(5000)]
    first_us = shots(lambda _, at: at)[0].true_us
    frames = shots(lambda _, at: offset_us + at - round((at - first_us) * rate), jitter)
    arrivals = accumulate((frame.arrival_us for frame in frames), max)
    frames = [frame._replace(arrival_us=at) for frame, at in zip(frames, arrivals, strict=True)]
    off = errors(frames)
    long_us = max(LEAST_OFF_FRAMES * STEP_US, rate * 1.1 * LONG_US)
    slow_us = min(long_us, QUEUE_US + rate * LEAST_WINDOWS * WINDOW_US)
    assert max(map(abs, off)) <= (slow_us if rate > 0 else EARLY_US) + 2 * DELAY_US + 200_000 * (late > 0)
    settled = int(1.2 * max(map(abs, off)) / abs(rate) / STEP_US) + 900
    assert max(map(abs, off[settled:])) <= DELAY_US + 10_000
    if not late:
        steps = [b - a - STEP_US for a, b in pairwise(placed(frames)[settled:])]
        assert max(map(abs, steps)) <= STEP_US / 10, "none that can be seen"


@pytest.mark.parametrize("overload", [0.005, 0.01, 0.03])
def test_a_queue_that_fills_slowly_makes_no_clock_slow(overload: float) -> None:
    backlog_us = [min(number * STEP_US * overload, 7 * STEP_US) for number in range(3000)]
    backlog_us[2000:] = [0] * 1000
    frames = shots(lambda _, at: at, [round(late) for late in backlog_us])
    arrivals = accumulate((frame.arrival_us for frame in frames), max)
    assert not any(errors([frame._replace(arrival_us=at) for frame, at in zip(frames, arrivals, strict=True)]))


def test_a_right_clock_is_left_alone_for_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "WINDOW_US", 400_000)  # as many windows as in five times as long
    chance = random.Random(2)
    jitter = [chance.randrange(12_000) + 100_000 * (chance.random() < 0.01) for _ in range(30_000)]
    jitter = [late + 20_000 * (number > 9_000) for number, late in enumerate(jitter)]  # once something gets slower
    frames = shots(lambda _, at: at, jitter)
    arrivals = accumulate((frame.arrival_us for frame in frames), max)
    assert not any(errors([frame._replace(arrival_us=at) for frame, at in zip(frames, arrivals, strict=True)]))


@given(
    backlog=st.lists(st.integers(0, 7), min_size=1, max_size=40),
    step_us=st.integers(8_000, 140_000),
    rate=st.sampled_from([0.5, 1, 1, 1]),
)
@CASES
def test_a_reader_that_is_too_slow_for_its_queue_makes_no_clock_slow(backlog: list[int], step_us: int, rate: float) -> None:
    waiting = [late for most in backlog for late in range(most + 1)]  # fuller and fuller, and then empty
    frames = shots(lambda _, at: at, [late * step_us for late in waiting], step_us)
    arrivals = accumulate((frame.arrival_us for frame in frames), max)
    late = [frame._replace(arrival_us=at) for frame, at in zip(frames, arrivals, strict=True)]
    assert not any(errors(late, round(step_us * rate)))


def test_a_camera_at_half_its_rate_has_a_clock_that_is_right() -> None:
    assert not any(errors(shots(lambda _, at: at, [0] * 500, 2 * STEP_US), STEP_US))


@given(wrong=st.lists(st.sampled_from([-40_000, 0, 0, 0, 0, 40_000]), min_size=10, max_size=100))
@CASES
def test_a_glitch_costs_one_frame_its_time_and_no_clock_its_belief(wrong: list[int]) -> None:
    even = [0, *wrong, 0, 0, 0, 0]
    off = errors(shots(lambda number, at: at + even[number], [0] * len(even)))
    assert off[-2:] == [0, 0]
    assert max(map(abs, off)) <= 40_000 + CLOSE_US


@pytest.mark.parametrize(
    ("count", "elapsed_s", "rate", "can"),
    [
        (1, 0.04, 30, True),
        (10, 0.3, 30, True),
        (300, 10, 30, True),
        (200_000, 0.033, 30, False),
        ((1 << 31) - 1, 3600, 30, False),
        (48_000, 1, 48_000, True),
        (480_000, 1, 48_000, False),
        (1, -5, 30, True),
    ],
)
def test_only_so_much_can_be_lost_in_a_time(count: int, elapsed_s: float, rate: float, can: bool) -> None:
    assert can_be_lost(count, round(elapsed_s * 1e6), rate) is can
