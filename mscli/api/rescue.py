"""What follows when a device is gone: its tracks wait for it to return, or move to another one, and only then they end.

Meanwhile they are muted and get black or silence from the device that they lost (``LiveSource.look``).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import Event as Flag

from mscli.api.care import Care
from mscli.api.driver import answer
from mscli.api.livesource import LiveSource
from mscli.core.bounded import Call
from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.errors import DOMException
from mscli.sources.base import Device

LOOK_S = 0.5  # between two looks whether the device has returned


class Rescue:
    """The rescue of one device's tracks, on a thread of its own from when the device is gone until they go on or end.

    ``find`` gives the device as it is listed now, None where it is not; ``replace`` moves the tracks to other devices. Both
    raise DOMException.
    """

    def __init__(
        self,
        live: LiveSource,
        care: Care,
        find: Callable[[Device], Device | None],
        replace: Callable[[LiveSource], None],
    ) -> None:
        self._live, self._care, self._find, self._replace = live, care, find, replace
        self._until_us = live.lost_us + round(care.reconnect_s * MICROSECONDS)
        self._cancelled = Flag()
        self._thread: Call[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = Call(self._run, "mscli-rescue")

    def cancel(self) -> None:
        """Begin no further step."""
        self._cancelled.set()

    def wait(self, timeout_s: float) -> None:
        """Wait for its end, though not longer: a driver may hang."""
        if self._thread is not None:
            self._thread.wait(timeout_s)

    def _run(self) -> None:
        while not self.look(now_us()) and not self._cancelled.wait(LOOK_S):
            pass

    def look(self, at_us: int) -> bool:
        """Do what can be done now; whether that was all."""
        self._live.release()  # some drivers do not let a device return that is still open
        if not self._live.wanted:
            return True
        if at_us < self._until_us:
            return self._returned((self._until_us - at_us) / MICROSECONDS)
        if not (self._care.fallback and self._moved()):
            self._live.give_up()
        return True

    def _returned(self, within_s: float) -> bool:
        """Whether the device is there again and streams. One that has just returned may not be ready yet."""
        try:
            device = answer(partial(self._find, self._live.device), within_s, self._live.name, "answer", lambda _: None)
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
