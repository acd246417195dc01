"""Derived settings: what a device gives beyond its native ones.

Pictures, by ``resizeMode: crop-and-scale`` (https://www.w3.org/TR/mediacapture-streams/#dom-videoresizemodeenum): cropped
centrally, scaled down (never up) and left out evenly. Every native mode has a twin box of all that can be made of it: any size
up to its own at any rate up to its own. A twin that lies inside another one adds nothing and is left out.

Sound: resampled to any usual sample rate and mixed to one channel, two, or fewer than the device has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import ceil, floor

from mscli.core.aspect import bounds, fit_sizes
from mscli.core.boxes import Box, Mode, Rank, Scalar, Span, Values, scalars
from mscli.core.frames import PIXEL_FORMATS

LEAST_RATE = 1e-6  # frames per second: any positive rate, down to one frame in eleven days
DERIVED = "crop-and-scale"
MOST_SHAPES = 32
USUAL_AREA = 640 * 480  # pixels
_SOUND = ("sampleRate", "channelCount")
_EVEN = 0.01  # of a frame
_SAME_RATIO = 1e-10
_NEAR = 32  # pixels by which a size may be made smaller to be an allowed one

SAMPLE_RATES = Span(8_000, 192_000, 1)  # Hz, that sound is resampled to
DERIVABLE = ("width", "height", "aspectRatio", "frameRate", "resizeMode", "sampleRate", "channelCount")

Reach = tuple[float, float, float]


def twins(modes: Sequence[Mode], common: Mapping[str, Values], device: object, place: int) -> list[Box]:
    """The boxes of derived settings of a device with these native modes."""
    front = _outermost({reach(mode): mode for mode in modes})
    shapes = _natural_shapes(modes)
    return [
        Box(dict(common) | _everything_below(size), device, mode, Rank(place, derived=1), tuple(modes), shapes)
        for size, mode in front.items()
    ]


def sound_twin(box: Box) -> Box:
    """The box of all sample rates and channel counts that can be made of what a microphone's box has."""
    channels = tuple(range(1, max(2, *map(int, scalars(box.values["channelCount"]))) + 1))
    values = {**box.values, "sampleRate": SAMPLE_RATES, "channelCount": channels}
    return box._replace(values=values, rank=box.rank._replace(derived=1), native=box.values)


