"""What SelectSettings answers: the candidates, what became of each, and the one that is chosen.

https://www.w3.org/TR/mediacapture-streams/#dfn-selectsettings
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import NamedTuple

from mscli.core.boxes import Box, Scalar

Settings = dict[str, Scalar]

_SHOWN = {
    "frameRate": "at {:g} frames/s",
    "facingMode": "facing {}",
    "sampleRate": "{} Hz",
    "channelCount": "{} channel(s)",
    "sampleSize": "{} bit",
}


def describe_settings(settings: Settings) -> str:
    """Settings as people say them: 1280×720 at 30 frames/s."""
    size = [f"{settings['width']}×{settings['height']}"] if "width" in settings else []
    rest = [text.format(settings[name]) for name, text in _SHOWN.items() if name in settings]
    rest += ["cropped and scaled"] if settings.get("resizeMode") == "crop-and-scale" else []
    return " ".join(size + rest[:1]) + "".join(f", {item}" for item in rest[1:])


class Candidate(NamedTuple):
    """What became of one box: its best settings and their distance per constraint, or the constraint that excluded it."""

    box: Box
    settings: Settings | None = None
    distances: Mapping[str, float] | None = None
    excluded_by: str = ""  # a constraint's name; "advanced set 2: width" where an advanced set holds that it fails

    @property
    def distance(self) -> float:
        """The fitness distance; infinite when excluded."""
        return sum(self.distances.values()) if self.distances is not None else math.inf


class Selection:
    """The answer: the chosen settings, which advanced sets hold, what broke the tie, and what became of the others."""

    def __init__(
        self, chosen: Candidate, advanced: tuple[bool, ...], decided_by: str, candidates: Callable[[], Iterable[Candidate]]
    ) -> None:
        self.box = chosen.box
        self.settings: Settings = dict(chosen.settings or {})
        self.distance = chosen.distance
        self.advanced = advanced
        self.decided_by = decided_by  # in words; empty where one candidate was nearer than all others
        self._candidates = candidates

    @cached_property
    def candidates(self) -> tuple[Candidate, ...]:
        """Every box: its best settings, or what excluded it. Worked out when somebody wants to know."""
        return tuple(self._candidates())
