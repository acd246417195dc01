"""Generate man pages and help texts: ``python -m mscli.cli.manpage man`` writes all of them again.

Man pages are made from the Click tree and ``mscli.cli.manual``, help texts (``mscli.cli.helptexts``) from the Click tree alone.

The macros are those of man(7) that groff and mandoc share, https://man7.org/linux/man-pages/man7/groff_man.7.html. The pages
are ASCII and reproducible.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from textwrap import dedent, wrap

import click

from mscli import __version__
from mscli.cli.exitcodes import MEANINGS
from mscli.cli.helppages import Command, Option, grouped
from mscli.cli.helptexts import PAGE_WIDTH, path_of
from mscli.cli.main import COMMANDS, cli
from mscli.cli.manual import ENVIRONMENT, MANUALS, OPTION_DETAILS
from mscli.cli.series import TRIGGERS

PROGRAM = "mscli"
WIDTH = 79  # the width of a page's source, in columns
FIRST = ("NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "OPTIONS")  # followed by the sections that only this page has
LAST = ("EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES", "SEE ALSO")

# Text to troff

_SPECIAL = {"\\": "\\e", "^": "\\(ha", "~": "\\(ti", "“": "\\(lq", "”": "\\(rq", "×": "\\(mu"}
_MARKED = re.compile(r"`([^`]+)`|(?<![^\W_])_([A-Za-z]+)_(?![^\W_])|(?<![\w-])(--?[a-z][a-z-]*)|(https?://\S+)")


def escape(text: str, *, literal: bool = False) -> str:
    """Escape text for troff. ``literal``: hyphens become the minus signs that people type."""
    shown = "".join(_SPECIAL.get(char, char if char.isascii() else f"\\[u{ord(char):04X}]") for char in text)
    return shown.replace("-", "\\-") if literal else shown


def formatted(text: str) -> str:
    """Format marked text: literal text in bold, placeholders in italics. Options are bold without marks."""
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
    """Escape lines that begin with a troff control character."""
    return [re.sub(r"^(?=[.'])", r"\\&", line) for line in lines]


def _filled(text: str) -> list[str]:
    """Format a paragraph. Each sentence begins a line, as troff expects."""
    sentences = re.split(r"(?<=\.)\s+", " ".join(text.split()))
    return _safe(
        line for one in sentences for line in wrap(formatted(one), WIDTH, break_long_words=False, break_on_hyphens=False)
    )


def _term(term: str, meaning: str) -> list[str]:
    """Format a list item. ``term`` is troff already."""
    return [".TP", *_safe([term]), *_filled(meaning)]


def _code(text: str) -> list[str]:
    return [".PP", ".RS 4", ".EX", *_safe(escape(line, literal=True) for line in dedent(text).splitlines()), ".EE", ".RE"]


def _block(block: str) -> list[str]:
    """Format a paragraph, a list item or a code block of the manual's text."""
    if block.startswith("    "):
        return _code(block)
    term, colon, meaning = block.partition("\n: ")
    return _term(formatted(term), meaning) if colon else [".PP", *_filled(block)]


def _blocks(text: str) -> list[str]:
    return [line for block in re.split(r"\n{2,}", text.strip("\n")) for line in _block(block)]


def sections_of(text: str) -> dict[str, list[str]]:
    """Return the title and the lines of each section of the manual's text."""
    parts = re.split(r"^# (.+)\n", "# DESCRIPTION\n" + text, flags=re.MULTILINE)[1:]
    return {title: _blocks(body) for title, body in zip(parts[::2], parts[1::2], strict=True)}


# The Click tree


@cache
def commands() -> dict[str, click.Command]:
    """Return every command by name, with the program itself under ""."""
    found = {name: cli.get_command(click.Context(cli), name) for name in COMMANDS}
    return {"": cli} | {name: command for name, command in found.items() if command is not None}


def context_of(name: str) -> click.Context:
    """Return a context of a command, for pages of ``PAGE_WIDTH`` columns. (Click leaves two of them empty.)"""
    program = click.Context(cli, info_name=PROGRAM, terminal_width=PAGE_WIDTH - 2, **cli.context_settings)
    return click.Context(commands()[name], info_name=name, parent=program) if name else program


