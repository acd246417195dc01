"""Twenty minutes of the fake devices: memory stays flat, and picture and sound together.

The microphone's clock is 200 millionths off, a quarter of a second in that time, and its blocks' times jitter.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import require
from tests.integration.hurried import STATM, offsets, record
from tests.pattern import pictures

SECONDS, FRAMES_PER_SECOND = 1200, 10


def streams(path: Path) -> dict[str, dict[str, Any]]:
    """What ffprobe says of each kind of stream, its packets counted, and of the file."""
    command = ["ffprobe", "-v", "error", "-count_packets", "-show_streams", "-show_format", "-of", "json", str(path)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return {stream["codec_type"]: stream for stream in found["streams"]} | {"format": found["format"]}


@pytest.mark.timeout(300)
@pytest.mark.skipif(not STATM.exists(), reason="memory is read from /proc")
@pytest.mark.parametrize(("suffix", "ppm", "growth_mb"), [("mkv", 200, 1), ("mp4", -200, 8)], ids=["mkv", "mp4"])
def test_twenty_minutes_take_no_more_memory_and_stay_in_sync(suffix: str, ppm: int, growth_mb: float, tmp_path: Path) -> None:
    require("ffmpeg", "ffprobe")
    microphone = {"clockDriftPpm": ppm, "faults": {"jitterMs": 4}}
    path, audio, video, memory = record(tmp_path / f"a.{suffix}", SECONDS, FRAMES_PER_SECOND, {}, microphone)
    begun, half = memory[SECONDS // 10], memory[SECONDS // 2]
    assert max(memory) - begun < 16e6
    assert min(half - begun, memory[-1] - half) < growth_mb * 1e6 / 2, (
        "an MP4's own index grows, 15 MB in an hour; nothing else"
    )

    found = streams(path)
    assert int(found["video"]["nb_read_packets"]) == SECONDS * FRAMES_PER_SECOND
    assert float(found["format"]["duration"]) == pytest.approx(SECONDS, abs=0.2)
    shown = pictures(path)
    assert [round((picture.time - shown[0].time) * FRAMES_PER_SECOND, 1) for picture in shown] == list(range(len(shown)))
    for start, end in ((0, 30), (SECONDS / 2, SECONDS / 2 + 10), (SECONDS - 30, SECONDS)):
        beside = list(offsets(path, shown, start, end))
        assert len(beside) >= end - start - 2
        assert max(map(abs, beside)) < 0.01

    assert (audio.dropped, video.dropped, audio.lost, video.lost) == (0, 0, 0, 0)
    assert (audio.counts.silence, audio.counts.skipped) == (0, 0)
    assert audio.counts.drift_ppm == pytest.approx(ppm, abs=5)
