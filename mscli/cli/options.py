"""The flags that commands share, made from the table of constrainable properties, and what they say when put together."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import click

from mscli.cli.completion import complete_device
from mscli.cli.values import parse_size, parse_value
from mscli.core.errors import ArgumentError
from mscli.core.properties import AUDIO, KINDS, PROPERTIES, VIDEO, Property

Command = Callable[..., Any]


@dataclass(frozen=True)
class Shared:
    """The flags of every command."""

    json: bool = False
    quiet: bool = False
    verbose: bool = False
    fake_devices: bool = False
    fake_devices_from: str | None = None
    debug: bool = False


@dataclass(frozen=True)
class Options(Shared):
    """The flags of the commands that capture. ``flags``: constraints by IDL name, as JSON has them."""

    camera: str | None = None
    microphone: str | None = None
    video: bool | None = None
    audio: bool | None = None
    constraints: Any = None
    advanced: tuple[Any, ...] = ()
    dry_run: bool = False
    explain: bool = False
    strict: bool = False
    events: str | None = None
    flags: Mapping[str, Any] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()  # names given with -c that no property has


class _Value(click.ParamType[Any]):
    """A constraint's value on the command line."""

    name = "value"

    def __init__(self, row: Property) -> None:
        self.row = row

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return parse_value(self.row, value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Size(click.ParamType[Any]):
    """Width and height at once."""

    name = "WxH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return parse_size(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Named(click.ParamType[Any]):
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


class _ConstraintSet(click.ParamType[Any]):
    """One advanced constraint set, as JSON."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        parsed = parse_json(value, "--advanced")
        if not isinstance(parsed, dict):
            self.fail(f"“{value}” is not a JSON object", param, ctx)
        return parsed


class _Constraints(click.ParamType[Any]):
    """A ``MediaStreamConstraints`` object: JSON, a file, or - for stdin."""

    name = "file|-|json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ARG002
        return parse_json(*_read_constraints(value))


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
        if seconds <= 0:
            self.fail("a duration is more than 0 seconds", param, ctx)
        return seconds


def parse_json(text: str, where: str) -> Any:
    """JSON, or an ArgumentError that says where it stops being that."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        place = (
            f"line {error.lineno}, column {error.colno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else str(error)
        )
        raise ArgumentError(f"{where} is not JSON: {place}") from None


def _read_constraints(given: str) -> tuple[str, str]:
    """The text of ``--constraints`` and what to call it."""
    if given.lstrip()[:1] in ("{", "[", '"'):
        return given, "--constraints"
    if given == "-":
        return sys.stdin.read(), "the constraints on stdin"
    return read_text(given, "the constraints file"), given


