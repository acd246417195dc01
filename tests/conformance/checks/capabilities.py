"""getCapabilities of tracks and of devices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mscli
from tests.conformance.checklist import Room, check

RANGES = {
    "audio": ("sampleRate", "sampleSize", "latency", "channelCount"),
    "video": ("width", "height", "aspectRatio", "frameRate"),
}
SWITCHES = ("echoCancellation", "autoGainControl", "noiseSuppression")
FACING = {"user", "environment", "left", "right"}


def check_audio(able: Mapping[str, Any]) -> None:
    """The 18 checks of a microphone."""
    check_common(able, "audio")
    for name in SWITCHES:
        assert isinstance(able[name], list)
        assert len(able[name]) <= 2
        assert all(type(value) is bool for value in able[name])


def check_video(able: Mapping[str, Any]) -> None:
    """The 18 checks of a camera."""
    check_common(able, "video")
    assert isinstance(able["facingMode"], list)
    assert set(able["facingMode"]) <= FACING
    assert all(type(value) is str for value in able["resizeMode"])
    assert "none" in able["resizeMode"]
    assert "crop-and-scale" in able["resizeMode"]


def check_common(able: Mapping[str, Any], kind: str) -> None:
    """Ranges and ids."""
    for name in RANGES[kind]:
        assert able[name].keys() == {"min", "max"}
        assert able[name]["min"] <= able[name]["max"]
    assert all(type(able[name]) is str for name in ("deviceId", "groupId"))


def infos(room: Room, kind: str) -> list[Any]:
    """The devices of a kind."""
    return [info for info in room.devices().enumerate_devices() if info.kind == kind]


@check(*(f"W{number}" for number in range(181, 199)))
def the_capabilities_of_an_audio_track(room: Room) -> None:
    check_audio(room.track("audio").get_capabilities())


@check(*(f"W{number}" for number in range(199, 217)))
def the_capabilities_of_a_video_track(room: Room) -> None:
    check_video(room.track("video").get_capabilities())


@check("W217", "W218")
def the_capabilities_of_microphones(room: Room) -> None:
    for info in infos(room, "audioinput"):
        assert isinstance(info, mscli.InputDeviceInfo)
        check_audio(info.get_capabilities())


@check("W219", "W220")
def the_capabilities_of_cameras(room: Room) -> None:
    for info in infos(room, "videoinput"):
        assert isinstance(info, mscli.InputDeviceInfo)
        check_video(info.get_capabilities())
