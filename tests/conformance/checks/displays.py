"""Screen Capture: the options of getDisplayMedia, and the settings of what it returns."""

from __future__ import annotations

from typing import Any, get_args

import pytest

import mscli
from tests.conformance.checklist import Room, check
from tests.untyped import untyped

SIZES: list[dict[str, int]] = [
    {"width": 160}, {"height": 120}, {"width": 80}, {"height": 60}, {"width": 158}, {"height": 118},
]  # fmt: skip
HIGHEST: dict[str, dict[str, dict[str, int]]] = {
    "W464": {"width": {"max": 360}},
    "W465": {"height": {"max": 240}},
    "W466": {"width": {"max": 360}, "height": {"max": 240}},
    "W467": {"frameRate": {"max": 4}},
    "W468": {"frameRate": {"max": 4}, "width": {"max": 360}},
    "W469": {"frameRate": {"max": 4}, "height": {"max": 240}},
    "W470": {"frameRate": {"max": 4}, "width": {"max": 360}, "height": {"max": 240}},
}
MALFORMED: dict[str, dict[str, Any]] = {
    "W453": {"video": False},
    "W454": {"video": {"advanced": [{"width": 320}]}},
    "W455": {"video": {"width": {"min": 320}}},
    "W456": {"video": {"width": {"exact": 320}}},
    "W457": {"video": {"height": {"min": 240}}},
    "W458": {"video": {"height": {"exact": 240}}},
    "W459": {"video": {"frameRate": {"min": 4}}},
    "W460": {"video": {"frameRate": {"exact": 4}}},
    "W461": {"video": False, "audio": True},
}
TOO_LOW: dict[str, dict[str, dict[str, int]]] = {
    f"W{474 + place}": {name: {"max": limit}}
    for place, (limit, name) in enumerate((limit, name) for limit in (0, -1) for name in ("width", "height", "frameRate"))
}
ONLY_VIDEO: dict[str, Any] = {
    "W447": {"video": True}, "W448": {"video": True, "audio": False}, "W449": {"video": {}}, "W450": {"audio": False},
    "W451": {}, "W452": None,
}  # fmt: skip


def captured(room: Room, options: object = None) -> mscli.MediaStream:
    """Return the stream that new MediaDevices give for these options."""
    return room.devices().get_display_media(untyped(options))


def video(room: Room, **constraints: object) -> mscli.MediaStreamTrack:
    """Return the video track for these constraints."""
    (track,) = captured(room, {"video": constraints}).get_video_tracks()
    return track


def counts(stream: mscli.MediaStream) -> tuple[int, int]:
    """Return the numbers of video and audio tracks."""
    return len(stream.get_video_tracks()), len(stream.get_audio_tracks())


@check("W445", "W503")
def the_interfaces_are_there(room: Room) -> None:
    assert callable(room.devices().get_display_media)
    assert callable(mscli.CaptureController().set_focus_behavior)
    assert isinstance(mscli.CaptureController(), mscli.EventTarget)


@check(*ONLY_VIDEO)
def video_is_all_that_is_captured_unless_sound_is_asked_for(room: Room) -> None:
    assert [counts(captured(room, options)) for options in ONLY_VIDEO.values()] == [(1, 0)] * len(ONLY_VIDEO)


@check(*MALFORMED)
def what_must_not_be_required_is_a_type_error(room: Room) -> None:
    for options in MALFORMED.values():
        with pytest.raises(TypeError):
            captured(room, options)


@check("W462", "W463")
def sound_comes_beside_the_video(room: Room) -> None:
    assert counts(captured(room, {"video": True, "audio": True})) == (1, 1)
    assert counts(captured(room, {"audio": True})) == (1, 1)
    assert counts(captured(room, {"audio": True, "systemAudio": "exclude"})) == (1, 0)


@check(*HIGHEST, "W471")
def the_settings_stay_below_the_maximum(room: Room) -> None:
    for constraints in HIGHEST.values():
        settings: Any = video(room, **constraints).get_settings()
        assert all(1 <= settings[name] <= limits["max"] for name, limits in constraints.items())
        assert min(settings[name] for name in ("width", "height", "frameRate")) >= 1


@check("W472")
def an_ideal_size_is_met_exactly(room: Room) -> None:
    for wished in SIZES:
        settings: Any = video(room, **wished).get_settings()
        assert wished.items() <= settings.items()
        assert settings["frameRate"] >= 1


