"""Changing a device while it streams: the frames and events of its tracks, also if its driver hangs or refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Event as Flag
from threading import Semaphore, Thread
from typing import Any

import pytest

import mscli
from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.limits import USUAL_TIMEOUTS, Timeouts
from mscli.sources.base import Device, Receiver, Request, Source
from mscli.sources.fake.backend import FakeSource
from mscli.sources.reconnect import Reconnection
from tests.unit.lost import Pluggable
from tests.unit.stage import TIMEOUT_S, Heard, Stage, camera, device, picture, push, reader, silent, waiting
from tests.untyped import untyped

SMALL, LARGE = 64, 128  # the widths of the modes
SOON = Timeouts(0.01, 2.0)
LONG = (TIMEOUT_S, 2.0)
MINUTE_US = 60 * MICROSECONDS
BRIEFLY_S = 0.1  # the time for another thread to overtake, if it can


class Moody(Pluggable):
    """A device whose driver opens, hangs until ``free``, or refuses, by width. ``asked`` counts the calls that hang."""

    def __init__(self, *described: Any, **more: Any) -> None:
        super().__init__(*described, **more)
        self.hangs: set[int] = set()
        self.refuses: set[int] = set()
        self.free = Flag()
        self.asked = Semaphore(0)
        self.widths: list[int] = []  # the requested widths
        self.sources: list[Source] = []

    def open(self, device: Device, request: Request) -> Source:
        width = int(request.settings["width"])
        self.widths.append(width)
        if width in self.hangs:
            self.asked.release()
            assert self.free.wait(TIMEOUT_S)
        if width in self.refuses:
            raise mscli.NotReadableError(f"the driver refuses {width}")
        self.sources.append(super().open(device, request))
        return self.sources[-1]


class Changing:
    """A track in the small mode, and its events."""

    def __init__(self, here: Stage, **policy: Any) -> None:
        assert isinstance(here.backend, Moody)
        self.stage, self.backend = here, here.backend
        asked = {"width": {"exact": SMALL}, "resizeMode": {"exact": "none"}}
        (self.track,) = here.devices.get_user_media(untyped({"video": asked}), **policy).get_tracks()
        self.heard = Heard(self.track)
        push(self.track, picture())

    def hurry(self) -> Changing:
        """Give the driver little time from now on."""
        device(self.track).timeouts = SOON
        return self

    def change(self) -> None:
        """Request the large mode."""
        self.track.apply_constraints({"width": {"exact": LARGE}, "resizeMode": {"exact": "none"}})

    def fail(self) -> str:
        """Request the large mode, which fails. Return the reason."""
        with pytest.raises(mscli.NotReadableError) as caught:
            self.change()
        self.stage.tasks.run_tasks()
        return str(caught.value)

    def hang(self) -> Thread:
        """Request the large mode on a thread that hangs in the driver."""

        def change() -> None:
            self.change()

        self.backend.hangs = {LARGE}
        thread = Thread(target=change)
        thread.start()
        assert self.backend.asked.acquire(timeout=TIMEOUT_S)
        return thread

    def shown(self, width: int) -> int:
        """Return the width of the track's frame if the camera delivers this width."""
        with reader(self.track) as frames:
            push(self.track, picture(now_us() + 2 * MINUTE_US, width, 48 if width == SMALL else 72))
            self.stage.tasks.run_tasks()
            return int(waiting(frames)[-1].display_width)


Change = Callable[..., Changing]


@pytest.fixture
def changing(stage: Callable[..., Stage]) -> Iterator[Change]:
    """Create tracks, and release all hanging calls after the test."""
    made: list[Changing] = []

    def make(**policy: Any) -> Changing:
        made.append(Changing(stage(silent(camera()), backend=Moody), **policy))
        return made[-1]

    yield make
    for one in made:
        one.backend.free.set()


# Events and frames


@pytest.mark.parametrize(("before", "after"), [(SMALL, LARGE), (LARGE, SMALL)])
def test_a_requested_change_fires_no_event(stage: Callable[..., Stage], before: int, after: int) -> None:
    here = stage(silent(camera()))
    track = here.track(width={"exact": before})
    heard = Heard(track)
    track.apply_constraints({"width": {"exact": after}, "resizeMode": {"exact": "none"}})
    here.tasks.run_tasks()
    assert (heard.types, track.muted, track.get_settings()["width"]) == ([], False, after)


