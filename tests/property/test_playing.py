"""Whatever is done to the position of a media element and to the sound on its way to a speaker: both are as they were told."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mscli.core.playing import PlayClock, SampleLine

CASES = settings(max_examples=300, derandomize=True, deadline=None, database=None)
RATES = [0, Fraction(1, 16), Fraction(1, 2), 1, Fraction(3, 2), 2, 16]
LENGTH_US = 5_000_000
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("run"), st.none()),
        st.tuples(st.just("stand"), st.none()),
        st.tuples(st.just("move"), st.integers(-2_000_000, 8_000_000)),
        st.tuples(st.just("turn"), st.sampled_from(RATES)),
        st.tuples(st.just("wait"), st.integers(0, 3_000_000)),
    ),
    max_size=40,
)


@given(steps=STEPS, length_us=st.sampled_from([None, LENGTH_US]))
@CASES
def test_the_position_is_what_was_played(steps: list[tuple[str, Any]], length_us: int | None) -> None:
    clock, now_us = PlayClock(length_us), 1_000_000
    position, rate, runs = Fraction(0), Fraction(1), False
    most = Fraction(length_us) if length_us is not None else None
    for name, given_value in steps:
        before_us = clock.at_us(now_us)
        if name == "wait":
            now_us += given_value
            position += given_value * rate if runs else 0
        elif name == "turn":
            rate = Fraction(given_value)
            clock.turn(float(rate), now_us)
        elif name == "move":
            position = max(Fraction(given_value), Fraction(0))
            clock.move(given_value, now_us)
        else:
            runs = name == "run"
            getattr(clock, name)(now_us)
        position = position if most is None else min(position, most)
        assert abs(clock.at_us(now_us) - position) <= len(steps), f"after {name} {given_value}"
        assert clock.running == runs
        if name in ("run", "stand", "turn"):
            assert abs(clock.at_us(now_us) - before_us) <= 1, "only a move moves it"


@given(steps=STEPS, ahead_us=st.integers(0, 1_000_000))
@CASES
def test_a_position_is_reached_when_the_clock_says(steps: list[tuple[str, Any]], ahead_us: int) -> None:
    clock, now_us = PlayClock(), 1_000_000
    for name, given_value in steps:
        if name == "wait":
            now_us += given_value
        elif given_value is None:
            getattr(clock, name)(now_us)
        else:
            getattr(clock, name)(float(given_value), now_us)
    wanted_us = clock.at_us(now_us) + ahead_us
    due_us = clock.when_us(wanted_us)
    if clock.running and clock.rate:
        assert due_us is not None
        assert due_us >= now_us - 16, "never before now, but for rounding at the slowest rate"
        assert abs(clock.at_us(due_us) - wanted_us) <= 16
    else:
        assert due_us is None


@given(steps=st.lists(st.tuples(st.sampled_from(["put", "take"]), st.integers(1, 700)), max_size=60), finish=st.booleans())
@CASES
def test_sound_comes_out_in_order_and_the_line_is_bounded(steps: list[tuple[str, int]], finish: bool) -> None:
    """One-byte samples that count from 1 on: silence is 0, and what is dropped leaves a gap."""
    line, count, heard = SampleLine(1, 1000, target_s=0.2, most_s=1.0), 0, bytearray()
    taken = 0
    for name, samples in steps:
        if name == "put":
            line.put(memoryview(bytes(1 + (count + place) % 255 for place in range(samples))))
            count += samples
            assert line.held <= 1000, "its bound"
        else:
            data, late = line.take(samples)
            assert len(data) == samples
            assert late <= data.count(0)
            heard += data
            taken += samples
    if finish:
        line.finish()
        heard += line.take(line.held)[0]
        assert line.held == 0
    sounds = [value for value in heard if value]
    assert len(sounds) == count - line.held - line.dropped
    assert line.dropped or all((late - early) % 255 == 1 for early, late in pairwise(sounds))
    assert line.missed <= taken
