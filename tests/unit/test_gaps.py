"""Gaps in the frames of a device: missing frames are counted; jitter and slow exposures are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from random import Random

import pytest

from mscli.core.frames import AudioData, EncodedVideoChunk, VideoFrame
from mscli.core.timing import SOUND_GAP_US, Gaps

RATE = 48_000
MS = 1000


def in_pictures(distances_ms: Sequence[float], sequences: Sequence[int] = (), rate: float = 25) -> int:
    """Return how many video frames are missing at these distances, numbered consecutively by default."""
    gaps, times = Gaps(), list(accumulate(distances_ms, initial=0.0))
    numbers = sequences or range(len(times))
    frames = (VideoFrame("GREY", 1, 1, round(at * MS), (), (), None, n) for at, n in zip(times, numbers, strict=True))
    return sum(gaps.note(frame, rate) for frame in frames)


def in_sound(late_us: Sequence[int], lost: Sequence[int] = ()) -> int:
    """Return the missing samples among blocks of 10 ms, each late by this much, with these losses reported by the device."""
    gaps, gone = Gaps(), list(lost) or [0] * len(late_us)
    blocks = (
        AudioData("s16", RATE, 480, 1, index * 10 * MS + late, memoryview(b""), index * 480 + missing)
        for index, (late, missing) in enumerate(zip(late_us, gone, strict=True))
    )
    return sum(gaps.note(block, 0) for block in blocks)


@pytest.mark.parametrize(
    ("distances_ms", "missing"),
    [
        ([40, 40, 120, 40, 40], 2),
        ([40, 40, 440, 40], 10),
        ([40, 40, 440], 0),  # not known before the next frame
        ([40, 400, 40, 40, 200, 40], 13),
        ([100, 100, 500, 100], 4),  # of a camera that is slow in the dark
    ],
)
def test_pictures_that_never_came_are_counted(distances_ms: Sequence[float], missing: int) -> None:
    assert in_pictures(distances_ms) == missing


@pytest.mark.parametrize(
    "distances_ms",
    [
        [40] * 9,
        [76, 4, 76, 4, 76, 4],  # jitter
        [40, 40, 80, 40, 40],
        [40, 40, 160, 160, 160, 40, 40],  # it gets dark, and bright again
        [40, 160, 160],
        [400, 40, 40],  # a slow start
        [40, 80, 40, 80],
        [40, 40, 0, -40, 40],
    ],
)
def test_jitter_and_other_exposures_are_no_gaps(distances_ms: Sequence[float]) -> None:
    assert in_pictures(distances_ms) == 0


@pytest.mark.parametrize(
    ("distances_ms", "missing"),
    [
        ([40, 40, 400, 0, 0, 0, 0, 0, 0, 0, 0, 0, 40, 40], 0),  # all came at once
        ([40, 40, 400, 30, 25, 20, 10, 5, 0, 0, 0, 0, 0, 0, 0, 40, 40], 0),
        ([40, 40, 400, 0, 0, 0, 0, 40, 40], 5),  # four came at once
        ([40, 40, 400, 0, 0, 0, 0, 400, 0, 40, 40], 13),
        ([40, 160, 4, 4, 4, 4, 140, 4, 4, 36, 40] * 20, 0),
    ],
)
def test_pictures_of_a_burst_were_late_and_not_lost(distances_ms: Sequence[float], missing: int) -> None:
    assert in_pictures(distances_ms) == missing


@pytest.mark.parametrize("seed", range(5))
def test_pictures_whose_times_scatter_are_not_lost(seed: int) -> None:
    chance = Random(seed)
    times = accumulate((number * 40 + chance.random() * 300 for number in range(400)), max)
    assert in_pictures([late - early for early, late in pairwise(times)]) < 8


def test_nothing_is_missing_where_the_time_before_was_wrong() -> None:
    gaps, missing = Gaps(), 0
    for number, at_ms in enumerate((0, 20, 40, 60, 400, 440, 480, 520)):
        if at_ms == 400:
            gaps.leap()
        missing += gaps.note(VideoFrame("GREY", 1, 1, at_ms * MS, (), (), None, number), 25)
    assert missing == 0


def test_pictures_that_are_decoded_in_another_order_leave_no_gap() -> None:
    gaps, missing = Gaps(), 0
    for number, shown in enumerate((3, 11, 7, 5, 4, 6, 9, 8, 10, 19, 15, 13, 12)):
        reorder_us = (shown - number) * 40 * MS
        chunk = EncodedVideoChunk("delta", shown * 40 * MS, memoryview(b"0"), "h264", 64, 48, reorder_us=reorder_us)
        missing += gaps.note(replace(chunk, sequence=number), 25)
    assert missing == 0


def test_pictures_that_the_device_numbered_are_not_counted_again() -> None:
    assert in_pictures([40, 40, 200, 40], [0, 1, 2, 7, 8]) == 0
    assert in_pictures([40, 40, 400, 40], [0, 1, 2, 4, 5]) == 8


def test_numbers_that_jump_further_than_time_allows_hide_no_hole() -> None:
    assert in_pictures([40, 40, 200, 40], [0, 1, 2, 200_000, 200_001]) == 4
    assert in_sound([0, 100 * MS, 100 * MS], [0, 480_000_000, 480_000_000]) == 4800


def test_a_camera_that_does_not_number_its_pictures_is_judged_by_their_times() -> None:
    assert in_pictures([40, 40, 200, 40], [0] * 5) == 4


@pytest.mark.parametrize(("late_ms", "missing"), [(SOUND_GAP_US / MS + 1, 768), (1000, 48_000)])
def test_sound_that_never_came_is_counted(late_ms: float, missing: int) -> None:
    late_us = round(late_ms * MS)
    assert in_sound([0, 0, late_us, late_us]) == missing


def test_jitter_of_sound_is_no_hole() -> None:
    assert in_sound([0, 7 * MS, -7 * MS, 7 * MS, 0]) == 0


def test_samples_that_the_device_numbered_are_not_counted_again() -> None:
    assert in_sound([0, 100 * MS, 100 * MS], [0, 4800, 4800]) == 0
    assert in_sound([0, 100 * MS, 100 * MS], [0, 480, 480]) == 4320
