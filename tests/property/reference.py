"""SelectSettings and the fitness distance step by step as the standard has them: every settings dictionary is looked at.

https://www.w3.org/TR/mediacapture-streams/#dfn-selectsettings. Slow and without cleverness on purpose, and nothing of mscli
is used: it is what ``mscli.core.select`` is held against. Constraints are dictionaries after WebIDL conversion.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

Settings = Mapping[str, Any]

VIDEO = (
    "deviceId", "groupId", "width", "height", "aspectRatio", "frameRate", "facingMode", "resizeMode", "backgroundBlur",
)  # fmt: skip
AUDIO = (
    "deviceId", "groupId", "sampleRate", "sampleSize", "channelCount", "latency",
    "echoCancellation", "autoGainControl", "noiseSuppression",
)  # fmt: skip
APPLYING = {"video": VIDEO, "audio": AUDIO}


class Constraint(NamedTuple):
    """The value of one constraint: what it has of exact, ideal, min and max, and whether it is a required one."""

    members: Mapping[str, Any]
    required: bool


ConstraintSet = Mapping[str, Constraint]


def read(dictionary: Mapping[str, Any], kind: str, bare: str = "ideal") -> dict[str, Constraint]:
    """The constraints of a dictionary that apply to tracks of that kind, a ``bare`` value being ideal or exact.

    Where only empty lists are given, there is no constraint.
    """
    found = {}
    for name in APPLYING[kind]:
        if name in dictionary:
            value = dictionary[name]
            given = value if isinstance(value, Mapping) else {bare: value}
            members = {member: one for member, one in given.items() if one != []}
            if members or not given:
                found[name] = Constraint(members, not members.keys().isdisjoint({"min", "max", "exact"}))
    return found


def equals(setting: Any, wanted: Any) -> bool:
    """The standard's ==: for strings, whether one of the values in the sequence is the setting."""
    return setting in wanted if isinstance(wanted, list) else bool(setting == wanted)


def satisfies(setting: Any, members: Mapping[str, Any]) -> bool:
    """Whether a setting satisfies the required members."""
    if "exact" in members and not equals(setting, members["exact"]):
        return False
    if "min" in members and setting < members["min"]:
        return False
    return "max" not in members or setting <= members["max"]


def constraint_distance(settings: Settings, name: str, constraint: Constraint) -> float:
    """What one constraint adds to the fitness distance, in the order of the standard's list."""
    members = constraint.members
    if constraint.required and (name not in settings or not satisfies(settings[name], members)):
        return math.inf
    if name not in settings:
        return 1.0
    if "ideal" not in members:
        return 0.0
    actual, ideal = settings[name], members["ideal"]
    if isinstance(actual, str | bool) or isinstance(ideal, str | bool | list):
        return 0.0 if equals(actual, ideal) else 1.0
    return 0.0 if actual == ideal else abs(actual - ideal) / max(abs(actual), abs(ideal))


def distance(settings: Settings, constraints: ConstraintSet) -> float:
    """The fitness distance between a settings dictionary and a constraint set."""
    return sum(constraint_distance(settings, name, constraint) for name, constraint in constraints.items())


@dataclass(frozen=True)
class Answer:
    """What SelectSettings may answer: one of ``surviving`` with the least distance, or, if it is empty, one of ``failed``."""

    surviving: tuple[Settings, ...]  # with every distance, after the advanced sets
    distance: float  # the least
    advanced: tuple[bool, ...]  # which of the sets were kept
    failed: frozenset[str]  # required constraints that no settings dictionary satisfies, else the empty string


def select_settings(every: Sequence[Settings], constraints: Mapping[str, Any], kind: str) -> Answer:
    """SelectSettings among ``every`` possible settings dictionary."""
    basic = read(constraints, kind)
    candidates = [(settings, far) for settings in every if (far := distance(settings, basic)) < math.inf]
    if not candidates:
        return Answer((), math.inf, (), failed(every, basic))
    kept = []
    for one in constraints.get("advanced", ()):
        advanced = read(one, kind, "exact")
        satisfied = [each for each in candidates if distance(each[0], advanced) < math.inf]
        kept.append(bool(satisfied))
        candidates = satisfied or candidates
    surviving = tuple(settings for settings, _ in candidates)
    return Answer(surviving, min(far for _, far in candidates), tuple(kept), frozenset())


def failed(every: Sequence[Settings], basic: ConstraintSet) -> frozenset[str]:
    """The required constraints of which the distance was infinite for all settings dictionaries examined, or the empty string.

    Where resizeMode is required, only settings dictionaries that have it count as examined.
    """
    resizing = {name: constraint for name, constraint in basic.items() if name == "resizeMode"}
    examined = [settings for settings in every if satisfiable([settings], resizing)] or every
    names = {name for name in basic if not satisfiable(examined, {name: basic[name]})}
    return frozenset(names or {""})


def satisfiable(every: Iterable[Settings], constraints: ConstraintSet) -> bool:
    """Whether some settings dictionary satisfies all of the constraints."""
    return any(distance(settings, constraints) < math.inf for settings in every)


def numbers_in(constraints: Any, name: str) -> Iterator[float]:
    """Every number that is mentioned for a property: between two of them, a continuous property has nothing to offer."""
    if isinstance(constraints, Mapping):
        for key, value in constraints.items():
            yield from numbers_in(value, name) if key != name else _numbers(value)
    elif isinstance(constraints, list):
        for item in constraints:
            yield from numbers_in(item, name)


def _numbers(value: Any) -> Iterator[float]:
    members = value.values() if isinstance(value, Mapping) else [value]
    return (member for member in members if isinstance(member, int | float) and not isinstance(member, bool))


def combinations(sets: Mapping[str, Iterable[Any]]) -> Iterator[dict[str, Any]]:
    """Every dictionary with one value out of each set; aspectRatio follows from width and height."""
    for values in product(*sets.values()):
        settings = dict(zip(sets, values, strict=True))
        if "width" in settings:
            settings["aspectRatio"] = settings["width"] / settings["height"]
        yield settings
