"""The options of pictures and of series of pictures."""

from __future__ import annotations

import functools
from typing import Any

import click

from mscli.cli.completion import complete_file
from mscli.cli.helppages import FILES, OUTPUT, PICTURE, STOP, option
from mscli.cli.paramtypes import ClockIntervalType, CountType, DurationType, ParsedType
from mscli.cli.series import keep_option, trigger_option
from mscli.cli.shared import CommandFunction, Decorator, decorated_with
from mscli.cli.trigger import BY_MOTION
from mscli.core.quantities import parse_duration

_MOST_EV = 10.0  # exposure compensation


class SettleType(ParsedType):
    """A time for a camera to settle: a duration with its unit, a number of frames, or ``off``."""

    name = "DURATION|N|off"

    def read(self, text: str) -> dict[str, Any]:
        if text == "off":
            return {"settle_s": 0.0}
        if text.isascii() and text.isdigit():
            return {"settle_frames": int(text)}
        try:
            return {"settle_s": parse_duration(text)}
        except ValueError:
            raise ValueError(f"“{text}” is neither a duration such as 2s, nor a number of frames, nor off") from None


class ExposuresType(ParsedType):
    """A list of exposure compensations in EV, with commas between them."""

    name = "EV,..."

    def read(self, text: str) -> tuple[float, ...]:
        try:
            values = tuple(float(part) for part in text.split(","))
        except ValueError:
            values = ()
        if not values or not all(abs(value) <= _MOST_EV for value in values):
            raise ValueError(f"“{text}” is not a list of exposure compensations such as -2,0,2")
        return values


class CommandType(ParsedType):
    """A command with its arguments, quoted as in a shell."""

    name = "COMMAND"

    def read(self, text: str) -> tuple[str, ...]:
        import shlex

        try:
            arguments = tuple(shlex.split(text))
        except ValueError as error:
            raise ValueError(f"“{text}” is not a command: {str(error).lower()}") from None
        if not any(arguments[:1]):
            raise ValueError(f"“{text}” names no command")
        return arguments


_SERIES: list[Decorator] = [
    option("--count", group=STOP, common=True, type=CountType(), help="Take N pictures."),
    option("--interval", group=FILES, common=True, type=DurationType(), help="Take a picture every DURATION."),
    option(
        "--at-clock",
        group=FILES,
        type=ClockIntervalType(),
        help="Take a picture when the clock reaches a multiple of DURATION, such as 1m or 1h.",
    ),
    trigger_option("Take a picture"),
    option("--burst", group=FILES, type=CountType(), help="Take N consecutive frames each time."),
    option("--bracket", group=FILES, type=ExposuresType(), help="Take a picture with each of these exposure compensations."),
    keep_option,
    option("--keep-going", group=FILES, is_flag=True, help="Go on if a picture cannot be written, such as on a full disk."),
    option(
        "--latest",
        group=FILES,
        once=True,
        metavar="LINK",
        shell_complete=complete_file,
        help="Make LINK point to the newest picture.",
    ),
    option(
        "--exec",
        "command",
        group=FILES,
        once=True,
        type=CommandType(),
        help="Run COMMAND for each picture; {} in it is the file, or the file is added.",
    ),
    option(
        "--close-between/--keep-open",
        group=FILES,
        default=None,
        usual="close if --interval or --at-clock is above 1 minute",
        help="Close the camera between pictures, or keep it open.",
    ),
]

_PICTURES: list[Decorator] = [
    option("--delay", group=PICTURE, common=True, type=DurationType(), help="Wait DURATION before the first picture."),
    option(
        "--settle",
        group=PICTURE,
        type=SettleType(),
        usual="2s at most, and only as long as needed",
        help="Let exposure and white balance settle.",
    ),
    option("--best-of", group=PICTURE, type=CountType(), help="Take the sharpest of N frames."),
    option("--average", group=PICTURE, type=CountType(), help="Average N frames, for less noise."),
    option("--metadata/--no-metadata", group=OUTPUT, default=True, help="Write time, camera and settings into the file."),
    option("--show", group=OUTPUT, common=True, is_flag=True, help="Draw the picture in the terminal."),
]


def picture_options(function: CommandFunction) -> CommandFunction:
    """Add these options to a command. Raises UsageError for conflicts."""

    @functools.wraps(function)
    def checked(*arguments: Any, **given: Any) -> Any:
        motion = (given.get("trigger") or "").startswith(BY_MOTION)
        _check({name for name, value in given.items() if value}, motion=motion)
        return function(*arguments, **given)

    return decorated_with([*_SERIES, *_PICTURES], checked)


_EXCLUSIVE = ("interval", "at_clock", "trigger"), ("best_of", "average")


def _check(given: set[str], *, motion: bool) -> None:
    for names in _EXCLUSIVE:
        named = [f"--{name.replace('_', '-')}" for name in names if name in given]
        if len(named) > 1:
            raise click.UsageError(f"{' and '.join(named)} cannot be combined")
    if motion and "close_between" in given:
        raise click.UsageError("--trigger motion and --close-between cannot be combined: a closed camera sees no motion")
    if "keep" in given and not given & {"count", "interval", "at_clock", "trigger", "burst", "bracket"}:
        raise click.UsageError("--keep needs --count, --interval, --at-clock, --trigger or --burst")
