"""The level of an audio block."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest

from mscli.cli.status import Meter
from mscli.core.frames import AudioData
from mscli.core.level import CLIPPED, FLOOR_DB, decibels, peak
from tests.unit.stage import Stage, microphone, push, silent


def block(name: str, code: str, *samples: float, channels: int = 1) -> AudioData:
    data = memoryview(struct.pack(f"={len(samples)}{code}", *samples))
    return AudioData(name, 48_000, len(samples) // channels, channels, 0, data)


@pytest.mark.parametrize(
    ("sound", "level"),
    [
        (block("s16", "h", 0, 8192, -16384, 5), 0.5),
        (block("s16", "h", 0, 8192, -5, 5), 0.25),
        (block("s16", "h", 0, -32768), 1.0),
        (block("u8", "B", 128, 192, 128), 0.5),
        (block("u8", "B", 128, 0, 128), 1.0),
        (block("s32", "i", 1 << 29, -1), 0.25),
        (block("f32", "f", 0.125, -0.75), 0.75),
        (block("s16", "h", 0, 0, 0, 16384, channels=2), 0.5),
        (block("s16", "h"), 0.0),
    ],
)
def test_the_peak_is_the_largest_sample_of_any_channel(sound: AudioData, level: float) -> None:
    assert peak(sound) == pytest.approx(level)


def test_a_sample_at_full_scale_is_clipped_and_one_below_is_not() -> None:
    assert peak(block("s16", "h", 32767)) >= CLIPPED > peak(block("s16", "h", 32766))
    assert peak(block("s32", "i", 0x7FFFFF00)) >= CLIPPED  # 24 bits in 32


def test_decibels_are_of_full_scale_and_end_at_the_floor() -> None:
    assert [decibels(level) for level in (1.0, 0.0, 1e-9)] == [0.0, FLOOR_DB, FLOOR_DB]
    assert decibels(0.5) == pytest.approx(-6.02, abs=0.01)


def test_a_meter_tells_the_peak_since_it_was_read(stage: Callable[..., Stage]) -> None:
    here = stage(silent(microphone()))
    track: Any = here.track("audio")
    meter = Meter([track])
    push(track, block("s16", "h", 8192), block("s16", "h", -16384), block("s16", "h", 5))
    assert (meter.read(), meter.read()) == (0.5, None)
    meter.close()
    push(track, block("s16", "h", 8192))
    assert meter.read() is None
