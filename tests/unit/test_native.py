"""The objects as Python has them: context managers, iteration, asyncio, pickling, fork, and what a type checker knows."""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mscli
from mscli.core.eventloop import FrameQueue
from mscli.core.properties import PROPERTIES
from tests import typed
from tests.conftest import ROOT
from tests.unit.stage import MEMORY, TIMEOUT_S, MemorySink, Stage, camera, microphone, picture, push, reader, silent, waiting

Setting = Callable[..., Stage]


def test_a_stream_is_iterated_counted_and_asked(stage: Setting) -> None:
    stream = stage(silent(camera()), silent(microphone())).devices.get_user_media({"audio": True, "video": True})
    assert list(stream) == stream.get_tracks()
    assert len(stream) == 2
    assert stream.get_tracks()[0] in stream
    assert stream.get_tracks()[0].clone() not in stream
    assert "audio" not in stream
    assert bool(mscli.MediaStream())


def test_the_end_of_a_block_stops_tracks(stage: Setting) -> None:
    here = stage(silent(camera()))
    with here.devices.get_user_media({"video": True}) as stream:
        (track,) = stream
        with track.clone() as twin:
            assert twin.ready_state == "live"
        assert (twin.ready_state, track.ready_state) == ("ended", "live")
    assert not stream.active


def test_a_block_records(stage: Setting, tmp_path: Path) -> None:
    here = stage(silent(camera()))
    stream = here.devices.get_user_media({"video": {"width": 64}})
    with mscli.MediaRecorder(stream, file=tmp_path / "a.mkv") as recorder:
        assert recorder.state == "recording"
        push(stream.get_tracks()[0], *(picture() for _ in range(3)))
    assert (tmp_path / "a.mkv").read_bytes()[:4] == b"\x1a\x45\xdf\xa3"


def test_a_failure_is_raised_at_the_end_of_the_block(stage: Setting, monkeypatch: pytest.MonkeyPatch, memory: Any) -> None:
    stream = stage(silent(camera())).devices.get_user_media({"video": {"width": 64}})
    monkeypatch.setattr(MemorySink, "fail_in", {"write"})
    with pytest.raises(mscli.OperationError, match="the disk is full"), mscli.MediaRecorder(stream, row=memory):
        push(stream.get_tracks()[0], picture())


def test_an_error_of_the_block_itself_is_not_replaced(stage: Setting, monkeypatch: pytest.MonkeyPatch, memory: Any) -> None:
    stream = stage(silent(camera())).devices.get_user_media({"video": {"width": 64}})
    monkeypatch.setattr(MemorySink, "fail_in", {"close"})
    with pytest.raises(KeyError), mscli.MediaRecorder(stream, row=memory):
        raise KeyError


@pytest.fixture
def memory() -> Any:
    """Return the row of the sink in memory."""
    return MEMORY


def test_objects_say_what_they_are(stage: Setting) -> None:
    here = stage(silent(camera()))
    stream = here.devices.get_user_media({"video": True})
    (track,) = stream
    said = "<MediaStreamTrack video “Camera 0” live>"
    frames = reader(track)
    assert repr(track) == said
    assert repr(stream) == f"<MediaStream {stream.id} video>"
    assert repr(mscli.ImageCapture(track)) == f"<ImageCapture of {said}>"
    assert repr(mscli.MediaStreamTrackProcessor({"track": track})) == f"<MediaStreamTrackProcessor of {said}>"
    assert repr(frames) == f"<FrameReader of {said}>"
    assert repr(mscli.MediaRecorder(stream, file="a.mp4")) == "<MediaRecorder inactive → a.mp4>"
    frames.close()
    assert "closed" in repr(frames)
    track.stop()
    assert repr(stream).endswith("inactive>")
    assert repr(here.devices) == "<MediaDevices of fake>"
    assert repr(mscli.CaptureController()) == "<CaptureController unused>"


# Frames of each reader


def test_each_reader_can_close_its_frames(stage: Setting) -> None:
    track = stage(silent(camera())).track(width=64)
    readers = [reader(one) for one in (track, track, track.clone())]
    push(track, picture())
    frames = [frame for one in readers for frame in waiting(one)]
    assert len(frames) == 3
    frames[0].close()
    assert [frame.closed for frame in frames] == [True, False, False]


def test_a_reader_that_is_dropped_is_closed(stage: Setting) -> None:
    track = stage(silent(camera())).track(width=64)
    frames = reader(track)
    assert track.is_read
    del frames
    assert not track.is_read


# asyncio


