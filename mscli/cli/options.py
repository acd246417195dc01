"""The options of the capturing commands, generated from the table of properties, and the tracks that they request."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from mscli.cli.completion import complete_constraint, complete_device, complete_file, complete_size, complete_value
from mscli.cli.helppages import CONTROLS, DEVICE, DIAGNOSTICS, FAILURE, PICTURE, SOUND, option
from mscli.cli.paramtypes import (
    ChannelsType,
    ConstraintSetType,
    ConstraintsType,
    CountType,
    DurationType,
    GainType,
    NamedValueType,
    QuietType,
    RateType,
    SizeType,
    TimeoutType,
    ValueType,
)
from mscli.cli.shared import CommandFunction, Decorator, Shared, claim_stdin, decorated_with, shared
from mscli.core.addresses import masked
from mscli.core.channels import MIXES
from mscli.core.errors import ArgumentError, NotSupportedError
from mscli.core.level import SILENT_DB, Quiet
from mscli.core.properties import AUDIO, KINDS, PROPERTIES, VIDEO, Property

if TYPE_CHECKING:
    from mscli.api.wanted import Wanted
    from mscli.sources.base import InputOptions

STDIN_NAMES = ("-", "fd:0", "/dev/stdin")
NO_DEVICE = "none"  # in place of a device: no track of this kind
DEVICE_FLAGS = {VIDEO: "--camera", AUDIO: "--microphone"}
NOUNS = {VIDEO: "video", AUDIO: "sound"}


class Options(Shared):
    """The options of the capturing commands. ``flags``: constraints by IDL name, as in JSON."""

    camera: Sequence[str] = ()
    microphone: Sequence[str] = ()
    input: Sequence[str] = ()
    start: float | None = None
    loop: bool = False
    pace: bool = True
    input_format: str | None = None
    input_size: tuple[int, int] | None = None
    input_pixel_format: str | None = None
    input_rate: float | None = None
    input_channels: int | None = None
    video: bool | None = None
    audio: bool | None = None
    constraints: Any = None
    advanced: tuple[Any, ...] = ()
    dry_run: bool = False
    explain: bool = False
    strict: bool = False
    events: str | None = None
    timeout: tuple[float, float] | None = None
    insecure: bool = False
    publishes: bool = False  # whether an output is a server
    reconnect: float | None = None
    fallback: bool = False
    save_settings: str | None = None
    restore: bool = False
    channels: tuple[int | str, ...] | None = None
    mix_down: str | None = None
    silence_timeout: Quiet | None = None
    monitor: str | None = None
    mix: bool = False
    gain: tuple[tuple[str, float], ...] = ()
    flags: Mapping[str, Any] = MappingProxyType({})
    kinds_at: Mapping[str, Sequence[str]] = MappingProxyType({})  # input → the kinds of its tracks, as far as they are known
    of_one: Mapping[str, str] = MappingProxyType({})  # those that apply only to video if there is video, and their options
    unknown: tuple[str, ...] = ()  # names given with -c that no property has

    @property
    def reading(self) -> InputOptions:
        """Return how the addresses are read."""
        from mscli.sources.base import USUAL_INPUT, InputOptions

        return InputOptions(
            self.start or 0.0,
            self.loop,
            self.pace,
            self.input_format or "",
            self.input_size,
            self.input_pixel_format or "",
            self.input_rate,
            self.input_channels or 1,
            self.timeout[0] if self.timeout else USUAL_INPUT.timeout_s,
            self.insecure,
            restored=True,
        )

    @property
    def of_inputs(self) -> list[tuple[str, tuple[str, ...], list[str]]]:
        """Return what only some inputs follow: their noun, the registry's names, and the options that are given."""
        files = {"--start": self.start is not None, "--loop": self.loop}
        pipes = {
            "--input-format": self.input_format is not None, "--input-size": self.input_size is not None,
            "--input-pixel-format": self.input_pixel_format is not None, "--input-rate": self.input_rate is not None,
            "--input-channels": self.input_channels is not None,
        }  # fmt: skip
        both = {"--no-pace": not self.pace}
        rows = (
            ("file", ("file", "network"), files),
            ("pipe", ("pipe", "network"), pipes),
            ("file", ("file", "pipe", "network"), both),
            ("server", ("network",), {"--insecure": self.insecure and not self.publishes}),
        )
        return [(noun, names, [name for name, is_given in given.items() if is_given]) for noun, names, given in rows]


