"""The flags of a recording that is limited in size, goes into several files or waits for triggers, and what they say."""

from __future__ import annotations

import functools
import re
from typing import Any, NamedTuple

import click

from mscli.cli.paramtypes import Duration, Text
from mscli.cli.shared import Command, Decorator, decorated_with
from mscli.core.clock import DAY_S
from mscli.sinks.base import Series, SinkOptions

TRIGGERS = ("SIGUSR1", "stdin")

_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(?:([kMGT])(i?))?B?", re.IGNORECASE)
_POWERS = {"k": 1, "m": 2, "g": 3, "t": 4}
_CLOCK = re.compile(r"(\d+)([smh]?)")
_SECONDS = {"s": 1, "": 60, "m": 60, "h": 3600}


class ByteCount(Text):
    """Bytes: ``500M``, ``1.5G``, ``64MiB``, ``100000``."""

    name = "size"

    def read(self, text: str) -> int:
        found = _SIZE.fullmatch(text.strip())
        count = _bytes(found) if found else 0
        if count < 1:
            raise ValueError(f"“{text}” is not a size such as 500M, 2G or 64MiB")
        return count


class Clock(Text):
    """A time between full marks of the local clock, in seconds: ``15s``, ``10m``, ``1h``; a number alone is minutes."""

    name = "minutes"

    def read(self, text: str) -> int:
        found = _CLOCK.fullmatch(text)
        seconds = int(found[1]) * _SECONDS[found[2]] if found else 0
        if not seconds or DAY_S % seconds:
            raise ValueError(f"“{text}” does not divide a day: use 1m, 5m, 10m, 15m, 30m, 1h, 6h ...")
        return seconds


class Keep(Text):
    """A number of files, or with a unit their size."""

    name = "n|size"

    def read(self, text: str) -> dict[str, int]:
        count = text.strip()
        if count.isdecimal() and int(count):
            return {"keep_files": int(count)}
        try:
            return {"keep_bytes": ByteCount().read(count)}
        except ValueError:
            raise ValueError(f"“{text}” is neither a number of files nor a size such as 500M, 2G or 64MiB") from None


_SERIES: list[Decorator] = [
    click.option("--max-size", type=ByteCount(), help="End before all files together are larger: 500M, 2G."),
    click.option("--segment-duration", type=Duration(), help="Go over to a next file after so many seconds each time."),
    click.option("--segment-size", type=ByteCount(), help="Go over to a next file before one is larger."),
    click.option("--segment-clock", type=Clock(), help="Go over to a next file at full 10m, 1h ... of the local clock."),
    click.option("--keep", type=Keep(), help="Of the files of this recording keep so many, or so much; the oldest go."),
    click.option("--pre-roll", type=Duration(), help="Begin each triggered file with so many seconds from before."),
    click.option("--trigger", type=click.Choice(TRIGGERS), help="Record a file for each signal, or line on stdin."),
]


class Plan(NamedTuple):
    """What the flags say. ``duration_s``: when the whole recording ends, if --duration means that."""

    duration_s: float | None
    max_bytes: int | None = None
    series: Series | None = None
    trigger: str = ""

    def apply(self, options: SinkOptions) -> SinkOptions:
        """How a sink is asked to write."""
        return options._replace(max_bytes=self.max_bytes, series=self.series)


def series_options(function: Command) -> Command:
    """Give a command these flags, as ``plan``; it takes --duration into it. Raises UsageError for what does not go together."""

    @functools.wraps(function)
    def wrapper(**given: Any) -> Any:
        return function(plan=_plan(given), **given)

    return decorated_with(_SERIES, wrapper)


def _plan(given: dict[str, Any]) -> Plan:
    duration, most, trigger = given.pop("duration"), given.pop("max_size"), given.pop("trigger")
    names = {"segment_duration": "duration_s", "segment_size": "size_bytes", "segment_clock": "clock_s"}
    cuts = {field: value for name, field in names.items() if (value := given.pop(name)) is not None}
    keep, pre_roll = given.pop("keep") or {}, given.pop("pre_roll")
    _check(cuts=bool(cuts), keep=bool(keep), pre_roll=pre_roll is not None, trigger=bool(trigger))
    if trigger:
        series = Series(duration_s=duration, triggered=True, pre_roll_s=pre_roll or 0.0, **keep)
        return Plan(None, most, series, trigger)
    return Plan(duration, most, Series(**cuts, **keep) if cuts else None)


def _check(*, cuts: bool, keep: bool, pre_roll: bool, trigger: bool) -> None:
    if trigger and cuts:
        raise click.UsageError("--trigger makes files of its own: it does not go with --segment-…")
    if pre_roll and not trigger:
        raise click.UsageError("--pre-roll needs --trigger: what begins a file")
    if keep and not (cuts or trigger):
        raise click.UsageError("--keep needs several files: --segment-duration, --segment-size, --segment-clock or --trigger")


def _bytes(found: re.Match[str]) -> int:
    unit = (found[2] or "").lower()
    factor: int = (1024 if found[3] else 1000) ** _POWERS.get(unit, 0)
    return round(float(found[1]) * factor)
