"""Make text safe to print: device and file names may contain control characters."""

from __future__ import annotations

from typing import Any, TextIO

_C0, _DELETE_AND_C1 = range(0x20), range(0x7F, 0xA0)
_LINE_ENDS = (0x2028, 0x2029)
_DIRECTIONS = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))  # Unicode's Bidi_Control
STEERING = (*_C0, *_DELETE_AND_C1, *_LINE_ENDS, *_DIRECTIONS)

_FOR_PEOPLE = {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in STEERING}
_IN_JSON = {code: f"\\u{code:04x}" for code in STEERING if code not in _C0}  # json.dumps escapes the others


def printable(text: str) -> str:
    """Return the text with control characters made visible, as ``\\x1b``. The result is a single line with one direction."""
    return text.translate(_FOR_PEOPLE)


def json_text(value: Any, stream: TextIO | None = None, *, indent: int | None = None) -> str:
    """Return JSON for a stream (default: UTF-8). Escape control characters, and characters that the stream cannot encode."""
    import json

    ascii_only = stream is not None and stream.encoding.lower() != "utf-8"
    return json.dumps(value, ensure_ascii=ascii_only, indent=indent).translate(_IN_JSON)