def read_text(path: str, what: str) -> str:
    """A file's text, or a usage error in one sentence."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except UnicodeDecodeError:
        raise click.UsageError(f"{what} {path} is not text") from None
    except OSError as error:
        raise click.UsageError(f"{what} {path} cannot be read: {error.strerror}") from None


_SHARED: list[Callable[[Command], Command]] = [
    click.option("--fake-devices", is_flag=True, help="Use the built-in fake camera and microphone; no hardware is touched."),
    click.option("--fake-devices-from", metavar="FILE", help="Use the fake devices that a JSON file describes."),
    click.option("--json", is_flag=True, help="Print the result for programs."),
    click.option("-q", "--quiet", is_flag=True, help="Print no text for people."),
    click.option("-v", "--verbose", is_flag=True, help="Print more of it."),
    click.option("--debug", is_flag=True, help="Show the traceback of a defect."),
]

_CAPTURE: list[Callable[[Command], Command]] = [
    click.option(
        "--camera", metavar="DEVICE", shell_complete=complete_device("videoinput"), help="Id, path or part of a name."
    ),
    click.option("--microphone", metavar="DEVICE", shell_complete=complete_device("audioinput"), help="The same for sound."),
    click.option("--size", type=_Size(), help="Width and height at once: 1280x720."),
    *(
        click.option(f"--{row.flag}", row.name, type=_Value(row), help=f"{row.help[0].upper()}{row.help[1:]}.")
        for row in PROPERTIES.values()
        if row.flag
    ),
    click.option("-c", "--constraint", "named", type=_Named(), multiple=True, help="Any constraint by its W3C name."),
    click.option("--advanced", type=_ConstraintSet(), multiple=True, help="One advanced constraint set; repeatable, in order."),
    click.option("--constraints", type=_Constraints(), help="What a browser's getUserMedia takes: a file, - or the JSON."),
    click.option("--video/--no-video", default=None, help="Whether to capture the picture."),
    click.option("--audio/--no-audio", default=None, help="Whether to capture the sound."),
    click.option("--dry-run", is_flag=True, help="Say what would be used; start nothing."),
    click.option("--explain", is_flag=True, help="Show every candidate with its fitness distance, and the choice."),
    click.option("--strict", is_flag=True, help="Unknown constraints and lost frames are failures."),
    click.option("--events", metavar="FILE", help="Write one JSON object per event; FILE may be /dev/fd/3."),
]


def shared_options(function: Command) -> Command:
    """Give a command the flags of every command, as its first argument, a ``Shared``."""

    @functools.wraps(function)
    def wrapper(**given: Any) -> Any:
        return function(Shared(**_take(given, Shared)), **given)

    decorated: Command = _decorated(wrapper, _SHARED)
    return decorated


def capture_options(function: Command) -> Command:
    """Give a command the flags of those that capture, as its first argument, an ``Options``."""

    @functools.wraps(function)
    def wrapper(**given: Any) -> Any:
        flags, unknown = _flags(given)
        return function(Options(**_take(given, Options), flags=flags, unknown=unknown), **given)

    decorated: Command = _decorated(wrapper, [*_CAPTURE, *_SHARED])
    return decorated


def _decorated(function: Any, options: list[Any]) -> Any:
    for option in reversed(options):
        function = option(function)
    return function


def _take(given: dict[str, Any], cls: type[Shared]) -> dict[str, Any]:
    return {one.name: given.pop(one.name) for one in fields(cls) if one.name in given}


def _flags(given: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The constraints that flags say, by IDL name, and the unknown names; what comes from ``-c`` overrides."""
    size = given.pop("size")
    flags = dict(zip(("width", "height"), size, strict=True)) if size else {}
    flags |= {row.name: value for row in PROPERTIES.values() if row.flag and (value := given.pop(row.name)) is not None}
    named = dict(given.pop("named"))
    return flags | {name: value for name, value in named.items() if name in PROPERTIES}, tuple(
        name for name in named if name not in PROPERTIES
    )


def fake_description(shared: Shared) -> Any:
    """The description of fake devices that flags or MSCLI_FAKE_DEVICES ask for; {} for the default ones; None for hardware."""
    path = shared.fake_devices_from or ("" if shared.fake_devices else os.environ.get("MSCLI_FAKE_DEVICES", ""))
    if path and path not in ("0", "1"):
        return parse_json(read_text(path, "the description of fake devices"), path)
    return {} if shared.fake_devices or path == "1" else None


def asked_kinds(options: Options, default: tuple[str, ...], *, all_of: bool = True) -> list[str]:
    """The kinds of track that a command line asks for. ``all_of``: flags of one kind leave the other's default in place."""
    named = [kind for kind in KINDS if _named(options, kind)]
    if isinstance(options.constraints, Mapping):
        kinds = {kind for kind in KINDS if options.constraints.get(kind, False) not in (False, 0, "")} | set(named)
    else:
        kinds = set(default) | set(named) if all_of or not named else set(named)
    switches = {VIDEO: options.video, AUDIO: options.audio}
    return [kind for kind in KINDS if switches[kind] is not False and (kind in kinds or switches[kind])]


def _named(options: Options, kind: str) -> bool:
    device = options.camera if kind == VIDEO else options.microphone
    return device is not None or any(PROPERTIES[name].kinds == (kind,) for name in options.flags)


def stream_constraints(options: Options, kinds: list[str], device_ids: Mapping[str, str]) -> Any:
    """The ``MediaStreamConstraints`` for those kinds: flags override ``--constraints`` property by property."""
    given = {} if options.constraints is None else options.constraints
    if not isinstance(given, Mapping):
        return given  # WebIDL says what is wrong with it
    return {kind: _of_kind(options, kind, given.get(kind, True), device_ids.get(kind)) for kind in kinds}


def _of_kind(options: Options, kind: str, given: Any, device_id: str | None) -> Any:
    flags = {name: value for name, value in options.flags.items() if kind in PROPERTIES[name].kinds}
    device = {} if device_id is None else {"deviceId": {"exact": device_id}}
    sets = [one for one in options.advanced if not _only_for_others(one, kind)]
    base = dict(given) if isinstance(given, Mapping) else {}
    advanced = {"advanced": [*base.get("advanced", ()), *sets]} if sets else {}
    return {**base, **flags, **device, **advanced} or given


def _only_for_others(one: Mapping[str, Any], kind: str) -> bool:
    known = [PROPERTIES[name].kinds for name in one if name in PROPERTIES]
    return bool(known) and not any(kind in kinds for kinds in known)
