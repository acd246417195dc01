"""The options of a recording with a size limit, several files or triggers."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

from mscli.cli.helppages import FILES, STOP, option
from mscli.cli.leaving import TRIGGERING
from mscli.cli.paramtypes import ByteCountType, ClockIntervalType, DurationType, ParsedType, QuietType
from mscli.cli.shared import CommandFunction, Decorator, claim_stdin, decorated_with
from mscli.cli.trigger import BY_MOTION, BY_SOUND
from mscli.core.level import GAP_DB, SOUND_DB, Quiet
from mscli.core.nearest import did_you_mean
from mscli.core.quantities import parse_byte_count, parse_db, parse_share
from mscli.core.tuples import NamedTuple
from mscli.encode.options import Series, SinkOptions

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

TRIGGERS = (*TRIGGERING, "stdin")
_SOUND_ENDS_S = 2.0  # of silence that ends a file that sound began, if it has no duration

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


class TriggerType(ParsedType):
    """A trigger: a signal, a line on stdin, motion in the picture, or sound above a level."""

    def __init__(self, *, sound: bool) -> None:
        """Remember what can be a trigger. ``sound``: whether sound can."""
        self._noticed = {BY_MOTION: ("SENSITIVITY", parse_share), **({BY_SOUND: ("DB", parse_db)} if sound else {})}
        self.name = "|".join((*TRIGGERS, *(f"{one}[:{value}]" for one, (value, _) in self._noticed.items())))

    def read(self, text: str) -> str:
        name, colon, value = text.partition(":")
        if text in TRIGGERS or text in self._noticed:
            return text
        if colon and name in self._noticed:
            return f"{name}:{self._noticed[name][1](value):g}"
        question = did_you_mean(name, (*TRIGGERS, *self._noticed))
        raise ValueError(f"“{text}” is not one of {self.name.replace('|', ', ')}{question}")

    def shell_complete(
        self,
        ctx: click.Context,  # noqa: ARG002 (Click's)
        param: click.Parameter,  # noqa: ARG002
        incomplete: str,
    ) -> list[CompletionItem[str]]:
        """Complete the name."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(one) for one in (*TRIGGERS, *self._noticed) if one.startswith(incomplete)]


def _claim(ctx: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value == "stdin":
        claim_stdin(ctx, "--trigger stdin")
    return value


keep_option = option("--keep", group=FILES, type=RetentionType(), help="Keep only the newest N files, or SIZE in total.")


def trigger_option(what: str, *, sound: bool = False) -> Decorator:
    """Return --trigger. ``what``: what is done for each trigger. ``sound``: whether sound can be one."""
    text = f"{what} for each signal, each line on stdin, {'motion, or sound' if sound else 'or motion'}."
    return option("--trigger", group=FILES, once=True, type=TriggerType(sound=sound), callback=_claim, help=text)


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
    option(
        "--split-on-silence",
        group=FILES,
        type=QuietType(GAP_DB),
        help="Start a new file with the sound after DURATION of silence.",
    ),
    trigger_option("Record one file", sound=True),
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
    silence = given.pop("split_on_silence")
    keep, pre_roll = given.pop("keep") or {}, given.pop("pre_roll")
    if silence is not None and not trigger:
        cuts["silence"] = silence
    _check(cuts=bool(cuts), keep=bool(keep), pre_roll=pre_roll is not None, trigger=bool(trigger))
    if trigger:
        name, _, level = trigger.partition(":")
        sound_db = float(level or SOUND_DB) if name == BY_SOUND else None
        if sound_db is not None and duration is None and silence is None:
            silence = Quiet(_SOUND_ENDS_S, sound_db)
        series = Series(
            duration_s=duration, triggered=True, pre_roll_s=pre_roll or 0.0, sound_db=sound_db, silence=silence, **keep
        )
        return SeriesPlan(None, most, series, trigger)
    return SeriesPlan(duration, most, Series(**cuts, **keep) if cuts else None)


def _check(*, cuts: bool, keep: bool, pre_roll: bool, trigger: bool) -> None:
    if trigger and cuts:
        raise click.UsageError("--trigger and --segment-… cannot be combined, because each trigger begins a file")
    if pre_roll and not trigger:
        raise click.UsageError("--pre-roll needs --trigger")
    if keep and not (cuts or trigger):
        raise click.UsageError("--keep needs --segment-…, --split-on-silence or --trigger")