def options(name: str) -> list[click.Option]:
    """Return the options of a command that are not hidden, in order."""
    return [one for group in grouped(commands()[name], context_of(name)).values() for one in group]


def _usage(option: click.Option) -> str:
    names = ", ".join(map(_bold, (*option.opts, *option.secondary_opts)))
    return names if option.is_flag else f"{names} {_value(option)}"


def _value(option: click.Option) -> str:
    """Return the name of an option's value: choices and signs as they are typed, words in capitals as placeholders."""
    parts = re.split(r"([A-Z][A-Za-z]*)", option.make_metavar(click.Context(cli)))
    return "".join(_italic(part) if part[:1].isupper() and part not in TRIGGERS else _bold(part) for part in parts if part)


def _meaning(option: click.Option) -> str:
    usual = f"The default is {option.usual}." if isinstance(option, Option) and option.usual else ""
    return " ".join(filter(None, [option.help, usual, *map(OPTION_DETAILS.get, option.opts)]))


# The page


def page(name: str) -> str:
    """Return the man page of a command, or of the program for ""."""
    prose, generated = sections_of(MANUALS[name]), _generated(name)
    own = [title for title in prose if title not in FIRST + LAST]
    sections = {title: [*generated.get(title, []), *prose.get(title, [])] for title in (*FIRST, *own, *LAST)}
    head = f'.TH "{escape(_title(name).upper(), literal=True)}" "1" "" "{PROGRAM} {__version__}" "{PROGRAM} manual"'
    body = [line for title, lines in sections.items() if lines for line in _section(title, lines)]
    return "\n".join([head, ".nh", ".ad l", *body, ""])


def _section(title: str, lines: list[str]) -> list[str]:
    return [f".SH {title}", *lines[lines[0] == ".PP" :]]


def _generated(name: str) -> dict[str, list[str]]:
    """Return the sections that are generated from the Click tree and the tables."""
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
    arguments = [one.make_metavar(context_of(name)) for one in commands()[name].params if isinstance(one, click.Argument)]
    rest = [*map(_placed, arguments)] if name else [_italic("COMMAND"), f"[{_italic('OPTION')} ...]"]
    return " ".join([_bold(f"{PROGRAM} {name}".strip()), f"[{_italic('OPTION')} ...]", *rest])


def _placed(metavar: str) -> str:
    """Format the name of an argument, which may stand in brackets or before an ellipsis."""
    return re.sub(r"[A-Z]+", lambda word: _italic(word[0]), metavar)


def _paragraphs(name: str) -> list[str]:
    """Return the paragraphs of a command's help."""
    return inspect.cleandoc(commands()[name].help or "").split("\n\n")


def _options(name: str) -> Iterator[str]:
    for title, group in grouped(commands()[name], context_of(name)).items():
        yield from [f".SS {title}"] if name else []
        yield from (line for option in group for line in _term(_usage(option), _meaning(option)))


def pages() -> dict[str, str]:
    """Return the man pages of the program and of every command, by file name."""
    return {f"{_title(name)}.1": page(name) for name in commands()}


def main(folder: str = "man") -> None:
    """Write all man pages into a folder."""
    for name, text in pages().items():
        with open(os.path.join(folder, name), "w", encoding="ascii") as file:
            file.write(text)


def help_texts() -> dict[str, str]:
    """Return the help pages of the program and of every command, by the names of ``mscli.cli.helptexts``."""
    full = {_title(name): one.get_help(context_of(name)) for name, one in commands().items()}
    brief = {
        f"{_title(name)}-brief": one.brief(context_of(name)) for name, one in commands().items() if isinstance(one, Command)
    }
    return {name: f"{text}\n" for name, text in (full | brief).items()}


def write_help_texts() -> None:
    """Write all help pages into the package."""
    for name, text in help_texts().items():
        with open(path_of(name), "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    main(*sys.argv[1:2])
    write_help_texts()
