"""Fixtures for unit tests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mscli.api import watch
from mscli.core import mailbox
from tests.unit.stage import MemorySink, Recording, Stage, camera, silent


@pytest.fixture(autouse=True)
def nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames that stop coming are noticed only by tests that look, however slow the machine is."""
    monkeypatch.setattr(watch, "LOOK_S", 3600.0)


@pytest.fixture(autouse=True)
def pictures_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures that wait are dropped for their age only where a test moves the clock, however slow the machine is."""
    monkeypatch.setattr(mailbox, "VIDEO_LANE_SECONDS", 3600.0)


@pytest.fixture
def stage() -> Iterator[Callable[..., Stage]]:
    """Sets stages, and closes them after the test."""
    stages: list[Stage] = []

    def set_stage(*described: dict[str, Any], **more: Any) -> Stage:
        stages.append(Stage(*described, **more))
        return stages[-1]

    yield set_stage
    for one in stages:
        one.close()


@pytest.fixture
def sinks(monkeypatch: pytest.MonkeyPatch) -> list[MemorySink]:
    """The sinks in memory that are made from now on."""
    made: list[MemorySink] = []
    monkeypatch.setattr(MemorySink, "made", made)
    return made


@pytest.fixture
def recording(stage: Callable[..., Stage], sinks: list[MemorySink]) -> Recording:
    """A recorder of a camera whose frames are pushed."""
    return Recording(stage(silent(camera())))


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """The exceptions that are reported as uncaught ones from now on."""
    made: list[BaseException] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: made.append(error))
    return made


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads take turns after a few instructions, so that what must not be interrupted is."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)
