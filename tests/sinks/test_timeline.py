"""The account of sound: whatever a device does, samples stand where they were heard, and what is missing is counted."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mscli.core.timing import SOUND_GAP_US
from mscli.media.timeline import MEASURE_S, MOST, RUNAWAY_US, UNHEARD_S, AudioTimeline, Placement

RATE = 48_000
BLOCK = 480  # 10 ms
BLOCK_US = 10_000


def at(timeline: AudioTimeline, index: int, *, late_us: int = 0, lost: int = 0) -> Placement:
    """FolderEntry the block with that number; ``lost`` is what the device says was lost before it (samples)."""
    return timeline.place(index * BLOCK_US + late_us, BLOCK, index * BLOCK + lost)


class Drifting(NamedTuple):
    """What became of blocks whose clock runs ``ppm`` millionths fast: the timeline, and how far off each was (seconds)."""

    timeline: AudioTimeline
    off_s: list[float]
    ratios: list[float]  # by which each was made longer


def drifting(ppm: float, seconds: int = 300, jitter_us: int = 0) -> Drifting:
    """Blocks of 10 ms, timed by a clock that is right but for its jitter."""
    timeline, chance, off_s, ratios = AudioTimeline(RATE, 0), Random(ppm), [], []
    for index in range(seconds * 100):
        true_us = index * BLOCK_US / (1 + ppm / 1_000_000)
        stamp_us = round(true_us + (chance.uniform(-jitter_us, jitter_us) if index else 0))
        placement = timeline.place(stamp_us, BLOCK, index * BLOCK)
        assert (placement.silence, placement.skip) == (0, 0)
        off_s.append(placement.position / RATE - true_us / 1_000_000)
        ratios.append((timeline.position - placement.position) / BLOCK - 1)
    return Drifting(timeline, off_s, ratios)


def test_blocks_that_follow_each_other_are_left_alone() -> None:
    timeline = AudioTimeline(RATE, 0)
    assert [at(timeline, index) for index in range(500)] == [Placement(0, 0, index * BLOCK) for index in range(500)]
    assert timeline.position == 500 * BLOCK


def test_jitter_is_no_gap() -> None:
    timeline = AudioTimeline(RATE, 0)
    placements = [at(timeline, index, late_us=(index * 7919) % SOUND_GAP_US) for index in range(500)]
    assert {placement[:2] for placement in placements} == {(0, 0)}


def test_a_late_start_is_silence() -> None:
    timeline = AudioTimeline(RATE, 0)
    assert timeline.place(100_000, BLOCK, 77) == Placement(4800, 0, 4800)
    assert timeline.silence == 4800


def test_what_was_heard_before_the_origin_is_left_out() -> None:
    timeline = AudioTimeline(RATE, 15_000)
    assert [at(timeline, index).skip for index in range(3)] == [480, 240, 0]
    assert (timeline.position, timeline.skipped) == (720, 720)


def test_a_loss_that_the_device_counts_is_filled_to_the_sample() -> None:
    timeline = AudioTimeline(RATE, 0)
    at(timeline, 0)
    assert timeline.place(21_234, BLOCK, BLOCK + 500).silence == 500


@pytest.mark.parametrize("gap_us", [16_000, 20_000, 30_000, 45_000, 60_000, 2_000_000])
def test_a_stall_that_the_device_does_not_count_is_filled_by_the_clock(gap_us: int) -> None:
    timeline = AudioTimeline(RATE, 0)
    at(timeline, 0)
    assert timeline.place(BLOCK_US + gap_us, BLOCK, BLOCK).silence == gap_us * RATE // 1_000_000
    assert timeline.silence == gap_us * RATE // 1_000_000


@pytest.mark.parametrize("gap_us", [6_000, 10_000, 14_000])
def test_a_gap_that_might_be_jitter_is_made_up_for_without_a_step(gap_us: int) -> None:
    timeline = AudioTimeline(RATE, 0)
    for index in range(6000):
        assert at(timeline, index, late_us=gap_us if index > 1000 else 0)[:2] == (0, 0)
    assert abs(timeline.position / RATE - 60 - gap_us / 1_000_000) < 0.004


def test_a_count_that_the_clock_contradicts_is_not_believed() -> None:
    timeline = AudioTimeline(RATE, 0)
    at(timeline, 0)
    assert timeline.place(BLOCK_US, BLOCK, BLOCK + 10 * RATE)[:2] == (0, 0)


@pytest.mark.parametrize(("late_us", "wanted"), [(7_000, (336, 0)), (-7_000, (0, 336)), (-17_000, (0, 480))])
def test_after_a_pause_sound_goes_on_where_the_clock_says(late_us: int, wanted: tuple[int, int]) -> None:
    timeline = AudioTimeline(RATE, 0)
    for index in range(5):
        at(timeline, index)
    assert at(timeline, 5, late_us=late_us, lost=3 * RATE)[:2] == wanted
    assert at(timeline, 6, late_us=late_us, lost=3 * RATE)[:2] == (0, 336 if late_us == -17_000 else 0)


# Drift


@pytest.mark.parametrize("jitter_us", [0, 5000])
@pytest.mark.parametrize("ppm", [-500, -200, -50, 50, 200, 500])
def test_a_clock_that_runs_wrong_is_followed_without_a_step(ppm: int, jitter_us: int) -> None:
    timeline, off_s, ratios = drifting(ppm, jitter_us=jitter_us)
    assert max(map(abs, off_s)) < UNHEARD_S + 0.002
    assert max(map(abs, off_s[-6000:])) < (0.001 if timeline.stretching else UNHEARD_S)
    assert max(map(abs, ratios)) < 0.6 * MOST
    assert timeline.drift_ppm == pytest.approx(ppm, abs=5)
    assert (timeline.silence, timeline.skipped) == (0, 0)


@pytest.mark.parametrize("jitter_us", [0, 5000])
@pytest.mark.parametrize("ppm", [0, 10])
def test_a_clock_that_agrees_leaves_the_sound_as_it_is(ppm: int, jitter_us: int) -> None:
    timeline, _, ratios = drifting(ppm, jitter_us=jitter_us)
    assert not timeline.stretching
    assert {round(ratio, 12) for ratio in ratios} == {0}


def test_the_pitch_changes_slowly_whatever_the_jitter() -> None:
    ratios = drifting(200, jitter_us=7000).ratios
    begun = next(index for index, ratio in enumerate(ratios) if ratio)
    steps = [abs(ratios[index + 1] - ratios[index]) for index in range(begun, len(ratios) - 1)]
    assert max(steps) < 5e-6


def test_a_drift_is_not_told_before_it_is_known() -> None:
    assert drifting(300, seconds=round(MEASURE_S) - 1).timeline.drift_ppm == 0
    assert drifting(300, seconds=round(MEASURE_S) + 2).timeline.drift_ppm == 300


@pytest.mark.parametrize("ppm", [-9000, 9000])
def test_a_clock_that_is_broken_does_not_run_away(ppm: int) -> None:
    timeline = AudioTimeline(RATE, 0)
    for index in range(10_000):
        true_us = index * BLOCK_US / (1 + ppm / 1_000_000)
        position = timeline.place(round(true_us), BLOCK, index * BLOCK).position
        assert abs(position / RATE - true_us / 1_000_000) <= RUNAWAY_US / 1_000_000 + 0.001
    assert (timeline.silence > 0, timeline.skipped > 0) == (ppm < 0, ppm > 0)


def test_a_long_stall_leaves_the_drift_as_it_was() -> None:
    timeline, _, ratios = drifting(200, seconds=100)
    for index in range(10_000, 10_500):
        stamp_us = round(600_000_000 + index * BLOCK_US / 1.0002) + (3000 if index % 2 else 0)
        before = timeline.place(stamp_us, BLOCK, index * BLOCK).position
        ratios.append((timeline.position - before) / BLOCK - 1)
    assert ratios[-500:] == pytest.approx([-200e-6] * 500, abs=1e-5)


def test_a_track_without_sound_keeps_up_with_silence_once() -> None:
    timeline = AudioTimeline(RATE, 0)
    assert timeline.advance(1_000_000) == RATE
    assert timeline.advance(1_000_000) == timeline.advance(500_000) == 0
    assert timeline.place(1_000_000, BLOCK, 0) == Placement(0, 0, RATE)


class Step(NamedTuple):
    """What happens before a block: ``wait_us`` of nothing, ``told`` if the device counts it, and the jitter of its time."""

    wait_us: int
    told: bool
    jitter_us: int


STEPS = st.lists(
    st.builds(Step, st.one_of(st.just(0), st.integers(0, 3_000_000)), st.booleans(), st.integers(-8000, 8000)), max_size=60
)


@given(rate=st.sampled_from([8000, 44_100, 48_000, 192_000]), origin=st.integers(-(10**6), 10**6), steps=STEPS)
@settings(derandomize=True, deadline=None, database=None)
def test_sound_never_runs_away_and_every_sample_is_accounted_for(rate: int, origin: int, steps: list[Step]) -> None:
    timeline = AudioTimeline(rate, origin)
    samples = rate // 100
    true_us, sequence, given_in = 0, 0, 0
    for step in steps:
        true_us += step.wait_us
        sequence += step.wait_us * rate // 1_000_000 if step.told else 0
        before = timeline.position
        stamp_us = true_us + step.jitter_us
        silence, skip, position = timeline.place(stamp_us, samples, sequence)
        given_in += samples
        assert silence >= 0
        assert 0 <= skip <= samples
        assert position == before + silence
        assert abs(timeline.position - (position + samples - skip)) <= MOST * samples
        stretched = timeline.position + timeline.skipped - timeline.silence - given_in
        assert timeline.stretching or abs(stretched) < 1e-6
        if skip < samples:
            heard_us = stamp_us - origin + skip * 1_000_000 / rate
            assert abs(position * 1_000_000 / rate - heard_us) <= RUNAWAY_US + 1_000_000 / rate
        true_us += 10_000
        sequence += samples
