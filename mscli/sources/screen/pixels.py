"""Share memory with the X server, which writes pictures into it, so that they need not come through the connection.

Each picture is a segment of System V shared memory. It is written to again once nobody has the picture any more.
"""

from __future__ import annotations

import ctypes
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

_IPC_PRIVATE, _IPC_CREAT, _IPC_RMID = 0, 0o1000, 0
_OURS_ONLY = 0o600
MOST = 8  # segments that are in use at once; a picture beyond them is copied


@cache
def _libc() -> Any:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.shmget.argtypes = ctypes.c_int, ctypes.c_size_t, ctypes.c_int
    libc.shmat.argtypes = ctypes.c_int, ctypes.c_void_p, ctypes.c_int
    libc.shmat.restype = ctypes.c_void_p
    libc.shmdt.argtypes = (ctypes.c_void_p,)
    libc.shmctl.argtypes = ctypes.c_int, ctypes.c_int, ctypes.c_void_p
    return libc


class SharedMemory:
    """A piece of shared memory that the system frees once neither this process nor the server has it. Raises OSError."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.id = self._checked(_libc().shmget(_IPC_PRIVATE, size, _IPC_CREAT | _OURS_ONLY))
        try:
            self._address = self._checked(_libc().shmat(self.id, None, 0))
        except OSError:
            self.forget()
            raise

    @staticmethod
    def _checked(result: int | None) -> int:
        if result is None or result in (-1, ctypes.c_void_p(-1).value):
            raise OSError(ctypes.get_errno(), "no shared memory")
        return result

    def forget(self) -> None:
        """Let the system free the memory as soon as nobody has it attached. Nobody else can attach it after that."""
        _libc().shmctl(self.id, _IPC_RMID, None)

    def memory(self) -> Any:
        """Return the memory as an object that others may refer to."""
        return (ctypes.c_ubyte * self.size).from_address(self._address)

    def detach(self) -> None:
        """Give the memory back."""
        _libc().shmdt(self._address)


class SegmentPool:
    """The segments for pictures of one size (bytes).

    ``attach``: lets the server attach a segment, and returns the server's name for it; raises OSError if it cannot.
    ``drop``: lets the server forget that name.
    """

    def __init__(self, size: int, attach: Callable[[SharedMemory], int], drop: Callable[[int], object]) -> None:
        self.size = size
        self._attach, self._drop = attach, drop
        self._free: deque[tuple[SharedMemory, int]] = deque()
        self._names: list[int] = []  # of all segments
        self._closed = False

    def take(self, fill: Callable[[int], object]) -> memoryview:
        """Return a picture that ``fill`` has written, given the server's name of a segment. It can be written to."""
        segment, name = self._free.popleft() if self._free else self._new()
        try:
            fill(name)
        except BaseException:
            self._free.append((segment, name))
            raise
        memory = segment.memory()
        if len(self._names) >= MOST and not self._free:  # keep one to copy from
            picture = memoryview(bytearray(memory))
            self._free.append((segment, name))
            return picture
        weakref.finalize(memory, self._give_back, segment, name).atexit = False
        return memoryview(memory).cast("B")

    def _new(self) -> tuple[SharedMemory, int]:
        segment = SharedMemory(self.size)
        try:
            name = self._attach(segment)
        except BaseException:
            segment.detach()
            raise
        finally:
            segment.forget()
        self._names.append(name)
        return segment, name

    def _give_back(self, segment: SharedMemory, name: int) -> None:
        """Take a segment whose picture nobody has any more. Called on any thread."""
        self._free.append((segment, name))
        if self._closed:  # look after that, because it may be closed just now
            self._free_all()

    def close(self, *, connected: bool = True) -> None:
        """Free the memory that nobody uses, and the rest as soon as nobody does. ``connected``: whether the server listens."""
        self._closed = True
        for name in self._names if connected else ():  # also of what is held, which the server does not write to any more
            self._drop(name)
        self._free_all()
        del self._attach, self._drop  # pictures that are still held must not hold the connection, which may hold them

    def _free_all(self) -> None:
        """Free the memory that nobody uses. Another thread may do so at the same time."""
        with suppress(IndexError):
            while True:
                self._free.popleft()[0].detach()