def _property_option(row: Property, kinds: Sequence[str]) -> Decorator:
    """Return the option of a constraint. It is hidden if the command has no track that it applies to."""
    group = DEVICE if row.name in _OF_DEVICE else CONTROLS if row.control else PICTURE if VIDEO in row.kinds else SOUND
    return option(
        f"--{row.flag}",
        row.name,
        group=group,
        common=row.name in _COMMON,
        hidden=not set(row.kinds) & set(kinds),
        type=ValueType(row),
        usual=_USUAL.get(row.name, ""),
        shell_complete=complete_value(row),
        help=f"{row.help[0].upper()}{row.help[1:]}.",
    )


_OF_DEVICE = ("groupId", "facingMode")  # constraints that choose the device
_COMMON = ("frameRate",)
_USUAL = {  # what is nearest to this is chosen if nothing is asked for
    "frameRate": "nearest to 30",
    "sampleRate": "nearest to 48000",
    "sampleSize": "nearest to 16",
    "channelCount": "nearest to 1",
}


INSECURE = option("--insecure", group=DEVICE, is_flag=True, help="Trust a server whose certificate cannot be trusted.")


def _device_options(kinds: Sequence[str]) -> list[Decorator]:
    """Return the options that choose devices. ``kinds``: the tracks that the command can have; options of others are hidden."""
    many = AUDIO in kinds
    return [
        option(
            "--camera",
            group=DEVICE,
            common=True,
            metavar="DEVICE",
            multiple=True,
            shell_complete=complete_device("videoinput", none=many),
            help="Camera, by name, path, id or address.",
        ),
        option(
            "--screen",
            group=DEVICE,
            metavar="[NAME]",
            multiple=True,
            takes=_is_monitor,
            help="Monitor as the camera: the main one, or that with this name.",
        ),
        option(
            "--microphone",
            group=DEVICE,
            common=True,
            hidden=not many,
            metavar="DEVICE",
            multiple=True,
            shell_complete=complete_device("audioinput", none=True),
            help="Microphone, by name, path, id or address.",
        ),
        option(
            "-i",
            "--input",
            "input",
            group=DEVICE,
            metavar="ADDRESS",
            multiple=True,
            shell_complete=complete_file,
            help="Video and sound of a file, a pipe or a stream." if many else "Video of a file, a pipe or a stream.",
        ),
        option("--start", group=DEVICE, type=DurationType(), help="Begin DURATION after the beginning of the file."),
        option("--loop", group=DEVICE, is_flag=True, help="Begin the file again at its end."),
        option(
            "--pace/--no-pace",
            "pace",
            group=DEVICE,
            default=True,
            help="Play a file or a pipe at its own pace, or read it as fast as the output takes it.",
        ),
        option(
            "--input-format",
            group=DEVICE,
            metavar="FORMAT",
            help="What comes through the pipe: rawvideo, s16, or a container.",
        ),
        option("--input-size", group=DEVICE, type=SizeType(), help="Size of raw video from the pipe, such as 640x480."),
        option("--input-pixel-format", group=DEVICE, metavar="FORMAT", help="Pixel format of raw video from the pipe."),
        option("--input-rate", group=DEVICE, type=RateType(), help="Frames, or samples per channel, per second of the pipe."),
        option("--input-channels", group=DEVICE, type=CountType(), help="Number of channels of raw sound from the pipe."),
        INSECURE,
        option("--video/--no-video", group=DEVICE, hidden=not many, default=None, help="Capture video, or leave it out."),
        option(
            "--audio/--no-audio",
            group=DEVICE,
            common=True,
            hidden=not many,
            default=None,
            help="Capture sound, or leave it out.",
        ),
        *(_property_option(row, kinds) for row in PROPERTIES.values() if row.flag and row.name in _OF_DEVICE),
        option(
            "-c",
            "--constraint",
            "named",
            group=DEVICE,
            type=NamedValueType(),
            multiple=True,
            shell_complete=complete_constraint(kinds),
            help="Set any constraint by its W3C name; repeatable.",
        ),
        option(
            "--constraints",
            group=DEVICE,
            type=ConstraintsType(),
            multiple=True,
            shell_complete=complete_file,
            help="Take the constraints of a web page: an object for getUserMedia, or a list of them.",
        ),
        option(
            "--advanced",
            group=DEVICE,
            type=ConstraintSetType(),
            multiple=True,
            help="Add an advanced constraint set; repeatable, in order.",
        ),
    ]


