"""What a second of sound costs: 32 channels of a sound server beside parec, eight microphones mixed, and levels.

Costs are CPU time of a second, without the start: the difference of a long and a short run. The sound server is one of its own.
"""

from __future__ import annotations

import math
import os
import tempfile
import time
from array import array
from collections.abc import Iterator
from pathlib import Path

from mscli.core.channels import ChannelPlan
from mscli.core.frames import AudioData
from mscli.media.downmix import ChannelMapper
from mscli.media.levels import LevelMeter
from mscli.media.mixing import Mix
from tests.backends.pulse_rig import private_pulse
from tests.bench.measure import SCRIPT, Row, costs

SHORT_S, LONG_S = 2, 12
CHANNELS = 32
RATE = 48_000
BLOCK = RATE // 50
A_SECOND_MS = 1000.0


def rows(runs: int) -> Iterator[Row]:
    few = max(1, runs // 3)  # these runs last for seconds
    yield from _captures(few)
    yield Row("eight tracks mixed, amplified", _mixed_ms(), "a core", A_SECOND_MS, 0.05)
    yield Row("levels of a stereo track", _levels_ms(), "a core", A_SECOND_MS, 0.01)
    yield Row("two channels picked of 32", _picked_ms(), "a core", A_SECOND_MS, 0.01)


def _captures(runs: int) -> Iterator[Row]:
    """Capture all channels of an interface into nothing, raw and as they come."""
    with tempfile.TemporaryDirectory() as folder, private_pulse(Path(folder), {}) as server:
        names = ",".join(f"aux{number}" for number in range(CHANNELS))
        spec = [f"channels={CHANNELS}", f"channel_map={names}", f"rate={RATE}", "format=s16le", "norewinds=1"]
        server.control("load-module", "module-null-sink", "sink_name=desk", *spec)
        setting = ["env", *(f"{name}={value}" for name, value in server.environment.items())]
        named = ["--audio", "--no-video", "--quiet", "--microphone", "desk.monitor", "--channel-count", f"exact:{CHANNELS}"]
        shape = ["--raw", "--format=s16le", f"--rate={RATE}", f"--channels={CHANNELS}", f"--channel-map={names}"]
        parec = f"timeout {{}} parec -d desk.monitor --latency-msec=50 {' '.join(shape)}; true"
        commands = [
            command
            for seconds in (SHORT_S, LONG_S)
            for command in (
                [*setting, *SCRIPT, "capture", *named, "-t", str(seconds), "-o", os.devnull],
                [*setting, *SCRIPT, "record", *named, "-t", str(seconds), "--force", os.path.join(folder, "a.wav")],
                [*setting, "bash", "-c", parec.format(seconds)],
            )
        ]
        found = [cost.cpu_ms for cost in costs(*commands, runs=runs)]
        captured, recorded, theirs = (
            (long - short) / (LONG_S - SHORT_S) for short, long in zip(found[:3], found[3:], strict=True)
        )
    yield Row(f"capture of {CHANNELS} channels", captured, "parec", theirs, 1.5)
    yield Row(f"record {CHANNELS} channels to WAV", recorded, "parec", theirs)


def _second(channels: int) -> list[AudioData]:
    """A second of a tone in every channel, in blocks of 20 ms."""
    wave = array("h", (round(8000 * math.sin(2 * math.pi * 440 * i / RATE)) for i in range(BLOCK)))
    data = array("h", bytes(2 * BLOCK * channels))
    for channel in range(channels):
        data[channel::channels] = wave
    view = memoryview(data).cast("B")
    return [AudioData("s16", RATE, BLOCK, channels, number * 20_000, view, number * BLOCK) for number in range(50)]


def _cpu_ms(seconds: int, begun: float) -> float:
    return 1000 * (time.process_time() - begun) / seconds


def _mixed_ms(tracks: int = 8) -> float:
    blocks, mix, gain = _second(2), Mix(tracks, _second(2)[0]), ChannelMapper(ChannelPlan(gain=0.5)).map
    begun = time.process_time()
    for block in blocks:
        for index in range(tracks):
            mix.put(index, gain(block))
        while mix.take(0) is not None:
            pass
    return _cpu_ms(1, begun)


def _levels_ms() -> float:
    blocks, meter = _second(2), LevelMeter()
    begun = time.process_time()
    for block in blocks:
        meter.note(block)
    return _cpu_ms(1, begun)


def _picked_ms() -> float:
    blocks, mapper = _second(CHANNELS), ChannelMapper(ChannelPlan((3, 4)))
    begun = time.process_time()
    for block in blocks:
        mapper.map(block)
    return _cpu_ms(1, begun)
