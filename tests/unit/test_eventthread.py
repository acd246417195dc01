"""The thread that runs events for callers without a loop of their own."""

from __future__ import annotations

import sys
from threading import Event as Flag
from threading import current_thread

import pytest

from mscli.api.eventthread import EventThread
from mscli.core.mailbox import Mailbox
from tests.unit.stage import PATIENCE_S


def fail() -> None:
    raise ValueError("a task that fails")


def test_a_task_that_fails_is_reported_and_the_next_ones_run(monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[BaseException] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: reported.append(error))
    mailbox, ran = Mailbox(), Flag()
    events = EventThread(mailbox)
    for task in (fail, fail, ran.set):
        mailbox.post(task)
    events.start()
    assert ran.wait(PATIENCE_S)
    events.stop()
    assert [str(error) for error in reported] == ["a task that fails"] * 2


def test_tasks_run_in_order_on_the_named_thread_and_all_before_the_end() -> None:
    mailbox, names = Mailbox(), list[str]()
    events = EventThread(mailbox)
    events.start()
    for _ in range(3):
        mailbox.post(lambda: names.append(current_thread().name))
    events.stop()
    assert names == ["mscli-events"] * 3
