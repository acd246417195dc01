"""Colour text on a terminal, with plain escape codes: rich would take longer to import than most commands take to run.

https://no-color.org. A dumb terminal gets no escape codes.
"""

from __future__ import annotations

import os
import sys
from typing import TextIO

_CODES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
}  # https://man7.org/linux/man-pages/man4/console_codes.4.html
_DUMB = ("", "dumb", "unknown")


def is_smart(stream: TextIO) -> bool:
    """Return whether a stream is a terminal that understands escape codes."""
    if not stream.isatty():
        return False
    if sys.platform == "win32":  # the old console does not
        return "WT_SESSION" in os.environ or "ANSICON" in os.environ
    return os.environ.get("TERM", "") not in _DUMB


def styled(text: str, style: str, stream: TextIO) -> str:
    """Return the text in a style such as ``bold red``, if the stream shows colours."""
    if not (style and text and is_smart(stream)) or os.environ.get("NO_COLOR"):
        return text
    codes = ";".join(_CODES[word] for word in style.split())
    return f"\x1b[{codes}m{text}\x1b[0m"