def _is_monitor(argument: str) -> bool:
    """Return whether the argument after --screen or --monitor is a name: it is no option, file or address."""
    return not argument.startswith("-") and not set("./:") & set(argument)


def _setting_options(kinds: Sequence[str]) -> list[Decorator]:
    """Return the options that set the picture and the sound."""
    size = option(
        "--size",
        group=PICTURE,
        common=True,
        type=SizeType(),
        shell_complete=complete_size,
        usual="nearest to 640x480",
        help="Size, such as 1280x720, 720p or 4k.",
    )
    rows = (row for row in PROPERTIES.values() if row.flag and row.name not in _OF_DEVICE)
    sound = _SOUND if AUDIO in kinds else ()
    return [size, *(_property_option(row, kinds) for row in rows), *sound, *(_CONTROLS if VIDEO in kinds else ())]


_SOUND: list[Decorator] = [
    option(
        "--channels",
        group=SOUND,
        type=ChannelsType(),
        usual="as many as --channel-count",
        help="Take these channels of the device, in this order, such as 3,4 or FL,FR.",
    ),
    option(
        "--mix-down",
        group=SOUND,
        type=click.Choice(tuple(MIXES)),
        help="Mix the channels, all or those of --channels, to one or two.",
    ),
    option("--mix", group=SOUND, is_flag=True, help="Mix all microphones into one track."),
    option(
        "--gain",
        group=SOUND,
        type=GainType(),
        multiple=True,
        help="Amplify microphones by DB, or the one called NAME; repeatable.",
    ),
    option(
        "--monitor",
        group=SOUND,
        once=True,
        metavar="[SPEAKER]",
        takes=_is_monitor,
        shell_complete=complete_device("audiooutput"),
        help="Play the sound while it is captured, on the default speaker or another.",
    ),
    option(
        "--silence-timeout",
        group=SOUND,
        type=QuietType(SILENT_DB),
        help="Warn of a microphone that is silent for DURATION.",
    ),
]


_CONTROLS: list[Decorator] = [
    option(
        "--save-settings",
        group=CONTROLS,
        once=True,
        metavar="FILE",
        shell_complete=complete_file,
        help="Save the camera's controls to FILE, for use with --constraints.",
    ),
    option("--restore", group=CONTROLS, is_flag=True, help="Restore all camera controls at the end."),
]


_RUNNING: list[Decorator] = [
    option(
        "--timeout",
        group=FAILURE,
        type=TimeoutType(),
        usual="5s,2s",
        help="How long to wait for the first frame, and for the next one of a device that stalls.",
    ),
    option(
        "--reconnect", group=FAILURE, type=DurationType(), help="Wait up to DURATION for a lost device or server to return."
    ),
    option("--fallback", group=FAILURE, is_flag=True, help="Continue with another device that fits the constraints."),
    option("--dry-run", group=DIAGNOSTICS, is_flag=True, help="Print what would be captured, without starting a device."),
    option("--explain", group=DIAGNOSTICS, is_flag=True, help="Show every candidate with its fitness distance."),
    option("--strict", group=DIAGNOSTICS, is_flag=True, help="Fail if frames are lost or a constraint is unknown."),
    option(
        "--events",
        group=DIAGNOSTICS,
        once=True,
        metavar="FILE",
        shell_complete=complete_file,
        help="Write events to FILE as lines of JSON; “-” is stdout.",
    ),
]


