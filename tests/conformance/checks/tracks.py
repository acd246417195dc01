"""MediaStreamTrack: how it begins and ends, what it gives while it is disabled, and its settings."""

from __future__ import annotations

from threading import Event as Flag
from typing import Any

import mscli
from mscli.core.frames import packed_planes
from tests.conformance.checklist import CAMERAS, MICROPHONES, Room, check
from tests.untyped import untyped

TIMEOUT_S = 20.0
BLACK = (16, 128, 128)  # Y, U, V
FACING = ("user", "environment", "left", "right")


def frames(track: mscli.MediaStreamTrack, count: int) -> list[Any]:
    """The next frames of a track."""
    with mscli.MediaStreamTrackProcessor({"track": track}).readable as readable:
        return [next(readable) for _ in range(count)]


@check("W160")
def a_disabled_microphone_is_silent(room: Room) -> None:
    track = room.track("audio")
    track.enabled = False
    assert all(not any(block.data) for block in frames(track, 3))


@check("W161", "W162")
def a_disabled_camera_is_black(room: Room) -> None:
    track = room.track("video")
    track.enabled = False
    for frame in frames(track, 2):
        assert frame.format == "I420"
        for plane, value in zip(packed_planes(frame), BLACK, strict=True):
            assert set(bytes(plane)) == {value}


@check("W174", "W175", "W176", "W177", "W178", "W179", "W180")
def devices_vanish_one_after_the_other(room: Room) -> None:
    camera = {**CAMERAS[0], "faults": {"vanishAfterFrames": 1}}
    microphone = {**MICROPHONES[0], "faults": {"vanishAfterFrames": 3}}
    devices = room.devices(camera, microphone, by_hand=True)
    ended = {"audio": Flag(), "video": Flag()}
    told: list[tuple[str, str]] = []

    def on_ended(event: mscli.Event) -> None:
        track: Any = event.target
        told.append((track.kind, track.ready_state))
        ended[track.kind].set()

    def listen(stream: mscli.MediaStream) -> None:
        for track in stream.get_tracks():
            assert track.ready_state == "live"
            track.add_event_listener("ended", on_ended)

    stream = devices.get_user_media({"audio": True, "video": True}, prepare=listen)
    assert ended["video"].wait(TIMEOUT_S)
    (audio,) = stream.get_audio_tracks()
    assert told == [("video", "ended")]
    assert (audio.ready_state, stream.active) == ("live", True)
    assert room.clock is not None
    room.clock.jump(1.0)
    assert ended["audio"].wait(TIMEOUT_S)
    assert told == [("video", "ended"), ("audio", "ended")]
    assert not stream.active


@check("W221")
def a_device_opened_twice_by_its_id(room: Room) -> None:
    devices = room.devices()
    (first,) = devices.get_user_media({"video": {"deviceId": {"exact": "camera-1"}}}).get_tracks()
    (second,) = devices.get_user_media({"video": {"deviceId": {"exact": first.get_settings()["deviceId"]}}}).get_tracks()
    assert second.get_settings()["deviceId"] == "camera-1"


@check("W222", "W223")
def a_device_opened_again_with_half_the_width(room: Room) -> None:
    devices = room.devices()
    (first,) = devices.get_user_media({"video": True}).get_tracks()
    width = first.get_settings()["width"]
    asked = {"deviceId": {"exact": first.get_settings()["deviceId"]}, "width": {"ideal": width / 2}}
    (second,) = devices.get_user_media(untyped({"video": asked})).get_tracks()
    assert second.get_settings()["deviceId"] == first.get_settings()["deviceId"]
    assert width / 2 <= second.get_settings()["width"] <= width


@check("W224")
def a_device_opened_again_with_exactly_half_the_width(room: Room) -> None:
    devices = room.devices()
    (first,) = devices.get_user_media({"video": True}).get_tracks()
    half = first.get_settings()["width"] // 2
    (second,) = devices.get_user_media({"video": {"width": {"exact": half}}}).get_tracks()
    assert second.get_settings()["width"] == half


@check("W225", "W226")
def the_group_id_of_every_device(room: Room) -> None:
    devices = room.devices()
    for info in devices.enumerate_devices():
        if info.kind != "audiooutput":
            asked = {info.kind.removesuffix("input"): {"deviceId": {"exact": info.device_id}}}
            (track,) = devices.get_user_media(untyped(asked)).get_tracks()
            assert track.get_settings()["groupId"] == info.group_id != ""


@check("W227", "W228", "W229", "W230", "W231", "W232", "W233", "W234", "W235")
def the_settings_of_a_microphone(room: Room) -> None:
    settings = room.track("audio").get_settings()
    assert all(type(settings[name]) is str for name in ("deviceId", "groupId"))
    assert all(type(settings[name]) is int and settings[name] > 0 for name in ("sampleRate", "sampleSize", "channelCount"))
    assert type(settings["echoCancellation"]) in (bool, str)
    assert all(type(settings[name]) is bool for name in ("autoGainControl", "noiseSuppression"))
    assert settings["latency"] >= 0


@check("W236", "W237", "W238", "W239", "W240", "W241", "W242", "W243")
def the_settings_of_a_camera(room: Room) -> None:
    settings = room.track("video").get_settings()
    assert all(type(settings[name]) is str for name in ("deviceId", "groupId"))
    assert all(type(settings[name]) is int and settings[name] >= 0 for name in ("width", "height"))
    assert all(settings[name] >= 0 for name in ("aspectRatio", "frameRate"))
    assert settings.get("facingMode", "user") in FACING
    assert settings["resizeMode"] in ("none", "crop-and-scale")


@check("W244")
def tracks_have_different_ids(room: Room) -> None:
    first, second = room.stream(audio=True, video=True).get_tracks()
    assert first.id != second.id


@check("W245", "W246", "W247", "W248")
def a_new_track(room: Room) -> None:
    (track,) = room.stream(video=True).get_video_tracks()
    assert (track.ready_state, track.kind, track.enabled) == ("live", "video", True)
