"""Arguments and options that several commands share: outputs, ends, and ``--control``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from mscli.cli.completion import complete_file
from mscli.cli.helppages import OUTPUT, PICTURE, STOP, option
from mscli.cli.paramtypes import STDIN, UNIX, ControlAddressType, CountType, DurationType
from mscli.cli.shared import Decorator

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

duration_option = option(
    "-t", "--duration", group=STOP, common=True, type=DurationType(), help="Stop after DURATION, such as 10m or 1:02:03."
)


def frames_option(*, common: bool = False) -> Decorator:
    """Return the option for the number of frames."""
    return option(
        "--frames", group=STOP, common=common, type=CountType(), help="Stop after N frames, or N samples of sound alone."
    )


def force_option(text: str, *, common: bool = False) -> Decorator:
    """Return --force. ``text``: what it overrides in this command."""
    return option("--force", group=OUTPUT, common=common, is_flag=True, help=text)


def output_arguments(name: str, *, many: bool, common: bool = False) -> Decorator:
    """Return a decorator for the outputs of a command: an argument with this name, and ``-o`` for the same."""
    argument = click.argument("files", nargs=-1 if many else 1, required=False, metavar=name, shell_complete=complete_file)
    also = option(
        "-o",
        "--output",
        "outputs",
        group=OUTPUT,
        common=common,
        multiple=True,
        metavar="FILE",
        shell_complete=complete_file,
        help="Write to FILE; “-” is stdout. Repeatable." if many else "Write to FILE; “-” is stdout.",
    )
    return lambda function: argument(also(function))


def outputs_of(given: dict[str, Any], *, least: int = 1, most: int | None = None) -> tuple[str, ...]:
    """Remove the outputs from Click's arguments and return them. Raises UsageError for too few or too many."""
    files, outputs = given.pop("files"), given.pop("outputs")
    named: tuple[str, ...] = (*(files if isinstance(files, tuple) else (files,) if files is not None else ()), *outputs)
    if len(named) < least:
        ctx = click.get_current_context()
        (argument,) = (one for one in ctx.command.params if isinstance(one, click.Argument))
        raise click.MissingParameter(ctx=ctx, param=argument)
    if most is not None and len(named) > most:
        raise click.UsageError(f"only one output is possible, not “{named[0]}” and “{named[1]}”")
    return named


def _complete_control(_ctx: click.Context, _parameter: click.Parameter, typed: str) -> list[CompletionItem[str]]:
    """Complete the two kinds of address. The path after ``unix:`` is not completed."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(value) for value in (STDIN, UNIX) if value.startswith(typed)]


control_option = option(
    "--control",
    group=STOP,
    once=True,
    type=ControlAddressType(),
    is_eager=True,  # before any other option that reads stdin
    shell_complete=_complete_control,
    help="Take commands (pause, stop, ...) as lines of JSON, from stdin or a socket.",
)
deinterlace_option = option(
    "--deinterlace", group=PICTURE, is_flag=True, help="Combine the two fields of interlaced video into whole pictures."
)
