"""WebIDL conversion of constraints: turn the output of ``json.loads`` into what a browser would make of the same value.

https://webidl.spec.whatwg.org/#js-type-mapping for the types of constraint dictionaries. Unknown members are dropped. A value
that cannot be converted raises a TypeError that names its path. The result consists of plain dicts, lists and scalars.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mscli.core.errors import ArgumentError
from mscli.core.properties import POINTS, PROPERTIES

Json = Any
UNSIGNED_LONG_MAX = 2**32 - 1
RANGE_MEMBERS = ("max", "min", "exact", "ideal")  # in the order in which WebIDL reads them: inherited ones first
_PARAMETERS = ("exact", "ideal")


def to_number(value: Json) -> float:
    """Convert a JSON value with ECMAScript's ToNumber; NaN if it is not a number."""
    if isinstance(value, bool | int | float):
        return _as_double(value)
    if value is None:
        return 0.0
    return _parse_number(to_string(value).strip(_WHITE_SPACE))


def _as_double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # JavaScript turns an integer beyond the range of a double into infinity
        return math.inf if value > 0 else -math.inf


# https://tc39.es/ecma262/#prod-StringNumericLiteral, which accepts less than float() and int() do.
_WHITE_SPACE = "\t\n\v\f\r \xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(map(chr, range(0x2000, 0x200B)))
_DECIMAL = r"[+-]?(Infinity|([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)"
_OTHER_RADIX = r"0([xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)"


def _parse_number(text: str) -> float:
    if not text:
        return 0.0
    if re.fullmatch(_OTHER_RADIX, text):
        return _as_double(int(text, 0))
    return float(text) if re.fullmatch(_DECIMAL, text) else math.nan


def to_string(value: Json) -> str:
    """Convert a JSON value with ECMAScript's ToString. Raises TypeError for arrays nested deeper than Python's stack."""
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
    """Format a number ≥ 0 with the shortest digits: https://tc39.es/ecma262/#sec-numeric-types-number-tostring."""
    from decimal import Decimal

    decimal = Decimal(repr(number)).normalize().as_tuple()
    digits = "".join(map(str, decimal.digits))
    point = len(digits) + int(decimal.exponent)  # the number of digits before the decimal point
    if point > 21 or point < -5:
        return f"{'.'.join(filter(None, (digits[0], digits[1:])))}e{point - 1:+d}"
    if point <= 0:
        return "0." + "0" * -point + digits
    return digits.ljust(point, "0") if len(digits) <= point else f"{digits[:point]}.{digits[point:]}"


def to_boolean(value: Json) -> bool:
    """Convert a JSON value with ECMAScript's ToBoolean: objects and arrays are true, even empty ones."""
    if isinstance(value, Mapping | list | tuple):
        return True
    return bool(value) and not (isinstance(value, float) and math.isnan(value))


def clamped_unsigned_long(value: Json, where: str = "") -> int:  # noqa: ARG001 (one signature for all types)
    """Convert to ``[Clamp] unsigned long``: NaN becomes 0; other values are clamped and rounded half to even."""
    number = to_number(value)
    return 0 if math.isnan(number) else round(min(max(number, 0), UNSIGNED_LONG_MAX))


def unsigned_long(value: Json) -> int:
    """Convert to ``unsigned long``: non-finite values become 0; others are truncated modulo 2^32."""
    number = to_number(value)
    return int(number) % (UNSIGNED_LONG_MAX + 1) if math.isfinite(number) else 0


def double(value: Json, where: str) -> float:
    """Convert to ``double``. Raises TypeError if the value is not finite."""
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
    members: tuple[str, ...],
    convert: Callable[[Json, str], Any],
    is_dictionary: Callable[[Json], bool],
    bare: Callable[[Json, str], Any] | None = None,
) -> Callable[[Json, str], Any]:
    """Return a converter for ``(T or ConstrainT)``.

    It accepts a dictionary whose members are converted by ``convert``, or a bare value, converted by ``bare`` or ``convert``.
    """

    def constrain(value: Json, where: str) -> Any:
        if value is None or is_dictionary(value):
            return _members(value, members, convert, where)
        return (bare or convert)(value, where)

    return constrain


def _strings(value: Json, where: str) -> str | list[str]:  # noqa: ARG001
    return [to_string(item) for item in value] if isinstance(value, list | tuple) else to_string(value)


def _boolean(value: Json, where: str) -> bool:  # noqa: ARG001
    return to_boolean(value)


def _boolean_or_string(value: Json, where: str) -> bool | str:  # noqa: ARG001
    return value if isinstance(value, bool) else to_string(value)


def _boolean_or_double(value: Json, where: str) -> bool | float:
    return value if isinstance(value, bool) else double(value, where)


def _is_mapping(value: Json) -> bool:
    return isinstance(value, Mapping)


