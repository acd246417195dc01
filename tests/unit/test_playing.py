"""The position of a media element, and the bounded line of sound to a speaker."""

from __future__ import annotations

from mscli.core.playing import PlayClock, SampleLine

NOW = 5_000_000


def samples(*values: int) -> memoryview:
    """Return samples of two bytes each."""
    return memoryview(b"".join(value.to_bytes(2, "little") for value in values))


def test_a_clock_stands_at_first_and_runs_from_where_it_stood() -> None:
    clock = PlayClock()
    assert (clock.at_us(NOW), clock.running, clock.when_us(10)) == (0, False, None)
    clock.run(NOW)
    clock.run(NOW + 5)  # it runs already
    assert clock.at_us(NOW + 100) == 100
    clock.stand(NOW + 100)
    assert clock.at_us(NOW + 900) == 100
    clock.run(NOW + 1000)
    assert (clock.at_us(NOW + 1001), clock.when_us(150)) == (101, NOW + 1050)


def test_another_rate_changes_the_future_only() -> None:
    clock = PlayClock()
    clock.run(NOW)
    clock.turn(2, NOW + 100)
    assert (clock.at_us(NOW + 100), clock.at_us(NOW + 150), clock.when_us(400)) == (100, 200, NOW + 250)
    clock.turn(0, NOW + 200)
    assert (clock.at_us(NOW + 9999), clock.when_us(301), clock.running) == (300, None, True)


def test_a_position_stays_within_what_is_played() -> None:
    clock = PlayClock(1000)
    clock.move(5000, NOW)
    assert clock.at_us(NOW) == 1000
    clock.move(-5, NOW)
    clock.run(NOW)
    assert (clock.at_us(NOW - 50), clock.at_us(NOW + 50), clock.at_us(NOW + 5000)) == (0, 50, 1000)


def test_a_speaker_waits_until_enough_has_come() -> None:
    line = SampleLine(2, 10, target_s=0.3, most_s=1)
    line.put(samples(1, 2))
    assert line.take(2) == (bytes(4), 0)
    line.put(samples(3))
    assert line.take(2) == (bytes(samples(1, 2)), 0)
    assert line.take(3) == (bytes(samples(3)) + bytes(4), 2)
    assert line.missed == 2
    line.put(samples(4))
    assert line.take(1) == (bytes(2), 0), "after silence it waits again"


def test_what_is_too_much_is_dropped_from_the_oldest_on() -> None:
    line = SampleLine(2, 10, target_s=0.2, most_s=0.4)
    assert line.put(samples(1, 2, 3)) == 0
    assert line.put(samples(4, 5)) == 3
    assert (line.held, line.dropped) == (2, 3)
    assert line.take(2) == (bytes(samples(4, 5)), 0)


def test_the_rest_is_played_and_what_was_cleared_is_not() -> None:
    line = SampleLine(2, 10, target_s=0.3, most_s=1)
    line.put(samples(1))
    line.finish()
    assert line.take(1) == (bytes(samples(1)), 0)
    line.put(samples(2, 3, 4))
    line.clear()
    assert line.take(3) == (bytes(6), 0)
    assert line.missed == 0