def _natural_shapes(modes: Sequence[Mode]) -> tuple[tuple[float, float], ...]:
    """The native sizes to derive natural ones from; of very many the ones of usual size, and the largest."""
    sizes = list(dict.fromkeys(reach(mode)[:2] for mode in modes))
    if len(sizes) <= MOST_SHAPES:
        return tuple(sizes)
    by_area = sorted(sizes, key=lambda size: size[0] * size[1])
    usual = sorted(sizes, key=lambda size: abs(size[0] * size[1] - USUAL_AREA))
    return tuple(dict.fromkeys(usual[: MOST_SHAPES // 2] + by_area[-MOST_SHAPES // 2 :]))


def reach(mode: Mode) -> Reach:
    """The greatest width, height and rate of a mode."""
    spans = (mode.width, mode.height, mode.frame_rate)
    width, height, rate = (span.nearest(span.max) if isinstance(span, Span) else span for span in spans)
    return width, height, rate


def _outermost(modes: Mapping[Reach, Mode]) -> dict[Reach, Mode]:
    """The modes that no other one contains."""
    front: dict[Reach, Mode] = {}
    for size in sorted(modes, reverse=True):  # a mode can only lie inside one that sorts before it
        if not any(_inside(size, other) for other in front):
            front[size] = modes[size]
    return front


def _inside(inner: Reach, outer: Reach) -> bool:
    return all(a <= b for a, b in zip(inner, outer, strict=True))


def _everything_below(size: Reach) -> dict[str, Values]:
    width, height, rate = size
    return {
        "width": Span(1, width, 1),
        "height": Span(1, height, 1),
        "aspectRatio": Span(1 / height, width),
        "frameRate": Span(LEAST_RATE, rate),
        "resizeMode": (DERIVED,),
    }


def natural_sizes(box: Box, goal: Mapping[str, float]) -> Iterator[tuple[float, float]]:
    """Sizes out of a twin box that people find natural: each native shape, as it is and cropped to the asked ratio, scaled to
    the asked width or height, in whole and in even pixels.

    ``goal`` as for ``fit_sizes``. Whether they are near enough to the best distance the caller decides.
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
    """The native size, cropped to an allowed ratio and scaled down to what is asked and allowed."""
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
    """The allowed sizes in whole and in even pixels around one of the right shape; where the ratio allows none, one near it."""
    around = [size for grid in (1, 2) for size in _corners(width, height, grid) if _allows(values, *size)]
    yield from around
    widths, heights = _around(values["width"], width), _around(values["height"], height)
    if not around and widths is not None and heights is not None:
        goal = {"width": width, "height": height, "aspectRatio": width / height}
        for grid in (1, 2):
            fitting = fit_sizes(_even(widths, grid), _even(heights, grid), values["aspectRatio"], goal, _apart(width, height))
            yield from [fitting] if fitting is not None else ()


def _of_exactly(ratio: float, values: Mapping[str, Values], width: float, height: float) -> Iterator[tuple[float, float]]:
    """The largest allowed size and the largest even one that have the ratio to the last digit and lie inside that one."""
    from fractions import Fraction  # late: few constraints need it

    w, h = Fraction(ratio).limit_denominator(max(1, int(height))).as_integer_ratio()
    if abs(w / h - ratio) < _SAME_RATIO:
        times = floor(min(width / w, height / h))
        sizes = {(n * w, n * h) for n in (times, times & ~1)}
        yield from ((float(a), float(b)) for a, b in sizes if _allows(values, a, b))


def _corners(width: float, height: float, grid: int) -> Iterator[tuple[float, float]]:
    """The points of the grid around a point."""
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
    """The multiples of ``grid`` in a span of whole numbers; itself where it has none."""
    even = Span(ceil(span.min / grid) * grid, span.max, grid)
    return even if even.min <= even.max else span


def _around(values: Values, wanted: float) -> Span | None:
    return values.cut(wanted - _NEAR, ceil(wanted)) if isinstance(values, Span) else None


def backing_mode(
    modes: Sequence[Mode], width: float, height: float, rate: float, pixel_formats: Sequence[str] = ()
) -> Mode | None:
    """The native mode to derive a setting from: it crops the least, then scales the least, then drops evenly."""
    covering = [mode for mode in modes if _inside((width, height, rate), reach(mode))]
    return min(covering, key=lambda mode: _burden(mode, width, height, rate, pixel_formats), default=None)


def _burden(mode: Mode, width: float, height: float, rate: float, pixel_formats: Sequence[str]) -> tuple[float, ...]:
    full_width, full_height, full_rate = reach(mode)
    name = mode.pixel_format
    preferred = pixel_formats.index(name) if name in pixel_formats else len(pixel_formats)
    quality = PIXEL_FORMATS[name].quality if name in PIXEL_FORMATS else 0
    lost, every = crop_loss(full_width, full_height, width, height), full_rate / rate
    uneven = abs(every - round(every)) > _EVEN  # of 10 frames 7.5 leaves gaps of one and of two, of 15 every second one stays
    return lost, full_width * full_height, uneven, every, preferred, -quality


def crop_loss(full_width: float, full_height: float, width: float, height: float) -> float:
    """The part of a picture that is cut away to bring it to another shape, in hundredths, 0 for mere rounding."""
    kept = min(width / full_width, height / full_height) / max(width / full_width, height / full_height)
    return round(1 - kept, 2)


def mode_behind(box: Box, settings: Mapping[str, Scalar]) -> Mode | None:
    """The native mode that gives the settings out of ``box``, or of which they are made."""
    if not box.backing:
        return box.mode
    width, height, rate = (float(settings[name]) for name in ("width", "height", "frameRate"))
    return backing_mode(box.backing, width, height, rate)


def native_of(
    box: Box, settings: Mapping[str, Scalar], pixel_formats: Sequence[str] = ()
) -> tuple[dict[str, Scalar], Mode | None]:
    """What to set the device to for chosen settings out of ``box``: themselves, or what they are derived from; and the mode."""
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
    """The least of the device's own values that is not below ``wanted``, so that nothing is missing; else its greatest."""
    if isinstance(values, Span):
        return int(_at_least(values, float(wanted)))
    numbers = sorted(int(value) for value in values)
    return next((number for number in numbers if number >= int(wanted)), numbers[-1])


def _at_least(side: float | Span, wanted: float) -> float:
    """A mode's own value; of a span the least that is not below what is wanted."""
    if not isinstance(side, Span):
        return side
    cut = side.cut(wanted, side.max)
    return side.max if cut is None else cut.min
