"""A stage for tests of the W3C objects: fake devices on a manual clock, events run by the test, an in-memory sink."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from threading import Condition
from typing import Any, ClassVar

import mscli
from mscli.api import recording
from mscli.core.clock import now_us
from mscli.core.codecs import VIDEO_CODECS
from mscli.core.eventloop import VIDEO_QUEUE_BYTES, EventLoop
from mscli.core.frames import Media, VideoFrame
from mscli.encode.options import SinkOptions, TrackFormat
from mscli.sinks import SinkRow
from mscli.sinks.base import Sink
from mscli.sources.device import DeviceSource
from tests.backends.rig import ManualClock
from tests.untyped import untyped

TIMEOUT_S = 20.0
MODES = [{"width": 64, "height": 48, "pixelFormat": "GREY"}, {"width": 128, "height": 72, "pixelFormat": "GREY"}]


def camera(number: int = 0, **described: Any) -> dict[str, Any]:
    """Return the description of a camera."""
    own = {"deviceId": f"c{number}", "groupId": f"cg{number}", "label": f"Camera {number}", "modes": MODES}
    return {"kind": "videoinput", **own, **described}


def microphone(number: int = 0, **described: Any) -> dict[str, Any]:
    """Return the description of a microphone."""
    own = {"deviceId": f"m{number}", "groupId": f"mg{number}", "label": f"Microphone {number}"}
    return {"kind": "audioinput", **own, **described}


def silent(device: dict[str, Any]) -> dict[str, Any]:
    """Return the device without frames of its own: the test pushes them."""
    return {**device, "faults": {"stallAfterFrames": 0}}


class Stage:
    """MediaDevices with the described devices. Events wait in ``tasks`` until the test runs them."""

    def __init__(self, *described: dict[str, Any], backend: type[mscli.FakeBackend] = mscli.FakeBackend) -> None:
        self.clock = ManualClock()
        self.tasks = EventLoop()
        self.backend = backend({"devices": list(described)}, clock=self.clock)
        self.devices = mscli.MediaDevices(backends=[self.backend], tasks=self.tasks)

    def track(self, kind: str = "video", **constraints: Any) -> mscli.MediaStreamTrack:
        """Return a new track."""
        (track,) = self.devices.get_user_media(untyped({kind: constraints})).get_tracks()
        return track

    def run_until(self, condition: Callable[[], object]) -> None:
        """Run events until a condition holds. Fail if it never does."""
        deadline = time.monotonic() + TIMEOUT_S
        while not condition():
            assert time.monotonic() < deadline, "it did not happen"
            self.tasks.wait(0.01)

    def close(self) -> None:
        """Close the devices and run the remaining events."""
        self.devices.close()
        self.tasks.run_tasks()


class Heard:
    """A listener that records the types of events."""

    def __init__(self, target: Any, *types: str) -> None:
        self.events: list[Any] = []
        for one in types or target.EVENTS:
            target.add_event_listener(one, self.events.append)

    @property
    def types(self) -> list[str]:
        """Return the recorded types, in order."""
        return [event.type for event in self.events]


class Moments:
    """A listener for which a test waits: its events come from other threads."""

    def __init__(self, target: Any, *types: str) -> None:
        self.events: list[Any] = []
        self._came = Condition()
        self._taken: Counter[str] = Counter()
        for one in types or target.EVENTS:
            target.add_event_listener(one, self._note)

    def _note(self, event: Any) -> None:
        with self._came:
            self.events.append(event)
            self._came.notify_all()

    @property
    def types(self) -> list[str]:
        """Return the types so far, in order."""
        return [event.type for event in self.events]

    def wait(self, name: str) -> Any:
        """Return the next event of a type that no earlier call has returned. Fail if it does not come."""
        self._taken[name] += 1
        with self._came:
            assert self._came.wait_for(lambda: self.types.count(name) >= self._taken[name], TIMEOUT_S), f"{name}: {self.types}"
            return [event for event in self.events if event.type == name][self._taken[name] - 1]


def picture(at_us: int | None = None, width: int = 64, height: int = 48, level: int = 200) -> VideoFrame:
    """Return a grey frame, captured now by default."""
    data = memoryview(bytes([level]) * (width * height))
    return VideoFrame("GREY", width, height, now_us() if at_us is None else at_us, (data,), (width,), 33_333)


def device(track: mscli.MediaStreamTrack) -> DeviceSource:
    """Return the device of a track."""
    assert isinstance(track.source, DeviceSource)
    return track.source


def push(track: mscli.MediaStreamTrack, *frames: Media) -> None:
    """Deliver frames to a track as its device would."""
    for frame in frames:
        device(track).on_frame(frame)


def reader(track: mscli.MediaStreamTrack, **init: Any) -> Any:
    """Open a reader for a track's frames, all of which wait for it."""
    bound = {} if "maxBufferSize" in init else {"maxBufferBytes": VIDEO_QUEUE_BYTES}
    return mscli.MediaStreamTrackProcessor({"track": track, **bound, **init}).readable


