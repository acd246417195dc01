"""WebIDL conversion of constraints: what ``json.loads`` gives becomes what a browser would have made of the same value.

https://webidl.spec.whatwg.org/#js-type-mapping for the types that constraint dictionaries use. Unknown members are dropped;
what cannot be converted is a TypeError that names the place. The result is plain dicts, lists and scalars of the IDL types.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mscli.core.errors import ArgumentError
from mscli.core.properties import PROPERTIES

Json = Any
UNSIGNED_LONG_MAX = 2**32 - 1
RANGE_MEMBERS = ("max", "min", "exact", "ideal")  # inherited members first, each in lexicographical order, as WebIDL reads them
_PARAMETERS = ("exact", "ideal")


def to_number(value: Json) -> float:
    """ECMAScript's ToNumber of a JSON value: NaN where it has none."""
    if isinstance(value, bool | int | float):
        return _as_double(value)
    if value is None:
        return 0.0
    return _parse_number(to_string(value).strip(_WHITE_SPACE))


def _as_double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer beyond the doubles is infinite in JavaScript
        return math.inf if value > 0 else -math.inf


# https://tc39.es/ecma262/#prod-StringNumericLiteral, which is narrower than what float() and int() take.
_WHITE_SPACE = "\t\n\v\f\r \xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(map(chr, range(0x2000, 0x200B)))
_DECIMAL = re.compile(r"[+-]?(Infinity|([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)")
_OTHER_RADIX = re.compile(r"0([xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")


def _parse_number(text: str) -> float:
    if not text:
        return 0.0
    if _OTHER_RADIX.fullmatch(text):
        return _as_double(int(text, 0))
    return float(text) if _DECIMAL.fullmatch(text) else math.nan


def to_string(value: Json) -> str:
    """ECMAScript's ToString of a JSON value. Raises TypeError for arrays that are nested deeper than Python's stack."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return "[object Object]"
    if isinstance(value, list | tuple):
        return _join(value)
    return _SINGLETONS[value] if value is None or isinstance(value, bool) else _number_to_string(value)


_SINGLETONS = {None: "null", True: "true", False: "false"}


def _join(array: Sequence[Json]) -> str:
    try:
        return ",".join("" if item is None else to_string(item) for item in array)
    except RecursionError:
        raise ArgumentError("constraints: an array is nested too deeply") from None


def _number_to_string(value: float) -> str:
    number = _as_double(value)
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else "-Infinity" if number < 0 else "Infinity"
    return "-" + _digits_to_string(-number) if number < 0 else _digits_to_string(number)


def _digits_to_string(number: float) -> str:
    """https://tc39.es/ecma262/#sec-numeric-types-number-tostring for a number ≥ 0: the shortest digits, as in repr."""
    from decimal import Decimal

    decimal = Decimal(repr(number)).normalize().as_tuple()
    digits = "".join(map(str, decimal.digits))
    point = len(digits) + int(decimal.exponent)  # how many digits stand before it
    if point > 21 or point < -5:
        return f"{'.'.join(filter(None, (digits[0], digits[1:])))}e{point - 1:+d}"
    if point <= 0:
        return "0." + "0" * -point + digits
    return digits.ljust(point, "0") if len(digits) <= point else f"{digits[:point]}.{digits[point:]}"


def to_boolean(value: Json) -> bool:
    """ECMAScript's ToBoolean of a JSON value: objects and arrays are true, also empty ones."""
    if isinstance(value, Mapping | list | tuple):
        return True
    return bool(value) and not (isinstance(value, float) and math.isnan(value))


def clamped_unsigned_long(value: Json, where: str = "") -> int:  # noqa: ARG001 (one signature for all types)
    """``[Clamp] unsigned long``: NaN is 0, the rest is clamped and rounded half to even."""
    number = to_number(value)
    return 0 if math.isnan(number) else round(min(max(number, 0), UNSIGNED_LONG_MAX))


def unsigned_long(value: Json) -> int:
    """``unsigned long``: what is not finite is 0, the rest is truncated, modulo 2^32."""
    number = to_number(value)
    return int(number) % (UNSIGNED_LONG_MAX + 1) if math.isfinite(number) else 0


def double(value: Json, where: str) -> float:
    """``double``: a TypeError unless finite."""
    number = to_number(value)
    if not math.isfinite(number):
        raise ArgumentError(f"{where}: {to_string(value)!r} is not a finite number")
    return number


def _is_object(value: Json) -> bool:
    return isinstance(value, Mapping | list | tuple)


def _members(value: Json, names: tuple[str, ...], convert: Callable[[Json, str], Any], where: str) -> dict[str, Any]:
    given = value if isinstance(value, Mapping) else {}
    return {name: convert(given[name], f"{where}.{name}") for name in names if name in given}


