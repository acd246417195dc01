"""Codec names with profile and level, such as ``avc1.42E01E``: which are supported, and how an encoder is set to them.

https://www.rfc-editor.org/rfc/rfc6381. H.264 and HEVC are encoded exactly as named. VP9 and AV1 state a level that follows from
the picture, so only their profile and depth count.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from mscli.core.errors import NotSupportedError
from mscli.core.tuples import NamedTuple


class LevelLimits(NamedTuple):
    """The most that a level permits, in units of ``side`` × ``side`` pixels: units per second, and units per picture."""

    per_second: int
    per_picture: int
    side: int = 1

    def hold(self, width: int, height: int, rate: float) -> bool:
        """Return whether pictures of this size and rate stay within the level."""
        units = -(-width // self.side) * -(-height // self.side)
        return units <= self.per_picture and units * rate <= self.per_second


class Profile(NamedTuple):
    """A profile with a level: the options of the software encoder that produce it, and the limits of the level."""

    options: Mapping[str, str]
    limits: LevelLimits


_H264_PROFILES = {0x42: "baseline", 0x4D: "main", 0x64: "high"}  # profile_idc; the others have more than 8 bits or 4:2:0
_H264_LEVELS = {  # level_idc → macroblocks per second and per picture: ITU-T H.264, table A-1
    10: (1_485, 99), 11: (3_000, 396), 12: (6_000, 396), 13: (11_880, 396), 20: (11_880, 396), 21: (19_800, 792),
    22: (20_250, 1_620), 30: (40_500, 1_620), 31: (108_000, 3_600), 32: (216_000, 5_120), 40: (245_760, 8_192),
    41: (245_760, 8_192), 42: (522_240, 8_704), 50: (589_824, 22_080), 51: (983_040, 36_864), 52: (2_073_600, 36_864),
    60: (4_177_920, 139_264), 61: (8_355_840, 139_264), 62: (16_711_680, 139_264),
}  # fmt: skip
_HEVC_LEVELS = {  # level × 30 → luma samples per second and per picture: ITU-T H.265, tables A.8 and A.9
    30: (552_960, 36_864), 60: (3_686_400, 122_880), 63: (7_372_800, 245_760), 90: (16_588_800, 552_960),
    93: (33_177_600, 983_040), 120: (66_846_720, 2_228_224), 123: (133_693_440, 2_228_224), 150: (267_386_880, 8_912_896),
    153: (534_773_760, 8_912_896), 156: (1_069_547_520, 8_912_896), 180: (1_069_547_520, 35_651_584),
    183: (2_139_095_040, 35_651_584), 186: (4_278_190_080, 35_651_584),
}  # fmt: skip
_HIGH_TIER_FROM = 120  # HEVC's level 4

_H264 = re.compile(r"avc1\.([0-9a-f]{2})[0-9a-f]{2}([0-9a-f]{2})", re.IGNORECASE)
_HEVC = re.compile(r"hvc1\.1\.[0-9a-f]{1,8}\.([lh])(\d{2,3})(\.[0-9a-f]{1,2}){0,6}", re.IGNORECASE)
_FREE = (  # any level; the encoder derives it
    re.compile(r"vp09\.00\.\d{2}\.08(\.\d{2}){0,5}"),
    re.compile(r"av01\.0\.\d{2}[mh]\.08(\..+)?", re.IGNORECASE),
    re.compile(r"vp8\.0|vp08\.00\.\d{2}\.08(\.\d{2}){0,5}|vp9\.0"),
)


def find_profile(name: str) -> Profile | None:
    """Return the profile that a codec's name requires, or None if it requires none, like ``vp9`` or ``avc1``.

    Raises NotSupportedError for a profile or level that cannot be encoded.
    """
    lower, dot, _ = name.strip().lower().partition(".")
    if not dot or any(pattern.fullmatch(name.strip()) for pattern in _FREE):
        return None
    found = {"avc1": _h264, "hvc1": _hevc}.get(lower, _unknown)(name.strip())
    if found is None:
        raise NotSupportedError(f"cannot encode the profile and level of “{name}”", hints=["leave them out: " + lower])
    return found


def check_profile(name: str, width: int, height: int, rate: float) -> None:
    """Raise NotSupportedError if pictures of this size and rate exceed the level in a codec's name."""
    profile = find_profile(name)
    if profile is not None and not profile.limits.hold(width, height, rate):
        hints = ["name a higher level, or none", "ask for a smaller picture or a lower frame rate"]
        raise NotSupportedError(f"the level of “{name}” does not permit {width}×{height} at {rate:g} fps", hints=hints)


def _h264(name: str) -> Profile | None:
    found = _H264.fullmatch(name)
    profile, level = (int(group, 16) for group in found.groups()) if found else (0, 0)
    if profile not in _H264_PROFILES or level not in _H264_LEVELS:
        return None
    options = {"profile": _H264_PROFILES[profile], "level": f"{level // 10}.{level % 10}"}
    return Profile(options, LevelLimits(*_H264_LEVELS[level], side=16))


def _hevc(name: str) -> Profile | None:
    found = _HEVC.fullmatch(name)
    high, level = (found[1].upper() == "H", int(found[2])) if found else (False, 0)
    if level not in _HEVC_LEVELS or (high and level < _HIGH_TIER_FROM):
        return None
    return Profile({"x265-params": f"level-idc={level // 3}:high-tier={int(high)}"}, LevelLimits(*_HEVC_LEVELS[level]))


def _unknown(_name: str) -> Profile | None:
    return None
