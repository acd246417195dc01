"""The layout of a ring of frames in shared memory, as RING OF FRAMES in the manual describes it. All numbers are little-endian.

A slot has a lock word: odd while it is written, else twice the number of its frame plus two. A reader compares the word before
and after: if it has changed, the frame is torn. No reader can make the writer wait.
"""

from __future__ import annotations

import ctypes
import os
import re
import struct
import sys
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any

from mscli.core.errors import NotSupportedError, OperationError
from mscli.core.tuples import NamedTuple

SCHEME = "shm:"
MAGIC = b"MSCLIRNG"
VERSION = 1
HEADER_BYTES = 4096
SLOT_HEADER_BYTES = 128
RING_BYTES = 64 * 1024 * 1024  # the size that a ring has at most, unless LEAST_SLOTS need more
LEAST_SLOTS, MOST_SLOTS = 4, 64
RUNNING, ENDED = 1, 2

COUNT_WORD = 6  # of the header's 64-bit words: how many frames have been written
_HEADER = struct.Struct("<8sIIIIQII")
_BELL_AT = 56  # a 32-bit word that changes with each frame: a futex
_SLOT = struct.Struct("<qqqQIIII16s")  # behind the lock word

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_FOLDER = "/dev/shm/" if os.path.isdir("/dev/shm") else ""  # which shared memory is, on Linux
_FUTEX_NUMBERS = {"x86_64": 202, "aarch64": 98}  # https://man7.org/linux/man-pages/man2/futex.2.html
_MOST = (1 << 32) - 1
_WAIT, _WAKE, _ALL = 0, 1, (1 << 31) - 1


class RingHeader(NamedTuple):
    """The head of a ring. ``slots``: 0 before the first frame. ``pid``: of the writer. ``state``: RUNNING or ENDED."""

    slots: int
    slot_bytes: int
    pid: int
    state: int

    def packed(self) -> bytes:
        """Return the header without the words that change with each frame."""
        return _HEADER.pack(MAGIC, VERSION, HEADER_BYTES, self.slots, SLOT_HEADER_BYTES, self.slot_bytes, self.pid, self.state)


class SlotHeader(NamedTuple):
    """The facts about a frame: its number in the ring, the time of its capture (microseconds), the driver's number."""

    number: int
    timestamp: int
    sequence: int
    nbytes: int
    width: int
    height: int
    key: int
    reserved: int
    form: bytes

    def packed(self) -> bytes:
        """Return the bytes behind the lock word."""
        return _SLOT.pack(*self)

    @classmethod
    def read(cls, data: Any, at: int) -> SlotHeader:
        """Return the facts of the slot at a position."""
        return cls(*_SLOT.unpack_from(data, at + 8))


def read_header(data: Any) -> RingHeader | None:
    """Return the head of a ring, or None if there is something else, or another version."""
    if len(data) < HEADER_BYTES:
        return None
    magic, version, _, slots, _, slot_bytes, pid, state = _HEADER.unpack_from(data)
    fits = slots == 0 or (slot_bytes > SLOT_HEADER_BYTES and slot_bytes % 8 == 0)
    return RingHeader(slots, slot_bytes, pid, state) if (magic, version) == (MAGIC, VERSION) and fits else None


def slots_for(nbytes: int) -> tuple[int, int]:
    """Return how many slots a ring has for frames of this size at most, and the size of a slot."""
    slot_bytes = -(-(nbytes + SLOT_HEADER_BYTES) // HEADER_BYTES) * HEADER_BYTES
    return max(LEAST_SLOTS, min(MOST_SLOTS, RING_BYTES // slot_bytes)), slot_bytes


def locked_as(number: int) -> int:
    """Return the lock word of a slot with this frame. The word before it is that of a slot that is being written."""
    return 2 * number + 2


def shared_name(address: str) -> str:
    """Return the name of the shared memory of a ring. ``address``: its name, or that behind ``shm:``. Raises OperationError."""
    name = address[len(SCHEME) :] if address.lower().startswith(SCHEME) else address
    if not _NAME.fullmatch(name):
        raise OperationError(
            f"“{name}” cannot be the name of a ring", hints=["use up to 100 letters, digits, dots, dashes and underscores"]
        )
    return f"mscli-{name}"


def open_shared(name: str, flags: int) -> int:
    """Return a descriptor of shared memory. Raises OSError, and NotSupportedError if the system has none."""
    if _FOLDER:
        return os.open(_FOLDER + name, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)  # a pipe opens, too
    return int(_posix().shm_open(f"/{name}", flags, mode=0o600))


def is_shared_as(name: str, fd: int) -> bool:
    """Return whether this descriptor's memory still has the name, as far as the system tells."""
    try:
        return not _FOLDER or os.path.samestat(os.stat(_FOLDER + name, follow_symlinks=False), os.fstat(fd))
    except FileNotFoundError:
        return False


def unlink_shared(name: str) -> None:
    """Remove the name of shared memory. Who has it open keeps it."""
    with suppress(FileNotFoundError):
        os.unlink(_FOLDER + name) if _FOLDER else _posix().shm_unlink(f"/{name}")


def _posix() -> Any:
    """Return Python's own module. Raises NotSupportedError on a system without shared memory of POSIX."""
    try:
        return import_module("_posixshmem")
    except ImportError:
        raise NotSupportedError("this system has no shared memory of POSIX", hints=["use a socket: -o unix:PATH"]) from None


class Bell:
    """A word in shared memory that readers wait for and the writer rings. Without futexes, it says that nobody can wait."""

    def __init__(self, memory: Any, address: int) -> None:
        """Take the mapped ring, which may be read-only, and where it is in memory."""
        self._word = memoryview(memory)[_BELL_AT : _BELL_AT + 4].cast("I")
        self._address = ctypes.c_void_p(address + _BELL_AT)
        self._number = _FUTEX_NUMBERS.get(os.uname().machine) if sys.platform == "linux" else None

    @property
    def value(self) -> int:
        """Return the word."""
        return self._word[0]

    @property
    def can_wait(self) -> bool:
        """Return whether ``wait`` waits."""
        return self._number is not None

    def wait(self, seen: int, timeout_s: float) -> None:
        """Wait until the word differs from ``seen``, or for this time."""
        seconds = int(timeout_s)
        timeout = struct.pack("@ll", seconds, int((timeout_s - seconds) * 1e9))
        _libc().syscall(self._number, self._address, _WAIT, ctypes.c_uint32(seen), timeout, None, 0)

    def close(self) -> None:
        """Free the memory."""
        self._word.release()

    def ring(self) -> None:
        """Change the word and wake all readers."""
        self._word[0] = (self._word[0] + 1) & _MOST
        if self._number is not None:
            _libc().syscall(self._number, self._address, _WAKE, _ALL, None, None, 0)


@cache
def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)
