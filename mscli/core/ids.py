"""Random ids of streams and tracks: UUIDs of version 4, https://www.rfc-editor.org/rfc/rfc9562#section-5.4."""

from __future__ import annotations

import os


def random_uuid() -> str:
    """A new one. (The standard library's module asks for the platform when it is imported, a fiftieth of a whole start.)"""
    data = bytearray(os.urandom(16))
    data[6] = data[6] & 0x0F | 0x40
    data[8] = data[8] & 0x3F | 0x80
    digits = data.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
