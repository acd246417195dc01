"""Man pages out of the Click tree and ``mscli.cli.manual``: ``python -m mscli.cli.manpage man`` writes them all.

The macros are those of man(7), https://man7.org/linux/man-pages/man7/groff_man.7.html, as far as groff and mandoc share them.
The pages are ASCII and the same on every run.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from textwrap import dedent, wrap

import click

from mscli import __version__
from mscli.cli.exitcodes import MEANINGS
from mscli.cli.main import COMMANDS, cli
from mscli.cli.manual import ENVIRONMENT, MANUALS, OPTION_DETAILS

PROGRAM = "mscli"
WIDTH = 79  # columns of a page's source
MANY = 3  # commands that share an option, for it to stand apart
FIRST = ("NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "OPTIONS")  # then the sections that only this page has
LAST = ("EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES", "SEE ALSO")

# Text to troff

_SPECIAL = {"\\": "\\e", "^": "\\(ha", "~": "\\(ti", "“": "\\(lq", "”": "\\(rq", "×": "\\(mu"}
_MARKED = re.compile(r"`([^`]+)`|(?<![^\W_])_([A-Za-z]+)_(?![^\W_])|(?<![\w-])(--?[a-z][a-z-]*)|(https?://\S+)")


def escape(text: str, *, literal: bool = False) -> str:
    """Text for troff. ``literal``: hyphens are the minus signs that people type."""
    shown = "".join(_SPECIAL.get(char, char if char.isascii() else f"\\[u{ord(char):04X}]") for char in text)
    return shown.replace("-", "\\-") if literal else shown


def styled(text: str) -> str:
    """Text with its marks: what is typed in bold, options also without marks, what stands for something in italics."""
    shown, at = [], 0
    for mark in _MARKED.finditer(text):
        shown += [escape(text[at : mark.start()]), _font(*mark.groups())]
        at = mark.end()
    return "".join([*shown, escape(text[at:])])


def _font(typed: str | None, meant: str | None, option: str | None, address: str | None) -> str:
    if address:
        return escape(address, literal=True)
    return _italic(meant) if meant else _bold(typed or option or "")


def _bold(text: str) -> str:
    return f"\\fB{escape(text, literal=True)}\\fR"


def _italic(text: str) -> str:
    return f"\\fI{escape(text, literal=True)}\\fR"


def _safe(lines: Iterable[str]) -> list[str]:
    """The lines, none of them beginning with a character that troff takes for a command."""
    return [re.sub(r"^(?=[.'])", r"\\&", line) for line in lines]


def _filled(text: str) -> list[str]:
    """A paragraph; each sentence begins a line, as troff wants it."""
    sentences = re.split(r"(?<=\.)\s+", " ".join(text.split()))
    return _safe(line for one in sentences for line in wrap(styled(one), WIDTH, break_long_words=False, break_on_hyphens=False))


def _term(term: str, meaning: str) -> list[str]:
    """An item of a list. ``term`` is for troff already."""
    return [".TP", *_safe([term]), *_filled(meaning)]


def _code(text: str) -> list[str]:
    return [".PP", ".RS 4", ".EX", *_safe(escape(line, literal=True) for line in dedent(text).splitlines()), ".EE", ".RE"]


def _block(block: str) -> list[str]:
    """A paragraph, an item or some code of the manual's text."""
    if block.startswith("    "):
        return _code(block)
    term, colon, meaning = block.partition("\n: ")
    return _term(styled(term), meaning) if colon else [".PP", *_filled(block)]


def _blocks(text: str) -> list[str]:
    return [line for block in re.split(r"\n{2,}", text.strip("\n")) for line in _block(block)]


def sections_of(text: str) -> dict[str, list[str]]:
    """Title → lines of each section of the manual's text."""
    parts = re.split(r"^# (.+)\n", "# DESCRIPTION\n" + text, flags=re.MULTILINE)[1:]
    return {title: _blocks(body) for title, body in zip(parts[::2], parts[1::2], strict=True)}


# The Click tree


@cache
def commands() -> dict[str, click.Command]:
    """The program under "", and every command under its name."""
    found = {name: cli.get_command(click.Context(cli), name) for name in COMMANDS}
    return {"": cli} | {name: command for name, command in found.items() if command is not None}


def options(name: str) -> list[click.Option]:
    """The options of a command, in its order."""
    program = click.Context(cli, **cli.context_settings)
    context = click.Context(commands()[name], parent=program) if name else program
    return [param for param in commands()[name].get_params(context) if isinstance(param, click.Option)]


