"""Handle signals before a command takes over, and after it has ended.

A signal that is named as a trigger on the command line is counted until the command takes over.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from types import FrameType

Handler = Callable[[int, FrameType | None], None]

ABANDONED = 130  # the same as in ExitCode, whose import would slow down the start
LAST_S = 1.0  # the limit for final output after a command has ended

TRIGGERING = tuple(name for name in ("SIGUSR1",) if hasattr(signal, name))
STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def at_once(_number: int, _frame: FrameType | None) -> None:
    """End the process at once. There is nothing to save yet."""
    os._exit(ABANDONED)


def before_long(number: int, frame: FrameType | None) -> None:
    """Let the process exit by itself with its exit code, but force the exit after LAST_S."""
    if not hasattr(signal, "setitimer"):
        at_once(number, frame)
    if signal.getsignal(signal.SIGALRM) is not at_once:
        signal.signal(signal.SIGALRM, at_once)
        signal.setitimer(signal.ITIMER_REAL, LAST_S)


class Tally:
    """A signal handler that counts. ``pipe``: the two ends of the pipe that counts better: see ``open_pipe``. Empty: none."""

    def __init__(self, pipe: Sequence[int] = ()) -> None:
        self.times = 0
        self.pipe = pipe

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        self.times += 1


def open_pipe() -> tuple[int, int]:
    """Let Python write a byte into a pipe for every signal, its number. Return the pipe's ends. Raises OSError.

    Python calls a handler once for all signals that came since its main thread ran last. The pipe gets a byte for each that the
    kernel delivers, whatever the threads do. https://docs.python.org/3/library/signal.html#signal.set_wakeup_fd
    """
    ends = os.pipe()
    os.set_blocking(ends[1], False)
    signal.set_wakeup_fd(ends[1], warn_on_full_buffer=False)
    return ends


def count_triggers(arguments: Sequence[str]) -> None:
    """Count each signal named on the command line, as in ``--trigger SIGUSR1``, until a command takes over."""
    for name in TRIGGERING:
        if any(argument.endswith(name) for argument in arguments):
            try:
                pipe: Sequence[int] = open_pipe()
            except OSError:  # no descriptor is left
                pipe = ()
            signal.signal(getattr(signal, name), Tally(pipe))


def handle(handler: Handler) -> None:
    """Install a handler for the signals that end a program. Ignored signals, such as SIGHUP under nohup, stay ignored."""
    for number in STOPPING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)
