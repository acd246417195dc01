"""What flags take: values of constraints, sizes, JSON and durations, as click parameter types."""

from __future__ import annotations

import functools
from typing import Any

import click

from mscli.cli.shared import parse_json, read_text
from mscli.cli.values import parse_size, parse_value
from mscli.core.clock import LONGEST_S
from mscli.core.properties import PROPERTIES, Property


class Text(click.ParamType[Any]):
    """A value that ``read`` makes of what was typed; the ValueError that it raises is a usage error with that sentence."""

    def read(self, text: str) -> Any:
        """What the text stands for. Raises ValueError."""
        raise NotImplementedError

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """As click asks for it."""
        try:
            return self.read(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Value(Text):
    """A constraint's value on the command line."""

    name = "value"

    def __init__(self, row: Property) -> None:
        self.row = row

    def read(self, text: str) -> Any:
        return parse_value(self.row, text)


class Size(Text):
    """Width and height at once."""

    name = "WxH"

    def read(self, text: str) -> Any:
        return parse_size(text)


class Named(Text):
    """``NAME=VALUE``: a constraint by its IDL name. An unknown name is kept, for a warning."""

    name = "name=value"

    def read(self, text: str) -> Any:
        name, sign, value = text.partition("=")
        if not sign:
            raise ValueError(f"“{text}” is not NAME=VALUE")
        return name, parse_value(PROPERTIES[name], value) if name in PROPERTIES else None


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


class Fraction(Text):
    """A number from 0 to 1."""

    name = "0..1"

    def read(self, text: str) -> float:
        (number,) = _numbers(text, ",", 1) or (-1.0,)
        if not 0 <= number <= 1:
            raise ValueError(f"“{text}” is not a number from 0 to 1")
        return number


class Duration(Text):
    """Seconds, also as M:SS or H:MM:SS."""

    name = "seconds"

    def read(self, text: str) -> float:
        parts = _numbers(text, ":", 3)
        if not parts or not all(0 <= part < float("inf") for part in parts):
            raise ValueError(f"“{text}” is not a number of seconds, M:SS or H:MM:SS")
        seconds = functools.reduce(lambda total, part: total * 60 + part, parts)
        if not 0 < seconds <= LONGEST_S:
            raise ValueError(f"a duration is more than 0 and at most {LONGEST_S} seconds")
        return seconds


class Timeout(Text):
    """``FIRST[,THEN]`` in seconds: how long a device may take for its first frame, and for the next when it is muted."""

    name = "first[,then]"

    def read(self, text: str) -> tuple[float, float]:
        parts = _numbers(text, ",", 2)
        if not parts or not all(0 < part < float("inf") for part in parts):
            raise ValueError(f"“{text}” is not a number of seconds above 0, or two: FIRST,THEN")
        if max(parts) > LONGEST_S:
            raise ValueError(f"a timeout is at most {LONGEST_S} seconds")
        return parts[0], parts[-1]


def _numbers(text: str, sign: str, most: int) -> list[float]:
    """The numbers between the signs, ``most`` of them; none if it is anything else."""
    try:
        parts = [float(part) for part in text.split(sign)]
    except ValueError:
        return []
    return parts if len(parts) <= most else []


def _read_constraints(given: str) -> tuple[str, str]:
    """The text of ``--constraints`` and what to call it."""
    if given.lstrip()[:1] in ("{", "[", '"'):
        return given, "--constraints"
    what = "the constraints file"
    return (read_text(0, what), "stdin") if given == "-" else (read_text(given, what), given)
