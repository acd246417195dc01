"""The contract of all backends (test_contract.py), held by the screen of a Wayland desktop."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mscli.sources.base import VIDEO_INPUT, Backend
from mscli.sources.screen import wayland
from mscli.sources.screen.wayland import WaylandBackend
from tests.backends.test_contract import *  # noqa: F403
from tests.backends.test_contract import Make
from tests.waylands import Desktop, desktop


@pytest.fixture(params=[VIDEO_INPUT])  # type: ignore[no-redef]
def rig(request: pytest.FixtureRequest) -> tuple[str, str, Make | None]:
    """The only kind of device."""
    return "wayland", request.param, None


@pytest.fixture(scope="module")
def session() -> Iterator[Desktop]:
    """A desktop."""
    with desktop() as started:
        yield started


@pytest.fixture  # type: ignore[no-redef]
def backend(session: Desktop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    """The backend of a still screen, whose last picture is passed on again at once."""
    monkeypatch.setattr(wayland, "STILL_US", 10_000)
    with session.node(first=0x204060):
        backend = WaylandBackend("screen:", bus=session.bus)
        yield backend
        backend.close()
