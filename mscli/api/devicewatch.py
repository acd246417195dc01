"""The watch behind ``devicechange``: it learns from the backends that something may have changed, and finds out what has.

https://www.w3.org/TR/mediacapture-streams/#dfn-device-change-notification-steps
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from threading import Condition, Thread

from mscli.api.listing import Listing
from mscli.sources.base import Device, Watching

QUIET_S = 0.1  # a camera and its microphone come in several steps: once nothing more comes for so long, they are looked at
LATEST_S = 0.4  # but at the latest so long after the first
READY_S = (0.05, 0.1, 0.2)  # a new device that cannot be opened yet, since permissions come after it, is looked at again
POLL_S = 2.0  # between two looks at a backend without events
CLOSE_S = 0.7  # for a look that hangs, which is left behind then

Tell = Callable[[list[Device], list[Device]], object]  # with all devices, and those among them that are new


class DeviceWatch:
    """Follows the devices of some backends on a thread of its own, from its making until ``close``.

    ``tell`` is called on the watch's thread after each change.
    """

    def __init__(self, listings: Iterable[Listing], tell: Tell) -> None:
        self._tell = tell
        self._changed = Condition()
        self._hints: list[Listing] = []  # who may have changed since the last look; bound: by QUIET_S and LATEST_S
        self._closing = False
        watchings = [(listing, listing.backend.watch(partial(self._hint, listing))) for listing in listings]
        self._watchings: list[Watching] = [watching for _, watching in watchings if watching is not None]
        self._polled = [listing for listing, watching in watchings if watching is None]
        self._known = {listing: listing.look() or [] for listing, _ in watchings}
        self._thread = Thread(target=self._run, name="mscli-devicechange", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Follow them no more, and end the threads."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for watching in self._watchings:
            watching.close()
        self._thread.join(CLOSE_S)

    def _hint(self, listing: Listing) -> None:
        with self._changed:
            self._hints.append(listing)
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            listings = self._next()
            if self._closing:
                return
            self._update(listings)

    def _next(self) -> Sequence[Listing]:
        """The backends to look at, once there are any and they are quiet."""
        with self._changed:
            again = [listing for listing in self._known if listing in self._polled or listing.silent]
            if not self._changed.wait_for(lambda: self._hints or self._closing, POLL_S if again else None):
                return again
            self._wait_for_quiet()
            hints, self._hints = self._hints, []
        return list(dict.fromkeys(hints))

    def _wait_for_quiet(self) -> None:
        latest = time.monotonic() + LATEST_S
        while not self._closing and self._more_within(min(QUIET_S, latest - time.monotonic())):
            pass

    def _more_within(self, seconds: float) -> bool:
        seen = len(self._hints)
        return seconds > 0 and self._changed.wait_for(lambda: self._closing or len(self._hints) > seen, seconds)

    def _update(self, listings: Sequence[Listing]) -> None:
        """Look, and tell if there is a difference."""
        before = self._devices()
        for listing in listings:
            devices = self._look_until_ready(listing)
            if devices is not None:  # else what was there is taken to be there still
                self._known[listing] = devices
        after = self._devices()
        if list(map(_lasting, after)) != list(map(_lasting, before)):
            known = set(map(_key, before))
            self._tell(after, [device for device in after if _key(device) not in known])

    def _devices(self) -> list[Device]:
        return [device for devices in self._known.values() for device in devices]

    def _look_until_ready(self, listing: Listing) -> list[Device] | None:
        known = set(map(_key, self._known[listing]))
        for pause_s in READY_S:
            devices = listing.look()
            if self._closing or all(_key(device) in known or device.busy or not device.problem for device in devices or ()):
                return devices
            with self._changed:
                self._changed.wait_for(lambda: self._closing, pause_s)
        return listing.look()


def _key(device: Device) -> tuple[str, str]:
    return device.kind, device.device_id


def _lasting(device: Device) -> Device:
    """The device without what comes and goes while it stays: who uses it."""
    calm = device._replace(problem="", remedy="", busy=False) if device.busy else device
    return calm._replace(handle=None)
