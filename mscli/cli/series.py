"""The options of a recording with a size limit, several files or triggers."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

import click

from mscli.cli.helppages import FILES, STOP, option
from mscli.cli.leaving import TRIGGERING
from mscli.cli.paramtypes import ByteCountType, ClockIntervalType, DurationType, ParsedType
from mscli.cli.shared import CommandFunction, Decorator, claim_stdin, decorated_with
from mscli.cli.trigger import MOTION
from mscli.core.motion import USUAL_SENSITIVITY
from mscli.core.quantities import parse_byte_count
from mscli.core.tuples import NamedTuple
from mscli.encode.options import Series, SinkOptions

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

TRIGGERS = (*TRIGGERING, "stdin")

_MOST_DIGITS = 15  # the limit for a number of files


class RetentionType(ParsedType):
    """A number of files, or a total size with a unit."""

    name = "N|SIZE"

    def read(self, text: str) -> dict[str, int]:
        count = text.strip()
        if count.isdecimal() and len(count) <= _MOST_DIGITS and int(count):
            return {"keep_files": int(count)}
        try:
            return {"keep_bytes": parse_byte_count(count)}
        except ValueError:
            raise ValueError(f"“{text}” is neither a number of files nor a size such as 500M, 2G or 64MiB") from None


def _claim(ctx: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value == "stdin":
        claim_stdin(ctx, "--trigger stdin")
    return value


keep_option = option("--keep", group=FILES, type=RetentionType(), help="Keep only the newest N files, or SIZE in total.")


class TriggerType(ParsedType):
    """A signal, ``stdin``, or ``motion`` with a sensitivity from 0 to 1."""

    name = "|".join((*TRIGGERS, "motion[:SENSITIVITY]"))

    def read(self, text: str) -> str:
        if text in TRIGGERS:
            return text
        word, colon, number = text.partition(":")
        if word != MOTION.rstrip(":") or (colon and not re.fullmatch(r"0*(0|1|1\.0*|0?\.\d+)", number, re.ASCII)):
            raise ValueError(f"“{text}” is not one of {', '.join(TRIGGERS)}, motion, or motion: and a number from 0 to 1")
        return f"{MOTION}{float(number) if colon else USUAL_SENSITIVITY:g}"


def _complete_trigger(_ctx: click.Context, _parameter: click.Parameter, typed: str) -> list[CompletionItem[str]]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(value) for value in (*TRIGGERS, MOTION.rstrip(":")) if value.startswith(typed)]


def trigger_option(what: str) -> Decorator:
    """Return --trigger. ``what``: what is done for each trigger."""
    text = f"{what} for each signal, each line on stdin, or motion."
    return option("--trigger", group=FILES, type=TriggerType(), callback=_claim, shell_complete=_complete_trigger, help=text)


_SERIES: list[Decorator] = [
    option("--max-size", group=STOP, type=ByteCountType(), help="Stop before all files together exceed SIZE."),
    option("--segment-duration", group=FILES, common=True, type=DurationType(), help="Start a new file every DURATION."),
    option("--segment-size", group=FILES, type=ByteCountType(), help="Start a new file before one exceeds SIZE."),
    option(
        "--segment-clock",
        group=FILES,
        type=ClockIntervalType(),
        help="Start a new file when the clock reaches a multiple of DURATION, such as 10m or 1h.",
    ),
    keep_option,
    trigger_option("Record one file"),
    option("--pre-roll", group=FILES, type=DurationType(), help="Start each triggered file DURATION before its trigger."),
]


class SeriesPlan(NamedTuple):
    """The parsed options. ``duration_s``: the duration of the whole recording, if --duration means that."""

    duration_s: float | None
    max_bytes: int | None = None
    series: Series | None = None
    trigger: str = ""

    def apply(self, options: SinkOptions) -> SinkOptions:
        """Return the sink options with the size limit and the series."""
        return options._replace(max_bytes=self.max_bytes, series=self.series)


def series_options(function: CommandFunction) -> CommandFunction:
    """Add these options to a command. It gets them, with --duration, as ``plan``. Raises UsageError for conflicts."""

    @functools.wraps(function)
    def wrapper(**given: Any) -> Any:
        return function(plan=_plan(given), **given)

    return decorated_with(_SERIES, wrapper)


def _plan(given: dict[str, Any]) -> SeriesPlan:
    duration, most, trigger = given.pop("duration"), given.pop("max_size"), given.pop("trigger")
    names = {"segment_duration": "duration_s", "segment_size": "size_bytes", "segment_clock": "clock_s"}
    cuts = {field: value for name, field in names.items() if (value := given.pop(name)) is not None}
    keep, pre_roll = given.pop("keep") or {}, given.pop("pre_roll")
    _check(cuts=bool(cuts), keep=bool(keep), pre_roll=pre_roll is not None, trigger=bool(trigger))
    if trigger:
        series = Series(duration_s=duration, triggered=True, pre_roll_s=pre_roll or 0.0, **keep)
        return SeriesPlan(None, most, series, trigger)
    return SeriesPlan(duration, most, Series(**cuts, **keep) if cuts else None)


def _check(*, cuts: bool, keep: bool, pre_roll: bool, trigger: bool) -> None:
    if trigger and cuts:
        raise click.UsageError("--trigger and --segment-… cannot be combined, because each trigger begins a file")
    if pre_roll and not trigger:
        raise click.UsageError("--pre-roll needs --trigger")
    if keep and not (cuts or trigger):
        raise click.UsageError("--keep needs --segment-duration, --segment-size, --segment-clock or --trigger")
