"""SelectSettings: choose settings from what devices can do and what was requested, or explain why none fit.

https://www.w3.org/TR/mediacapture-streams/#dfn-selectsettings. The standard enumerates all settings dictionaries. Here, boxes
of settings are cut by the required constraints and by each advanced set, and the best point of each box is found. Among equally
near settings, ``RANKS`` and ``STEPS`` prefer what people find natural. The result is the same on every run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from mscli.core.aspect import SIZES, bounds, fit_sizes
from mscli.core.boxes import Box, Scalar, Span, Values, apart
from mscli.core.codecs import format_quality
from mscli.core.constraints import Constraints, Rule, in_words, together_in_words, values_in_words
from mscli.core.controls import is_control, unfold
from mscli.core.derived import crop_loss, natural_sizes
from mscli.core.errors import OverconstrainedError
from mscli.core.properties import PROPERTIES
from mscli.core.selection import Candidate, Selection, Settings
from mscli.core.tuples import NamedTuple

TIE = 0.0005  # settings whose fitness distances differ by less are tied
DEFAULTS: Mapping[str, Scalar] = {
    "width": 640, "height": 480, "frameRate": 30, "resizeMode": "none",
    "sampleRate": 48000, "channelCount": 1, "sampleSize": 16,
    "echoCancellation": True, "autoGainControl": True, "noiseSuppression": True, "backgroundBlur": False,
}  # fmt: skip

_DEFAULT_RULES = tuple(Rule(name, ideal=(value,)) for name, value in DEFAULTS.items())


class Wishes(NamedTuple):
    """The part of the request on which ties depend: the rules and the preferred pixel formats, best first."""

    rules: Sequence[Rule]
    pixel_formats: Sequence[str] = ()


class Preference(NamedTuple):
    """A criterion that prefers the candidate with the lowest ``value``. ``says``: the reason, for people.

    ``of_settings``: the value depends on the candidate's settings alone.
    """

    says: str
    value: Callable[[Candidate, Wishes], float]
    of_settings: bool = False


def _shape_lost(one: Candidate, _wishes: Wishes) -> float:
    """Return the smallest fraction of a native frame that must be cropped for derived settings."""
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
    """Return whether the aspect ratio differs from that of every native size."""
    if not one.box.backing or one.settings is None:
        return 0.0
    width, height = float(one.settings["width"]), float(one.settings["height"])
    return all(width * h != height * w for w, h in one.box.shapes)


def _odd(one: Candidate, _wishes: Wishes) -> float:
    settings = one.settings if one.box.backing else None
    return int(settings["width"]) % 2 + int(settings["height"]) % 2 if settings else 0


def _unusual(one: Candidate, wishes: Wishes) -> float:
    """Return the distance of the settings that nobody requested from ``DEFAULTS``."""
    settings = one.settings or {}
    asked = {rule.name for rule in wishes.rules if rule.ideal is not None and rule.ideal != (0,)}
    unasked = (rule for rule in _DEFAULT_RULES if rule.name in settings and rule.name not in asked)
    return round(sum(rule.distance(settings[rule.name]) for rule in unasked), 6)


def _unwanted_format(one: Candidate, wishes: Wishes) -> float:
    formats, name = wishes.pixel_formats, _pixel_format(one)
    return formats.index(name) if name in formats else len(formats)


def _poor_format(one: Candidate, _wishes: Wishes) -> float:
    return -format_quality(_pixel_format(one))


def _pixel_format(one: Candidate) -> str:
    return one.box.mode.pixel_format if one.box.mode else ""


RANKS = (
    Preference("the system's default device comes first", lambda one, _: one.box.rank.place),
    Preference("the device already runs in this mode", lambda one, _: one.box.rank.switched),
    Preference("a native mode comes before a derived one", lambda one, _: one.box.rank.derived),
)
STEPS = (
    Preference("the shape of the sensor is kept", _shape_lost),
    Preference("a native size comes before a scaled one", _scaled),
    Preference("it is nearer by less than the rounding", _exactly),
    Preference("it has exactly the shape of the sensor", _misshapen),
    Preference("an even size suits every encoder", _odd),
    Preference("it is closer to the defaults: 640×480 at 30 fps, mono at 48 kHz", _unusual, of_settings=True),
    Preference("the output prefers its pixel format", _unwanted_format),
    Preference("its pixel format keeps more of the picture", _poor_format),
)
_LAST = "the device lists it first"


def break_tie(tied: Sequence[Candidate], wishes: Wishes, within: float) -> tuple[Candidate, str]:
    """Return the most natural of the ``tied`` candidates and the deciding reason, or "" if there is only one.

    ``within``: points of a derived box that are nearer than this may replace the box's nearest point.
    """
    left, decided_by = _narrow(list(tied), RANKS, wishes, "")
    left += [point for one in tuple(left) for point in _natural_points(one, wishes.rules) if point.distance < within]
    left, decided_by = _narrow(left, STEPS, wishes, decided_by)
    alike = left[0].box.backing or len(left) == 1  # derived candidates with the same settings are identical
    return left[0], decided_by if alike else _LAST


def _narrow(left: list[Candidate], steps: Iterable[Preference], wishes: Wishes, decided_by: str) -> tuple[list[Candidate], str]:
    for step in steps:
        values = _values(step, left, wishes) if len(left) > 1 else [0.0]
        least = min(values)
        if max(values) > least:
            left, decided_by = [one for one, value in zip(left, values, strict=True) if value == least], step.says
    return left, decided_by


def _values(step: Preference, left: Sequence[Candidate], wishes: Wishes) -> list[float]:
    if not step.of_settings:
        return [step.value(one, wishes) for one in left]
    known: dict[int, float] = {}  # candidates of boxes that share their values share their settings
    for one in left:
        if id(one.settings) not in known:
            known[id(one.settings)] = step.value(one, wishes)
    return [known[id(one.settings)] for one in left]


def _natural_points(candidate: Candidate, rules: Sequence[Rule]) -> list[Candidate]:
    """Return other points of a derived box, which people may find more natural than the nearest one."""
    box, settings = candidate.box, candidate.settings
    if not box.backing or settings is None:
        return []
    goal = {rule.name: rule.wished for rule in rules if rule.wished is not None and rule.name in SIZES}
    points = ({**settings, "width": int(w), "height": int(h), "aspectRatio": w / h} for w, h in natural_sizes(box, goal))
    return [Candidate(box, point, {rule.name: rule.distance(point.get(rule.name)) for rule in rules}) for point in points]


def select_settings(boxes: Sequence[Box], constraints: Constraints, pixel_formats: Sequence[str] = ()) -> Selection:
    """Choose the best settings among ``boxes``. ``pixel_formats``: preferred native formats, best first.

    Raises OverconstrainedError with the failed constraint, a minimal conflict and the nearest settings.
    """
    boxes = unfold(boxes, [rule for rules in (constraints.basic, *constraints.advanced) for rule in rules])
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
    chosen, decided_by = break_tie(tied, Wishes(constraints.basic, pixel_formats), within)

    def candidates() -> Iterator[Candidate]:
        yield from (chosen if box is chosen.box else chooser.best(box) for box in alive)
        yield from (*left_out, *excluded)

    return Selection(chosen, tuple(kept), decided_by, candidates)


def _apply_advanced(boxes: list[Box], sets: Iterable[Sequence[Rule]]) -> tuple[list[Box], list[bool], list[Candidate]]:
    """Return the remaining boxes, whether each set was satisfied, and the boxes that a set excluded."""
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
    """Return the parts of the boxes that satisfy the required rules of a constraint set, and the boxes with no such part."""
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
    """Cut all boxes by one rule. Modes share most of their values, so each distinct set of values is cut once."""
    cuts = {values: values and rule.cut(values) for values in _distinct(boxes, rule.name) if values or not rule.allows_absence}
    changed = {values: cut for values, cut in cuts.items() if not cut or cut != values}
    if not changed:
        return boxes, []
    kept, excluded = [], []
    left: dict[int, Mapping[str, Values]] = {}  # boxes that share their values share what is left of them
    for box in boxes:
        values = box.values.get(rule.name)
        if values not in changed:
            kept.append(box)
        elif cut := changed[values]:
            if id(box.values) not in left:
                left[id(box.values)] = {**box.values, rule.name: cut}
            kept.append(box._replace(values=left[id(box.values)]))
        else:
            excluded.append(Candidate(box, excluded_by=rule.name))
    return kept, excluded


def _distinct(boxes: Iterable[Box], name: str) -> set[Values | None]:
    return {box.values.get(name) for box in boxes}


def _has_sizes(values: Mapping[str, Values]) -> bool:
    return fit_sizes(values["width"], values["height"], values["aspectRatio"]) is not None


def _free_sizes(values: Mapping[str, Values]) -> bool:
    """Return whether the width or the height is free, so that the aspect ratio follows from them."""
    return "aspectRatio" in values and (isinstance(values["width"], Span) or isinstance(values["height"], Span))


def _ratio_binds(values: Mapping[str, Values]) -> bool:
    """Return whether a constraint on the aspect ratio rules out some pairs of width and height."""
    if not _free_sizes(values):
        return False
    (least_width, most_width), (least_height, most_height) = bounds(values["width"]), bounds(values["height"])
    low, high = bounds(values["aspectRatio"])
    return least_width / most_height < low or most_width / least_height > high


class _Chooser:
    """A search for the best settings of boxes under some rules. Each distinct set of values is evaluated once."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._asked = {rule.name for rule in rules if not rule.of_presence}
        self._ideals = {rule.name: rule for rule in rules if rule.ideal is not None and not rule.of_presence}
        self._found: dict[tuple[int, int], tuple[Box, Candidate]] = {}  # the best of values and kept, which boxes share

    def contenders(self, boxes: Sequence[Box]) -> Sequence[Box]:
        """Drop each derived box whose sizes and shapes another one also has, at an equal or better rate."""
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
        """Return how far all settings except the size are from the request, and from the usual rate."""
        rest = {name: values for name, values in box.values.items() if name not in SIZES}
        far = sum(self._least(rule, rest.get(rule.name)) for rule in self._rules if rule.name not in SIZES)
        rate = _closest(rest["frameRate"], "frameRate", self._ideals.get("frameRate"))
        return far, apart(float(rate), float(DEFAULTS["frameRate"]))

    def distances(self, boxes: Sequence[Box]) -> list[float]:
        """Return the smallest fitness distance within each box."""
        totals = [0.0] * len(boxes)
        for rule in self._rules:
            far = {values: self._least(rule, values) for values in _distinct(boxes, rule.name)}
            if any(far.values()):
                totals = [total + far[box.values.get(rule.name)] for total, box in zip(totals, boxes, strict=True)]
        for place, box in enumerate(boxes):
            if _free_sizes(box.values):  # here the properties depend on each other
                totals[place] = self.best(box).distance
        return totals

    def best(self, box: Box) -> Candidate:
        """Return the nearest settings within a box, with their distance per constraint.

        A control that nobody asks for keeps its value and is not included. Boxes that share their values share their settings.
        """
        shared = id(box.values), id(box.kept)
        if shared not in self._found:
            self._found[shared] = box, self._best(box)  # with the box, whose values keep their identity
        return self._found[shared][1]._replace(box=box)

    def _best(self, box: Box) -> Candidate:
        settings = {
            name: _typed(name, _closest(values, name, self._ideals.get(name), box.kept.get(name)))
            for name, values in box.values.items()
            if name in self._asked or not _stays(values, box.kept.get(name))
        }
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
    """Return whether a twin offers nothing that another twin of the same device does not offer at least as well."""
    (far, away), box = one
    (other_far, other_away), outer = other
    if box.device is not outer.device or box.rank != outer.rank or other_far > far or other_away > away:
        return False
    ends = ((bounds(box.values[name]), bounds(outer.values[name])) for name in SIZES)
    return all(low <= least and most <= high for (least, most), (low, high) in ends)


