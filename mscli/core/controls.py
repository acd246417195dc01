"""Camera controls: settings that change while the camera runs, the modes they depend on, and the order in which to set them.

https://www.w3.org/TR/image-capture/#constrainable-properties
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mscli.core.boxes import Box, Scalar, Span, Values
from mscli.core.constraints import Rule
from mscli.core.nearest import did_you_mean
from mscli.core.properties import MANUAL, NATIVE, POINTS, PROPERTIES, Property
from mscli.core.tuples import NamedTuple


class Control(NamedTuple):
    """A control of one camera: its allowed values, current value and default.

    ``inactive``: the driver reports that setting it has no effect now, because something else determines its value.
    ``read_only``: programs cannot set it.
    """

    values: Values
    value: Scalar
    default: Scalar | None = None
    inactive: bool = False
    read_only: bool = False


NO_POINTS = "[]"
_POINTS = frozenset(row.name for row in PROPERTIES.values() if row.idl == POINTS)


def shown(settings: Mapping[str, Scalar]) -> dict[str, Any]:
    """Return settings as the standard has them: points as objects, and nothing that only holds for single photos."""
    of_photos = PROPERTIES.of_photos
    listed = ((name, value) for name, value in settings.items() if name not in of_photos)
    return {name: _points_in(str(value)) if name in _POINTS else value for name, value in listed}


def _points_in(text: str) -> Any:
    import json  # imported late: rarely needed

    return json.loads(text)


# the properties on which other controls depend
MODES = frozenset(row.only_while[0] for row in PROPERTIES.values() if row.only_while)


def is_control(name: str) -> bool:
    """Return whether the named property is a control."""
    return name in PROPERTIES and PROPERTIES[name].control


def controls_in(settings: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return only the controls among some settings."""
    return {name: value for name, value in settings.items() if is_control(name)}


