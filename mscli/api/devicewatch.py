"""The watch behind ``devicechange``: it learns from the backends that something may have changed, and finds out what has.

https://www.w3.org/TR/mediacapture-streams/#dfn-device-change-notification-steps
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from threading import Condition, Thread

from mscli.api.listing import Listing
from mscli.core.bounded import together
from mscli.core.reported import Reported
from mscli.sources.base import Device, Watching

QUIET_S = 0.1  # a camera and its microphone come in several steps: once nothing more comes for so long, they are looked at
LATEST_S = 0.4  # but at the latest so long after the first
READY_S = (0.05, 0.1, 0.2)  # a new device that cannot be opened yet, since permissions come after it, is looked at again
TOGETHER_S = 0.2  # what one backend found waits so long for the others that are looked at, to be one event with theirs
POLL_S = 2.0  # between two looks at a backend without events
CLOSE_S = 0.7  # for looks that hang, which are left behind then

Tell = Callable[[list[Device], list[Device]], object]  # with all devices, and those among them that are new


class _Followed:
    """One backend, its devices by the last look, and those that were told."""

    def __init__(self, listing: Listing) -> None:
        self.listing = listing
        self.hints = 0  # since the last look
        self.looking = False
        self.found: list[Device] = []
        self.told: list[Device] = []
        self.watching: Watching | None = None  # None: it has no events
        self.unsure = False  # whether the last look could not tell
        self._reported = Reported()

    @property
    def awaited(self) -> bool:
        """Whether it is looked at, or soon will be."""
        return self.looking or self.hints > 0

    def look(self) -> list[Device] | None:
        """Its devices; None if nobody can tell. A backend that fails in an unforeseen way is reported, and followed on."""
        devices: list[Device] | None = None
        with self._reported:
            devices = self.listing.look()
        self.unsure = devices is None
        return devices


class DeviceWatch:
    """Follows the devices of some backends, from its making until ``close``: each on a thread of its own, for one may hang.

    ``tell`` is called on one of the watch's threads after each change, and never twice at the same time.
    """

    def __init__(self, listings: Iterable[Listing], tell: Tell) -> None:
        self._tell = tell
        self._changed = Condition()
        self._closing = False
        self._followed = list(map(_Followed, listings))
        for one in self._followed:
            one.watching = one.listing.backend.watch(partial(self._hint, one))
        looks = together([one.look for one in self._followed], "mscli-look")
        for one, devices in zip(self._followed, looks, strict=True):
            one.found = one.told = devices or []
        self._threads = [
            Thread(target=self._follow, args=(one,), name="mscli-devicechange", daemon=True) for one in self._followed
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Follow them no more, and end the threads."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for one in self._followed:
            if one.watching is not None:
                one.watching.close()
        latest = time.monotonic() + CLOSE_S
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
                if devices is not None:  # else what was there is taken to be there still
                    one.found = devices
                self._changed.notify_all()
                self._tell_change()

    def _wait_for_hints(self, one: _Followed) -> bool:
        """Wait until the backend is to be looked at: there are hints, and it is quiet. False: the watch closes."""
        with self._changed:
            polled = one.watching is None or one.unsure
            if self._changed.wait_for(lambda: one.hints or self._closing, POLL_S if polled else None):
                self._wait_for_quiet(one)
            one.hints, one.looking = 0, True
            return not self._closing

    def _wait_for_quiet(self, one: _Followed) -> None:
        latest = time.monotonic() + LATEST_S
        while not self._closing and self._more_within(one, min(QUIET_S, latest - time.monotonic())):
            pass

    def _more_within(self, one: _Followed, seconds: float) -> bool:
        seen = one.hints
        return seconds > 0 and self._changed.wait_for(lambda: self._closing or one.hints > seen, seconds)

    def _tell_change(self) -> None:
        """Under the lock: tell if there is a difference, with what others find meanwhile."""
        self._changed.wait_for(lambda: self._closing or not any(one.awaited for one in self._followed), TOGETHER_S)
        before = [device for one in self._followed for device in one.told]
        after = [device for one in self._followed for device in one.found]
        for one in self._followed:
            one.told = one.found
        if not self._closing and list(map(_lasting, after)) != list(map(_lasting, before)):
            known = set(map(_key, before))
            self._tell(after, [device for device in after if _key(device) not in known])

    def _look_until_ready(self, one: _Followed) -> list[Device] | None:
        known = set(map(_key, one.found))
        for pause_s in READY_S:
            devices = one.look()
            if self._closing or all(_key(device) in known or device.busy or not device.problem for device in devices or ()):
                return devices
            with self._changed:
                self._changed.wait_for(lambda: self._closing, pause_s)
        return one.look()


def _key(device: Device) -> tuple[str, str]:
    return device.kind, device.device_id


def _lasting(device: Device) -> Device:
    """The device without what comes and goes while it stays: who uses it."""
    calm = device._replace(problem="", remedy="", busy=False) if device.busy else device
    return calm._replace(handle=None)
