"""SelectSettings: from what devices can do and what was asked to the settings that are used, or to what stands in the way.

https://www.w3.org/TR/mediacapture-streams/#dfn-selectsettings. The standard enumerates every possible settings dictionary; here
boxes of them are cut by the required constraints and by each advanced set, and the best point of every box is found.

Ties (distances that differ by less than TIE) are broken by, in this order: the box's rank (the default device first), the
distance of what nobody asked for from ``DEFAULTS``, the preferred pixel formats, the quality of the pixel format, the order of
the modes. The same devices and constraints always give the same answer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mscli.core.aspect import fit_sizes
from mscli.core.boxes import Box, Scalar, Span, Values
from mscli.core.constraints import Constraints, Rule
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


@dataclass(frozen=True, slots=True)
class Candidate:
    """What became of one box: its best settings and their distance per constraint, or the constraint that excluded it."""

    box: Box
    settings: Settings | None = None
    distances: Mapping[str, float] | None = None
    excluded_by: str = ""

    @property
    def distance(self) -> float:
        """The fitness distance; infinite when excluded."""
        return sum(self.distances.values()) if self.distances is not None else math.inf


@dataclass(frozen=True, slots=True)
class Selection:
    """The answer: the chosen box and settings, what became of the others, and which advanced sets hold."""

    box: Box
    settings: Settings
    candidates: tuple[Candidate, ...]
    advanced: tuple[bool, ...]

    @property
    def distance(self) -> float:
        """The fitness distance of the chosen settings."""
        return min(candidate.distance for candidate in self.candidates)


def select_settings(boxes: Sequence[Box], constraints: Constraints, pixel_formats: Sequence[str] = ()) -> Selection:
    """Choose among ``boxes``. ``pixel_formats``: native formats preferred among equals, the best first.

    Raises OverconstrainedError with the failed constraint, a minimal conflict and the nearest settings.
    """
    cuts = [_cut_by(box, constraints.basic) for box in boxes]
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
    asked = {rule.name for rule in constraints.basic if rule.ideal is not None}
    chosen = min(tied, key=lambda candidate: _natural(candidate, asked, pixel_formats))
    return Selection(chosen.box, dict(chosen.settings or {}), (*found, *excluded), tuple(kept))


def _apply_advanced(boxes: list[Box], sets: Iterable[tuple[Rule, ...]]) -> tuple[list[Box], list[bool]]:
    kept = []
    for rules in sets:
        surviving = [cut for box in boxes if isinstance(cut := _cut_by(box, rules), Box)]
        kept.append(bool(surviving))
        boxes = surviving or boxes
    return boxes, kept


def _cut_by(box: Box, rules: Iterable[Rule]) -> Box | str:
    """The part of the box that satisfies the required rules, or the name of the constraint that leaves nothing."""
    values = dict(box.values)
    required = [rule for rule in rules if rule.required]
    for rule in required:
        cut = rule.cut(values[rule.name]) if rule.name in values else None
        if cut is None:
            return rule.name
        values[rule.name] = cut
    if not required:
        return box
    if _tied_sizes(values) and fit_sizes(values["width"], values["height"], values["aspectRatio"]) is None:
        return "aspectRatio"
    return Box(values, box.device, box.mode, box.rank)


def _tied_sizes(values: Mapping[str, Values]) -> bool:
    """Whether width and height are free, so that the aspect ratio binds them."""
    return "aspectRatio" in values and (isinstance(values["width"], Span) or isinstance(values["height"], Span))


def _best(box: Box, rules: Sequence[Rule]) -> Candidate:
    ideals = {rule.name: rule for rule in rules if rule.ideal is not None}
    settings = {name: _closest(values, name, ideals.get(name)) for name, values in box.values.items()}
    if _tied_sizes(box.values):
        settings |= _best_sizes(box.values, ideals)
    settings = {name: _typed(name, value) for name, value in settings.items()}
    return Candidate(box, settings, {rule.name: rule.distance(settings.get(rule.name)) for rule in rules})


def _typed(name: str, value: Scalar) -> Scalar:
    return int(value) if name in PROPERTIES and PROPERTIES[name].idl == "unsigned long" else value


def _closest(values: Values, name: str, rule: Rule | None) -> Scalar:
    wanted = rule.ideal[0] if rule and rule.ideal else DEFAULTS.get(name)
    if isinstance(values, Span):
        return values.nearest(float(wanted)) if wanted is not None else values.max
    near = rule or (Rule(name, ideal=(wanted,)) if wanted is not None else Rule(name))
    return min(values, key=near.distance)


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


def _natural(candidate: Candidate, asked: set[str], pixel_formats: Sequence[str]) -> tuple[float, ...]:
    settings = candidate.settings or {}
    unasked = (Rule(name, ideal=(value,)) for name, value in DEFAULTS.items() if name in settings and name not in asked)
    away = sum(rule.distance(settings[rule.name]) for rule in unasked)
    name = candidate.box.mode.pixel_format if candidate.box.mode else ""
    preferred = pixel_formats.index(name) if name in pixel_formats else len(pixel_formats)
    quality = PIXEL_FORMATS[name].quality if name in PIXEL_FORMATS else 0
    return (*candidate.box.rank, round(away, 6), preferred, -quality)


def overconstrained(boxes: Sequence[Box], rules: Sequence[Rule]) -> OverconstrainedError:
    """The error for rules that no box satisfies: what failed, which of them conflict, and what would be closest."""
    required = [rule for rule in rules if rule.required]
    alone = (rule.name for rule in required if not _feasible(boxes, [rule]))
    failed = next(alone, "")
    conflict = [rule.name for rule in _minimal(boxes, required)]
    nearest = nearest_settings(boxes, rules)
    what = f"the constraint {failed} cannot be satisfied" if failed else f"{' and '.join(conflict)} cannot hold together"
    return OverconstrainedError(failed, what, conflict=conflict, nearest=nearest)


def _feasible(boxes: Iterable[Box], rules: Sequence[Rule]) -> bool:
    return any(isinstance(_cut_by(box, rules), Box) for box in boxes)


def _minimal(boxes: Sequence[Box], required: Sequence[Rule]) -> list[Rule]:
    """A subset of the rules that still excludes every box, and of which none can be left out."""
    conflict = list(required)
    for rule in required:
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
