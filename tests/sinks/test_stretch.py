"""Sound whose clock runs wrong, as it stands in the file: in its place, without clicks, and untouched where the clock is right.

Read back by sox and looked at with numpy: what a tone of 1 kHz becomes is all there is to hear.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import numpy.typing as npt
import pytest

from mscli.core.frames import AudioData
from mscli.encode.options import Series, SinkOptions, TrackFormat
from mscli.sinks import SINKS, load_sink
from tests.sinks.synth import T0, feed_and_close, opened, run

RATE, HZ, BLOCK = 48_000, 1000, 480
LEVEL = 12_000
TYPES = {"u8": (np.uint8, 90, 128), "s16": (np.int16, LEVEL, 0), "s32": (np.int32, LEVEL << 16, 0), "f32": (np.float32, 0.4, 0)}

Samples = npt.NDArray[np.float64]


def tone(ppm: float, seconds: float, kind: str = "s16", channels: int = 1, jitter_us: int = 0) -> Iterator[AudioData]:
    """What a microphone whose clock is ``ppm`` millionths fast makes of a true 1 kHz."""
    true_rate, chance = RATE * (1 + ppm / 1_000_000), Random(5)
    dtype, level, zero = TYPES[kind]
    wave = zero + level * np.sin(2 * np.pi * HZ * np.arange(round(seconds * true_rate)) / true_rate)
    data = np.repeat(wave.round(0 if kind != "f32" else 9).astype(dtype)[:, None], channels, axis=1)
    for start in range(0, len(data) - BLOCK, BLOCK):
        at_us = T0 + start / true_rate * 1_000_000 + (chance.uniform(-jitter_us, jitter_us) if start else 0)
        block = memoryview(data[start : start + BLOCK].tobytes())
        yield AudioData(kind, RATE, BLOCK, channels, round(at_us), block, start)


def recorded(path: Path, blocks: Iterator[AudioData]) -> tuple[Samples, dict[str, int]]:
    """The first channel of the file, and what the report says."""
    sink = opened(SINKS["wav"], str(path))
    feed_and_close(sink, [(0, block) for block in blocks])
    return samples_of(path), dict(sink.corrections(0))


def samples_of(path: Path) -> Samples:
    """The first channel of a file as sox reads it, in units of 16 bits."""
    data = run("sox", path, "-e", "signed", "-b", "16", "-t", "raw", "-", "remix", "1")
    return np.frombuffer(data, np.int16).astype(float)


def beside_the_tone_db(samples: Samples) -> float:
    """The energy of all that is not the tone, against the tone's."""
    spectrum = np.abs(np.fft.rfft(samples * np.blackman(len(samples)))) ** 2
    is_tone = np.abs(np.fft.rfftfreq(len(samples), 1 / RATE) - HZ) < 20
    return float(10 * np.log10(spectrum[~is_tone].sum() / spectrum[is_tone].sum()))


def loudest_click_db(samples: Samples) -> float:
    """The largest deviation of a sample from what the two before it say of a tone, against the tone."""
    expected = 2 * np.cos(2 * np.pi * HZ / RATE) * samples[1:-1] - samples[:-2]
    return float(20 * np.log10(np.abs(samples[2:] - expected).max() / LEVEL))


def off_ms(samples: Samples) -> Samples:
    """For each tenth of a second, by how much the tone is too late."""
    turned = samples * np.exp(-2j * np.pi * HZ * np.arange(len(samples)) / RATE)
    phase = np.unwrap(np.angle(turned[: len(samples) // 4800 * 4800].reshape(-1, 4800).sum(axis=1)))
    late: Samples = -(phase - phase[0]) / (2 * np.pi * HZ) * 1000
    return late


@pytest.mark.parametrize("jitter_us", [0, 5000])
@pytest.mark.parametrize("ppm", [-1000, -200, 200, 1000])
def test_drift_is_corrected_without_a_click(ppm: int, jitter_us: int, tmp_path: Path) -> None:
    samples, corrections = recorded(tmp_path / "a.wav", tone(ppm, 60, jitter_us=jitter_us))
    assert corrections.keys() == {"driftPpm"}
    assert corrections["driftPpm"] == pytest.approx(ppm, abs=5)
    parts = [samples[second * RATE : (second + 10) * RATE] for second in range(0, 50, 5)]
    assert max(map(beside_the_tone_db, parts)) < -80
    assert loudest_click_db(samples[: -RATE // 10]) < -65
    off = off_ms(samples)
    assert np.abs(off).max() < 12
    assert np.abs(off[-60:]).max() < 2
    assert abs(len(samples) - 60 * RATE) < 2 * BLOCK


def test_a_click_would_be_seen() -> None:
    samples = LEVEL * np.sin(2 * np.pi * HZ * np.arange(10 * RATE) / RATE)
    assert loudest_click_db(samples) < -200
    assert loudest_click_db(np.delete(samples, 240_010)) > -30
    assert beside_the_tone_db(np.delete(samples, 240_010)) > -60


def test_a_clock_that_is_right_leaves_every_bit(tmp_path: Path) -> None:
    blocks = list(tone(0, 40, jitter_us=5000))
    samples, corrections = recorded(tmp_path / "a.wav", iter(blocks))
    assert corrections.keys() <= {"driftPpm"}
    assert samples.astype(np.int16).tobytes() == b"".join(block.data for block in blocks)


def test_a_gap_while_drift_is_corrected_is_silence_and_the_rest_stays_in_place(tmp_path: Path) -> None:
    blocks = [block for index, block in enumerate(tone(200, 60)) if not 4000 <= index < 4100]
    samples, corrections = recorded(tmp_path / "a.wav", iter(blocks))
    silent = np.flatnonzero(np.convolve(np.abs(samples) < 1, np.ones(480), "valid") >= 480)
    assert silent[0] / RATE == pytest.approx(40, abs=0.01)
    assert (silent[-1] + 480) / RATE == pytest.approx(41, abs=0.01)
    assert corrections["silence"] == pytest.approx(RATE, abs=20)
    whole = tone(200, 60)
    expected, _ = recorded(tmp_path / "b.wav", whole)
    assert np.abs(off_ms(samples)[-100:] - off_ms(expected)[-100:]).max() < 0.5
    assert abs(len(samples) - len(expected)) < 10


@pytest.mark.parametrize("ppm", [-1000, 1000])
def test_sound_is_corrected_across_files_without_a_seam(ppm: int, tmp_path: Path) -> None:
    sink = load_sink(SINKS["wav"], str(tmp_path / "a-%d.wav"), SinkOptions(series=Series(duration_s=7)))
    sink.open([TrackFormat("audio", {})])
    feed_and_close(sink, [(0, block) for block in tone(ppm, 30)])
    files = sink.files
    whole, _ = recorded(tmp_path / "whole.wav", tone(ppm, 30))
    assert [round(len(samples_of(Path(name))) / RATE) for name in files] == [7, 7, 7, 7, 2]
    assert np.array_equal(np.concatenate([samples_of(Path(name)) for name in files]), whole)


@pytest.mark.parametrize("channels", [1, 2, 6, 9])
@pytest.mark.parametrize("kind", TYPES)
def test_sound_of_every_shape_is_corrected(kind: str, channels: int, tmp_path: Path) -> None:
    samples, corrections = recorded(tmp_path / "a.wav", tone(1000, 15, kind, channels))
    assert corrections == {"driftPpm": 1000}
    assert abs(off_ms(samples)[-1]) < 8
    assert beside_the_tone_db(samples[12 * RATE : 14 * RATE]) < (-40 if kind == "u8" else -80)
