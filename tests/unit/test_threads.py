"""Threads of one program that use the same devices concurrently, and devices that are lost concurrently."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from threading import Barrier, Thread
from threading import Event as Flag
from typing import Any
from weakref import ref

import pytest

import mscli
from mscli.api import mediastreamtrack
from mscli.api.getusermedia import UserMedia
from mscli.core.clock import now_us
from mscli.core.select import select_settings
from mscli.core.threads import Thread as LeavingSignals
from mscli.core.threads import tasks, wait_for_sleep
from mscli.sources.base import DEVICE_KINDS, Device, Receiver
from mscli.sources.fake.backend import FakeSource
from mscli.sources.reconnect import Reconnection
from tests.unit.stage import TIMEOUT_S, Stage, camera, device, silent

Setting = Callable[..., Stage]
BRIEFLY_S = 0.1  # the time for another thread to overtake, if it can


class Slow(mscli.FakeBackend):
    """A backend that lists its devices when the test lets it. ``asked`` counts the waiting calls."""

    def __init__(self) -> None:
        super().__init__({"devices": [camera()]})
        self.asked = threading.Semaphore(0)
        self.free = Flag()

    def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
        self.asked.release()
        assert self.free.wait(TIMEOUT_S)
        return super().devices(kinds)


class Worker:
    """A worker that does not end."""

    def __init__(self) -> None:
        self.joined = 0

    def join(self, timeout_s: float | None = None) -> bool:
        """Count who waits for the end."""
        self.joined += timeout_s is None
        return False


def test_a_thread_whose_start_was_prevented_can_be_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: threading.Thread) -> None:
        raise KeyboardInterrupt

    thread = LeavingSignals(target=lambda: None)
    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        thread.start()
    assert thread.join_or_abandon(TIMEOUT_S)


def at_once(*calls: Callable[[], object]) -> None:
    """Make the calls concurrently, each on a thread."""
    ready = Barrier(len(calls))

    def call_one(call: Callable[[], object]) -> None:
        ready.wait(TIMEOUT_S)
        call()

    threads = [Thread(target=call_one, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def running(name: str) -> int:
    """Return the number of threads with this name."""
    return [thread.name for thread in threading.enumerate()].count(name)


# Who listens


def test_a_listener_added_during_close_leaves_no_watch() -> None:
    backend = Slow()
    devices = mscli.MediaDevices(backends=[backend])
    late = Thread(target=devices.add_event_listener, args=("devicechange", print))
    late.start()
    assert backend.asked.acquire(timeout=TIMEOUT_S)
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
            assert backend.asked.acquire(timeout=TIMEOUT_S)
        backend.free.set()
        for thread in threads:
            thread.join()
        assert running("mscli-devicechange") == 1


@pytest.mark.usefixtures("hasty")
def test_events_run_on_one_thread() -> None:
    for _ in range(200):
        with mscli.MediaDevices(backends=[]) as devices:
            at_once(*[lambda: devices._machinery().poster()] * 2)
            assert running("mscli-events") == 1


# What is waited for at the end


def test_every_worker_is_waited_for_although_two_begin_at_once(stage: Setting) -> None:
    here = stage(camera())
    keep = here.track().keep
    workers = [Worker() for _ in range(8)]
    at_once(*[partial(keep, worker) for worker in workers])
    here.devices.close()
    assert [worker.joined for worker in workers] == [1] * 8


def test_a_worker_is_freed_once_nobody_holds_it(stage: Setting) -> None:
    here = stage(camera())
    worker = Worker()
    here.track().keep(worker)
    freed = ref(worker)
    del worker
    assert freed() is None


def test_every_reconnection_ends_at_the_end_although_two_devices_are_lost_at_once(
    stage: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = stage(*(silent(camera(number)) for number in range(3)))
    streams = [here.devices.get_user_media({"video": {"deviceId": {"exact": f"c{n}"}}}, reconnect_s=3600) for n in range(3)]
    lives = [device(stream.get_tracks()[0]) for stream in streams]
    begun: list[Reconnection] = []
    monkeypatch.setattr(Reconnection, "start", lambda reconnection: begun.append(reconnection))
    at_once(*[partial(live.on_ended, mscli.NotReadableError("it was unplugged")) for live in lives])
    here.close()
    assert [reconnection._cancelled for reconnection in begun] == [True] * 3


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
    assert device(tracks[0]) is device(tracks[1])


def stop_once_acquired(track: mscli.MediaStreamTrack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop a track after its device was chosen for another track that does not use it yet."""
    acquire = UserMedia._acquire

    def acquire_late(machinery: UserMedia, *asked: Any) -> Any:
        acquired = acquire(machinery, *asked)
        track.stop()
        return acquired

    monkeypatch.setattr(UserMedia, "_acquire", acquire_late)


