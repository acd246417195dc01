"""Threads that leave signals to the main thread, and what the threads of libraries do.

Python runs signal handlers on the main thread only. If the kernel gives a signal to another thread, as it does while the main
thread has another signal pending, the main thread keeps waiting, and the handler runs when that wait ends by itself.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cache

from mscli.core.errors import OperationError
from mscli.core.log import Log

_log = Log("device")

_FAULTS = ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT", "SIGTRAP", "SIGSYS")  # of the thread that causes them
_DIRECTED = ("SIGALRM",)  # the main thread sends it to a thread whose write must end


@cache
def _left_to_main() -> set[signal.Signals]:
    """Return the signals that other threads do not take."""
    return signal.valid_signals() - {getattr(signal, name, None) for name in (*_FAULTS, *_DIRECTED)}


class Thread(threading.Thread):
    """A thread with all signals blocked but those that are meant for it. So are the threads that libraries start from it."""

    _unborn: BaseException | None = None  # why the thread ended before it had begun

    def start(self) -> None:
        """Start the thread. Raises RuntimeError if the system has no room for another one, and MemoryError."""
        begun = self._started = _ThreadStart(tasks())
        self._start()
        if begun.failed or self._unborn is not None:
            with threading._active_limbo_lock:  # type: ignore[attr-defined]
                threading._limbo.pop(self, None)  # type: ignore[attr-defined]
            raise MemoryError("a thread could not begin") from self._unborn

    def _start(self) -> None:
        if not hasattr(signal, "pthread_sigmask"):
            super().start()
        else:
            before = signal.pthread_sigmask(signal.SIG_BLOCK, _left_to_main())  # a thread begins with the mask of its starter
            try:
                super().start()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _bootstrap(self) -> None:
        """Begin. Without memory that can fail, and whoever starts the thread would wait for its beginning for ever."""
        begun = self._started
        try:
            super()._bootstrap()  # type: ignore[misc]
        except BaseException as error:
            if begun.is_set():
                raise
            self._unborn = error
            begun.set()

    def join(self, timeout: float | None = None) -> None:
        """Wait until the thread has ended. One that did not start, for lack of memory or because of a signal, has ended."""
        if self.ident is not None:
            super().join(timeout)

    def join_or_abandon(self, timeout_s: float) -> bool:
        """Wait until the thread has ended. If it does not end in time, log that and abandon it. Return whether it has ended."""
        self.join(timeout_s)
        if self.is_alive():
            _log.warning("the thread %s did not end within %g s: abandoned", self.name, timeout_s)
        return not self.is_alive()


class _ThreadStart(threading.Event):
    """An event for the beginning of a thread. Waiting for it also ends if the thread dies before it can say anything.

    ``before``: the threads of this process before it was started, or none if the system does not tell.
    """

    def __init__(self, before: set[int]) -> None:
        super().__init__()
        self.failed = False
        self._before = before

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the thread has begun, or is no more."""
        if timeout is not None:
            return super().wait(timeout)
        while not super().wait(_LOOK_S):
            self.failed = bool(self._before) and tasks() <= self._before and not self.is_set()
            if self.failed:
                return False
        return True


_LOOK_S = 0.2  # how often to see whether a thread that does not begin is still there

REMEDY = "end other programs of this user, or raise ulimit -u (and -v, for memory)"
_LIBRARY_THREADS = 64  # that a codec may start


def lack_of_threads() -> OperationError | None:
    """Return the error if a library cannot start its threads, or None. Ask after it has failed: few libraries say why."""
    done = threading.Event()
    started: list[Thread] = []
    try:
        for _ in range(_LIBRARY_THREADS):
            thread = Thread(target=done.wait, name="mscli-room", daemon=True)
            thread.start()
            started.append(thread)
    except RuntimeError:
        return OperationError("out of threads", hints=[REMEDY])
    finally:
        done.set()
        for thread in started:
            thread.join()
    return None


# What libraries do with their threads. Linux tells, in a folder for each thread of this process; other systems do not.


TASKS = "/proc/self/task"
_POLL_S = 0.0002


def tasks() -> set[int]:
    """Return the numbers of this process's threads, those of libraries too; none if the system does not tell."""
    return set(map(int, os.listdir(TASKS))) if os.path.isdir(TASKS) else set()


def wait_for_sleep(threads: Iterable[int], most_s: float) -> set[int]:
    """Wait until each of the threads has been asleep once, at most ``most_s``. Return those that have not.

    A thread that is ready to run but has no processor is not asleep. One that has ended is.
    """
    awake, end = {thread for thread in threads if _is_awake(thread)}, time.monotonic() + most_s
    while awake and time.monotonic() < end:
        time.sleep(_POLL_S)
        awake = {thread for thread in awake if _is_awake(thread)}
    return awake


def _is_awake(thread: int) -> bool:
    with suppress(OSError), open(f"{TASKS}/{thread}/stat", "rb", buffering=0) as file:
        return not file.read().rpartition(b")")[2].lstrip().startswith(b"S")  # after the number and the name in parentheses
    return False
