"""Changes of the device list: added, removed, altered and current devices. Follow them during a capture, for ``--events``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from mscli.api.devicechangeevent import DeviceChangeEvent
from mscli.api.mediadeviceinfo import MediaDeviceInfo
from mscli.core.calls import Call
from mscli.core.limits import FOLLOWER_CLOSED_S
from mscli.core.tuples import NamedTuple

if TYPE_CHECKING:
    from mscli.api.mediadevices import MediaDevices
    from mscli.core.eventloop import EventLoop
    from mscli.core.events import Event


class DeviceListChange(NamedTuple):
    """The difference between two device lists. ``at_us``: when it was noticed, in microseconds on CLOCK_MONOTONIC."""

    at_us: int
    added: list[MediaDeviceInfo]
    removed: list[MediaDeviceInfo]
    altered: list[MediaDeviceInfo]
    devices: list[MediaDeviceInfo]

    @classmethod
    def between(cls, before: Iterable[MediaDeviceInfo], now: Iterable[MediaDeviceInfo], at_us: int) -> DeviceListChange:
        """Compare two lists. A device is altered if its name, its default status or its problem has changed."""
        old, new = ({(info.kind, info.device_id): info for info in infos} for infos in (before, now))
        return cls(
            at_us,
            [info for key, info in new.items() if key not in old],
            [info for key, info in old.items() if key not in new],
            [info for key, info in new.items() if key in old and _compared(info) != _compared(old[key])],
            list(new.values()),
        )

    def to_json(self) -> dict[str, list[dict[str, Any]]]:
        """Return the contract's ``devicechange`` without its time."""
        lists = {"added": self.added, "removed": self.removed, "devices": self.devices}
        return {name: [device_json(info) for info in infos] for name, infos in lists.items()}

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.altered)


def _compared(info: MediaDeviceInfo) -> tuple[object, ...]:
    return info.label, info.group_id, info.default, info.path, info.problem


def device_json(info: MediaDeviceInfo) -> dict[str, Any]:
    """Return a device for scripts."""
    known = {"path": info.path, "monitorOf": info.monitor_of, "problem": info.problem, "remedy": info.remedy}
    return {
        **info.to_json(),
        "default": info.default,
        "backend": info.backend,
        **{name: value for name, value in known.items() if value},
    }


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
