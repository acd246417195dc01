"""Handle SIGINT, SIGTERM and SIGHUP: end cleanly and keep what was captured. A second SIGINT ends at once."""

from __future__ import annotations

import os
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from math import inf
from threading import Lock
from time import monotonic
from types import FrameType
from typing import Any, NoReturn, TypeVar

from mscli.cli.leaving import ABANDONED, STOPPING, TRIGGERING, Tally, at_once, before_long, open_pipe
from mscli.core.calls import interruptible
from mscli.core.limits import ANSWER_S, GRACE_S, READER_S, TIDY_S
from mscli.core.threads import Thread

T = TypeVar("T")

_MOST_NOTED = 16  # signals: each of them asks for the same


def _nothing() -> None:
    """Do nothing, because there is no reader to abandon."""


class _Waker:
    """A thread that counts signals and calls ``wake`` for them, until it is closed.

    Python runs handlers between two instructions of the main thread. A signal that comes after the last of them, just before
    the thread begins to wait, would be handled only when that wait ends by itself. ``tally``: what counts a signal already.

    Raises OSError or RuntimeError if the system has no room for a pipe or a thread.
    """

    def __init__(self, wake: Callable[[], None], tally: Tally | None) -> None:
        self._wake = wake
        self._lock = Lock()  # of the next two, which no handler takes
        self._counted: Counter[int] = Counter()  # signals that nobody wants yet
        self._calls: dict[int, Callable[[int], None]] = {}
        self._thread = Thread(target=self._run, name="mscli-signals", daemon=True)
        self._before = -1
        if tally is None or not tally.pipe:
            self._before = signal.set_wakeup_fd(-1)
            self._signals, self._noted = open_pipe()
        else:
            self._signals, self._noted = tally.pipe
        try:
            self._thread.start()
        except BaseException:
            signal.set_wakeup_fd(self._before)
            os.close(self._noted)
            os.close(self._signals)
            raise
        if tally is not None:
            tally.pipe = ()  # it is this thread's now

    def close(self) -> None:
        """End the thread."""
        signal.set_wakeup_fd(self._before)
        os.close(self._noted)
        self._thread.join()
        os.close(self._signals)

    def count(self, number: int, call: Callable[[int], None]) -> None:
        """Call ``call`` with how many signals of this number came, earlier ones included, on any thread."""
        with self._lock:
            self._calls[number] = call
            self._hand_out()

    def _run(self) -> None:
        while numbers := os.read(self._signals, 4096):
            with self._lock:
                self._counted.update(numbers)
                self._hand_out()
            self._wake()

    def _hand_out(self) -> None:
        for number, call in self._calls.items():
            if times := self._counted.pop(number, 0):
                call(times)


