"""Event targets: https://dom.spec.whatwg.org/#concept-event-listener-invoke."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from mscli.core.clock import now_us
from mscli.core.errors import ArgumentError
from mscli.core.events import Event, EventTarget, required_member


class Bell(EventTarget):
    """Fires ``ring``."""

    EVENTS = ("ring",)
    onring: Any


@pytest.fixture
def called() -> list[str]:
    """What listeners note."""
    return []


def test_a_handler_is_none_at_first_and_called_before_the_listeners(called: list[str]) -> None:
    bell = Bell()
    assert bell.onring is None
    bell.add_event_listener("ring", lambda event: called.append("listener"))
    bell.onring = lambda event: called.append("handler")
    bell.dispatch_event(Event("ring"))
    assert called == ["handler", "listener"]


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


def test_other_types_call_nobody(called: list[str]) -> None:
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


def test_a_listener_added_meanwhile_waits_for_the_next_event(called: list[str]) -> None:
    bell = Bell()
    bell.add_event_listener("ring", lambda event: bell.add_event_listener("ring", late))

    def late(event: Event) -> None:
        called.append("late")

    bell.dispatch_event(Event("ring"))
    assert called == []
    bell.dispatch_event(Event("ring"))
    assert called == ["late"]


def test_an_exception_in_a_listener_is_reported_and_keeps_nobody_from_running(
    called: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
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
