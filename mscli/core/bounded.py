"""Calls that may never return: each on a thread of its own, which is left behind when it does not.

A driver can keep whoever asks it, and nothing in the process can end that. So nobody waits for one without a bound.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from threading import Lock, Thread
from typing import Generic, TypeVar

T = TypeVar("T")

_LOOK_S = 0.05  # between two looks whether a call is still wanted
_ON_MAIN_THREAD = sys.platform == "darwin"  # macOS asks people for the camera only there


class Call(Generic[T]):
    """A call that runs since this was made. Its thread is a daemon: it holds up no end of the process."""

    def __init__(self, call: Callable[[], T], name: str) -> None:
        self._call = call
        self._results: list[T] = []
        self._error: BaseException | None = None
        self._release: Callable[[T], object] | None = None
        self._lock = Lock()
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for its end; whether that came in time. None: however long it takes."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def result(self) -> T:
        """What it returned, or raises what it raised, after its end."""
        if self._error is not None:
            raise self._error
        return self._results[0]

    def abandon(self, release: Callable[[T], object]) -> None:
        """Wait no longer: should it ever return something, ``release`` gets that, on the call's thread."""
        with self._lock:
            self._release = release
            late = list(self._results)
        for result in late:
            release(result)

    def _run(self) -> None:
        try:
            result = self._call()
        except BaseException as error:  # handed to whoever waits
            self._error = error
            return
        with self._lock:
            release = self._release
            self._results.append(result)
        if release is not None:
            release(result)


def bounded(call: Callable[[], T], timeout_s: float, name: str, release: Callable[[T], object] = lambda _: None) -> T:
    """``call()``, for at most ``timeout_s`` seconds. Raises TimeoutError; what comes later goes to ``release``."""
    if _ON_MAIN_THREAD:
        return call()
    running = Call(call, name)
    if not running.wait(timeout_s):
        running.abandon(release)
        raise TimeoutError(f"{name} did not return within {timeout_s:g} s")
    return running.result()


def together(calls: Sequence[Callable[[], T]], name: str) -> list[T]:
    """What the calls return, in their order, made at the same time. Each has a bound of its own."""
    if _ON_MAIN_THREAD:
        return [call() for call in calls]
    running = [Call(call, name) for call in calls]
    for one in running:
        one.wait()
    return [one.result() for one in running]


def interruptible(
    call: Callable[[], T], given_up: Callable[[], bool], grace_s: float, name: str, release: Callable[[T], object]
) -> T:
    """``call()``, until ``given_up()`` and ``grace_s`` more. Raises KeyboardInterrupt; what comes later goes to ``release``."""
    if _ON_MAIN_THREAD:
        return call()
    running = Call(call, name)
    while not running.wait(_LOOK_S) and not given_up():
        pass
    if not running.wait(grace_s):
        running.abandon(release)
        raise KeyboardInterrupt
    return running.result()
