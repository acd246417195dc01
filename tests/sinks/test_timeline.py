"""The account of sound: whatever a device does, samples stand where they were heard, and what is missing is counted."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from mscli.sinks.timeline import DRIFT_US, GAP_US, AudioTimeline, Placement

RATE = 48_000
BLOCK = 480  # 10 ms
BLOCK_US = 10_000


def at(timeline: AudioTimeline, index: int, *, late_us: int = 0, lost: int = 0) -> Placement:
    """Place the block with that number; ``lost`` is what the device says was lost before it (samples)."""
    return timeline.place(index * BLOCK_US + late_us, BLOCK, index * BLOCK + lost)


def test_blocks_that_follow_each_other_are_left_alone() -> None:
    timeline = AudioTimeline(RATE, 0)
    assert [at(timeline, index) for index in range(500)] == [Placement()] * 500
    assert timeline.position == 500 * BLOCK


def test_jitter_is_no_gap() -> None:
    timeline = AudioTimeline(RATE, 0)
    assert {at(timeline, index, late_us=(index * 7919) % GAP_US) for index in range(500)} == {Placement()}


def test_a_late_start_is_silence() -> None:
    timeline = AudioTimeline(RATE, 0)
    assert timeline.place(100_000, BLOCK, 77) == Placement(silence=4800)
    assert timeline.silence == 4800


def test_what_was_heard_before_the_origin_is_left_out() -> None:
    timeline = AudioTimeline(RATE, 15_000)
    assert [at(timeline, index) for index in range(3)] == [Placement(skip=480), Placement(skip=240), Placement()]
    assert (timeline.position, timeline.skipped) == (720, 720)


def test_a_loss_that_the_device_counts_is_filled_to_the_sample() -> None:
    timeline = AudioTimeline(RATE, 0)
    at(timeline, 0)
    assert timeline.place(21_234, BLOCK, BLOCK + 500) == Placement(silence=500)


def test_a_stall_that_the_device_does_not_count_is_filled_by_the_clock() -> None:
    timeline = AudioTimeline(RATE, 0)
    at(timeline, 0)
    assert timeline.place(BLOCK_US + 25_000, BLOCK, BLOCK) == Placement(silence=1200)


def test_a_count_that_the_clock_contradicts_is_not_believed() -> None:
    timeline = AudioTimeline(RATE, 0)
    at(timeline, 0)
    assert timeline.place(BLOCK_US, BLOCK, BLOCK + 10 * RATE) == Placement()


def test_a_slow_clock_is_corrected_before_it_is_heard_beside_the_picture() -> None:
    timeline = AudioTimeline(RATE, 0)
    corrections = [timeline.place(index * (BLOCK_US + 2), BLOCK, index * BLOCK).silence for index in range(100_000)]
    assert max(corrections) <= (DRIFT_US + 100) * RATE // 1_000_000
    assert 4 <= sum(count > 0 for count in corrections) <= 5


def test_a_fast_clock_loses_what_it_has_too_much() -> None:
    timeline = AudioTimeline(RATE, 0)
    skips = [timeline.place(index * (BLOCK_US - 2), BLOCK, index * BLOCK).skip for index in range(100_000)]
    assert timeline.skipped == sum(skips) > 0
    assert timeline.silence == 0


def test_a_track_without_sound_keeps_up_with_silence_once() -> None:
    timeline = AudioTimeline(RATE, 0)
    assert timeline.advance(1_000_000) == RATE
    assert timeline.advance(1_000_000) == timeline.advance(500_000) == 0
    assert timeline.place(1_000_000, BLOCK, 0) == Placement()


class Step(NamedTuple):
    """What happens before a block: ``wait_us`` of nothing, ``told`` if the device counts it, and the jitter of its time."""

    wait_us: int
    told: bool
    jitter_us: int


STEPS = st.lists(
    st.builds(Step, st.one_of(st.just(0), st.integers(0, 3_000_000)), st.booleans(), st.integers(-8000, 8000)), max_size=60
)


@given(rate=st.sampled_from([8000, 44_100, 48_000, 192_000]), origin=st.integers(-(10**6), 10**6), steps=STEPS)
def test_sound_never_runs_away_and_every_sample_is_accounted_for(rate: int, origin: int, steps: list[Step]) -> None:
    timeline = AudioTimeline(rate, origin)
    samples = rate // 100
    true_us, sequence, given_in = 0, 0, 0
    for step in steps:
        true_us += step.wait_us
        sequence += step.wait_us * rate // 1_000_000 if step.told else 0
        before = timeline.position
        stamp_us = true_us + step.jitter_us
        silence, skip = timeline.place(stamp_us, samples, sequence)
        given_in += samples
        assert silence >= 0
        assert 0 <= skip <= samples
        assert timeline.position == before + silence + samples - skip
        assert timeline.position + timeline.skipped == timeline.silence + given_in
        if skip < samples:
            start = timeline.position - samples + skip
            heard_us = stamp_us - origin + skip * 1_000_000 / rate
            assert abs(start * 1_000_000 / rate - heard_us) <= DRIFT_US + 1_000_000 / rate
        true_us += 10_000
        sequence += samples
