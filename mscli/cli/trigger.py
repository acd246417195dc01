"""What triggers a file of a recording that waits: SIGUSR1, or a line on stdin."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

_MOST_BYTES = 4096  # of stdin that are read at once


class Trigger:
    """While it is entered, ``pulled`` says how often it was pulled since the last time; never waits.

    ``how``: "SIGUSR1", "stdin", or "" for never. ``wake`` is called by the signal. At the end of stdin nothing more is pulled.
    """

    def __init__(self, how: str, wake: Callable[[], None]) -> None:
        self._signal = getattr(signal, how) if how.startswith("SIG") else None
        self.reads = how == "stdin"  # whether stdin is its own
        self._wake = wake
        self._signals = 0
        self._before: Any = None

    def __enter__(self) -> Trigger:
        if self._signal is not None:
            self._before = signal.signal(self._signal, self._on_signal)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._signal is not None:
            signal.signal(self._signal, self._before)

    def pulled(self) -> int:
        """How often."""
        count, self._signals = self._signals, 0
        return count + (self._lines() if self.reads else 0)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._signals += 1
        self._wake()

    def _lines(self) -> int:
        import select

        fd = sys.stdin.fileno()
        if not select.select([fd], [], [], 0)[0]:
            return 0
        data = os.read(fd, _MOST_BYTES)
        self.reads = bool(data)
        return data.count(b"\n")
