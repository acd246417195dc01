"""Lend memory without copying it, and take it back when its last view is gone."""

from __future__ import annotations

import ctypes
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

_KEPT = 4  # pieces of memory that wait to be used again


class Loan:
    """A loan of memory. It ends when the last view of that memory is gone, on any thread."""

    __slots__ = ("__weakref__",)

    def __init__(self, on_end: Callable[[], object]) -> None:
        weakref.finalize(self, on_end).atexit = False

    def view(self, memory: Any) -> memoryview:
        """Return a read-only view of writable memory, which holds the loan. A loan may have several views."""
        array: Any = (ctypes.c_ubyte * len(memory)).from_buffer(memory)  # an owner for the views that can hold the loan
        array.loan = self
        return memoryview(array).cast("B").toreadonly()


class FrameMemory:
    """A pool of memory for frames of one size, which is used again once its frame is gone.

    Fresh memory would be zeroed first, which takes almost as long as to read a frame from a pipe. Bound: ``_KEPT`` free pieces.
    """

    def __init__(self, nbytes: int) -> None:
        self._nbytes = nbytes
        self._free: deque[bytearray] = deque(maxlen=_KEPT)

    def take(self) -> bytearray:
        """Return memory to fill."""
        try:
            return self._free.pop()
        except IndexError:
            return bytearray(self._nbytes)

    def lend(self, filled: bytearray) -> memoryview:
        """Return a read-only view of filled memory. It can be taken again when no view of it is left."""
        return Loan(lambda: self._free.append(filled)).view(filled)