@check("W473")
def constraints_that_are_applied_scale_exactly(room: Room) -> None:
    track = video(room, height=240)
    assert track.get_settings()["height"] == 240
    for wished in SIZES:
        track.apply_constraints(untyped(wished))
        assert wished.items() <= track.get_settings().items()


@check(*TOO_LOW)
def a_maximum_below_everything_is_overconstrained(room: Room) -> None:
    for constraints in TOO_LOW.values():
        with pytest.raises(mscli.OverconstrainedError) as refused:
            video(room, **constraints)
        assert refused.value.constraint in constraints


@check("W480")
def the_track_is_a_live_video_track(room: Room) -> None:
    track = video(room)
    assert (track.kind, track.enabled, track.ready_state) == ("video", True, "live")
    track.stop()
    assert track.ready_state == "ended"


@check("W481", "W490")
def the_display_surface_is_a_setting_and_a_capability(room: Room) -> None:
    for wished, given in (("monitor", "monitor"), ("window", "window"), ("browser", "monitor")):
        track = video(room, displaySurface=wished)
        assert track.get_settings()["displaySurface"] == track.get_capabilities()["displaySurface"] == given


@check("W482", "W483", "W484")
def the_other_settings_are_those_of_the_text(room: Room) -> None:
    settings = video(room).get_settings()
    assert isinstance(settings["logicalSurface"], bool)
    assert settings["cursor"] in get_args(mscli.CursorCaptureConstraint)
    assert "suppressLocalAudioPlayback" not in settings


@check("W485", "W486")
def the_constraints_are_supported(room: Room) -> None:
    supported = room.devices().get_supported_constraints()
    assert supported["displaySurface"]
    assert supported["suppressLocalAudioPlayback"]


@check("W487", "W488")
def the_words_of_the_options_are_checked(room: Room) -> None:
    for name in ("selfBrowserSurface", "surfaceSwitching", "systemAudio"):
        for word in ("include", "exclude"):
            assert counts(captured(room, {name: word})) == (1, 0)
        with pytest.raises(TypeError):
            captured(room, {name: "invalid"})


@check("W489")
def local_playback_is_suppressed_as_asked(room: Room) -> None:
    for wished in (True, False):
        (track,) = captured(room, {"audio": {"suppressLocalAudioPlayback": wished}}).get_audio_tracks()
        assert track.get_settings()["suppressLocalAudioPlayback"] is wished


@check("W491")
def the_frames_come_at_the_rate_that_is_asked_for(room: Room) -> None:
    devices, rate = room.devices(by_hand=True), 10
    (track,) = devices.get_display_media({"video": {"frameRate": rate}}).get_video_tracks()
    frames = mscli.MediaStreamTrackProcessor({"track": track, "maxBufferSize": 8 * rate}).readable
    assert room.clock is not None
    room.clock.run(3.0)
    times = [next(frames).timestamp for _ in range(2 * rate)]
    assert 0.5 * rate <= (len(times) - 1) * 1_000_000 / (times[-1] - times[0]) <= 1.75 * rate


@check("W492", "W493", "W494", "W495")
def the_track_has_a_device_id_and_faces_nowhere(room: Room) -> None:
    track = video(room)
    settings, capabilities = track.get_settings(), track.get_capabilities()
    assert settings["deviceId"] == capabilities["deviceId"]
    assert "facingMode" not in settings
    assert "facingMode" not in capabilities


@check("W496", "W497", "W498")
def a_controller_is_used_for_one_capture(room: Room) -> None:
    controller = mscli.CaptureController()
    assert counts(captured(room, {"controller": controller})) == (1, 0)
    with pytest.raises(mscli.InvalidStateError):
        captured(room, {"controller": controller})
    wrongs: list[object] = [{}, "controller", 1, mscli.EventTarget()]
    for wrong in wrongs:
        with pytest.raises(TypeError):
            captured(room, {"controller": wrong})


@check("W499")
def a_focus_behavior_is_one_of_the_words(room: Room) -> None:
    for word in get_args(mscli.CaptureStartFocusBehavior):
        mscli.CaptureController().set_focus_behavior(word)
    wrongs: list[object] = ["focus", "", None, 1, {}]
    for wrong in wrongs:
        with pytest.raises(TypeError):
            mscli.CaptureController().set_focus_behavior(untyped(wrong))
