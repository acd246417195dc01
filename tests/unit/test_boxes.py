"""Spans, modes and boxes."""

from __future__ import annotations

import math

import pytest

from mscli.core.boxes import Mode, Span, apart, nonsense, scalars, values_of


@pytest.mark.parametrize(
    ("low", "high", "left"),
    [
        (-math.inf, math.inf, Span(16, 96, 8)),
        (17, 95, Span(24, 88, 8)),
        (24, 24, Span(24, 24, 8)),
        (25, 31, None),
        (97, 200, None),
        (0, 15, None),
        (1e308, math.inf, None),
        (-math.inf, -1e308, None),
        (50, 40, None),
    ],
)
def test_a_cut_keeps_the_steps_inside(low: float, high: float, left: Span | None) -> None:
    assert Span(16, 96, 8).cut(low, high) == left


def test_a_cut_of_a_continuous_span_is_exact() -> None:
    assert Span(1, 30).cut(7.3, 29.97) == Span(7.3, 29.97)


def test_a_fine_step_survives_huge_bounds() -> None:
    assert Span(0.5, 30, 0.5).cut(-1e308, 1e308) == Span(0.5, 30, 0.5)
    assert Span(0.5, 30, 0.5).cut(1e308, 1e309) is None


def test_a_step_that_is_no_binary_fraction_is_met() -> None:
    span = Span(0.1, 1.0, 0.1)
    assert span.cut(0.3, 0.3) is not None
    assert span.nearest(0.7) == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("wanted", "nearest"), [(0, 10), (10, 10), (14, 10), (15, 20), (20, 20), (29, 30), (40, 30), (-5, 30), (1e308, 30)]
)
def test_the_nearest_number_has_the_least_fitness_distance(wanted: float, nearest: float) -> None:
    assert Span(10, 30, 10).nearest(wanted) == nearest


def test_halfway_between_two_numbers_the_larger_one_is_nearer_as_distance_is_relative() -> None:
    assert apart(20, 15) < apart(10, 15)
    assert Span(10, 20, 10).nearest(15) == 20


@pytest.mark.parametrize(("wanted", "nearest"), [(-14.9, -10), (-15.5, -20), (0, 0), (-1, 0), (4, 0)])
def test_numbers_below_zero_have_nearest_ones_too(wanted: float, nearest: float) -> None:
    span = Span(-20, 20, 10)
    assert apart(span.nearest(wanted), wanted) == min(apart(number, wanted) for number in (-20, -10, 0, 10, 20))


def test_the_last_step_may_end_before_max() -> None:
    span = Span(1, 10, 4)
    assert span.nearest(12) == 9
    assert list(scalars(span)) == [1, 9]


def test_the_nearest_number_of_a_continuous_span_is_what_is_wanted() -> None:
    assert Span(1, 30).nearest(29.97) == 29.97


@pytest.mark.parametrize(("actual", "ideal", "distance"), [(0, 0, 0), (5, 0, 1), (0, 5, 1), (5, 10, 0.5), (-5, 5, 2)])
def test_numbers_are_apart_in_proportion(actual: float, ideal: float, distance: float) -> None:
    assert apart(actual, ideal) == distance


def test_a_mode_has_the_contracts_keys() -> None:
    mode = Mode("YUYV", Span(16, 640, 16), 480, Span(1, 30))
    assert mode.to_json() == {
        "width": {"min": 16, "max": 640, "step": 16},
        "height": 480,
        "frameRate": {"min": 1, "max": 30},
        "pixelFormat": "YUYV",
    }


def test_a_number_is_a_set_of_one() -> None:
    assert values_of(5) == (5,)
    assert values_of(Span(1, 2)) == Span(1, 2)


def test_only_numbers_bound_a_set() -> None:
    assert list(scalars(("a", 5, 2.5))) == [5, 2.5]


def test_the_numbers_of_a_span_have_no_rounding_error() -> None:
    assert str(Span(0, 255, 1).nearest(999)) == "255"
    span = Span(0, 1, 0.1)
    wanted = [n / 10 for n in range(11)]
    assert [span.nearest(number) for number in wanted] == wanted
    assert [span.cut(number, number) for number in wanted] == [Span(number, number, 0.1) for number in wanted]


@pytest.mark.parametrize("rate", [1 / 86_400, 30.0, 1_000_000.0, Span(1 / 86_400, 30.0)])
def test_a_camera_can_have_rates_from_a_frame_per_day_to_a_million_per_second(rate: float | Span) -> None:
    assert nonsense(Mode("YUYV", 640, 480, rate)) == ""


@pytest.mark.parametrize("rate", [1 / 86_401, 1e-6, 0.0, 1_000_001.0])
def test_no_camera_has_slower_or_faster_ones(rate: float) -> None:
    assert nonsense(Mode("YUYV", 640, 480, rate)) == "impossible frame rate"
