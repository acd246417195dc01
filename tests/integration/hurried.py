"""Recordings of fake devices on a clock that runs as fast as the recorder takes the frames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import mscli
from mscli.api import recording
from mscli.core import eventloop as event_loop
from mscli.core.clock import MICROSECONDS
from mscli.core.eventloop import EventLoop
from mscli.core.frames import Counts
from mscli.sinks import SINKS
from mscli.sources import device as watch
from mscli.sources.fake import backend as fake
from tests.backends.rig import ManualClock
from tests.heap import heap_bytes
from tests.pattern import Picture, beeps, sound

RATE = 48_000
TIMEOUT_S = 60.0


class Part(NamedTuple):
    """What the recorder says of a track."""

    counts: Counts
    dropped: int
    lost: int


class Recording(NamedTuple):
    """A recording that was made, and by how much memory in use (bytes) grew after its first tenth."""

    path: Path
    audio: Part
    video: Part
    growth: int


def nothing_comes_late(patch: pytest.MonkeyPatch) -> None:
    """Let a recording in this process lose nothing on a slow machine: its delays are no stall and no overload."""
    patch.setattr(watch, "WATCH_S", 3600.0)
    patch.setattr(event_loop, "VIDEO_QUEUE_SECONDS", 3600.0)
    patch.setattr(fake, "LATE_US", 3600 * MICROSECONDS)


def record(path: Path, seconds: int, frame_rate: int, camera: dict[str, Any], microphone: dict[str, Any]) -> Recording:
    """Record a camera of 64×48 and a microphone; the arguments say what else they are."""
    with pytest.MonkeyPatch.context() as patch:
        nothing_comes_late(patch)
        return _record(path, seconds, frame_rate, camera, microphone)


def _record(path: Path, seconds: int, frame_rate: int, camera: dict[str, Any], microphone: dict[str, Any]) -> Recording:
    clock = ManualClock()
    described = [
        {"kind": "videoinput", "modes": [{"width": 64, "height": 48, "frameRate": frame_rate}], **camera},
        {"kind": "audioinput", "sampleRates": [RATE], **microphone},
    ]
    memory = []
    with mscli.MediaDevices(backends=[mscli.FakeBackend({"devices": described}, clock=clock)], tasks=EventLoop()) as devices:
        stream = devices.get_user_media({"audio": True, "video": True})
        recorder = mscli.MediaRecorder(stream, file=str(path), row=SINKS[path.suffix[1:]])
        recorder.start()
        running = recorder.recording
        assert running is not None, "it was started"
        for second in range(seconds):
            clock.run(1, sources=2)
            while _waits(running):
                assert not recorder.join(0.001), running.error
            if second in (seconds // 10, seconds - 1):
                memory.append(heap_bytes())
        recorder.stop()
        assert recorder.join(TIMEOUT_S)
    assert running.error is None
    parts = {
        track.kind: Part(counts, dropped, track.lost)
        for track, counts, dropped in zip(running.tracks, running.counts, running.dropped, strict=True)
    }
    return Recording(path, parts["audio"], parts["video"], memory[-1] - memory[0])


def _waits(running: recording.Recording) -> bool:
    """Whether a frame waits for the recorder."""
    (group,) = running.groups
    with group._event_loop.changed:
        return any(queue.head() for queue in group._queues)


def offsets(path: Path, shown: list[Picture], start: float, end: float) -> Iterator[float]:
    """For each flash between two seconds of the file, how far the nearest beep is from it (seconds)."""
    heard = [start + at for at in beeps(sound(path, RATE, start, end), RATE)]
    for picture in shown:
        if start + 0.5 < picture.time < end - 0.5 and picture.flash:
            yield min((picture.time - at for at in heard), key=abs)
