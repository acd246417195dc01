"""Times of packets that cannot be true are replaced, and those that can be are left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate, pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mscli.sources.packettimes import PacketTimes, StreamFacts, Timed

VIDEO, AUDIO = 0, 1
STEP_US, BLOCK_US = 40_000, 20_000
BEGIN_US = 100_000_000
S = 1_000_000

Change = Callable[[int, int], int]  # from a packet's number and true time to what the container says


def packets(seconds: float, video: Change, audio: Change) -> Iterator[Timed]:
    """The packets of a film in the order of their true times."""
    every = []
    for index, change, lasts_us in ((VIDEO, video, STEP_US), (AUDIO, audio, BLOCK_US)):
        for number in range(round(seconds * S / lasts_us)):
            at_us = BEGIN_US + number * lasts_us
            every.append((at_us, Timed(index, None, change(number, at_us), change(number, at_us), lasts_us, starts=True)))
    return iter([timed for _, timed in sorted(every, key=lambda one: one[0])])


class Mended:
    """What becomes of packets: the times and how many were replaced, by stream."""

    def __init__(self, given: Iterator[Timed], streams: dict[int, StreamFacts] | None = None, **how: bool) -> None:
        self.retimed: dict[int, int] = {VIDEO: 0, AUDIO: 0}
        streams = streams or {VIDEO: StreamFacts(False, STEP_US), AUDIO: StreamFacts(True, BLOCK_US)}
        times = PacketTimes(streams, self._note, zeroes=False, **how)
        self.times: dict[int, list[int]] = {VIDEO: [], AUDIO: []}
        for timed in times.mended(given):
            shown_us = timed.order_us if timed.shown_us is None else timed.shown_us
            assert shown_us is not None
            self.times[timed.index].append(shown_us)

    def _note(self, index: int, _lasts_us: int, _off_us: int) -> None:
        self.retimed[index] += 1

    def errors(self, index: int) -> int:
        """The most by which a time is off."""
        lasts_us = STEP_US if index == VIDEO else BLOCK_US
        return max(abs(at_us - BEGIN_US - number * lasts_us) for number, at_us in enumerate(self.times[index]))


def true(_: int, at_us: int) -> int:
    return at_us


def wrong(first: int, count: int, by_us: int) -> Change:
    """Return a change of some packets."""
    return lambda number, at_us: at_us + by_us * (first <= number < first + count)


@pytest.mark.parametrize("by_us", [5 * S, 1000 * S, -5 * S, -BEGIN_US, 300_000, -300_000, 1 << 40])
@pytest.mark.parametrize(("first", "count"), [(70, 1), (70, 3), (100, 40)])
@pytest.mark.parametrize("kind", [VIDEO, AUDIO])
def test_times_that_are_wrong_for_a_few_packets_are_replaced(kind: int, first: int, count: int, by_us: int) -> None:
    changes = (wrong(first, count, by_us), true) if kind == VIDEO else (true, wrong(first, count, by_us))
    mended = Mended(packets(8, *changes))
    assert (mended.errors(VIDEO), mended.errors(AUDIO)) == (0, 0)
    assert mended.retimed == {kind: count, 1 - kind: 0}


@pytest.mark.parametrize("said_us", [0, 50 * S, BEGIN_US + 3600 * S])
@pytest.mark.parametrize("kind", [VIDEO, AUDIO])
def test_a_clock_that_stands_still_is_replaced_by_how_long_packets_last(kind: int, said_us: int) -> None:
    changes: tuple[Change, Change] = (lambda *_: said_us, true) if kind == VIDEO else (true, lambda *_: said_us)
    mended = Mended(packets(8, *changes))
    starts_us = {index: times[0] for index, times in mended.times.items()}
    assert starts_us[VIDEO] == starts_us[AUDIO]
    for index, lasts_us in ((VIDEO, STEP_US), (AUDIO, BLOCK_US)):
        assert {after - before for before, after in pairwise(mended.times[index])} == {lasts_us}
    assert mended.retimed == {kind: len(mended.times[kind]), 1 - kind: 0}


def test_a_clock_that_falls_back_again_and_again_stands_still() -> None:
    mended = Mended(packets(8, true, lambda number, _: number % 16 * BLOCK_US))  # 16 packets in each PES packet
    assert mended.times[VIDEO][0] == mended.times[AUDIO][0]
    assert {after - before for before, after in pairwise(mended.times[AUDIO])} == {BLOCK_US}
    assert mended.retimed == {VIDEO: 0, AUDIO: len(mended.times[AUDIO])}


@pytest.mark.parametrize("by_us", [3 * S, -3 * S])
@pytest.mark.parametrize("kind", [VIDEO, AUDIO])
def test_a_step_that_one_track_takes_alone_is_taken_out(kind: int, by_us: int) -> None:
    changes = (wrong(60, 1 << 30, by_us), true) if kind == VIDEO else (true, wrong(60, 1 << 30, by_us))
    mended = Mended(packets(8, *changes))
    assert (mended.errors(VIDEO), mended.errors(AUDIO)) == (0, 0)
    assert mended.retimed == {kind: len(mended.times[kind]) - 60, 1 - kind: 0}


def test_first_times_that_are_far_from_all_others_are_replaced() -> None:
    mended = Mended(packets(4, wrong(0, 1, -BEGIN_US), true))
    assert mended.retimed == {VIDEO: 1, AUDIO: 0}
    assert {after - before for before, after in pairwise(mended.times[VIDEO])} == {STEP_US}
    assert mended.times[VIDEO][0] == mended.times[AUDIO][0]


@pytest.mark.parametrize("hasty", [False, True])
def test_files_that_were_joined_go_on_one_after_the_other(hasty: bool) -> None:
    both = [*packets(4, true, true), *packets(4, true, true)]
    mended = Mended(iter(both), hasty=hasty)
    assert (mended.errors(VIDEO), mended.errors(AUDIO)) == (0, 0)
    assert mended.retimed == {VIDEO: 0, AUDIO: 0}


def test_an_error_comes_after_all_that_came_before_it() -> None:
    from mscli.core.errors import NotReadableError

    def failing() -> Iterator[Timed]:
        yield from packets(1, true, wrong(49, 1, 5 * S))
        raise NotReadableError("it broke")

    came: list[Timed] = []
    times = PacketTimes({VIDEO: StreamFacts(False, STEP_US), AUDIO: StreamFacts(True, BLOCK_US)}, lambda *_: None)
    with pytest.raises(NotReadableError, match="it broke"):
        came.extend(times.mended(failing()))
    assert len(came) == len(list(packets(1, true, true)))


# What may be: no time changes

CASES = settings(max_examples=40, derandomize=True, deadline=None, database=None)
rates = st.lists(st.integers(1_000, 20 * S), min_size=1, max_size=150)


@given(rates)
@CASES
def test_pictures_at_any_rate_are_left_alone(steps_us: list[int]) -> None:
    given_us = list(accumulate(steps_us, initial=BEGIN_US))
    for streams in ({VIDEO: StreamFacts(False, STEP_US)}, {VIDEO: StreamFacts(False, S), AUDIO: StreamFacts(True, BLOCK_US)}):
        for hasty in (False, True):
            mended = Mended((Timed(VIDEO, None, at, at, 0, starts=True) for at in given_us), streams, hasty=hasty)
            assert mended.times[VIDEO] == given_us
            assert mended.retimed[VIDEO] == 0


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 100 * S)), min_size=1, max_size=8), st.booleans())
@CASES
def test_gaps_in_sound_are_left_alone(parts: list[tuple[int, int]], with_video: bool) -> None:
    sound: list[int] = []
    end_us = BEGIN_US
    for count, gap_us in parts:
        sound += [end_us + number * BLOCK_US for number in range(count)]
        end_us = sound[-1] + BLOCK_US + gap_us
    blocks = [Timed(AUDIO, None, at_us, at_us, BLOCK_US, starts=True) for at_us in sound]
    pictures = (
        [Timed(VIDEO, None, at, at, STEP_US, starts=True) for at in range(BEGIN_US, end_us, 4 * STEP_US)] if with_video else []
    )
    mended = Mended(iter(sorted([*blocks, *pictures], key=lambda one: one.order_us or 0)))
    assert mended.times[AUDIO] == sound
    assert mended.retimed == {VIDEO: 0, AUDIO: 0}


@given(st.integers(0, 1 << 16), st.sampled_from([STEP_US, 10 * S]))
@CASES
def test_pictures_in_another_order_are_left_alone(seed: int, step_us: int) -> None:
    dice = Random(seed)
    shown: list[int] = []
    while len(shown) < 120:  # each picture that others refer to comes before up to three that are shown earlier
        between = dice.randrange(4)
        begin = len(shown)
        shown += [begin + between, *range(begin, begin + between)]
    dated = [Timed(VIDEO, None, n * step_us, (at + 3) * step_us, step_us, starts=False) for n, at in enumerate(shown)]
    undated = [Timed(VIDEO, None, at * step_us, None, step_us, starts=False) for at in shown]
    for given_packets, reorders, first in ((dated, False, 3), (undated, True, 0)):
        mended = Mended(iter(given_packets), {VIDEO: StreamFacts(False, step_us, reorders)})
        assert mended.times[VIDEO] == [(at + first) * step_us for at in shown]
        assert mended.retimed[VIDEO] == 0


def test_a_wrong_time_among_pictures_in_another_order_is_replaced_by_the_one_that_is_missing() -> None:
    shown = [at for begin in range(0, 120, 4) for at in (begin + 3, begin, begin + 1, begin + 2)]
    times = [at * STEP_US for at in shown]
    times[50] += 5 * S
    mended = Mended(
        (Timed(VIDEO, None, at, None, STEP_US, starts=False) for at in times), {VIDEO: StreamFacts(False, STEP_US, True)}
    )
    assert mended.retimed[VIDEO] == 1
    assert mended.times[VIDEO] == [at * STEP_US for at in shown]


def test_a_picture_that_is_shown_long_after_its_decoding_is_shown_when_no_other_one_is() -> None:
    shown = [at for begin in range(0, 120, 4) for at in (begin + 3, begin, begin + 1, begin + 2)]
    given_packets = [Timed(VIDEO, None, n * STEP_US, (at + 1) * STEP_US, STEP_US, starts=False) for n, at in enumerate(shown)]
    given_packets[50].shown_us = 1000 * S
    mended = Mended(iter(given_packets), {VIDEO: StreamFacts(False, STEP_US)})
    assert mended.retimed[VIDEO] == 1
    assert mended.times[VIDEO] == [(at + 1) * STEP_US for at in shown]
