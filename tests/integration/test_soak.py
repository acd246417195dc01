"""Twenty minutes of the fake devices: memory stays flat, and picture and sound together.

The microphone's clock is 200 millionths off, a quarter of a second in that time, and its blocks' times jitter.
"""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import require
from tests.integration.hurried import HEAP_TELLS, Recording, offsets, record
from tests.pattern import pictures

SECONDS, FRAMES_PER_SECOND = 1200, 10


def streams(path: Path) -> dict[str, dict[str, Any]]:
    """What ffprobe says of each kind of stream, its packets counted, and of the file."""
    command = ["ffprobe", "-v", "error", "-count_packets", "-show_streams", "-show_format", "-of", "json", str(path)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return {stream["codec_type"]: stream for stream in found["streams"]} | {"format": found["format"]}


def record_alone(path: Path, microphone: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Recording:
    """Record in a process of its own, where Python's objects are counted with all that malloc gives."""
    monkeypatch.setenv("PYTHONMALLOC", "malloc")
    with ProcessPoolExecutor(1, get_context("spawn")) as alone:
        return alone.submit(record, path, SECONDS, FRAMES_PER_SECOND, {}, microphone).result()


# By how much the memory in use grows differs from run to run by some 10 bytes a second. Matroska's index takes 110 of them, and
# MP4's, with the place of each packet, 4480: these bounds lie in the middle between that and a leak of 1 kB a second beside it.
@pytest.mark.timeout(300)
@pytest.mark.skipif(not HEAP_TELLS, reason="only glibc tells how much memory is in use")
@pytest.mark.parametrize(("suffix", "ppm", "bytes_per_second"), [("mkv", 200, 600), ("mp4", -200, 5000)], ids=["mkv", "mp4"])
def test_twenty_minutes_take_no_more_memory_and_stay_in_sync(
    suffix: str, ppm: int, bytes_per_second: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require("ffmpeg", "ffprobe")
    microphone = {"clockDriftPpm": ppm, "faults": {"jitterMs": 4}}
    path, audio, video, growth = record_alone(tmp_path / f"a.{suffix}", microphone, monkeypatch)
    assert growth / (0.9 * SECONDS) < bytes_per_second

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