def test_what_the_driver_changes_at_once_is_tried_against_the_new_constraints(
    changing: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = changing()
    start = FakeSource.start

    def start_and_change(source: FakeSource, receiver: Receiver) -> None:
        receiver.on_changed({"frameRate": 15.0})
        one.stage.tasks.run_tasks()
        start(source, receiver)

    monkeypatch.setattr(FakeSource, "start", start_and_change)
    one.change()
    assert (one.heard.types, one.track.get_settings()["frameRate"]) == (["configurationchange"], 15)


def test_the_other_tracks_have_no_frame_that_is_not_as_their_settings(
    changing: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = changing()
    other = one.track.clone()
    other.apply_constraints({"width": {"exact": SMALL}, "height": {"exact": 48}})
    monkeypatch.setattr(FakeSource, "start", lambda _, receiver: receiver.on_frame(picture(None, LARGE, 72)))
    with reader(other) as frames:
        one.change()
        assert [(frame.display_width, frame.display_height) for frame in waiting(frames)] == [(SMALL, 48)]
    assert one.backend.widths[-1] == LARGE


@pytest.mark.parametrize("call", ["open", "start"])
def test_after_a_failure_every_track_is_as_it_was(changing: Change, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    one = changing()
    one.track.apply_constraints({"width": {"exact": SMALL}})
    other = one.track.clone()
    was = [(each.get_settings(), each.get_constraints()) for each in (one.track, other)]
    start = FakeSource.start

    def start_small(source: FakeSource, receiver: Receiver) -> None:
        if source.settings["width"] == LARGE:
            raise mscli.NotReadableError("the driver refuses 128")
        start(source, receiver)

    one.backend.refuses = {LARGE} if call == "open" else set()
    monkeypatch.setattr(FakeSource, "start", start_small)
    assert one.fail() == "the driver refuses 128"
    assert [(each.get_settings(), each.get_constraints()) for each in (one.track, other)] == was
    assert (one.shown(SMALL), one.heard.types, one.track.ready_state) == (SMALL, [], "live")
    assert [source.released for source in one.backend.sources if isinstance(source, FakeSource)][-1] is False


# A driver that hangs


def test_a_driver_that_refuses_the_old_mode_too_has_lost_its_device(changing: Change) -> None:
    one = changing()
    one.backend.refuses = {SMALL, LARGE}
    assert one.fail() == "the driver refuses 128"
    assert (one.heard.types, str(one.track.ended_error)) == (["ended"], "the driver refuses 64")


def test_a_driver_that_hangs_is_not_asked_for_the_old_mode(changing: Change) -> None:
    one = changing().hurry()
    one.backend.hangs = {LARGE}
    assert "did not open within 0.01 s, because its driver hangs" in one.fail()
    assert (one.heard.types, one.backend.widths) == (["ended"], [SMALL, LARGE])
    assert "did not open within 0.01 s, because its driver hangs" in one.heard.events[0].detail["reason"]


def test_a_device_that_hangs_is_waited_for_and_continues(changing: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Reconnection] = []
    monkeypatch.setattr(Reconnection, "start", lambda reconnection: begun.append(reconnection))
    one = changing(reconnect_s=3600).hurry()
    one.backend.hangs = {LARGE}
    one.fail()
    assert (one.heard.types, begun[0].attempt(now_us())) == (["mute"], False)
    one.backend.free.set()
    device(one.track).timeouts = USUAL_TIMEOUTS
    one.stage.run_until(lambda: not device(one.track).handle.owes)
    assert begun[0].attempt(now_us())
    assert one.shown(SMALL) == SMALL
    assert (one.heard.types, one.track.get_constraints()["width"]) == (["mute", "unmute"], {"exact": SMALL})


def test_a_device_that_is_gone_is_not_asked(changing: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reconnection, "start", lambda _: None)
    one = changing(reconnect_s=3600)
    device(one.track).on_ended(mscli.NotReadableError("it was unplugged"))
    assert (one.fail(), one.backend.widths) == ("it was unplugged", [SMALL])


# Other tracks during a call to the driver


@pytest.mark.parametrize("end", ["stop", "close"])
def test_stopping_the_track_does_not_wait_for_the_driver(changing: Change, end: str) -> None:
    one = changing(timeout_s=LONG)
    thread = one.hang()
    (one.track.stop if end == "stop" else one.stage.devices.close)()
    assert (thread.is_alive(), one.track.ready_state) == (True, "ended")
    one.backend.free.set()
    thread.join()
    assert [source.released for source in one.backend.sources if isinstance(source, FakeSource)] == [True, True]
    assert one.stage.track(width={"exact": SMALL}).ready_state == "live" if end == "stop" else True


def test_it_may_deliver_nothing_in_between(changing: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    one = changing(timeout_s=LONG)
    thread = one.hang()
    device(one.track).check_silence(now_us() + MINUTE_US)
    one.stage.tasks.run_tasks()
    assert (thread.is_alive(), one.heard.types) == (True, ["mute"])
    one.backend.free.set()
    thread.join()
    assert one.shown(LARGE) == LARGE
    assert one.heard.types == ["mute", "unmute"]


def test_two_that_want_the_same_change_it_once(changing: Change) -> None:
    one = changing(timeout_s=LONG)
    clone = one.track.clone()
    clone.apply_constraints({})
    first = one.hang()
    second = Thread(target=clone.apply_constraints, args=({"width": {"exact": LARGE}, "resizeMode": {"exact": "none"}},))
    second.start()
    second.join(BRIEFLY_S)
    one.backend.free.set()
    first.join()
    second.join()
    assert (one.backend.widths, clone.get_settings()["width"]) == ([SMALL, LARGE], LARGE)


def test_a_track_that_stops_gives_back_the_size_that_it_took(stage: Callable[..., Stage]) -> None:
    here = stage(silent(camera()))
    (large,) = here.devices.get_user_media({"video": {"width": LARGE}}).get_tracks()
    (small,) = here.devices.get_user_media({"video": {"width": {"exact": SMALL}, "resizeMode": {"exact": "none"}}}).get_tracks()
    assert large.get_settings()["width"] == SMALL
    heard = Heard(large)
    small.stop()
    here.run_until(lambda: large.get_settings()["width"] == LARGE)
    assert heard.types == ["configurationchange"]


def test_a_track_keeps_its_size_if_it_has_asked_for_it_itself(stage: Callable[..., Stage]) -> None:
    here = stage(silent(camera()))
    (large,) = here.devices.get_user_media({"video": {"width": LARGE}}).get_tracks()
    (small,) = here.devices.get_user_media({"video": {"width": {"exact": SMALL}, "resizeMode": {"exact": "none"}}}).get_tracks()
    large.apply_constraints({"width": {"exact": SMALL}})
    small.stop()
    here.tasks.run_tasks()
    assert large.get_settings()["width"] == SMALL
