"""Random ids for streams and tracks: version 4 UUIDs, https://www.rfc-editor.org/rfc/rfc9562#section-5.4."""

from __future__ import annotations

import os


def random_uuid() -> str:
    """Return a new random UUID. The standard library's ``uuid`` is avoided: importing it costs 2 % of the start-up time."""
    data = bytearray(os.urandom(16))
    data[6] = data[6] & 0x0F | 0x40
    data[8] = data[8] & 0x3F | 0x80
    digits = data.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
