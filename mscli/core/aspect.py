"""Width and height under an aspect ratio: three properties, two freedoms, whole pixels.

For one height the distance, as a function of the width, bends only at the ideal width, at the width of the ideal ratio and at
the ends: between these it is linear or concave, so that one of them is the best. Heights are tried one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from mscli.core.boxes import Scalar, Span, Values

Cost = Callable[[float, float], tuple[float, ...]]


def fit_sizes(
    widths: Values, heights: Values, ratios: Values, goal: Mapping[str, float] | None = None, cost: Cost | None = None
) -> tuple[float, float] | None:
    """The width and height out of the sets, with a ratio out of ``ratios``, that cost the least; None if there are none.

    ``goal``: the ideal width, height and aspectRatio as far as there are any. Without ``cost`` the first that fits.
    """
    low, high = _bounds(ratios)
    fitting = (
        (width, height)
        for height in _members(heights)
        for width in _worth_trying(widths, low * height, high * height, height, goal or {})
        if low <= width / height <= high
    )
    if cost is None:
        return next(fitting, None)
    return min(fitting, key=lambda size: cost(*size), default=None)


def _bounds(ratios: Values) -> tuple[float, float]:
    numbers = (ratios.min, ratios.max) if isinstance(ratios, Span) else tuple(float(ratio) for ratio in ratios)
    return min(numbers), max(numbers)


def _members(values: Values) -> Iterator[float]:
    if not isinstance(values, Span):
        yield from (float(value) for value in values if _is_number(value))
        return
    value = values.min
    while value <= values.max:
        yield value
        value += values.step or 1


def _is_number(value: Scalar) -> bool:
    return not isinstance(value, str)


def _worth_trying(widths: Values, low: float, high: float, height: float, goal: Mapping[str, float]) -> Iterator[float]:
    if not isinstance(widths, Span):
        yield from _members(widths)
        return
    allowed = widths.cut(low, high)
    if allowed is None:
        return
    wanted = {allowed.min, allowed.max}
    if "width" in goal:
        wanted.add(allowed.nearest(goal["width"]))
    if "aspectRatio" in goal:
        ideal = allowed.nearest(goal["aspectRatio"] * height)
        wanted |= {ideal, allowed.nearest(ideal + (allowed.step or 1)), allowed.nearest(ideal - (allowed.step or 1))}
    yield from sorted(wanted)