class Stopper:
    """A signal handler. The first signal sets ``requested`` and calls ``wake``; a second SIGINT also sets ``abandoned``.
    ``noted`` has every signal, for the loop that executes their commands.

    Handlers mostly set flags, because an exception could come in the middle of taking a lock. Code that does not check the
    flags within ``GRACE_S`` of the second SIGINT hangs, for example in a driver. It gets a KeyboardInterrupt. Only one is ever
    raised, so further signals cannot keep outputs from closing and devices from being released. If that hangs too, the process
    exits after ``TIDY_S``.

    After the first signal, ``abandon_reader`` is called repeatedly, to abandon stalled readers. SIGALRM interrupts the write
    that waits for such a reader. ``wake`` is repeated as well, because a signal may interrupt the thread that it wakes between
    its check and its wait. ``wake`` is also called on a thread of its own: see ``_Waker``.
    """

    def __init__(self, wake: Callable[[], None], abandon_reader: Callable[[], object] = _nothing) -> None:
        self.requested = False
        self.abandoned = False
        self._noted: deque[int] = deque(maxlen=_MOST_NOTED)
        self._interrupted = (
            False  # whether it was asked for by people, as SIGINT and its likes do: the next SIGINT is the second
        )
        self._wake = wake
        self._abandon_reader = abandon_reader
        self._due_s = 0.0  # when to check for stalled readers next
        self._answer_s = inf  # when the device that is being queried must have answered
        self._interrupt_s = inf  # when to interrupt what hangs
        self._end_s = inf  # when to exit: set together with the KeyboardInterrupt
        self._before: dict[int, Any] = {}
        self._waker: _Waker | None = None

    def __enter__(self) -> Stopper:
        for number in STOPPING:
            # nohup stays in effect
            if signal.getsignal(number) is not signal.SIG_IGN or number != getattr(signal, "SIGHUP", None):
                self._before[number] = signal.signal(number, self._on_signal)
        if hasattr(signal, "SIGALRM"):
            self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._on_alarm)
        tallies = (signal.getsignal(getattr(signal, name)) for name in TRIGGERING)
        with suppress(OSError, RuntimeError):  # it works without, but for a rare moment
            self._waker = _Waker(self._wake, next((one for one in tallies if isinstance(one, Tally)), None))
        return self

    def count(self, number: int, call: Callable[[int], None]) -> bool:
        """Let ``call`` be called with how many signals of this number came, earlier ones included, on any thread.

        Return False if they cannot be counted: then a handler has to. The kernel merges signals that come before the process
        could run, and Python merges more of them into one call of a handler.
        """
        if self._waker is None:
            return False
        self._waker.count(number, call)
        return True

    def __exit__(self, *_: object) -> None:
        alarm = self._before.pop(getattr(signal, "SIGALRM", 0), None)
        for number, handler in self._before.items():
            signal.signal(number, before_long if handler is at_once else handler)
        _alarm_after(0)  # cancel the timer
        if alarm is not None:
            signal.signal(signal.SIGALRM, alarm)
        if self._waker is not None:
            self._waker.close()

    def noted(self) -> Iterator[str]:
        """Yield the names of the signals that have come since the last call."""
        while self._noted:
            yield signal.Signals(self._noted.popleft()).name

    def request(self) -> None:
        """Do the same as the first SIGINT, unless a signal has come."""
        self._interrupted = self._interrupted or not self.requested
        self._request()

    def _request(self) -> None:
        if not self.requested:
            self._answer_s = monotonic() + ANSWER_S
            _alarm_after(READER_S, READER_S)
        self.requested = True
        self._wake()

    def wait_for(self, call: Callable[[], T], release: Callable[[T], object] = lambda _: None) -> T:
        """Return the result of a call to devices.

        Raises KeyboardInterrupt if a signal comes and the call has not returned ``ANSWER_S`` later, or at once after a second
        SIGINT. A later result goes to ``release``.
        """
        try:
            return interruptible(call, lambda: self.abandoned or monotonic() >= self._answer_s, "mscli-asking", release)
        except KeyboardInterrupt:
            self.interrupt()

    def interrupt(self) -> NoReturn:
        """Raise KeyboardInterrupt. No signal raises it after that."""
        self._end_s = min(self._end_s, monotonic() + TIDY_S)
        raise KeyboardInterrupt

    def interrupt_if_requested(self) -> None:
        """Raise KeyboardInterrupt if a signal has come."""
        if self.requested:
            self.interrupt()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._noted.append(number)
        if number == signal.SIGINT:
            self._on_interrupt()
        self._request()
        self._end_what_hangs()

    def _on_interrupt(self) -> None:
        again, self._interrupted = self._interrupted, True
        if again and not self.abandoned:
            self.abandoned = True
            self._interrupt_s = monotonic() + GRACE_S

    def _on_alarm(self, _number: int, _frame: FrameType | None) -> None:
        self._end_what_hangs()
        if monotonic() >= self._due_s and not self.abandoned:  # otherwise this alarm has just interrupted a write
            self._due_s = monotonic() + READER_S / 2
            self._wake()
            self._abandon_reader()

    def _end_what_hangs(self) -> None:
        now_s = monotonic()
        if now_s >= self._end_s:
            os._exit(ABANDONED)
        if now_s >= self._interrupt_s and self._end_s == inf:
            self.interrupt()


@contextmanager
def on_resize(call: Callable[[], object]) -> Iterator[None]:
    """Call ``call`` whenever the terminal is resized, while the context is active."""
    if not hasattr(signal, "SIGWINCH"):
        yield
        return
    before = signal.signal(signal.SIGWINCH, lambda _number, _frame: call())
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


def _alarm_after(first_s: float, then_s: float = 0.0) -> None:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, first_s, then_s)
