"""What follows when a device is gone: its tracks wait for it to return, or move to another one, and only then they end.

Meanwhile they are muted and get black or silence from the device that they lost (``LiveSource.look``).
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Event as Flag

from mscli.api.care import Care
from mscli.api.livesource import LiveSource
from mscli.core.bounded import Call
from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.errors import DOMException
from mscli.core.reported import Reported
from mscli.sources.base import Device, Watching

LOOK_S = 0.5  # between two looks whether the device has returned, where nothing tells
SOON_S = 0.05  # after which one that is there but not ready is tried again, then after twice as long, up to LOOK_S

Find = Callable[[Device, float], Device | None]  # within so many seconds
Watch = Callable[[Callable[[], object]], Watching | None]


class Rescue:
    """The rescue of one device's tracks, on a thread of its own from when the device is gone until they go on or end.

    It looks whenever the device's backend tells that something may have changed (``watch``, as ``Backend`` has it), and from
    time to time where that tells nothing. ``find`` gives the device as it is listed now, None where it is not; ``replace``
    moves the tracks to other devices. Both raise DOMException. Whatever else goes wrong is reported and ends nothing: at the
    end of its time the tracks have a device, or have ended.
    """

    def __init__(self, live: LiveSource, care: Care, find: Find, watch: Watch, replace: Callable[[LiveSource], None]) -> None:
        self._live, self._care, self._find, self._watch, self._replace = live, care, find, watch, replace
        self._until_us = live.lost_us + round(care.reconnect_s * MICROSECONDS)
        self._wake = Flag()  # something may have changed, or this is cancelled
        self._cancelled = False
        self._absent = False  # whether the last look was sure of that
        self._soon_s = SOON_S
        self._reported = Reported()
        self._thread: Call[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = Call(self._run, "mscli-rescue")

    def cancel(self) -> None:
        """Begin no further step."""
        self._cancelled = True
        self._wake.set()

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end, though not longer: a driver may hang. Whether that came."""
        return self._thread is not None and self._thread.wait(timeout_s)

    def _run(self) -> None:
        watching: Watching | None = None
        with Reported():
            watching = self._watch(self._wake.set) if self._care.reconnect_s else None
        try:
            while not self._over():
                self._wake.wait(self._pause_s(told=watching is not None))
        finally:
            if watching is not None:
                watching.close()

    def _over(self) -> bool:
        self._wake.clear()  # before the look: what is told meanwhile needs another
        return self._cancelled or self.look(now_us())

    def _pause_s(self, *, told: bool) -> float:
        """How long to wait for the next look, unless something is told."""
        left_s = max(0, self._until_us - now_us()) / MICROSECONDS
        if self._absent:
            self._soon_s = SOON_S
            return left_s if told else min(left_s, LOOK_S)
        pause_s, self._soon_s = self._soon_s, min(LOOK_S, 2 * self._soon_s)
        return min(left_s, pause_s)

    def look(self, at_us: int) -> bool:
        """Do what can be done now; whether that was all, as it is when the time is over."""
        done, self._absent = False, False
        with self._reported:
            done = self._try(at_us)
        if not done and at_us >= self._until_us:
            self._live.give_up()
            return True
        return done

    def _try(self, at_us: int) -> bool:
        """Whether the tracks have a device, or are wanted no more."""
        if self._care.reconnect_s:
            self._live.hold.stop()  # some drivers do not let a device return that is still open
        else:
            self._live.hold.release()
        if not self._live.wanted:
            return True
        if at_us < self._until_us:
            return self._returned(max(LOOK_S, (self._until_us - at_us) / MICROSECONDS))  # no look is cut off that would end
        return self._care.fallback and self._moved()

    def _returned(self, within_s: float) -> bool:
        """Whether the device is there again and streams. One that has just returned may not be ready yet."""
        if self._live.hold.silent:
            return False
        try:
            device = self._find(self._live.device, within_s)
            self._absent = device is None
            if device is not None:
                self._live.resume(device)
        except DOMException:
            return False
        return device is not None

    def _moved(self) -> bool:
        """Whether every track is on another device."""
        try:
            self._replace(self._live)
        except DOMException:
            return False
        return True
