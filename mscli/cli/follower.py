"""Follow the devices that come and go during a capture, for ``--events``."""

from __future__ import annotations

from collections.abc import Callable

from mscli.api.devicechangeevent import DeviceChangeEvent
from mscli.api.mediadeviceinfo import MediaDeviceInfo
from mscli.api.mediadevices import MediaDevices
from mscli.cli.change import DeviceListChange
from mscli.core.calls import Call
from mscli.core.eventloop import EventLoop
from mscli.core.events import Event
from mscli.core.limits import FOLLOWER_CLOSED_S


class Follower:
    """A watch on the device list. It calls ``notify`` with every change, on the thread that runs events.

    The first listing runs on a thread of its own, because a sound server takes its time and frames must not wait for it. The
    watch ends when ``devices`` are closed.
    """

    def __init__(self, devices: MediaDevices, event_loop: EventLoop, notify: Callable[[DeviceListChange], object]) -> None:
        self._devices = devices
        self._event_loop = event_loop
        self._notify = notify
        self._known: list[MediaDeviceInfo] | None = None
        self._events: list[DeviceChangeEvent] = []  # events that arrived during the first listing; bound: a few
        self._looking = Call(self._look, "mscli-look")

    def close(self) -> None:
        """Wait for the first listing to end, so that ``devices`` can be closed."""
        self._looking.wait(FOLLOWER_CLOSED_S)

    def _look(self) -> None:
        self._devices.add_event_listener("devicechange", self._on_change)
        found = self._devices.enumerate_devices()
        self._event_loop.post(lambda: self._begin(found))

    def _begin(self, found: list[MediaDeviceInfo]) -> None:
        self._known = found
        self._notify_all()

    def _on_change(self, event: Event) -> None:
        assert isinstance(event, DeviceChangeEvent), "it listens for nothing else"
        self._events.append(event)
        self._notify_all()

    def _notify_all(self) -> None:
        while self._known is not None and self._events:
            event = self._events.pop(0)
            change = DeviceListChange.between(self._known, event.devices, event.time)
            self._known = change.devices
            if change:
                self._notify(change)
