"""Derived settings: what a device can deliver beyond its native modes.

Video, with ``resizeMode: crop-and-scale`` (https://www.w3.org/TR/mediacapture-streams/#dom-videoresizemodeenum): frames are
cropped centrally, scaled down (never up) and dropped evenly. Every native mode has a twin: a box of everything that can be made
from the mode, at any size and rate up to its own. A twin inside another one adds nothing and is left out.

Pictures of displays are never cropped, so the twin of a display only has sizes of its shape
(https://www.w3.org/TR/screen-capture/#constrainable-properties-for-captured-display-surfaces).

Sound is resampled to any common sample rate, and mixed to one channel, to two, or to any number that the device has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import ceil, floor

from mscli.core.aspect import bounds, fit_sizes
from mscli.core.boxes import Box, Mode, Rank, Scalar, Span, Values, scalars
from mscli.core.codecs import format_quality
from mscli.core.properties import DISPLAY_SURFACE

LEAST_RATE = 1e-6  # frames per second: in effect any positive rate, down to one frame in eleven days
DERIVED = "crop-and-scale"
MOST_SHAPES = 32
USUAL_AREA = 640 * 480  # pixels
WHOLE_RATIO = 0.005  # by how much the shape of a picture that is not cropped may change, because its sides are whole numbers
_SOUND = ("sampleRate", "channelCount")
_EVEN = 0.01  # frames
_SAME_RATIO = 1e-10
_NEAR = 32  # pixels by which a size may shrink to become an allowed one

SAMPLE_RATES = Span(8_000, 192_000, 1)  # Hz, the rates that sound can be resampled to
DERIVABLE = ("width", "height", "aspectRatio", "frameRate", "resizeMode", "sampleRate", "channelCount")

Reach = tuple[float, float, float]


def twins(modes: Sequence[Mode], common: Mapping[str, Values], device: object, place: int) -> list[Box]:
    """Return the boxes of derived settings for a device with these native modes."""
    front = _outermost({reach(mode): mode for mode in modes})
    shapes = _natural_shapes(modes)
    return [
        Box(
            dict(common) | _everything_below(size, whole=DISPLAY_SURFACE in common),
            device,
            mode,
            Rank(place, derived=1),
            tuple(modes),
            shapes,
        )
        for size, mode in front.items()
    ]


def sound_twin(box: Box) -> Box:
    """Return the box of all sample rates and channel counts that can be made from a microphone's box."""
    channels = tuple(range(1, max(2, *map(int, scalars(box.values["channelCount"]))) + 1))
    values = {**box.values, "sampleRate": SAMPLE_RATES, "channelCount": channels}
    return box._replace(values=values, rank=box.rank._replace(derived=1), native=box.values)


