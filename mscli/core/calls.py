"""Calls that may never return. Each runs on its own thread, which is abandoned if the call does not return in time.

A driver can block its caller forever, and nothing in the process can end such a call. So every wait for a driver has a limit.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from threading import Lock, current_thread
from typing import Generic, TypeVar

from mscli.core.threads import Thread

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

_POLL_S = 0.05  # the interval between checks whether a call is still wanted
_ON_MAIN_THREAD = sys.platform == "darwin"  # macOS can only ask for camera permission there


def drop(_result: object) -> None:
    """Ignore a late result that holds no resources."""


class Call(Generic[T]):
    """A call that runs on its own thread from its creation on. The thread is a daemon and never delays the exit."""

    def __init__(self, call: Callable[[], T], name: str) -> None:
        self._call = call
        self._results: list[T] = []
        self._error: BaseException | None = None
        self._release: Callable[[T], object] | None = None
        self._lock = Lock()
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the call to return, without limit if ``timeout_s`` is None. Return whether it did."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def runs_here(self) -> bool:
        """Return whether the calling thread is the one that runs the call."""
        return self._thread is current_thread()

    def result(self) -> T:
        """Return the call's result or raise its exception. The call must have returned."""
        if self._error is not None:
            raise self._error
        return self._results[0]

    def abandon(self, release: Callable[[T], object]) -> None:
        """Stop waiting. If the call returns later, ``release`` gets the result, on the call's thread."""
        with self._lock:
            self._release = release
            late = list(self._results)
        for result in late:
            release(result)

    def _run(self) -> None:
        call = self._call
        del self._call  # so that it is freed when it has returned
        try:
            result = call()
        except BaseException as error:  # re-raised for the waiting thread
            self._error = error
            return
        with self._lock:
            release = self._release
            self._results.append(result)
        if release is not None:
            release(result)


def bounded(call: Callable[[], T], timeout_s: float, name: str, release: Callable[[T], object] = drop) -> T:
    """Return ``call()`` within ``timeout_s`` seconds. Raises TimeoutError; a later result goes to ``release``."""
    late = TimeoutError(f"{name} did not return within {timeout_s:g} s")
    return _answer(call, name, lambda running: running.wait(timeout_s), release, late)


def interruptible(call: Callable[[], T], given_up: Callable[[], bool], name: str, release: Callable[[T], object] = drop) -> T:
    """Return ``call()`` unless ``given_up()`` becomes true first.

    Raises KeyboardInterrupt in that case; a later result goes to ``release``.
    """

    def wait(running: Call[T]) -> bool:
        while not running.wait(_POLL_S):
            if given_up():
                return False
        return True

    return _answer(call, name, wait, release, KeyboardInterrupt())


def _answer(
    call: Callable[[], T], name: str, wait: Callable[[Call[T]], bool], release: Callable[[T], object], late: BaseException
) -> T:
    """Return ``call()`` if ``wait`` sees it return. Otherwise abandon the call and raise ``late``."""
    if _ON_MAIN_THREAD:
        return call()
    running = Call(call, name)
    if not wait(running):
        running.abandon(release)
        raise late
    return running.result()


def together(calls: Sequence[Callable[[], T]], name: str) -> list[T]:
    """Run the calls concurrently and return their results in order. Each call must have a timeout of its own."""
    if _ON_MAIN_THREAD:
        return [call() for call in calls]
    running = [Call(call, name) for call in calls]
    for one in running:
        one.wait()
    return [one.result() for one in running]


class Partner:
    """A counterpart that may never answer, such as a device's driver, with a record of its pending calls."""

    def __init__(self) -> None:
        self._owed: list[None] = []  # one entry per pending call

    @property
    def owes(self) -> bool:
        """Return whether a call is still pending, even if nobody waits for it any more."""
        return bool(self._owed)

    def ask(self, call: Callable[[], T], timeout_s: float, name: str, release: Callable[[T], object] = drop) -> T:
        """Return ``call()`` as ``bounded`` does."""
        return bounded(lambda: self._owing(call), timeout_s, name, release)

    def _owing(self, call: Callable[[], T]) -> T:
        self._owed.append(None)
        try:
            return call()
        finally:
            self._owed.pop()


class Round(Generic[K, T]):
    """Queries to several parties at the same time. A party that hangs is not asked again until it has answered."""

    def __init__(self, timeout_s: float, name: str) -> None:
        self._timeout_s = timeout_s  # counted from another party's answer, because on a slow machine all are late
        self._name = name
        self._hanging: dict[K, Call[T]] = {}
        self._lock = Lock()

    def hangs(self, key: K) -> bool:
        """Return whether this party was asked, has run out of time and has not answered yet."""
        call = self._hanging.get(key)
        return call is not None and not call.wait(0)

    def answers(self, calls: Mapping[K, Callable[[], T]]) -> dict[K, T]:
        """Run the calls and return the results of those that return in time."""
        with self._lock:
            self._hanging = {key: call for key, call in self._hanging.items() if self.hangs(key)}
            running = {key: Call(call, self._name) for key, call in calls.items() if key not in self._hanging}
        late: dict[K, Call[T]] = {}
        for key, call in running.items():  # while one party hung, the others have had their time
            if not call.wait(0 if late else self._timeout_s):
                late[key] = call
        with self._lock:
            self._hanging.update(late)
        return {key: call.result() for key, call in running.items() if key not in late}
