"""SelectSettings: from what devices can do and what was asked to the settings that are used, or to what stands in the way.

https://www.w3.org/TR/mediacapture-streams/#dfn-selectsettings. The standard enumerates every possible settings dictionary; here
boxes of them are cut by the required constraints and by each advanced set, and the best point of every box is found.

Ties (distances that differ by less than TIE) are broken by, in this order: the default device before others, a native mode
before a derived one, the shape of a native mode kept, the distance of what nobody asked for from ``DEFAULTS``, the preferred
pixel formats, the quality of the pixel format, the order of the modes. The same devices and constraints always give the same
answer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from mscli.core.aspect import bounds, fit_sizes
from mscli.core.boxes import Box, Scalar, Span, Values
from mscli.core.constraints import Constraints, Rule
from mscli.core.derived import crop_loss, natural_sizes
from mscli.core.errors import OverconstrainedError
from mscli.core.frames import PIXEL_FORMATS
from mscli.core.properties import PROPERTIES

TIE = 0.0005
DEFAULTS: Mapping[str, Scalar] = {
    "width": 640, "height": 480, "frameRate": 30, "resizeMode": "none",
    "sampleRate": 48000, "channelCount": 1, "sampleSize": 16,
    "echoCancellation": True, "autoGainControl": True, "noiseSuppression": True, "backgroundBlur": False,
}  # fmt: skip

Settings = dict[str, Scalar]


class Candidate(NamedTuple):
    """What became of one box: its best settings and their distance per constraint, or the constraint that excluded it."""

    box: Box
    settings: Settings | None = None
    distances: Mapping[str, float] | None = None
    excluded_by: str = ""

    @property
    def distance(self) -> float:
        """The fitness distance; infinite when excluded."""
        return sum(self.distances.values()) if self.distances is not None else math.inf


class Selection(NamedTuple):
    """The answer: the chosen box and settings, what became of the others, and which advanced sets hold."""

    box: Box
    settings: Settings
    candidates: tuple[Candidate, ...]
    advanced: tuple[bool, ...]

    @property
    def distance(self) -> float:
        """The fitness distance of the chosen settings."""
        return next(candidate.distance for candidate in self.candidates if candidate.box is self.box)


def select_settings(boxes: Sequence[Box], constraints: Constraints, pixel_formats: Sequence[str] = ()) -> Selection:
    """Choose among ``boxes``. ``pixel_formats``: native formats preferred among equals, the best first.

    Raises OverconstrainedError with the failed constraint, a minimal conflict and the nearest settings.
    """
    cutter = _Cutter(constraints.basic)
    cuts = [cutter.cut(box) for box in boxes]
    alive = [cut for cut in cuts if isinstance(cut, Box)]
    excluded = [Candidate(box, excluded_by=cut) for box, cut in zip(boxes, cuts, strict=True) if isinstance(cut, str)]
    if not alive:
        error = overconstrained(boxes, constraints.basic)
        error.candidates = tuple(excluded)
        raise error
    alive, kept = _apply_advanced(alive, constraints.advanced)
    found = [_best(box, constraints.basic) for box in alive]
    lowest = min(candidate.distance for candidate in found)
    tied = [candidate for candidate in found if candidate.distance < lowest + TIE]
    first = min(candidate.box.rank for candidate in tied)
    natural = (other for one in tied if one.box.rank == first for other in _natural_points(one, constraints.basic))
    tied += [candidate for candidate in natural if candidate.distance < lowest + TIE]
    asked = {rule.name for rule in constraints.basic if rule.ideal is not None}
    chosen = min(tied, key=lambda candidate: _natural(candidate, asked, pixel_formats))
    shown = [chosen if candidate.box is chosen.box else candidate for candidate in found]
    return Selection(chosen.box, dict(chosen.settings or {}), (*shown, *excluded), tuple(kept))


def _apply_advanced(boxes: list[Box], sets: Iterable[tuple[Rule, ...]]) -> tuple[list[Box], list[bool]]:
    kept = []
    for rules in sets:
        cutter = _Cutter(rules)
        surviving = [cut for box in boxes if isinstance(cut := cutter.cut(box), Box)]
        kept.append(bool(surviving))
        boxes = surviving or boxes
    return boxes, kept


class _Cutter:
    """Cuts boxes by the required rules of one constraint set. Modes share most of their values: each cut is made once."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules: list[tuple[Rule, dict[Values, Values | None]]] = [(rule, {}) for rule in rules if rule.required]

    def cut(self, box: Box) -> Box | str:
        """The part of the box that satisfies the rules, or the name of the constraint that leaves nothing."""
        changed: dict[str, Values] = {}
        for rule, known in self._rules:
            values = changed.get(rule.name) or box.values.get(rule.name)
            if values is None:
                return rule.name
            if values not in known:
                known[values] = rule.cut(values)
            cut = known[values]
            if cut is None:
                return rule.name
            if cut != values:
                changed[rule.name] = cut
        return _changed(box, changed) if changed else box


