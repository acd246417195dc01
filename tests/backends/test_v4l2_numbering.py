"""Numbers of drivers: which show missing frames, and which rise by more than one although none is missing."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mscli.sources.v4l2.numbering import LEARNED, SEQUENCE_RANGE, Numbering

STEP_US = 33_333
EVEN = range(LEARNED + 4)


def counted(numbers: Sequence[int], places: Sequence[int]) -> tuple[list[int], list[int]]:
    """What is missing before each frame, and its number. ``places``: when each comes, in durations of a frame."""
    numbering = Numbering(STEP_US)
    missing, found = [], []
    for number, place in zip(numbers, places, strict=True):
        missing.append(numbering.note(number % SEQUENCE_RANGE, place * STEP_US, place * STEP_US))
        found.append(numbering.number)
    return missing, found


@pytest.mark.parametrize("step", [2, 3, 5])
def test_a_constant_step_at_the_nominal_rate_loses_nothing(step: int) -> None:
    missing, found = counted([7 + step * n for n in EVEN], EVEN)
    assert (sum(missing), found) == (0, [7 + n for n in EVEN])


def test_a_camera_that_loses_every_second_frame_reports_each_at_once() -> None:
    numbers = [2 * n for n in EVEN]
    assert counted(numbers, numbers) == ([0] + [1] * (len(EVEN) - 1), numbers)


@given(st.lists(st.booleans(), min_size=2, max_size=40), st.sampled_from([1, 2]), st.integers(0, 5))
def test_what_is_lost_is_found_with_every_step(lost: list[bool], step: int, first: int) -> None:
    places = [place for place, gone in enumerate(lost) if not gone] or [0]
    missing, found = counted([first + step * place for place in places], places)
    gone = places[-1] - places[0] + 1 - len(places)
    assert sum(missing) == gone if step == 1 else sum(missing) >= gone
    assert found == sorted(set(found))


def test_frames_lost_from_fields_that_are_counted_are_reported() -> None:
    places = [*EVEN, EVEN[-1] + 2, EVEN[-1] + 3]
    assert sum(counted([2 * place for place in places], places)[0]) == 1
    places = [0, 1, 3, *(4 + n for n in EVEN)]
    assert counted([2 * place for place in places], places)[0][:4] == [0, 0, 1, 0]


def test_a_step_that_was_none_is_made_up_for() -> None:
    numbers = [0, 2, 4, 5, 6]
    missing, found = counted(numbers, [0, 1, 2, 3, 4])  # stamps that came too early
    assert (sum(missing), found) == (2, [0, 1, 2, 5, 6])
    numbers = [*(2 * n for n in EVEN), 2 * EVEN[-1] + 1, 2 * EVEN[-1] + 2, 2 * EVEN[-1] + 4]
    assert counted(numbers, range(len(numbers)))[0][-3:] == [0, 0, 1]


def test_a_late_frame_does_not_hide_a_step() -> None:
    places = [0, 3, 4, *(5 + n for n in EVEN)]  # the first frame came early
    missing, _ = counted([2 * n for n in range(len(places))], places)
    assert missing[3:] == [0] * (len(places) - 3)
    assert sum(missing) <= 2


@pytest.mark.parametrize("numbers", [[0] * 9, [1_000_000 - n for n in range(9)], [n % 3 for n in range(9)]])
def test_numbers_that_mean_nothing_lose_nothing(numbers: list[int]) -> None:
    assert counted(numbers, range(9)) == ([0] * 9, numbers)


def test_numbers_wrap_behind_the_last_one_of_32_bits() -> None:
    last = SEQUENCE_RANGE - 1
    assert counted([last - 1 + n for n in range(4)], range(4)) == ([0] * 4, [last - 1, last, 0, 1])
