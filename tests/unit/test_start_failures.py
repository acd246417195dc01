"""A device that opens but does not start: the next one that fits is used, or nothing stays open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import mscli
from mscli.core.mailbox import Lane
from tests.unit.stage import Stage, camera, microphone

Setting = Callable[..., Stage]
BROKEN = {"errorOnStart": True}


def open_stream(here: Stage, constraints: dict[str, Any]) -> tuple[mscli.MediaStream, list[Lane]]:
    """A stream whose consumer was there before its devices ran."""
    lanes: list[Lane] = []

    def prepare(stream: mscli.MediaStream) -> None:
        lanes.extend(track.open_lane(here.tasks) for track in stream.get_tracks())

    return here.devices.get_user_media(constraints, prepare=prepare), lanes


def sizes(*modes: tuple[int, int]) -> list[dict[str, Any]]:
    return [{"width": width, "height": height, "pixelFormat": "GREY"} for width, height in modes]


def test_the_next_device_that_fits_is_used_and_the_first_is_given_back(stage: Setting) -> None:
    here = stage(camera(0, faults=BROKEN), camera(1), microphone())
    stream, _ = open_stream(here, {"video": True, "audio": True})
    (track,) = stream.get_video_tracks()
    assert (track.label, track.get_settings()["deviceId"]) == ("Camera 1", "c1")
    assert [str(error) for error in track.passed_over] == [
        "“Camera 0” does not start: the driver reports an input/output error"
    ]
    with pytest.raises(mscli.NotReadableError, match="does not start"):
        here.track(deviceId={"exact": "c0"})  # not “is in use”


def test_who_was_there_before_the_start_has_the_frames_of_the_other_device(stage: Setting) -> None:
    here = stage(camera(0, faults=BROKEN), camera(1))
    stream, (lane,) = open_stream(here, {"video": True})
    here.run_until(lane.head)
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


def test_if_none_starts_the_reason_is_told_and_nothing_stays_open(stage: Setting) -> None:
    here = stage(camera(0, faults=BROKEN), camera(1, faults=BROKEN), microphone())
    with pytest.raises(mscli.NotReadableError, match="“Camera 0” does not start"):
        open_stream(here, {"video": True, "audio": True})
    assert here.devices.enumerate_devices(["audioinput"])
    assert here.track("audio").ready_state == "live"


def test_a_device_that_was_asked_for_by_its_id_is_not_replaced(stage: Setting) -> None:
    here = stage(camera(0, faults=BROKEN), camera(1))
    with pytest.raises(mscli.NotReadableError, match="“Camera 0” does not start"):
        here.track(deviceId={"exact": "c0"})