def test_frames_are_awaited_until_the_track_ends(stage: Setting) -> None:
    here = stage(silent(camera()))
    track = here.track(width=64)
    frames = reader(track)

    async def read() -> list[int]:
        found = []
        async for frame in frames:
            found.append(frame.timestamp)
            if len(found) == 3:
                track.stop()
            else:
                push(track, picture(len(found) + 1))
        return found

    async def main() -> list[int]:
        reading = asyncio.create_task(read())
        await asyncio.sleep(0)  # it waits
        push(track, picture(1))
        return await asyncio.wait_for(reading, TIMEOUT_S)

    times = asyncio.run(main())
    assert len(times) == 3
    assert times == sorted(times)


def test_a_reader_that_was_cancelled_reads_on(stage: Setting) -> None:
    track = stage(silent(camera())).track(width=64)
    frames = reader(track)

    async def main() -> Any:
        waits = asyncio.create_task(anext(frames))
        await asyncio.sleep(0)
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        push(track, picture())
        return await asyncio.wait_for(anext(frames), TIMEOUT_S)

    assert isinstance(asyncio.run(main()), mscli.VideoFrame)


def test_devices_are_asked_without_blocking_the_loop(stage: Setting) -> None:
    here = stage(silent(camera()))
    stream = asyncio.run(here.devices.get_user_media_async({"video": True}))
    assert [track.kind for track in stream] == ["video"]
    with pytest.raises(mscli.NotFoundError):
        asyncio.run(here.devices.get_user_media_async({"audio": True}))


def test_the_tracks_of_a_request_that_was_cancelled_are_stopped(stage: Setting) -> None:
    here = stage(silent(camera()))
    made: list[mscli.MediaStream] = []

    async def main() -> None:
        asking = asyncio.create_task(here.devices.get_user_media_async({"video": True}, prepare=made.append))
        while not made:
            await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(main())  # waits for the executor
    assert not made[0].active


def test_a_reader_that_closes_a_frame_at_once_takes_it_from_no_other(stage: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    track = stage(silent(camera())).track(width=64)
    readers = [reader(track), reader(track), reader(track.clone())]
    kept: list[bool] = []

    def close_at_once(queue: FrameQueue, frame: mscli.VideoFrame) -> None:
        kept.append(not frame.closed)
        frame.close()

    monkeypatch.setattr(FrameQueue, "put", close_at_once)
    push(track, picture())
    assert kept == [True] * len(readers)


def test_tracks_go_to_aiortc(stage: Setting) -> None:
    import aiortc

    here = stage(silent(camera()))
    track = here.track(width=64)

    async def main() -> Any:
        adapted = mscli.to_aiortc(track)
        assert isinstance(adapted, aiortc.MediaStreamTrack)
        push(track, picture())
        frame = await asyncio.wait_for(adapted.recv(), TIMEOUT_S)
        track.stop()
        with pytest.raises(aiortc.mediastreams.MediaStreamError):
            await asyncio.wait_for(adapted.recv(), TIMEOUT_S)
        return frame

    frame = asyncio.run(main())
    assert (frame.pts, frame.width) == (0, 64)


# Processes


def test_a_pickled_device_keeps_what_it_can_do(stage: Setting) -> None:
    here = stage(camera(), microphone())
    for info in here.devices.enumerate_devices():
        again = pickle.loads(pickle.dumps(info))
        assert type(again) is type(info)
        assert again.to_json() == info.to_json()
        assert again.get_capabilities() == info.get_capabilities()  # type: ignore[attr-defined]


FORKING = """
import os, sys, mscli
from mscli.core.limits import STOP_S
devices = mscli.MediaDevices(backends=[mscli.FakeBackend()])
stream = devices.get_user_media({"video": True})
child = os.fork()
if child == 0:
    sys.exit(0)  # runs what is registered for the exit
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
frame = next(mscli.MediaStreamTrackProcessor({"track": stream.get_tracks()[0]}).readable)
print(code, stream.active, frame.format)
devices.close()
"""


def test_a_forked_process_leaves_the_devices_of_its_parent_alone() -> None:
    python = [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", FORKING]
    done = subprocess.run(python, capture_output=True, cwd=ROOT, timeout=60, check=False)
    assert (done.stdout.decode(), done.stderr.decode()) == ("0 True I420\n", "")


# Types


def test_the_dictionaries_have_all_properties() -> None:
    for dictionary in (mscli.MediaTrackConstraintSet, mscli.MediaTrackCapabilities):
        assert set(dictionary.__annotations__) == set(PROPERTIES)
    assert set(mscli.MediaTrackSettings.__annotations__) == {*PROPERTIES, "screenPixelRatio"}  # which cannot be constrained


def test_a_program_that_a_type_checker_reads_also_runs(tmp_path: Path) -> None:
    typed.main(tmp_path / "clip.mkv")
