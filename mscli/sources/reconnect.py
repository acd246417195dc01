"""Reconnect the tracks of a lost device: wait for the device to return, or move them to another one, or else end them.

Until then the tracks are muted and get black frames or silence from the lost device (``DeviceSource.look``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Event as Flag

from mscli.core.calls import Call
from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.errors import DOMException
from mscli.core.limits import RECONNECT_S, SOON_S, ReconnectPolicy
from mscli.core.log import Log
from mscli.core.reported import Reported
from mscli.sources.base import Device, Watching, doubling
from mscli.sources.device import DeviceSource

_log = Log("device")

Find = Callable[[Device, float], Device | None]  # with a timeout in seconds
Watch = Callable[[Callable[[], object]], Watching | None]


class Reconnection:
    """The reconnection of one device's tracks, on its own thread, from the loss until the tracks continue or end.

    It looks for the device whenever the backend's ``watch`` notifies, or regularly if there are no notifications. ``find``
    returns the device's current entry, or None. ``replace`` moves the tracks to other devices. Both raise DOMException. Any
    other exception is reported and does not end the reconnection. ``retries``: as of the backend. At the deadline, the tracks
    either have a device or have ended.
    """

    def __init__(
        self,
        device: DeviceSource,
        policy: ReconnectPolicy,
        find: Find,
        watch: Watch,
        replace: Callable[[DeviceSource], None],
        retries: Callable[[], Iterator[float] | None],
    ) -> None:
        self._device, self._policy, self._find, self._watch, self._replace = device, policy, find, watch, replace
        self._retries = retries
        self._pauses = self._fresh_pauses()
        self._until_us = device.lost_us + round(policy.reconnect_s * MICROSECONDS)
        self._wake = Flag()  # set when something may have changed, or on cancellation
        self._cancelled = False
        self._absent = False  # whether the last listing did not contain the device
        self._reported = Reported()
        self._thread: Call[None] | None = None

    def start(self) -> None:
        self._thread = Call(self._run, "mscli-reconnection")

    def cancel(self) -> None:
        """Start no further step."""
        self._cancelled = True
        self._wake.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait until it has ended, but no longer than the timeout, since a driver may hang. Return whether it has."""
        return self._thread is not None and self._thread.wait(timeout_s)

    def _run(self) -> None:
        watching: Watching | None = None
        with Reported():
            watching = self._watch(self._wake.set) if self._policy.reconnect_s else None
        try:
            while not self._over():
                self._wake.wait(self._pause_s(notified=watching is not None))
        finally:
            if watching is not None:
                watching.close()

    def _over(self) -> bool:
        self._wake.clear()  # before looking: a notification during the look requires another look
        return self._cancelled or self.attempt(now_us())

    def _pause_s(self, *, notified: bool) -> float:
        """Return how long to wait for the next look, unless a notification comes."""
        left_s = max(0, self._until_us - now_us()) / MICROSECONDS
        if self._absent:
            self._pauses = self._fresh_pauses()
            return left_s if notified else min(left_s, RECONNECT_S)
        return min(left_s, next(self._pauses))

    def _fresh_pauses(self) -> Iterator[float]:
        return self._retries() or doubling(SOON_S, RECONNECT_S)

    def attempt(self, at_us: int) -> bool:
        """Try to reconnect now. Return whether there is nothing left to do, as at the deadline."""
        done, self._absent = False, False
        with self._reported:
            done = self._try(at_us)
        if not done and at_us >= self._until_us:
            self._device.give_up()
            return True
        return done

    def _try(self, at_us: int) -> bool:
        """Return whether the tracks have a device, or nobody needs them any more."""
        if self._policy.reconnect_s:
            self._device.handle.stop()  # some drivers do not let a device return while it is open
        else:
            self._device.handle.release()
        if not self._device.wanted:
            return True
        if at_us < self._until_us:
            left_s = (self._until_us - at_us) / MICROSECONDS
            return self._returned(max(RECONNECT_S, left_s))  # the deadline does not cut a look short
        return self._policy.fallback and self._moved()

    def _returned(self, within_s: float) -> bool:
        """Return whether the device is back and streams. A device that has just returned may not be ready yet."""
        if self._device.handle.owes:
            return False
        try:
            found = self._find(self._device.device, within_s)
            self._absent = found is None
            if found is not None:
                self._device.resume(found)
        except DOMException as error:
            _log.debug("%s: not back yet: %s", self._device.name, error)
            return False
        return found is not None

    def _moved(self) -> bool:
        """Return whether every track was moved to another device."""
        try:
            self._replace(self._device)
        except DOMException as error:
            _log.info("%s: no other device can replace it: %s", self._device.name, error)
            return False
        _log.info("%s: replaced by another device", self._device.name)
        return True
