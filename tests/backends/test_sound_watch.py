"""Changes of sound devices, as reported by a private PulseAudio."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import mscli
from mscli.core.eventloop import EventLoop
from mscli.sources.sound import watch as sound_watch
from mscli.sources.sound.portaudio import PortAudioBackend
from mscli.sources.sound.portaudio_library import LIBRARY
from mscli.sources.sound.watch import ServerWatch, concerns_us
from tests.backends.pulse_rig import PrivatePulse
from tests.backends.rig import TIMEOUT_S
from tests.backends.test_portaudio import doomed, pulse, record  # noqa: F401

SECOND_SINK = ("module-null-sink", "sink_name=attic", "rate=48000", "sink_properties=device.description=Attic")


class Notices:
    """A callback that counts its calls."""

    def __init__(self) -> None:
        self.count = 0
        self._changed = threading.Condition()

    def __call__(self) -> None:
        with self._changed:
            self.count += 1
            self._changed.notify_all()

    def wait_for_more_than(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.count > count, TIMEOUT_S), "no notice came"


class Heard:
    """A listener to this machine's sound devices, and its events."""

    def __init__(self) -> None:
        self.tasks = EventLoop()
        self.devices = mscli.MediaDevices(backends=[PortAudioBackend()], tasks=self.tasks)
        self.events: list[mscli.DeviceChangeEvent] = []
        self.devices.add_event_listener("devicechange", self.events.append)

    def next(self) -> mscli.DeviceChangeEvent:
        deadline = time.monotonic() + TIMEOUT_S
        while not self.events:
            self.tasks.wait(deadline - time.monotonic())
            assert time.monotonic() < deadline, "no event came"
        return self.events.pop(0)


@pytest.fixture
def heard(pulse: PrivatePulse) -> Iterator[Heard]:  # noqa: F811
    listener = Heard()
    yield listener
    listener.devices.close()


def labels(infos: tuple[mscli.MediaDeviceInfo, ...]) -> set[str]:
    return {info.label for info in infos}


def test_a_sink_that_comes_and_goes_is_told(heard: Heard, pulse: PrivatePulse) -> None:  # noqa: F811
    before = labels(tuple(heard.devices.enumerate_devices()))
    pulse.control("load-module", *SECOND_SINK)
    came = heard.next()
    assert labels(came.user_inserted_devices) == {"Attic", "Monitor of Attic"}
    pulse.remove("attic")
    assert labels(heard.next().devices) == before


def test_another_default_is_told(heard: Heard, pulse: PrivatePulse) -> None:  # noqa: F811
    pulse.control("set-default-source", "garage.monitor")
    event = heard.next()
    pulse.control("set-default-source", "studio.monitor")
    assert [info.path for info in event.devices if info.default and info.kind == "audioinput"] == ["garage.monitor"]
    assert event.user_inserted_devices == ()


def test_a_stream_that_runs_is_not_disturbed_by_looks_at_the_devices(heard: Heard, pulse: PrivatePulse) -> None:  # noqa: F811
    microphone = next(d for d in PortAudioBackend().devices(["audioinput"]) if d.path == "studio.monitor")
    source, collector = record(microphone)
    collector.wait(0.2)
    assert LIBRARY.renew() is True  # PortAudio has no part in it
    for _ in range(3):
        pulse.control("load-module", *SECOND_SINK)
        heard.next()
        pulse.remove("attic")
        heard.next()
    so_far = collector.samples / 48000
    collector.wait(so_far + 0.5)
    source.stop()
    assert collector.errors == []
    assert collector.lost == 0


def test_the_end_of_the_server_is_told_and_its_return(doomed: PrivatePulse, tmp_path: Path) -> None:  # noqa: F811
    notices = Notices()
    watch = ServerWatch(notices)
    notices.wait_for_more_than(0)
    doomed.close()
    notices.wait_for_more_than(1)
    again = PrivatePulse(tmp_path, {"studio": "Studio one"})
    notices.wait_for_more_than(2)
    again.close()
    watch.close()


def test_a_server_that_comes_late_is_found_when_that_is_asked_for(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pulse: PrivatePulse,  # noqa: F811
) -> None:
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path}/native")
    notices = Notices()
    watch = ServerWatch(notices)
    late = PrivatePulse(tmp_path, {"studio": "Studio one"})
    watch.try_again()
    notices.wait_for_more_than(0)
    watch.close()
    late.close()


def test_a_server_that_hangs_does_not_keep_the_watch_from_ending(
    doomed: PrivatePulse,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sound_watch, "SERVER_CLOSED_S", TIMEOUT_S)  # however late a busy machine wakes it
    for connected in (True, False):
        notices = Notices()
        if not connected:
            doomed.send(signal.SIGSTOP)
        watch = ServerWatch(notices)
        if connected:
            notices.wait_for_more_than(0)
            doomed.send(signal.SIGSTOP)
        began = time.monotonic()
        watch.close()
        assert time.monotonic() - began < TIMEOUT_S
        assert "mscli-sound-server" not in {thread.name for thread in threading.enumerate()}
        doomed.send(signal.SIGCONT)


@pytest.mark.parametrize(
    ("event", "heeded"),
    [(0x00, True), (0x01, True), (0x20, True), (0x21, True), (0x10, False), (0x11, False), (0x17, True)],
)
def test_volume_and_state_of_a_source_are_no_concern(event: int, heeded: bool) -> None:
    assert concerns_us(event) is heeded
