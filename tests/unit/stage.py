"""A stage for tests of the W3C objects: fake devices on a clock moved by hand, events run by the test, a sink in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar

import mscli
from mscli.api import recording
from mscli.core.clock import now_us
from mscli.core.frames import Frame, VideoFrame
from mscli.core.mailbox import Mailbox
from mscli.sinks import SinkRow
from mscli.sinks.base import Sink, SinkOptions, TrackFormat
from tests.backends.rig import ManualClock

PATIENCE_S = 20.0
MODES = [{"width": 64, "height": 48, "pixelFormat": "GREY"}, {"width": 128, "height": 72, "pixelFormat": "GREY"}]


def camera(number: int = 0, **described: Any) -> dict[str, Any]:
    """The description of a camera."""
    own = {"deviceId": f"c{number}", "groupId": f"cg{number}", "label": f"Camera {number}", "modes": MODES}
    return {"kind": "videoinput", **own, **described}


def microphone(number: int = 0, **described: Any) -> dict[str, Any]:
    """The description of a microphone."""
    own = {"deviceId": f"m{number}", "groupId": f"mg{number}", "label": f"Microphone {number}"}
    return {"kind": "audioinput", **own, **described}


def silent(device: dict[str, Any]) -> dict[str, Any]:
    """The device, but it gives no frame by itself: the test pushes them."""
    return {**device, "faults": {"stallAfterFrames": 0}}


class Stage:
    """MediaDevices with the described devices. Events wait in ``tasks`` until the test runs them."""

    def __init__(self, *described: dict[str, Any], backend: type[mscli.FakeBackend] = mscli.FakeBackend) -> None:
        self.clock = ManualClock()
        self.tasks = Mailbox()
        self.backend = backend({"devices": list(described)}, clock=self.clock)
        self.devices = mscli.MediaDevices(backends=[self.backend], tasks=self.tasks)

    def track(self, kind: str = "video", **constraints: Any) -> mscli.MediaStreamTrack:
        """A new track."""
        (track,) = self.devices.get_user_media({kind: constraints}).get_tracks()
        return track

    def run_until(self, condition: Callable[[], object]) -> None:
        """Run events until something is so; fails when it does not become so."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, "it did not happen"
            self.tasks.wait(0.01)

    def close(self) -> None:
        """Close the devices and run what is left."""
        self.devices.close()
        self.tasks.run_tasks()


class Heard:
    """A listener that notes the types of the events it hears."""

    def __init__(self, target: Any, *types: str) -> None:
        self.events: list[Any] = []
        for one in types or target.EVENTS:
            target.add_event_listener(one, self.events.append)

    @property
    def types(self) -> list[str]:
        """What was heard, in order."""
        return [event.type for event in self.events]


def picture(at_us: int | None = None, width: int = 64, height: int = 48, level: int = 200) -> VideoFrame:
    """A grey picture, captured now unless told otherwise."""
    data = memoryview(bytes([level]) * (width * height))
    return VideoFrame("GREY", width, height, now_us() if at_us is None else at_us, (data,), (width,), 33_333)


def push(track: mscli.MediaStreamTrack, *frames: Frame) -> None:
    """Hand frames to a track as its device would."""
    for frame in frames:
        track.live.on_frame(frame)


def reader(track: mscli.MediaStreamTrack, **init: Any) -> Any:
    """The frames of a track."""
    return mscli.MediaStreamTrackProcessor({"track": track, **init}).readable


def waiting(frames: Any) -> list[Any]:
    """What a reader has by now."""
    return list(iter(lambda: frames.read(0), None))


class MemorySink(Sink):
    """Keeps what it is told. Its target, the recorder's pieces, is given one byte for each frame."""

    made: ClassVar[list[MemorySink]] = []  # every sink that was made, the latest last
    fail_in: ClassVar[Collection[str]] = ()  # the methods that fail

    def __init__(self, row: SinkRow, target: Any, options: SinkOptions) -> None:
        self.target, self.options = target, options
        self.tracks: list[TrackFormat] = []
        self.frames: list[tuple[int, Frame]] = []
        self.calls: list[str] = []
        self.made.append(self)

    @classmethod
    def check(cls, row: SinkRow, options: SinkOptions, kinds: Sequence[str]) -> None:
        """Everything fits."""

    def open(self, tracks: list[TrackFormat]) -> None:
        """Note the tracks."""
        self._called("open")
        self.tracks = tracks

    def write(self, track: int, frame: Frame) -> None:
        """Keep the frame."""
        self._called("write")
        self.frames.append((track, frame))
        self.target.write(b"f")

    def close(self) -> None:
        """Write the end."""
        self._called("close")
        self.target.write(b".")

    def abort(self) -> None:
        """Note it."""
        self._called("abort")

    @property
    def bytes_written(self) -> int:
        """One for each frame."""
        return len(self.frames)

    @property
    def free_bytes(self) -> int | None:
        """Nobody knows."""
        self._check("free_bytes")
        return None

    def corrections(self, track: int) -> Mapping[str, int]:
        """None."""
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
    """A recorder into memory, and what it says."""

    def __init__(self, stage: Stage, *kinds: str, **more: Any) -> None:
        self.stage = stage
        self.stream = stage.devices.get_user_media(dict.fromkeys(kinds or ("video",), True))
        self.recorder = mscli.MediaRecorder(self.stream, row=MEMORY, **more)
        self.heard = Heard(self.recorder)

    @property
    def track(self) -> mscli.MediaStreamTrack:
        """The first track."""
        return self.stream.get_tracks()[0]

    @property
    def types(self) -> list[str]:
        """The events up to now."""
        self.stage.tasks.run_tasks()
        return self.heard.types

    @property
    def run(self) -> recording.Recording:
        """The recording that was started last."""
        assert self.recorder.recording is not None
        return self.recorder.recording

    def data(self) -> list[bytes]:
        """What came in pieces up to now."""
        return [event.data.bytes() for event in self.pieces()]

    def timecodes(self) -> list[float]:
        """When the pieces begin, in milliseconds."""
        return [event.timecode for event in self.pieces()]

    def pieces(self) -> list[mscli.BlobEvent]:
        """The events that brought pieces up to now."""
        self.stage.tasks.run_tasks()
        return [event for event in self.heard.events if event.type == "dataavailable"]

    def finish(self) -> list[str]:
        """Wait for the end of the recording; the events up to then."""
        assert self.recorder.join(PATIENCE_S)
        return self.types
