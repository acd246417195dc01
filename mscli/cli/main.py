"""The command tree, and where a command line is run."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import click

from mscli import __version__

COMMANDS: dict[str, tuple[str, str]] = {  # name → module, and its one line of help, so that --help imports none of them
    "devices": ("mscli.cli.devices", "List cameras, microphones and speakers."),
    "capabilities": ("mscli.cli.capabilities", "Show what a device can be set to, and its native modes."),
    "snapshot": ("mscli.cli.snapshot", "Take a picture: PNG, JPEG or WebP."),
    "record": ("mscli.cli.record", "Record camera and microphone: MP4, WebM, MKV, MOV; or sound alone."),
    "capture": ("mscli.cli.capture", "Write raw frames or PCM sound to a pipe or a file."),
}

COMPLETE_VARIABLE = "_MSCLI_COMPLETE"  # set by a shell that completes: Click's name for it
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class LateGroup(click.Group):
    """A group that imports a command when it is run, and knows its line of help before."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command, imported now; None where there is none."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the table of commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments name; a usage error with a “did you mean” if none."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            from difflib import get_close_matches

            close = get_close_matches(args[0], COMMANDS, 1)
            raise click.UsageError(f"there is no command “{args[0]}”" + (f"; did you mean “{close[0]}”?" if close else ""), ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=LateGroup, context_settings=CONTEXT, no_args_is_help=False)
@click.version_option(__version__, message="mscli %(version)s")
@click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of a defect.")  # failure.py looks for it
def cli() -> None:
    """getUserMedia for the shell: choose a camera or a microphone by the W3C's constraints; snap, record or stream it.

    \b
    mscli devices
    mscli snapshot --width 1280 picture.png
    mscli record --duration 10 --size 1280x720 clip.mp4
    mscli capture --format RGB24 | my-program
    """


def run(arguments: list[str]) -> int:
    """Run a command line; the exit code. Nothing but a defect under --debug leaves as an exception."""
    try:
        code = _complete(arguments) if COMPLETE_VARIABLE in os.environ else _invoke(arguments)
        sys.stdout.flush()  # have a reader that left noticed here, not at the interpreter's end
        return int(code or 0)
    except (Exception, KeyboardInterrupt) as error:
        from mscli.cli.failure import tell

        return tell(error, arguments)


def _invoke(arguments: list[str]) -> Any:
    """Parse and run. (Click's own ``main`` would make an exit code 1 of a reader that left.)"""
    try:
        with cli.make_context("mscli", list(arguments)) as context:
            return cli.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code


def _complete(arguments: list[str]) -> Any:
    from mscli.cli.shells import register

    register()
    return cli.main(arguments, prog_name="mscli", standalone_mode=False)
