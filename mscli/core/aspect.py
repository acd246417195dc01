"""Width and height under an aspect ratio: three properties, two freedoms, whole steps.

For one height the distance, as a function of the width, bends only at the ideal width, at the width of the ideal ratio and at
the ends; between these it is linear or concave, so that one of them is the best. Along each of those lines the same holds for
the height. So only heights near the crossings of the lines matter, except where whole steps decide: in small sets of heights
and for narrow ranges of ratios every height is tried, in small sets of widths every width has its lines, and heights at
which the ideal ratio can be met, or nearly, are tried in any case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from math import gcd

from mscli.core.boxes import Span, Values

SIZES = ("width", "height", "aspectRatio")  # the properties that are tied to each other

FEW = 96  # sets with no more members than this are searched one by one
_NEAR = (-2, -1, 0, 1, 2)  # steps around a crossing
_ONE_RATIO = 1e-9  # in a range of ratios that is narrower is one fraction of any size that a picture has

Size = tuple[float, float]
Cost = Callable[[float, float], tuple[float, ...]]


def fit_sizes(
    widths: Values, heights: Values, ratios: Values, goal: Mapping[str, float] | None = None, cost: Cost | None = None
) -> Size | None:
    """The width and height out of the sets, with a ratio out of ``ratios``, that cost the least; None if there are none.

    ``goal``: the ideal width, height and aspectRatio as far as there are any. Without ``cost`` the first that fits.
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
    """The least and the greatest number of a set."""
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
    """Whether the grid of a set passes through 0."""
    return not isinstance(values, Span) or values.min % (values.step or 1) == 0


def _every(span: Span) -> Iterator[float]:
    value = span.min
    while value <= span.max:
        yield value
        value += span.step or 1


def _multiples(
    heights: Span, widths: Values, ratios: tuple[float, float], goal: Mapping[str, float], *, exact: bool = True
) -> Iterable[float]:
    """The heights at which a ratio can be met, near the crossings: multiples of the denominator of its fraction.

    ``ratios``: the least and the greatest, with not more than one fraction between them. Unless ``exact`` one near it will do.
    """
    from fractions import Fraction  # late: few constraints need it, and it costs a tenth of a start

    ratio = (ratios[0] + ratios[1]) / 2
    fraction = Fraction(ratio).limit_denominator(max(1, int(heights.max))) if ratio > 0 else Fraction(0)
    if not fraction or (exact and not ratios[0] <= fraction.numerator / fraction.denominator <= ratios[1]):
        return ()
    unit = fraction.denominator * _repeat(heights.step, fraction.denominator)
    unit *= _repeat(widths.step if isinstance(widths, Span) else 1, int(unit * fraction))
    counts = {int(crossing // unit) + offset for crossing in _lines(heights, widths, [ratio], goal) for offset in _NEAR}
    return sorted(float(count * unit) for count in counts if heights.cut(count * unit, count * unit) is not None)


def _repeat(step: float, unit: int) -> int:
    """After how many units a grid of that step is met again."""
    whole = int(step) or 1
    return whole // gcd(whole, unit)


def _crossings(heights: Span, widths: Values, ratios: tuple[float, float], goal: Mapping[str, float]) -> Iterable[float]:
    """The heights at which two of the lines cross on which the distance bends, and their neighbours."""
    lines = _lines(heights, widths, [*ratios, goal.get("aspectRatio", 0)], goal)
    near = {heights.nearest(crossing) + offset * (heights.step or 1) for crossing in lines for offset in _NEAR}
    return sorted(height for height in near if heights.min <= height <= heights.max)


def _lines(heights: Span, widths: Values, ratios: list[float], goal: Mapping[str, float]) -> list[float]:
    members = _every(widths) if isinstance(widths, Span) and _few(widths) else bounds(widths)
    across = [*members, *([goal["width"]] if "width" in goal else [])]
    own = [heights.min, heights.max, *([goal["height"]] if "height" in goal else [])]
    return own + [width / ratio for width in across for ratio in ratios if ratio > 0]


def _widths(widths: Values, low: float, high: float, height: float, goal: Mapping[str, float]) -> Iterable[float]:
    """The widths worth trying at one height, out of those between ``low`` and ``high``."""
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
