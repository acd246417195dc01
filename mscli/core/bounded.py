"""Calls that may never return: each on a thread of its own, which is left behind when it does not.

A driver can keep whoever asks it, and nothing in the process can end that. So nobody waits for one without a bound.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from threading import Lock, Thread
from typing import Generic, TypeVar

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

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


class Unanswered:
    """The calls of somebody that have not returned, whether they are still waited for or not; false if there are none."""

    def __init__(self) -> None:
        self._calls: list[object] = []  # an entry for each

    def __bool__(self) -> bool:
        return bool(self._calls)

    def until_answered(self, call: Callable[[], T]) -> T:
        """Make a call, which is one of them as long as it takes."""
        self._calls.append(None)
        try:
            return call()
        finally:
            self._calls.pop()


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


class Round(Generic[K, T]):
    """Asks several at the same time, each of whom may hang: who does not answer is asked again only when it has."""

    def __init__(self, timeout_s: float, name: str) -> None:
        self._timeout_s = timeout_s  # since another has answered: on a slow machine all are late
        self._name = name
        self._hanging: dict[K, Call[T]] = {}
        self._lock = Lock()

    def hangs(self, key: K) -> bool:
        """Whether that one was asked and has not answered yet, though the time was over."""
        call = self._hanging.get(key)
        return call is not None and not call.wait(0)

    def answers(self, calls: Mapping[K, Callable[[], T]]) -> dict[K, T]:
        """What the calls return, of those that do so in time."""
        with self._lock:
            self._hanging = {key: call for key, call in self._hanging.items() if self.hangs(key)}
            running = {key: Call(call, self._name) for key, call in calls.items() if key not in self._hanging}
        late: dict[K, Call[T]] = {}
        for key, call in running.items():  # after one that hangs the others have had their time
            if not call.wait(0 if late else self._timeout_s):
                late[key] = call
        with self._lock:
            self._hanging.update(late)
        return {key: call.result() for key, call in running.items() if key not in late}


def interruptible(call: Callable[[], T], given_up: Callable[[], bool], name: str, release: Callable[[T], object]) -> T:
    """``call()``, until ``given_up()``. Raises KeyboardInterrupt; what comes later goes to ``release``."""
    if _ON_MAIN_THREAD:
        return call()
    running = Call(call, name)
    while not running.wait(_LOOK_S):
        if given_up():
            running.abandon(release)
            raise KeyboardInterrupt
    return running.result()
