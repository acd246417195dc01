"""What signals do while no command heeds them: before one listens, and once it has ended."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType

Handler = Callable[[int, FrameType | None], None]

ABANDONED = 130  # the exit code: ExitCode has the same, and costs what a start has no time for
LAST_S = 1.0  # for what is left to say once a command has ended

STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def at_once(_number: int, _frame: FrameType | None) -> None:
    """End the process: there is nothing yet to be kept."""
    os._exit(ABANDONED)


def before_long(number: int, frame: FrameType | None) -> None:
    """Let the process end by itself, with the code that it has come to, unless that takes longer than LAST_S."""
    if not hasattr(signal, "setitimer"):
        at_once(number, frame)
    if signal.getsignal(signal.SIGALRM) is not at_once:
        signal.signal(signal.SIGALRM, at_once)
        signal.setitimer(signal.ITIMER_REAL, LAST_S)


def heed(handler: Handler) -> None:
    """Have the signals that end a program call it. One that is ignored, as SIGHUP under nohup, stays so."""
    for number in STOPPING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)
