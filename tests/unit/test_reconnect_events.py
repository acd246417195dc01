"""When a reconnection looks for its device: at once if the backend notifies of a change, or else regularly."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from threading import Event as Flag
from threading import Semaphore
from typing import Any

import pytest

import mscli
from mscli.sources import reconnect as reconnection
from mscli.sources.base import DEVICE_KINDS, Device, Watching
from tests.unit.lost import Pluggable
from tests.unit.stage import TIMEOUT_S, Heard, Stage, camera, device, picture, push, silent

Setting = Callable[..., Stage]


class Telling(Pluggable):
    """A backend that notifies when the test says so, and counts the listings."""

    tells = True

    def __init__(self, *described: Any, **more: Any) -> None:
        super().__init__(*described, **more)
        self.notify: Callable[[], object] = lambda: None
        self.watched = Flag()
        self.left = Flag()
        self.looks = 0
        self.looked = Semaphore(0)  # released once per listing

    def watch(self, notify: Callable[[], object]) -> Watching | None:  # type: ignore[override]
        self.notify = notify
        self.watched.set()
        return self if self.tells else None

    def close(self) -> None:
        self.left.set()

    def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
        found = super().devices(kinds)
        self.looks += 1
        self.looked.release()
        return found

    def forget(self) -> None:
        """Restart the count."""
        self.looks, self.looked = 0, Semaphore(0)

    def wait_for_looks(self, count: int) -> None:
        for _ in range(count):
            assert self.looked.acquire(timeout=TIMEOUT_S)


class Silent(Telling):
    """A backend that never notifies."""

    tells = False


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make regular checks continuous."""
    for pause in ("RECONNECT_S", "SOON_S"):
        monkeypatch.setattr(reconnection, pause, 0.001)


class Lost:
    """A track whose camera is gone and waited for."""

    def __init__(self, here: Stage, reconnect_s: float = TIMEOUT_S) -> None:
        assert isinstance(here.backend, Telling)
        self.stage, self.backend = here, here.backend
        (self.track,) = here.devices.get_user_media({"video": True}, reconnect_s=reconnect_s).get_tracks()
        push(self.track, picture(width=128, height=72))
        self.backend.forget()
        self.backend.away.add("c0")
        device(self.track).on_ended(mscli.NotReadableError("it was unplugged"))

    def wait_until_returned(self) -> None:
        self.stage.run_until(lambda: self.backend.opened == ["c0", "c0"])


@pytest.fixture
def lost(stage: Setting) -> Lost:
    """Create such a track, on a backend that notifies of changes."""
    return Lost(stage(silent(camera()), backend=Telling))


def test_a_device_is_looked_for_when_something_has_changed_and_not_in_between(lost: Lost) -> None:
    lost.backend.wait_for_looks(1)
    for looks in (2, 3):
        lost.backend.notify()
        lost.backend.wait_for_looks(1)
        assert lost.backend.looks == looks
    lost.backend.away.clear()
    lost.backend.notify()
    lost.wait_until_returned()
    assert lost.backend.looks == 4
    assert lost.backend.left.wait(TIMEOUT_S)


def test_where_nothing_tells_it_is_looked_for_from_time_to_time(stage: Setting) -> None:
    lost = Lost(stage(silent(camera()), backend=Silent))
    lost.backend.wait_for_looks(3)
    lost.backend.away.clear()
    lost.wait_until_returned()


def test_one_that_is_there_but_not_ready_is_tried_until_it_is(lost: Lost) -> None:
    lost.backend.wait_for_looks(1)
    lost.backend.busy.add("c0")
    lost.backend.away.clear()
    lost.backend.notify()
    lost.backend.wait_for_looks(5)
    lost.backend.busy.clear()
    lost.wait_until_returned()


def test_the_deadline_holds_without_notifications(stage: Setting) -> None:
    lost = Lost(stage(silent(camera()), backend=Telling), reconnect_s=0.05)
    lost.stage.run_until(lambda: lost.track.ready_state == "ended")
    assert lost.backend.left.wait(TIMEOUT_S)


def test_closing_ends_the_wait_at_once(lost: Lost) -> None:
    lost.backend.wait_for_looks(1)
    lost.stage.devices.close()
    assert lost.backend.looks == 1
    assert not [thread.name for thread in threading.enumerate() if thread.name == "mscli-reconnection"]


def test_the_reconnection_begins_before_the_loss_is_reported(stage: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    here = stage(silent(camera()))
    (track,) = here.devices.get_user_media({"video": True}, reconnect_s=TIMEOUT_S).get_tracks()
    heard, told = Heard(track), []

    def start(_: reconnection.Reconnection) -> None:
        here.tasks.run_tasks()
        told.append(heard.types)

    monkeypatch.setattr(reconnection.Reconnection, "start", start)
    device(track).on_ended(mscli.NotReadableError("it was unplugged"))
    here.tasks.run_tasks()
    assert (told, heard.types) == ([[]], ["mute"])


def test_pauses_grow_while_a_device_is_not_ready(stage: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconnection, "RECONNECT_S", 0.5)
    monkeypatch.setattr(reconnection, "SOON_S", 0.05)
    made: list[reconnection.Reconnection] = []
    monkeypatch.setattr(reconnection.Reconnection, "start", lambda one: made.append(one))
    Lost(stage(silent(camera()), backend=Telling))
    assert [made[0]._pause_s(notified=True) for _ in range(5)] == [0.05, 0.1, 0.2, 0.4, 0.5]
