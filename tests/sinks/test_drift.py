"""The line through two clocks' differences, against numpy's, and what it says when there is little to go by."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from mscli.media.timeline import FORGET_S, DriftLine


def noted(*points: tuple[float, float]) -> DriftLine:
    line = DriftLine()
    for at_s, late_s in points:
        line.note(at_s, late_s)
    return line


def test_it_is_the_weighted_least_squares_line() -> None:
    chance = Random(1)
    at_s = np.sort([chance.uniform(1000, 1100) for _ in range(500)])
    late_s = np.array([3e-4 * at + chance.gauss(0, 0.005) for at in at_s])
    line = noted(*zip(at_s.tolist(), late_s.tolist(), strict=True))
    weights = np.exp((at_s - at_s[-1]) / FORGET_S)
    slope, late = np.polyfit(at_s - at_s[-1], late_s, 1, w=np.sqrt(weights))
    assert (line.slope, line.late_s) == pytest.approx((slope, late), rel=1e-6)


def test_days_of_points_are_as_good_as_minutes() -> None:
    line = noted(*((200_000 + at / 10, 2e-4 * at / 10) for at in range(5000)))
    assert line.slope == pytest.approx(2e-4, rel=1e-6)
    assert line.late_s == pytest.approx(2e-4 * 499.9, rel=1e-6)


@pytest.mark.parametrize("points", [(), ((5.0, 0.1),), ((5.0, 0.1), (5.0, 0.3)), ((5.0, 0.1), (4.0, 0.3))])
def test_without_two_times_there_is_no_slope(points: tuple[tuple[float, float], ...]) -> None:
    line = noted(*points)
    assert (line.slope, line.span_s) == (0, 0)
    assert line.late_s == pytest.approx(sum(late for _, late in points) / len(points) if points else 0)


def test_the_span_is_the_time_that_was_watched_and_begins_anew_after_a_long_silence() -> None:
    watched = [(at / 100, 0.0) for at in range(800)]
    assert noted(*watched).span_s == pytest.approx(8, rel=0.05)
    assert noted(*watched, *((10_000 + at, late) for at, late in watched)).span_s == pytest.approx(8, rel=0.05)