def _changed(box: Box, changed: Mapping[str, Values]) -> Box | str:
    values = {**box.values, **changed}
    if _ratio_binds(values) and fit_sizes(values["width"], values["height"], values["aspectRatio"]) is None:
        return "aspectRatio"
    return Box(values, box.device, box.mode, box.rank, box.backing, box.shapes)


def _free_sizes(values: Mapping[str, Values]) -> bool:
    """Whether width or height are not fixed, so that the aspect ratio follows from them."""
    return "aspectRatio" in values and (isinstance(values["width"], Span) or isinstance(values["height"], Span))


def _ratio_binds(values: Mapping[str, Values]) -> bool:
    """Whether not every free width goes with every height, because the aspect ratio is constrained."""
    if not _free_sizes(values):
        return False
    (least_width, most_width), (least_height, most_height) = bounds(values["width"]), bounds(values["height"])
    low, high = bounds(values["aspectRatio"])
    return least_width / most_height < low or most_width / least_height > high


def _best(box: Box, rules: Sequence[Rule]) -> Candidate:
    ideals = {rule.name: rule for rule in rules if rule.ideal is not None}
    settings = {name: _closest(values, name, ideals.get(name)) for name, values in box.values.items()}
    if ("aspectRatio" in ideals and _free_sizes(box.values)) or _ratio_binds(box.values):
        settings |= _best_sizes(box.values, ideals)
    elif _free_sizes(box.values):
        settings["aspectRatio"] = float(settings["width"]) / float(settings["height"])
    settings = {name: _typed(name, value) for name, value in settings.items()}
    return Candidate(box, settings, {rule.name: rule.distance(settings.get(rule.name)) for rule in rules})


def _typed(name: str, value: Scalar) -> Scalar:
    return int(value) if name in PROPERTIES and PROPERTIES[name].idl == "unsigned long" else value


def _closest(values: Values, name: str, rule: Rule | None) -> Scalar:
    default = Rule(name, ideal=(DEFAULTS[name],)) if name in DEFAULTS else Rule(name)
    asked = rule or default
    if not isinstance(values, Span):
        return min(values, key=lambda value: (asked.distance(value), default.distance(value)))
    return values.nearest(float(asked.ideal[0])) if asked.ideal else values.nearest(values.max)


def _best_sizes(values: Mapping[str, Values], ideals: Mapping[str, Rule]) -> Settings:
    """Width, height and aspect ratio together: the least distance from what was asked, then from the defaults."""
    asked = [ideals[name] for name in ("width", "height", "aspectRatio") if name in ideals]
    defaults = [Rule(name, ideal=(DEFAULTS[name],)) for name in ("width", "height") if name not in ideals]

    def cost(width: float, height: float) -> tuple[float, float]:
        at: Settings = {"width": width, "height": height, "aspectRatio": width / height}
        return sum(rule.distance(at[rule.name]) for rule in asked), sum(rule.distance(at[rule.name]) for rule in defaults)

    goal = {rule.name: float(rule.ideal[0]) for rule in (*asked, *defaults) if rule.ideal}
    best = fit_sizes(values["width"], values["height"], values["aspectRatio"], goal, cost)
    assert best is not None, "a box that was cut has sizes left"
    return {"width": best[0], "height": best[1], "aspectRatio": best[0] / best[1]}


