"""What nobody holds any more is closed at once: devices, tracks, readers and recordings, without the cyclic collector."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from weakref import ref

import av
import av.stream
import pytest

import mscli
from mscli.core.frames import VideoFrame
from tests.unit.stage import TIMEOUT_S, Stage, camera, device, microphone, reader

FAST = [{"width": 64, "height": 48, "frameRate": 200}]
UNCLOSED = "MediaDevices were not closed"


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    """Run the test without the cyclic collector, which would hide who still holds what."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def running() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("mscli-")]


def ours() -> list[str]:
    return sorted(thread.name for thread in running())


def wait_until(holds: Callable[[], object]) -> None:
    """Wait for what our threads do until a condition holds."""
    deadline = time.monotonic() + TIMEOUT_S
    while not holds():
        assert time.monotonic() < deadline, f"it did not happen: {ours()}"
        for thread in running():
            thread.join(0.01)


def opened(**described: Any) -> mscli.MediaDevices:
    return mscli.MediaDevices(backends=[mscli.FakeBackend({"devices": [camera(modes=FAST, **described), microphone()]})])


def take_a_frame() -> None:
    stream = opened().get_user_media({"video": True, "audio": True})
    assert next(mscli.MediaStreamTrackProcessor({"track": stream.get_video_tracks()[0]}).readable)


def listen() -> None:
    devices = opened()
    devices.ondevicechange = print
    devices.get_user_media({"video": True})


def record(folder: Path) -> None:
    stream = opened().get_user_media({"video": True, "audio": True})
    recorder = mscli.MediaRecorder(stream, file=str(folder / "a.mkv"), window=(None, 5))
    recorder.start()
    assert recorder.join()
    assert recorder.recording is not None
    assert recorder.recording.counts[1].frames == 5


def wait_for_a_lost_camera() -> None:
    devices, muted = opened(faults={"vanishAfterFrames": 3}), threading.Event()

    def prepare(stream: mscli.MediaStream) -> None:
        stream.get_tracks()[0].add_event_listener("mute", lambda _: muted.set())

    stream = devices.get_user_media({"video": True}, prepare=prepare, reconnect_s=3600)
    assert muted.wait(TIMEOUT_S)
    del stream


@pytest.mark.parametrize("use", [take_a_frame, listen, wait_for_a_lost_camera])
def test_devices_that_nobody_holds_are_closed_with_a_warning(use: Callable[[], None]) -> None:
    with pytest.warns(ResourceWarning, match=UNCLOSED):
        use()
    wait_until(lambda: not ours())


def test_devices_that_were_only_asked_what_they_can_do_need_no_close() -> None:
    assert opened().negotiate({"video": True})  # a warning would be an error
    assert not ours()


def test_a_recording_holds_its_devices_until_it_ends(tmp_path: Path) -> None:
    with pytest.warns(ResourceWarning, match=UNCLOSED):
        record(tmp_path)
    wait_until(lambda: not ours())


def test_a_track_goes_on_without_the_object_that_made_it() -> None:
    with pytest.warns(ResourceWarning, match=UNCLOSED):
        (track,) = opened().get_user_media({"video": True}).get_tracks()
    with mscli.MediaStreamTrackProcessor({"track": track}).readable as frames:
        assert [next(frames) for _ in range(3)]
    track.stop()
    del track, frames
    wait_until(lambda: not ours())


def test_the_last_track_that_nobody_holds_gives_its_camera_back() -> None:
    with opened() as devices:
        tracks = [devices.get_user_media({"video": True}).get_tracks()[0] for _ in range(2)]
        source = device(tracks[0])
        tracks.pop()
        assert not source.ended
        tracks.pop()
        wait_until(lambda: source.ended and "mscli-fake-c0" not in ours())
        assert devices.get_user_media({"video": True}).active


def test_a_reader_that_nobody_holds_takes_no_frames() -> None:
    stage = Stage(camera())
    track = stage.track()
    frames = reader(track)
    opened = track.is_read
    del frames
    assert (opened, track.is_read) == (True, False)
    stage.close()


class Endless(mscli.TrackSource):
    """A program that gives frames as long as somebody takes them."""

    live = False

    def __init__(self) -> None:
        super().__init__("video", "a program")
        self.thread = threading.Thread(target=self.run, name="mscli-test-endless")

    def capabilities(self) -> mscli.Abilities:
        return mscli.Abilities(modes=[mscli.Mode("GREY", 64, 48, 30)])

    def start(self) -> None:
        self.thread.start()

    def run(self) -> None:
        number = 0
        while not self.ended:
            self.deliver(VideoFrame("GREY", 64, 48, number * 33_333, (memoryview(bytes(64 * 48)),), (64,), 33_333))
            number += 1


def test_a_program_that_waits_for_a_reader_that_nobody_holds_ends() -> None:
    with mscli.MediaDevices(backends=[]) as devices:
        source = Endless()
        frames = reader(devices.add_source(source))
        assert frames.read()
        del frames
        source.thread.join(TIMEOUT_S)
        assert not source.thread.is_alive()


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "wav"])
def test_a_recording_frees_its_encoders_when_it_ends(suffix: str, tmp_path: Path) -> None:
    with opened() as devices:
        stream = devices.get_user_media({"video": suffix != "wav", "audio": True})
        before = encoders()
        recorder = mscli.MediaRecorder(stream, file=str(tmp_path / f"a.{suffix}"), window=(0.05, None))
        recorder.start()
        assert recorder.join()
        wait_until(lambda: encoders() == before)  # although the recorder is there; its events open one for a moment
        assert recorder.recording is not None
        assert recorder.recording.outputs[0].counts[0].bytes > 0
        freed: list[ref[object]] = [ref(recorder), ref(recorder.recording)]
        del recorder
        wait_until(lambda: all(one() is None for one in freed))


def encoders() -> int:
    return sum(isinstance(one, av.CodecContext | av.container.Container | av.stream.Stream) for one in gc.get_objects())
