"""The checks of web-platform-tests that ``checklist`` reads, by number. ``excused.toml`` is strict."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

from mscli.core import eventloop as event_loop
from mscli.sources import device as watch
from tests.conformance.checklist import FUNCTIONS, Check, Room, checks, excused

for _module in (
    "capabilities",
    "constraints",
    "devices",
    "displays",
    "elements",
    "idl",
    "images",
    "programs",
    "recorders",
    "recordings",
    "streams",
    "tracks",
    "unnumbered",
):
    import_module(f"tests.conformance.checks.{_module}")

CHECKS = {one.number: one for one in checks()}
EXCUSED = excused()


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    """Create the environment of a check, and close it afterwards. No device stalls on a manual clock or a slow machine."""
    monkeypatch.setattr(watch, "WATCH_S", 3600.0)
    monkeypatch.setattr(event_loop, "VIDEO_QUEUE_SECONDS", 3600.0)
    room = Room()
    yield room
    room.close()


def parameters() -> list[Any]:
    """Return every check that can be made. An excused one has to fail."""
    return [pytest.param(one, id=_id(one), marks=_marks(one)) for one in CHECKS.values() if one.number in FUNCTIONS]


def _id(one: Check) -> str:
    return f"{one.number} {re.sub('[^ -~]', '-', one.title)}"


def _marks(one: Check) -> list[pytest.MarkDecorator]:
    reason = EXCUSED.get(one.number)
    return [pytest.mark.xfail(reason=reason, strict=True, raises=(AssertionError, AttributeError))] if reason else []


@pytest.mark.parametrize("one", parameters())
def test_web_platform_tests(one: Check, room: Room) -> None:
    FUNCTIONS[one.number](room)


def test_every_check_is_made_or_excused() -> None:
    assert CHECKS.keys() - FUNCTIONS.keys() - EXCUSED.keys() == set()


def test_nothing_is_made_or_excused_that_is_no_check() -> None:
    assert (FUNCTIONS.keys() | EXCUSED.keys()) - CHECKS.keys() == set()
