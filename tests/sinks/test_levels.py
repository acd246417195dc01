"""The levels of sound against what EBU Tech 3341 and ffmpeg's own report say, and what a recording reports of them."""

from __future__ import annotations

import json
import math
import re
import subprocess
from array import array
from pathlib import Path
from typing import Any

import pytest

from mscli.core.frames import AudioData, silence
from mscli.core.level import Levels, Silence
from mscli.media.levels import LevelMeter
from tests.cli.program import FakeMachine, microphone
from tests.conftest import require

RATE = 48_000
BLOCK = 960  # samples
FORMATS = {"s16": ("h", 2**15 - 1), "s32": ("i", 2**31 - 1), "f32": ("f", 1)}


def sine(db: float, seconds: float, channels: int = 2, form: str = "s16", hz: float = 1000) -> list[AudioData]:
    """A tone with this peak in all channels."""
    code, full = FORMATS[form]
    level = full * 10 ** (db / 20)
    values = (level * math.sin(2 * math.pi * hz * i / RATE) for i in range(RATE))
    second = array(code, (value if code == "f" else round(value) for value in values))
    return blocks((second * math.ceil(seconds))[: round(seconds * RATE)], channels, form)


def blocks(mono: array[Any], channels: int, form: str) -> list[AudioData]:
    """The samples in every channel, cut into blocks."""
    found = []
    for begin in range(0, len(mono), BLOCK):
        part = mono[begin : begin + BLOCK]
        data: array[Any] = array(mono.typecode, bytes(len(part) * part.itemsize * channels))
        for channel in range(channels):
            data[channel::channels] = part
        timestamp = begin * 1_000_000 // RATE
        found.append(AudioData(form, RATE, len(part), channels, timestamp, memoryview(data).cast("B"), begin))
    return found


def measured(sound: list[AudioData]) -> Levels:
    meter = LevelMeter()
    for block in sound:
        meter.note(block)
    assert meter.levels is not None
    return meter.levels


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("db", [-23.0, -33.0])
def test_a_stereo_tone_has_the_loudness_of_tech_3341(db: float, form: str) -> None:
    levels = measured(sine(db, 3, form=form))
    assert levels.integrated == pytest.approx(db, abs=0.1)  # the tolerance of its tests 1 and 2
    assert levels.momentary == pytest.approx(db, abs=0.1)
    assert levels.loudest == pytest.approx(db, abs=0.1)
    assert levels.true_peak == pytest.approx(db, abs=0.2)
    assert 20 * math.log10(levels.peak) == pytest.approx(db, abs=0.1)
    assert (levels.clipped, levels.silent_s) == (0, 0)


def test_quiet_parts_do_not_count_in_the_integrated_loudness() -> None:
    sound = [*sine(-36, 2), *sine(-23, 15), *sine(-36, 2)]  # as in test 3
    assert measured(sound).integrated == pytest.approx(-23, abs=0.1)


def test_a_peak_between_the_samples_is_found() -> None:
    """Test 15: a quarter of the sample rate, 45 degrees off, whose samples are 3 dB below its peak."""
    tone = (min(1, i / BLOCK) * math.sin(math.pi / 2 * i + math.pi / 4) for i in range(RATE))  # it must not begin suddenly
    mono = array("h", (round(32767 * 0.5 * value) for value in tone))
    levels = measured(blocks(mono, 2, "s16"))
    assert levels.true_peak == pytest.approx(-6, abs=0.4)
    assert 20 * math.log10(levels.peak) == pytest.approx(-9, abs=0.1)


def test_it_agrees_with_ffmpeg(tmp_path: Path) -> None:
    require("ffmpeg")
    sound = [*sine(-20, 1), *sine(-12, 1, hz=97), *sine(-40, 1, hz=5000)]
    (tmp_path / "a.raw").write_bytes(b"".join(block.data for block in sound))
    command = ["ffmpeg", "-nostdin", "-f", "s16le", "-ar", str(RATE), "-ac", "2", "-i", "a.raw", "-af", "ebur128=peak=true"]
    said = subprocess.run([*command, "-f", "null", "-"], cwd=tmp_path, check=True, capture_output=True).stderr.decode()
    summary = said[said.rindex("Summary:") :]
    integrated, peak = (float(re.findall(rf"{name}:\s+(\S+)", summary)[-1]) for name in ("I", "Peak"))
    levels = measured(sound)
    assert levels.integrated == pytest.approx(integrated, abs=0.06)
    assert levels.true_peak == pytest.approx(peak, abs=0.06)


def test_silence_has_no_loudness() -> None:
    sound = blocks(array("h", bytes(2 * RATE)), 1, "s16")
    assert measured(sound)._replace(silent_s=0) == Levels()
    assert measured(sound).to_json() == {
        "integrated": None, "momentaryMax": None, "truePeak": None, "samplePeak": None, "clipped": 0, "silent": 1.0,
    }  # fmt: skip


def test_what_replaces_missing_sound_is_not_measured() -> None:
    meter = LevelMeter()
    for block in sine(-20, 0.1):
        meter.note(silence(block))
    assert meter.levels is None


def test_samples_at_full_scale_are_counted() -> None:
    mono = array("h", [32767, -32768, 32766, 0] * 240)
    assert measured(blocks(mono, 2, "s16")).clipped == 960


def test_channels_without_loudspeakers_have_peaks_only_and_very_many_nothing() -> None:
    levels = measured(sine(-20, 1, channels=4))
    assert levels.integrated is levels.true_peak is None
    assert 20 * math.log10(levels.peak) == pytest.approx(-20, abs=0.1)
    meter = LevelMeter()
    assert meter.note(sine(-20, 0.02, channels=32)[0]) is None


def test_silence_lasts_from_the_last_sound_on() -> None:
    watch = Silence(-40)
    seen: list[tuple[bool, int]] = []
    for block in [*sine(-50, 0.1), *sine(-20, 0.04), *sine(-50, 0.06)]:
        shifted = len(seen) * BLOCK * 1_000_000 // RATE
        watch.note(AudioData(block.format, RATE, BLOCK, 2, shifted, block.data))
        seen.append((watch.sounds, watch.lasted_us // 1000))
    assert seen[:5] == [(False, 20), (False, 40), (False, 60), (False, 80), (False, 100)]
    assert seen[5:] == [(True, 100), (True, 0), (False, 20), (False, 40), (False, 60)]


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    """The program with a fake microphone."""
    (tmp_path / "out").mkdir()
    return FakeMachine(tmp_path / "out")


@pytest.mark.parametrize("command", [("record", "a.wav"), ("capture", "-o", "a.pcm")])
def test_a_report_has_the_levels(machine: FakeMachine, command: tuple[str, ...]) -> None:
    machine.plug(microphone(channelCounts=[2]))
    report = json.loads(machine(command[0], "--audio", "--no-video", "--json", "-t", "1", *command[1:], code=0).stdout)
    levels = report["tracks"][0]["levels"]
    assert -32 < levels["integrated"] < -5
    assert levels["truePeak"] == pytest.approx(levels["samplePeak"], abs=0.5)
    assert (levels["clipped"], levels["silent"]) == (0, 0)