def capture_options(*kinds: str) -> Callable[[CommandFunction], CommandFunction]:
    """Return a decorator that adds the capture options to a command, which gets them as its first argument, an ``Options``.

    ``kinds``: the kinds of tracks that the command can have. Options for others are not offered. May raise UsageError.
    """
    added = [*_device_options(kinds), *_setting_options(kinds), *_RUNNING, *shared()]

    def decorate(function: CommandFunction) -> CommandFunction:
        @functools.wraps(function)
        def wrapper(**given: Any) -> Any:
            return function(_options(given), **given)

        return decorated_with(added, wrapper)

    return decorate


def _options(given: dict[str, Any]) -> Options:
    """Remove the capture options from Click's arguments and return them. Raises UsageError if they conflict."""
    options: Options = Options.take(given)
    sized = given["size"] is not None
    options.flags, options.unknown = _flags(given)
    options.constraints = _as_one(options.constraints)
    options.camera = (*options.camera, *(f"screen:{name}" for name in given.pop("screen")))
    named = dict(given.pop("named"))
    options.of_one = {name: _option_of(name, sized=sized) for name in options.flags if name not in named}
    if any(name in STDIN_NAMES for name in (*options.camera, *options.microphone, *options.input)):
        claim_stdin(click.get_current_context(), "-i")
    options.video = _switch(options.video, VIDEO, options.camera)
    options.audio = _switch(options.audio, AUDIO, options.microphone)
    for flag in ("--channels", "--mix-down"):
        if _OF_SOUND[flag](options) and "channelCount" in options.flags:
            counted = options.of_one.get("channelCount", "-c channelCount")
            raise click.UsageError(f"{flag} and {counted} cannot be combined: {flag} decides how many there are")
    return options


def _as_one(given: Sequence[Any]) -> Any:
    """Return what ``--constraints`` has, or the list of all of them if it is given several times."""
    if len(given) < 2:
        return next(iter(given), None)
    return [stream for one in given for stream in (one if isinstance(one, list) else [one])]


def _option_of(name: str, *, sized: bool) -> str:
    """Return the option that sets a constraint. ``sized``: whether the width and the height come from ``--size``."""
    return "--size" if sized and name in ("width", "height") else f"--{PROPERTIES[name].flag}"


