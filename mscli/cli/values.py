"""Parse constraint values: ``1280``, ``exact:1280``, ``min:640,ideal:1280``, ``16:9``, ``true``, ``user|environment``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from mscli.cli.quantities import parse_picture_size, parse_ratio
from mscli.core.nearest import did_you_mean
from mscli.core.properties import POINTS, Property

_MEMBER = r"(exact|ideal|min|max):"
_POINT = r"(\d(?:\.\d{1,17})?),(\d(?:\.\d{1,17})?)"
_ROUNDED = r"exact:\d+\.(\d{2,})"  # an exact rate that may stand for one with more decimals
_CANCELLATIONS = ("all", "remote-only")  # https://www.w3.org/TR/mediacapture-streams/#dom-echocancellationmodeenum


def parse_value(row: Property, text: str) -> Any:
    """Return the JSON constraint for an option's value. Raises ValueError with a message for people."""
    if not re.match(_MEMBER, text):
        return _SCALARS[row.idl](row, text)
    members: dict[str, Any] = {}
    for part in re.split(r",(?=(?:exact|ideal|min|max):)", text):
        key, _, value = part.partition(":")
        if not re.match(_MEMBER, part) or key in members:
            raise ValueError(f"“{part}” is not exact:…, ideal:…, min:… or max:…, each at most once")
        if key in ("min", "max") and not row.numeric:
            raise ValueError(f"{row.name} has no {key}:, only exact: and ideal:")
        members[key] = _number(row, value) if row.idl == "boolean or double" else _SCALARS[row.idl](row, value)
    _check_bounds(members)
    rounded = re.fullmatch(_ROUNDED, text) if row.name == "frameRate" else None
    return _named_rate(members["exact"], len(rounded[1])) if rounded else members


def _check_bounds(members: Mapping[str, Any]) -> None:
    """Raise ValueError if no value can satisfy all members."""
    low, high, exact = members.get("min"), members.get("max"), members.get("exact")
    for name, least, other, most in (
        ("min", low, "max", high),
        ("min", low, "exact", exact),
        ("exact", exact, "max", high),
    ):
        if least is not None and most is not None and not isinstance(least, str | list) and least > most:
            raise ValueError(f"{name}:{least:g} is above {other}:{most:g}, so no value is possible")


def _named_rate(rate: float, decimals: int) -> dict[str, float]:
    """Return the constraint for an exact rate that is written with rounding, such as 29.97 for 30000/1001.

    It accepts all rates that round to this number. The ideal one is the usual meaning: a television rate, or a fraction with a
    small denominator (8.33).
    """
    from fractions import Fraction

    half = 0.5 * 10.0**-decimals
    of_television = Fraction(round(rate * 2.002), 2) / Fraction("1.001")
    usual = (meant for meant in (of_television, Fraction(rate).limit_denominator(7)) if round(float(meant), decimals) == rate)
    low, high = (round(end, decimals + 1) for end in (rate - half, rate + half))
    return {"min": low, "ideal": float(next(usual, Fraction(rate))), "max": high}


def parse_size(text: str) -> tuple[Any, Any]:
    """Parse ``1280x720``, ``720p`` or ``exact:1280x720`` into constraints for width and height. Raises ValueError."""
    member = re.match(_MEMBER, text)
    width, height = parse_picture_size(text[member.end() :] if member else text)
    return ({member[1]: width}, {member[1]: height}) if member else (width, height)


def _whole(row: Property, text: str) -> int:
    if not re.fullmatch(r"\d{1,4000}", text):  # Python cannot parse longer ones
        raise ValueError(f"“{text}” is not a whole number for {row.name}")
    return int(text)


def _number(row: Property, text: str) -> float:
    negative = row.control and text.startswith("-")
    number = parse_ratio(text[negative:])
    if number is None:
        raise ValueError(f"“{text}” is not a number for {row.name}")
    return -number if negative else number


def _boolean(row: Property, text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(f"{row.name} must be true or false, not “{text}”")
    return text.lower() == "true"


def _strings(row: Property, text: str) -> str | list[str]:
    if not text:
        raise ValueError(f"{row.name} needs a value")
    words = text.split("|")
    unknown = [word for word in words if row.values and word not in row.values]
    if unknown:
        raise ValueError(
            f"{row.name} must be one of {', '.join(row.values)}, not “{unknown[0]}”{did_you_mean(unknown[0], row.values)}"
        )
    return words if len(words) > 1 else text


def _boolean_or_string(row: Property, text: str) -> bool | str:
    if text in _CANCELLATIONS:
        return text
    if text.lower() not in ("true", "false"):
        raise ValueError(f"{row.name} must be one of true, false, {', '.join(_CANCELLATIONS)}, not “{text}”")
    return text.lower() == "true"


def _boolean_or_number(row: Property, text: str) -> bool | float:
    return _boolean(row, text) if text.lower() in ("true", "false") else _number(row, text)


def _points(row: Property, text: str) -> list[dict[str, float]]:
    points = [re.fullmatch(_POINT, point) for point in text.split("|")]
    if None in points:
        raise ValueError(f"“{text}” is not a point for {row.name}; use X,Y, such as 0.5,0.5, and | between points")
    return [{"x": float(point[1]), "y": float(point[2])} for point in points if point]


_SCALARS: dict[str, Callable[[Property, str], Any]] = {
    "unsigned long": _whole,
    "double": _number,
    "boolean": _boolean,
    "DOMString": _strings,
    "boolean or DOMString": _boolean_or_string,
    "boolean or double": _boolean_or_number,
    POINTS: _points,
}
