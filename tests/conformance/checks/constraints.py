"""getUserMedia and applyConstraints: what is refused and what is given."""

from __future__ import annotations

from typing import Any

import pytest

import mscli
from tests.conformance.checklist import CAMERAS, Room, check
from tests.untyped import untyped

VIDEO_ONLY: tuple[dict[str, Any], dict[str, Any]] = (
    {
        **{name: {"min": 0} for name in ("width", "height", "frameRate", "aspectRatio")},
        "facingMode": {"ideal": "environment"},
        "resizeMode": {"ideal": "none"},
    },
    {
        **{name: {"min": 1e8} for name in ("width", "height", "frameRate", "aspectRatio")},
        "facingMode": {"exact": "INVALID"},
        "resizeMode": {"exact": "INVALID"},
    },
)
AUDIO_ONLY: tuple[dict[str, Any], dict[str, Any]] = (
    {
        **{name: {"min": 0} for name in ("sampleRate", "sampleSize", "latency", "channelCount")},
        **{name: {"ideal": True} for name in ("echoCancellation", "noiseSuppression", "autoGainControl")},
        "volume": {"min": 0},
    },
    {
        "sampleRate": {"min": 1e8},
        "sampleSize": {"min": 1e8},
        "latency": {"max": 0},
        "channelCount": {"max": 0},
        **{name: {"exact": True} for name in ("echoCancellation", "noiseSuppression", "autoGainControl")},
        "volume": {"max": 0},
    },
)
LONG = "x" * 501


def overconstrained(devices: mscli.MediaDevices, constraints: dict[str, Any]) -> mscli.OverconstrainedError:
    """The OverconstrainedError of getUserMedia."""
    with pytest.raises(mscli.OverconstrainedError) as caught:
        devices.get_user_media(untyped(constraints))
    return caught.value


def refused(track: mscli.MediaStreamTrack, constraints: dict[str, Any]) -> mscli.OverconstrainedError:
    """The OverconstrainedError of applyConstraints."""
    with pytest.raises(mscli.OverconstrainedError) as caught:
        track.apply_constraints(untyped(constraints))
    return caught.value


@check("W001", "W079")
def get_user_media_exists(room: Room) -> None:
    assert callable(room.devices().get_user_media)


@check("W002", "W003", "W004")
def permission_is_denied(room: Room) -> None:
    devices = room.devices({**CAMERAS[0], "faults": {"denied": True}})
    with pytest.raises(mscli.NotAllowedError) as caught:
        devices.get_user_media({"video": True})
    assert caught.value.name == "NotAllowedError"
    assert not hasattr(caught.value, "constraintName")


@check("W005", "W006", "W007")
def nothing_is_requested(room: Room) -> None:
    with pytest.raises(TypeError) as caught:
        room.devices().get_user_media({})
    assert not hasattr(caught.value, "constraintName")


@check("W008", "W009")
def a_width_is_impossible(room: Room) -> None:
    error = overconstrained(room.devices(), {"video": {"width": {"min": 100000000}}})
    assert (error.name, error.constraint) == ("OverconstrainedError", "width")


@check("W010", "W011")
def a_facing_mode_is_empty(room: Room) -> None:
    assert overconstrained(room.devices(), {"video": {"facingMode": {"exact": ""}}}).constraint == "facingMode"


@check("W012")
def satisfiable_video_constraints_under_audio(room: Room) -> None:
    assert [track.kind for track in room.stream(audio=VIDEO_ONLY[0]).get_tracks()] == ["audio"]


@check("W013")
def unsatisfiable_video_constraints_under_audio(room: Room) -> None:
    assert [track.kind for track in room.stream(audio=VIDEO_ONLY[1]).get_tracks()] == ["audio"]


@check("W014")
def satisfiable_audio_constraints_under_video(room: Room) -> None:
    assert [track.kind for track in room.stream(video=AUDIO_ONLY[0]).get_tracks()] == ["video"]


@check("W015")
def unsatisfiable_audio_constraints_under_video(room: Room) -> None:
    assert [track.kind for track in room.stream(video=AUDIO_ONLY[1]).get_tracks()] == ["video"]


@check("W016")
def an_advanced_set_is_unsatisfiable(room: Room) -> None:
    stream = room.stream(video={"advanced": [{"width": {"min": 1024, "max": 800}}]})
    assert len(stream.get_video_tracks()) == 1


@check("W017", "W018")
def a_range_with_an_ideal(room: Room) -> None:
    (track,) = room.stream(video={"width": {"ideal": 320, "min": 160}}).get_video_tracks()
    assert track.get_settings()["width"] == 320


@check("W019")
def a_range_with_an_ideal_in_frames(room: Room) -> None:
    (track,) = room.stream(video={"width": {"ideal": 320, "min": 160}}).get_video_tracks()
    assert mscli.ImageCapture(track).grab_frame().display_width == 320


