"""MediaStreamTrack: its frames, when it is muted, how it ends."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from threading import Event as Flag
from threading import Thread
from typing import Any

import pytest

import mscli
from mscli.core.eventloop import EventLoop
from tests.unit.stage import Heard, Stage, camera, device, microphone, picture, push, reader, silent, waiting
from tests.untyped import untyped

Setting = Callable[..., Stage]
INHERENT = {"deviceId", "groupId", "facingMode"}


def level(frame: Any) -> int:
    """Return the brightness of a grey frame's first pixel."""
    return int(frame.planes[0][0])


# Frames


def test_frames_pass_untouched_while_the_track_is_enabled(stage: Setting) -> None:
    track = stage(silent(camera())).track(width=64)
    with reader(track) as frames:
        given = picture()
        push(track, given)
        assert next(frames) is given


def test_a_disabled_track_is_black_and_an_enabled_one_is_not_again(stage: Setting) -> None:
    track = stage(silent(camera())).track()
    with reader(track) as frames:
        levels = []
        for enabled in (True, False, True):
            track.enabled = enabled
            push(track, picture(level=77))
            levels.append(level(next(frames)))
    assert levels == [77, 0, 77]


def test_every_reader_of_a_track_has_every_frame(stage: Setting) -> None:
    track = stage(silent(camera())).track()
    with reader(track) as one, reader(track) as other:
        push(track, *(picture(level=n) for n in range(3)))
        assert [level(next(one)) for _ in range(3)] == [level(next(other)) for _ in range(3)] == [0, 1, 2]


def test_a_reader_that_is_slow_loses_the_oldest_frames_and_counts_them(stage: Setting) -> None:
    track = stage(silent(camera())).track()
    with reader(track, maxBufferBytes=2 * 64 * 48) as frames:
        push(track, *(picture(level=n) for n in range(5)))
        assert [level(next(frames)) for _ in range(2)] == [3, 4]
        assert frames.dropped == 3


def test_reading_ends_with_the_track_after_the_last_frame(stage: Setting) -> None:
    track = stage(silent(camera())).track()
    frames = reader(track)
    push(track, picture(level=1), picture(level=2))
    track.stop()
    push(track, picture(level=3))
    assert [level(frame) for frame in frames] == [1, 2]


def test_an_ended_track_delivers_nothing(stage: Setting) -> None:
    track = stage(silent(camera())).track()
    track.stop()
    assert list(reader(track)) == []


@pytest.mark.parametrize("init", [None, {}, {"track": None}, {"track": 5}])
def test_a_processor_needs_a_track(init: Any) -> None:
    with pytest.raises(TypeError):
        mscli.MediaStreamTrackProcessor(init)


def test_the_frames_of_a_device_come_with_true_times_and_numbers(stage: Setting) -> None:
    here = stage(camera())
    track = here.track()
    with reader(track) as frames:
        here.clock.run(0.2)
        got = waiting(frames)
    assert [late.sequence - early.sequence for early, late in pairwise(got)] == [1] * (len(got) - 1)
    assert {late.timestamp - early.timestamp for early, late in pairwise(got)} <= {33_333, 33_334}
    assert len(got) in (6, 7)  # the first one may have come before there was a reader


def test_what_the_driver_lost_is_counted(stage: Setting) -> None:
    here = stage(camera(faults={"dropEvery": 3}))
    track = here.track()
    here.clock.run(0.2)
    assert track.lost == 2


# The end


def test_a_device_that_vanishes_ends_its_tracks_and_those_only(stage: Setting) -> None:
    here = stage(camera(faults={"vanishAfterFrames": 1}), microphone())
    stream = here.devices.get_user_media({"audio": True, "video": True})
    (video,), (audio,) = stream.get_video_tracks(), stream.get_audio_tracks()
    states: list[str] = []
    video.add_event_listener("ended", lambda event: states.append(event.target.ready_state))
    here.run_until(lambda: states)
    assert states == ["ended"]
    assert audio.ready_state == "live"
    assert isinstance(video.ended_error, mscli.NotReadableError)
    assert [info.device_id for info in here.devices.enumerate_devices()] == ["m0"]


def test_stopping_fires_nothing_and_may_be_repeated(stage: Setting) -> None:
    here = stage(camera())
    track = here.track()
    heard = Heard(track)
    track.stop()
    track.stop()
    here.devices.close()
    here.tasks.run_tasks()
    assert (track.ready_state, heard.types, track.ended_error) == ("ended", [], None)


