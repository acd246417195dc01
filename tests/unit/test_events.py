"""Event targets: https://dom.spec.whatwg.org/#concept-event-listener-invoke."""

from __future__ import annotations

import sys
from typing import Any

import pytest

import mscli
from mscli.core.clock import now_us
from mscli.core.errors import ArgumentError
from mscli.core.events import Event, EventTarget, required_member


class Bell(EventTarget):
    """A target that fires ``ring``."""

    EVENTS = ("ring",)
    onring: Any


@pytest.fixture
def called() -> list[str]:
    """Return the list to which listeners append."""
    return []


def test_a_handler_is_none_at_first_and_called_before_the_listeners(called: list[str]) -> None:
    bell = Bell()
    assert bell.onring is None
    bell.add_event_listener("ring", lambda event: called.append("listener"))
    bell.onring = lambda event: called.append("handler")
    bell.dispatch_event(Event("ring"))
    assert called == ["handler", "listener"]


def test_a_listener_for_one_event_is_removed_before_its_call(called: list[str]) -> None:
    bell = Bell()

    def ring_again(event: Event) -> None:
        called.append("once")
        bell.dispatch_event(Event("ring"))

    bell.add_event_listener("ring", ring_again, once=True)
    bell.add_event_listener("ring", lambda event: called.append("always"))
    bell.dispatch_event(Event("ring"))
    assert called == ["once", "always", "always"]


def test_a_listener_that_was_added_for_good_stays_if_it_is_added_for_one_event(called: list[str]) -> None:
    bell = Bell()
    for once in (False, True):
        bell.add_event_listener("ring", called.append, once=once)
    for _ in range(2):
        bell.dispatch_event(Event("ring"))
    assert len(called) == 2


def test_only_an_event_of_the_library_is_trusted() -> None:
    bell, event = Bell(), Event("ring", {"bubbles": True})
    trusted = []
    bell.onring = lambda event: trusted.append(event.is_trusted)
    assert (event.bubbles, event.cancelable, event.is_trusted) == (True, False, False)
    bell.fire(event)
    bell.dispatch_event(event)
    assert trusted == [True, False]
    with pytest.raises(AttributeError):
        event.is_trusted = True


@pytest.mark.parametrize("name", [name for name in dir(mscli) if "EVENTS" in dir(getattr(mscli, name))])
def test_handlers_are_declared_for_type_checkers(name: str) -> None:
    target = getattr(mscli, name)
    declared = {handler for one in target.__mro__ for handler in (*vars(one).get("__annotations__", ()), *vars(one))}
    assert {f"on{event}" for event in target.EVENTS} <= declared


def test_listeners_are_called_in_the_order_in_which_they_were_added(called: list[str]) -> None:
    bell = Bell()
    bell.add_event_listener("ring", lambda event: called.append("a"))
    bell.add_event_listener("ring", lambda event: called.append("b"))
    bell.add_event_listener("ring", lambda event: called.append("c"))
    bell.dispatch_event(Event("ring"))
    assert called == ["a", "b", "c"]


def test_a_listener_that_is_added_twice_is_called_once(called: list[str]) -> None:
    bell = Bell()
    bell.add_event_listener("ring", called.append)
    bell.add_event_listener("ring", called.append)
    bell.dispatch_event(Event("ring"))
    assert len(called) == 1


def test_other_types_call_no_listener(called: list[str]) -> None:
    bell = Bell()
    bell.add_event_listener("ring", lambda event: called.append("ring"))
    bell.dispatch_event(Event("knock"))
    assert called == []


def test_a_removed_listener_is_not_called_and_removing_unknown_ones_is_nothing(called: list[str]) -> None:
    bell = Bell()

    def listener(event: Event) -> None:
        called.append("listener")

    bell.remove_event_listener("ring", listener)
    bell.add_event_listener("ring", listener)
    bell.remove_event_listener("ring", listener)
    bell.remove_event_listener("ring", listener)
    bell.dispatch_event(Event("ring"))
    assert called == []


def test_a_listener_may_remove_itself_and_later_ones(called: list[str]) -> None:
    bell = Bell()

    def first(event: Event) -> None:
        called.append("first")
        bell.remove_event_listener("ring", first)
        bell.remove_event_listener("ring", third)

    def second(event: Event) -> None:
        called.append("second")

    def third(event: Event) -> None:
        called.append("third")

    for listener in (first, second, third):
        bell.add_event_listener("ring", listener)
    bell.dispatch_event(Event("ring"))
    bell.dispatch_event(Event("ring"))
    assert called == ["first", "second", "second"]


def test_a_listener_added_during_an_event_waits_for_the_next(called: list[str]) -> None:
    bell = Bell()
    bell.add_event_listener("ring", lambda event: bell.add_event_listener("ring", late))

    def late(event: Event) -> None:
        called.append("late")

    bell.dispatch_event(Event("ring"))
    assert called == []
    bell.dispatch_event(Event("ring"))
    assert called == ["late"]


def test_an_exception_in_a_listener_is_reported_and_others_run(called: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: called.append(str(error)))
    bell = Bell()
    bell.onring = lambda event: 1 / 0
    bell.add_event_listener("ring", lambda event: called.append("listener"))
    bell.dispatch_event(Event("ring"))
    assert called == ["division by zero", "listener"]


def test_an_event_knows_its_type_target_and_time() -> None:
    bell, before = Bell(), now_us()
    event = Event("ring", why="visitor")
    bell.dispatch_event(event)
    assert (event.type, event.detail) == ("ring", {"why": "visitor"})
    assert event.target is bell
    assert before <= event.time <= now_us()
    assert repr(event) == "Event('ring')"


@pytest.mark.parametrize("init", [None, {}, {"track": None}, "x"])
def test_a_missing_member_of_an_init_dictionary_is_a_type_error(init: Any) -> None:
    with pytest.raises(ArgumentError, match="the member “track”"):
        required_member("MediaStreamTrackEvent", init, "track")