def _natural_points(candidate: Candidate, rules: Sequence[Rule]) -> list[Candidate]:
    """Other points of a box of derived settings, that people may find more natural than its best one."""
    box, settings = candidate.box, candidate.settings
    if not box.backing or settings is None:
        return []
    goal = {rule.name: float(rule.ideal[0]) for rule in rules if rule.ideal and rule.name in _SIZES}
    points = ({**settings, "width": int(w), "height": int(h), "aspectRatio": w / h} for w, h in natural_sizes(box, goal))
    return [Candidate(box, point, {rule.name: rule.distance(point.get(rule.name)) for rule in rules}) for point in points]


_SIZES = ("width", "height", "aspectRatio")


def _natural(candidate: Candidate, asked: set[str], pixel_formats: Sequence[str]) -> tuple[float, ...]:
    settings = candidate.settings or {}
    unasked = (Rule(name, ideal=(value,)) for name, value in DEFAULTS.items() if name in settings and name not in asked)
    away = sum(rule.distance(settings[rule.name]) for rule in unasked)
    name = candidate.box.mode.pixel_format if candidate.box.mode else ""
    preferred = pixel_formats.index(name) if name in pixel_formats else len(pixel_formats)
    quality = PIXEL_FORMATS[name].quality if name in PIXEL_FORMATS else 0
    return (*candidate.box.rank, _shape_lost(candidate), round(away, 6), preferred, -quality)


def _shape_lost(candidate: Candidate) -> float:
    """The least part of a native picture that is cut away for a derived one."""
    settings = candidate.settings
    if not candidate.box.backing or settings is None:
        return 0.0
    width, height = float(settings["width"]), float(settings["height"])
    full = ((w, h) for w, h in candidate.box.shapes if width <= w and height <= h)
    return min((crop_loss(w, h, width, height) for w, h in full), default=1.0)


def overconstrained(boxes: Sequence[Box], rules: Sequence[Rule]) -> OverconstrainedError:
    """The error for rules that no box satisfies: what failed, which of them conflict, and what would be closest.

    A rule failed if no settings dictionary satisfies it, out of those with the resizeMode that is required.
    """
    required = [rule for rule in rules if rule.required]
    resizing = _Cutter(rule for rule in required if rule.name == "resizeMode")
    examined = [box for box in boxes if isinstance(resizing.cut(box), Box)] or boxes
    failed = next((rule.name for rule in required if not _feasible(examined, [rule])), "")
    conflict = [rule.name for rule in _minimal(boxes, required)]
    nearest = nearest_settings(boxes, rules)
    together = len(conflict) > 1
    what = f"{' and '.join(conflict)} cannot hold together" if together else f"the constraint {failed} cannot be satisfied"
    return OverconstrainedError(failed, what, conflict=conflict, nearest=nearest)


def _feasible(boxes: Iterable[Box], rules: Sequence[Rule]) -> bool:
    cutter = _Cutter(rules)
    return any(isinstance(cutter.cut(box), Box) for box in boxes)


def _minimal(boxes: Sequence[Box], required: Sequence[Rule]) -> list[Rule]:
    """A subset of the rules that still excludes every box, and of which none can be left out."""
    conflict = list(required)
    for rule in reversed(required):  # the first that fails by itself is the one that stays
        without = [other for other in conflict if other is not rule]
        if not _feasible(boxes, without):
            conflict = without
    return conflict


def nearest_settings(boxes: Sequence[Box], rules: Sequence[Rule]) -> Settings | None:
    """The settings closest to the rules when none of them is required; None where there is no box."""
    relaxed = Constraints(tuple(_relaxed(rule) for rule in rules), (), {})
    return select_settings(boxes, relaxed).settings if boxes else None


def _relaxed(rule: Rule) -> Rule:
    bound = rule.min if rule.min is not None else rule.max
    return Rule(rule.name, ideal=rule.exact or rule.ideal or (None if bound is None else (bound,)))