def _points(value: Json, where: str) -> list[dict[str, float]]:
    """Convert ``sequence<Point2D>``: https://www.w3.org/TR/image-capture/#Point2D."""
    if not isinstance(value, list | tuple):
        raise ArgumentError(f"{where}: a list of points is needed, not {to_string(value)!r}")
    return [_point(item, f"{where}[{n}]") for n, item in enumerate(value)]


def _point(value: Json, where: str) -> dict[str, float]:
    if value is not None and not _is_object(value):
        raise ArgumentError(f"{where}: a point is an object with x and y, not {to_string(value)!r}")
    return {"x": 0.0, "y": 0.0, **_members(value, ("x", "y"), double, where)}


_CONSTRAINT_TYPES: dict[str, Callable[[Json, str], Any]] = {
    "unsigned long": _constraint(RANGE_MEMBERS, clamped_unsigned_long, _is_object),
    "double": _constraint(RANGE_MEMBERS, double, _is_object),
    "DOMString": _constraint(_PARAMETERS, _strings, _is_mapping),  # here a list is a value, not a dictionary
    "boolean": _constraint(_PARAMETERS, _boolean, _is_object),
    POINTS: _constraint(_PARAMETERS, _points, _is_mapping),
    "boolean or DOMString": _constraint(_PARAMETERS, _boolean_or_string, _is_object),
    "boolean or double": _constraint(RANGE_MEMBERS, double, _is_object, _boolean_or_double),
}


def constraint_set(value: Json, where: str) -> dict[str, Any]:
    """Convert a ``MediaTrackConstraintSet``: every known member, in the given order."""
    if value is not None and not _is_object(value):
        raise ArgumentError(f"{where}: a constraint set must be an object, not {to_string(value)!r}")
    given: Mapping[str, Json] = value if isinstance(value, Mapping) else {}
    known = ((PROPERTIES[name], name, item) for name, item in given.items() if name in PROPERTIES)
    return {name: _CONSTRAINT_TYPES[row.idl](item, f"{where}.{name}") for row, name, item in known}


def track_constraints(value: Json, where: str = "constraints") -> dict[str, Any]:
    """Convert a ``MediaTrackConstraints``: a constraint set whose ``advanced`` is a list of further sets."""
    converted = constraint_set(value, where)
    if isinstance(value, Mapping) and "advanced" in value:
        advanced = value["advanced"]
        if not isinstance(advanced, list | tuple):
            raise ArgumentError(f"{where}.advanced must be a list of constraint sets, not {to_string(advanced)!r}")
        converted["advanced"] = [constraint_set(item, f"{where}.advanced[{n}]") for n, item in enumerate(advanced)]
    return converted


def stream_constraints(value: Json) -> dict[str, dict[str, Any]]:
    """Convert a ``MediaStreamConstraints`` to the track constraints of each requested kind, audio first.

    Raises TypeError if the value is not a dictionary, or if neither audio nor video is requested.
    """
    if value is not None and not _is_object(value):
        raise ArgumentError(f"constraints must be an object, not {to_string(value)!r}")
    given: Mapping[str, Json] = value if isinstance(value, Mapping) else {}
    requested = {kind: _requested(given[kind], kind) for kind in ("audio", "video") if kind in given}
    result = {kind: item for kind, item in requested.items() if item is not None}
    if not result:
        raise ArgumentError("neither audio nor video is requested")
    return result


def _requested(value: Json, kind: str) -> dict[str, Any] | None:
    """Convert ``(boolean or MediaTrackConstraints)``: true becomes an empty dictionary, false becomes None."""
    if value is None or _is_object(value):
        return track_constraints(value, kind)
    return {} if to_boolean(value) else None


def photo_settings(value: Json) -> dict[str, Any]:
    """Convert a ``PhotoSettings`` (https://www.w3.org/TR/image-capture/#dictdef-photosettings). Raises TypeError."""
    if value is not None and not _is_object(value):
        raise ArgumentError(f"photoSettings is an object, not {to_string(value)!r}")
    given: Mapping[str, Json] = value if isinstance(value, Mapping) else {}
    return {name: convert(given[name], name) for name, convert in _PHOTO_SETTINGS.items() if name in given}


def _fill_light_mode(value: Json, where: str) -> str:
    text = to_string(value)
    if text not in ("auto", "off", "flash"):
        raise ArgumentError(f"{where} is “auto”, “off” or “flash”, not “{text}”")
    return text


_PHOTO_SETTINGS: dict[str, Callable[[Json, str], Any]] = {
    "fillLightMode": _fill_light_mode,
    "imageHeight": double,
    "imageWidth": double,
    "redEyeReduction": _boolean,
}


def unknown_names(value: Json) -> list[str]:
    """Return the dotted paths of members that the conversion drops, for a warning."""
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
