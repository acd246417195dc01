"""The options of every command, and the fake devices that they may request."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable
from math import isfinite
from typing import TYPE_CHECKING, Any

import click

from mscli.cli.completion import complete_file
from mscli.cli.helppages import DEVICE, DIAGNOSTICS, OUTPUT, option
from mscli.core.errors import ArgumentError

if TYPE_CHECKING:
    import json

CommandFunction = Callable[..., Any]
Decorator = Callable[[CommandFunction], CommandFunction]


class Shared:
    """The options of every command, as attributes. (Not a dataclass, because that would slow down the start.)"""

    json: bool = False
    quiet: bool = False
    verbose: bool = False
    fake_devices: bool = False
    fake_devices_from: str | None = None

    def __init__(self, **given: Any) -> None:
        vars(self).update(given)

    @classmethod
    def take(cls, given: dict[str, Any]) -> Any:
        """Remove these options from Click's arguments and return them. Other arguments stay."""
        names = [name for base in cls.__mro__ for name in getattr(base, "__annotations__", ())]
        return cls(**{name: given.pop(name) for name in names if name in given})


def shared(*, verbose: bool = True) -> list[Decorator]:
    """Return the options of every command. ``verbose``: whether -v makes a difference."""
    return [
        option("--fake-devices", group=DEVICE, is_flag=True, common=True, help="Use a built-in fake camera and microphone."),
        option(
            "--fake-devices-from",
            group=DEVICE,
            metavar="FILE",
            shell_complete=complete_file,
            help="Use the fake devices that a JSON file describes.",
        ),
        option("--json", group=OUTPUT, is_flag=True, common=True, help="Print the result as JSON."),
        option("-q", "--quiet", group=DIAGNOSTICS, is_flag=True, help="Only print errors."),
        option("-v", "--verbose", group=DIAGNOSTICS, is_flag=True, hidden=not verbose, help="Print more detail."),
        option(
            "--debug", group=DIAGNOSTICS, is_flag=True, expose_value=False, help="Log everything to stderr, with tracebacks."
        ),
    ]


def shared_options(*, verbose: bool = True) -> Decorator:
    """Return a decorator that adds these options to a command, which gets them as its first argument, a ``Shared``."""

    def decorate(function: CommandFunction) -> CommandFunction:
        @functools.wraps(function)
        def wrapper(**given: Any) -> Any:
            return function(Shared.take(given), **given)

        return decorated_with(shared(verbose=verbose), wrapper)

    return decorate


def decorated_with(options: list[Decorator], function: CommandFunction) -> CommandFunction:
    """Return the function with the options applied, the first one listed first."""
    for decorate in reversed(options):
        function = decorate(function)
    return function


MOST_BYTES = 16 << 20  # the limit for files that are read as a whole
MOST_JSON5 = 64 << 10  # characters: longer texts must be strict JSON, which is read much faster
_JSON5_ERROR = r"(?s)[^:]*:(\d+) (.*) at column (\d+)"


class _NotANumberError(ValueError):
    """An error about NaN or an infinity in place of a JSON number. Its text says so."""


def _no_number(name: str) -> Any:
    raise _NotANumberError(f"{name} is not a JSON number")


def _finite(digits: str) -> float:
    """Return a number. Raises _NotANumberError if it is too large to be one."""
    number = float(digits)
    if not isfinite(number):
        raise _NotANumberError(f"{digits} is too large a number")
    return number


def parse_json(text: str, where: str, *, relaxed: bool = False) -> Any:
    """Parse JSON. ``relaxed``: also JSON5, as web pages write objects. Raises ArgumentError with the position of a mistake."""
    import json

    try:
        return json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except json.JSONDecodeError as error:
        if relaxed and len(text) <= MOST_JSON5:
            return _parse_json5(text, where, error)
        raise ArgumentError(f"{where} is not valid JSON: line {error.lineno}, column {error.colno}: {error.msg}") from None
    except _NotANumberError as error:
        raise ArgumentError(f"{where} is not valid JSON: {error}") from None
    except ValueError:  # json's only other error: a number with too many digits
        raise ArgumentError(f"{where} is not valid JSON: a number has too many digits") from None
    except RecursionError:
        raise ArgumentError(f"{where} is not valid JSON: it is nested too deeply") from None


def _parse_json5(text: str, where: str, strict: json.JSONDecodeError) -> Any:
    """Parse JSON5: unquoted keys, single quotes, trailing commas and comments. https://spec.json5.org/.

    ``strict``: why the text is not JSON. Raises ArgumentError.
    """
    import json5  # imported late: it is slow, and strict JSON does not need it

    try:
        return json5.loads(text, parse_constant=_no_number, parse_float=_finite)
    except _NotANumberError as error:
        raise ArgumentError(f"{where} is not valid JSON: {error}") from None
    except RecursionError:
        raise ArgumentError(f"{where} is not valid JSON: it is nested too deeply") from None
    except ValueError as error:
        found = re.fullmatch(_JSON5_ERROR, str(error))
        line, what, column = found.groups() if found else (strict.lineno, strict.msg, strict.colno)
        raise ArgumentError(f"{where} is not valid JSON: line {line}, column {column}: {what[0].lower()}{what[1:]}") from None


def read_input(path: str | int, what: str) -> str:
    """Return the text of a file or an open descriptor, which stays open. Raises UsageError, also if the text is too long."""
    where = (path or "“”") if isinstance(path, str) else "on stdin"
    try:
        with open(path, "rb", closefd=isinstance(path, str)) as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise click.UsageError(f"{what} {where} is longer than {MOST_BYTES >> 20} MiB")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise click.UsageError(f"{what} {where} is not UTF-8 text") from None
    except OSError as error:
        raise click.UsageError(f"cannot read {what} {where}: {(error.strerror or str(error)).lower()}") from None


def claim_stdin(ctx: click.Context | None, option: str) -> None:
    """Record that an option reads stdin. Raises UsageError if one does already."""
    if ctx is None:
        return
    other = ctx.meta.get("mscli.stdin")
    ctx.meta["mscli.stdin"] = option
    if other == option:
        raise click.UsageError(f"{option} can be given only once")
    if other is not None:
        raise click.UsageError(f"{other} and {option} cannot both read stdin; use a file, a signal or a socket for one of them")


_SWITCH: dict[str, Any] = {"": None, "0": None, "1": {}}  # values of MSCLI_FAKE_DEVICES that are not files


def fake_description(shared: Shared) -> Any:
    """Return the description of the requested fake devices: {} for the default ones, None for real devices."""
    path = shared.fake_devices_from
    if path is None:
        path = "1" if shared.fake_devices else os.environ.get("MSCLI_FAKE_DEVICES", "")
        if path in _SWITCH:
            return _SWITCH[path]
    return parse_json(read_input(path, "the description of fake devices"), path)
