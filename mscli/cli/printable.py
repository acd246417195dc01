"""What is printed, whatever is in it: names of devices and files may hold characters that would steer a terminal."""

from __future__ import annotations

from typing import Any, TextIO

_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}  # C0, delete and C1


def printable(text: str) -> str:
    """The text with its control characters made visible, as ``\\x1b``; so it is one line."""
    return text.translate(_CONTROLS)


def json_text(value: Any, stream: TextIO, *, indent: int | None = None) -> str:
    """JSON for that stream: characters beyond ASCII as they are where it is UTF-8, escaped where it is not."""
    import json

    return json.dumps(value, ensure_ascii=stream.encoding.lower() != "utf-8", indent=indent)