def _flags(given: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the constraints set by options, by IDL name, and the unknown names. ``-c`` takes precedence."""
    size = given.pop("size")
    flags = dict(zip(("width", "height"), size, strict=True)) if size else {}
    flags |= {row.name: value for row in PROPERTIES.values() if row.flag and (value := given.pop(row.name)) is not None}
    refuse_again("-c", [name for name, _ in given["named"]])
    named = dict(given["named"])
    known = {name: value for name, value in named.items() if name in PROPERTIES}
    return flags | known, tuple(name for name in named if name not in PROPERTIES)


def _switch(switch: bool | None, kind: str, names: Sequence[str]) -> bool | None:
    """Return whether tracks of a kind are requested by the switch and the devices. Raises UsageError if they conflict."""
    if NO_DEVICE not in names:
        return switch
    flag = DEVICE_FLAGS[kind]
    others = [f"{flag} {name}" for name in names if name != NO_DEVICE] + [f"--{kind}"] * bool(switch)
    if others:
        raise click.UsageError(f"{flag} {NO_DEVICE} and {others[0]} cannot be combined")
    return False


def asked_kinds(options: Options, default: tuple[str, ...], *, all_of: bool = True) -> list[str]:
    """Return the kinds of requested tracks. ``all_of``: options for one kind do not disable the default of the other."""
    named = [kind for kind in KINDS if _named(options, kind)]
    if options.constraints is not None:
        kinds = {kind for one in _requests(options) for kind in KINDS if _asks(one, kind)} | set(named)
    else:
        kinds = set(default) | set(named) if all_of or not named else set(named)
    switches = {VIDEO: options.video, AUDIO: options.audio}
    return [kind for kind in KINDS if switches[kind] is not False and (kind in kinds or switches[kind])]


def devices_of(options: Options, kind: str) -> Sequence[str]:
    """Return the device names of a kind on the command line, and the inputs, which have both kinds unless more is known."""
    own = _own_devices(options, kind)
    there = [address for address in options.input if kind in options.kinds_at.get(address, KINDS)]
    return *own, *(there or (() if own else options.input))


def _own_devices(options: Options, kind: str) -> Sequence[str]:
    return options.camera if kind == VIDEO else options.microphone


def _named(options: Options, kind: str) -> bool:
    return bool(devices_of(options, kind)) or any(PROPERTIES[name].kinds == (kind,) for name in options.flags)


def wanted_of(options: Options, kinds: Sequence[str]) -> list[Wanted]:
    """Return the tracks that a command line requests, audio first, with the devices by name.

    Options override ``--constraints`` property by property, for every track that they apply to. Raises TypeError, and
    UsageError if the number of devices differs from the number of requests.
    """
    from mscli.api.wanted import Wanted

    _refuse_unused(options, kinds)
    wanted: list[Wanted] = []
    for kind in (AUDIO, VIDEO):
        if kind in kinds:
            given = _given(options, kind)
            names: Sequence[str | None] = devices_of(options, kind) or [None] * len(given)
            beside = kind == AUDIO and VIDEO in kinds
            wanted += [
                Wanted(kind, _merged(options, kind, one, beside), name)
                for one, name in zip(_each(kind, given, names), names, strict=True)
            ]
    return wanted


def _refuse_unused(options: Options, kinds: Sequence[str]) -> None:
    """Raise UsageError if an option is only for a kind of track that there is not."""
    for kind in KINDS:
        unused = [] if kind in kinds else _only_for(options, kind)
        if unused:
            raise click.UsageError(f"{unused[0]} has no effect without {NOUNS[kind]}")


def _only_for(options: Options, kind: str) -> list[str]:
    """Return the given options that only tracks of one kind can follow."""
    flags = [name for name in options.flags if PROPERTIES[name].kinds == (kind,)]
    named = [options.of_one.get(name, f"-c {name}") for name in flags]
    others = [other for other in KINDS if other != kind]
    named += [flag for flag, given in _OF_SOUND.items() if given(options)] if kind == AUDIO else []
    sets = ["--advanced" for one in options.advanced if all(_only_for_others(one, other) for other in others)]
    return [f"{DEVICE_FLAGS[kind]} {name}" for name in _own_devices(options, kind) if name != NO_DEVICE] + named + sets


_OF_SOUND: Mapping[str, Callable[[Options], object]] = {
    "--channels": lambda options: options.channels,
    "--mix-down": lambda options: options.mix_down,
    "--silence-timeout": lambda options: options.silence_timeout,
    "--mix": lambda options: options.mix,
    "--gain": lambda options: options.gain,
    "--monitor": lambda options: options.monitor is not None,
}


def _requests(options: Options) -> Sequence[Any]:
    """Return the given ``MediaStreamConstraints``: none, one or a list. Raises TypeError if they are malformed."""
    given = options.constraints
    if not isinstance(given, list):
        return [] if given is None else [given if isinstance(given, Mapping) else _checked(given)]
    if not given:
        raise ArgumentError("constraints: the list is empty; neither audio nor video is requested")
    return [_checked(one, f"constraints[{index}]: ") for index, one in enumerate(given)]


def _checked(given: Any, place: str = "") -> Any:
    """Return the constraints of one stream. Raises TypeError as getUserMedia does, with the position in the list."""
    from mscli.core.webidl import stream_constraints

    try:
        stream_constraints(given)
    except ArgumentError as error:
        raise ArgumentError(f"{place}{error}") from None
    return given


def _asks(request: Any, kind: str) -> bool:
    return isinstance(request, Mapping) and request.get(kind, False) not in (False, 0, "")


def _given(options: Options, kind: str) -> list[Any]:
    """Return the constraints of each track of a kind, or [True] if only options request one."""
    return [one[kind] for one in _requests(options) if _asks(one, kind)] or [True]


def _each(kind: str, given: list[Any], names: Sequence[object]) -> list[Any]:
    """Return the constraints for each device: one request each, or the same request for all."""
    if len(given) == len(names):
        return given
    if len(given) == 1:
        return given * len(names)
    asked = f"--constraints has {len(given)} {kind} tracks, but {DEVICE_FLAGS[kind]} is given {_times(len(names))}"
    raise click.UsageError(f"{asked}; name one device for each track, or none")


def written_of(options: Options, wanted: Sequence[Wanted]) -> list[Wanted]:
    """Return the tracks that outputs get: of mixed microphones only one."""
    mixed = [one for one in wanted if one.kind == AUDIO] if options.mix else []
    return [one for one in wanted if one not in mixed[1:]]


def check_one(wanted: Sequence[Wanted], what: str, instead: str = "use “mscli record”") -> None:
    """Raise NotSupportedError, with the device names, if there are several tracks of a kind but the output holds one."""
    for kind in KINDS:
        alike = [one for one in wanted if one.kind == kind]
        if len(alike) > 1:
            named = ", ".join(masked(one.called) for one in alike if one.called)
            devices = f"{len(alike)} {'cameras' if kind == VIDEO else 'microphones'}" + (f" ({named})" if named else "")
            raise NotSupportedError(f"{what} one track, not those of {devices}", hints=[f"choose one device, or {instead}"])


def exact_device(constraints: Any) -> str:
    """Return the deviceId that a track's constraints require, or "" if they require none."""
    asked = constraints.get("deviceId") if isinstance(constraints, Mapping) else None
    exact = asked.get("exact") if isinstance(asked, Mapping) else None
    return exact if isinstance(exact, str) else ""


def refuse_again(option: str, names: Sequence[str]) -> None:
    """Raise UsageError if an option with NAME=VALUE has a name twice, of which one would be ignored."""
    again = next((name for name in names if names.count(name) > 1), None)
    if again is not None:
        raise click.UsageError(f"{option} {again} can be given only once")


def _times(count: int) -> str:
    return "once" if count == 1 else "twice" if count == 2 else f"{count} times"


def _merged(options: Options, kind: str, given: Any, beside_video: bool) -> Any:
    """Return a track's constraints merged with the options that apply to it."""
    flags = {name: value for name, value in options.flags.items() if kind in PROPERTIES[name].kinds}
    flags = {name: value for name, value in flags.items() if not (beside_video and _is_videos(options, name))}
    sets = [one for one in options.advanced if not _only_for_others(one, kind)]
    base = dict(given) if isinstance(given, Mapping) else {}
    if kind == AUDIO and (options.channels or options.mix_down):
        base |= _all_channels(options)
    advanced = {"advanced": [*base.get("advanced", ()), *sets]} if sets else {}
    return {**base, **flags, **advanced} or given


_MOST_CHANNELS = 10_000  # more than any device has


def _all_channels(options: Options) -> Mapping[str, Any]:
    """Return the constraint that opens a device with all its channels, at least those that were chosen."""
    least = max((one for one in options.channels or () if isinstance(one, int)), default=1)
    return {"channelCount": {"ideal": _MOST_CHANNELS, **({"min": least} if least > 1 else {})}}


def _is_videos(options: Options, name: str) -> bool:
    """Return whether an option applies to video only. Unlike ``-c``, an option applies to one kind of track."""
    return name in options.of_one and VIDEO in PROPERTIES[name].kinds


def _only_for_others(one: Mapping[str, Any], kind: str) -> bool:
    known = [PROPERTIES[name].kinds for name in one if name in PROPERTIES]
    return bool(known) and not any(kind in kinds for kinds in known)
