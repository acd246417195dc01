"""``mscli snapshot``: take complete pictures, or none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from mscli.cli.exitcodes import ExitCode
from mscli.cli.options import Options, check_one, wanted_of
from mscli.cli.preview import CommandPreview
from mscli.cli.session import Session
from mscli.cli.shooting import Shooting, ShootingPlan
from mscli.cli.surface.preview import TERMINAL
from mscli.cli.target import (
    contents_of,
    contradiction,
    refuse_folder,
    refuse_link,
    refuse_terminal,
    refuse_written_within,
)
from mscli.core.addresses import masked
from mscli.core.errors import NotSupportedError
from mscli.core.properties import VIDEO
from mscli.encode.options import SinkOptions
from mscli.sinks import SINKS, SinkRow, is_lossless, sink_row

_OF_FILES = {"keep": "keep", "latest": "latest", "exec": "command", "show": "show"}  # options and their names here
STDOUT_SUFFIX = "png"  # what "-" writes without --format


def run(options: Options, file: str, **given: Any) -> int:
    """Take pictures and return the exit code. ``given``: the command's own options."""
    if options.video is False:
        raise NotSupportedError("a snapshot needs video", hints=["remove --no-video"])
    if options.audio or options.microphone:
        raise NotSupportedError("a snapshot has no sound", hints=["remove --audio and --microphone"])
    options.video, options.audio = True, False
    wanted = wanted_of(options, [VIDEO])
    check_one(wanted, "a snapshot has")
    suffix = given["suffix"]
    refuse_folder(file, suffix or STDOUT_SUFFIX)
    refuse_written_within([file], options)
    row = SINKS[suffix or STDOUT_SUFFIX] if suffix or file == "-" else sink_row(file, "still")
    if given["show"] and given["preview"].place == TERMINAL:
        raise click.UsageError("--show and --preview terminal cannot be combined")
    plan = _plan(given)
    if not options.pace:
        _refuse_clock(given)
        if plan.close_between is None:  # a file would begin again
            plan = plan._replace(close_between=False)
    if file == "-" or row.writes_to(file):
        _refuse_of_files(given, masked(file))
    elif plan.latest:
        refuse_link(plan.latest, file, options, series=plan.is_series, replaces=given["force"])
    with Session(options) as session:
        sink_options = SinkOptions(
            quality=given["quality"],
            over_device=given["force"],
            metadata=given["metadata"],
            deinterlace=given["deinterlace"],
            **given["filters"]._asdict(),
            on_note=session.voice.warn,
        )
        for sentence in filter(None, (contradiction(file, row), _unused_quality(row, sink_options))):
            session.voice.warn(sentence)
        if options.dry_run:
            session.dry_run(wanted, contents_of([(file, row)], sink_options))
            return ExitCode.DONE
        refuse_terminal([file], "name a file, or send it to a program: mscli snapshot - | PROGRAM")
        with CommandPreview(session, given["preview"], sink_options.filters, [VIDEO]) as shown:
            return Shooting(session, wanted, row, file, sink_options, plan, shown).run()


def _refuse_of_files(given: Mapping[str, Any], name: str) -> None:
    """Raise UsageError if an option is only for pictures that are files. ``name``: where they go instead."""
    unused = [f"--{option}" for option, key in _OF_FILES.items() if given[key]]
    if unused:
        raise click.UsageError(f"{unused[0]} has no effect: “{name}” is no file")


def _refuse_clock(given: Mapping[str, Any]) -> None:
    """Raise UsageError if pictures are to be taken at times of day, which a file that is read at once does not have."""
    for option in ("at_clock", "trigger"):
        if given[option]:
            hint = "leave out --no-pace to play the file, or use --interval, which counts in the file's own time"
            raise click.UsageError(f"--{option.replace('_', '-')} and --no-pace cannot be combined: {hint}")


def _unused_quality(row: SinkRow, options: SinkOptions) -> str:
    """Return a sentence if the picture has no quality to choose, or ""."""
    unused = options.quality is not None and is_lossless(row)
    return f"--quality has no effect: {row.suffix.upper()} is lossless" if unused else ""


def _plan(given: Mapping[str, Any]) -> ShootingPlan:
    names = {
        "count": "number", "interval": "interval_s", "at_clock": "clock_s", "delay": "delay_s",
        **{name: name for name in ("trigger", "burst", "bracket", "best_of", "average", "keep", "latest", "command")},
    }  # fmt: skip
    plan = ShootingPlan(
        **{field: given[name] for name, field in names.items() if given[name] is not None},
        show=given["show"],
        keep_going=given["keep_going"],
    )
    return plan._replace(close_between=given["close_between"], **(given["settle"] or {}))
