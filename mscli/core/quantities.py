"""Parse quantities as people write them. All options share this grammar.

- durations: ``90``, ``1.5``, ``90s``, ``10m``, ``1h30m``, ``1:30``, ``1:02:03``
- sizes in bytes: ``500M``, ``1.5G``, ``64MiB``
- bit rates: ``2M``, ``800k``, ``128kbit/s``
- picture sizes: ``1280x720``, ``720p``, ``4k``
- ratios and rates: ``30``, ``29.97``, ``30000/1001``, ``16:9``

Each function raises ValueError with a sentence for people.
"""

from __future__ import annotations

import re

from mscli.core.clock import LONGEST_S

_N = r"\d{1,15}(?:\.\d{0,9})?"
_CLOCK = rf"(?:(\d{{1,15}}):)?(\d{{1,15}}):({_N})"
_SECONDS = (86_400, 3600, 60, 1)  # in a day, an hour, a minute and a second
_DURATION = rf"(?:({_N})d ?)?(?:({_N})h ?)?(?:({_N})m(?:in)? ?)?(?:({_N})s)?"
_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}  # the power of 1000, or of 1024
_BYTES = r"(?i)(\d{1,15}(?:\.\d+)?) ?(?:([kMGT])(i?))?B?"
_BITS = r"(?i)(\d{1,15}(?:\.\d+)?) ?([kM]?)(?:bps|bit/s|b/s)?"
_LEAST_BITS = 1000  # per second: fewer are a forgotten unit
_PICTURE = r"(\d{1,20})[x×X](\d{1,20})"
_LINES = r"(?i)(\d{2,5})p|([48])k"
_LINES_OF = {"4": 2160, "8": 4320}  # by the number before a k
_RATIO = r"(\d+(?:\.\d+)?)[:/](\d+(?:\.\d+)?)"
_NUMBER = r"\d+(?:\.\d*)?|\.\d+"


def _match(pattern: str, text: str) -> re.Match[str] | None:
    """Match the whole text. The pattern is compiled when it is first used, because most runs use few of them."""
    return re.fullmatch(pattern, text, re.ASCII)


def parse_duration(text: str) -> float:
    """Return a duration in seconds: above 0, and at most ``LONGEST_S``."""
    seconds = _seconds(text.strip())
    if seconds is None:
        raise ValueError(f"“{text}” is not a duration such as 90, 1.5s, 10m, 1h30m or 1:02:03")
    if not 0 < seconds <= LONGEST_S:
        raise ValueError(f"a duration must be more than 0 and at most {LONGEST_S} seconds, not “{text}”")
    return seconds


def _seconds(text: str) -> float | None:
    if _match(_NUMBER, text):
        return float(text)
    clock = _match(_CLOCK, text)
    if clock:
        hours, minutes, seconds = int(clock[1] or 0), int(clock[2]), float(clock[3])
        within = seconds < 60 and (minutes < 60 or clock[1] is None)
        return hours * 3600 + minutes * 60 + seconds if within else None
    found = _match(_DURATION, text) if text else None
    return None if found is None else sum(float(found[1 + n] or 0) * unit for n, unit in enumerate(_SECONDS))


def parse_byte_count(text: str) -> int:
    """Return a size in bytes, at least 1. Units are powers of 1000, or of 1024 with an i: ``64MiB``."""
    found = _match(_BYTES, text.strip())
    count = round(float(found[1]) * float(1024 if found[3] else 1000) ** _UNITS[(found[2] or "").lower()]) if found else 0
    if count < 1:
        raise ValueError(f"“{text}” is not a size such as 500M, 2G or 64MiB")
    return count


def parse_bit_rate(text: str) -> int:
    """Return a bit rate in bits per second, at least 1000."""
    found = _match(_BITS, text.strip())
    if found is None:
        raise ValueError(f"“{text}” is not a bit rate such as 2M, 800k or 640000")
    bits = round(float(found[1]) * 1000.0 ** _UNITS[found[2].lower()])
    if bits < 1:
        raise ValueError("a bit rate must be above zero")
    if bits < _LEAST_BITS:
        raise ValueError(f"“{text}” is only {bits} bits per second; did you mean {found[1]}k or {found[1]}M?")
    return bits


def parse_picture_size(text: str) -> tuple[int, int]:
    """Return a width and a height. ``720p`` is the size with 720 lines and the ratio 16:9; ``4k`` is ``2160p``."""
    found = _match(_PICTURE, text)
    if found:
        return int(found[1]), int(found[2])
    lines = _match(_LINES, text)
    if lines is None:
        raise ValueError(f"“{text}” is not a size such as 1280x720, 720p or 4k")
    height = int(lines[1] or _LINES_OF[lines[2]])
    return round(height * 8 / 9) * 2, height  # an even width, which every encoder takes


def parse_ratio(text: str) -> float | None:
    """Return a number or a fraction: ``1.5``, ``16:9``, ``30000/1001``; None if it is neither."""
    ratio = _match(_RATIO, text)
    if ratio:
        return float(ratio[1]) / float(ratio[2]) if float(ratio[2]) else None
    return float(text) if _match(_NUMBER, text) else None


_LEAST_DB = -120.0


def parse_db(text: str) -> float:
    """Return a level below full scale. Raises ValueError."""
    try:
        level = float(text)
    except ValueError:
        level = 1.0
    if not _LEAST_DB <= level <= 0:
        raise ValueError(f"“{text}” is not a level from {_LEAST_DB:g} to 0 dBFS, such as -40")
    return level


def parse_share(text: str) -> float:
    """Return a number from 0 to 1. Raises ValueError."""
    if not _match(_NUMBER, text) or not 0 <= float(text) <= 1:
        raise ValueError(f"“{text}” is not a number from 0 to 1")
    return float(text)
