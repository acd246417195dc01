"""The watch behind ``devicechange``: it learns from the backends that something may have changed, and finds out what has.

https://www.w3.org/TR/mediacapture-streams/#dfn-device-change-notification-steps
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from threading import Condition, Thread

from mscli.sources.base import Backend, Device, Watching

QUIET_S = 0.1  # a camera and its microphone come in several steps: once nothing more comes for so long, they are looked at
LATEST_S = 0.4  # but at the latest so long after the first
READY_S = (0.05, 0.1, 0.2)  # a new device that cannot be opened yet, since permissions come after it, is looked at again
POLL_S = 2.0  # between two looks at a backend without events
CLOSE_S = 0.7  # for a look that hangs, which is left behind then

Look = Callable[[Backend], list[Device]]
Tell = Callable[[list[Device], list[Device]], object]  # with all devices, and those among them that are new


class DeviceWatch:
    """Follows the devices of some backends on a thread of its own, from its making until ``close``.

    ``look`` lists a backend's devices; ``tell`` is called on the watch's thread after each change.
    """

    def __init__(self, backends: Iterable[Backend], look: Look, tell: Tell) -> None:
        self._look = look
        self._tell = tell
        self._changed = Condition()
        self._hints: list[Backend] = []  # who may have changed since the last look; bound: by QUIET_S and LATEST_S
        self._closing = False
        watchings = [(backend, backend.watch(partial(self._hint, backend))) for backend in backends]
        self._watchings: list[Watching] = [watching for _, watching in watchings if watching is not None]
        self._polled = [backend for backend, watching in watchings if watching is None]
        self._known = {backend: look(backend) for backend, _ in watchings}
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

    def _hint(self, backend: Backend) -> None:
        with self._changed:
            self._hints.append(backend)
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            backends = self._next()
            if self._closing:
                return
            self._update(backends)

    def _next(self) -> Sequence[Backend]:
        """The backends to look at, once there are any and they are quiet."""
        with self._changed:
            again = [backend for backend in self._known if backend in self._polled or backend.silent]
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

    def _update(self, backends: Sequence[Backend]) -> None:
        """Look, and tell if there is a difference."""
        before = self._devices()
        for backend in backends:
            devices = self._look_until_ready(backend)
            if not backend.silent:  # else what was there is taken to be there still
                self._known[backend] = devices
        after = self._devices()
        if list(map(_lasting, after)) != list(map(_lasting, before)):
            known = set(map(_key, before))
            self._tell(after, [device for device in after if _key(device) not in known])

    def _devices(self) -> list[Device]:
        return [device for devices in self._known.values() for device in devices]

    def _look_until_ready(self, backend: Backend) -> list[Device]:
        known = set(map(_key, self._known[backend]))
        for pause_s in READY_S:
            devices = self._look(backend)
            if self._closing or all(_key(device) in known or device.busy or not device.problem for device in devices):
                return devices
            with self._changed:
                self._changed.wait_for(lambda: self._closing, pause_s)
        return self._look(backend)


def _key(device: Device) -> tuple[str, str]:
    return device.kind, device.device_id


def _lasting(device: Device) -> Device:
    """The device without what comes and goes while it stays: who uses it."""
    calm = device._replace(problem="", remedy="", busy=False) if device.busy else device
    return calm._replace(handle=None)