def _typed(name: str, value: Scalar) -> Scalar:
    return int(value) if name in PROPERTIES and PROPERTIES[name].idl == "unsigned long" else value


def _stays(values: Values, kept: Scalar | None) -> bool:
    """Return whether a control may keep its value and could have another one."""
    if kept is None or (isinstance(values, Span) and values.min == values.max):
        return False
    return values.min <= float(kept) <= values.max if isinstance(values, Span) else kept in values and len(values) > 1


def _closest(values: Values, name: str, rule: Rule | None, kept: Scalar | None = None) -> Scalar:
    """Return the value nearest to the request, or else nearest to the current or usual value."""
    if not isinstance(values, Span) and len(values) == 1:
        return values[0]
    if rule is None and kept is not None and _stays(values, kept):
        return kept
    usual = kept if kept is not None else DEFAULTS.get(name)
    default = Rule(name) if usual is None else Rule(name, ideal=(usual,))
    asked = rule or default
    if not isinstance(values, Span):
        return min(values, key=lambda value: (asked.distance(value), default.distance(value)))
    if asked.ideal is not None and asked.ideal[0] == 0:  # all other numbers are equally far from 0
        return values.nearest(0.0 if values.min <= 0 else float(DEFAULTS.get(name, values.min)))
    return values.nearest(asked.wished or default.wished or values.max)


