"""The flags of the commands that capture, made from the table of properties, and what they say when put together."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import click

from mscli.cli.completion import complete_constraint, complete_device, complete_file, complete_size, complete_value
from mscli.cli.paramtypes import Constraints, ConstraintSet, Duration, Named, Size, Timeout, Value
from mscli.cli.shared import SHARED, Command, Decorator, Shared, decorated_with
from mscli.core.properties import AUDIO, KINDS, PROPERTIES, VIDEO


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
    timeout: tuple[float, float] | None = None
    reconnect: float | None = None
    fallback: bool = False
    flags: Mapping[str, Any] = MappingProxyType({})
    of_one: frozenset[str] = frozenset()  # of these, the ones that are for the picture, if there is one, and not for the sound
    unknown: tuple[str, ...] = ()  # names given with -c that no property has


_CAPTURE: list[Decorator] = [
    click.option(
        "--camera", metavar="DEVICE", shell_complete=complete_device("videoinput"), help="Id, path or part of a name."
    ),
    click.option("--microphone", metavar="DEVICE", shell_complete=complete_device("audioinput"), help="The same for sound."),
    click.option("--size", type=Size(), shell_complete=complete_size, help="Width and height at once: 1280x720."),
    *(
        click.option(
            f"--{row.flag}",
            row.name,
            type=Value(row),
            shell_complete=complete_value(row),
            help=f"{row.help[0].upper()}{row.help[1:]}.",
        )
        for row in PROPERTIES.values()
        if row.flag
    ),
    click.option(
        "-c",
        "--constraint",
        "named",
        type=Named(),
        multiple=True,
        shell_complete=complete_constraint,
        help="Any constraint by its W3C name.",
    ),
    click.option("--advanced", type=ConstraintSet(), multiple=True, help="One advanced constraint set; repeatable, in order."),
    click.option(
        "--constraints",
        type=Constraints(),
        shell_complete=complete_file,
        help="What a browser's getUserMedia takes: a file, - or the JSON.",
    ),
    click.option("--video/--no-video", default=None, help="Whether to capture the picture."),
    click.option("--audio/--no-audio", default=None, help="Whether to capture the sound."),
    click.option("--timeout", type=Timeout(), help="Seconds to wait for the first frame, and for more: 5,2."),
    click.option("--reconnect", type=Duration(), help="Wait so many seconds for a device that is gone to return."),
    click.option("--fallback", is_flag=True, help="Take another device that fits when one is gone."),
    click.option("--dry-run", is_flag=True, help="Say what would be used; start nothing."),
    click.option("--explain", is_flag=True, help="Show every candidate with its fitness distance, and the choice."),
    click.option("--strict", is_flag=True, help="Unknown constraints and lost frames are failures."),
    click.option(
        "--events",
        metavar="FILE",
        shell_complete=complete_file,
        help="Write one JSON object per event; “-” is stdout, and FILE may be /dev/fd/3.",
    ),
]


def capture_options(function: Command) -> Command:
    """Give a command the flags of those that capture, as its first argument, an ``Options``."""

    @functools.wraps(function)
    def wrapper(**given: Any) -> Any:
        options = Options.take(given)
        options.flags, options.unknown = _flags(given)
        options.of_one = frozenset(options.flags).difference(dict(given.pop("named")))
        return function(options, **given)

    return decorated_with([*_CAPTURE, *SHARED], wrapper)


def _flags(given: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The constraints that flags say, by IDL name, and the unknown names; what comes from ``-c`` overrides."""
    size = given.pop("size")
    flags = dict(zip(("width", "height"), size, strict=True)) if size else {}
    flags |= {row.name: value for row in PROPERTIES.values() if row.flag and (value := given.pop(row.name)) is not None}
    named = dict(given["named"])
    known = {name: value for name, value in named.items() if name in PROPERTIES}
    return flags | known, tuple(name for name in named if name not in PROPERTIES)


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
    beside = {kind: kind == AUDIO and VIDEO in kinds for kind in kinds}
    return {kind: _of_kind(options, kind, given.get(kind, True), device_ids.get(kind), beside[kind]) for kind in kinds}


def exact_devices(constraints: Any) -> dict[str, str]:
    """Of a ``MediaStreamConstraints``: for each kind the deviceId that alone will do, if there is one."""
    asked = constraints if isinstance(constraints, Mapping) else {}
    ids = {kind: one.get("deviceId") for kind, one in asked.items() if kind in KINDS and isinstance(one, Mapping)}
    exact = {kind: value.get("exact") for kind, value in ids.items() if isinstance(value, Mapping)}
    return {kind: device_id for kind, device_id in exact.items() if isinstance(device_id, str)}


def _of_kind(options: Options, kind: str, given: Any, device_id: str | None, beside_video: bool) -> Any:
    flags = {name: value for name, value in options.flags.items() if kind in PROPERTIES[name].kinds}
    flags = {name: value for name, value in flags.items() if not (beside_video and _is_videos(options, name))}
    device = {} if device_id is None else {"deviceId": {"exact": device_id}}
    sets = [one for one in options.advanced if not _only_for_others(one, kind)]
    base = dict(given) if isinstance(given, Mapping) else {}
    advanced = {"advanced": [*base.get("advanced", ()), *sets]} if sets else {}
    return {**base, **flags, **device, **advanced} or given


def _is_videos(options: Options, name: str) -> bool:
    """Whether it is said of the picture: by a flag, which unlike ``-c`` means one of the two."""
    return name in options.of_one and VIDEO in PROPERTIES[name].kinds


def _only_for_others(one: Mapping[str, Any], kind: str) -> bool:
    known = [PROPERTIES[name].kinds for name in one if name in PROPERTIES]
    return bool(known) and not any(kind in kinds for kinds in known)
