"""Holes in the flow of a device: what never came is counted, jitter and slower exposures are not."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import pytest

from mscli.core.frames import AudioData, VideoFrame
from mscli.core.holes import GAP_US, Holes

RATE = 48_000
MS = 1000


def in_pictures(distances_ms: Sequence[float], sequences: Sequence[int] = (), rate: float = 25) -> int:
    """What is missing among pictures that come at these distances, numbered one by one unless told otherwise."""
    holes, times = Holes(), list(accumulate(distances_ms, initial=0.0))
    numbers = sequences or range(len(times))
    frames = (VideoFrame("GREY", 1, 1, round(at * MS), (), (), None, n) for at, n in zip(times, numbers, strict=True))
    return sum(holes.note(frame, rate) for frame in frames)


def in_sound(late_us: Sequence[int], lost: Sequence[int] = ()) -> int:
    """What is missing among blocks of 10 ms, each so much later than it ought to be, and that the device says were lost."""
    holes, gone = Holes(), list(lost) or [0] * len(late_us)
    blocks = (
        AudioData("s16", RATE, 480, 1, index * 10 * MS + late, memoryview(b""), index * 480 + missing)
        for index, (late, missing) in enumerate(zip(late_us, gone, strict=True))
    )
    return sum(holes.note(block, 0) for block in blocks)


@pytest.mark.parametrize(
    ("distances_ms", "missing"),
    [
        ([40, 40, 120, 40, 40], 2),
        ([40, 40, 440, 40], 10),
        ([40, 40, 440], 0),  # not known before the next
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
        [40, 40, 160, 160, 160, 40, 40],  # it gets dark, and light again
        [40, 160, 160],
        [400, 40, 40],  # a slow start
        [40, 80, 40, 80],
        [40, 40, 0, -40, 40],
    ],
)
def test_jitter_and_other_exposures_are_no_holes(distances_ms: Sequence[float]) -> None:
    assert in_pictures(distances_ms) == 0


def test_pictures_that_the_device_numbered_are_not_counted_again() -> None:
    assert in_pictures([40, 40, 200, 40], [0, 1, 2, 7, 8]) == 0
    assert in_pictures([40, 40, 400, 40], [0, 1, 2, 4, 5]) == 8


def test_a_camera_that_does_not_number_its_pictures_is_judged_by_their_times() -> None:
    assert in_pictures([40, 40, 200, 40], [0] * 5) == 4


@pytest.mark.parametrize(("late_ms", "missing"), [(GAP_US / MS + 1, 768), (1000, 48_000)])
def test_sound_that_never_came_is_counted(late_ms: float, missing: int) -> None:
    late_us = round(late_ms * MS)
    assert in_sound([0, 0, late_us, late_us]) == missing


def test_jitter_of_sound_is_no_hole() -> None:
    assert in_sound([0, 7 * MS, -7 * MS, 7 * MS, 0]) == 0


def test_samples_that_the_device_numbered_are_not_counted_again() -> None:
    assert in_sound([0, 100 * MS, 100 * MS], [0, 4800, 4800]) == 0
    assert in_sound([0, 100 * MS, 100 * MS], [0, 480, 480]) == 4320
