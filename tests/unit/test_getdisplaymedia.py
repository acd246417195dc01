"""getDisplayMedia: which display is chosen, what may be constrained, what the tracks are like, on fake displays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import mscli
from mscli.core.errors import ArgumentError
from mscli.core.shaping import Shaper
from tests.conformance.checklist import DISPLAYS, MICROPHONES, SPEAKER
from tests.untyped import untyped


@pytest.fixture
def devices() -> Iterator[mscli.MediaDevices]:
    """A machine with a monitor of 640×360, a window, a microphone and a speaker."""
    with mscli.MediaDevices(backends=[mscli.FakeBackend({"devices": [*DISPLAYS, *MICROPHONES, SPEAKER]})]) as devices:
        yield devices


def track_of(devices: mscli.MediaDevices, options: Any = None, **more: Any) -> mscli.MediaStreamTrack:
    """Return the video track of a display."""
    (track,) = devices.get_display_media(untyped(options), **more).get_video_tracks()
    return track


def test_displays_are_listed_apart_from_devices(devices: mscli.MediaDevices) -> None:
    displays = devices.enumerate_displays()
    assert [(one.kind, one.display_surface, one.width, one.height) for one in displays] == [
        ("display", "monitor", 640, 360), ("display", "window", 480, 270),
    ]  # fmt: skip
    assert displays[0].to_json().items() >= {"displaySurface": "monitor", "x": 0, "y": 0, "width": 640}.items()
    assert {info.kind for info in devices.enumerate_devices()} == {"audioinput", "audiooutput"}
    with pytest.raises(mscli.NotFoundError):
        devices.get_user_media({"video": True})


def test_the_program_chooses_by_address_and_otherwise_the_hints_do(devices: mscli.MediaDevices) -> None:
    surfaces = [
        track_of(devices, options, surface=surface).get_settings()["displaySurface"]
        for options, surface in (
            (None, ""),
            ({"video": {"displaySurface": "window"}}, ""),
            ({"monitorTypeSurfaces": "exclude"}, ""),
            (None, "window:display"),
            ({"video": {"displaySurface": "window"}}, "screen:"),
        )
    ]
    assert surfaces == ["monitor", "window", "window", "window", "monitor"]


def test_a_display_that_is_not_there_is_not_found(devices: mscli.MediaDevices) -> None:
    with pytest.raises(mscli.NotFoundError, match=r"no window matches “dipslay” .did you mean “Display, a window”"):
        track_of(devices, surface="window:dipslay")
    with pytest.raises(mscli.NotFoundError, match="no regions"):
        track_of(devices, surface="region:9x9+0+0")
    with mscli.MediaDevices(backends=[mscli.FakeBackend({"devices": []})]) as empty, pytest.raises(mscli.NotFoundError):
        empty.get_display_media()


def test_monitors_cannot_be_excluded_and_asked_for(devices: mscli.MediaDevices) -> None:
    with pytest.raises(ArgumentError, match="excludes monitors"):
        devices.get_display_media({"video": {"displaySurface": "monitor"}, "monitorTypeSurfaces": "exclude"})


def test_no_monitor_is_captured_if_monitors_are_excluded() -> None:
    with (
        mscli.MediaDevices(backends=[mscli.FakeBackend({"devices": DISPLAYS[:1]})]) as devices,
        pytest.raises(mscli.NotFoundError, match="no window found, and monitorTypeSurfaces excludes monitors"),
    ):
        devices.get_display_media({"monitorTypeSurfaces": "exclude"})


@pytest.mark.parametrize("address", ["clip.mp4", "monitor:", "-", "rtsp://camera/1", "Display, a window"])
def test_only_an_address_of_a_display_chooses_one(devices: mscli.MediaDevices, address: str) -> None:
    with pytest.raises(TypeError, match="is not the address of a display"):
        track_of(devices, surface=address)


def test_pictures_are_scaled_as_a_whole_and_never_cropped(devices: mscli.MediaDevices) -> None:
    track = track_of(devices, {"video": {"width": 320, "height": 320}})
    settings = track.get_settings()
    assert settings["width"] / settings["height"] == pytest.approx(16 / 9, rel=0.01)
    picture = mscli.VideoFrame.from_ndarray(np.zeros((360, 640), np.uint8), "GREY", timestamp=0)
    shown = Shaper(untyped(settings), track.source.settings()).shape(picture)
    assert shown is not None
    assert (shown.visible_rect, shown.display_size) == (picture.coded_rect, (settings["width"], settings["height"]))
    with pytest.raises(mscli.OverconstrainedError):
        track.apply_constraints({"aspectRatio": {"exact": 1.0}})
    with pytest.raises(mscli.OverconstrainedError):
        track.apply_constraints({"width": {"exact": 1280}})


def test_the_pointer_is_constrained_while_the_track_runs(devices: mscli.MediaDevices) -> None:
    track = track_of(devices)
    assert track.get_capabilities()["cursor"] == ["always", "motion", "never"]
    for wished in ("never", "motion", "always"):
        track.apply_constraints({"cursor": {"exact": wished}})
        assert track.get_settings()["cursor"] == wished


def test_constraints_of_cameras_do_not_apply_to_a_display(devices: mscli.MediaDevices) -> None:
    track = track_of(devices, {"video": {"deviceId": {"exact": "camera"}, "facingMode": {"exact": "user"}, "zoom": 2}})
    assert track.get_settings()["displaySurface"] == "monitor"


def test_sound_is_left_out_where_no_speaker_is() -> None:
    with mscli.MediaDevices(backends=[mscli.FakeBackend({"devices": DISPLAYS})]) as devices:
        stream = devices.get_display_media({"audio": True})
        assert (len(stream.get_video_tracks()), stream.get_audio_tracks()) == (1, [])


def test_sound_is_what_the_speaker_plays(devices: mscli.MediaDevices) -> None:
    (heard,) = devices.get_display_media({"audio": True}).get_audio_tracks()
    assert heard.label == "Monitor of Speaker"
    with pytest.raises(TypeError, match=r"restrictOwnAudio\.exact"):
        devices.get_display_media({"audio": {"restrictOwnAudio": {"exact": True}}})


def test_the_focus_is_decided_when_the_capture_has_begun(devices: mscli.MediaDevices) -> None:
    controller = mscli.CaptureController()
    controller.set_focus_behavior("no-focus-change")
    devices.get_display_media({"controller": controller})
    with pytest.raises(mscli.InvalidStateError):
        controller.set_focus_behavior("no-focus-change")


def test_a_controller_is_used_up_by_options_that_are_refused(devices: mscli.MediaDevices) -> None:
    controller = mscli.CaptureController()
    with pytest.raises(TypeError, match="video cannot be false"):
        devices.get_display_media({"controller": controller, "video": False})
    with pytest.raises(mscli.InvalidStateError):
        devices.get_display_media({"controller": controller})


def test_the_same_display_can_be_captured_twice(devices: mscli.MediaDevices) -> None:
    first, second = track_of(devices, {"video": {"width": 160}}), track_of(devices)
    assert (first.get_settings()["width"], second.get_settings()["width"]) == (160, 640)
