"""Triggers of a recording: SIGUSR1, a line on stdin, or motion."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from threading import Event
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from mscli.cli.leaving import Tally
from mscli.core.clock import MICROSECONDS
from mscli.core.motion import USUAL_SENSITIVITY
from mscli.core.threads import Thread

if TYPE_CHECKING:
    from mscli.api.mediastreamtrack import MediaStreamTrack
    from mscli.api.motionwatch import MotionWatch, OnMotion

BY_MOTION, BY_SOUND = "motion", "sound"  # begin the name of such a trigger; after a colon follow a sensitivity, and a level
_STDIN = 0
_MOST_BYTES = 4096  # the most that one read of stdin takes


class Trigger:
    """A counter of triggers. ``pulled`` returns how many came since the last call and never waits.

    ``how``: "SIGUSR1", "stdin", or "motion" with or without “:” and a sensitivity. Anything else is never: sound triggers the
    recording by itself. ``wake`` is called for each trigger, and at the end of stdin, which sets ``over``. Earlier triggers
    count too: signals are counted from the start of the program, and lines wait in stdin.

    ``count`` calls back with the number of signals: see ``Stopper.count``. If it cannot, a handler counts them.

    Bound: _MOST_BYTES of stdin. No more is read until ``pulled`` has returned these triggers, so a faster writer has to wait.
    """

    def __init__(
        self,
        how: str,
        wake: Callable[[], None],
        count: Callable[[int, Callable[[int], None]], bool] = lambda _number, _call: False,
    ) -> None:
        self.name = how
        self._signal = getattr(signal, how) if how.startswith("SIG") else None
        self.reads = how == "stdin"  # whether it reads stdin
        self._wake, self._count = wake, count
        self.over = False  # whether no more triggers can come
        self._times = 0
        self._taken = 0
        self._before: Any = None
        self._counted = Event()  # set when ``pulled`` has returned all triggers
        self._sensitivity = float(how.partition(":")[2] or USUAL_SENSITIVITY) if how.startswith(BY_MOTION) else None
        self._watch: MotionWatch | None = None
        self._leave = -1  # closing this descriptor ends the thread
        self._thread: Thread | None = None

    @property
    def how(self) -> str:
        """Return what to do to pull it, for people."""
        if self._sensitivity is not None:
            return BY_MOTION
        if self.name.startswith(BY_SOUND):
            return BY_SOUND
        return "Enter" if self.reads else f"kill -USR1 {os.getpid()}" if self._signal is not None else ""

    def __enter__(self) -> Trigger:
        if self._signal is not None:
            if self._count(self._signal, self._pull):
                self._before = signal.signal(self._signal, _ignore)
            else:
                self._before = signal.signal(self._signal, self._on_signal)
                if isinstance(self._before, Tally) and self._before.times:
                    self._pull(self._before.times)
        self.over = self.reads and sys.stdin is None  # descriptor 0 may be anything then
        if self.reads and not self.over:
            left, self._leave = os.pipe()
            self._thread = Thread(target=self._read, args=(_STDIN, left), name="mscli-trigger", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.unwatch()
        if self._signal is not None:
            signal.signal(self._signal, self._before)
        if self._thread is not None:
            os.close(self._leave)
            self._counted.set()
            self._thread.join()

    @property
    def watches(self) -> bool:
        """Return whether it looks at the picture of a camera."""
        return self._sensitivity is not None

    def watch(self, tracks: Sequence[MediaStreamTrack], on_motion: OnMotion, again_s: float | None = None) -> None:
        """Watch the first camera for motion from now on, if that is what pulls it. ``again_s``: pull again while it lasts."""
        camera = next((track for track in tracks if track.kind == "video"), None)
        if self._sensitivity is None or camera is None:
            return
        from mscli.api.motionwatch import MotionWatch
        from mscli.core.motion import MotionState

        again_us = None if again_s is None else round(again_s * MICROSECONDS)
        self._watch = MotionWatch(camera, MotionState(self._sensitivity, again_us), lambda: self._pull(1), on_motion)

    def unwatch(self) -> None:
        """Watch no camera any more."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.close()

    def pulled(self) -> int:
        """Return how many triggers came since the last call."""
        times = self._times
        new, self._taken = times - self._taken, times
        self._counted.set()
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
                    self._counted.clear()
                    self._pull(lines)
                    self._counted.wait()
        except OSError:  # the terminal is gone, or stdin is a folder: no line can come
            pass
        finally:
            os.close(left)
        self.over = True
        self._wake()


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the signal is counted elsewhere."""
