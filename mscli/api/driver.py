"""Asking a driver that may never answer, and hearing from one that was given up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from threading import Lock
from time import monotonic
from typing import TypeVar

from mscli.core.bounded import Call, Unanswered, bounded
from mscli.core.boxes import Scalar
from mscli.core.errors import DOMException, NotReadableError
from mscli.core.frames import Frame
from mscli.core.reported import Reported
from mscli.sources.base import SWITCHED_OFF, Abilities, Receiver, Source

HINTS = ("it may be used by another program, asleep or badly connected: replug it and try again",)

STOP_S = 1.0  # what a driver gets to give its device back

T = TypeVar("T")


def answer(call: Callable[[], T], timeout_s: float, name: str, doing: str, release: Callable[[T], object]) -> T:
    """What the driver of the device ``name`` answers. Raises NotReadableError when it does not; a late answer is released."""
    try:
        return bounded(call, timeout_s, f"mscli-{doing}", release)
    except TimeoutError:
        raise NotReadableError(f"{name} did not {doing} within {timeout_s:g} s: its driver hangs", hints=HINTS) from None


class Driver:
    """The driver of one device, and which of its answers have not come."""

    def __init__(self) -> None:
        self._unanswered = Unanswered()

    @property
    def silent(self) -> bool:
        """Whether it has still to answer a call that is not waited for any more: each further one would keep a thread, too."""
        return bool(self._unanswered)

    def answer(self, call: Callable[[], T], timeout_s: float, name: str, doing: str, release: Callable[[T], object]) -> T:
        """What it answers, as ``answer`` has it."""
        return answer(partial(self._unanswered.until_answered, call), timeout_s, name, doing, release)


def stop_source(source: Source) -> None:
    """Give a device back. What goes wrong there is reported, and keeps nobody from going on without the device."""
    with Reported():
        source.stop()


class Stopping:
    """A device that is being given back, on a thread of its own. ``on_left_behind`` is called if that takes too long."""

    def __init__(self, stop: Callable[[], None], on_left_behind: Callable[[], None]) -> None:
        self._until_s = monotonic() + STOP_S
        self._on_left_behind = on_left_behind
        self._call = Call(stop, "mscli-stop")

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until it is given back; False if it is not in time, which is ``STOP_S`` from the beginning, then left behind."""
        stopped = self._call.wait(max(0.0, self._until_s - monotonic()) if timeout_s is None else timeout_s)
        if not stopped and timeout_s is None:
            self._on_left_behind()
        return stopped


class Port:
    """The receiver of one start of a device. Closed, it hands on nothing: a source that was left behind may go on.

    An end that comes before the driver has answered that it started is kept until then: the device is still being used.
    """

    __slots__ = ("_early", "_lock", "_receiver", "_started", "closed")

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self.closed = False
        self._started = False
        self._early: tuple[DOMException | None, ...] = ()  # the ends that came before
        self._lock = Lock()  # of these two: the device's thread ends what another one starts

    def started(self) -> tuple[DOMException | None, ...]:
        """The driver has answered: hand on the end from now on. Why it ended before, if it did."""
        with self._lock:
            self._started = True
            return self._early

    def on_frame(self, frame: Frame) -> None:
        """Hand on a frame."""
        if not self.closed:
            self._receiver.on_frame(frame)

    def on_lost(self, count: int) -> None:
        """Hand on what was lost."""
        if not self.closed:
            self._receiver.on_lost(count)

    def on_muted(self, muted: bool, cause: str = SWITCHED_OFF) -> None:
        """Hand on what the driver says of its switch or signal."""
        if not self.closed:
            self._receiver.on_muted(muted, cause)

    def on_changed(self, settings: Mapping[str, Scalar], abilities: Abilities | None = None) -> None:
        """Hand on what is set otherwise."""
        if not self.closed:
            self._receiver.on_changed(settings, abilities)

    def on_ended(self, error: DOMException | None) -> None:
        """Hand on the end, when it has started."""
        with self._lock:
            if not self._started:
                self._early = (error,)
                return
        if not self.closed:
            self._receiver.on_ended(error)