def _grouped(name: str) -> dict[str, list[click.Option]]:
    """The options of a command by heading: its own under none, then those that it shares."""
    groups: dict[str, list[click.Option]] = {}
    for option in options(name):
        groups.setdefault(_heading(option) if name else "", []).append(option)
    return dict(sorted(groups.items(), key=lambda group: group[0] != ""))


def _heading(option: click.Option) -> str:
    sharing = [name for name in COMMANDS if any(_same(option, other) for other in options(name))]
    if len(sharing) < MANY:
        return ""
    return "Options of " + ("every command" if len(sharing) == len(COMMANDS) else _listed(sharing))


def _same(one: click.Option, other: click.Option) -> bool:
    return (one.opts, one.help) == (other.opts, other.help)


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _usage(option: click.Option) -> str:
    names = ", ".join(map(_bold, (*option.opts, *option.secondary_opts)))
    return names if option.is_flag else f"{names} {_value(option)}"


def _value(option: click.Option) -> str:
    if isinstance(option.type, click.Choice):
        return "|".join(_bold(str(choice)) for choice in option.type.choices)
    numeric = isinstance(option.type, click.IntRange | click.FloatRange)
    return _italic(option.metavar or ("NUMBER" if numeric else option.type.name.upper()))


def _meaning(option: click.Option) -> str:
    return " ".join(filter(None, [option.help, *map(OPTION_DETAILS.get, option.opts)]))


# The page


def page(name: str) -> str:
    """The man page of a command, or of the program."""
    prose, generated = sections_of(MANUALS[name]), _generated(name)
    own = [title for title in prose if title not in FIRST + LAST]
    sections = {title: [*generated.get(title, []), *prose.get(title, [])] for title in (*FIRST, *own, *LAST)}
    head = f'.TH "{escape(_title(name).upper(), literal=True)}" "1" "" "{PROGRAM} {__version__}" "{PROGRAM} manual"'
    body = [line for title, lines in sections.items() if lines for line in _section(title, lines)]
    return "\n".join([head, ".nh", ".ad l", *body, ""])


def _section(title: str, lines: list[str]) -> list[str]:
    return [f".SH {title}", *lines[lines[0] == ".PP" :]]


def _generated(name: str) -> dict[str, list[str]]:
    """What every page has, out of the tree and the tables."""
    return {
        "NAME": [f"{escape(_title(name), literal=True)} \\- {escape(_summary(name))}"],
        "SYNOPSIS": [_synopsis(name)],
        "DESCRIPTION": [line for paragraph in _paragraphs(name) for line in (".PP", *_filled(paragraph))],
        "COMMANDS": [] if name else [line for one, (_, text) in COMMANDS.items() for line in _term(_bold(one), text)],
        "OPTIONS": list(_options(name)),
        "EXIT STATUS": [line for code, text in MEANINGS.items() for line in _term(_bold(str(int(code))), f"{text}.")],
        "ENVIRONMENT": [line for variable, text in ENVIRONMENT.items() for line in _term(_bold(variable), text)],
        "SEE ALSO": [".PP", *_filled(", ".join(f"`{_title(other)}`(1)" for other in MANUALS if other != name))],
    }


def _title(name: str) -> str:
    return f"{PROGRAM}-{name}" if name else PROGRAM


def _summary(name: str) -> str:
    text = COMMANDS[name][1] if name else "getUserMedia for the shell."
    return text[0].lower() + text[1:].rstrip(".")


def _synopsis(name: str) -> str:
    arguments = [param for param in commands()[name].params if isinstance(param, click.Argument)]
    shown = [_italic(one.human_readable_name) if one.required else f"[{_italic(one.human_readable_name)}]" for one in arguments]
    rest = shown if name else [_italic("COMMAND"), f"[{_italic('OPTION')} ...]"]
    return " ".join([_bold(f"{PROGRAM} {name}".strip()), f"[{_italic('OPTION')} ...]", *rest])


def _paragraphs(name: str) -> list[str]:
    """The paragraphs of a command's help, without its examples, which stand behind Click's mark \\b."""
    paragraphs = inspect.cleandoc(commands()[name].help or "").split("\n\n")
    return [paragraph for paragraph in paragraphs if not paragraph.startswith("\b")]


def _options(name: str) -> Iterator[str]:
    for heading, group in _grouped(name).items():
        yield from [f".SS {heading}"] if heading else []
        yield from (line for option in group for line in _term(_usage(option), _meaning(option)))


def pages() -> dict[str, str]:
    """File name → man page, of the program and of every command."""
    return {f"{_title(name)}.1": page(name) for name in commands()}


def main(folder: str = "man") -> None:
    """Write all pages into a folder."""
    for name, text in pages().items():
        with open(os.path.join(folder, name), "w", encoding="ascii") as file:
            file.write(text)


if __name__ == "__main__":
    main(*sys.argv[1:2])
