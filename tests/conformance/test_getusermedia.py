"""getUserMedia compared with a browser's answers for the same devices, and with the standard if the two differ.

``getusermedia.json`` has Chromium's answers. If its verdict is "agree", our answer is the same. If it is "agree-one-of-ties",
ours has the same fitness distance. Otherwise ours is the standard's. ``tests.property.reference`` computes the distances.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pytest

import mscli
from mscli.core.errors import ArgumentError, DOMException
from mscli.core.webidl import stream_constraints
from mscli.sources.base import Abilities, Device
from tests.backends.rig import ManualClock
from tests.property import reference

Settings = dict[str, Any]
Case = dict[str, Any]

CASES: list[Case] = json.loads((Path(__file__).parent / "getusermedia.json").read_text())["cases"]

TIE = 0.0005  # distances that differ by less count as equal
SIZES = ((96, 96), (320, 240), (640, 480), (1280, 720), (1920, 1080), (3840, 2160))
VIDEO_MEMBERS = ("deviceId", "groupId", "width", "height", "aspectRatio", "frameRate", "resizeMode")

# What mscli does not do yet, by case. Strict: a case that passes has to leave this table.
NOT_REACHED: dict[str, str] = {}

# Chromium lets its user pick among all devices that satisfy the required constraints, and "the user" of these runs took the
# first; here, as in SelectSettings, the candidates of all devices compete.
PICKED_BY_THE_USER = ("audio.deviceId.bare-list", "audio.combo.adv-dev-bogus")


class ChromiumsDevices(mscli.FakeBackend):
    """The fake devices that Chromium had, with the file's ids."""

    def __init__(self, config: str) -> None:
        super().__init__({"devices": [*_cameras(config), *map(_microphone, ("default", "$a1", "$a2"))]}, clock=ManualClock())

    def abilities(self, device: Device) -> Abilities:
        """Return the abilities, with Chromium's microphones, which the description of fake devices cannot express."""
        able = super().abilities(device)
        if device.kind != "audioinput":
            return able
        return able._replace(values={**able.values, "echoCancellation": (True, False, "remote-only")})


def _cameras(config: str) -> list[dict[str, Any]]:
    rate, count = (30, 2) if config == "B" else (20, 0 if config == "N" else 1)
    modes = [{"width": width, "height": height, "frameRate": rate} for width, height in SIZES]
    faults = {"denied": config == "D"}
    return [
        {"kind": "videoinput", "deviceId": f"$v{n}", "groupId": f"$v{n}g", "modes": modes, "faults": faults}
        for n in range(count)
    ]


def _microphone(device_id: str) -> dict[str, Any]:
    group = {"default": "$a0g"}.get(device_id, device_id + "g")
    switches = {name: [True, False] for name in ("autoGainControl", "noiseSuppression")}
    return {"kind": "audioinput", "deviceId": device_id, "groupId": group, **switches}


def ask(case: Case) -> dict[str, Settings]:
    """Return our answer: the settings per kind, or the error's name and constraint under "error"."""
    with mscli.MediaDevices(backends=[ChromiumsDevices(case["config"])]) as devices:
        try:
            stream = devices.get_user_media(case["constraints"])
        except (ArgumentError, DOMException) as error:
            return {"error": {"name": error.name, "constraint": getattr(error, "constraint", None)}}
        answer = {str(track.kind): dict(track.get_settings()) for track in stream.get_tracks()}
        for track in stream.get_tracks():
            track.stop()
        return answer


def cases() -> Iterator[Any]:
    """Yield every case. Those in ``NOT_REACHED`` have to fail."""
    unknown = NOT_REACHED.keys() - {case["id"] for case in CASES}
    assert not unknown, f"no such cases: {unknown}"
    for case in CASES:
        reason = NOT_REACHED.get(case["id"])
        marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
        yield pytest.param(case, id=case["id"], marks=marks)


@pytest.mark.parametrize("case", list(cases()))
def test_the_answer_is_chromiums_where_that_is_the_standards(case: Case) -> None:
    ours, theirs = ask(case), case["chromium"]
    if "error" in theirs or "error" in ours:
        check_error(case, ours, theirs)
        return
    assert ours.keys() == theirs.keys()
    for kind, settings in ours.items():
        check_settings(case, kind, settings, theirs[kind])


def check_error(case: Case, ours: dict[str, Settings], theirs: dict[str, Settings]) -> None:
    """Check the failed constraint: one that failed for all candidates, if there is one."""
    if case["verdict"].startswith("agree"):
        assert ours == theirs
    elif case["verdict"] == "differ-constraint-name":
        video = stream_constraints(case["constraints"])["video"]
        answer = reference.select_settings(list(possible_video(case["config"], video)), video, "video")
        assert ours["error"]["name"] == theirs["error"]["name"]
        assert ours["error"]["constraint"] in answer.failed
    else:
        check_failure_or_settings(case, ours)


