"""SIGINT, SIGTERM and SIGHUP: end as asked, with everything captured kept. A second SIGINT: end at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from time import monotonic
from types import FrameType
from typing import Any, NoReturn, TypeVar

from mscli.cli.leaving import ABANDONED, STOPPING, at_once, before_long
from mscli.core.bounded import interruptible

GRACE_S = 1.0  # from the second SIGINT to the KeyboardInterrupt
TIDY_S = 3.0  # from that to the end by force: more than a recording that is given up takes to be closed
ANSWER_S = 1.0  # what a device that is asked or opened gets after a signal, before it is left behind
LOOK_S = 0.25  # after the first signal, between two looks for readers that sleep

T = TypeVar("T")


def _nothing() -> None:
    """There is no reader to give up."""


class Stopper:
    """While it is entered, the first signal sets ``requested`` and calls ``wake``, a second SIGINT also ``abandoned``.

    Only flags: an exception could come between any two steps of a lock. But what does not look at them within ``GRACE_S`` of
    the second SIGINT hangs, as in a driver, and gets a KeyboardInterrupt. There is only one, whoever raises it, so that however
    many signals come outputs are closed and devices given back. If that hangs, too, the process ends after ``TIDY_S``.

    After the first signal ``forsake`` is called again and again: it gives up readers that sleep. The write that waits for one
    is woken by SIGALRM each time. So is ``wake``: a signal may interrupt the very thread that it wakes when that has looked
    whether to wait and does not wait yet.
    """

    def __init__(self, wake: Callable[[], None], forsake: Callable[[], object] = _nothing) -> None:
        self.requested = False
        self.abandoned = False
        self._interrupted = (
            False  # whether it was asked for by people, as SIGINT and its likes do: the next SIGINT is the second
        )
        self._wake = wake
        self._forsake = forsake
        self._due_s = 0.0  # when to look for readers that sleep
        self._answer_s = inf  # when a device that is asked has to have answered
        self._interrupt_s = inf  # when what hangs is interrupted
        self._end_s = inf  # when the process ends: set with the KeyboardInterrupt
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stopper:
        for number in STOPPING:
            if signal.getsignal(number) is not signal.SIG_IGN or number != getattr(signal, "SIGHUP", None):  # nohup stays nohup
                self._before[number] = signal.signal(number, self._on_signal)
        if hasattr(signal, "SIGALRM"):
            self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._on_alarm)
        return self

    def __exit__(self, *_: object) -> None:
        alarm = self._before.pop(getattr(signal, "SIGALRM", 0), None)
        for number, handler in self._before.items():
            signal.signal(number, before_long if handler is at_once else handler)
        _alarm_after(0)  # never
        if alarm is not None:
            signal.signal(signal.SIGALRM, alarm)

    def request(self) -> None:
        """Do what the first SIGINT does."""
        self._interrupted = True
        self._request()

    def _request(self) -> None:
        if not self.requested:
            self._answer_s = monotonic() + ANSWER_S
            _alarm_after(LOOK_S, LOOK_S)
        self.requested = True
        self._wake()

    def wait_for(self, call: Callable[[], T], release: Callable[[T], object] = lambda _: None) -> T:
        """What a call to devices gives, or KeyboardInterrupt when a signal comes and it still hangs ``ANSWER_S`` later.

        What it gives after that goes to ``release``. A second SIGINT ends the wait at once.
        """
        try:
            return interruptible(call, lambda: self.abandoned or monotonic() >= self._answer_s, "mscli-asking", release)
        except KeyboardInterrupt:
            self.interrupt()

    def interrupt(self) -> NoReturn:
        """Raise KeyboardInterrupt; from here on no signal does."""
        self._end_s = min(self._end_s, monotonic() + TIDY_S)
        raise KeyboardInterrupt

    def interrupt_if_requested(self) -> None:
        """Raise it if a signal has come."""
        if self.requested:
            self.interrupt()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
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
        if monotonic() >= self._due_s and not self.abandoned:  # else it is the one that has woken a write
            self._due_s = monotonic() + LOOK_S / 2
            self._wake()
            self._forsake()

    def _end_what_hangs(self) -> None:
        now_s = monotonic()
        if now_s >= self._end_s:
            os._exit(ABANDONED)
        if now_s >= self._interrupt_s and self._end_s == inf:
            self.interrupt()


@contextmanager
def on_resize(call: Callable[[], object]) -> Iterator[None]:
    """Within it ``call`` is called whenever the terminal gets another size."""
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
