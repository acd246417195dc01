"""Twenty minutes of the fake devices, on a clock that runs as fast as the recorder takes the frames.

The microphone's clock is 200 millionths off, a quarter of a second in that time, and its blocks' times jitter.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import mscli
from mscli.core.mailbox import Mailbox
from mscli.sinks import SINKS
from tests.backends.rig import ManualClock
from tests.conftest import require
from tests.pattern import Picture, beeps, pictures, sound

SECONDS, FRAMES_PER_SECOND, RATE = 1200, 10, 48_000
LONG = pytest.mark.timeout(300)


class Run(NamedTuple):
    """A recording that was made, and the memory of the process (bytes) after each second of it."""

    path: Path
    recorder: mscli.MediaRecorder
    memory: list[int]


def record(path: Path, ppm: float) -> Run:
    """Record with a microphone whose clock is that wrong."""
    clock = ManualClock()
    camera = {"kind": "videoinput", "modes": [{"width": 64, "height": 48, "frameRate": FRAMES_PER_SECOND}]}
    microphone = {"kind": "audioinput", "sampleRates": [RATE], "clockDriftPpm": ppm, "faults": {"jitterMs": 4}}
    backend = mscli.FakeBackend({"devices": [camera, microphone]}, clock=clock)
    memory = []
    with mscli.MediaDevices(backends=[backend], tasks=Mailbox()) as devices:
        stream = devices.get_user_media({"audio": True, "video": True})
        recorder = mscli.MediaRecorder(stream, file=str(path), row=SINKS[path.suffix[1:]])
        recorder.start()
        for second in range(SECONDS):
            clock.run(1, sources=2)
            while min(counts.frames for counts in recorder.counts) < FRAMES_PER_SECOND * second:
                assert not recorder.join(0.001), recorder.error
            memory.append(int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
        recorder.stop()
        assert recorder.join(20)
    assert recorder.error is None
    return Run(path, recorder, memory)


def offsets(path: Path, shown: list[Picture], start: float, end: float) -> Iterator[float]:
    """For each flash between two seconds of the file, how far the nearest beep is from it (seconds)."""
    heard = [start + at for at in beeps(sound(path, RATE, start, end), RATE)]
    for picture in shown:
        if start + 1 < picture.time < end - 1 and picture.flash:
            yield min((picture.time - at for at in heard), key=abs)


def streams(path: Path) -> dict[str, dict[str, Any]]:
    """What ffprobe says of each kind of stream, its packets counted."""
    command = ["ffprobe", "-v", "error", "-count_packets", "-show_streams", "-show_format", "-of", "json", str(path)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return {stream["codec_type"]: stream for stream in found["streams"]} | {"format": found["format"]}


@LONG
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize(("suffix", "ppm", "growth_mb"), [("mkv", 200, 1), ("mp4", -200, 8)], ids=["mkv", "mp4"])
def test_twenty_minutes_take_no_more_memory_and_stay_in_sync(suffix: str, ppm: int, growth_mb: float, tmp_path: Path) -> None:
    require("ffmpeg", "ffprobe")
    path, recorder, memory = record(tmp_path / f"a.{suffix}", ppm)
    assert max(memory) - memory[SECONDS // 10] < growth_mb * 1e6, "an MP4's own index grows, 15 MB in an hour; nothing else"

    found = streams(path)
    assert int(found["video"]["nb_read_packets"]) == SECONDS * FRAMES_PER_SECOND
    assert float(found["format"]["duration"]) == pytest.approx(SECONDS, abs=0.2)
    shown = pictures(path)
    assert [round((picture.time - shown[0].time) * FRAMES_PER_SECOND, 1) for picture in shown] == list(range(len(shown)))
    for start, end in ((0, 30), (SECONDS / 2, SECONDS / 2 + 10), (SECONDS - 30, SECONDS)):
        beside = list(offsets(path, shown, start, end))
        assert len(beside) >= end - start - 3
        assert max(map(abs, beside)) < 0.02

    audio, video = sorted(zip(recorder.tracks, recorder.counts, recorder.dropped, strict=True), key=lambda one: one[0].kind)
    assert (audio[2], video[2], audio[0].lost, video[0].lost) == (0, 0, 0, 0)
    assert (audio[1].silence, audio[1].skipped) == (0, 0)
    assert audio[1].drift_ppm == pytest.approx(ppm, abs=5)
