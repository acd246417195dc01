"""The line that tells how a recording goes."""

from __future__ import annotations

import pytest

from mscli.cli.status import Sound, describe, duration_text
from mscli.core.clock import now_us
from tests.unit.stage import MemorySink, Recording, picture, push

KEYS = "p pause  q stop"


@pytest.fixture
def seconds(recording: Recording) -> Recording:
    """A recording of three seconds."""
    recording.recorder.start()
    start = now_us() - 3_000_000
    push(recording.track, *(picture(start + n * 100_000) for n in range(31)))
    recording.stage.run_until(lambda: recording.run.counts[0].frames == 31)
    return recording


def line(recording: Recording, state: str = "recording", sound: Sound | None = None) -> str:
    return describe(recording.run, state, sound, KEYS).plain


def test_it_tells_time_size_rate_and_keys(seconds: Recording) -> None:
    assert line(seconds) == "● 0:03  31 B  10.2 frames/s  p pause  q stop"
    seconds.recorder.stop()
    seconds.finish()


def test_it_tells_of_a_pause_and_of_losses(seconds: Recording) -> None:
    seconds.track.live.on_lost(7)
    assert line(seconds, "paused") == "‖ 0:03 paused  31 B  10.2 frames/s  7 lost  p pause  q stop"
    seconds.recorder.stop()
    seconds.finish()


@pytest.mark.parametrize(
    ("sound", "shown"),
    [
        (Sound(0.0, 0.0), "············ -60 dB"),
        (Sound(0.0316, 0.5), "██████····▌· -6 dB"),
        (Sound(0.5, 0.5), "███████████· -6 dB"),
        (Sound(0.1, 1.0), "████████···▌ 0 dB  CLIP"),
    ],
)
def test_the_meter_shows_level_peak_and_clipping(seconds: Recording, sound: Sound, shown: str) -> None:
    assert f"frames/s  {shown}  p pause" in line(seconds, sound=sound)
    seconds.recorder.stop()
    seconds.finish()


def test_it_tells_for_how_long_the_disk_has_room(seconds: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemorySink, "free_bytes", 8_000_000)
    monkeypatch.setattr(MemorySink, "expected_bits_per_second", 16_000)
    assert "  1:06:40 left  " in line(seconds)
    first_us = seconds.run.counts[0].first_us or 0
    push(seconds.track, picture(first_us + 32_000_000 - 33_333))  # from now on at the rate so far: 32 bytes in 32 s
    seconds.stage.run_until(lambda: seconds.run.counts[0].frames == 32)
    assert "  2222:13:20 left  " in line(seconds)
    seconds.recorder.stop()
    seconds.finish()


@pytest.mark.parametrize(
    ("seconds_", "text"), [(0, "0:00"), (59.9, "0:59"), (3599, "59:59"), (3600, "1:00:00"), (90061, "25:01:01")]
)
def test_durations(seconds_: float, text: str) -> None:
    assert duration_text(seconds_) == text
