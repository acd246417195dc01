"""MediaRecorder: what happens while it records, in which order it is told, and how it ends."""

from __future__ import annotations

import io
import random
from itertools import pairwise
from threading import Event as Flag

import av
import pytest

import mscli
from mscli.core.frames import VideoFrame, split_planes
from tests.conformance.checklist import Room, check
from tests.conformance.recorded import EVERY_KIND, Recorded
from tests.unit.stage import TIMEOUT_S

WIDTH, HEIGHT = 320, 240


def composed(number: int, at_us: int) -> VideoFrame:
    """A picture that the program makes by itself: noise."""
    data = memoryview(random.Random(number).randbytes(WIDTH * HEIGHT * 3 // 2))
    return VideoFrame("I420", WIDTH, HEIGHT, at_us, *split_planes("I420", WIDTH, HEIGHT, data), duration=33_333)


@check("W301")
def composed_frames_are_recorded(room: Room) -> None:
    canvas, ended = mscli.Canvas(WIDTH, HEIGHT), Flag()
    stream = canvas.capture_stream()
    recorder = mscli.MediaRecorder(stream)
    blobs: list[mscli.Blob] = []
    recorder.ondataavailable = lambda event: blobs.append(event.data)
    recorder.onstop = lambda event: ended.set()
    recorder.start()
    for number in range(30):
        canvas.draw(composed(number, 0))
    recorder.stop()
    assert ended.wait(TIMEOUT_S)
    assert blobs[0].type.startswith("video/webm")
    assert blobs[0].size > 1500
    with av.open(io.BytesIO(blobs[0].bytes()), "r") as file:
        pictures = [frame.to_ndarray(format="gray") for frame in file.decode(video=0)]
    assert len(pictures) == 30
    assert all((one != other).any() for one, other in pairwise(pictures))
    stream.get_tracks()[0].stop()


@check("W306", "W307", "W308", "W309")
def disabled_tracks_are_recorded(room: Room) -> None:
    for kinds in EVERY_KIND:
        recorded = Recorded(room, *kinds)
        for track in recorded.stream.get_tracks():
            track.enabled = False
        recorded.recorder.start()
        recorded.recorder.request_data()
        recorded.run_until("dataavailable")
        recorded.recorder.stop()
        assert recorded.run_to_the_end() == ["start", "dataavailable", "dataavailable", "stop"]


@check("W310", "W311", "W312", "W313")
def tracks_may_not_join_or_leave(room: Room) -> None:
    for change in ("add_track", "remove_track"):
        recorded = Recorded(room)
        (track,) = recorded.stream.get_tracks()
        recorded.recorder.start()
        getattr(recorded.stream, change)(track if change == "remove_track" else track.clone())
        event = recorded.run_until("error")
        assert isinstance(event, mscli.ErrorEvent)
        assert isinstance(event.error, mscli.InvalidModificationError)
        assert recorded.states[recorded.types.index("error")] == "inactive"


@check("W314")
def a_recorder_is_started_once(room: Room) -> None:
    recorder = Recorded(room).recorder
    recorder.start()
    with pytest.raises(mscli.InvalidStateError):
        recorder.start()


@check("W317", "W318", "W319", "W320", "W361")
def an_inactive_recorder(room: Room) -> None:
    recorded = Recorded(room)
    recorder = recorded.recorder
    recorder.stop()
    for use in (recorder.pause, recorder.resume, recorder.request_data):
        with pytest.raises(mscli.InvalidStateError):
            use()
    assert recorded.run_to_the_end() == []


@check("W321")
def a_stream_without_tracks(room: Room) -> None:
    with pytest.raises(mscli.NotSupportedError):
        mscli.MediaRecorder(mscli.MediaStream()).start()


@check("W322")
def a_track_that_joins_before_the_start(room: Room) -> None:
    recorded = Recorded(room)
    stream = room.devices().get_user_media({"audio": True})
    recorded.stream.add_track(stream.get_tracks()[0])
    recorded.recorder.start()
    recorded.wait_for_a_frame()
    recorded.recorder.stop()
    blob = recorded.run_until("dataavailable").data
    assert blob.size > 0
    with av.open(io.BytesIO(blob.bytes())) as file:
        assert sorted(one.type for one in file.streams) == ["audio", "video"]


@check("W323", "W324", "W325", "W326", "W327", "W328", "W329", "W330")
def states_and_events(room: Room) -> None:
    recorded = Recorded(room)
    recorder = recorded.recorder
    recorder.start()
    assert recorder.state == "recording"
    recorded.run_until("start")
    recorded.wait_for_a_frame()
    recorder.pause()
    recorded.run_until("pause")
    recorder.resume()
    recorded.run_until("resume")
    recorder.stop()
    assert recorded.run_until("dataavailable").data.size > 0
    recorded.run_until("stop")
    assert list(zip(recorded.types, recorded.states, strict=True)) == [
        ("start", "recording"),
        ("pause", "paused"),
        ("resume", "recording"),
        ("dataavailable", "inactive"),
        ("stop", "inactive"),
    ]
    recorder.stop()
    for use in (recorder.pause, recorder.resume, recorder.request_data):
        with pytest.raises(mscli.InvalidStateError):
            use()
    assert len(recorded.run_to_the_end()) == 5


@check("W345", "W346", "W347", "W348", "W349", "W350", "W351")
def pausing_and_resuming(room: Room) -> None:
    recorded = Recorded(room)
    recorder = recorded.recorder
    recorder.start()
    for state, use in (("paused", recorder.pause), ("recording", recorder.resume)):
        use()
        assert recorder.state == state
        use()
        assert recorder.state == state
    recorded.run_until("resume")
    recorder.stop()
    assert recorded.run_to_the_end() == ["start", "pause", "resume", "dataavailable", "stop"]


@check("W352", "W353")
def a_paused_recorder_is_stopped_and_started_again(room: Room) -> None:
    recorded = Recorded(room)
    recorder = recorded.recorder
    recorder.start()
    recorder.pause()
    recorder.stop()
    assert recorder.state == "inactive"
    recorder.start()
    recorded.run_until("start", 2)
    assert recorded.types == ["start", "pause", "dataavailable", "stop", "start"]


@check("W356", "W357", "W358", "W363")
def the_end_of_all_tracks(room: Room) -> None:
    recorded = Recorded(room, "audio", "video")
    recorded.recorder.start()
    recorded.run_until("start")
    recorded.stop_tracks()
    assert recorded.recorder.state == "recording"
    recorded.run_until("stop")
    assert recorded.states[-1] == "inactive"
    recorded.recorder.stop()
    assert recorded.run_to_the_end() == ["start", "dataavailable", "stop"]


@check("W359", "W360", "W362")
def stopping(room: Room) -> None:
    recorded = Recorded(room)
    recorded.recorder.start()
    recorded.run_until("start")
    recorded.recorder.stop()
    assert recorded.recorder.state == "inactive"
    recorded.run_until("stop")
    recorded.recorder.stop()
    assert recorded.run_to_the_end() == ["start", "dataavailable", "stop"]


@check("W364")
def starting_and_stopping_in_one_turn(room: Room) -> None:
    recorded = Recorded(room)
    recorded.recorder.start()
    recorded.recorder.stop()
    assert recorded.run_to_the_end() == ["start", "dataavailable", "stop"]


@check("W365")
def starting_and_removing_the_track_in_one_turn(room: Room) -> None:
    recorded = Recorded(room)
    recorded.recorder.start()
    recorded.stream.remove_track(recorded.stream.get_tracks()[0])
    assert recorded.run_to_the_end() == ["start", "error", "dataavailable", "stop"]
