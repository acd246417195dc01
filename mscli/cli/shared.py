"""The flags that every command has, and the fake devices that they may ask for."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

import click

from mscli.cli.completion import complete_file
from mscli.core.errors import ArgumentError

Command = Callable[..., Any]
Decorator = Callable[[Command], Command]


class Shared:
    """The flags of every command, as attributes. (Not a dataclass: these cost a start more than all flags together.)"""

    json: bool = False
    quiet: bool = False
    verbose: bool = False
    fake_devices: bool = False
    fake_devices_from: str | None = None

    def __init__(self, **given: Any) -> None:
        vars(self).update(given)

    @classmethod
    def take(cls, given: dict[str, Any]) -> Any:
        """The flags out of what click gives a command; the rest stays there."""
        names = [name for base in cls.__mro__ for name in getattr(base, "__annotations__", ())]
        return cls(**{name: given.pop(name) for name in names if name in given})


SHARED: list[Decorator] = [
    click.option("--fake-devices", is_flag=True, help="Use the built-in fake camera and microphone; no hardware is touched."),
    click.option(
        "--fake-devices-from",
        metavar="FILE",
        shell_complete=complete_file,
        help="Use the fake devices that a JSON file describes.",
    ),
    click.option("--json", is_flag=True, help="Print the result for programs."),
    click.option("-q", "--quiet", is_flag=True, help="Print no text for people."),
    click.option("-v", "--verbose", is_flag=True, help="Print more of it."),
    click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of a defect."),
]


def shared_options(function: Command) -> Command:
    """Give a command the flags of every command, as its first argument, a ``Shared``."""

    @functools.wraps(function)
    def wrapper(**given: Any) -> Any:
        return function(Shared.take(given), **given)

    return decorated_with(SHARED, wrapper)


def decorated_with(options: list[Decorator], function: Command) -> Command:
    """The function with those options, the first of them listed first."""
    for option in reversed(options):
        function = option(function)
    return function


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def parse_json(text: str, where: str) -> Any:
    """JSON, or an ArgumentError that says where it stops being that."""
    import json

    try:
        return json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        place = (
            f"line {error.lineno}, column {error.colno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else str(error)
        )
        raise ArgumentError(f"{where} is not JSON: {place}") from None


def read_text(path: str | int, what: str) -> str:
    """The text of a file, or of an open descriptor, which stays open; or a usage error in one sentence."""
    where = f"“{path}”" if isinstance(path, str) else "on stdin"
    try:
        with open(path, encoding="utf-8-sig", closefd=isinstance(path, str)) as file:
            return file.read()
    except UnicodeDecodeError:
        raise click.UsageError(f"{what} {where} is not UTF-8 text") from None
    except OSError as error:
        raise click.UsageError(f"{what} {where} cannot be read: {error.strerror}") from None


_SWITCH: dict[str, Any] = {"": None, "0": None, "1": {}}  # values of MSCLI_FAKE_DEVICES that are no file


def fake_description(shared: Shared) -> Any:
    """The description of fake devices that flags or MSCLI_FAKE_DEVICES ask for; {} for the default ones; None for hardware."""
    path = shared.fake_devices_from
    if path is None:
        path = "1" if shared.fake_devices else os.environ.get("MSCLI_FAKE_DEVICES", "")
        if path in _SWITCH:
            return _SWITCH[path]
    return parse_json(read_text(path, "the description of fake devices"), path)
