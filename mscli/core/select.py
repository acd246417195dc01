"""SelectSettings: from what devices can do and what was asked to the settings that are used, or to what stands in the way.

https://www.w3.org/TR/mediacapture-streams/#dfn-selectsettings. The standard enumerates every possible settings dictionary; here
boxes of them are cut by the required constraints and by each advanced set, and the best point of every box is found. Which of
equally near ones is used is the matter of ``mscli.core.ties``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from mscli.core.aspect import SIZES, bounds, fit_sizes
from mscli.core.boxes import Box, Scalar, Span, Values, apart
from mscli.core.constraints import Constraints, Rule, together_in_words
from mscli.core.errors import OverconstrainedError
from mscli.core.properties import PROPERTIES
from mscli.core.selection import Candidate, Selection, Settings
from mscli.core.ties import DEFAULTS, TIE, Wishes, settle


def select_settings(boxes: Sequence[Box], constraints: Constraints, pixel_formats: Sequence[str] = ()) -> Selection:
    """Choose among ``boxes``. ``pixel_formats``: native formats preferred among equals, the best first.

    Raises OverconstrainedError with the failed constraint, a minimal conflict and the nearest settings.
    """
    alive, excluded = _cut(list(boxes), constraints.basic)
    if not alive:
        error = overconstrained(boxes, constraints.basic)
        error.candidates = tuple(excluded)
        raise error
    alive, kept, left_out = _apply_advanced(alive, constraints.advanced)
    chooser = _Chooser(constraints.basic)
    contenders = chooser.contenders(alive)
    far = chooser.distances(contenders)
    within = min(far) + TIE
    tied = [chooser.best(box) for box, distance in zip(contenders, far, strict=True) if distance < within]
    chosen, decided_by = settle(tied, Wishes(constraints.basic, pixel_formats), within)

    def candidates() -> Iterator[Candidate]:
        yield from (chosen if box is chosen.box else chooser.best(box) for box in alive)
        yield from (*left_out, *excluded)

    return Selection(chosen, tuple(kept), decided_by, candidates)


def _apply_advanced(boxes: list[Box], sets: Iterable[Sequence[Rule]]) -> tuple[list[Box], list[bool], list[Candidate]]:
    """The boxes that survive, whether each set was kept, and the boxes that a set has left out."""
    kept: list[bool] = []
    left_out: list[Candidate] = []
    for number, rules in enumerate(sets, 1):
        surviving, failed = _cut(boxes, rules)
        kept.append(bool(surviving))
        if surviving:
            boxes = surviving
            left_out += [one._replace(excluded_by=f"advanced set {number}: {one.excluded_by}") for one in failed]
    return boxes, kept, left_out


def _cut(boxes: list[Box], rules: Iterable[Rule]) -> tuple[list[Box], list[Candidate]]:
    """The parts of the boxes that satisfy the required rules of one constraint set, and the boxes of which nothing does."""
    before = {id(box) for box in boxes}
    excluded: list[Candidate] = []
    for rule in rules:
        if rule.required:
            boxes, failed = _cut_by(rule, boxes)
            excluded += failed
    smaller = [box for box in boxes if id(box) not in before]
    impossible = {id(box) for box in smaller if _ratio_binds(box.values) and not _has_sizes(box.values)}
    if impossible:
        excluded += [Candidate(box, excluded_by="aspectRatio") for box in smaller if id(box) in impossible]
        boxes = [box for box in boxes if id(box) not in impossible]
    return boxes, excluded


def _cut_by(rule: Rule, boxes: list[Box]) -> tuple[list[Box], list[Candidate]]:
    """One rule's cut through all boxes. Modes share most of their values: each is cut once."""
    cuts = {values: values and rule.cut(values) for values in _distinct(boxes, rule.name)}
    changed = {values: cut for values, cut in cuts.items() if not cut or cut != values}
    if not changed:
        return boxes, []
    kept, excluded = [], []
    for box in boxes:
        values = box.values.get(rule.name)
        if values not in changed:
            kept.append(box)
        elif cut := changed[values]:
            kept.append(box._replace(values={**box.values, rule.name: cut}))
        else:
            excluded.append(Candidate(box, excluded_by=rule.name))
    return kept, excluded


