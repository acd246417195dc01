"""Constraints as rules, and the fitness distance between a setting and a rule.

https://www.w3.org/TR/mediacapture-streams/#dfn-fitness-distance
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mscli.core.boxes import Scalar, Span, Values, apart
from mscli.core.properties import AUDIO, POINTS, PROPERTIES, VIDEO
from mscli.core.tuples import NamedTuple


class Rule(NamedTuple):
    """The constraint on one property. ``exact`` and ``ideal`` hold the values that satisfy it, or None if absent."""

    name: str
    exact: tuple[Scalar, ...] | None = None
    ideal: tuple[Scalar, ...] | None = None
    min: float | None = None
    max: float | None = None

    @property
    def required(self) -> bool:
        """Return whether settings that do not satisfy the rule are excluded."""
        return not (self.exact is None and self.min is None and self.max is None)

    @property
    def wished(self) -> float | None:
        """Return the ideal number, or None if there is none or it is 0, from which all others are equally far."""
        number = self.ideal[0] if self.ideal else None
        return float(number) if isinstance(number, int | float) and not isinstance(number, bool) and number else None

    @property
    def of_presence(self) -> bool:
        """Return whether the rule is a boolean for a numeric property: it asks whether the device has the property."""
        asked = self.exact or self.ideal
        return asked is not None and isinstance(asked[0], bool) and self.name in PROPERTIES and PROPERTIES[self.name].numeric

    @property
    def allows_absence(self) -> bool:
        """Return whether settings without the property satisfy the required part."""
        return not self.required or (self.of_presence and self.exact == (False,))

    def allows(self, value: Scalar) -> bool:
        """Return whether a value satisfies the required part."""
        if self.of_presence:
            return self.exact in (None, (True,))
        value = _comparable(self.name, value)
        if self.exact is not None and value not in self.exact:
            return False
        if isinstance(value, str):
            return True
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)

    def cut(self, values: Values) -> Values | None:
        """Return the values of a set that satisfy the required part, or None if none do."""
        if self.of_presence:
            return values if self.exact in (None, (True,)) else None
        if isinstance(values, Span):
            return values.cut(*self._bounds(values.step))
        return tuple(value for value in values if self.allows(value)) or None

    def distance(self, value: Scalar | None) -> float:
        """Return the fitness distance of a value from the ideal. ``None``: the settings lack the property."""
        if value is None:
            return math.inf if not self.allows_absence else float(not self.of_presence or self.ideal == (True,))
        return self.far(value) if self.allows(value) else math.inf

    def far(self, value: Scalar) -> float:
        """Return the fitness distance of a value that satisfies the required part."""
        if self.ideal is None:
            return 0.0
        if self.of_presence:
            return float(self.ideal == (False,))
        value = _comparable(self.name, value)
        if len(self.ideal) == 1:
            return _apart(value, self.ideal[0])
        return min(_apart(value, ideal) for ideal in self.ideal)

    def in_words(self) -> str:
        """Format the required part: ``width ≥ 640 px``."""
        parts = [f"= {' or '.join(map(_word, self.exact))}"] if self.exact is not None else []
        parts += [f"≥ {_word(self.min)}"] if self.min is not None else []
        parts += [f"≤ {_word(self.max)}"] if self.max is not None else []
        unit = PROPERTIES[self.name].unit if self.name in PROPERTIES else ""
        return f"{self.name} {' and '.join(parts)} {unit}".rstrip()

    def _bounds(self, step: float) -> tuple[float, float]:
        low = -math.inf if self.min is None else self.min
        high = math.inf if self.max is None else self.max
        if self.exact is not None:
            only = float(self.exact[0])
            low, high = max(low, only), min(high, only)
        decimals = PROPERTIES[self.name].decimals if self.name in PROPERTIES else None
        slack = 0.0 if decimals is None or step or low > high else 0.5 * 10.0**-decimals  # the tolerance from rounding
        return low - slack, high + slack


def _comparable(name: str, value: Scalar) -> Scalar:
    """Return the value as the standard compares it: the aspect ratio "rounded to the tenth decimal place"."""
    decimals = PROPERTIES[name].decimals if name in PROPERTIES else None
    return round(value, decimals) if decimals is not None and isinstance(value, float) else value


def _apart(actual: Scalar, ideal: Scalar) -> float:
    if actual == ideal and isinstance(actual, bool) == isinstance(ideal, bool):
        return 0.0
    if isinstance(actual, str | bool) or isinstance(ideal, str | bool):
        return 1.0
    return apart(actual, ideal)


def _word(value: Scalar) -> str:
    if isinstance(value, str):
        return f"“{value}”"
    return str(value).lower() if isinstance(value, bool) else f"{value:.10g}"


_NOUNS = {(VIDEO,): "camera", (AUDIO,): "microphone"}


def together_in_words(conflict: Sequence[Rule]) -> str:
    """Format required constraints that conflict: ``camera offers width = 1280 px together with frameRate ≥ 90 /s``."""
    kinds = {PROPERTIES[rule.name].kinds for rule in conflict if rule.name in PROPERTIES}
    noun = next((_NOUNS[kind] for kind in kinds if kind in _NOUNS), "device")
    return f"{noun} offers {in_words(conflict)}"


def in_words(conflict: Sequence[Rule]) -> str:
    """Format the required parts: ``width = 1280 px together with frameRate ≥ 90 /s``."""
    return " together with ".join(rule.in_words() for rule in conflict)


def values_in_words(values: Values) -> str:
    """Format possible values: ``from 100 to 400 in steps of 10``, ``“manual” or “continuous”``."""
    if not isinstance(values, Span):
        return " or ".join(map(_word, values))
    steps = f" in steps of {_word(values.step)}" if values.step not in (0, 1) else ""
    return f"from {_word(values.min)} to {_word(values.max)}{steps}"


def rules(converted: Mapping[str, Any], kind: str, *, bare: str) -> list[Rule]:
    """Return the rules of a converted constraint set for tracks of ``kind``. ``bare``: "ideal" or "exact", for bare values."""
    applying = (name for name in converted if name in PROPERTIES and kind in PROPERTIES[name].kinds)
    return [_rule(name, converted[name], bare) for name in applying if not _empty(converted[name])]


def _empty(value: Any) -> bool:
    """Return whether the constraint consists only of empty lists, and so is no constraint."""
    given = list(value.values()) if isinstance(value, Mapping) else [value]
    return bool(given) and all(one == [] for one in given)


def _rule(name: str, value: Any, bare: str) -> Rule:
    members = dict(value) if isinstance(value, Mapping) else {bare: value}
    listed = {key: _listed(name, members[key]) for key in ("exact", "ideal") if key in members}
    low, high = (None if members.get(key) is None else _comparable(name, members[key]) for key in ("min", "max"))
    return Rule(name, min=low, max=high, **listed)  # type: ignore[arg-type]


def _listed(name: str, value: Any) -> tuple[Scalar, ...] | None:
    """Return the values that satisfy a member, or None for an empty list, which asks for nothing."""
    if PROPERTIES[name].idl == POINTS:
        import json

        return (json.dumps(value),)  # the points together are one value
    return tuple(value) or None if isinstance(value, list | tuple) else (_comparable(name, value),)


class Constraints(NamedTuple):
    """The constraints on one track: the basic rules, the advanced sets in order, and the original dictionary."""

    basic: tuple[Rule, ...]
    advanced: tuple[tuple[Rule, ...], ...]
    source: Mapping[str, Any]

    @property
    def of_controls(self) -> bool:
        """Return whether there are rules and all are about controls, so that nothing else has to change."""
        named = [rule.name for rules in (self.basic, *self.advanced) for rule in rules]
        return bool(named) and all(name in PROPERTIES and PROPERTIES[name].control for name in named)


def parse_constraints(converted: Mapping[str, Any], kind: str) -> Constraints:
    """Return the rules of a converted ``MediaTrackConstraints``. Bare values are ideal; in advanced sets, exact."""
    advanced = tuple(tuple(rules(one, kind, bare="exact")) for one in converted.get("advanced", ()))
    return Constraints(tuple(rules(converted, kind, bare="ideal")), advanced, converted)
