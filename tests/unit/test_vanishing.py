"""A device that vanishes during its start: its tracks wait for it, move to another one, or end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import mscli
from mscli.sources.base import Receiver
from mscli.sources.fake.backend import FakeSource
from tests.unit.lost import Pluggable, Scene
from tests.unit.stage import Stage, camera, silent

Open = Callable[..., Scene]


class Fleeting:
    """Devices that vanish ``count`` times before the driver has confirmed the start. The driver raises ``error`` if given."""

    def __init__(self, count: int = 1, error: mscli.DOMException | None = None) -> None:
        self.count, self.error = count, error
        self._honest = FakeSource.start

    def start(self, source: FakeSource, receiver: Receiver) -> None:
        if self.count:
            self.count -= 1
            receiver.on_ended(mscli.NotReadableError("it was unplugged"))
            if self.error is not None:
                raise self.error
        self._honest(source, receiver)


@pytest.fixture
def vanishing(stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch) -> Open:
    """Create a track on the first of two cameras, which vanishes like this."""

    def scene(fleeting: Fleeting, **policy: Any) -> Scene:
        monkeypatch.setattr(FakeSource, "start", lambda *asked: fleeting.start(*asked))
        one = Scene(stage(silent(camera(0)), silent(camera(1)), backend=Pluggable), monkeypatch, **policy)
        one.stage.tasks.run_tasks()
        return one

    return scene


def test_it_is_waited_for(vanishing: Open) -> None:
    one = vanishing(Fleeting(), reconnect_s=5)
    assert (one.track.ready_state, str(one.track.ended_error), one.heard.types) == ("live", "it was unplugged", ["mute"])
    assert one.reconnection(1)
    one.frame(1.1)
    assert (one.heard.types, one.backend.opened, one.track.ended_error) == (["mute", "unmute"], ["c0", "c0"], None)


def test_one_that_vanishes_again_while_it_returns_is_waited_for_by_the_same_reconnection(vanishing: Open) -> None:
    one = vanishing(Fleeting(3), reconnect_s=5)
    assert [one.reconnection(at) for at in (1, 2, 3)] == [False, False, True]
    one.frame(3.1)
    assert (len(one.reconnections), one.heard.types) == (1, ["mute", "unmute"])


def test_it_is_waited_for_no_longer_than_was_asked(vanishing: Open) -> None:
    one = vanishing(Fleeting(99), reconnect_s=5)
    assert [one.reconnection(at) for at in (1, 5.15)] == [False, True]
    assert (one.heard.types, str(one.track.ended_error)) == (["mute", "ended"], "it was unplugged")


def test_another_device_takes_its_place(vanishing: Open) -> None:
    one = vanishing(Fleeting(), fallback=True)
    assert one.reconnection(0.1)
    one.frame(0.2)
    assert (one.track.label, one.heard.types) == ("Camera 1", ["mute", "configurationchange", "unmute"])


def test_a_replacement_that_vanishes_has_its_own_reconnection(vanishing: Open) -> None:
    one = vanishing(Fleeting(2), fallback=True)
    assert one.reconnection(0.1)
    assert (one.track.label, len(one.reconnections)) == ("Camera 1", 2)
    assert one.reconnection(0.2)
    one.frame(0.3)
    assert (one.track.label, one.heard.types[-1]) == ("Camera 0", "unmute")


def test_without_either_the_end_is_reported(vanishing: Open) -> None:
    one = vanishing(Fleeting())
    assert (one.heard.types, one.reconnections, str(one.track.ended_error)) == (["ended"], [], "it was unplugged")


def test_one_that_does_not_start_either_is_passed_over_and_not_waited_for(vanishing: Open) -> None:
    one = vanishing(Fleeting(error=mscli.NotReadableError("it does not start")), reconnect_s=5)
    assert (one.track.label, one.reconnections, one.heard.types) == ("Camera 1", [], [])
