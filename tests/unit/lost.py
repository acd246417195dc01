"""Devices that the test plugs in and out, at times that the test chooses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

import mscli
from mscli.core.clock import MICROSECONDS
from mscli.core.frames import AudioData
from mscli.sources import device as device_module
from mscli.sources.base import DEVICE_KINDS, Device, Receiver, Request, Source, Watching
from mscli.sources.fake.backend import FakeSource
from mscli.sources.reconnect import Reconnection
from tests.unit.stage import Heard, Stage, device, picture
from tests.untyped import untyped

START_US = 5_000_000_000


class Pluggable(mscli.FakeBackend):
    """Fake devices, some of which are absent or busy for as long as the test says."""

    def __init__(self, desc: Mapping[str, Any] | None = None, **more: Any) -> None:
        super().__init__(desc, **more)
        self.away: set[str] = set()
        self.busy: set[str] = set()
        self.opened: list[str] = []

    def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
        return [device for device in super().devices(kinds) if device.device_id not in self.away]

    def open(self, device: Device, request: Request) -> Source:
        if device.device_id in self.away | self.busy:
            raise mscli.NotReadableError(f"“{device.label}” is busy or gone")
        self.opened.append(device.device_id)
        return super().open(device, request)


class Flawed(Pluggable):
    """Fake devices whose calls named in ``fails`` raise the errors listed there, one per call."""

    def __init__(self, *described: Any, **more: Any) -> None:
        super().__init__(*described, **more)
        self.fails: dict[str, list[Exception]] = {}

    def call(self, name: str) -> None:
        """Raise the next error, if there is one."""
        if self.fails.get(name):
            raise self.fails[name].pop(0)

    def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
        self.call("devices")
        return super().devices(kinds)

    def open(self, device: Device, request: Request) -> Source:
        self.call("open")
        source = super().open(device, request)
        assert isinstance(source, FakeSource)
        return Flaw(source, self.call)

    def watch(self, notify: Callable[[], object]) -> Watching:
        self.call("watch")
        return super().watch(notify)


class Flaw(Source):
    """A source that may fail to start. If it fails to stop, it has stopped anyway."""

    def __init__(self, source: FakeSource, call: Callable[[str], None]) -> None:
        self._source, self._call = source, call

    @property
    def settings(self) -> Any:
        return self._source.settings

    def start(self, receiver: Receiver) -> None:
        self._call("start")
        self._source.start(receiver)

    def stop(self) -> None:
        self._source.stop()
        self._call("stop")


class Scene:
    """A track and its device. The test moves the clock, the watchdog and the reconnection."""

    def __init__(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch, kind: str = "video", asked: Any = True, **policy: Any
    ) -> None:
        self.stage, self.at_us = stage, START_US
        self.reconnections: list[Reconnection] = []
        monkeypatch.setattr(device_module, "now_us", lambda: self.at_us)
        monkeypatch.setattr(Reconnection, "start", lambda reconnection: self.reconnections.append(reconnection))
        (self.track,) = stage.devices.get_user_media(untyped({kind: asked}), **policy).get_tracks()
        self.heard = Heard(self.track)

    @property
    def backend(self) -> Pluggable:
        """Return the backend of the device."""
        assert isinstance(self.stage.backend, Pluggable)
        return self.stage.backend

    def at(self, seconds: float) -> None:
        """Move the clock to a time after the start."""
        self.at_us = START_US + round(seconds * MICROSECONDS)

    def frame(self, seconds: float, level: int = 200, early_us: int = 0) -> None:
        """Deliver a frame that was captured earlier by this much."""
        self.at(seconds)
        device(self.track).on_frame(self._made(self.at_us - early_us, level))
        self.stage.tasks.run_tasks()

    def look(self, seconds: float) -> None:
        """Let the watchdog check the device."""
        self.at(seconds)
        device(self.track).check_silence(self.at_us)
        self.stage.tasks.run_tasks()

    def unplug(self, seconds: float, device_id: str = "c0") -> None:
        """Remove the device, as its driver reports."""
        self.at(seconds)
        self.backend.away.add(device_id)
        device(self.track).on_ended(mscli.NotReadableError("it was unplugged"))
        self.stage.tasks.run_tasks()

    def plug_in(self, device_id: str = "c0") -> None:
        """Plug the device in again."""
        self.backend.away.discard(device_id)

    def reconnection(self, seconds: float) -> bool:
        """Let the reconnection look. Return whether it is over."""
        self.at(seconds)
        over = self.reconnections[-1].attempt(self.at_us)
        self.stage.tasks.run_tasks()
        return over

    def _made(self, at_us: int, level: int) -> Any:
        if self.track.kind == "video":
            native = device(self.track).settings()
            return picture(at_us, int(native["width"]), int(native["height"]), level)
        return AudioData("s16", 48000, 480, 1, at_us, memoryview(bytes([level]) * 960))
