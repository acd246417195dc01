"""The command tree, and the function that runs a command line."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any

import click

from mscli import __version__
from mscli.cli.helppages import write_examples
from mscli.cli.helptexts import PAGE_WIDTH

COMMANDS: dict[str, tuple[str, str]] = {  # name → module and help line, so that --help imports no command
    "devices": ("mscli.cli.surface.devices", "List cameras, microphones and speakers."),
    "capabilities": ("mscli.cli.surface.capabilities", "Show what a device can do."),
    "snapshot": ("mscli.cli.surface.snapshot", "Take pictures: PNG, JPEG, WebP and others."),
    "record": ("mscli.cli.surface.record", "Record camera and microphone into a file."),
    "capture": ("mscli.cli.surface.capture", "Write raw frames or samples to a pipe or a file."),
}
EXAMPLES = [
    ("List the devices", "mscli devices"),
    ("Take a picture", "mscli snapshot --size 720p picture.png"),
    ("Record 10 seconds", "mscli record -t 10 clip.mp4"),
    ("Send frames to another program", "mscli capture --format RGB24 | my-program"),
]

COMPLETE_VARIABLE = "_MSCLI_COMPLETE"  # set by a shell that completes; Click defines the name
_NO_MEMORY = (9, b"mscli: error: out of memory\n")  # said without another import
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": PAGE_WIDTH}


class LateGroup(click.Group):
    """A Click group that imports a command only when it runs, but knows its help line before."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, in the order of the table."""
        return [*COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, or None if it does not exist."""
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        command: click.Command = import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the table of commands, and examples."""
        with formatter.section("Commands"):
            rows = [(name, text) for name, (_, text) in COMMANDS.items()]
            formatter.write_dl([*rows, *((name, one.get_short_help_str()) for name, one in self.commands.items())])
        write_examples(formatter, EXAMPLES)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the arguments name. Raises UsageError with a suggestion if there is none."""
        if args and not args[0].startswith("-") and not ctx.resilient_parsing:
            check_command(args[0], ctx)
        return super().resolve_command(ctx, args)


def check_command(name: str, ctx: click.Context) -> None:
    """Raise UsageError, with a suggestion, if there is no command with this name."""
    known = cli.list_commands(ctx)
    if name not in known:
        from mscli.cli.usage import unknown_command

        raise click.UsageError(unknown_command(name, known), ctx)


@click.group(cls=LateGroup, context_settings=CONTEXT, invoke_without_command=True)
@click.version_option(__version__, "-V", "--version", message="mscli %(version)s")
@click.option(  # logs.py and failure.py look for this flag
    "--debug", is_flag=True, expose_value=False, help="Log everything to stderr, with tracebacks."
)
@click.pass_context
def cli(ctx: click.Context) -> int:
    """getUserMedia for the shell: choose a camera or microphone by W3C constraints, then take pictures, record or stream.

    “mscli COMMAND -h” shows the most used options of a command, and “mscli help COMMAND” all of them.
    """
    if ctx.invoked_subcommand is not None:
        return 0
    from mscli.cli.overview import show_overview

    return show_overview()


def _complete_command(ctx: click.Context, _parameter: click.Parameter, typed: str) -> list[str]:
    """Complete the names of commands."""
    return [name for name in cli.list_commands(ctx) if name.startswith(typed)]


@cli.command("help", add_help_option=False)
@click.argument("name", metavar="[COMMAND]", required=False, shell_complete=_complete_command)
@click.pass_context
def help_command(ctx: click.Context, name: str | None) -> None:
    """Show all options of a command."""
    program = ctx.parent
    assert program is not None, "it is a command of the program"
    if name is None:
        click.echo(program.get_help())
        return
    check_command(name, ctx)
    command = cli.get_command(program, name)
    assert command is not None, "its name is known"
    with click.Context(command, info_name=name, parent=program) as context:
        click.echo(context.get_help())


def run(arguments: list[str]) -> int:
    """Run a command line and return the exit code. With --debug, a defect is raised as an exception."""
    try:
        code = _complete(arguments) if os.environ.get(COMPLETE_VARIABLE) else _invoke(arguments)
        sys.stdout.flush()  # notice a reader that has left now, not when the interpreter exits
        return int(code or 0)
    except (Exception, KeyboardInterrupt) as error:
        try:
            from mscli.cli.failure import report_error

            return report_error(error, arguments)
        except (MemoryError, ImportError) as lacking:  # not even enough to report the error, or to load what reports it
            if os.strerror(errno.EMFILE) in str(lacking):
                raise  # as an OSError about descriptors: the entry point says so
            code, line = _NO_MEMORY
            with suppress(OSError):
                os.write(2, line)
            return code


def _invoke(arguments: list[str]) -> Any:
    """Parse and run a command line. (Click's own ``main`` would exit with 1 if a reader has left.)"""
    if "--debug" in arguments or os.environ.get("MSCLI_LOG"):
        from mscli.cli.logs import listen

        listen(arguments)
    try:
        with cli.make_context("mscli", list(arguments)) as context:
            return cli.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code


def _complete(arguments: list[str]) -> Any:
    from mscli.cli.shells import check_request, register

    register()
    check_request(COMPLETE_VARIABLE)
    return cli.main(arguments, prog_name="mscli", standalone_mode=False)