def test_an_ended_track_keeps_what_is_inherent_in_its_device(stage: Setting) -> None:
    track = stage(camera(facingMode="user")).track(width=64)
    before, able = track.current_settings, track.get_capabilities()
    track.stop()
    assert track.get_settings() == {name: before[name] for name in INHERENT}
    assert track.settings == before
    assert track.get_constraints() == {"width": 64}
    assert track.get_capabilities() == able


def test_applying_constraints_to_an_ended_track_does_nothing(stage: Setting) -> None:
    track = stage(camera()).track(width=64)
    track.stop()
    track.apply_constraints({"width": {"exact": 5000}})
    assert track.get_constraints() == {"width": 64}
    with pytest.raises(TypeError):
        track.apply_constraints(untyped({"frameRate": "x"}))


def test_enabled_can_still_be_set_after_the_end(stage: Setting) -> None:
    track = stage(camera()).track()
    track.stop()
    track.enabled = False
    assert track.enabled is False


# Clones


def test_a_clone_has_the_state_and_settings_of_the_original_but_not_its_id(stage: Setting) -> None:
    track = stage(camera()).track(width={"exact": 128})
    track.enabled, track.content_hint = False, "detail"
    clone = track.clone()
    assert clone.id != track.id
    assert (clone.kind, clone.label, clone.enabled, clone.content_hint) == ("video", "Camera 0", False, "detail")
    assert (clone.get_settings(), clone.get_constraints()) == (track.get_settings(), track.get_constraints())


def test_a_clone_lives_on_its_own(stage: Setting) -> None:
    here = stage(silent(camera()))
    track = here.track()
    clone = track.clone()
    clone.enabled = False
    with reader(track) as frames, reader(clone) as cloned:
        push(track, picture(level=5))
        assert (level(next(frames)), level(next(cloned))) == (5, 0)
    track.stop()
    assert clone.ready_state == "live"
    with reader(clone) as cloned:
        push(clone, picture(level=6))
        assert level(next(cloned)) == 0


def test_a_clone_of_an_ended_track_is_ended_and_opens_nothing(stage: Setting) -> None:
    here = stage(camera())
    track = here.track()
    track.stop()
    assert track.clone().ready_state == "ended"
    assert here.track(width={"exact": 128}).ready_state == "live"


def test_a_device_that_vanishes_ends_clones_too(stage: Setting) -> None:
    here = stage(silent(camera()))
    track = here.track()
    clone = track.clone()
    heard = Heard(clone)
    device(track).on_ended(mscli.NotReadableError("gone"))
    here.tasks.run_tasks()
    assert (track.ready_state, clone.ready_state, heard.types) == ("ended", "ended", ["ended"])


# Content hints


@pytest.mark.parametrize(("kind", "hint", "kept"), [
    ("video", "motion", "motion"), ("video", "text", "text"), ("video", "speech", "detail"), ("video", "", ""),
    ("audio", "speech-recognition", "speech-recognition"), ("audio", "detail", "music"), ("audio", "x", "music"),
])  # fmt: skip
def test_a_content_hint_of_another_kind_is_ignored(stage: Setting, kind: str, hint: str, kept: str) -> None:
    track = stage(camera(), microphone()).track(kind)
    assert track.content_hint == ""
    track.content_hint = {"video": "detail", "audio": "music"}[kind]
    track.content_hint = hint
    assert track.content_hint == kept


# Threads


def test_stopping_waits_for_no_consumer(stage: Setting) -> None:
    here = stage(camera())
    track = here.track()
    track.open_queue(EventLoop(), limit_bytes=1)
    here.clock.run(0.2)
    track.stop()
    assert track.ready_state == "ended"


@pytest.mark.usefixtures("hasty")
def test_no_reader_misses_a_frame_while_others_come_and_go(stage: Setting) -> None:
    track = stage(silent(camera())).track()
    done = Flag()

    def come_and_go() -> None:
        while not done.is_set():
            reader(track).close()

    threads = [Thread(target=come_and_go) for _ in range(2)]
    for thread in threads:
        thread.start()
    missed = 0
    for n in range(1000):
        with reader(track) as frames:
            push(track, picture(level=n % 256))
            missed += [level(frame) for frame in waiting(frames)] != [n % 256]
    done.set()
    for thread in threads:
        thread.join()
    assert missed == 0
