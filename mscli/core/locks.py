"""Locks that a signal handler may find held by its own thread.

Python runs a signal handler between any two steps of the main thread, even while that thread holds a lock. If the handler then
waits for another thread, it may wait forever, because the other thread may wait for that lock. Therefore code that handlers
may call uses ``outside`` to take a lock that other threads hold while they wait for another one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from threading import RLock
from typing import Any
from weakref import ref

from mscli.core.calls import Call
from mscli.core.reported import Reported

_LOCKS: set[ref[Any]] = set()  # all existing shared locks
_HANDED_OVER: dict[Call[None], None] = {}  # work that runs on its own thread


def shared_lock() -> Any:
    """Return a new re-entrant lock that ``outside`` knows."""
    lock = RLock()
    _LOCKS.add(ref(lock, _LOCKS.discard))
    return lock


def outside(work: Callable[[], None], name: str, also: Iterable[Any] = ()) -> None:
    """Do the work now, or on a thread called ``name`` if this one holds a shared lock, as in a signal handler.

    ``also``: further re-entrant locks under which the work must not be done.
    """
    if not _held_here(also):
        work()
        return
    finish_handed_over(0)
    _HANDED_OVER[Call(partial(_reporting, work), name)] = None


def _reporting(work: Callable[[], None]) -> None:
    with Reported():
        work()


def finish_handed_over(timeout_s: float) -> None:
    """Wait for the work that runs on its own threads, up to ``timeout_s`` seconds for each. Work does not wait for itself."""
    for call in list(_HANDED_OVER):
        if not call.runs_here and call.wait(timeout_s):
            _HANDED_OVER.pop(call, None)


def _held_here(also: Iterable[Any]) -> bool:
    """Return whether this thread holds a shared lock, or one of ``also``."""
    known = list(_LOCKS)  # not tuple(): that may run the collector during the iteration, which frees locks
    locks = (*(one() for one in known), *also)
    return any(lock is not None and lock._is_owned() for lock in locks)  # threading.Condition uses this too
