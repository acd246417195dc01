"""The thread that runs events for programs without a loop of their own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from threading import Event as Flag
from threading import current_thread

import pytest

from mscli.api.eventthread import EventThread
from mscli.core.eventloop import EventLoop
from mscli.core.events import Event, EventTarget
from tests.unit.stage import TIMEOUT_S


class Bell(EventTarget):
    """An event target."""

    EVENTS = ("ring",)


def failing(kind: type[BaseException]) -> Callable[..., None]:
    """Return a task or listener that raises this error."""

    def fail(_event: Event | None = None) -> None:
        raise kind("a task that fails")

    return fail


KINDS = [ValueError, SystemExit, KeyboardInterrupt]


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_that_fails_is_reported_and_the_next_ones_run(
    kind: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    fail = failing(kind)
    reported: list[BaseException] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: reported.append(error))
    event_loop, ran = EventLoop(), Flag()
    events = EventThread(event_loop)
    for task in (fail, fail, ran.set):
        event_loop.post(task)
    events.start()
    assert ran.wait(TIMEOUT_S)
    events.stop()
    assert [str(error) for error in reported] == ["a task that fails"] * 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_listener_that_fails_is_reported_and_the_next_one_runs(
    kind: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[str] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: reported.append(kind.__name__))
    event_loop, bell, ran = EventLoop(), Bell(), Flag()
    bell.add_event_listener("ring", failing(kind))
    bell.add_event_listener("ring", lambda _: ran.set())
    events = EventThread(event_loop)
    events.start()
    event_loop.post(lambda: bell.dispatch_event(Event("ring")))
    events.stop()
    assert (ran.is_set(), reported) == (True, [kind.__name__])


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_what_ends_a_program_passes_through_a_listener_on_the_main_thread(kind: type[BaseException]) -> None:
    bell = Bell()
    bell.add_event_listener("ring", failing(kind))
    with pytest.raises(kind):
        bell.dispatch_event(Event("ring"))


def test_a_thread_that_has_ended_can_be_started_again() -> None:
    event_loop, ran = EventLoop(), list[int]()
    events = EventThread(event_loop)
    for number in range(3):
        event_loop.post(lambda number=number: ran.append(number))  # type: ignore[misc]
        events.start()
        events.stop()
        assert ran == list(range(number + 1))


def test_tasks_run_in_order_on_the_named_thread_and_all_before_the_end() -> None:
    event_loop, names = EventLoop(), list[str]()
    events = EventThread(event_loop)
    events.start()
    for _ in range(3):
        event_loop.post(lambda: names.append(current_thread().name))
    events.stop()
    assert names == ["mscli-events"] * 3
