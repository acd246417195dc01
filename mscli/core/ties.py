"""Which of equally near settings are used: the ones that people find natural, the same on every run.

The standard leaves the choice among equal fitness distances open. Distances that differ by less than ``TIE`` count as equal:
nobody who asks for an aspect ratio of 1.777 wants 1777 × 1000. ``RANKS`` and ``STEPS`` are the reasons, in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from mscli.core.aspect import SIZES
from mscli.core.boxes import Scalar
from mscli.core.constraints import Rule
from mscli.core.derived import crop_loss, natural_sizes
from mscli.core.frames import PIXEL_FORMATS
from mscli.core.selection import Candidate

TIE = 0.0005
DEFAULTS: Mapping[str, Scalar] = {
    "width": 640, "height": 480, "frameRate": 30, "resizeMode": "none",
    "sampleRate": 48000, "channelCount": 1, "sampleSize": 16,
    "echoCancellation": True, "autoGainControl": True, "noiseSuppression": True, "backgroundBlur": False,
}  # fmt: skip

_DEFAULT_RULES = tuple(Rule(name, ideal=(value,)) for name, value in DEFAULTS.items())


class Wishes(NamedTuple):
    """What was asked, as far as ties depend on it: the rules, and the pixel formats preferred among equals, the best first."""

    rules: Sequence[Rule]
    pixel_formats: Sequence[str] = ()


class Step(NamedTuple):
    """A reason to prefer one candidate: the one with the lowest ``value``. ``says``: in words."""

    says: str
    value: Callable[[Candidate, Wishes], float]


def _shape_lost(one: Candidate, _wishes: Wishes) -> float:
    """The least part of a native picture that is cut away for a derived one."""
    if not one.box.backing or one.settings is None:
        return 0.0
    width, height = float(one.settings["width"]), float(one.settings["height"])
    full = ((w, h) for w, h in one.box.shapes if width <= w and height <= h)
    return min((crop_loss(w, h, width, height) for w, h in full), default=1.0)


def _scaled(one: Candidate, _wishes: Wishes) -> float:
    size = (float(one.settings["width"]), float(one.settings["height"])) if one.box.backing and one.settings else None
    return size is not None and size not in one.box.shapes


def _exactly(one: Candidate, _wishes: Wishes) -> float:
    return round(one.distance, 9)


def _misshapen(one: Candidate, _wishes: Wishes) -> float:
    """Whether the shape is not exactly that of a native picture."""
    if not one.box.backing or one.settings is None:
        return 0.0
    width, height = float(one.settings["width"]), float(one.settings["height"])
    return all(width * h != height * w for w, h in one.box.shapes)


def _odd(one: Candidate, _wishes: Wishes) -> float:
    settings = one.settings if one.box.backing else None
    return int(settings["width"]) % 2 + int(settings["height"]) % 2 if settings else 0


def _unusual(one: Candidate, wishes: Wishes) -> float:
    """The fitness distance of what nobody asked for from ``DEFAULTS``."""
    settings = one.settings or {}
    asked = {rule.name for rule in wishes.rules if rule.ideal is not None and rule.ideal != (0,)}
    unasked = (rule for rule in _DEFAULT_RULES if rule.name in settings and rule.name not in asked)
    return round(sum(rule.distance(settings[rule.name]) for rule in unasked), 6)


def _unwanted_format(one: Candidate, wishes: Wishes) -> float:
    formats, name = wishes.pixel_formats, _pixel_format(one)
    return formats.index(name) if name in formats else len(formats)


def _poor_format(one: Candidate, _wishes: Wishes) -> float:
    name = _pixel_format(one)
    return -PIXEL_FORMATS[name].quality if name in PIXEL_FORMATS else 0


def _pixel_format(one: Candidate) -> str:
    return one.box.mode.pixel_format if one.box.mode else ""


RANKS = (
    Step("the system's default device comes first", lambda one, _: one.box.rank.place),
    Step("the mode in which the device runs is kept", lambda one, _: one.box.rank.switched),
    Step("a native mode comes before a derived one", lambda one, _: one.box.rank.derived),
)
STEPS = (
    Step("the shape of the sensor is kept", _shape_lost),
    Step("a native size comes before a scaled one", _scaled),
    Step("it is nearer, if only by a rounding", _exactly),
    Step("it has exactly the shape of the sensor", _misshapen),
    Step("an even size suits every encoder", _odd),
    Step("it is closer to the defaults, 640×480 at 30 frames/s and mono at 48 kHz", _unusual),
    Step("the output prefers its pixel format", _unwanted_format),
    Step("its pixel format shows more", _poor_format),
)
_LAST = "it is the first in the device's own order"


def settle(tied: Sequence[Candidate], wishes: Wishes, within: float) -> tuple[Candidate, str]:
    """The most natural of ``tied`` candidates, and the reason that decided; "" where there is only one.

    ``within``: points of a derived box that are less far than that may take the place of its nearest one.
    """
    left, decided_by = _narrow(list(tied), RANKS, wishes, "")
    left += [point for one in tuple(left) for point in _natural_points(one, wishes.rules) if point.distance < within]
    left, decided_by = _narrow(left, STEPS, wishes, decided_by)
    alike = left[0].box.backing or len(left) == 1  # derived ones with the same settings are one and the same
    return left[0], decided_by if alike else _LAST


def _narrow(left: list[Candidate], steps: Iterable[Step], wishes: Wishes, decided_by: str) -> tuple[list[Candidate], str]:
    for step in steps:
        values = [step.value(one, wishes) for one in left] if len(left) > 1 else [0.0]
        least = min(values)
        if max(values) > least:
            left, decided_by = [one for one, value in zip(left, values, strict=True) if value == least], step.says
    return left, decided_by


def _natural_points(candidate: Candidate, rules: Sequence[Rule]) -> list[Candidate]:
    """Other points of a box of derived settings, that people may find more natural than its best one."""
    box, settings = candidate.box, candidate.settings
    if not box.backing or settings is None:
        return []
    goal = {rule.name: rule.wished for rule in rules if rule.wished is not None and rule.name in SIZES}
    points = ({**settings, "width": int(w), "height": int(h), "aspectRatio": w / h} for w, h in natural_sizes(box, goal))
    return [Candidate(box, point, {rule.name: rule.distance(point.get(rule.name)) for rule in rules}) for point in points]
