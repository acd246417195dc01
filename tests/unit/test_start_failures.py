"""A device that opens but does not start: the next one that fits is used, or nothing stays open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import mscli
from mscli.core.eventloop import FrameQueue
from tests.unit.stage import Stage, camera, microphone
from tests.untyped import untyped

Setting = Callable[..., Stage]
BROKEN = {"errorOnStart": True}


def open_stream(here: Stage, constraints: dict[str, Any]) -> tuple[mscli.MediaStream, list[FrameQueue]]:
    """Open a stream whose consumer exists before its devices run."""
    queues: list[FrameQueue] = []

    def prepare(stream: mscli.MediaStream) -> None:
        queues.extend(track.open_queue(here.tasks) for track in stream.get_tracks())

    return here.devices.get_user_media(untyped(constraints), prepare=prepare), queues


def sizes(*modes: tuple[int, int]) -> list[dict[str, Any]]:
    return [{"width": width, "height": height, "pixelFormat": "GREY"} for width, height in modes]


def test_the_next_device_that_fits_is_used_and_the_first_is_given_back(stage: Setting) -> None:
    here = stage(camera(0, faults=BROKEN), camera(1), microphone())
    stream, _ = open_stream(here, {"video": True, "audio": True})
    (track,) = stream.get_video_tracks()
    assert (track.label, track.get_settings()["deviceId"]) == ("Camera 1", "c1")
    assert [str(error) for error in track.passed_over] == ["cannot start “Camera 0”: the driver reports an input/output error"]
    with pytest.raises(mscli.NotReadableError, match="cannot start"):
        here.track(deviceId={"exact": "c0"})  # not “is in use”


def test_an_early_consumer_gets_the_frames_of_the_replacement(stage: Setting) -> None:
    here = stage(camera(0, faults=BROKEN), camera(1))
    stream, (queue,) = open_stream(here, {"video": True})
    here.run_until(queue.head)
    assert stream.get_video_tracks()[0].ready_state == "live"


def test_what_was_settled_before_stays_where_the_other_device_can(stage: Setting) -> None:
    here = stage(camera(0, modes=sizes((320, 240)), faults=BROKEN), camera(1, modes=sizes((160, 120), (640, 480))))
    settings = here.track().get_settings()
    assert {name: settings[name] for name in ("deviceId", "width", "height")} == {"deviceId": "c1", "width": 320, "height": 240}


def test_what_was_required_holds_on_the_other_device(stage: Setting) -> None:
    wide: dict[str, Any] = {"width": {"min": 200}}
    here = stage(
        camera(0, modes=sizes((320, 240)), faults=BROKEN), camera(1, modes=sizes((64, 48))), camera(2, modes=sizes((640, 480)))
    )
    assert here.track(**wide).label == "Camera 2"


def test_several_that_do_not_start_or_open_are_passed_over(stage: Setting) -> None:
    here = stage(camera(0, faults=BROKEN), camera(1, faults={"busy": True}), camera(2, faults=BROKEN), camera(3))
    track = here.track()
    assert track.label == "Camera 3"
    assert len(track.passed_over) == 3


def test_if_none_starts_the_reason_is_reported_and_nothing_stays_open(stage: Setting) -> None:
    here = stage(camera(0, faults=BROKEN), camera(1, faults=BROKEN), microphone())
    with pytest.raises(mscli.NotReadableError, match="cannot start “Camera 0”"):
        open_stream(here, {"video": True, "audio": True})
    assert here.devices.enumerate_devices(["audioinput"])
    assert here.track("audio").ready_state == "live"


def test_a_device_that_was_asked_for_by_its_id_is_not_replaced(stage: Setting) -> None:
    here = stage(camera(0, faults=BROKEN), camera(1))
    with pytest.raises(mscli.NotReadableError, match="cannot start “Camera 0”"):
        here.track(deviceId={"exact": "c0"})
