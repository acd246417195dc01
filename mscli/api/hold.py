"""The hold on a device: it is opened, started and given back, each answer of its driver waited for with a bound.

No lock is held while the driver is asked, so that another thread can give the device back meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import Lock

from mscli.api.consumer import Worker
from mscli.api.driver import Driver, Port, Stopping, stop_source
from mscli.api.mediadeviceinfo import device_name
from mscli.sources.base import Backend, Device, Receiver, Request, Source


class Opened:
    """A device that its driver has opened once. ``name``: as messages name it."""

    def __init__(self, source: Source, port: Port, name: str) -> None:
        self.source, self.port, self.name = source, port, name
        self._stopping = Lock()

    def stop(self) -> None:
        """Have its driver give it back, which may have been asked for before: one after the other."""
        with self._stopping:
            stop_source(self.source)


class Hold:
    """The hold on one device. ``keep`` has a worker waited for when all devices are closed."""

    def __init__(self, backend: Backend, receiver: Receiver, keep: Callable[[Worker], None]) -> None:
        self.hangs = False  # whether its driver was waited for in vain
        self.left_behind = ""  # the sentence for people, if its driver never gave the device back
        self._backend, self._receiver, self._keep = backend, receiver, keep
        self._driver = Driver()
        self._opened: Opened | None = None
        self._lock = Lock()  # of that

    @property
    def silent(self) -> bool:
        """Whether the driver owes an answer, as ``Driver`` has it."""
        return self._driver.silent

    @property
    def opened(self) -> Opened | None:
        """What is held."""
        return self._opened

    def open(self, device: Device, request: Request, timeout_s: float) -> Opened:
        """Have it opened, which is to be held or to be stopped. Raises NotReadableError, NotAllowedError."""
        name = device_name(device)
        source = self._driver.answer(partial(self._backend.open, device, request), timeout_s, name, "open", stop_source)
        return Opened(source, Port(self._receiver), name)

    def take(self, opened: Opened) -> None:
        """Hold that from now on."""
        self._opened = opened

    def start(self, opened: Opened, timeout_s: float) -> None:
        """Have it stream. Raises NotReadableError."""
        self.hangs = True  # until it answers

        def begin() -> None:
            try:
                opened.source.start(opened.port)
            finally:
                self.hangs = False

        self._driver.answer(begin, timeout_s, opened.name, "start", lambda _: opened.stop())

    def stop_if_let_go(self, opened: Opened) -> None:
        """Stop it if it is not held any more: who let it go may have done so before it was started."""
        if self._opened is not opened:
            self._stopping(opened).join()

    def stop(self) -> None:
        """Give the device back. One whose driver does not answer within ``STOP_S`` is left behind."""
        stopping = self.let_go()
        if stopping is not None:
            stopping.join()

    def release(self) -> None:
        """Give the device back. If its driver hangs, that goes on behind: it is waited for when all devices are closed."""
        stopping = self.let_go()
        if stopping is not None:
            self._keep(stopping) if self.hangs else stopping.join()

    def let_go(self) -> Stopping | None:
        """Hand on no more of what it gives, and begin to give the device back; None if that was done."""
        with self._lock:
            opened, self._opened = self._opened, None
        return self._stopping(opened) if opened is not None else None

    def _stopping(self, opened: Opened) -> Stopping:
        opened.port.closed = True
        return Stopping(opened.stop, partial(self._leave_behind, opened.name))

    def _leave_behind(self, name: str) -> None:
        self.left_behind = f"{name} did not stop: its driver hangs and was left behind"
