"""Find the best width and height under an aspect ratio: three properties, two degrees of freedom, whole steps.

For a fixed height, the distance as a function of the width bends only at the ideal width, at the width with the ideal ratio,
and at the ends. Between these points it is linear or concave, so the minimum is at one of them. Along each of the lines on
which these points move, the same holds for the height. Therefore only heights near the crossings of these lines need to be
tried.

Whole steps can break this rule. So every height is tried if there are few heights or if the range of ratios is narrow; every
width has its lines if there are few widths; and heights at which the ideal ratio is exact, or almost, are always tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from math import gcd

from mscli.core.boxes import Span, Values

SIZES = ("width", "height", "aspectRatio")  # the properties that depend on each other

FEW = 96  # search sets up to this many members exhaustively
_NEAR = (-2, -1, 0, 1, 2)  # steps around a crossing
_ONE_RATIO = 1e-9  # a narrower range of ratios contains at most one fraction with terms as small as sizes

Size = tuple[float, float]
Cost = Callable[[float, float], tuple[float, ...]]


def fit_sizes(
    widths: Values, heights: Values, ratios: Values, goal: Mapping[str, float] | None = None, cost: Cost | None = None
) -> Size | None:
    """Return the width and height with the lowest cost and a ratio within ``ratios``, or None if none fit.

    ``goal``: the ideal width, height and aspectRatio, if given. Without ``cost``, return the first size that fits.
    """
    low, high = bounds(ratios)
    fitting = _fitting(widths, heights, (low, high), goal or {})
    return next(fitting, None) if cost is None else min(fitting, key=lambda size: cost(*size), default=None)


def _fitting(widths: Values, heights: Values, ratios: tuple[float, float], goal: Mapping[str, float]) -> Iterator[Size]:
    low, high = ratios
    for height in _heights(widths, heights, ratios, goal):
        for width in _widths(widths, low * height, high * height, height, goal):
            if height > 0 and low <= width / height <= high:
                yield width, height


def bounds(values: Values) -> tuple[float, float]:
    """Return the smallest and the largest number of a set."""
    if isinstance(values, Span):
        return values.min, values.max
    numbers = [float(value) for value in values]
    return min(numbers), max(numbers)


def _heights(widths: Values, heights: Values, ratios: tuple[float, float], goal: Mapping[str, float]) -> Iterable[float]:
    if not isinstance(heights, Span):
        return [float(value) for value in heights]
    narrow = (ratios[1] - ratios[0]) * heights.max < 2 * (widths.step if isinstance(widths, Span) else 1)
    if _few(heights) or (narrow and ratios[1] - ratios[0] >= _ONE_RATIO):
        return _every(heights)
    aligned = _aligned(heights) and _aligned(widths)
    if ratios[1] - ratios[0] < _ONE_RATIO:
        return _multiples(heights, widths, ratios, goal) if aligned else _every(heights)
    crossings, ideal = _crossings(heights, widths, ratios, goal), goal.get("aspectRatio", 0)
    return {*crossings, *_multiples(heights, widths, (ideal, ideal), goal, exact=False)} if ideal and aligned else crossings


def _few(span: Span) -> bool:
    return span.max - span.min <= FEW * (span.step or 1)


def _aligned(values: Values) -> bool:
    """Return whether the grid of a set contains 0."""
    return not isinstance(values, Span) or values.min % (values.step or 1) == 0


def _every(span: Span) -> Iterator[float]:
    value = span.min
    while value <= span.max:
        yield value
        value += span.step or 1


def _multiples(
    heights: Span, widths: Values, ratios: tuple[float, float], goal: Mapping[str, float], *, exact: bool = True
) -> Iterable[float]:
    """Return heights near the crossings at which a ratio can be met: multiples of its fraction's denominator.

    ``ratios``: a range that contains at most one such fraction. If not ``exact``, a nearby fraction is accepted.
    """
    from fractions import Fraction  # imported late: rarely needed, and 10 % of the start-up time

    ratio = (ratios[0] + ratios[1]) / 2
    fraction = Fraction(ratio).limit_denominator(max(1, int(heights.max))) if ratio > 0 else Fraction(0)
    if not fraction or (exact and not ratios[0] <= fraction.numerator / fraction.denominator <= ratios[1]):
        return ()
    unit = fraction.denominator * _repeat(heights.step, fraction.denominator)
    unit *= _repeat(widths.step if isinstance(widths, Span) else 1, int(unit * fraction))
    counts = {int(crossing // unit) + offset for crossing in _lines(heights, widths, [ratio], goal) for offset in _NEAR}
    return sorted(float(count * unit) for count in counts if heights.cut(count * unit, count * unit) is not None)


def _repeat(step: float, unit: int) -> int:
    """Return after how many units a value lands on a grid with that step again."""
    whole = int(step) or 1
    return whole // gcd(whole, unit)


def _crossings(heights: Span, widths: Values, ratios: tuple[float, float], goal: Mapping[str, float]) -> Iterable[float]:
    """Return the heights near the crossings of two lines on which the distance bends."""
    lines = _lines(heights, widths, [*ratios, goal.get("aspectRatio", 0)], goal)
    near = {heights.nearest(crossing) + offset * (heights.step or 1) for crossing in lines for offset in _NEAR}
    return sorted(height for height in near if heights.min <= height <= heights.max)


def _lines(heights: Span, widths: Values, ratios: list[float], goal: Mapping[str, float]) -> list[float]:
    members = _every(widths) if isinstance(widths, Span) and _few(widths) else bounds(widths)
    across = [*members, *([goal["width"]] if "width" in goal else [])]
    own = [heights.min, heights.max, *([goal["height"]] if "height" in goal else [])]
    return own + [width / ratio for width in across for ratio in ratios if ratio > 0]


def _widths(widths: Values, low: float, high: float, height: float, goal: Mapping[str, float]) -> Iterable[float]:
    """Return the widths worth trying at one height, between ``low`` and ``high``."""
    if not isinstance(widths, Span):
        return [float(value) for value in widths]
    allowed = widths.cut(low, high)
    if allowed is None:
        return ()
    wanted = {allowed.min, allowed.max}
    if "width" in goal:
        wanted.add(allowed.nearest(goal["width"]))
    if "aspectRatio" in goal:
        ideal = goal["aspectRatio"] * height
        wanted |= {allowed.nearest(ideal + offset * (allowed.step or 1)) for offset in (-1, 0, 1)}
    return sorted(wanted)
