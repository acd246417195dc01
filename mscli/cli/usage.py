"""Say what is wrong with a command line: Click's errors in the style of all other messages. Imported only if there is one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import click

from mscli.cli.main import COMMANDS
from mscli.core.nearest import did_you_mean

_Rule = tuple[str, Callable[[re.Match[str]], str]]

_RULES: tuple[_Rule, ...] = (  # Click's sentence → ours
    (r"'(.*)' is not one of (.*)\.", lambda found: _no_choice(found[1], re.findall(r"'([^']*)'", found[2]))),
    (r"Got unexpected extra arguments? \((.*)\)", lambda found: f"unexpected argument: {found[1]}"),
    (r"Option '(.*)' requires an argument\.", lambda found: f"{found[1]} needs a value"),
    (r"Option '(.*)' does not take a value\.", lambda found: f"{found[1]} takes no value"),
)
_COMPILED = [(re.compile(pattern, re.DOTALL), say) for pattern, say in _RULES]


def usage_sentence(error: click.ClickException) -> str:
    """Return what is wrong with the command line, as one sentence."""
    if isinstance(error, click.NoSuchOption):
        return f"unknown option {error.option_name}{_suggest_option(error)}"
    if isinstance(error, click.MissingParameter) and error.param is not None:
        return f"{_parameter(error)} is missing"
    sentence = _translated(error.message)
    if isinstance(error, click.BadParameter) and error.param is not None:
        return f"{_parameter(error)}: {sentence}"
    return sentence


def usage_hint(error: click.ClickException, arguments: Sequence[str]) -> str:
    """Return where to read more: about the command, if the command line names one."""
    context = getattr(error, "ctx", None)
    command = " ".join(["mscli", *(name for name in arguments[:1] if name in COMMANDS)])
    return f"see {context.command_path if context and context.parent else command} --help"


def unknown_command(name: str, known: Sequence[str]) -> str:
    """Return the sentence about a command that does not exist."""
    return f"unknown command “{name}”{did_you_mean(name, known) or '; commands: ' + ', '.join(known)}"


def _translated(message: str) -> str:
    for pattern, say in _COMPILED:
        found = pattern.fullmatch(message)
        if found:
            return say(found)
    return message[:1].lower() + message[1:].removesuffix(".")


def _no_choice(given: str, choices: list[str]) -> str:
    return f"“{given}” is not one of {', '.join(choices)}{did_you_mean(given, choices)}"


def _suggest_option(error: click.NoSuchOption) -> str:
    """Suggest the option that begins as the unknown one does, or else the nearest."""
    params = error.ctx.command.params if error.ctx is not None else []
    known = [name for one in params if isinstance(one, click.Option) and not one.hidden for name in one.opts]
    close = [name for name in known if name.startswith(error.option_name)] or list(error.possibilities or ())
    return f" (did you mean {close[0]}?)" if close else ""


def _parameter(error: click.BadParameter) -> str:
    """Return the option or argument as it is typed."""
    if isinstance(error.param, click.Option):
        return max(error.param.opts, key=len)
    return (
        error.param.make_metavar(error.ctx).removesuffix("...")
        if error.param is not None and error.ctx is not None
        else "an argument"
    )
