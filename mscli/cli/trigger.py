"""What triggers a file of a recording that waits: SIGUSR1, or a line on stdin."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from threading import Thread
from types import FrameType, TracebackType
from typing import Any

_STDIN = 0
_MOST_BYTES = 4096  # of stdin that are read at once


class Trigger:
    """While it is entered, ``pulled`` says how often it was pulled since the last time; never waits.

    ``how``: "SIGUSR1", "stdin", or "" for never. ``wake`` is called each time, and at the end of stdin, which is ``over``.
    """

    def __init__(self, how: str, wake: Callable[[], None]) -> None:
        self._signal = getattr(signal, how) if how.startswith("SIG") else None
        self.reads = how == "stdin"  # whether stdin is its own
        self._wake = wake
        self.over = False  # whether nothing can be pulled any more
        self._times = 0
        self._taken = 0
        self._before: Any = None
        self._leave = -1  # written to, it ends the thread
        self._thread: Thread | None = None

    def __enter__(self) -> Trigger:
        if self._signal is not None:
            self._before = signal.signal(self._signal, self._on_signal)
        self.over = self.reads and sys.stdin is None  # descriptor 0 may be anything then
        if self.reads and not self.over:
            left, self._leave = os.pipe()
            self._thread = Thread(target=self._read, args=(_STDIN, left), name="mscli-trigger", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._signal is not None:
            signal.signal(self._signal, self._before)
        if self._thread is not None:
            os.close(self._leave)
            self._thread.join()

    def pulled(self) -> int:
        """How often."""
        times = self._times
        new, self._taken = times - self._taken, times
        return new

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._pull(1)

    def _pull(self, times: int) -> None:
        self._times += times
        self._wake()

    def _read(self, stdin: int, left: int) -> None:
        import select

        try:
            while left not in select.select([stdin, left], [], [])[0]:
                data = os.read(stdin, _MOST_BYTES)
                if not data:
                    break
                if lines := data.count(b"\n"):
                    self._pull(lines)
        except OSError:  # a terminal that is gone, a folder: no line can come from there
            pass
        finally:
            os.close(left)
        self.over = True
        self._wake()