def mode_in(settings: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return some settings without the controls: the ones that only change with a restart."""
    return {name: value for name, value in settings.items() if not is_control(name)}


def plan(wanted: Mapping[str, Scalar], now: Mapping[str, Scalar]) -> list[tuple[str, Scalar]]:
    """Return the controls to set, in order, to change a camera's controls from ``now`` to ``wanted``.

    A driver rejects a manual value while the automatic mode is on. So automatic modes are switched off first, then values are
    set, then automatic modes are switched on, and last come the values that only have an effect in them. Skipped: controls that
    the camera does not have, values that are set already, and values that can be set in neither the old nor the new mode.
    """
    after = {**now, **wanted}
    changed = {
        name for name, value in wanted.items() if name in now and (now[name] != value or _mode_changes(name, now, after))
    }
    settable = (name for name in changed if _can_be_set(name, now) or _can_be_set(name, after))
    turns = {name: _turn(name, wanted[name]) if _can_be_set(name, after) else BEFORE_MODES for name in settable}
    return [(name, wanted[name]) for name in sorted(turns, key=lambda name: (turns[name], name))]


def switch_of(name: str, known: Iterable[str]) -> str:
    """Return the driver's own switch that lets the camera set a control by itself, or "": v4l2:gain_automatic for v4l2:gain.

    Drivers only tell by its name which control it is for.
    """
    begin = f"{NATIVE}{name.removeprefix(NATIVE)}_auto"
    return next((one for one in known if one.startswith(begin)), "")


def _mode_changes(name: str, now: Mapping[str, Scalar], after: Mapping[str, Scalar]) -> bool:
    """Return whether the mode on which a control depends changes. The known value of the control is stale after that."""
    held = PROPERTIES[name].only_while
    mode = held[0] if held is not None else switch_of(name, after)
    return now.get(mode) != after.get(mode)


def _can_be_set(name: str, settings: Mapping[str, Scalar]) -> bool:
    held = PROPERTIES[name].only_while
    return held is None or settings.get(held[0]) in (None, *held[1])


def _needs(name: str, mode: str) -> bool:
    held = PROPERTIES[name].only_while
    return held is not None and held[0] == mode


BEFORE_MODES = -1  # the position of controls that can only be set in the old mode


def _turn(name: str, value: Scalar) -> int:
    if name in MODES:
        return 0 if value == MANUAL else 2
    if name.startswith(NATIVE) and "_auto" in name:
        return 2 if value else 0
    held = PROPERTIES[name].only_while
    return 1 if held is None or MANUAL in held[1] else 3


def unfold(boxes: Sequence[Box], rules: Iterable[Rule]) -> list[Box]:
    """Split boxes by the modes that determine whether the controls of the rules can be set.

    A part whose mode does not allow setting a control lacks that control, and comes first. A control that takes any points
    gets those of the rules as its values.
    """
    unfolded, wanted = list(boxes), list(rules)
    for name in dict.fromkeys(rule.name for rule in wanted):
        row = PROPERTIES.get(name)
        if row is not None and row.only_while is not None:
            unfolded = [part for box in unfolded for part in _parts(box, row, *row.only_while)]
        if row is not None and row.idl == POINTS:
            points = [one for rule in wanted if rule.name == name for one in (*(rule.exact or ()), *(rule.ideal or ()))]
            unfolded = [_with_points(box, name, points) for box in unfolded]
    return unfolded


def _with_points(box: Box, name: str, points: Sequence[Scalar]) -> Box:
    if name not in box.values:
        return box
    return box._replace(values={**box.values, name: tuple(dict.fromkeys((*box.values[name], *points)))})


def _parts(box: Box, row: Property, mode: str, letting: tuple[str, ...]) -> list[Box]:
    if row.name not in box.values or mode not in box.values:
        return [box]
    modes = tuple(box.values[mode])
    free, held = (tuple(value for value in modes if (value in letting) is so) for so in (True, False))
    if not held:
        return [box]
    without = {name: values for name, values in box.values.items() if name != row.name}
    parts = [box._replace(values={**without, mode: held})]
    return [*parts, box._replace(values={**box.values, mode: free})] if free else parts


def unmet(rules: Iterable[Rule], settings: Mapping[str, Scalar], controls: Mapping[str, Control]) -> list[str]:
    """Return a clause for each wished control that a camera does not have or did not set as wished."""
    wished = [rule for rule in rules if rule.ideal and is_control(rule.name) and not rule.of_presence]
    names = [rule.name for rule in wished]
    return [clause for rule in wished if (clause := _unmet(rule, settings, controls, names))]


def _unmet(rule: Rule, settings: Mapping[str, Scalar], controls: Mapping[str, Control], wished: Sequence[str]) -> str:
    name, now, control, known = rule.name, settings.get(rule.name), controls.get(rule.name), tuple(controls)
    if control is None:
        natives = [one for one in known if one.startswith(NATIVE)]
        return f"has no {name}{did_you_mean(name, natives) if name.startswith(NATIVE) else ''}"
    if now is None or rule.ideal is None or now in rule.ideal:
        return ""
    if control.read_only:
        return f"cannot set {name}, which is read-only"
    switch = switch_of(name, known)
    if control.inactive and name.startswith(NATIVE) and switch not in wished:
        return f"cannot set {name} while the camera sets it by itself{f'; set {switch} to 0' if switch else ''}"
    held = PROPERTIES[name].only_while
    if held is not None and not _can_be_set(name, settings):
        rival = next((one for one in wished if _needs(one, held[0]) and one in controls and _can_be_set(one, settings)), None)
        if rival is not None and held[0] not in wished:
            return f"cannot set {name} beside {rival}, which needs {held[0]} {settings[held[0]]}"
        return f"cannot set {name} while {held[0]} is {settings[held[0]]}"
    if isinstance(control.values, Span):
        low, high = (f"{end:.10g}" for end in (control.values.min, control.values.max))
        if low == high:
            return f"cannot set {name}, which is always {low}"
        return f"set {name} to {now}, not {rule.ideal[0]:.10g}; from {low} to {high} is possible"
    return f"set {name} to {now}, not {rule.ideal[0]}; possible: {', '.join(map(str, control.values))}"
