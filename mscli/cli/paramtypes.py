"""Click parameter types for constraint values, quantities and JSON. ``name`` is the word for the value in help pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import click

from mscli.cli.shared import claim_stdin, parse_json, read_input
from mscli.core.addresses import scheme_of
from mscli.core.channels import MOST_GAIN_DB, parse_channels
from mscli.core.clock import DAY_S, MICROSECONDS
from mscli.core.level import Quiet
from mscli.core.nearest import did_you_mean
from mscli.core.properties import POINTS, PROPERTIES, Property
from mscli.core.quantities import parse_bit_rate, parse_byte_count, parse_db, parse_duration, parse_picture_size, parse_ratio

STDIN = "-"
UNIX = "unix:"


class ParsedType(click.ParamType[Any]):
    """A parameter type that ``read`` parses. A ValueError from ``read`` becomes a usage error with the same message."""

    def read(self, text: str) -> Any:
        """Parse the text. Raises ValueError."""
        raise NotImplementedError

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert a value for Click."""
        try:
            return self.read(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class CountType(ParsedType):
    """A number of things, at least 1."""

    name = "N"

    def read(self, text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,15}", text) or not int(text):
            raise ValueError(f"“{text}” is not a whole number above 0")
        return int(text)


class ValueType(ParsedType):
    """A constraint's value."""

    def __init__(self, row: Property) -> None:
        self.row = row
        self.name = _NAMES.get(row.name) or ("|".join(row.values) if row.values else _NAMES.get(row.idl, "VALUE"))

    def read(self, text: str) -> Any:
        return parse_value(self.row, text)


_NAMES = {  # the words for values, by property or WebIDL type
    "aspectRatio": "RATIO",
    "frameRate": "RATE",
    "groupId": "ID",
    "latency": "SECONDS",
    "unsigned long": "N",
    "double": "N",
    "boolean or double": "N",
    "boolean": "true|false",
    "boolean or DOMString": "true|false",
    POINTS: "X,Y",
}


class SizeType(ParsedType):
    """A width and height."""

    name = "WxH"

    def read(self, text: str) -> Any:
        return parse_size(text)


class RateType(ParsedType):
    """A rate: a number or a fraction above 0."""

    name = "RATE"

    def read(self, text: str) -> float:
        rate = parse_ratio(text)
        if not rate:
            raise ValueError(f"“{text}” is not a rate such as 30 or 30000/1001")
        return rate


class NamedValueType(ParsedType):
    """A constraint by its IDL name, ``NAME=VALUE``. Unknown names are kept for a warning."""

    name = "NAME=VALUE"

    def read(self, text: str) -> Any:
        name, sign, value = text.partition("=")
        if not sign:
            raise ValueError(f"“{text}” is not NAME=VALUE, such as width=640")
        return name, parse_value(PROPERTIES[name], value) if name in PROPERTIES else None


class ConstraintSetType(click.ParamType[Any]):
    """An advanced constraint set, as JSON."""

    name = "JSON"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        parsed = parse_json(value, "--advanced", relaxed=True)
        if not isinstance(parsed, dict):
            self.fail(f"“{value}” is not a JSON object", param, ctx)
        return parsed


class ConstraintsType(click.ParamType[Any]):
    """The ``MediaStreamConstraints`` as JSON, in a file, or - for stdin."""

    name = "FILE|-|JSON"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ARG002
        if ctx is not None and ctx.resilient_parsing:  # during completion, stdin belongs to the shell
            return None
        if value == "-":
            claim_stdin(ctx, "--constraints -")
        return parse_json(*_read_constraints(value), relaxed=True)


class FractionType(ParsedType):
    """A number from 0 to 1."""

    name = "0..1"

    def read(self, text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = -1.0
        if not 0 <= number <= 1:
            raise ValueError(f"“{text}” is not a number from 0 to 1")
        return number


class DurationType(ParsedType):
    """A duration in seconds."""

    name = "DURATION"

    def read(self, text: str) -> float:
        return parse_duration(text)


class QuietType(ParsedType):
    """A length of silence, and the level below which it is silent. ``db``: the usual level."""

    name = "DURATION[:DB]"

    def __init__(self, db: float) -> None:
        self._db = db

    def read(self, text: str) -> Quiet:
        before, colon, level = text.rpartition(":")
        if colon and level.lstrip().startswith("-"):
            return Quiet(parse_duration(before), parse_db(level))
        return Quiet(parse_duration(text), self._db)


class GainType(ParsedType):
    """A gain in decibels, of all microphones or of one by its name: ``3`` or ``USB=-6``."""

    name = "[NAME=]DB"

    def read(self, text: str) -> tuple[str, float]:
        name, _, number = text.rpartition("=")
        try:
            gain = float(number)
        except ValueError:
            gain = MOST_GAIN_DB + 1
        if not -MOST_GAIN_DB <= gain <= MOST_GAIN_DB:
            raise ValueError(f"“{number}” is not a gain from {-MOST_GAIN_DB:g} to {MOST_GAIN_DB:g} dB")
        return name, gain


class ChannelsType(ParsedType):
    """Channels of a device, by number or name, with commas between them."""

    name = "CHANNEL,..."

    def read(self, text: str) -> tuple[int | str, ...]:
        return parse_channels(text)


class TimeoutType(ParsedType):
    """Two times, ``FIRST[,THEN]``: how long to wait for a device's first frame, and for the next one after a mute."""

    name = "DURATION[,DURATION]"

    def read(self, text: str) -> tuple[float, float]:
        first, comma, then = text.partition(",")
        return parse_duration(first), parse_duration(then if comma else first)


class ClockIntervalType(ParsedType):
    """An interval of the local clock in whole seconds, which divides a day."""

    name = "DURATION"

    def read(self, text: str) -> int:
        seconds = parse_duration(text)
        if seconds != int(seconds) or DAY_S % int(seconds):
            raise ValueError(f"“{text}” does not divide a day; use for example 1m, 10m, 30m, 1h or 6h")
        return int(seconds)


class ByteCountType(ParsedType):
    """A size in bytes."""

    name = "SIZE"

    def read(self, text: str) -> int:
        return parse_byte_count(text)


class BufferType(ParsedType):
    """The bound of a queue: a size in bytes with a unit, such as 64M, or a duration."""

    name = "SIZE|DURATION"

    def read(self, text: str) -> Any:
        from mscli.core.eventloop import QueueLimits

        try:
            return QueueLimits(lasts_us=round(parse_duration(text) * MICROSECONDS))
        except ValueError:
            if not text.strip()[-1:].isalpha():
                raise
        try:
            return QueueLimits(nbytes=parse_byte_count(text))
        except ValueError:
            raise ValueError(f"“{text}” is not a size such as 64M, or a duration such as 2s") from None


class BitRateType(ParsedType):
    """A bit rate in bits per second."""

    name = "BITRATE"

    def read(self, text: str) -> int:
        return parse_bit_rate(text)


class ControlAddressType(click.ParamType[str]):
    """The origin of commands: ``-`` or ``unix:PATH``."""

    name = "-|unix:PATH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check the address for Click."""
        if scheme_of(value) == UNIX.removesuffix(":"):
            value = UNIX + value[len(UNIX) :]
        if value != STDIN and (not value.startswith(UNIX) or value == UNIX):
            self.fail(f"“{value}” is neither - (for stdin) nor unix:PATH", param, ctx)
        if value == STDIN:
            claim_stdin(ctx, "--control -")
        return str(value)


def _read_constraints(given: str) -> tuple[str, str]:
    """Return the text of ``--constraints`` and its name for messages."""
    if given.lstrip()[:1] in ("{", "[", '"'):
        return given, "--constraints"
    what = "the constraints file"
    return (read_input(0, what), "stdin") if given == "-" else (read_input(given, what), given)


# Constraint values: ``1280``, ``exact:1280``, ``min:640,ideal:1280``, ``16:9``, ``true``, ``user|environment``.

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
