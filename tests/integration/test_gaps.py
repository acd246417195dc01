"""Devices that lose, stall, jitter and drift at once: whatever is missing, everything else stays in its place."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conftest import require
from tests.integration.hurried import RATE, offsets, record
from tests.pattern import pictures, sound

SECONDS, FRAMES_PER_SECOND = 12, 30


class Case(NamedTuple):
    """Faults of the two devices, the seconds of silence that they make, and how long a picture stands at most."""

    camera: dict[str, Any]
    microphone: dict[str, Any]
    silence_s: float
    longest_s: float = 1 / 30


CASES = {
    "nothing": Case({}, {}, 0),
    "the microphone stalls for 30 ms": Case({}, {"stallAfterFrames": 250, "stallSeconds": 0.03}, 0.03),
    "the microphone stalls for 60 ms": Case({}, {"stallAfterFrames": 250, "stallSeconds": 0.06}, 0.06),
    "it stalls for 20 ms, with jitter": Case({}, {"stallAfterFrames": 250, "stallSeconds": 0.02, "jitterMs": 2}, 0.02),
    "the microphone stalls for 3 s": Case({}, {"stallAfterFrames": 250, "stallSeconds": 3}, 3),
    "blocks are lost": Case({}, {"dropEvery": 7}, 12 / 7),
    "blocks are lost, with jitter": Case({}, {"dropEvery": 7, "jitterMs": 4}, 12 / 7),
    "the camera stalls": Case({"stallAfterFrames": 100, "stallSeconds": 2.5}, {}, 0, 2.5 + 1 / 30),
    "pictures are lost": Case({"dropEvery": 3}, {}, 0, 2 / 30),
    "both stall": Case({"stallAfterFrames": 90, "stallSeconds": 1}, {"stallAfterFrames": 250, "stallSeconds": 2}, 2, 31 / 30),
}  # fmt: skip


@pytest.mark.parametrize(("suffix", "ppm"), [("mp4", 1000), ("webm", 0)], ids=["mp4", "webm"])
@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_what_is_missing_is_counted_and_the_rest_stays_in_place(case: Case, suffix: str, ppm: int, tmp_path: Path) -> None:
    require("ffmpeg", "ffprobe")
    microphone = {"clockDriftPpm": ppm, "faults": case.microphone}
    recording = record(tmp_path / f"a.{suffix}", SECONDS, FRAMES_PER_SECOND, {"faults": case.camera}, microphone)
    audio, video = recording.audio, recording.video
    assert audio.counts.silence / RATE == pytest.approx(case.silence_s, abs=0.015 + case.silence_s * 0.01)  # starts later
    assert (audio.dropped, video.dropped, audio.counts.skipped) == (0, 0, 0)
    assert (audio.counts.frames + audio.lost) / RATE == pytest.approx(SECONDS, abs=0.03)
    assert video.counts.frames + video.lost == pytest.approx(SECONDS * FRAMES_PER_SECOND, abs=2)

    shown, heard = pictures(recording.path), sound(recording.path, RATE)
    assert len(heard) / RATE == pytest.approx(SECONDS, abs=0.1)
    beside = [off for off in offsets(recording.path, shown, 0, SECONDS) if abs(off) < 0.5]  # no beep is heard in a stall
    assert len(beside) >= SECONDS - 2 - case.silence_s - case.longest_s
    assert max(map(abs, beside)) < 0.02

    assert len(shown) == video.counts.frames + video.counts.duplicated
    longest_s = max(later.time - earlier.time for earlier, later in pairwise(shown))
    assert longest_s == pytest.approx(case.longest_s, abs=0.002) or video.counts.duplicated
