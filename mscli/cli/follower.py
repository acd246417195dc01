"""The devices that come and go while a command captures, for its ``--events``."""

from __future__ import annotations

from collections.abc import Callable

from mscli.api.devicechangeevent import DeviceChangeEvent
from mscli.api.mediadeviceinfo import MediaDeviceInfo
from mscli.api.mediadevices import MediaDevices
from mscli.cli.change import Change
from mscli.core.bounded import Call
from mscli.core.events import Event
from mscli.core.mailbox import Mailbox

CLOSE_S = 0.5  # for a first look that hangs, which is left behind then


class Follower:
    """Calls ``tell`` with every change, where events run, from when it has looked once until ``devices`` are closed.

    It looks on a thread of its own: a sound server takes its time, and frames do not wait for it.
    """

    def __init__(self, devices: MediaDevices, mailbox: Mailbox, tell: Callable[[Change], object]) -> None:
        self._devices = devices
        self._mailbox = mailbox
        self._tell = tell
        self._known: list[MediaDeviceInfo] | None = None
        self._events: list[DeviceChangeEvent] = []  # that came before the first look was over; bound: a few in its time
        self._looking = Call(self._look, "mscli-look")

    def close(self) -> None:
        """Have the first look over, so that ``devices`` can be closed."""
        self._looking.wait(CLOSE_S)

    def _look(self) -> None:
        self._devices.add_event_listener("devicechange", self._on_change)
        found = self._devices.enumerate_devices()
        self._mailbox.post(lambda: self._begin(found))

    def _begin(self, found: list[MediaDeviceInfo]) -> None:
        self._known = found
        self._tell_all()

    def _on_change(self, event: Event) -> None:
        assert isinstance(event, DeviceChangeEvent), "it listens for nothing else"
        self._events.append(event)
        self._tell_all()

    def _tell_all(self) -> None:
        while self._known is not None and self._events:
            event = self._events.pop(0)
            change = Change.between(self._known, event.devices, event.time)
            self._known = change.devices
            if change:
                self._tell(change)