@check("W020")
def a_trivial_constraint(room: Room) -> None:
    assert len(room.stream(video={"width": {"min": 0}}).get_video_tracks()) == 1


@check("W021", "W022")
def an_unknown_member_is_nothing_requested(room: Room) -> None:
    with pytest.raises(TypeError) as caught:
        room.devices().get_user_media(untyped({"doesnotexist": True}))
    assert not hasattr(caught.value, "constraintName")


@check("W024")
def closed_media_devices(room: Room) -> None:
    devices = room.devices()
    devices.close()
    with pytest.raises(mscli.InvalidStateError):
        devices.get_user_media({"video": True})


@check("W081", "W082", "W083", "W084", "W085")
def a_group_id_for_video(room: Room) -> None:
    group_id_of_kind(room, "video")


@check("W087")
def a_group_id_chooses_the_microphone_of_that_group(room: Room) -> None:
    devices = room.devices()
    microphones = [info for info in devices.enumerate_devices() if info.kind == "audioinput"]
    assert len({info.group_id for info in microphones}) == len(microphones) > 1
    for info in reversed(microphones):  # the default one is last, so that no choice is by chance
        (track,) = devices.get_user_media(untyped({"audio": {"groupId": {"exact": info.group_id}}})).get_tracks()
        settings = track.get_settings()
        assert (settings["groupId"], settings["deviceId"]) == (info.group_id, info.device_id)
        track.stop()


@check("W086", "W088", "W089", "W090")
def a_group_id_for_audio(room: Room) -> None:
    group_id_of_kind(room, "audio")


def group_id_of_kind(room: Room, kind: str) -> None:
    """The groupId of every device gives a device of that kind that has it, or an error if there is none."""
    devices = room.devices()
    listed = devices.enumerate_devices()
    has = {info.group_id for info in listed if info.kind == kind + "input"}
    for info in listed:
        asked = {kind: {"groupId": {"exact": info.group_id}}}
        if info.group_id in has:
            (track,) = devices.get_user_media(untyped(asked)).get_tracks()
            assert (track.kind, track.get_settings()["groupId"]) == (kind, info.group_id)
            track.stop()  # a dropped track is closed later, on the event thread
        else:
            assert overconstrained(devices, asked).constraint == "groupId"


@check("W091")
def resize_mode_none(room: Room) -> None:
    assert room.track(resizeMode={"exact": "none"}).get_settings()["resizeMode"] == "none"


@check("W092")
def resize_mode_crop_and_scale(room: Room) -> None:
    assert room.track(resizeMode={"exact": "crop-and-scale"}).get_settings()["resizeMode"] == "crop-and-scale"


@check("W093", "W094")
def resize_mode_invalid(room: Room) -> None:
    assert overconstrained(room.devices(), {"video": {"resizeMode": {"exact": "INVALID"}}}).constraint == "resizeMode"


@check("W163", "W164")
def apply_an_invalid_group_id(room: Room) -> None:
    assert refused(room.track(), {"groupId": {"exact": "INVALID"}}).constraint == "groupId"


@check("W165")
def apply_a_long_ideal_group_id(room: Room) -> None:
    track = room.track()
    try:
        track.apply_constraints({"groupId": {"ideal": LONG}})
    except mscli.OverconstrainedError:
        return
    raise AssertionError("it was taken")


@check("W166")
def apply_a_long_group_id(room: Room) -> None:
    refused(room.track(), {"groupId": {"exact": LONG}})


@check("W167")
def apply_an_invalid_group_id_beside_legacy_constraints(room: Room) -> None:
    refused(room.track(), {"mandatory": {"width": 1}, "groupId": {"exact": "INVALID"}})


@check("W168")
def apply_an_ideal_group_id(room: Room) -> None:
    track = room.track()
    before = track.get_settings()["groupId"]
    track.apply_constraints({"groupId": {"ideal": "INVALID"}})
    assert track.get_settings()["groupId"] == before


@check("W169", "W170")
def apply_the_group_id_of_another_camera(room: Room) -> None:
    track = room.track(deviceId={"exact": "camera-0"})
    assert refused(track, {"groupId": {"exact": "webcam-1"}}).constraint == "groupId"


@check("W171", "W172")
def apply_an_invalid_resize_mode(room: Room) -> None:
    assert refused(room.track(), {"resizeMode": {"exact": "INVALID"}}).constraint == "resizeMode"


@check("W173")
def apply_an_ideal_resize_mode(room: Room) -> None:
    track = room.track()
    before = track.get_settings()["resizeMode"]
    track.apply_constraints({"resizeMode": {"ideal": "INVALID"}})
    assert track.get_settings()["resizeMode"] == before


@check("W276", "W277")
def display_media_beside_user_media(room: Room) -> None:
    devices: Any = room.devices()
    assert len(devices.get_display_media({"video": True}).get_video_tracks()) == 1
    assert len(devices.get_user_media({"video": True}).get_video_tracks()) == 1
