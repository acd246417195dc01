"""The help pages as text files, for terminals of at least 80 columns: importing Click takes longer than printing a page may.

``python -m mscli.cli.manpage`` writes them, and a test compares them with what Click makes of the commands. Click itself makes
the pages for narrower terminals and for any other command line.
"""

from __future__ import annotations

import os
from contextlib import suppress

PAGE_WIDTH = 80  # columns; a page is not wider on a wider terminal


def stored_page(arguments: list[str]) -> str | None:
    """Return the help page that the arguments ask for, or None if it is not stored for a terminal of this width."""
    name = _page_name(arguments)
    if name is None or _terminal_width() < PAGE_WIDTH:
        return None
    try:
        with open(path_of(name), encoding="utf-8") as file:
            return file.read().rstrip("\n")
    except OSError:  # no such command, for example
        return None


def path_of(name: str) -> str:
    """Return the path of a stored page: ``mscli``, ``mscli-COMMAND``, or ``mscli-COMMAND-brief`` for ``-h``."""
    return os.path.join(os.path.dirname(__file__), f"{name}.txt")


def _page_name(arguments: list[str]) -> str | None:
    match arguments:
        case ["-h" | "--help" | "help"]:
            return "mscli"
        case [command, "-h"] if command.isalpha():
            return f"mscli-{command}-brief"
        case [command, "--help"] | ["help", command] if command.isalpha():
            return f"mscli-{command}"
        case _:
            return None


def _terminal_width() -> int:
    """Return the number of columns as Click counts them: ``shutil.get_terminal_size``, whose import would cost more."""
    width = 0
    with suppress(KeyError, ValueError):
        width = int(os.environ["COLUMNS"])
    if width <= 0:
        with suppress(OSError):
            width = os.get_terminal_size(1).columns
    return width or PAGE_WIDTH
