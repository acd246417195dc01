"""The options that change pictures before they are encoded or written."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection
from typing import Any

import click

from mscli.cli.completion import complete_file
from mscli.cli.helppages import PICTURE, option
from mscli.cli.paramtypes import ParsedType
from mscli.cli.shared import CommandFunction, Decorator, decorated_with
from mscli.core.frames import Rect
from mscli.core.orientation import USUAL_CAPTION, Caption, Orientation, PictureFilters
from mscli.core.properties import VIDEO

_PIXELS = 1_000_000  # more than any side has
_CROPS = (r"(?P<w>\d+)x(?P<h>\d+)\+(?P<x>\d+)\+(?P<y>\d+)", r"(?P<x>\d+),(?P<y>\d+),(?P<w>\d+),(?P<h>\d+)")


class CropType(ParsedType):
    """A part of the picture, in pixels: ``WxH+X+Y``, or ``X,Y,W,H``."""

    name = "WxH+X+Y"

    def read(self, text: str) -> Rect:
        found = next(filter(None, (re.fullmatch(pattern, text, re.ASCII) for pattern in _CROPS)), None)
        if found is not None:
            rect = Rect(*(int(found[name]) for name in ("x", "y", "w", "h")))
            if 0 < rect.width <= _PIXELS and 0 < rect.height <= _PIXELS and max(rect.x, rect.y) <= _PIXELS:
                return rect
        raise ValueError(f"“{text}” is not a part of the picture such as 640x480+100+50")


class CaptionType(ParsedType):
    """A line of text with a time (strftime) and the camera's name."""

    name = "[=LINE]"

    def read(self, text: str) -> str:
        if "\n" in text or not text.isprintable():
            raise ValueError("the text is one line of printable characters")
        return text or USUAL_CAPTION


def _takes_none(_following: str) -> bool:
    return False


_FILTERS: list[Decorator] = [
    option("--crop", group=PICTURE, type=CropType(), help="Keep only this part of the picture."),
    option("--flip", group=PICTURE, type=click.Choice(["horizontal", "vertical"]), help="Mirror the picture."),
    option(
        "--rotate",
        group=PICTURE,
        type=click.Choice(["90", "180", "270"]),
        help="Rotate the picture clockwise, in degrees.",
    ),
    option(
        "--timestamp",
        group=PICTURE,
        type=CaptionType(),
        takes=_takes_none,
        help="Write the time and the camera's name, or LINE, into the picture.",
    ),
    option(
        "--font",
        group=PICTURE,
        once=True,
        metavar="FILE",
        shell_complete=complete_file,
        help="Font of --timestamp: a TrueType or OpenType file.",
    ),
]


def filter_options(function: CommandFunction) -> CommandFunction:
    """Add these options to a command. It gets them as ``filters``, a ``PictureFilters``. Raises UsageError for conflicts."""

    @functools.wraps(function)
    def wrapper(**given: Any) -> Any:
        return function(filters=_filters(given), **given)

    return decorated_with(_FILTERS, wrapper)


def _filters(given: dict[str, Any]) -> PictureFilters:
    crop, flip, rotate, text, font = (given.pop(name) for name in ("crop", "flip", "rotate", "timestamp", "font"))
    if font is not None and text is None:
        raise click.UsageError("--font needs --timestamp")
    orientation = Orientation(crop, flip or "", int(rotate or 0)) if crop or flip or rotate else None
    return PictureFilters(orientation, Caption(text, font or "") if text is not None else None)


def refuse_unused_filters(filters: PictureFilters, kinds: Collection[str]) -> None:
    """Raise UsageError if there is no picture to change."""
    if any(filters) and VIDEO not in kinds:
        flag = "--timestamp" if filters.orientation is None else "--crop, --flip or --rotate"
        raise click.UsageError(f"{flag} has no effect without video")
