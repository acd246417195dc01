"""SIGINT, SIGTERM and SIGHUP: end as asked, with everything captured kept. A second SIGINT: end at once."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

_STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Stopper:
    """While it is entered, the first signal sets ``requested`` and calls ``wake``, a second SIGINT also ``abandoned``.

    Only flags: an exception could come between any two steps of a lock. A third SIGINT is one nevertheless.
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
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.abandoned and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.abandoned = self.requested and number == signal.SIGINT
        self.requested = True
        self._wake()