def check_failure_or_settings(case: Case, ours: dict[str, Settings]) -> None:
    """Check that the standard agrees with us if only one of the two fails."""
    video = stream_constraints(case["constraints"])["video"]
    answer = reference.select_settings(list(possible_video(case["config"], video)), video, "video")
    if "error" in ours:
        assert not answer.surviving, "the standard has settings"
        assert ours["error"]["constraint"] in answer.failed
    else:
        check_standard(case, ours["video"])


def check_settings(case: Case, kind: str, ours: Settings, theirs: Settings) -> None:
    """Check that the settings are the same, equally distant, or the standard's."""
    constraints = stream_constraints(case["constraints"])[kind]
    if kind == "audio":
        check_audio(case, constraints, ours, theirs)
    elif case["verdict"] == "agree":
        assert {name: ours[name] for name in VIDEO_MEMBERS} == {name: theirs[name] for name in VIDEO_MEMBERS}
    elif case["verdict"] == "agree-one-of-ties":
        assert far(ours, constraints, "video") <= far(theirs, constraints, "video") + TIE
        check_standard(case, ours)
    else:
        check_standard(case, ours)


def check_audio(case: Case, constraints: Mapping[str, Any], ours: Settings, theirs: Settings) -> None:
    """Check the requested settings. Chromium's microphones couple the rest: processing at 48 kHz, none at 44.1 kHz."""
    asked = {"deviceId"} | {name for one in (constraints, *constraints.get("advanced", ())) for name in one} & set(theirs)
    assert far(ours, constraints, "audio") <= far(theirs, constraints, "audio")
    if case["id"] not in PICKED_BY_THE_USER:
        assert {name: ours[name] for name in asked} == {name: theirs[name] for name in asked}


def far(settings: Settings, constraints: Mapping[str, Any], kind: str) -> float:
    """Return the fitness distance of settings."""
    return reference.distance(settings, reference.read(constraints, kind))


def check_standard(case: Case, ours: Settings) -> None:
    """Check that SelectSettings may choose these settings, by examining all that can matter."""
    video = stream_constraints(case["constraints"])["video"]
    answer = reference.select_settings([*possible_video(case["config"], video), ours], video, "video")
    assert answer.surviving, "the standard has no settings"
    assert ours in answer.surviving, "an advanced set is not satisfied"
    assert far(ours, video, "video") <= answer.distance + TIE
    check_possible(case["config"], ours)


def check_possible(config: str, ours: Settings) -> None:
    """Check that the mode is native, or scaled down and decimated from a native one."""
    rate = 30 if config == "B" else 20
    width, height = ours["width"], ours["height"]
    assert ours["aspectRatio"] == width / height
    if ours["resizeMode"] == "none":
        assert (width, height) in SIZES
        assert ours["frameRate"] == rate
    else:
        assert any(1 <= width <= w and 1 <= height <= h for w, h in SIZES)
        assert 0 < ours["frameRate"] <= rate


def possible_video(config: str, constraints: Mapping[str, Any]) -> Iterator[Settings]:
    """Return the native settings, and the derived ones at which the distance can be minimal or a constraint is met exactly."""
    for camera in _cameras(config):
        identity = {name: camera[name] for name in ("deviceId", "groupId")}
        native = camera["modes"][0]["frameRate"]
        rates = {native, *(rate for rate in reference.numbers_in(constraints, "frameRate") if 0 < rate <= native), 1e-6}
        for width, height in SIZES:
            yield identity | size(width, height) | {"frameRate": native, "resizeMode": "none"}
        for (width, height), rate in product(derived_sizes(constraints), rates):
            yield identity | size(width, height) | {"frameRate": rate, "resizeMode": "crop-and-scale"}


def size(width: int, height: int) -> Settings:
    """Return width, height and what follows from them."""
    return {"width": width, "height": height, "aspectRatio": width / height}


def derived_sizes(constraints: Mapping[str, Any]) -> set[tuple[int, int]]:
    """Yield sizes up to the largest native one: at the ends, at every number that is mentioned, and beside the lines of a
    ratio.
    """
    full_width, full_height = SIZES[-1]
    widths = {1, full_width, *_whole(reference.numbers_in(constraints, "width"), full_width)}
    heights = {1, full_height, *_whole(reference.numbers_in(constraints, "height"), full_height)}
    ratios = [ratio for ratio in reference.numbers_in(constraints, "aspectRatio") if 0 < ratio <= full_width]
    found = set(product(widths, heights))
    for ratio in ratios:
        found |= {(_near(height * ratio, off, full_width), height) for height in range(1, full_height + 1) for off in (0, 1)}
        found |= {(width, _near(width / ratio, off, full_height)) for width in widths for off in (0, 1)}
    return found


def _whole(numbers: Iterator[float], most: int) -> Iterator[int]:
    return (int(number) for number in numbers if 1 <= number <= most)


def _near(number: float, off: int, most: int) -> int:
    return min(max(math.floor(number) + off, 1), most)
