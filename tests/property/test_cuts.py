"""Whatever the plan of a series: its cuts lie where it says, and it keeps as much as it may."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mscli.core.clock import DAY_S
from mscli.core.ticks import next_boundary
from mscli.encode.options import Series
from mscli.sinks.files.series import surplus
from mscli.sinks.recording.segments import Schedule

CASES = settings(max_examples=300, derandomize=True, deadline=None, database=None)
UNITS = [unit for unit in range(1, DAY_S + 1) if DAY_S % unit == 0]
instants = st.integers(0, 2**31).map(lambda second: datetime.fromtimestamp(second, UTC)) | st.datetimes(
    datetime(2000, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)
)


@pytest.fixture(params=["UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The zone that the machine is in."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def seconds_of_day(at: datetime) -> float:
    return (at.hour * 60 + at.minute) * 60 + at.second + at.microsecond / 1e6


@pytest.mark.usefixtures("zone")
@given(now=instants, unit_s=st.sampled_from([unit for unit in UNITS if unit <= 1800]))
@settings(CASES, suppress_health_check=[])
def test_short_boundaries_are_the_next_full_multiple_of_local_time(now: datetime, unit_s: int) -> None:
    local = now.astimezone()
    then = next_boundary(local, unit_s)
    assert timedelta(0) < then - local <= timedelta(seconds=unit_s)
    assert seconds_of_day(then.astimezone()) % unit_s == 0


@pytest.mark.usefixtures("zone")
@given(now=instants, unit_s=st.sampled_from(UNITS))
@settings(CASES, suppress_health_check=[])
def test_long_boundaries_keep_to_local_time_when_the_clocks_are_changed(now: datetime, unit_s: int) -> None:
    local = now.astimezone()
    then = next_boundary(local, unit_s)
    hour = timedelta(hours=1)
    assert timedelta(0) < then - local <= timedelta(seconds=unit_s) + hour
    if then.utcoffset() == (then - hour).astimezone().utcoffset() == (then + hour).astimezone().utcoffset():
        assert seconds_of_day(then) % unit_s == 0


CHANGES = {  # of the clocks, on days of 2026, in UTC
    "Europe/Berlin": [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)],
    "Australia/Lord_Howe": [datetime(2026, 4, 4, 15, tzinfo=UTC), datetime(2026, 10, 3, 15, 30, tzinfo=UTC)],
}


@pytest.mark.parametrize("zone", CHANGES, indirect=True)
@pytest.mark.parametrize("unit_s", [600, 1800, 3600, 6 * 3600])
def test_a_boundary_is_the_first_full_mark_that_a_clock_shows_on_the_day_it_is_changed(zone: str, unit_s: int) -> None:
    for change in CHANGES[zone]:
        for minutes in range(-180, 181, 7):
            now = (change + timedelta(minutes=minutes, seconds=13)).astimezone()
            full_minutes = (now + timedelta(seconds=60 * minute - 13) for minute in range(1, DAY_S // 60))
            shown = next(one for one in full_minutes if seconds_of_day(one.astimezone()) % unit_s == 0)
            assert next_boundary(now, unit_s) == shown


@given(duration_s=st.floats(0.001, 1e4), steps=st.lists(st.integers(0, 10**7), max_size=20), origin_us=st.integers(0, 10**12))
@CASES
def test_ends_by_duration_lie_on_a_grid_from_the_first_beginning(duration_s: float, steps: list[int], origin_us: int) -> None:
    schedule = Schedule(Series(duration_s=duration_s), lambda _: datetime.now(UTC))
    at_us, length_us = origin_us, max(1, round(duration_s * 1e6))
    for step in [0, *steps]:
        at_us += step
        due_us = schedule.due_us(at_us)
        assert due_us is not None
        assert at_us < due_us <= at_us + length_us
        assert (due_us - origin_us) % length_us == 0


def test_without_a_plan_nothing_is_due() -> None:
    assert Schedule(Series(size_bytes=1), lambda _: datetime.now(UTC)).due_us(0) is None


def test_the_clock_and_a_duration_go_together() -> None:
    wall = datetime(2026, 1, 1, 10, 59, 50).astimezone()
    schedule = Schedule(Series(duration_s=20, clock_s=3600), lambda at_us: wall + timedelta(microseconds=at_us))
    assert schedule.due_us(0) == 10_000_000
    assert schedule.due_us(10_000_000) == 20_000_000


sizes_of_files = st.lists(st.integers(0, 10**6), max_size=12)


@given(sizes=sizes_of_files, keep=st.integers(1, 12))
@CASES
def test_so_many_of_the_newest_files_stay(sizes: list[int], keep: int) -> None:
    assert len(sizes) - surplus(sizes, Series(keep_files=keep)) == min(len(sizes), keep)


@given(sizes=sizes_of_files, keep=st.integers(1, 10**7))
@CASES
def test_as_many_files_stay_as_fit_and_the_newest_always(sizes: list[int], keep: int) -> None:
    gone = surplus(sizes, Series(keep_bytes=keep))
    assert sum(sizes[gone:]) <= keep or len(sizes) - gone == 1
    assert gone == 0 or sum(sizes[gone - 1 :]) > keep


def test_without_a_plan_all_files_stay() -> None:
    assert surplus([1, 2, 3], Series()) == 0


def test_a_file_that_began_a_breath_before_a_full_mark_goes_on_to_the_next() -> None:
    schedule = Schedule(Series(clock_s=1), lambda us: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=us))
    assert schedule.due_us(0) == 1_000_000
    assert schedule.due_us(999_990) == 2_000_000
    assert schedule.due_us(1_000_000) == 2_000_000


@pytest.mark.parametrize(
    ("step", "due"),
    [
        (timedelta(seconds=0.2), None),  # no more than a clock that is brought near to another
        (timedelta(minutes=2), timedelta(minutes=7)),
        (timedelta(minutes=-2), timedelta(minutes=1)),
        (timedelta(minutes=9), timedelta()),  # over the mark: at once
        (timedelta(days=20_000), timedelta()),
        (timedelta(days=-20_000), timedelta()),
    ],
)
def test_a_clock_that_is_set_moves_the_next_end(step: timedelta, due: timedelta | None) -> None:
    set_by = timedelta()
    begin = datetime(2026, 1, 1, 10, 0, tzinfo=UTC)
    schedule = Schedule(Series(clock_s=600), lambda us: begin + timedelta(microseconds=us) + set_by)
    now_us = 60_000_000
    assert schedule.due_us(0) == 600_000_000
    assert schedule.due_after_step_us(now_us) is None
    set_by = step
    found_us = schedule.due_after_step_us(now_us)
    assert (None if found_us is None else timedelta(microseconds=found_us - now_us)) == due
    assert schedule.due_after_step_us(now_us) is None  # it is known now
