"""Several threads of a program that use the same devices at once, and of devices that are lost at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from threading import Barrier, Thread
from threading import Event as Flag
from typing import Any

import pytest

import mscli
from mscli.api import mediastreamtrack
from mscli.api.getusermedia import UserMedia
from mscli.api.rescue import Rescue
from mscli.core.clock import now_us
from mscli.core.select import select_settings
from mscli.sources.base import DEVICE_KINDS, Device, Receiver
from mscli.sources.fake import FakeSource
from tests.unit.stage import PATIENCE_S, Stage, camera, silent

Setting = Callable[..., Stage]
BRIEFLY_S = 0.1  # what a thread gets to overtake another one, where it can


class Slow(mscli.FakeBackend):
    """Lists its devices when the test lets it; ``asked`` counts who waits for that."""

    def __init__(self) -> None:
        super().__init__({"devices": [camera()]})
        self.asked = threading.Semaphore(0)
        self.free = Flag()

    def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
        self.asked.release()
        assert self.free.wait(PATIENCE_S)
        return super().devices(kinds)


class Worker:
    """A worker that goes on; the first look at it lets ``overtaking`` run on a thread of its own."""

    def __init__(self, overtaking: Callable[[], object] = lambda: None) -> None:
        self.joined = 0
        self.overtaking = Thread(target=overtaking)

    def join(self, timeout_s: float | None = None) -> bool:
        """Count who waits for the end."""
        self.joined += timeout_s is None
        if self.overtaking.ident is None:
            self.overtaking.start()
            self.overtaking.join(BRIEFLY_S)
        return False


def at_once(*calls: Callable[[], object]) -> None:
    """Make the calls at the same time, on a thread each."""
    ready = Barrier(len(calls))

    def call_one(call: Callable[[], object]) -> None:
        ready.wait(PATIENCE_S)
        call()

    threads = [Thread(target=call_one, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def running(name: str) -> int:
    """How many threads of that name there are."""
    return [thread.name for thread in threading.enumerate()].count(name)


# Who listens


def test_who_begins_to_listen_while_the_devices_are_closed_leaves_no_watch_behind() -> None:
    backend = Slow()
    devices = mscli.MediaDevices(backends=[backend])
    late = Thread(target=devices.add_event_listener, args=("devicechange", print))
    late.start()
    assert backend.asked.acquire(timeout=PATIENCE_S)
    devices.close()
    backend.free.set()
    late.join()
    assert running("mscli-devicechange") == 0


def test_two_that_begin_to_listen_at_once_share_one_watch() -> None:
    backend = Slow()
    with mscli.MediaDevices(backends=[backend]) as devices:
        threads = [Thread(target=devices.add_event_listener, args=("devicechange", one)) for one in (print, repr)]
        for thread in threads:
            thread.start()
            assert backend.asked.acquire(timeout=PATIENCE_S)
        backend.free.set()
        for thread in threads:
            thread.join()
        assert running("mscli-devicechange") == 1


@pytest.mark.usefixtures("hasty")
def test_events_run_on_one_thread_whoever_is_the_first_to_need_it() -> None:
    for _ in range(200):
        with mscli.MediaDevices(backends=[]) as devices:
            at_once(*[lambda: devices._machinery().poster()] * 2)
            assert running("mscli-events") == 1


# What is waited for at the end


def test_every_worker_is_waited_for_although_two_begin_at_once(stage: Setting) -> None:
    here = stage(camera())
    keep = here.track().live.keep
    second = Worker()
    first = Worker(lambda: keep(second))
    keep(first)
    keep(Worker())
    first.overtaking.join()
    here.devices.close()
    assert (first.joined, second.joined) == (1, 1)


def test_every_rescue_ends_at_the_end_although_two_devices_are_lost_at_once(
    stage: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = stage(*(silent(camera(number)) for number in range(3)))
    lives = [
        here.devices.get_user_media({"video": {"deviceId": {"exact": f"c{n}"}}}, reconnect_s=3600).get_tracks()[0].live
        for n in range(3)
    ]
    begun: list[Rescue] = []
    overtaking = Thread(target=lives[2].on_ended, args=(mscli.NotReadableError("it was unplugged, too"),))

    def wait(rescue: Rescue, timeout_s: float) -> bool:
        if overtaking.ident is None:
            overtaking.start()
            overtaking.join(BRIEFLY_S)
        return False

    monkeypatch.setattr(Rescue, "start", lambda rescue: begun.append(rescue))
    monkeypatch.setattr(Rescue, "wait", wait)
    for live in lives[:2]:
        live.on_ended(mscli.NotReadableError("it was unplugged"))
    overtaking.join()
    here.close()
    assert [rescue._cancelled for rescue in begun] == [True] * 3


def test_a_device_that_is_being_opened_while_all_are_closed_is_given_back(
    stage: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = stage(camera())
    take = here.backend.open

    def take_late(*asked: Any) -> Any:
        here.devices.close()
        return take(*asked)

    monkeypatch.setattr(here.backend, "open", take_late)
    assert not here.devices.get_user_media({"video": True}).active
    assert (running("mscli-fake-c0"), running("mscli-watch")) == (0, 0)


def test_two_that_ask_for_a_camera_at_once_share_it(stage: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    here = stage(camera())
    tracks: list[mscli.MediaStreamTrack] = []
    take = here.backend.open
    second = Thread(target=lambda: tracks.append(here.track()))

    def take_late(*asked: Any) -> Any:
        if second.ident is None:
            second.start()
            second.join(BRIEFLY_S)
        return take(*asked)

    monkeypatch.setattr(here.backend, "open", take_late)
    tracks.append(here.track())
    second.join()
    assert tracks[0].live is tracks[1].live


def test_a_camera_that_is_given_back_while_somebody_joins_is_opened_anew(
    stage: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = stage(camera())
    first = here.track()
    acquire = UserMedia._acquire

    def acquire_late(machinery: UserMedia, *asked: Any) -> Any:
        acquired = acquire(machinery, *asked)
        first.stop()
        return acquired

    monkeypatch.setattr(UserMedia, "_acquire", acquire_late)
    second = here.track()
    assert (second.ready_state, running("mscli-fake-c0")) == ("live", 1)


def test_settings_that_are_applied_while_others_follow_the_device_are_those_that_stay(
    stage: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = stage(silent(camera()))
    track = here.track(width={"exact": 64}, frameRate=30)
    applying = Thread(target=track.apply_constraints, args=({"width": {"exact": 32}},))

    def select_late(*asked: Any) -> Any:
        selected = select_settings(*asked)
        if applying.ident is None:
            applying.start()
            applying.join(BRIEFLY_S)
        return selected

    monkeypatch.setattr(mediastreamtrack, "select_settings", select_late)
    track.source_changed()
    applying.join()
    assert (track.get_settings()["width"], track.get_constraints()["width"]) == (32, {"exact": 32})


# What is lost at once


def test_a_camera_that_is_given_back_while_it_takes_the_place_of_another_is_opened_anew(
    stage: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = stage(silent(camera(0)), silent(camera(1)))
    begun: list[Rescue] = []
    monkeypatch.setattr(Rescue, "start", lambda rescue: begun.append(rescue))
    (track,) = here.devices.get_user_media({"video": {"deviceId": "c0"}}, fallback=True).get_tracks()
    other = here.track(deviceId={"exact": "c1"})
    acquire = UserMedia._acquire

    def acquire_late(machinery: UserMedia, *asked: Any) -> Any:
        acquired = acquire(machinery, *asked)
        other.stop()
        return acquired

    monkeypatch.setattr(UserMedia, "_acquire", acquire_late)
    track.live.on_ended(mscli.NotReadableError("it hangs"))
    assert begun[0].look(now_us())
    assert (track.label, track.live.ended, running("mscli-fake-c1")) == ("Camera 1", False, 1)


def test_of_two_devices_that_are_lost_at_once_none_takes_the_place_of_the_other(
    stage: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = stage(silent(camera(0)), silent(camera(1)))
    tracks = [
        here.devices.get_user_media({"video": {"deviceId": f"c{n}"}}, fallback=True).get_video_tracks()[0] for n in range(2)
    ]
    begun: list[Rescue] = []
    acquire = UserMedia._acquire

    def acquire_overtaken(machinery: UserMedia, *asked: Any) -> Any:
        acquired = acquire(machinery, *asked)
        if len(begun) == 2:
            begun.pop().look(now_us())
        return acquired

    monkeypatch.setattr(Rescue, "start", lambda rescue: begun.append(rescue))
    monkeypatch.setattr(UserMedia, "_acquire", acquire_overtaken)
    for track in tracks:
        track.live.on_ended(mscli.NotReadableError("it hangs"))
    for rescue in tuple(begun):
        rescue.look(now_us())
    here.tasks.run_tasks()
    assert [track.ready_state == "live" for track in tracks] == [track.ended_error is None for track in tracks]


# Who stops


@pytest.mark.parametrize("when", ["before", "while"])
def test_a_track_that_is_stopped_while_its_device_is_started_leaves_that_alone(
    stage: Setting, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    here = stage(camera())
    streams: list[mscli.MediaStream] = []
    start = FakeSource.start

    def start_late(source: FakeSource, receiver: Receiver) -> None:
        streams[0].get_tracks()[0].stop()
        start(source, receiver)

    def prepare(stream: mscli.MediaStream) -> None:
        streams.append(stream)
        if when == "before":
            stream.get_tracks()[0].stop()

    monkeypatch.setattr(FakeSource, "start", start_late)
    stream = here.devices.get_user_media({"video": True}, prepare=prepare)
    assert not stream.active
    assert (running("mscli-fake-c0"), running("mscli-watch")) == (0, 0)


def test_a_device_that_two_stop_at_once_is_stopped_by_one_after_the_other(
    stage: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = stage(camera()).track().live.hold
    assert hold.opened is not None
    second = Thread(target=hold.stop_if_let_go, args=(hold.opened,))
    within: list[FakeSource] = []
    at_most: list[int] = []
    stop = FakeSource.stop

    def stop_slowly(source: FakeSource) -> None:
        within.append(source)
        if second.ident is None:
            second.start()
            second.join(BRIEFLY_S)
        at_most.append(len(within))
        stop(source)
        within.pop()

    monkeypatch.setattr(FakeSource, "stop", stop_slowly)
    hold.stop()
    second.join()
    assert at_most == [1, 1]


def test_a_recording_that_has_not_begun_yet_disturbs_no_other(stage: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    here = stage(camera())
    stream = here.devices.get_user_media({"video": True})
    recorder = mscli.MediaRecorder(stream)
    live = stream.get_tracks()[0].live
    keep, other = live.keep, Worker()

    def keep_both(worker: Any) -> None:
        keep(worker)
        keep(other)

    monkeypatch.setattr(live, "keep", keep_both)
    recorder.start()
    here.clock.run(0.2)
    recorder.stop()
    here.devices.close()
    assert (recorder.join(0), other.joined) == (True, 1)


# A stream


def test_a_stream_may_be_asked_for_its_tracks_while_one_joins(stage: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = stage(camera()).track(), stage(camera()).track()
    stream = mscli.MediaStream([first])

    def join_and_tell(_: mscli.MediaStreamTrack) -> str:
        stream.add_track(second)
        return "video"

    monkeypatch.setattr(mscli.MediaStreamTrack, "kind", property(join_and_tell))
    assert stream.get_video_tracks() == [first]
    assert stream.get_video_tracks() == [first, second]
