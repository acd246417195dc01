"""What flags take: values of constraints, sizes, JSON and durations, as click parameter types."""

from __future__ import annotations

import functools
from typing import Any

import click

from mscli.cli.shared import parse_json, read_text
from mscli.cli.values import parse_size, parse_value
from mscli.core.properties import PROPERTIES, Property

LONGEST_S = 1_000_000_000  # of a duration: 31 years, and its microseconds are still exact


class Value(click.ParamType[Any]):
    """A constraint's value on the command line."""

    name = "value"

    def __init__(self, row: Property) -> None:
        self.row = row

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return parse_value(self.row, value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Size(click.ParamType[Any]):
    """Width and height at once."""

    name = "WxH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return parse_size(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Named(click.ParamType[Any]):
    """``NAME=VALUE``: a constraint by its IDL name. An unknown name is kept, for a warning."""

    name = "name=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        name, sign, text = str(value).partition("=")
        if not sign:
            self.fail(f"“{value}” is not NAME=VALUE", param, ctx)
        if name not in PROPERTIES:
            return name, None
        try:
            return name, parse_value(PROPERTIES[name], text)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class ConstraintSet(click.ParamType[Any]):
    """One advanced constraint set, as JSON."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        parsed = parse_json(value, "--advanced")
        if not isinstance(parsed, dict):
            self.fail(f"“{value}” is not a JSON object", param, ctx)
        return parsed


class Constraints(click.ParamType[Any]):
    """A ``MediaStreamConstraints`` object: JSON, a file, or - for stdin."""

    name = "file|-|json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ARG002
        if ctx is not None and ctx.resilient_parsing:  # a shell completes: its stdin is not ours
            return None
        return parse_json(*_read_constraints(value))


class Fraction(click.FloatRange):
    """From 0 to 1, and a number: “nan” is in every range for click."""

    def __init__(self) -> None:
        super().__init__(0, 1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        return number if number == number else self.fail(f"“{value}” is not a number", param, ctx)


class Duration(click.ParamType[Any]):
    """Seconds, also as M:SS or H:MM:SS."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            parts = [float(part) for part in str(value).split(":")]
        except ValueError:
            parts = []
        if not 1 <= len(parts) <= 3 or not all(0 <= part < float("inf") for part in parts):
            self.fail(f"“{value}” is not a number of seconds, M:SS or H:MM:SS", param, ctx)
        seconds = functools.reduce(lambda total, part: total * 60 + part, parts)
        if not 0 < seconds <= LONGEST_S:
            self.fail(f"a duration is more than 0 and at most {LONGEST_S} seconds", param, ctx)
        return seconds


class Timeout(click.ParamType[Any]):
    """``FIRST[,THEN]`` in seconds: how long a device may take for its first frame, and for the next when it is muted."""

    name = "first[,then]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        try:
            parts = [float(part) for part in str(value).split(",")]
        except ValueError:
            parts = []
        if not 1 <= len(parts) <= 2 or not all(0 < part < float("inf") for part in parts):
            self.fail(f"“{value}” is not a number of seconds above 0, or two: FIRST,THEN", param, ctx)
        return parts[0], parts[-1]


def _read_constraints(given: str) -> tuple[str, str]:
    """The text of ``--constraints`` and what to call it."""
    if given.lstrip()[:1] in ("{", "[", '"'):
        return given, "--constraints"
    what = "the constraints file"
    return (read_text(0, what), "stdin") if given == "-" else (read_text(given, what), given)