def waiting(frames: Any) -> list[Any]:
    """Return the frames that wait in a reader."""
    return list(iter(lambda: frames.read(0), None))


class MemorySink(Sink):
    """A sink that keeps its frames. Its target, the recorder's in-memory output, gets one byte per frame."""

    codecs = VIDEO_CODECS
    made: ClassVar[list[MemorySink]] = []  # every sink created, the latest last
    fail_in: ClassVar[Collection[str]] = ()  # the methods that fail

    def __init__(self, row: SinkRow, target: Any, options: SinkOptions) -> None:
        self.target, self.options = target, options
        self.tracks: list[TrackFormat] = []
        self.frames: list[tuple[int, Media]] = []
        self.calls: list[str] = []
        self.made.append(self)

    @classmethod
    def check(cls, row: SinkRow, options: SinkOptions, kinds: Sequence[str]) -> None:
        """Accept every format."""

    def open(self, tracks: list[TrackFormat]) -> None:
        """Keep the tracks."""
        self._called("open")
        self.tracks = tracks

    def write(self, track: int, frame: Media) -> None:
        """Keep the frame."""
        self._called("write")
        self.frames.append((track, frame))
        self.target.write(b"f")

    def close(self) -> None:
        """Write the end."""
        self._called("close")
        self.target.write(b".")

    def abort(self) -> None:
        """Record the abort."""
        self._called("abort")

    @property
    def bytes_written(self) -> int:
        """Return one byte per frame."""
        return len(self.frames)

    @property
    def free_bytes(self) -> int | None:
        """Return None: unknown."""
        self._check("free_bytes")
        return None

    def corrections(self, track: int) -> Mapping[str, int]:
        """Return no corrections."""
        self._check("corrections")
        return {}

    def _called(self, method: str) -> None:
        self._check(method)
        self.calls.append(method)

    def _check(self, method: str) -> None:
        if method in self.fail_in:
            raise mscli.OperationError(f"the disk is full in {method}")


MEMORY = SinkRow("memory", "video/x-memory", __name__, "MemorySink", video=True, audio=True)


class Recording:
    """A recorder that writes into memory, and its events."""

    def __init__(self, stage: Stage, *kinds: str, **more: Any) -> None:
        self.stage = stage
        wanted = {"video": {"width": 64, "height": 48}, "audio": True}  # the size of ``picture``
        self.stream = stage.devices.get_user_media(untyped({kind: wanted[kind] for kind in kinds or ("video",)}))
        self.recorder = mscli.MediaRecorder(self.stream, row=MEMORY, **more)
        self.heard = Heard(self.recorder)

    @property
    def track(self) -> mscli.MediaStreamTrack:
        """Return the first track."""
        return self.stream.get_tracks()[0]

    @property
    def types(self) -> list[str]:
        """Return the events so far."""
        self.stage.tasks.run_tasks()
        return self.heard.types

    @property
    def run(self) -> recording.Recording:
        """Return the latest recording."""
        assert self.recorder.recording is not None
        return self.recorder.recording

    def data(self) -> list[bytes]:
        """Return the data of the chunks so far."""
        return [event.data.bytes() for event in self.pieces()]

    def timecodes(self) -> list[float]:
        """Return the start of each chunk, in milliseconds."""
        return [event.timecode for event in self.pieces()]

    def pieces(self) -> list[mscli.BlobEvent]:
        """Return the events with chunks so far."""
        self.stage.tasks.run_tasks()
        return [event for event in self.heard.events if event.type == "dataavailable"]

    def finish(self) -> list[str]:
        """Wait for the end of the recording. Return the events up to it."""
        assert self.recorder.join(TIMEOUT_S)
        return self.types
