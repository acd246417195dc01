"""Watch the devices for ``devicechange``: backends give hints, and the watch lists their devices to find the change.

https://www.w3.org/TR/mediacapture-streams/#dfn-device-change-notification-steps
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from threading import Condition

from mscli.api.listing import Listing
from mscli.core.calls import together
from mscli.core.limits import CHANGES_TOGETHER_S, HINTS_LATEST_S, HINTS_QUIET_S, LOOK_CLOSED_S
from mscli.core.locks import shared_lock
from mscli.core.reported import Reported
from mscli.core.threads import Thread
from mscli.sources.base import Device, Watching

# delays before checking again whether a new device can be opened: permissions are set after it appears
READY_S = (0.05, 0.1, 0.2)
POLL_S = 2.0  # the interval between listings of a backend without events

Notify = Callable[[list[Device], list[Device]], object]  # called with all devices, and with the new ones


class _Followed:
    """One backend, with its devices by the last listing and by the last notification."""

    def __init__(self, listing: Listing) -> None:
        self.listing = listing
        self.hints = 0  # since the last listing
        self.looking = False
        self.found: list[Device] = []
        self.notified: list[Device] = []
        self.watching: Watching | None = None  # None: the backend has no events
        self.unsure = False  # whether the last listing failed
        self._reported = Reported()

    @property
    def awaited(self) -> bool:
        """Return whether a listing is running or about to run."""
        return self.looking or self.hints > 0

    def list_devices(self) -> list[Device] | None:
        """Return the devices, or None if unknown. An unexpected exception of the backend is reported."""
        devices: list[Device] | None = None
        with self._reported:
            devices = self.listing.list_devices()
        self.unsure = devices is None
        return devices


class DeviceWatch:
    """A watch on the devices of some backends, until ``close``. Each has its own thread, because one may hang.

    ``notify`` is called on one of these threads after each change, never twice at the same time.
    """

    def __init__(self, listings: Iterable[Listing], notify: Notify) -> None:
        self._notify = notify
        self._changed = Condition(shared_lock())
        self._closing = False
        self._followed = list(map(_Followed, listings))
        for one in self._followed:
            one.watching = one.listing.backend.watch(partial(self._hint, one))
        looks = together([one.list_devices for one in self._followed], "mscli-look")
        for one, devices in zip(self._followed, looks, strict=True):
            one.found = one.notified = devices or []
        self._threads = [
            Thread(target=self._follow, args=(one,), name="mscli-devicechange", daemon=True) for one in self._followed
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop watching and end the threads."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for one in self._followed:
            if one.watching is not None:
                one.watching.close()
        latest = time.monotonic() + LOOK_CLOSED_S
        for thread in self._threads:
            thread.join(max(0.0, latest - time.monotonic()))

    def _hint(self, one: _Followed) -> None:
        with self._changed:
            one.hints += 1
            self._changed.notify_all()

    def _follow(self, one: _Followed) -> None:
        while self._wait_for_hints(one):
            devices = self._look_until_ready(one)
            with self._changed:
                one.looking = False
                if devices is not None:  # otherwise assume that the devices are unchanged
                    one.found = devices
                self._changed.notify_all()
                self._notify_change()

    def _wait_for_hints(self, one: _Followed) -> bool:
        """Wait until there are hints and it is quiet. Return False if the watch is closing."""
        with self._changed:
            polled = one.watching is None or one.unsure
            if self._changed.wait_for(lambda: one.hints or self._closing, POLL_S if polled else None):
                self._wait_for_quiet(one)
            one.hints, one.looking = 0, True
            return not self._closing

    def _wait_for_quiet(self, one: _Followed) -> None:
        latest = time.monotonic() + HINTS_LATEST_S
        while not self._closing and self._more_within(one, min(HINTS_QUIET_S, latest - time.monotonic())):
            pass

    def _more_within(self, one: _Followed, seconds: float) -> bool:
        seen = one.hints
        return seconds > 0 and self._changed.wait_for(lambda: self._closing or one.hints > seen, seconds)

    def _notify_change(self) -> None:
        """Notify of a difference, together with what others are about to find. The caller holds the lock."""
        self._changed.wait_for(lambda: self._closing or not any(one.awaited for one in self._followed), CHANGES_TOGETHER_S)
        before = [device for one in self._followed for device in one.notified]
        after = [device for one in self._followed for device in one.found]
        for one in self._followed:
            one.notified = one.found
        if not self._closing and list(map(_lasting, after)) != list(map(_lasting, before)):
            known = set(map(_key, before))
            self._notify(after, [device for device in after if _key(device) not in known])

    def _look_until_ready(self, one: _Followed) -> list[Device] | None:
        known = set(map(_key, one.found))
        for pause_s in READY_S:
            devices = one.list_devices()
            if self._closing or all(_key(device) in known or device.busy or not device.problem for device in devices or ()):
                return devices
            with self._changed:
                self._changed.wait_for(lambda: self._closing, pause_s)
        return one.list_devices()


def _key(device: Device) -> tuple[str, str]:
    return device.kind, device.device_id


def _lasting(device: Device) -> Device:
    """Return the device without what may change while it stays connected: who uses it."""
    calm = device._replace(problem="", remedy="", busy=False) if device.busy else device
    return calm._replace(handle=None)
