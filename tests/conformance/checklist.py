"""The checks of ``mediacapture-*.md`` and ``unnumbered.md`` by number, the functions that make them, and the excused ones."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import mscli
from mscli.core.eventloop import EventLoop
from tests.backends.rig import ManualClock
from tests.untyped import untyped

_HERE = Path(__file__).parent

Description = dict[str, Any]

CAMERAS: list[Description] = [
    {
        "kind": "videoinput",
        "deviceId": f"camera-{n}",
        "groupId": f"webcam-{n}",
        "label": f"Camera {n}",
        "facingMode": facing,
        "modes": [{"width": 640, "height": 480}, {"width": 320, "height": 240}],
    }
    for n, facing in enumerate(("user", "environment"))
]
MICROPHONES: list[Description] = [
    {"kind": "audioinput", "deviceId": f"microphone-{n}", "groupId": f"webcam-{n}", "label": f"Microphone {n}"}
    for n in range(2)
]
DISPLAYS: list[Description] = [
    {
        "kind": "display",
        "deviceId": surface,
        "label": f"Display, a {surface}",
        "displaySurface": surface,
        "modes": [{"width": width, "height": width * 9 // 16, "frameRate": {"min": 1, "max": 30}}],
    }
    for surface, width in (("monitor", 640), ("window", 480))
]
SPEAKER: Description = {"kind": "audiooutput", "deviceId": "speaker", "groupId": "speakers", "label": "Speaker"}


class Check(NamedTuple):
    """A line of the list. ``applies``: yes, adapt or no."""

    number: str
    applies: str
    title: str


def checks() -> Iterator[Check]:
    """Return every check, in order."""
    lists = [*sorted(_HERE.glob("mediacapture-*.md")), _HERE / "unnumbered.md"]
    for line in (line for one in lists for line in one.read_text().splitlines()):
        found = re.fullmatch(r"- ([WX]\d{3}) \[(yes|adapt|no)\] (.+)", line)
        if found:
            yield Check(*found.groups())


def excused() -> dict[str, str]:
    """Return why a check does not apply or is not met yet, by number."""
    table = tomllib.loads((_HERE / "excused.toml").read_text())
    reasons = [(number, section["reason"]) for section in table.values() for number in section["checks"]]
    assert len(dict(reasons)) == len(reasons), "a check is excused twice"
    return dict(reasons)


class Room:
    """The environment of a check: two cameras, two microphones, a speaker and two displays by default."""

    def __init__(self) -> None:
        self.clock: ManualClock | None = None
        self._opened: list[mscli.MediaDevices] = []

    def devices(self, *described: Description, by_hand: bool = False, tasks: EventLoop | None = None) -> mscli.MediaDevices:
        """Return new MediaDevices with these fake devices. ``by_hand``: on the manual ``clock``."""
        desc = {"devices": list(described or (*CAMERAS, *MICROPHONES, SPEAKER, *DISPLAYS))}
        self.clock = ManualClock() if by_hand else None
        self._opened.append(mscli.MediaDevices(backends=[mscli.FakeBackend(desc, clock=self.clock)], tasks=tasks))
        return self._opened[-1]

    def stream(self, **constraints: object) -> mscli.MediaStream:
        """Return a stream of new MediaDevices."""
        return self.devices().get_user_media(untyped(constraints))

    def track(self, kind: str = "video", **constraints: object) -> mscli.MediaStreamTrack:
        """Return a track of new MediaDevices."""
        (track,) = self.stream(**{kind: constraints}).get_tracks()
        return track

    def close(self) -> None:
        """Close all MediaDevices."""
        for devices in self._opened:
            devices.close()


Function = Callable[[Room], None]
FUNCTIONS: dict[str, Function] = {}


def check(*numbers: str) -> Callable[[Function], Function]:
    """Declare which checks a function makes."""

    def register(function: Function) -> Function:
        for number in numbers:
            assert number not in FUNCTIONS, f"{number} is made twice"
            FUNCTIONS[number] = function
        return function

    return register
