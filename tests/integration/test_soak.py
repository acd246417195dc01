"""Twenty minutes of the fake devices: memory stays flat, and picture and sound together.

The microphone's clock is 200 millionths off, a quarter of a second in that time, and its blocks' times jitter.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conftest import require
from tests.heap import HEAP_TELLS
from tests.integration.hurried import Recording, offsets, record
from tests.pattern import pictures

SECONDS, FRAMES_PER_SECOND = 1200, 10


def streams(path: Path) -> dict[str, dict[str, Any]]:
    """What ffprobe says of each kind of stream, its packets counted, and of the file."""
    command = ["ffprobe", "-v", "error", "-count_packets", "-show_streams", "-show_format", "-of", "json", str(path)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return {stream["codec_type"]: stream for stream in found["streams"]} | {"format": found["format"]}


class Case(NamedTuple):
    """A file's suffix, how far the microphone's clock is off, and the bound of what memory in use grows by."""

    suffix: str
    ppm: int
    bytes_per_second: int


# By how much the memory in use grows differs from run to run by some 10 bytes a second. Matroska's index takes 110 of them, and
# MP4's, with the place of each packet, 4480: these bounds lie in the middle between that and a leak of 1 kB a second beside it.
CASES = (Case("mkv", 200, 600), Case("mp4", -200, 5000))


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Case, Future[Recording]]]:
    """Made at the same time, each in a process of its own, where Python's objects are counted with all that malloc gives."""
    folder = tmp_path_factory.mktemp("soak")
    with pytest.MonkeyPatch.context() as patch, ProcessPoolExecutor(len(CASES), get_context("spawn")) as alone:
        patch.setenv("PYTHONMALLOC", "malloc")
        yield {case: alone.submit(record, *arguments(folder, case)) for case in CASES}


def arguments(folder: Path, case: Case) -> tuple[Path, int, int, dict[str, Any], dict[str, Any]]:
    microphone = {"clockDriftPpm": case.ppm, "faults": {"jitterMs": 4}}
    return folder / f"a.{case.suffix}", SECONDS, FRAMES_PER_SECOND, {}, microphone


@pytest.mark.timeout(900)  # of real work: a busy machine takes minutes
@pytest.mark.skipif(not HEAP_TELLS, reason="only glibc tells how much memory is in use")
@pytest.mark.parametrize("case", CASES, ids=[case.suffix for case in CASES])
def test_twenty_minutes_take_no_more_memory_and_stay_in_sync(case: Case, recordings: dict[Case, Future[Recording]]) -> None:
    require("ffmpeg", "ffprobe")
    path, audio, video, growth = recordings[case].result()
    assert growth / (0.9 * SECONDS) < case.bytes_per_second

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
    assert audio.counts.drift_ppm == pytest.approx(case.ppm, abs=5)
