"""Microphones of a real sound server: their own channels, no other source, and the server's switch."""

from __future__ import annotations

import math
import os
import subprocess
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from mscli.sources.base import MUTED_BY_SERVER, Request
from tests.backends.pulse_rig import RATE, PrivatePulse, amplitude
from tests.backends.test_portaudio import MONO, Collector, doomed, microphone, record  # noqa: F401

AUX = "aux0,aux1,aux2,aux3,aux4,aux5"
SURROUND = "front-left,front-right,rear-left,rear-right,front-center,lfe"  # in ALSA's order
LEVEL = 8000  # of each channel's tone: channel n has n × 300 Hz
WINDOW = RATE // 10  # samples in which tones are looked for: whole periods of each
TRIES = 100  # windows


@contextmanager
def played(server: PrivatePulse, sink: str, channel_map: str) -> Iterator[None]:
    """Make a sink with those channels, and play a tone of its own into each."""
    channels = channel_map.count(",") + 1
    spec = [f"channels={channels}", f"channel_map={channel_map}", f"rate={RATE}"]
    server.control("load-module", "module-null-sink", f"sink_name={sink}", *spec, "norewinds=1")
    second = array("h", bytes(RATE * 2 * channels))
    for channel in range(channels):
        step = 2 * math.pi * 300 * (channel + 1) / RATE
        second[channel::channels] = array("h", (round(LEVEL * math.sin(step * i)) for i in range(RATE)))
    file = server.folder / f"{sink}.raw"
    file.write_bytes(second.tobytes() * 30)
    command = ["pacat", "--raw", "--format=s16le", f"--rate={RATE}", f"--channels={channels}", f"--channel-map={channel_map}"]
    player = subprocess.Popen([*command, "-d", sink, str(file)], env=os.environ | server.environment)
    try:
        yield
    finally:
        player.kill()
        player.wait()


def tones(samples: array[int], channels: int) -> list[dict[int, int]]:
    """The tones in each channel, by their numbers, with their levels."""
    found = []
    for channel in range(channels):
        levels = {n: round(amplitude(samples[channel::channels], 300 * n)) for n in range(1, 7)}
        found.append({n: level for n, level in levels.items() if level > 200})
    return found


def heard(collector: Collector, channels: int, wanted: list[dict[int, int]]) -> list[dict[int, int]]:
    """The tones once they are what is wanted, or the last that were heard: a player begins when it can."""
    latest: list[dict[int, int]] = []
    for number in range(1, TRIES):
        collector.wait(number * WINDOW / RATE)
        samples = array("h", b"".join(block.data for block in collector.blocks))
        latest = tones(samples[(number - 1) * WINDOW * channels : number * WINDOW * channels], channels)
        if latest == about(wanted):
            break
    return latest


def about(wanted: list[dict[int, int]]) -> list[dict[int, Any]]:
    """The same levels, within some percent."""
    return [{n: pytest.approx(level, rel=0.05) for n, level in one.items()} for one in wanted]


def own(channels: int) -> list[dict[int, int]]:
    """Each channel with its own tone."""
    return [{n: LEVEL} for n in range(1, channels + 1)]


@pytest.mark.parametrize(
    ("channel_map", "channels", "layout", "wanted"),
    [
        (AUX, 6, "", own(6)),
        (AUX, 2, "", own(2)),
        (AUX, 1, "", [dict.fromkeys(range(1, 7), LEVEL // 6)]),
        (SURROUND, 6, "5.1", [{1: LEVEL}, {2: LEVEL}, {5: LEVEL}, {6: LEVEL}, {3: LEVEL}, {4: LEVEL}]),
        ("front-left,front-right", 1, "", [{1: LEVEL // 2, 2: LEVEL // 2}]),
        ("aux0,aux1,aux2", 3, "", own(3)),
    ],
)
def test_channels_are_those_of_the_source_in_the_usual_order(
    doomed: PrivatePulse,  # noqa: F811
    channel_map: str,
    channels: int,
    layout: str,
    wanted: list[dict[int, int]],
) -> None:
    request = Request({"sampleRate": RATE, "channelCount": channels, "sampleSize": 16, "latency": 0.1})
    with played(doomed, "interface", channel_map):
        source, collector = record(microphone("interface.monitor"), request)
        found = heard(collector, channels, wanted)
        source.stop()
    assert found == about(wanted)
    assert {block.layout for block in collector.blocks} == {layout}


def test_a_source_is_not_replaced_when_another_becomes_the_default(doomed: PrivatePulse) -> None:  # noqa: F811
    doomed.control("set-default-source", "studio.monitor")
    with doomed.tone("studio", 440), doomed.tone("garage", 880):
        source, collector = record(microphone("studio.monitor"), MONO)
        collector.wait_for_tone(440)
        doomed.control("set-default-source", "garage.monitor")
        moved = doomed.control("list", "short", "source-outputs")
        collector.wait(collector.samples / RATE + 0.5)
        assert doomed.control("list", "short", "source-outputs") == moved
        assert amplitude(collector.last(0.2), 440) == pytest.approx(16384, rel=0.02)
        source.stop()
    assert collector.errors == []


def test_a_source_that_the_server_mutes_says_so_from_its_start_on(doomed: PrivatePulse) -> None:  # noqa: F811
    doomed.control("set-source-mute", "studio.monitor", "1")
    source, collector = record(microphone("studio.monitor"), MONO)
    collector.wait_for_mutes(1)
    doomed.control("set-source-mute", "studio.monitor", "0")
    collector.wait_for_mutes(2)
    source.stop()
    assert collector.mutes == [(True, MUTED_BY_SERVER), (False, MUTED_BY_SERVER)]
