"""Calls that may never return, and what becomes of them."""

from __future__ import annotations

import threading
from functools import partial
from threading import Barrier
from threading import Event as Flag

import pytest

from mscli.core.calls import Round, bounded, interruptible, together
from tests.unit.stage import TIMEOUT_S


def fail() -> int:
    raise OSError("no")


def test_what_a_call_returns_or_raises_is_handed_on() -> None:
    assert bounded(lambda: 5, TIMEOUT_S, "five") == 5
    assert interruptible(lambda: 5, lambda: False, "five", lambda _: None) == 5
    with pytest.raises(OSError, match="no"):
        bounded(fail, TIMEOUT_S, "fail")
    with pytest.raises(OSError, match="no"):
        interruptible(fail, lambda: False, "fail", lambda _: None)


def test_calls_are_made_together_and_answer_in_their_order() -> None:
    meeting = Barrier(2)

    def come(name: str) -> str:
        meeting.wait(TIMEOUT_S)
        return name

    assert together([lambda: come("a"), lambda: come("b")], "come") == ["a", "b"]
    with pytest.raises(OSError, match="no"):
        together([lambda: 5, fail], "fail")


def test_a_call_that_hangs_is_given_up_and_its_late_result_released() -> None:
    free, released = Flag(), Flag()
    with pytest.raises(TimeoutError, match=r"hang did not return within 0\.01 s"):
        bounded(lambda: free.wait(TIMEOUT_S), 0.01, "hang", lambda _: released.set())
    assert not released.is_set()
    free.set()
    assert released.wait(TIMEOUT_S)


def test_only_answers_in_time_count() -> None:
    meeting, free = Barrier(2), Flag()

    def come(name: str) -> str:
        meeting.wait(TIMEOUT_S)
        return name

    one, asked = Round[str, str](TIMEOUT_S, "come"), [partial(come, "a"), partial(come, "b")]
    assert one.answers(dict(zip("ab", asked, strict=True))) == {"a": "a", "b": "b"}
    hurried = Round[str, bool](0.01, "hang")
    assert hurried.answers({"hangs": partial(free.wait, TIMEOUT_S)}) == {}
    free.set()
    with pytest.raises(OSError, match="no"):
        Round[str, int](TIMEOUT_S, "fail").answers({"fails": fail})


def test_a_hanging_party_is_asked_again_after_its_answer() -> None:
    free, asked = Flag(), []

    def hang() -> int:
        asked.append(threading.current_thread())
        assert free.wait(TIMEOUT_S)
        return len(asked)

    one = Round[str, int](0.01, "hang")
    assert [one.answers({"hangs": hang}) for _ in range(3)] == [{}] * 3
    assert len(asked) == 1
    free.set()
    asked[0].join(TIMEOUT_S)
    one.answers({"hangs": hang})
    assert len(asked) == 2


def test_a_call_that_is_no_longer_wanted_is_given_up() -> None:
    free, released = Flag(), Flag()
    with pytest.raises(KeyboardInterrupt):
        interruptible(lambda: free.wait(TIMEOUT_S), lambda: True, "hang", lambda _: released.set())
    free.set()
    assert released.wait(TIMEOUT_S)


def test_a_call_that_is_wanted_a_while_longer_counts() -> None:
    free = Flag()

    def given_up() -> bool:
        free.set()
        return False

    assert interruptible(lambda: free.wait(TIMEOUT_S), given_up, "late", lambda _: None)