def _best_sizes(values: Mapping[str, Values], ideals: Mapping[str, Rule]) -> Settings:
    """Return the width, height and ratio nearest to the request, and then nearest to the defaults."""
    wished = {name: number for name in SIZES if name in ideals and (number := ideals[name].wished) is not None}
    usual = {name: float(DEFAULTS[name]) for name in ("width", "height") if name not in wished}
    best = fit_sizes(values["width"], values["height"], values["aspectRatio"], {**usual, **wished}, _cost(wished, usual))
    assert best is not None, "a box that was cut has sizes left"
    return {"width": int(best[0]), "height": int(best[1]), "aspectRatio": best[0] / best[1]}


def _cost(wished: Mapping[str, float], usual: Mapping[str, float]) -> Callable[[float, float], tuple[float, float]]:
    """Return a function for the distance of a size from the request and from the usual size. It is called very often."""
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
    """Return the error for rules that no box satisfies: the failed rule, the conflict and the nearest settings.

    A rule has failed if no settings satisfy it. If each rule alone can be satisfied, only settings with the required resizeMode
    count.
    """
    required = [rule for rule in rules if rule.required]
    boxes = unfold(boxes, rules)
    examined = _cut(list(boxes), [rule for rule in required if rule.name == "resizeMode"])[0] or boxes
    failed = next((rule.name for among in (boxes, examined) for rule in required if not feasible(among, [rule])), "")
    conflict = _minimal(boxes, required)
    names, nearest = [rule.name for rule in conflict], nearest_settings(boxes, rules)
    hints = _possible(boxes, conflict)
    error = OverconstrainedError(failed, _not_offered(boxes, conflict), conflict=names, nearest=nearest, hints=hints)
    error.nearest_label = _label_of(nearest, boxes)
    return error


