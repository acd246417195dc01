"""Which frames a time-lapse takes, and when it plays them."""

from __future__ import annotations

from mscli.core.frames import VideoFrame, blank
from mscli.core.timelapse import TimeLapse

SECOND = 1_000_000
BEGIN = 12_345_678  # any time


def frame(at_us: int, duration: int = 100_000) -> VideoFrame:
    return VideoFrame("GREY", 1, 1, BEGIN + at_us, (memoryview(b"\0"),), (1,), duration)


def played(lapse: TimeLapse, times_us: list[int]) -> list[tuple[int, int]]:
    """Return when each chosen frame was captured and when it is played, from the beginning on."""
    frames = (one for one in map(frame, times_us) if lapse.is_due(one, BEGIN))
    return [(one.timestamp - BEGIN, lapse.place(one, BEGIN).timestamp - BEGIN) for one in frames]


def test_a_thousand_ticks_do_not_drift() -> None:
    lapse = TimeLapse(SECOND)
    times_us = [number * 100_000 + number * 7919 % 20_001 - 10_000 for number in range(10_000)]  # ± 10 ms, always the same
    chosen = played(lapse, times_us)
    assert [at_us for _, at_us in chosen] == [tick * SECOND // 30 for tick in range(1000)]
    assert all(abs(captured_us - tick * SECOND) <= 60_000 for tick, (captured_us, _) in enumerate(chosen))
    assert lapse.missed == 0


def test_a_tick_without_a_frame_is_missed_and_the_film_keeps_its_time() -> None:
    lapse = TimeLapse(SECOND)
    assert played(lapse, [0, 1_000_000, 4_300_000, 5_000_000]) == [
        (0, 0), (1_000_000, 33_333), (4_300_000, 133_333), (5_000_000, 166_666),
    ]  # fmt: skip
    assert lapse.missed == 2


def test_a_black_frame_in_place_of_a_missing_one_is_not_taken() -> None:
    lapse = TimeLapse(SECOND)
    black = blank(frame(0))
    assert isinstance(black, VideoFrame)
    assert not lapse.is_due(black, BEGIN)
    assert lapse.is_due(frame(0), BEGIN)


def test_a_frame_that_could_not_be_used_is_replaced_by_the_next_one() -> None:
    lapse = TimeLapse(SECOND)
    lapse.place(frame(0), BEGIN)
    assert not lapse.is_due(frame(100_000), BEGIN)
    lapse.retry()
    assert lapse.is_due(frame(100_000), BEGIN)
    assert lapse.place(frame(100_000), BEGIN).timestamp == BEGIN
    assert lapse.missed == 0
