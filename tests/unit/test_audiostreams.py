"""Tracks as sources of audio graphs: their place on the clock, gaps, drift, late and paced sound. No real time passes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import mscli
from mscli.api.audiostreams import TrackReader
from mscli.core.clock import MICROSECONDS
from mscli.webaudio.line import Line
from mscli.webaudio.processor import AudioSpan
from tests.sounds import RATE
from tests.untyped import untyped

SPAN = 1024
BLOCK = 480
LATENCY_US = 40_000
BEGIN_US = 10 * MICROSECONDS


class Clock:
    """What a reader asks its renderer, at a time that the test sets."""

    graph = SimpleNamespace(rate=float(RATE))

    def tick_of(self, captured_us: int) -> int:
        return round((captured_us + LATENCY_US - BEGIN_US) * RATE / MICROSECONDS)

    def tick(self, span: AudioSpan) -> int:
        return span.first


class Bench:
    """A track that a test writes, and a reader that reads it span by span."""

    def __init__(self, *, paced: bool = False, rate: int = RATE) -> None:
        self.generator = mscli.AudioTrackGenerator(paced=paced)
        self.reader = TrackReader(self.generator.track, untyped(Clock()))
        self.rate, self.written, self.spans = rate, 0, 0
        self.heard: list[Any] = []

    def write(self, samples: Any, at_us: float) -> None:
        """Write samples of one channel that were captured at a time."""
        array = np.asarray(samples, np.float32)
        self.generator.writable.write(mscli.AudioData.from_ndarray(array, self.rate, timestamp=BEGIN_US + round(at_us)))

    def read(self) -> Any:
        """Read a span."""
        block = self.reader.supply(AudioSpan(self.spans * SPAN, SPAN, RATE))
        self.spans += 1
        self.heard.append(np.zeros(SPAN) if block is None else block[0])
        return block

    @property
    def now_us(self) -> float:
        """Return the time by which the next span is over."""
        return (self.spans + 1) * SPAN * MICROSECONDS / RATE

    def close(self) -> None:
        self.reader.close()
        self.generator.track.stop()


@pytest.fixture
def bench() -> Any:
    made: list[Bench] = []

    def make(**options: Any) -> Bench:
        made.append(Bench(**options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_sound_is_read_at_its_time_plus_the_latency(bench: Any) -> None:
    one = bench()
    pulse = np.zeros(BLOCK)
    pulse[7] = 0.5
    one.write(pulse, 100_000)
    for _ in range(10):
        one.read()
    assert np.flatnonzero(np.concatenate(one.heard)).tolist() == [round((100_000 + LATENCY_US) * RATE / MICROSECONDS) + 7]


def test_blocks_join_without_a_seam_and_a_gap_is_silent(bench: Any) -> None:
    one = bench()
    tone = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    for number in range(60):
        if not 20 <= number < 30:
            one.write(tone[number * BLOCK : (number + 1) * BLOCK], number * 10_000)
    for _ in range(28):
        one.read()
    heard = np.concatenate(one.heard)[round(LATENCY_US * RATE / MICROSECONDS) :][: 55 * BLOCK]
    expected = tone[: 55 * BLOCK].copy()
    expected[20 * BLOCK : 30 * BLOCK] = 0
    assert heard == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_sound_of_another_rate_is_resampled(bench: Any, rate: int) -> None:
    one = bench(rate=rate)
    block = rate // 100
    tone = np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    for number in range(60):
        one.write(tone[number * block : (number + 1) * block], number * 10_000)
    for _ in range(28):
        one.read()
    heard = np.concatenate(one.heard)[round(LATENCY_US * RATE / MICROSECONDS) :]
    expected = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    assert heard[2000:20_000] == pytest.approx(expected[2000:20_000], abs=0.01)


@pytest.mark.parametrize("kind", ["uint8", "int16", "int32", "float32"])
def test_all_formats_are_read_at_full_scale(bench: Any, kind: str) -> None:
    one = bench()
    full = {"uint8": 255, "int16": 2**15 - 1, "int32": 2**31 - 1, "float32": 1.0}[kind]
    array = np.full((BLOCK, 2), full, kind)
    one.generator.writable.write(mscli.AudioData.from_ndarray(array, RATE, timestamp=BEGIN_US - LATENCY_US))
    block = one.read()
    assert block.shape == (2, SPAN)
    assert block[:, :BLOCK] == pytest.approx(1, abs=0.01)
    assert not block[:, BLOCK:].any()


def test_a_source_whose_clock_is_fast_is_followed_without_a_jump(bench: Any) -> None:
    """For a minute, 200 ppm: 12 ms altogether, of which less than 6 are left. Nothing is left out or put in."""
    one = bench()
    fast = 1 + 200e-6
    at = 0
    while one.now_us < 60 * MICROSECONDS:
        while at / RATE * MICROSECONDS / fast < one.now_us - 10_000:
            one.write(np.sin(2 * np.pi * 440 * np.arange(at, at + BLOCK) / RATE), at / RATE * MICROSECONDS / fast)
            at += BLOCK
        one.read()
    heard = np.concatenate(one.heard)
    begin = round(LATENCY_US * RATE / MICROSECONDS)
    steps = np.abs(np.diff(heard[begin + 1 :]))
    assert steps.max() < 1.05 * 2 * np.pi * 440 / RATE
    end = heard[-RATE // 2 :]
    crossings = np.flatnonzero((end[:-1] < 0) & (end[1:] >= 0))
    period = np.diff(crossings).mean()
    assert RATE / period == pytest.approx(440 * fast, rel=1e-3)


def test_a_source_that_stalls_is_silent_and_then_heard_again(bench: Any) -> None:
    one = bench()
    one.write(np.ones(BLOCK), -LATENCY_US)
    assert one.read().sum() == BLOCK
    for _ in range(100):
        assert one.read() is None
    one.write(np.ones(BLOCK), one.now_us - 20_000 - LATENCY_US)
    assert one.read().sum() == BLOCK


def test_a_source_that_is_always_late_is_heard_later(bench: Any) -> None:
    one = bench()
    for number in range(100):
        one.write(np.ones(BLOCK), number * 10_000)
        while one.now_us < number * 10_000 + 200_000:
            one.read()
    assert (one.heard[-2] == 1).all()


def test_what_has_waited_while_nobody_read_is_left_out(bench: Any) -> None:
    one = bench()
    for number in range(1000):
        one.write(np.full(BLOCK, number), number * 10_000)
    one.spans = round(9.98 * RATE / SPAN)
    first = (one.spans * SPAN / RATE - LATENCY_US / MICROSECONDS) * 100
    assert one.read()[0, 0] == pytest.approx(first, abs=1)


def test_a_paced_source_loses_nothing(bench: Any) -> None:
    one = bench(paced=True)
    given = np.arange(10 * BLOCK, dtype=np.float32)
    for number in range(10):
        one.write(given[number * BLOCK : (number + 1) * BLOCK], number * 10_000)
    while len(one.heard) < 6:
        one.read()
    assert np.concatenate(one.heard)[: len(given)] == pytest.approx(given)


def test_a_line_holds_at_most_a_second() -> None:
    line = Line(RATE)
    for number in range(1000):
        line.put(number * BLOCK, np.ones((1, BLOCK), np.float32))
    assert RATE <= line.end <= RATE + BLOCK


def test_a_reader_that_is_closed_or_freed_leaves_its_track(bench: Any) -> None:
    one = bench()
    track = one.generator.track
    assert track.is_read
    one.reader.close()
    assert not track.is_read
    reader = TrackReader(track, untyped(Clock()))
    assert track.is_read
    del reader
    assert not track.is_read
