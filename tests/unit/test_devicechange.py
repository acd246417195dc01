"""devicechange: when it fires and with what, and that nothing watches if nobody listens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

import mscli
from mscli.api import devicewatch
from mscli.core.eventloop import EventLoop
from mscli.sources.base import DEVICE_KINDS, VIDEO_INPUT, Abilities, Backend, Device, Request, Source, Watching
from tests.unit.stage import TIMEOUT_S, Heard, Stage, camera, microphone

Setting = Callable[..., Stage]


def watchers() -> list[str]:
    """Return the threads that watch."""
    return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("mscli-"))


def ids(infos: Sequence[mscli.MediaDeviceInfo]) -> list[str]:
    return [info.device_id for info in infos]


def appearing(device: dict[str, Any], seconds: float) -> dict[str, Any]:
    return {**device, "faults": {"appearAfterSeconds": seconds}}


# When it fires


def test_a_new_device_is_reported_with_all_current_ones(stage: Setting) -> None:
    here = stage(camera(0), appearing(camera(1), 5), microphone())
    heard = Heard(here.devices)
    here.clock.jump(5)
    here.run_until(lambda: heard.events)
    (event,) = heard.events
    assert isinstance(event, mscli.DeviceChangeEvent)
    assert (event.type, event.target) == ("devicechange", here.devices)
    assert ids(event.devices) == ids(here.devices.enumerate_devices()) == ["m0", "c0", "c1"]
    assert ids(event.user_inserted_devices) == ["c1"]
    assert event.user_inserted_devices[0] is event.devices[2]


def test_a_removed_device_is_reported(stage: Setting) -> None:
    here = stage(camera(0), {**camera(1), "faults": {"vanishAfterFrames": 0}})
    heard = Heard(here.devices)
    here.track(deviceId={"exact": "c1"})
    here.run_until(lambda: heard.events)
    (event,) = heard.events
    assert ids(event.devices) == ["c0"]
    assert event.user_inserted_devices == ()


def test_a_handler_is_called_as_a_listener_is(stage: Setting) -> None:
    here = stage(appearing(camera(), 1))
    events: list[mscli.DeviceChangeEvent] = []
    here.devices.ondevicechange = events.append
    here.clock.jump(1)
    here.run_until(lambda: events)
    assert ids(events[0].devices) == ["c0"]


def test_devices_that_appear_together_are_one_event(stage: Setting) -> None:
    here = stage(appearing(camera(0), 1), appearing(microphone(), 1.01))
    heard = Heard(here.devices)
    here.clock.jump(2)
    here.run_until(lambda: heard.events)
    here.devices.close()
    here.tasks.run_tasks()
    assert [ids(event.devices) for event in heard.events] == [["m0", "c0"]]


def test_an_event_may_be_made_by_anyone() -> None:
    info = mscli.MediaDeviceInfo(Device("s", "audiooutput", "Speaker", "g", "fake"))
    event = mscli.DeviceChangeEvent("devicechange", {"devices": [info]})
    assert event.devices == (info,)
    assert mscli.DeviceChangeEvent("devicechange").devices == ()
    for name in ("devices", "user_inserted_devices"):
        with pytest.raises(AttributeError):
            setattr(event, name, ())


# What watches


def test_nothing_watches_while_nobody_listens(stage: Setting) -> None:
    here = stage(appearing(camera(), 5))
    here.devices.enumerate_devices()
    here.devices.add_event_listener("other", print)
    assert watchers() == []


@pytest.mark.parametrize("end", ["remove", "close", "close twice"])
def test_the_watch_lasts_from_the_first_listener_to_the_last(stage: Setting, end: str) -> None:
    here = stage(appearing(camera(), 5))
    devices = here.devices
    devices.add_event_listener("devicechange", print)
    devices.ondevicechange = repr
    running = ["mscli-devicechange", "mscli-fake-watch"]
    assert watchers() == running
    devices.ondevicechange = None
    devices.remove_event_listener("devicechange", repr)
    assert watchers() == running
    if end == "remove":
        devices.remove_event_listener("devicechange", print)
    for _ in range(("remove", "close", "close twice").index(end)):
        devices.close()
    assert watchers() == []


def test_a_new_listener_gets_later_changes(stage: Setting) -> None:
    here = stage(appearing(camera(0), 5), appearing(camera(1), 10))
    heard = Heard(here.devices)
    here.devices.remove_event_listener("devicechange", heard.events.append)
    here.clock.jump(5)
    again = Heard(here.devices)
    here.clock.jump(5)
    here.run_until(lambda: again.events)
    assert heard.events == []
    assert [ids(event.user_inserted_devices) for event in again.events] == [["c1"]]


def test_a_listener_after_close_gets_nothing(stage: Setting) -> None:
    here = stage(camera())
    here.devices.close()
    here.devices.add_event_listener("devicechange", print)
    assert watchers() == []


def test_without_a_loop_of_the_caller_a_thread_runs_the_listeners() -> None:
    came = threading.Event()
    names: list[str] = []

    def on_change(event: mscli.DeviceChangeEvent) -> None:
        names.append(threading.current_thread().name)
        devices.close()  # which a listener may
        came.set()

    backend = Scripted([], [listed("a")])
    devices = mscli.MediaDevices(backends=[backend])
    devices.ondevicechange = on_change
    backend.notify()
    assert came.wait(TIMEOUT_S)
    assert names == ["mscli-events"]


# How it lists devices


class Scripted(Backend):
    """A backend with a script of listings. The last one stays."""

    name = "scripted"

    def __init__(self, *script: list[Device], silent: bool = False) -> None:
        self._script = list(script)
        self._silent = silent
        self.notify: Callable[[], object] = lambda: None
        self.looks = 0
        self.looked = threading.Semaphore(0)  # released once per listing
        self.watched = 0

    def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
        self.looks += 1
        self.looked.release()
        return self._script.pop(0) if len(self._script) > 1 else self._script[0]

    def watch(self, notify: Callable[[], object]) -> Watching | None:
        self.notify = notify
        self.watched += 1
        return None if self._silent else self

    def close(self) -> None:
        self.watched = 0

    def abilities(self, device: Device) -> Abilities:
        raise NotImplementedError

    def open(self, device: Device, request: Request) -> Source:
        raise NotImplementedError


class Followed:
    """MediaDevices with such backends, and a listener."""

    def __init__(self, *backends: Backend) -> None:
        self.tasks = EventLoop()
        self.devices = mscli.MediaDevices(backends=backends, tasks=self.tasks)
        self.heard = Heard(self.devices)

    def wait_for_events(self, count: int) -> list[mscli.DeviceChangeEvent]:
        """Run tasks until there were this many events, which come from other threads."""
        while len(self.heard.events) < count:
            before = len(self.heard.events)
            self.tasks.wait(TIMEOUT_S)
            assert len(self.heard.events) > before, "it did not come"
        return self.heard.events


@pytest.fixture
def follow() -> Iterator[Callable[..., Followed]]:
    """Listen to backends, and close them after the test."""
    made: list[Followed] = []

    def listen(*backends: Backend) -> Followed:
        made.append(Followed(*backends))
        return made[-1]

    yield listen
    for one in made:
        one.devices.close()


def listed(device_id: str, **more: Any) -> Device:
    return Device(device_id, VIDEO_INPUT, "Camera", "g", "scripted", **more)


DENIED = {"problem": "this user may not", "remedy": "ask"}


def test_a_new_device_is_given_time_to_become_ready(follow: Callable[..., Followed]) -> None:
    backend = Scripted([], [listed("a", **DENIED)], [listed("a", **DENIED)], [listed("a")])
    followed = follow(backend)
    backend.notify()
    (event,) = followed.wait_for_events(1)
    assert event.devices[0].problem == ""


def test_a_new_device_without_permission_is_reported_anyway(follow: Callable[..., Followed]) -> None:
    backend = Scripted([], [listed("a", **DENIED)])
    followed = follow(backend)
    backend.notify()
    (event,) = followed.wait_for_events(1)
    assert event.devices[0].problem == "this user may not"
    assert backend.looks == 2 + len(devicewatch.READY_S)


def test_a_new_device_in_use_is_reported_without_delay(follow: Callable[..., Followed]) -> None:
    backend = Scripted([], [listed("a", problem="in use", busy=True)])
    followed = follow(backend)
    backend.notify()
    followed.wait_for_events(1)
    assert backend.looks == 2


def test_permission_that_comes_late_is_a_change_of_its_own(follow: Callable[..., Followed]) -> None:
    backend = Scripted([listed("a", **DENIED)], [listed("a")])
    followed = follow(backend)
    backend.notify()
    (event,) = followed.wait_for_events(1)
    assert event.user_inserted_devices == ()
    assert event.devices[0].problem == ""


def test_another_default_is_a_change(follow: Callable[..., Followed]) -> None:
    a, b = listed("a"), listed("b")
    backend = Scripted([a._replace(default=True), b], [a, b._replace(default=True)])
    followed = follow(backend)
    backend.notify()
    (event,) = followed.wait_for_events(1)
    assert ids(event.devices) == ["b", "a"]


@pytest.mark.parametrize("more", [{}, {"problem": "in use", "busy": True}], ids=["no change", "only who uses it"])
def test_a_look_that_finds_nothing_new_is_no_event(follow: Callable[..., Followed], more: dict[str, Any]) -> None:
    calm, other = Scripted([listed("a")], [listed("a", **more)]), Scripted([], [listed("b")])
    followed = follow(calm, other)
    calm.notify()
    for _ in ("at first", "after the notice"):
        assert calm.looked.acquire(timeout=TIMEOUT_S)
    other.notify()
    (event,) = followed.wait_for_events(1)
    assert ids(event.devices) == ["a", "b"]


def test_only_the_backend_that_gave_notice_is_looked_at(follow: Callable[..., Followed]) -> None:
    changed, untouched = Scripted([], [listed("a")]), Scripted([listed("b")])
    followed = follow(changed, untouched)
    changed.notify()
    (event,) = followed.wait_for_events(1)
    assert ids(event.devices) == ["a", "b"]
    assert untouched.looks == 1


# Listings that fail


class Faulty(Scripted):
    """A backend with some errors in its script, which the listing raises."""

    def __init__(self, *script: list[Device] | Exception) -> None:
        super().__init__(*(entry for entry in script if isinstance(entry, list)))
        self._faults = [entry if isinstance(entry, Exception) else None for entry in script]

    def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
        fault = self._faults.pop(0) if self._faults else None
        if fault is not None:
            self.looked.release()
            raise fault
        return super().devices(kinds)


LOST = FileNotFoundError(2, "No such file or directory", "/sys/class/video4linux/video1")
DEFECT = RuntimeError("a defect")


@pytest.fixture
def polled(monkeypatch: pytest.MonkeyPatch) -> None:
    """List again at once instead of after a delay."""
    monkeypatch.setattr(devicewatch, "POLL_S", 0.001)


@pytest.mark.usefixtures("polled")
@pytest.mark.parametrize("error", [LOST, DEFECT])
def test_a_look_that_fails_is_taken_again_and_tells_nothing_false(
    follow: Callable[..., Followed], reports: list[BaseException], error: Exception
) -> None:
    backend = Faulty([listed("a")], error, error, [listed("a"), listed("b")], [listed("a")])
    followed = follow(backend)
    backend.notify()
    (came,) = followed.wait_for_events(1)
    assert (ids(came.devices), ids(came.user_inserted_devices)) == (["a", "b"], ["b"])
    backend.notify()
    assert ids(followed.wait_for_events(2)[1].devices) == ["a"]
    assert reports == ([DEFECT] if error is DEFECT else [])


@pytest.mark.usefixtures("polled")
@pytest.mark.parametrize("error", [LOST, DEFECT])
def test_a_first_look_that_fails_ends_no_watch(
    follow: Callable[..., Followed], reports: list[BaseException], error: Exception
) -> None:
    (event,) = follow(Faulty(error, [listed("a")])).wait_for_events(1)
    assert ids(event.devices) == ["a"]
    assert reports == ([DEFECT] if error is DEFECT else [])


class Slow(Scripted):
    """A backend whose listing hangs while ``free`` is cleared. ``asked`` is set by a listing that hangs."""

    def __init__(self, *script: list[Device]) -> None:
        super().__init__(*script)
        self.free, self.asked = threading.Event(), threading.Event()
        self.free.set()

    def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
        if not self.free.is_set():
            self.asked.set()
            assert self.free.wait(TIMEOUT_S)
        return super().devices(kinds)


@pytest.mark.parametrize("order", [1, -1], ids=["slow first", "slow last"])
def test_a_backend_that_is_slow_holds_up_no_other(follow: Callable[..., Followed], order: int) -> None:
    slow, quick = Slow([], [listed("s")]), Scripted([], [listed("q")])
    followed = follow(*(slow, quick)[::order])
    slow.free.clear()
    slow.notify()
    assert slow.asked.wait(TIMEOUT_S)
    quick.notify()
    (event,) = followed.wait_for_events(1)
    assert not followed.devices.silent(DEVICE_KINDS)  # the slow one has not been given up yet
    assert ids(event.user_inserted_devices) == ids(event.devices) == ["q"]
    slow.free.set()
    event = followed.wait_for_events(2)[1]
    assert ids(event.user_inserted_devices) == ["s"]
    assert ids(event.devices) == ["s", "q"][::order]


def test_what_two_backends_find_at_once_is_one_event(follow: Callable[..., Followed], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devicewatch, "CHANGES_TOGETHER_S", TIMEOUT_S)
    slow, quick = Slow([], [listed("s")]), Scripted([], [listed("q")])
    followed = follow(slow, quick)
    slow.free.clear()
    slow.notify()
    assert slow.asked.wait(TIMEOUT_S)
    quick.notify()
    for _ in ("at first", "after the notice"):
        assert quick.looked.acquire(timeout=TIMEOUT_S)
    slow.free.set()
    (event,) = followed.wait_for_events(1)
    assert ids(event.user_inserted_devices) == ["s", "q"]


class Meeting(Scripted):
    """A backend that only answers while others are listing too."""

    all_here = threading.Barrier(2)

    def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
        self.all_here.wait(TIMEOUT_S)
        return super().devices(kinds)


def test_backends_are_looked_at_together_at_the_start(follow: Callable[..., Followed]) -> None:
    one, other = Meeting([listed("a")]), Meeting([listed("b")])
    followed = follow(one, other)
    assert not followed.devices.silent(DEVICE_KINDS)
    assert (one.looks, other.looks) == (1, 1)


def test_a_backend_without_events_is_polled(follow: Callable[..., Followed], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devicewatch, "POLL_S", 0.001)
    backend = Scripted([], [], [], [listed("a")], silent=True)
    (event,) = follow(backend).wait_for_events(1)
    assert ids(event.devices) == ["a"]


def test_a_backend_is_notified_when_the_watch_closes(follow: Callable[..., Followed]) -> None:
    backend = Scripted([])
    followed = follow(backend)
    assert backend.watched == 1
    followed.devices.remove_event_listener("devicechange", followed.heard.events.append)
    assert backend.watched == 0
