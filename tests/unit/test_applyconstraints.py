"""applyConstraints on a live track, and several tracks on one camera."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from threading import Thread
from typing import Any

import pytest

import mscli
from mscli.sources.base import Device, Request, Source
from tests.unit.stage import Stage, camera, microphone, picture, push, reader, silent, waiting
from tests.untyped import untyped

Setting = Callable[..., Stage]


def test_applying_constraints_changes_settings_and_frames(stage: Setting) -> None:
    here = stage(camera())
    track = here.track(width=64)
    with reader(track) as frames:
        here.clock.run(0.1)
        before = waiting(frames)
        here.clock.jump(0.001)
        track.apply_constraints({"width": {"exact": 128}, "resizeMode": {"exact": "none"}})
        here.clock.run(0.1)
        after = waiting(frames)
    assert {frame.coded_width for frame in before} == {64}
    assert {frame.coded_width for frame in after} == {128}
    assert before[-1].timestamp < after[0].timestamp
    assert (track.get_settings()["width"], track.get_settings()["height"]) == (128, 72)


def test_a_rejection_leaves_everything_as_it_was(stage: Setting) -> None:
    here = stage(silent(camera()))
    track = here.track(width=64, frameRate=30)
    settings, constraints = track.get_settings(), track.get_constraints()
    with reader(track) as frames:
        with pytest.raises(mscli.OverconstrainedError) as caught:
            track.apply_constraints({"width": {"exact": 5000}})
        push(track, picture())
        assert next(frames).coded_width == 64
    assert caught.value.constraint == "width"
    assert (track.get_settings(), track.get_constraints()) == (settings, constraints)


def test_a_mode_that_cannot_be_set_leaves_the_old_one_running(stage: Setting) -> None:
    class Stubborn(mscli.FakeBackend):
        def open(self, device: Device, request: Request) -> Source:
            if request.settings["width"] == 128:
                raise mscli.NotReadableError("the driver refuses")
            return super().open(device, request)

    here = stage(camera(), backend=Stubborn)
    track = here.track(width=64)
    with pytest.raises(mscli.NotReadableError, match="the driver refuses"):
        track.apply_constraints({"width": {"exact": 128}})
    with reader(track) as frames:
        here.clock.run(0.1)
        assert {frame.coded_width for frame in waiting(frames)} == {64}
    assert (track.get_settings()["width"], track.get_constraints()) == (64, {"width": 64})


def test_a_driver_that_sets_something_near_is_not_set_again_and_again(stage: Setting) -> None:
    opened: list[Request] = []

    class Near(mscli.FakeBackend):
        def open(self, device: Device, request: Request) -> Source:
            opened.append(request)
            source: Any = super().open(device, request)
            source._settings = {**source.settings, "frameRate": 29.97}
            return source  # type: ignore[no-any-return]

    here = stage(camera(), backend=Near)
    track = here.track(width=64)
    track.apply_constraints({"width": 64, "frameRate": 30})
    track.apply_constraints({"width": 64, "frameRate": {"max": 40}})
    second = here.track(width=64)
    assert len(opened) == 1
    assert track.get_settings()["frameRate"] == second.get_settings()["frameRate"] == 29.97


def test_no_constraints_take_all_away(stage: Setting) -> None:
    track = stage(camera()).track(width={"exact": 128})
    track.apply_constraints()
    assert track.get_constraints() == {}
    track.apply_constraints({})
    assert track.get_settings()["width"] == 128  # nearest to the usual 640


def test_constraints_are_returned_as_they_were_applied_in_order(stage: Setting) -> None:
    track = stage(camera()).track(height=48)
    asked = {"width": {"ideal": 128, "min": 1}, "sampleRate": 5, "aspectRatio": 1.5, "advanced": [{"height": 72}, {}]}
    track.apply_constraints(untyped(asked))
    assert track.get_constraints() == asked
    assert list(track.get_constraints()) == list(asked)


def test_changing_what_a_getter_gave_changes_nothing(stage: Setting) -> None:
    track = stage(camera()).track(width={"ideal": 64})
    untyped(track.get_settings()).clear()
    untyped(track.get_constraints())["width"]["ideal"] = 5
    untyped(track.get_capabilities()).clear()
    assert track.get_constraints() == {"width": {"ideal": 64}}
    assert track.get_settings()["width"] == 64
    assert track.get_capabilities()


def test_two_tracks_of_one_camera_have_each_their_size_and_rate(stage: Setting) -> None:
    here = stage(camera())
    full = here.track(width={"exact": 128}, resizeMode={"exact": "none"})
    small = here.track(width={"exact": 32}, height={"exact": 24}, frameRate={"exact": 10})
    with reader(full) as fulls, reader(small) as smalls:
        here.clock.run(1.0)
        big, little = waiting(fulls), waiting(smalls)
    assert {(frame.display_width, frame.display_height) for frame in big} == {(128, 72)}
    assert {(frame.display_width, frame.display_height) for frame in little} == {(32, 24)}
    assert abs(len(big) - 3 * len(little)) <= 3
    assert {late.timestamp - early.timestamp for early, late in pairwise(little)} <= {99_999, 100_000, 100_001}


def test_a_track_may_not_force_a_mode_on_another_that_wants_no_scaling(stage: Setting) -> None:
    here = stage(camera())
    native = here.track(width={"exact": 64}, resizeMode={"exact": "none"})
    with pytest.raises(mscli.OverconstrainedError):
        here.track(width={"exact": 128})
    assert native.get_settings()["width"] == 64


def test_a_clone_is_changed_without_the_original(stage: Setting) -> None:
    track = stage(camera()).track(width={"exact": 128})
    clone = track.clone()
    clone.apply_constraints({"width": {"exact": 50}})
    assert (track.get_settings()["width"], clone.get_settings()["width"]) == (128, 50)
    assert track.get_constraints() == {"width": {"exact": 128}}


MANY_OR_LARGE = [
    {"width": 64, "height": 48, "pixelFormat": "GREY", "frameRate": 30},
    {"width": 128, "height": 72, "pixelFormat": "GREY", "frameRate": 10},
]


def test_listeners_run_outside_the_turn_of_a_camera_whose_settings_are_given_back(stage: Setting) -> None:
    here = stage(silent(camera(modes=MANY_OR_LARGE)))
    fast = here.track(width=64, frameRate=30)
    large = here.track(width={"exact": 128}, resizeMode={"exact": "none"})
    other = here.track(width=128)
    assert (fast.get_settings()["frameRate"], other.get_settings()["width"]) == (10, 128)
    free: list[bool] = []

    def look() -> None:
        free.append(other.source.turn.acquire(blocking=False))
        if free[-1]:
            other.source.turn.release()

    def ask(_: mscli.Event) -> None:
        thread = Thread(target=look)
        thread.start()
        thread.join()

    other.onconfigurationchange = ask
    large.stop()
    here.tasks.run_tasks()
    assert free
    assert all(free)


def test_a_clone_of_a_reduced_track_returns_to_what_was_chosen_too(stage: Setting) -> None:
    here = stage(silent(camera(modes=MANY_OR_LARGE)))
    fast = here.track(width=64, frameRate=30)
    large = here.track(width={"exact": 128}, resizeMode={"exact": "none"})
    twin = fast.clone()
    fast.stop()
    assert twin.get_settings()["frameRate"] == 10
    large.stop()
    here.tasks.run_tasks()
    assert twin.get_settings()["frameRate"] == 30


def test_new_settings_hold_from_a_definite_timestamp_on(stage: Setting) -> None:
    here = stage(silent(camera()))
    track = here.track(width=128, frameRate=30)
    with reader(track) as frames:
        push(track, picture(1_000, 128, 72))
        track.apply_constraints({"width": {"exact": 100}})
        assert track.settings_timestamp == 1_001
        push(track, picture(1_000, 128, 72), picture(1_001, 128, 72))  # one that was on its way, and one from then on
        shown = [frame.display_width for frame in waiting(frames)]
    assert shown == [128, 128, 100]


def test_two_tracks_of_one_microphone_have_different_rates(stage: Setting) -> None:
    here = stage(microphone(resample=True, sampleRates=[48000], channelCounts=[2]))
    first, second = (
        here.track("audio", sampleRate=48000),
        here.track("audio", sampleRate={"exact": 16000}, channelCount={"exact": 1}),
    )
    with reader(first) as whole, reader(second) as part:
        here.clock.run(0.2)
        assert {(block.sample_rate, block.number_of_channels) for block in waiting(whole)} == {(48000, 2)}
        assert {(block.sample_rate, block.number_of_channels) for block in waiting(part)} == {(16000, 1)}
    assert (second.get_settings()["sampleRate"], second.get_settings()["channelCount"]) == (16000, 1)
    assert (first.get_settings()["sampleRate"], first.get_settings()["channelCount"]) == (48000, 2)


def test_sound_is_resampled_after_new_constraints(stage: Setting) -> None:
    here = stage(microphone(resample=True, sampleRates=[48000], channelCounts=[1]))
    track = here.track("audio")
    with reader(track) as blocks:
        track.apply_constraints({"sampleRate": {"exact": 8000}})
        here.clock.run(0.1)
        assert {block.sample_rate for block in waiting(blocks)} == {8000}
        track.apply_constraints({})
        here.clock.run(0.1)
        assert {block.sample_rate for block in waiting(blocks)} == {48000}


def test_a_described_microphone_has_the_abilities_of_its_description(stage: Setting) -> None:
    here = stage(microphone(sampleRates=[48000]))
    with pytest.raises(mscli.OverconstrainedError) as caught:
        here.track("audio", sampleRate={"exact": 16000})
    assert caught.value.constraint == "sampleRate"