def _distinct(boxes: Iterable[Box], name: str) -> set[Values | None]:
    return {box.values.get(name) for box in boxes}


def _has_sizes(values: Mapping[str, Values]) -> bool:
    return fit_sizes(values["width"], values["height"], values["aspectRatio"]) is not None


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


class _Chooser:
    """Finds the best settings of boxes under the rules. Modes share most of their values: each is weighed once."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._ideals = {rule.name: rule for rule in rules if rule.ideal is not None}

    def contenders(self, boxes: Sequence[Box]) -> Sequence[Box]:
        """The boxes without those of derived pictures of which another has every size and shape, at no worse a rate."""
        twins = [(self._beside_sizes(box), box) for box in boxes if box.backing]
        kept: list[tuple[tuple[float, float], Box]] = []
        for one in sorted(twins, key=lambda twin: (twin[0], -bounds(twin[1].values["width"])[1])):
            if not any(_inside(one, other) for other in kept):
                kept.append(one)
        if len(kept) == len(twins):
            return boxes
        left = {id(box) for _, box in kept}
        return [box for box in boxes if not box.backing or id(box) in left]

    def _beside_sizes(self, box: Box) -> tuple[float, float]:
        """How far the rest of the settings is, from what was asked and from what is usual."""
        rest = {name: values for name, values in box.values.items() if name not in SIZES}
        far = sum(self._least(rule, rest.get(rule.name)) for rule in self._rules if rule.name not in SIZES)
        rate = _closest(rest["frameRate"], "frameRate", self._ideals.get("frameRate"))
        return far, apart(float(rate), float(DEFAULTS["frameRate"]))

    def distances(self, boxes: Sequence[Box]) -> list[float]:
        """The least fitness distance within each of the boxes."""
        totals = [0.0] * len(boxes)
        for rule in self._rules:
            far = {values: self._least(rule, values) for values in _distinct(boxes, rule.name)}
            if any(far.values()):
                totals = [total + far[box.values.get(rule.name)] for total, box in zip(totals, boxes, strict=True)]
        for place, box in enumerate(boxes):
            if _free_sizes(box.values):  # there the properties depend on one another
                totals[place] = self.best(box).distance
        return totals

    def best(self, box: Box) -> Candidate:
        """The settings out of the box that are nearest, and their distance per constraint."""
        settings = {name: _typed(name, _closest(values, name, self._ideals.get(name))) for name, values in box.values.items()}
        if _free_sizes(box.values):
            settings |= self._sizes(box.values, settings)
        return Candidate(box, settings, {rule.name: rule.distance(settings.get(rule.name)) for rule in self._rules})

    def _least(self, rule: Rule, values: Values | None) -> float:
        if values is None:
            return rule.distance(None)
        return rule.far(_typed(rule.name, _closest(values, rule.name, rule if rule.ideal else None)))

    def _sizes(self, values: Mapping[str, Values], settings: Settings) -> Settings:
        if "aspectRatio" in self._ideals or _ratio_binds(values):
            return _best_sizes(values, self._ideals)
        return {"aspectRatio": float(settings["width"]) / float(settings["height"])}


def _inside(one: tuple[tuple[float, float], Box], other: tuple[tuple[float, float], Box]) -> bool:
    """Whether all that a twin has to offer is in another one of the same device, and is no better there."""
    (far, away), box = one
    (other_far, other_away), outer = other
    if box.device is not outer.device or box.rank != outer.rank or other_far > far or other_away > away:
        return False
    ends = ((bounds(box.values[name]), bounds(outer.values[name])) for name in SIZES)
    return all(low <= least and most <= high for (least, most), (low, high) in ends)


def _typed(name: str, value: Scalar) -> Scalar:
    return int(value) if name in PROPERTIES and PROPERTIES[name].idl == "unsigned long" else value


def _closest(values: Values, name: str, rule: Rule | None) -> Scalar:
    if not isinstance(values, Span) and len(values) == 1:
        return values[0]
    default = Rule(name, ideal=(DEFAULTS[name],)) if name in DEFAULTS else Rule(name)
    asked = rule or default
    if not isinstance(values, Span):
        return min(values, key=lambda value: (asked.distance(value), default.distance(value)))
    wished = (asked.ideal and asked.ideal[0] == 0 and values.min <= 0 and 0.0) or asked.wished or default.wished
    return values.nearest(values.max if wished is None else wished)


def _best_sizes(values: Mapping[str, Values], ideals: Mapping[str, Rule]) -> Settings:
    """Width, height and aspect ratio together: the least distance from what was asked, then from the defaults."""
    wished = {name: number for name in SIZES if name in ideals and (number := ideals[name].wished) is not None}
    usual = {name: float(DEFAULTS[name]) for name in ("width", "height") if name not in wished}
    best = fit_sizes(values["width"], values["height"], values["aspectRatio"], {**usual, **wished}, _cost(wished, usual))
    assert best is not None, "a box that was cut has sizes left"
    return {"width": int(best[0]), "height": int(best[1]), "aspectRatio": best[0] / best[1]}


def _cost(wished: Mapping[str, float], usual: Mapping[str, float]) -> Callable[[float, float], tuple[float, float]]:
    """How far a size is from what was asked, and from what is usual. It is asked very often."""
    wide, high, ratio = (wished.get(name) for name in SIZES)
    usual_wide, usual_high = usual.get("width"), usual.get("height")

    def cost(width: float, height: float) -> tuple[float, float]:
        far = 0.0 if wide is None else apart(width, wide)
        far += 0.0 if high is None else apart(height, high)
        far += 0.0 if ratio is None else apart(width / height, ratio)
        away = 0.0 if usual_wide is None else apart(width, usual_wide)
        return far, away if usual_high is None else away + apart(height, usual_high)

    return cost


def overconstrained(boxes: Sequence[Box], rules: Sequence[Rule]) -> OverconstrainedError:
    """The error for rules that no box satisfies: what failed, which of them conflict, and what would be closest.

    A rule failed if no settings dictionary satisfies it; if there is none, out of those with the resizeMode that is required.
    """
    required = [rule for rule in rules if rule.required]
    examined = _cut(list(boxes), [rule for rule in required if rule.name == "resizeMode"])[0] or boxes
    failed = next((rule.name for among in (boxes, examined) for rule in required if not feasible(among, [rule])), "")
    conflict = _minimal(boxes, required)
    names, nearest = [rule.name for rule in conflict], nearest_settings(boxes, rules)
    return OverconstrainedError(failed, f"no {together_in_words(conflict)}", conflict=names, nearest=nearest)


def feasible(boxes: Iterable[Box], rules: Sequence[Rule]) -> bool:
    """Whether some settings satisfy the required part of the rules."""
    return bool(_cut(list(boxes), rules)[0])


def _minimal(boxes: Sequence[Box], required: Sequence[Rule]) -> list[Rule]:
    """A subset of the rules that still excludes every box, and of which none can be left out."""
    conflict = list(required)
    for rule in reversed(required):  # the first that fails by itself is the one that stays
        without = [other for other in conflict if other is not rule]
        if not feasible(boxes, without):
            conflict = without
    return conflict


def nearest_settings(boxes: Sequence[Box], rules: Sequence[Rule]) -> Settings | None:
    """The settings closest to the rules when only those that conflict are no longer required; None where there is no box."""
    if not boxes:
        return None
    relaxed = list(rules)
    while not feasible(boxes, relaxed):
        conflict = _minimal(boxes, [rule for rule in relaxed if rule.required])
        relaxed = [_relaxed(rule, boxes) if rule in conflict else rule for rule in relaxed]
    return select_settings(boxes, Constraints(tuple(relaxed), (), {})).settings


def _relaxed(rule: Rule, boxes: Sequence[Box]) -> Rule:
    """What was required as a wish."""
    return Rule(rule.name, ideal=rule.exact or _bound(rule, boxes))


def _bound(rule: Rule, boxes: Sequence[Box]) -> tuple[Scalar, ...] | None:
    """The end of the range that is missed, or else the wish inside it."""
    ends = [bounds(values) for box in boxes if (values := box.values.get(rule.name)) and not isinstance(values[0], str)]
    if rule.max is not None and (rule.min is None or (ends and min(low for low, _ in ends) > rule.max)):
        return (rule.max,)
    if rule.ideal and rule.allows(rule.ideal[0]):
        return rule.ideal
    return None if rule.min is None else (rule.min,)