def _natural_shapes(modes: Sequence[Mode]) -> tuple[tuple[float, float], ...]:
    """Return the native sizes that natural sizes are derived from.

    If there are very many, return those close to the usual area and the largest.
    """
    sizes = list(dict.fromkeys(reach(mode)[:2] for mode in modes))
    if len(sizes) <= MOST_SHAPES:
        return tuple(sizes)
    by_area = sorted(sizes, key=lambda size: size[0] * size[1])
    usual = sorted(sizes, key=lambda size: abs(size[0] * size[1] - USUAL_AREA))
    return tuple(dict.fromkeys(usual[: MOST_SHAPES // 2] + by_area[-MOST_SHAPES // 2 :]))


def reach(mode: Mode) -> Reach:
    """Return the largest width, height and rate of a mode."""
    spans = (mode.width, mode.height, mode.frame_rate)
    width, height, rate = (span.nearest(span.max) if isinstance(span, Span) else span for span in spans)
    return width, height, rate


def _outermost(modes: Mapping[Reach, Mode]) -> dict[Reach, Mode]:
    """Return the modes that no other mode contains."""
    front: dict[Reach, Mode] = {}
    for size in sorted(modes, reverse=True):  # a mode can only be inside one that sorts before it
        if not any(_inside(size, other) for other in front):
            front[size] = modes[size]
    return front


def _inside(inner: Reach, outer: Reach) -> bool:
    return all(a <= b for a, b in zip(inner, outer, strict=True))


def _everything_below(size: Reach, *, whole: bool) -> dict[str, Values]:
    """Return all that can be made of pictures of this size and rate. ``whole``: without cropping."""
    width, height, rate = size
    return {
        "width": Span(1, width, 1),
        "height": Span(1, height, 1),
        "aspectRatio": (
            Span(width / height * (1 - WHOLE_RATIO), width / height * (1 + WHOLE_RATIO)) if whole else Span(1 / height, width)
        ),
        "frameRate": Span(LEAST_RATE, rate),
        "resizeMode": (DERIVED,),
    }


def natural_sizes(box: Box, goal: Mapping[str, float]) -> Iterator[tuple[float, float]]:
    """Yield sizes from a twin that look natural to people.

    Each native shape is taken as it is, and cropped to the requested ratio. It is then scaled to the requested width or height,
    in whole and in even pixels. ``goal`` is the same as for ``fit_sizes``. The caller rejects sizes that are too far from the
    best distance.
    """
    low, high = bounds(box.values["aspectRatio"])
    for width, height in box.shapes:
        for ratio in dict.fromkeys((width / height, goal.get("aspectRatio", width / height))):
            size = _scaled(box.values, width, height, min(max(ratio, low), high), goal)
            yield from _on_grid(box.values, *size)
            if ratio == goal.get("aspectRatio") and low < ratio < high:
                yield from _of_exactly(ratio, box.values, *size)


def _scaled(
    values: Mapping[str, Values], width: float, height: float, ratio: float, goal: Mapping[str, float]
) -> tuple[float, float]:
    """Return a native size, cropped to an allowed ratio and scaled down to what is requested and allowed."""
    crop_width, crop_height = min(width, height * ratio), min(height, width / ratio)
    scale = min(1.0, _asked_scale(crop_width, crop_height, goal))
    (least_width, most_width), (least_height, most_height) = bounds(values["width"]), bounds(values["height"])
    scale = max(scale, least_width / crop_width, least_height / crop_height)
    scale = min(scale, 1.0, most_width / crop_width, most_height / crop_height)
    return crop_width * scale, crop_height * scale


def _asked_scale(width: float, height: float, goal: Mapping[str, float]) -> float:
    if "width" in goal:
        return goal["width"] / width
    return goal["height"] / height if "height" in goal else 1.0


def _on_grid(values: Mapping[str, Values], width: float, height: float) -> Iterator[tuple[float, float]]:
    """Yield the allowed sizes around a size, in whole and in even pixels. If the ratio allows none, yield one nearby."""
    around = [size for grid in (1, 2) for size in _corners(width, height, grid) if _allows(values, *size)]
    yield from around
    widths, heights = _around(values["width"], width), _around(values["height"], height)
    if not around and widths is not None and heights is not None:
        goal = {"width": width, "height": height, "aspectRatio": width / height}
        for grid in (1, 2):
            fitting = fit_sizes(_even(widths, grid), _even(heights, grid), values["aspectRatio"], goal, _apart(width, height))
            yield from [fitting] if fitting is not None else ()


def _of_exactly(ratio: float, values: Mapping[str, Values], width: float, height: float) -> Iterator[tuple[float, float]]:
    """Yield the largest allowed size, and the largest even one, with exactly this ratio within a size."""
    from fractions import Fraction  # imported late: rarely needed

    w, h = Fraction(ratio).limit_denominator(max(1, int(height))).as_integer_ratio()
    if abs(w / h - ratio) < _SAME_RATIO:
        times = floor(min(width / w, height / h))
        sizes = {(n * w, n * h) for n in (times, times & ~1)}
        yield from ((float(a), float(b)) for a, b in sizes if _allows(values, a, b))


def _corners(width: float, height: float, grid: int) -> Iterator[tuple[float, float]]:
    """Yield the grid points around a point."""
    for w in {floor(width / grid) * grid, ceil(width / grid) * grid}:
        yield from ((w, h) for h in {floor(height / grid) * grid, ceil(height / grid) * grid})


def _allows(values: Mapping[str, Values], width: float, height: float) -> bool:
    low, high = bounds(values["aspectRatio"])
    return height > 0 and low <= width / height <= high and _holds(values["width"], width) and _holds(values["height"], height)


def _holds(values: Values, number: float) -> bool:
    return values.cut(number, number) is not None if isinstance(values, Span) else number in values


def _apart(width: float, height: float) -> Callable[[float, float], tuple[float, ...]]:
    return lambda w, h: (abs(w - width) + abs(h - height),)


def _even(span: Span, grid: int) -> Span:
    """Return the multiples of ``grid`` in a span of whole numbers, or the span itself if it contains none."""
    even = Span(ceil(span.min / grid) * grid, span.max, grid)
    return even if even.min <= even.max else span


def _around(values: Values, wanted: float) -> Span | None:
    return values.cut(wanted - _NEAR, ceil(wanted)) if isinstance(values, Span) else None


def backing_mode(
    modes: Sequence[Mode], width: float, height: float, rate: float, pixel_formats: Sequence[str] = ()
) -> Mode | None:
    """Return the native mode to derive settings from: crop least, then scale least, then drop frames evenly."""
    covering = [mode for mode in modes if _inside((width, height, rate), reach(mode))]
    return min(covering, key=lambda mode: _burden(mode, width, height, rate, pixel_formats), default=None)


def _burden(mode: Mode, width: float, height: float, rate: float, pixel_formats: Sequence[str]) -> tuple[float, ...]:
    full_width, full_height, full_rate = reach(mode)
    name = mode.pixel_format
    preferred = pixel_formats.index(name) if name in pixel_formats else len(pixel_formats)
    lost, every = crop_loss(full_width, full_height, width, height), full_rate / rate
    uneven = abs(every - round(every)) > _EVEN  # 7.5 of 10 leaves uneven gaps; 7.5 of 15 keeps every second frame
    return lost, full_width * full_height, uneven, every, preferred, -format_quality(name)


def crop_loss(full_width: float, full_height: float, width: float, height: float) -> float:
    """Return the fraction of a frame that a change of shape cuts off, rounded to hundredths (rounding errors become 0)."""
    kept = min(width / full_width, height / full_height) / max(width / full_width, height / full_height)
    return round(1 - kept, 2)


def mode_behind(box: Box, settings: Mapping[str, Scalar]) -> Mode | None:
    """Return the native mode that delivers settings from ``box``, or from which they are derived."""
    if not box.backing:
        return box.mode
    width, height, rate = (float(settings[name]) for name in ("width", "height", "frameRate"))
    return backing_mode(box.backing, width, height, rate)


def native_of(
    box: Box, settings: Mapping[str, Scalar], pixel_formats: Sequence[str] = ()
) -> tuple[dict[str, Scalar], Mode | None]:
    """Return the settings to give the device for chosen settings from ``box``, and the native mode.

    Derived settings are replaced by the native ones from which they are made.
    """
    if box.native is not None:
        return {**settings, **{name: _covering(box.native[name], settings[name]) for name in _SOUND}}, None
    if not box.backing:
        return dict(settings), box.mode
    size = (float(settings["width"]), float(settings["height"]), float(settings["frameRate"]))
    mode = backing_mode(box.backing, *size, pixel_formats)
    assert mode is not None, "a derived box lies inside its modes"
    names = ("width", "height", "frameRate")
    sides = (mode.width, mode.height, mode.frame_rate)
    native = {name: _at_least(side, wanted) for name, side, wanted in zip(names, sides, size, strict=True)}
    return {**settings, **native, "resizeMode": "none", "aspectRatio": native["width"] / native["height"]}, mode


def _covering(values: Values, wanted: Scalar) -> Scalar:
    """Return the smallest native value that is at least ``wanted``, so that nothing is lost, or else the largest."""
    if isinstance(values, Span):
        return int(_at_least(values, float(wanted)))
    numbers = sorted(int(value) for value in values)
    return next((number for number in numbers if number >= int(wanted)), numbers[-1])


def _at_least(side: float | Span, wanted: float) -> float:
    """Return a mode's own value; of a span, the smallest value that is at least ``wanted``."""
    if not isinstance(side, Span):
        return side
    cut = side.cut(wanted, side.max)
    return side.max if cut is None else cut.min
