"""Click parameter types for constraint values, quantities and JSON. ``name`` is the word for the value in help pages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import click

from mscli.cli.quantities import parse_bit_rate, parse_byte_count, parse_duration, parse_ratio
from mscli.cli.shared import claim_stdin, parse_json, read_input
from mscli.cli.values import parse_size, parse_value
from mscli.core.clock import DAY_S
from mscli.core.properties import POINTS, PROPERTIES, Property

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


class KindType(click.Choice[str]):
    """A word for a kind of device: one of ours, or the standard's name."""

    def __init__(self, kinds: Mapping[str, str]) -> None:
        super().__init__([*kinds, *kinds.values()])
        self.kinds = kinds

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the standard's name of the kind."""
        word = super().convert(value, param, ctx)
        return self.kinds.get(word, word)


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
    """``NAME=VALUE``: a constraint by its IDL name. Unknown names are kept for a warning."""

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
    """``MediaStreamConstraints`` as JSON, in a file, or - for stdin."""

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


class TimeoutType(ParsedType):
    """``FIRST[,THEN]``: how long to wait for a device's first frame, and for the next one after the device was muted."""

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
        if value != STDIN and not (value.startswith(UNIX) and len(value) > len(UNIX)):
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
