"""The result of SelectSettings: every candidate, why it was excluded or how well it fits, and the chosen one.

https://www.w3.org/TR/mediacapture-streams/#dfn-selectsettings
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any

from mscli.core.boxes import Box, Scalar
from mscli.core.properties import DISPLAY_SURFACE
from mscli.core.tuples import NamedTuple

Settings = dict[str, Scalar]

_CHANNELS: dict[Scalar, str] = {1: "mono", 2: "stereo"}
_SHOWN: dict[str, Callable[[Any], str]] = {
    "frameRate": lambda rate: f"at {rate if isinstance(rate, str) else f'{rate:g}'} fps",
    "facingMode": lambda side: f"facing {side}",
    "sampleRate": lambda rate: f"{rate / 1000:g} kHz",
    "channelCount": lambda count: _CHANNELS.get(count, f"{count} channels"),
    "sampleSize": lambda bits: f"{bits}-bit",
}


def describe_settings(settings: Settings, *, exact: bool = False) -> str:
    """Format settings for people: “1280×720 at 30 fps”. ``exact``: format a rate that needs rounding as a fraction."""
    rate = settings.get("frameRate")
    if exact and isinstance(rate, float) and float(f"{rate:g}") != rate:
        from fractions import Fraction

        settings = {**settings, "frameRate": str(Fraction(rate).limit_denominator(1001))}
    size = [f"{settings['width']}×{settings['height']}"] if "width" in settings else []
    rest = [text(settings[name]) for name, text in _SHOWN.items() if name in settings]
    return " ".join(size + rest[:1]) + "".join(f", {item}" for item in rest[1:])


def picture_in_words(settings: Mapping[str, Scalar]) -> str:
    """Format the size and rate of a picture for people."""
    return describe_settings({name: settings[name] for name in ("width", "height", "frameRate") if name in settings})


def sound_in_words(settings: Mapping[str, Scalar]) -> str:
    """Format the rate and channels of sound for people."""
    return describe_settings({name: settings[name] for name in ("sampleRate", "channelCount") if name in settings})


def describe_reshaping(settings: Mapping[str, Scalar], width: float, height: float) -> str:
    """Return what a picture's size is made by, from the native one, for people; "" if it is the native one."""
    across, down = float(settings.get("width", width)) / width, float(settings.get("height", height)) / height
    done = ["cropped"] * (across != down and DISPLAY_SURFACE not in settings) + ["scaled"] * (max(across, down) < 1)
    return f"{' and '.join(done)} from {width:g}×{height:g}" if done else ""


class Candidate(NamedTuple):
    """A box and its result: the best settings with their distance per constraint, or the constraint that excluded it."""

    box: Box
    settings: Settings | None = None
    distances: Mapping[str, float] | None = None
    excluded_by: str = ""  # a constraint's name, or "advanced set 2: width" if an advanced set excluded it

    @property
    def distance(self) -> float:
        """Return the total fitness distance; infinite if the box was excluded."""
        return sum(self.distances.values()) if self.distances is not None else math.inf


class Selection:
    """The chosen settings, the advanced sets that they satisfy, what decided a tie, and all candidates."""

    def __init__(
        self, chosen: Candidate, advanced: tuple[bool, ...], decided_by: str, candidates: Callable[[], Iterable[Candidate]]
    ) -> None:
        self.box = chosen.box
        self.settings: Settings = dict(chosen.settings or {})
        self.distance = chosen.distance
        self.advanced = advanced
        self.decided_by = decided_by  # for people; empty if one candidate was nearer than all others
        self._candidates = candidates

    @cached_property
    def candidates(self) -> tuple[Candidate, ...]:
        """Return one candidate for every box. They are computed on first use."""
        return tuple(self._candidates())
