"""The checks of the lists ``mediacapture-*.md`` by number, the functions that make them, and those that are excused."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import mscli
from mscli.core.mailbox import Mailbox
from tests.backends.rig import ManualClock

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
SPEAKER: Description = {"kind": "audiooutput", "deviceId": "speaker", "groupId": "speakers", "label": "Speaker"}


class Check(NamedTuple):
    """A line of the list. ``applies``: yes, adapt or no."""

    number: str
    applies: str
    title: str


def checks() -> Iterator[Check]:
    """Every check, in order."""
    lists = sorted(_HERE.glob("mediacapture-*.md"))
    for line in (line for one in lists for line in one.read_text().splitlines()):
        found = re.fullmatch(r"- (W\d{3}) \[(yes|adapt|no)\] (.+)", line)
        if found:
            yield Check(*found.groups())


def excused() -> dict[str, str]:
    """Why a check does not apply, or is not reached yet, by number."""
    table = tomllib.loads((_HERE / "excused.toml").read_text())
    reasons = [(number, section["reason"]) for section in table.values() for number in section["checks"]]
    assert len(dict(reasons)) == len(reasons), "a check is excused twice"
    return dict(reasons)


class Room:
    """What a check works with: two cameras, two microphones and a speaker, unless it describes others."""

    def __init__(self) -> None:
        self.clock: ManualClock | None = None
        self._opened: list[mscli.MediaDevices] = []

    def devices(self, *described: Description, by_hand: bool = False, tasks: Mailbox | None = None) -> mscli.MediaDevices:
        """New MediaDevices with these fake devices; ``by_hand``: on ``clock``, which stands still until it is moved."""
        desc = {"devices": list(described or (*CAMERAS, *MICROPHONES, SPEAKER))}
        self.clock = ManualClock() if by_hand else None
        self._opened.append(mscli.MediaDevices(backends=[mscli.FakeBackend(desc, clock=self.clock)], tasks=tasks))
        return self._opened[-1]

    def stream(self, **constraints: object) -> mscli.MediaStream:
        """A stream of new MediaDevices."""
        return self.devices().get_user_media(constraints)

    def track(self, kind: str = "video", **constraints: object) -> mscli.MediaStreamTrack:
        """A track of new MediaDevices."""
        (track,) = self.stream(**{kind: constraints}).get_tracks()
        return track

    def close(self) -> None:
        """Close all MediaDevices."""
        for devices in self._opened:
            devices.close()


Function = Callable[[Room], None]
FUNCTIONS: dict[str, Function] = {}


def check(*numbers: str) -> Callable[[Function], Function]:
    """Say which checks a function makes."""

    def register(function: Function) -> Function:
        for number in numbers:
            assert number not in FUNCTIONS, f"{number} is made twice"
            FUNCTIONS[number] = function
        return function

    return register