def _label_of(settings: Mapping[str, object] | None, boxes: Sequence[Box]) -> str:
    """Return the label of the device with these settings, or "" if there is only one device."""
    labels: dict[object, str] = {box.values.get("deviceId"): getattr(box.device, "label", "") for box in boxes}
    wanted = None if settings is None else settings.get("deviceId")
    return labels.get((wanted,), "") if len(labels) > 1 else ""


def _possible(boxes: Sequence[Box], conflict: Sequence[Rule]) -> list[str]:
    """Return what the controls among the rules can be set to, a sentence for each control that all boxes have alike."""
    controls = [rule.name for rule in conflict if is_control(rule.name)]
    found = {name: {values_in_words(box.values[name]) for box in boxes if name in box.values} for name in controls}
    return [f"{name} can be {texts.pop()}" for name, texts in found.items() if len(texts) == 1]


def _not_offered(boxes: Sequence[Box], conflict: Sequence[Rule]) -> str:
    """Return the sentence that no device offers this. A file or a pipe is named, because no other input was asked for."""
    names = {getattr(box.device, "input_name", "") for box in boxes}
    name = names.pop() if len(names) == 1 else ""
    return f"{name} does not offer {in_words(conflict)}" if name else f"no {together_in_words(conflict)}"


def feasible(boxes: Iterable[Box], rules: Sequence[Rule]) -> bool:
    """Return whether any settings satisfy the required part of the rules."""
    return bool(satisfying(boxes, rules))


def satisfying(boxes: Iterable[Box], rules: Sequence[Rule]) -> list[Box]:
    """Return the parts of the boxes that satisfy the required part of the rules."""
    return _cut(unfold(list(boxes), rules), rules)[0]


def _minimal(boxes: Sequence[Box], required: Sequence[Rule]) -> list[Rule]:
    """Return a subset of the rules that still excludes every box, and from which no rule can be removed."""
    conflict = list(required)
    for rule in reversed(required):  # of rules that fail alone, keep the first
        without = [other for other in conflict if other is not rule]
        if not feasible(boxes, without):
            conflict = without
    return conflict


def nearest_settings(boxes: Sequence[Box], rules: Sequence[Rule]) -> Settings | None:
    """Return the settings closest to the rules after relaxing those that conflict, or None if there is no box."""
    if not boxes:
        return None
    relaxed = list(rules)
    while not feasible(boxes, relaxed):
        conflict = _minimal(boxes, [rule for rule in relaxed if rule.required])
        relaxed = [_relaxed(rule, boxes) if rule in conflict else rule for rule in relaxed]
    return select_settings(boxes, Constraints(tuple(relaxed), (), {})).settings


def _relaxed(rule: Rule, boxes: Sequence[Box]) -> Rule:
    """Return a required rule as a wish."""
    return Rule(rule.name, ideal=rule.exact or _bound(rule, boxes))


def _bound(rule: Rule, boxes: Sequence[Box]) -> tuple[Scalar, ...] | None:
    """Return the bound that is missed, or else the ideal value within the bounds."""
    ends = [bounds(values) for box in boxes if (values := box.values.get(rule.name)) and not isinstance(values[0], str)]
    if rule.max is not None and (rule.min is None or (ends and min(low for low, _ in ends) > rule.max)):
        return (rule.max,)
    if rule.ideal and rule.allows(rule.ideal[0]):
        return rule.ideal
    return None if rule.min is None else (rule.min,)
