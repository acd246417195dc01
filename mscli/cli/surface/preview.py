"""The options of a preview."""

from __future__ import annotations

import functools
from typing import Any

import click

from mscli.cli.helppages import OUTPUT, option
from mscli.cli.paramtypes import ParsedType
from mscli.cli.shared import CommandFunction, decorated_with
from mscli.core.tuples import NamedTuple

AUTO, WINDOW, TERMINAL, WEB = "auto", "window", "terminal", "web"
_PLACES = (WINDOW, TERMINAL, WEB)
_LOOPBACK = "127.0.0.1"
_MOST_PORT = 65535


class PreviewPlan(NamedTuple):
    """The place of a preview: one of AUTO, WINDOW, TERMINAL and WEB, or "" for nowhere. ``listen``: of a page."""

    place: str = ""
    listen: tuple[str, int] = (_LOOPBACK, 0)


class PlaceType(ParsedType):
    """A place for a preview; the empty word leaves the choice to the program."""

    name = "[PLACE]"

    def read(self, text: str) -> str:
        if text not in ("", *_PLACES):
            raise ValueError(f"“{text}” is not one of {', '.join(_PLACES)}")
        return text or AUTO


class ListenType(ParsedType):
    """An address and a port to listen on: ``127.0.0.1:8000``, ``[::1]:8000``, or ``:8000`` for 127.0.0.1."""

    name = "ADDR:PORT"

    def read(self, text: str) -> tuple[str, int]:
        host, colon, port = text.rpartition(":")
        bare = host.removeprefix("[").removesuffix("]")
        if not colon or not (port.isascii() and port.isdigit() and int(port) <= _MOST_PORT) or (":" in bare) != (host != bare):
            raise ValueError(f"“{text}” is not an address with a port such as 127.0.0.1:8000 or [::1]:8000")
        return bare or _LOOPBACK, int(port)


_LISTEN = option(
    "--listen", group=OUTPUT, once=True, type=ListenType(), usual="127.0.0.1, a free port", help="Where --preview web listens."
)


def preview_options(function: CommandFunction, *, common: bool = False) -> CommandFunction:
    """Add these options to a command, which gets them as ``preview``, a ``PreviewPlan``.

    ``common``: see ``Option``. Raises UsageError for conflicts.
    """

    @functools.wraps(function)
    def wrapper(**given: Any) -> Any:
        where, listen = given.pop("place"), given.pop("listen")
        if listen is not None and where != WEB:
            raise click.UsageError("--listen needs --preview web")
        return function(preview=PreviewPlan(where or "", *([listen] if listen else [])), **given)

    place = option(
        "--preview",
        "place",
        group=OUTPUT,
        once=True,
        common=common,
        type=PlaceType(),
        takes=_PLACES.__contains__,
        help="Show the picture: window, terminal or web.",
    )
    return decorated_with([place, _LISTEN], wrapper)
