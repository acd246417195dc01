"""A device whose settings change by themselves: track settings follow, and constraints are tried again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import mscli
from mscli.core.boxes import Mode
from mscli.core.clock import now_us
from mscli.core.frames import EncodedVideoChunk
from mscli.sources.base import Abilities
from tests.unit.stage import Heard, Stage, camera, device, microphone, picture, push, reader, silent, waiting

Setting = Callable[..., Stage]
LARGE = [{"width": 640, "height": 480, "pixelFormat": "GREY"}]


@pytest.fixture
def asked(stage: Setting) -> Callable[..., tuple[Stage, mscli.MediaStreamTrack, Heard]]:
    """Create a track of a 640×480 camera with constraints, and record its events."""

    def ask(**constraints: Any) -> tuple[Stage, mscli.MediaStreamTrack, Heard]:
        here = stage(silent(camera(modes=LARGE)))
        track = here.track(**constraints)
        return here, track, Heard(track)

    return ask


Asked = Callable[..., tuple[Stage, mscli.MediaStreamTrack, Heard]]


def size(track: mscli.MediaStreamTrack) -> tuple[Any, ...]:
    settings = track.get_settings()
    return settings["width"], settings["height"], settings["resizeMode"]


def test_settings_follow_a_camera_with_a_smaller_size(asked: Asked) -> None:
    here, track, heard = asked()
    push(track, picture(width=320, height=240))
    here.tasks.run_tasks()
    assert size(track) == (320, 240, "none")
    assert heard.types == ["configurationchange"]
    assert heard.events[0].detail["settings"] == track.get_settings()


def test_settings_stay_where_they_can_be_made_of_what_comes(asked: Asked) -> None:
    here, track, heard = asked(width={"exact": 320}, height={"exact": 240})
    with reader(track) as frames:
        push(track, picture(width=480, height=360))
        here.tasks.run_tasks()
        (frame,) = waiting(frames)
    assert (frame.display_width, frame.display_height) == (320, 240)
    assert (size(track), heard.types) == ((320, 240, "crop-and-scale"), [])


def test_frames_keep_the_size_of_the_settings_until_these_follow(asked: Asked) -> None:
    here, track, _ = asked()
    with reader(track) as frames:
        push(track, picture(width=320, height=240))
        here.tasks.run_tasks()
        push(track, picture(width=320, height=240))
        sizes = [(frame.display_width, frame.display_height) for frame in waiting(frames)]
    assert sizes == [(640, 480), (320, 240)]


def chunk(width: int, height: int, codec: str = "av1") -> EncodedVideoChunk:
    """A chunk of that size, on which others depend."""
    return EncodedVideoChunk("key", now_us(), memoryview(b"\0"), codec, width, height, 33_333)


def test_the_first_picture_counts_although_it_is_larger_than_the_mode(asked: Asked) -> None:
    here, track, heard = asked()
    with reader(track) as frames:
        push(track, picture(width=1280, height=960))
        here.tasks.run_tasks()
        push(track, picture(width=1280, height=960))
        (frame,) = waiting(frames)
    assert (size(track), heard.types, frame.whole) == ((1280, 960, "none"), ["configurationchange"], True)


def test_later_the_size_stays_that_pictures_began_with(asked: Asked) -> None:
    here, track, heard = asked()
    with reader(track) as frames:
        for width in (640, 1280, 1280):
            push(track, picture(width=width, height=width * 3 // 4))
            here.tasks.run_tasks()
        sizes = [(frame.display_width, frame.display_height) for frame in waiting(frames)]
    assert (sizes, heard.types) == ([(640, 480)] * 3, [])


def test_chunks_on_which_others_depend_wait_for_the_settings(asked: Asked) -> None:
    here, track, _ = asked()
    with reader(track, encoded=True) as frames:
        push(track, *(chunk(1280, 960) for _ in range(3)))
        assert waiting(frames) == []
        here.tasks.run_tasks()
        push(track, chunk(1280, 960))
        assert [frame.whole for frame in waiting(frames)] == [True] * 4


def test_chunks_that_become_smaller_wait_for_the_settings_and_none_is_dropped(stage: Setting) -> None:
    here = stage(silent(camera(modes=[{"width": 640, "height": 480, "pixelFormat": "H264"}])))
    track = here.track()
    with reader(track, encoded=True) as frames:
        push(track, chunk(640, 480, "h264"), *(chunk(320, 240, "h264") for _ in range(3)))
        assert [(frame.coded_width, frame.enlarged) for frame in waiting(frames)] == [(640, False)]
        here.tasks.run_tasks()
        push(track, chunk(320, 240, "h264"))
        assert [(frame.coded_width, frame.enlarged) for frame in waiting(frames)] == [(320, False)] * 4
    assert size(track) == (320, 240, "none")


def test_constraints_that_cannot_hold_fire_overconstrained_and_mute(asked: Asked) -> None:
    here, track, heard = asked(width={"min": 600})
    with reader(track) as frames:
        push(track, picture(width=320, height=240), picture(width=320, height=240))
        here.tasks.run_tasks()
        push(track, picture(width=320, height=240))
        last = waiting(frames)[-1]
    assert heard.types == ["overconstrained", "mute"]
    assert heard.events[0].error.constraint == heard.events[0].detail["constraint"] == "width"
    assert heard.events[1].detail["reason"] == ("camera “Camera 0” changed to 320×240 at 30 fps, which breaks width ≥ 600 px")
    assert (track.muted, track.ready_state) == (True, "live")
    assert (last.planes[0][0], last.display_width, last.display_height) == (0, 640, 480)
    assert size(track) == (640, 480, "crop-and-scale")


def test_it_is_unmuted_when_they_hold_again(asked: Asked) -> None:
    here, track, heard = asked(width={"min": 600})
    for width, height in ((320, 240), (640, 480)):
        push(track, picture(width=width, height=height))
        here.tasks.run_tasks()
    assert heard.types == ["overconstrained", "mute", "configurationchange", "unmute"]
    assert (size(track), track.muted) == ((640, 480, "none"), False)


def test_it_is_unmuted_by_constraints_that_hold(asked: Asked) -> None:
    here, track, heard = asked(width={"min": 600})
    push(track, picture(width=320, height=240))
    here.tasks.run_tasks()
    track.apply_constraints({"width": {"max": 320}})
    here.tasks.run_tasks()
    assert (heard.types, track.muted) == (["overconstrained", "mute", "unmute"], False)
    assert track.get_settings()["width"] <= 320


def test_a_stall_of_an_overconstrained_track_is_not_reported_twice(asked: Asked) -> None:
    here, track, heard = asked(width={"min": 600})
    push(track, picture(width=320, height=240))
    here.tasks.run_tasks()
    for muted in (True, False):
        device(track).on_muted(muted)
        here.tasks.run_tasks()
    assert (heard.types, track.muted) == (["overconstrained", "mute"], True)


def test_each_clone_has_its_own_constraints(asked: Asked) -> None:
    here, track, heard = asked()
    clone = track.clone()
    clone.apply_constraints({"width": {"min": 600}})
    other = Heard(clone)
    push(track, picture(width=320, height=240))
    here.tasks.run_tasks()
    assert (heard.types, other.types) == (["configurationchange"], ["overconstrained", "mute"])


def test_a_rate_that_another_program_sets_is_followed(asked: Asked) -> None:
    here, track, heard = asked()
    device(track).on_changed({"frameRate": 10.0})
    here.tasks.run_tasks()
    assert (track.get_settings()["frameRate"], heard.types) == (10, ["configurationchange"])


def test_capabilities_are_those_of_what_the_camera_has_become(asked: Asked) -> None:
    here, track, _ = asked()
    device(track).on_changed({"width": 320, "height": 240}, Abilities([Mode("GREY", 320, 240, 30)]))
    here.tasks.run_tasks()
    assert (size(track), track.get_capabilities()["width"]["max"]) == ((320, 240, "none"), 320)


def test_sound_is_followed_too(stage: Setting) -> None:
    here = stage(silent(microphone()))
    track, strict = here.track("audio"), here.track("audio", sampleRate={"exact": 48000})
    heard, other = Heard(track), Heard(strict)
    device(track).on_changed({"sampleRate": 44100})
    here.tasks.run_tasks()
    assert (track.get_settings()["sampleRate"], heard.types) == (44100, ["configurationchange"])
    assert other.types == ["overconstrained", "mute"]
    assert "“Microphone 0” changed to 44.1 kHz" in str(other.events[0].error)
    assert str(other.events[0].error).endswith("which breaks sampleRate = 48000 Hz")


def test_constraints_that_only_together_do_not_hold_are_all_named(asked: Asked) -> None:
    here, track, heard = asked(width={"min": 300}, aspectRatio={"exact": 2})
    push(track, picture(width=400, height=100))
    here.tasks.run_tasks()
    assert heard.types == ["overconstrained", "mute"]
    assert "which breaks width ≥ 300 px together with aspectRatio = 2" in str(heard.events[0].error)


def test_an_ended_track_follows_nothing(asked: Asked) -> None:
    here, track, heard = asked()
    live = device(track)
    push(track, picture(width=320, height=240))
    track.stop()
    here.tasks.run_tasks()
    live.on_changed({"frameRate": 10.0})
    here.tasks.run_tasks()
    assert heard.types == []


def test_the_event_needs_its_error() -> None:
    from mscli.api.mediastreamtrack import OverconstrainedErrorEvent

    error = mscli.OverconstrainedError("width", "too narrow")
    assert OverconstrainedErrorEvent("overconstrained", {"error": error}).error is error
    with pytest.raises(TypeError):
        OverconstrainedErrorEvent("overconstrained", {})