def _constraint(
    members: tuple[str, ...], convert: Callable[[Json, str], Any], is_dictionary: Callable[[Json], bool]
) -> Callable[[Json, str], Any]:
    """``(T or ConstrainT)``: a dictionary whose members are ``convert``'s, or one such value."""

    def constrain(value: Json, where: str) -> Any:
        if value is None or is_dictionary(value):
            return _members(value, members, convert, where)
        return convert(value, where)

    return constrain


def _strings(value: Json, where: str) -> str | list[str]:  # noqa: ARG001
    return [to_string(item) for item in value] if isinstance(value, list | tuple) else to_string(value)


def _boolean(value: Json, where: str) -> bool:  # noqa: ARG001
    return to_boolean(value)


def _boolean_or_string(value: Json, where: str) -> bool | str:  # noqa: ARG001
    return value if isinstance(value, bool) else to_string(value)


def _is_mapping(value: Json) -> bool:
    return isinstance(value, Mapping)


_CONSTRAINT_TYPES: dict[str, Callable[[Json, str], Any]] = {
    "unsigned long": _constraint(RANGE_MEMBERS, clamped_unsigned_long, _is_object),
    "double": _constraint(RANGE_MEMBERS, double, _is_object),
    "DOMString": _constraint(_PARAMETERS, _strings, _is_mapping),  # of which a list is another value
    "boolean": _constraint(_PARAMETERS, _boolean, _is_object),
    "boolean or DOMString": _constraint(_PARAMETERS, _boolean_or_string, _is_object),
}


def constraint_set(value: Json, where: str) -> dict[str, Any]:
    """A ``MediaTrackConstraintSet``: every known member converted, in the order given."""
    if value is not None and not _is_object(value):
        raise ArgumentError(f"{where}: a constraint set is an object, not {to_string(value)!r}")
    given: Mapping[str, Json] = value if isinstance(value, Mapping) else {}
    known = ((PROPERTIES[name], name, item) for name, item in given.items() if name in PROPERTIES)
    return {name: _CONSTRAINT_TYPES[row.idl](item, f"{where}.{name}") for row, name, item in known}


def track_constraints(value: Json, where: str = "constraints") -> dict[str, Any]:
    """A ``MediaTrackConstraints`` dictionary: a constraint set with a list ``advanced`` of further ones."""
    converted = constraint_set(value, where)
    if isinstance(value, Mapping) and "advanced" in value:
        advanced = value["advanced"]
        if not isinstance(advanced, list | tuple):
            raise ArgumentError(f"{where}.advanced: a list of constraint sets is needed, not {to_string(advanced)!r}")
        converted["advanced"] = [constraint_set(item, f"{where}.advanced[{n}]") for n, item in enumerate(advanced)]
    return converted


def stream_constraints(value: Json) -> dict[str, dict[str, Any]]:
    """A ``MediaStreamConstraints`` dictionary, as the track constraints of each kind that is requested, audio first.

    Raises TypeError for what is no dictionary and when neither audio nor video is requested.
    """
    if value is not None and not _is_object(value):
        raise ArgumentError(f"constraints are an object, not {to_string(value)!r}")
    given: Mapping[str, Json] = value if isinstance(value, Mapping) else {}
    requested = {kind: _requested(given[kind], kind) for kind in ("audio", "video") if kind in given}
    result = {kind: item for kind, item in requested.items() if item is not None}
    if not result:
        raise ArgumentError("neither audio nor video is requested")
    return result


def _requested(value: Json, kind: str) -> dict[str, Any] | None:
    """``(boolean or MediaTrackConstraints)``: the dictionary, an empty one for true, None for false."""
    if value is None or _is_object(value):
        return track_constraints(value, kind)
    return {} if to_boolean(value) else None


def unknown_names(value: Json) -> list[str]:
    """The members of a stream's or track's constraints that conversion drops, as dotted paths, for a warning."""
    if not isinstance(value, Mapping):
        return []
    top = [name for name in value if name not in ("audio", "video")]
    return top + [path for kind in ("audio", "video") for path in _unknown_in(value.get(kind), kind)]


def _unknown_in(value: Json, where: str) -> list[str]:
    advanced = value.get("advanced") if isinstance(value, Mapping) else None
    sets = advanced if isinstance(advanced, list | tuple) else ()
    nested = [name for n, item in enumerate(sets) for name in _unknown_members(item, f"{where}.advanced[{n}]")]
    return [name for name in _unknown_members(value, where) if name != f"{where}.advanced"] + nested


def _unknown_members(value: Json, where: str) -> list[str]:
    if not isinstance(value, Mapping):
        return []
    names = [f"{where}.{name}" for name in value if name not in PROPERTIES]
    ranges = [(name, value[name]) for name in value if name in PROPERTIES and isinstance(value[name], Mapping)]
    return names + [f"{where}.{name}.{key}" for name, members in ranges for key in members if key not in RANGE_MEMBERS]
