"""Sound at other rates and with other channels: heard with sox, its times and gaps kept."""

from __future__ import annotations

import math
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import av
import pytest

from mscli.core.frames import AudioData
from mscli.media import load_sound_converter
from tests.conftest import require
from tests.sinks.synth import T0

TONE_HZ = 1000
BLOCK_S = 0.01


def tone(
    rate: int, seconds: float, channels: int = 1, start: int = 0, loud: tuple[float, ...] = (0.5, 0.5)
) -> Iterator[AudioData]:
    """Blocks of 10 ms of a tone, from sample ``start`` on."""
    samples = round(rate * BLOCK_S)
    for at in range(start, start + round(rate * seconds), samples):
        values = [
            round(loud[channel] * 32767 * math.sin(2 * math.pi * TONE_HZ * n / rate))
            for n in range(at, at + samples)
            for channel in range(channels)
        ]
        data = memoryview(struct.pack(f"{len(values)}h", *values))
        yield AudioData("s16", rate, samples, channels, T0 + at * 1_000_000 // rate, data, at)


def converted(blocks: Iterator[AudioData], rate: int, channels: int) -> list[AudioData]:
    """What comes out of a converter."""
    convert = load_sound_converter(rate, channels)
    return [block for block in map(convert, blocks) if block is not None]


def heard(folder: Path, blocks: list[AudioData], *effect: str) -> float:
    """The RMS amplitude of what sox hears behind an effect, beside the ends."""
    raw = folder / "sound.raw"
    raw.write_bytes(b"".join(block.data for block in blocks))
    form = ["-t", "raw", "-r", str(blocks[0].sample_rate), "-e", "signed", "-b", "16", "-c", str(blocks[0].number_of_channels)]
    command = ["sox", *form, str(raw), "-n", *effect, "trim", "0.2", "0.6", "stat"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    return float(next(line for line in told.splitlines() if line.startswith("RMS     amplitude")).split()[-1])


@pytest.mark.parametrize(("native", "wanted"), [(44100, 16000), (48000, 44100), (16000, 48000), (48000, 8000), (44100, 192000)])
def test_a_tone_stays_the_same_tone_at_every_rate(tmp_path: Path, native: int, wanted: int) -> None:
    require("sox")
    blocks = converted(tone(native, 1), wanted, 1)
    assert {block.sample_rate for block in blocks} == {wanted}
    assert heard(tmp_path, blocks) == pytest.approx(0.5 / math.sqrt(2), rel=0.01)
    assert heard(tmp_path, blocks, "bandreject", str(TONE_HZ), "200h", "bandreject", str(TONE_HZ), "200h") < 0.001


@pytest.mark.parametrize(("native", "wanted"), [(44100, 16000), (48000, 44100), (16000, 48000)])
def test_times_stay_those_of_the_capture(native: int, wanted: int) -> None:
    blocks = converted(tone(native, 1), wanted, 1)
    for block in blocks:
        due_us = T0 + block.sequence * 1_000_000 // wanted
        assert abs(block.timestamp - due_us) <= 2
    counted = [0, *(block.sequence + block.number_of_frames for block in blocks)]
    assert [block.sequence for block in blocks] == counted[:-1]
    assert counted[-1] / wanted == pytest.approx(1, abs=0.002)


def test_a_gap_stays_a_gap() -> None:
    before, after = tone(48000, 0.2), tone(48000, 0.2, start=24000)
    blocks = converted(iter([*before, *after]), 16000, 1)
    late = [block for block in blocks if block.timestamp >= T0 + 400_000]
    assert late[0].timestamp == T0 + 500_000
    assert late[0].sequence == 8000
    assert len({block.sequence for block in blocks}) == len(blocks)


def test_gaps_do_not_make_the_resampler_compute_its_filter_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    real = av.AudioResampler

    def make(*shape: Any) -> av.AudioResampler:
        made.append(shape)
        return real(*shape)

    monkeypatch.setattr("av.AudioResampler", make)
    convert = load_sound_converter(12345, 1, native=(48000, 1, 16))
    assert len(made) == 1
    blocks = [block for start in range(0, 96_000, 9600) for block in tone(48000, 0.1, start=start) if convert(block)]
    assert len(made) == 1
    assert blocks


@pytest.mark.parametrize("native", [None, (48000, 1, 16)])
def test_a_resampler_that_is_ready_before_the_first_block_changes_no_sound(native: tuple[int, int, int] | None) -> None:
    convert = load_sound_converter(16000, 1, native=native)
    blocks = [block for block in map(convert, tone(48000, 0.5)) if block is not None]
    assert blocks[0].sequence == 0
    assert blocks[0].timestamp == T0
    values = b"".join(block.data for block in blocks)
    heard = struct.unpack(f"{len(values) // 2}h", values)
    wanted = [0.5 * 32767 * math.sin(2 * math.pi * TONE_HZ * n / 16000) for n in range(len(heard))]
    assert max(abs(a - b) for a, b in list(zip(heard, wanted, strict=True))[100:]) < 400


def test_channels_are_mixed_down_evenly_and_one_fills_two(tmp_path: Path) -> None:
    require("sox")
    mono = converted(tone(48000, 1, channels=2, loud=(0.6, 0.2)), 48000, 1)
    assert heard(tmp_path, mono) == pytest.approx(0.4 / math.sqrt(2), rel=0.01)
    stereo = converted(tone(48000, 1), 48000, 2)
    assert {block.number_of_channels for block in stereo} == {2}
    left, right = heard(tmp_path, stereo, "remix", "1"), heard(tmp_path, stereo, "remix", "2")
    assert left == right == pytest.approx(0.5 / math.sqrt(2), rel=0.01)


@pytest.mark.parametrize(
    ("bits", "name", "full"), [(8, "u8", 128), (16, "s16", 2**15), (24, "s32", 2**31), (None, "s16", 2**15)]
)
def test_samples_get_the_size_that_is_asked_for(bits: int | None, name: str, full: int) -> None:
    convert = load_sound_converter(48000, 1, bits)
    blocks = [block for block in map(convert, tone(48000, 1)) if block is not None]
    assert {block.format for block in blocks} == {name}
    units: dict[str, Literal["B", "h", "i"]] = {"u8": "B", "s16": "h", "s32": "i"}
    samples = [sample for block in blocks for sample in memoryview(block.data).cast("B").cast(units[name])]
    assert (max(samples) - min(samples)) / 2 == pytest.approx(0.5 * full, rel=0.02)
    assert len(samples) == sum(block.number_of_frames for block in blocks) == 48000


def test_channels_that_stand_for_no_loudspeakers_are_all_heard_in_one() -> None:
    convert = load_sound_converter(48000, 1, native=(48000, 4, 16))
    loud = struct.pack("4h", 0, 0, 0, 8000) * 480  # on the last of four alone
    blocks = [AudioData("s16", 48000, 480, 4, T0 + n * 10_000, memoryview(loud), n * 480) for n in range(20)]
    mixed = [block for block in map(convert, blocks) if block is not None]
    assert {block.number_of_channels for block in mixed} == {1}
    assert set(mixed[-1].data.cast("h")) == {2000}


def test_a_layout_is_kept_at_another_rate() -> None:
    convert = load_sound_converter(24000, 6)
    blocks = [
        AudioData("s16", 48000, 480, 6, T0 + n * 10_000, memoryview(bytes(5760)), n * 480, layout="5.1") for n in range(5)
    ]
    assert {block.layout for block in map(convert, blocks) if block is not None} == {"5.1"}
