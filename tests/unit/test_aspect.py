"""Width and height under an aspect ratio, compared with trying every size."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import pytest

from mscli.core.aspect import Cost, fit_sizes
from mscli.core.boxes import Span, apart

ANY = Span(0.0001, 10000)
NINE = 16 / 9


def cost(goal: Mapping[str, float]) -> Cost:
    """Return the fitness distance of a size from a goal."""

    def far(width: float, height: float) -> tuple[float]:
        at = {"width": width, "height": height, "aspectRatio": width / height}
        return (sum(apart(at[name], wanted) for name, wanted in goal.items()),)

    return far


@pytest.mark.parametrize("goal", [
    {"width": 7, "height": 7}, {"aspectRatio": 1.5}, {"aspectRatio": 1.7, "height": 5}, {"width": 3, "aspectRatio": 0.4},
    {"width": 13, "height": 2, "aspectRatio": 1.0}, {"width": 100}, {"height": 0, "aspectRatio": 2.9},
])  # fmt: skip
@pytest.mark.parametrize("ratios", [ANY, Span(1.2, 1.9), Span(0.1, 0.5), Span(1.5, 1.5), Span(2.5, 9.0)])
def test_the_size_that_costs_least_is_found(goal: dict[str, float], ratios: Span) -> None:
    widths, heights = Span(2, 12, 2), Span(3, 9, 1)
    far = cost(goal)
    every = [(w, h) for w, h in product(range(2, 13, 2), range(3, 10)) if ratios.min <= w / h <= ratios.max]
    found = fit_sizes(widths, heights, ratios, goal, far)
    if found is None:
        assert not every
    else:
        assert (int(found[0]), int(found[1])) in every
        assert far(*found) == pytest.approx(min(far(*size) for size in every))


@pytest.mark.parametrize(
    ("widths", "heights", "size"),
    [
        (Span(1, 3840, 1), Span(1, 2160, 1), (1920, 1080)),
        (Span(16, 1920, 16), Span(16, 1088, 16), (1792, 1008)),
        (Span(32, 4096, 32), Span(2, 3000, 2), (1920, 1080)),
        (Span(16, 1930, 16), Span(15, 2000, 1), (1920, 1080)),
    ],
)
def test_an_exact_ratio_is_met_on_any_grid(widths: Span, heights: Span, size: tuple[float, float]) -> None:
    goal = {"width": 1920.0, "height": 1080.0}
    assert fit_sizes(widths, heights, Span(NINE, NINE), goal, cost(goal)) == size


def test_an_exact_ratio_is_met_on_a_grid_that_does_not_pass_through_zero() -> None:
    width, height = fit_sizes(Span(48, 4096, 32), Span(2, 3000, 2), Span(4 / 3, 4 / 3)) or (0, 1)
    assert (width / height, (width - 48) % 32, height % 2) == (4 / 3, 0, 0)


def test_a_ratio_that_no_grid_point_has_fits_nothing() -> None:
    assert fit_sizes(Span(2, 4096, 2), Span(1, 3, 2), Span(1.7, 1.71)) is None
    assert fit_sizes(Span(1, 3840, 1), Span(1, 2160, 1), Span(0.1234567890123, 0.1234567890123)) is None


def test_few_widths_have_the_height_of_the_best_ratio() -> None:
    goal = {"aspectRatio": 3.5882274400566403, "height": 480.0}
    assert fit_sizes(Span(1, 100, 1), Span(1, 2160, 1), ANY, goal, lambda w, h: (apart(w / h, goal["aspectRatio"]),)) == (
        61,
        17,
    )


def test_sets_of_single_values_are_tried_as_they_are() -> None:
    goal = {"width": 640.0}
    assert fit_sizes((320, 640), Span(160, 320, 160), Span(2, 3), goal, cost(goal)) == (640, 320)
    assert fit_sizes(Span(100, 400, 20), (100, 300), Span(1, 1)) == (100, 100)


def test_without_a_cost_any_size_that_fits_will_do() -> None:
    width, height = fit_sizes(Span(1, 3840, 1), Span(1, 2160, 1), Span(1.33, 1.34)) or (0, 1)
    assert 1.33 <= width / height <= 1.34
