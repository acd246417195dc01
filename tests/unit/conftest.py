"""Fixtures for unit tests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import tests.untimed  # noqa: F401
from mscli.core import eventloop as event_loop
from mscli.sources import device as watch
from tests.unit.stage import MemorySink, Recording, Stage, camera, silent


@pytest.fixture(autouse=True)
def nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Disable the watchdog thread, whose timing depends on the machine. Tests call ``look`` themselves."""
    monkeypatch.setattr(watch, "WATCH_S", 3600.0)


@pytest.fixture(autouse=True)
def pictures_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep waiting video frames from getting too old. Only tests that move the clock drop frames for their age."""
    monkeypatch.setattr(event_loop, "VIDEO_QUEUE_SECONDS", 3600.0)


@pytest.fixture
def stage() -> Iterator[Callable[..., Stage]]:
    """Create stages, and close them after the test."""
    stages: list[Stage] = []

    def set_stage(*described: dict[str, Any], **more: Any) -> Stage:
        stages.append(Stage(*described, **more))
        return stages[-1]

    yield set_stage
    for one in stages:
        one.close()


@pytest.fixture
def sinks(monkeypatch: pytest.MonkeyPatch) -> list[MemorySink]:
    """Return the list of in-memory sinks created from now on."""
    made: list[MemorySink] = []
    monkeypatch.setattr(MemorySink, "made", made)
    return made


@pytest.fixture
def recording(stage: Callable[..., Stage], sinks: list[MemorySink]) -> Recording:
    """Create a recorder for a camera whose frames the test pushes."""
    return Recording(stage(silent(camera())))


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """Return the list of exceptions reported as uncaught from now on."""
    made: list[BaseException] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: made.append(error))
    return made


@pytest.fixture
def hasty() -> Iterator[None]:
    """Switch threads after a few instructions, to interrupt what must not be interrupted."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)