def test_a_camera_released_while_a_track_joins_is_opened_again(stage: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    here = stage(camera())
    first = here.track()
    stop_once_acquired(first, monkeypatch)
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
    track.follow()
    applying.join()
    assert (track.get_settings()["width"], track.get_constraints()["width"]) == (32, {"exact": 32})


# What is lost at once


def test_a_camera_released_while_it_replaces_another_is_opened_again(stage: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    here = stage(silent(camera(0)), silent(camera(1)))
    begun: list[Reconnection] = []
    monkeypatch.setattr(Reconnection, "start", lambda reconnection: begun.append(reconnection))
    (track,) = here.devices.get_user_media({"video": {"deviceId": "c0"}}, fallback=True).get_tracks()
    other = here.track(deviceId={"exact": "c1"})
    stop_once_acquired(other, monkeypatch)
    device(track).on_ended(mscli.NotReadableError("it hangs"))
    assert begun[0].attempt(now_us())
    assert (track.label, device(track).ended, running("mscli-fake-c1")) == ("Camera 1", False, 1)


def test_of_two_devices_that_are_lost_at_once_none_takes_the_place_of_the_other(
    stage: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = stage(silent(camera(0)), silent(camera(1)))
    tracks = [
        here.devices.get_user_media({"video": {"deviceId": f"c{n}"}}, fallback=True).get_video_tracks()[0] for n in range(2)
    ]
    begun: list[Reconnection] = []
    acquire = UserMedia._acquire

    def acquire_overtaken(machinery: UserMedia, *asked: Any) -> Any:
        acquired = acquire(machinery, *asked)
        if len(begun) == 2:
            begun.pop().attempt(now_us())
        return acquired

    monkeypatch.setattr(Reconnection, "start", lambda reconnection: begun.append(reconnection))
    monkeypatch.setattr(UserMedia, "_acquire", acquire_overtaken)
    for track in tracks:
        device(track).on_ended(mscli.NotReadableError("it hangs"))
    for reconnection in tuple(begun):
        reconnection.attempt(now_us())
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
    hold = device(stage(camera()).track()).handle
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
    (track,) = stream.get_tracks()
    keep, other = track.keep, Worker()

    def keep_both(worker: Any) -> None:
        keep(worker)
        keep(other)

    monkeypatch.setattr(track, "keep", keep_both)
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


def test_a_thread_and_what_it_starts_leave_signals_to_the_main_thread() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    masks: list[set[int]] = []

    def look() -> None:
        masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, ()))

    def look_within() -> None:
        look()
        inner = Thread(target=look)
        inner.start()
        inner.join()

    thread = LeavingSignals(target=look_within, name="mscli-test", daemon=True)
    thread.start()
    thread.join()
    assert len(masks) == 2
    for mask in masks:
        assert mask >= {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGWINCH, signal.SIGUSR1}
        assert not mask & {signal.SIGALRM, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_a_thread_that_does_not_end_in_time_is_abandoned_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    free = Flag()
    thread = LeavingSignals(target=free.wait, name="mscli-test", daemon=True)
    thread.start()
    with caplog.at_level("WARNING", "mscli"):
        assert not thread.join_or_abandon(0.01)
        assert caplog.messages == ["the thread mscli-test did not end within 0.01 s: abandoned"]
        free.set()
        assert thread.join_or_abandon(TIMEOUT_S)
    assert len(caplog.messages) == 1


def test_every_thread_of_the_program_leaves_signals_to_the_main_thread() -> None:
    """A thread that the kernel may give a signal to keeps the handler waiting for the main thread's wait to end."""
    package = Path(mscli.__file__).parent
    makers = [
        path
        for path in package.rglob("*.py")
        if path.name not in ("relay_child.py", "publish_child.py")  # programs of their own, which handle no signals
        and re.search(r"threading\.Thread\(|from threading import .*\bThread\b", path.read_text())
    ]
    assert makers == []


def test_a_thread_that_ends_before_it_has_begun_is_an_error_for_its_starter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own start waits for ever then: seen with little memory."""

    def fail(_: threading.Thread) -> None:
        raise KeyError("no memory to note it")

    monkeypatch.setattr(threading.Thread, "_bootstrap_inner", fail)
    thread = LeavingSignals(target=pytest.fail, name="unborn")
    with pytest.raises(MemoryError, match="could not begin"):
        thread.start()
    monkeypatch.undo()
    assert thread not in vars(threading)["_limbo"]


# Threads of libraries


linux = pytest.mark.skipif(not tasks(), reason="the system does not tell what threads do")


@linux
def test_a_thread_that_dies_without_a_word_is_an_error_for_its_starter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LeavingSignals, "_bootstrap", lambda _: None)
    thread = LeavingSignals(target=pytest.fail, name="unborn")
    with pytest.raises(MemoryError, match="could not begin"):
        thread.start()
    thread.join()
    assert thread not in vars(threading)["_limbo"]


@linux
def test_a_thread_that_waits_is_asleep() -> None:
    done = Flag()
    waiting = Thread(target=done.wait)
    waiting.start()
    assert waiting.native_id in tasks()
    assert wait_for_sleep({waiting.native_id}, TIMEOUT_S) == set()
    done.set()
    waiting.join()


@linux
def test_a_thread_that_has_ended_is_asleep() -> None:
    ended = Thread(target=int)
    ended.start()
    ended.join()
    assert ended.native_id is not None
    assert wait_for_sleep({ended.native_id}, TIMEOUT_S) == set()


@linux
def test_a_thread_that_never_sleeps_is_told() -> None:
    """The thread that asks is always awake."""
    own = threading.get_native_id()
    assert wait_for_sleep({own}, 0) == {own}
    assert wait_for_sleep({own}, BRIEFLY_S) == {own}
