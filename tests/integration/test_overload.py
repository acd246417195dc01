"""An encoder that cannot keep up: a real one, asked for more than any machine can do while the camera runs."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

import mscli
from mscli.core.mailbox import OVERLOAD_SECONDS, VIDEO_LANE_SECONDS, Mailbox
from mscli.sinks import SINKS, tuning
from mscli.sinks.base import SinkOptions
from tests.conftest import Program, require
from tests.integration.running import frame_numbers, start
from tests.pattern import pictures, read_code, sound

RATE = 48_000
FRAME_S = 1 / 60
SLOW = {"preset": "veryslow", "x265-params": "log-level=error:pools=1:frame-threads=1:bframes=0:rc-lookahead=2"}
IN_ENCODER = 10  # pictures that it holds at most
LAST_S = 1.0  # what may be lost of any recording that is killed
PATIENCE_S = 100.0


@pytest.fixture
def slow_encoder(monkeypatch: pytest.MonkeyPatch) -> SinkOptions:
    """HEVC at nearly its slowest, on one core: some 15 pictures of 640×480 in a second."""
    monkeypatch.setitem(tuning.ENCODERS, "libx265", tuning.ENCODERS["libx265"]._replace(options=SLOW))
    return SinkOptions(video_codec="hevc")


@pytest.fixture
def stream() -> Iterator[mscli.MediaStream]:
    """Fake camera and microphone."""
    with mscli.MediaDevices(backends=[mscli.FakeBackend({})], tasks=Mailbox()) as devices:
        yield devices.get_user_media({"audio": {"sampleRate": RATE}, "video": {"width": 640, "frameRate": {"exact": 60}}})


def resident_mb() -> float:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.timeout(200)
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_an_overload_costs_whole_pictures_and_no_sound(
    stream: mscli.MediaStream, slow_encoder: SinkOptions, tmp_path: Path
) -> None:
    require("ffmpeg", "ffprobe")
    path = tmp_path / "a.mkv"
    recorder = mscli.MediaRecorder(stream, file=str(path), row=SINKS["mkv"], sink_options=slow_encoder)
    began = time.process_time()
    recorder.start()
    recording = recorder.recording
    assert recording is not None, "it was started"
    memory = []
    for seconds in (4, 4):
        assert not recorder.join(0), "it records"
        time.sleep(seconds)  # a camera's time cannot be hurried here
        memory.append(resident_mb())
    audio, video = (next(i for i, track in enumerate(recording.tracks) if track.kind == kind) for kind in ("audio", "video"))
    stopped = time.process_time()  # of this process alone: the machine may be busy with others
    picture_s = (stopped - began) / max(1, recording.counts[video].frames)
    recorder.stop()
    assert recorder.join(PATIENCE_S)
    assert time.process_time() - stopped < VIDEO_LANE_SECONDS + IN_ENCODER * picture_s + 1, "120 pictures waited"
    assert recording.error is None
    assert memory[1] - memory[0] < 20, "150 pictures more, of half a megabyte each, would wait without a bound"

    shown = pictures(path)
    codes = [read_code(picture.luma) for picture in shown]
    numbers = [code.number for code in codes if code]
    assert len(numbers) == len(codes) == recording.counts[video].frames
    missing = sum(later - earlier - 1 for earlier, later in pairwise(numbers))
    assert missing == recording.dropped[video] + recording.tracks[video].lost > 50
    for one, other in zip(shown, numbers, strict=True):
        assert one.time - shown[0].time == pytest.approx((other - numbers[0]) * FRAME_S, abs=0.002)

    assert (recording.dropped[audio], recording.counts[audio].skipped) == (0, 0)
    heard = recording.counts[audio].frames + recording.counts[audio].silence
    assert len(sound(path, RATE)) == pytest.approx(heard, abs=RATE // 20)
    assert recording.counts[audio].silence < RATE // 10
    assert heard / RATE == pytest.approx(8, abs=2)
    assert (numbers[-1] - numbers[0]) * FRAME_S == pytest.approx(heard / RATE, abs=1), "pictures come to the end"


@pytest.mark.timeout(60)
def test_a_killed_recording_lacks_little_more_than_what_its_overloaded_encoder_works_at(mscli: Program) -> None:
    require("ffmpeg", "ffprobe")
    camera = ("--fake-devices", "--size", "640x480", "--frame-rate", "60")
    running = start(mscli, *camera, "--video-codec", "hevc", "--preset", "veryslow", "out.mkv")
    running.run_for(12)
    age_s = running.send(signal.SIGKILL)
    running.process.communicate()
    numbers = frame_numbers(mscli.folder / "out.mkv")
    assert numbers[-1] + 1 - len(numbers) > 50, "it was overloaded"
    behind_s = age_s - (numbers[-1] + 1) * FRAME_S
    assert behind_s < OVERLOAD_SECONDS + IN_ENCODER * age_s / len(numbers) + LAST_S
