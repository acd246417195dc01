"""SIGINT, SIGTERM and SIGHUP: end as asked, with everything captured kept. A second SIGINT: end at once."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

GRACE_S = 1.0  # from the second SIGINT to the end by force

_STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Stopper:
    """While it is entered, the first signal sets ``requested`` and calls ``wake``, a second SIGINT also ``abandoned``.

    Only flags: an exception could come between any two steps of a lock. But what does not look at them within ``GRACE_S`` of
    the second SIGINT hangs, in a pipe whose reader sleeps or in a driver, and gets a KeyboardInterrupt; so it does at a third.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self.requested = False
        self.abandoned = False
        self._wake = wake
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stopper:
        for number in _STOPPING:
            if signal.getsignal(number) is not signal.SIG_IGN or number != getattr(signal, "SIGHUP", None):  # nohup stays nohup
                self._before[number] = signal.signal(number, self._on_signal)
        if hasattr(signal, "SIGALRM"):
            self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, _interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        _interrupt_after(0)  # never
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.abandoned and number == signal.SIGINT:
            raise KeyboardInterrupt
        if self.requested and number == signal.SIGINT:
            self.abandoned = True
            _interrupt_after(GRACE_S)
        self.requested = True
        self._wake()


def _interrupt_after(seconds: float) -> None:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
