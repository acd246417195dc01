"""The interfaces: their members, which of them can be set, and their constructors."""

from __future__ import annotations

from typing import Any

import pytest

import mscli
from tests.conformance.checklist import Room, check


def check_read_only(holder: Any, *names: str) -> None:
    """Attributes that are there and cannot be set."""
    for name in names:
        before = getattr(holder, name)
        with pytest.raises(AttributeError):
            setattr(holder, name, before)


def check_handlers(target: Any, *names: str) -> None:
    """Event handlers: None at first, and settable."""
    for name in names:
        assert getattr(target, name) is None
        setattr(target, name, print)
        assert getattr(target, name) is print
        setattr(target, name, None)


def check_methods(holder: Any, *names: str) -> None:
    """Operations that are there."""
    assert all(callable(getattr(holder, name)) for name in names)


def track_event(init: object, **named: object) -> mscli.MediaStreamTrackEvent:
    """A MediaStreamTrackEvent of any arguments."""
    constructor: Any = mscli.MediaStreamTrackEvent
    event: mscli.MediaStreamTrackEvent = constructor("type", init, **named)
    return event


@check("W250")
def a_track_event_takes_two_arguments(room: Room) -> None:
    constructor: Any = mscli.MediaStreamTrackEvent
    for arguments in ((), ("type",)):
        with pytest.raises(TypeError):
            constructor(*arguments)


@check("W251")
def a_track_event_needs_an_init(room: Room) -> None:
    for init in (None, 5):
        with pytest.raises(TypeError):
            track_event(init)


@check("W252")
def a_track_event_needs_a_track(room: Room) -> None:
    for init in ({}, {"track": None}):
        with pytest.raises(TypeError):
            track_event(init)


@check("W253", "W254")
def a_track_event_has_type_and_track(room: Room) -> None:
    track = room.track()
    event = track_event({"track": track})
    assert event.type == "type"
    assert event.track is track


@check("W256", "W257")
def nothing_historical(room: Room) -> None:
    stream = room.stream(video=True)
    assert not hasattr(stream, "onactive")
    assert not hasattr(stream, "oninactive")


@check("W259")
def the_attributes_of_a_stream(room: Room) -> None:
    check_read_only(room.stream(video=True), "id", "active")


@check("W260")
def the_operations_of_a_stream(room: Room) -> None:
    stream = room.stream(audio=True, video=True)
    sound, picture = stream.get_tracks()
    assert (stream.get_audio_tracks(), stream.get_video_tracks()) == ([sound], [picture])
    assert stream.get_track_by_id(picture.id) is picture
    stream.remove_track(picture)
    assert stream.get_tracks() == [sound]
    stream.add_track(picture)
    assert stream.get_tracks() == [sound, picture]
    twin = stream.clone()
    assert [track.kind for track in twin.get_tracks()] == ["audio", "video"]
    assert not {track.id for track in twin.get_tracks()} & {sound.id, picture.id}
    for use in (stream.get_track_by_id, stream.add_track, stream.remove_track):
        with pytest.raises(TypeError):
            use()  # type: ignore[call-arg]


@check("W261")
def the_constructors_of_a_stream(room: Room) -> None:
    stream = room.stream(video=True)
    assert mscli.MediaStream().get_tracks() == []
    assert mscli.MediaStream(stream).get_tracks() == stream.get_tracks()
    assert mscli.MediaStream(stream.get_tracks()).get_tracks() == stream.get_tracks()


@check("W262")
def the_handlers_of_a_stream(room: Room) -> None:
    check_handlers(room.stream(video=True), "onaddtrack", "onremovetrack")


@check("W263")
def the_attributes_of_a_track(room: Room) -> None:
    check_read_only(room.track(), "kind", "id", "label", "muted", "ready_state")


@check("W264")
def enabled_can_be_set(room: Room) -> None:
    track = room.track()
    track.enabled = False
    assert track.enabled is False


@check("W265")
def the_handlers_of_a_track(room: Room) -> None:
    check_handlers(room.track(), "onmute", "onunmute", "onended")


@check("W266")
def the_operations_of_a_track(room: Room) -> None:
    track = room.track(width={"exact": 320})
    assert track.get_capabilities()["width"]["max"] >= 640
    assert track.get_constraints() == {"width": {"exact": 320}}
    assert track.get_settings()["width"] == 320
    track.apply_constraints({"width": {"exact": 640}})
    assert track.get_settings()["width"] == 640
    twin = track.clone()
    track.stop()
    assert (track.ready_state, twin.ready_state, twin.id == track.id) == ("ended", "live", False)


@check("W267")
def tracks_have_no_public_constructor(room: Room) -> None:
    constructor: Any = mscli.MediaStreamTrack
    with pytest.raises(TypeError):
        constructor()


@check("W268")
def the_attributes_of_a_track_event(room: Room) -> None:
    check_read_only(track_event({"track": room.track()}), "track")


@check("W269")
def the_attributes_of_an_overconstrained_error(room: Room) -> None:
    error = mscli.OverconstrainedError("width")
    assert (error.constraint, error.message) == ("width", "")
    assert mscli.OverconstrainedError("width", "too wide").message == "too wide"
    check_read_only(error, "constraint")


@check("W270")
def an_overconstrained_error_is_a_dom_exception(room: Room) -> None:
    assert isinstance(mscli.OverconstrainedError("width"), mscli.DOMException)


@check("W271")
def the_members_of_media_devices(room: Room) -> None:
    devices = room.devices()
    check_handlers(devices, "ondevicechange")
    check_methods(devices, "enumerate_devices", "get_supported_constraints", "get_user_media")


@check("W272")
def the_attributes_of_a_device_info(room: Room) -> None:
    for info in room.devices().enumerate_devices():
        check_read_only(info, "device_id", "kind", "label", "group_id")


@check("W273")
def a_device_info_as_json(room: Room) -> None:
    for info in room.devices().enumerate_devices():
        members = {"deviceId": info.device_id, "kind": info.kind, "label": info.label, "groupId": info.group_id}
        assert info.to_json() == members


@check("W274")
def inputs_have_capabilities(room: Room) -> None:
    for info in room.devices().enumerate_devices():
        assert hasattr(info, "get_capabilities") == (info.kind != "audiooutput")


@check("W275")
def an_input_device_info_is_a_media_device_info(room: Room) -> None:
    assert issubclass(mscli.InputDeviceInfo, mscli.MediaDeviceInfo)
