"""An output into shared memory: a ring of frames that other programs on this machine read without copying.

**Bound**: ``RING_BYTES`` of slots, at least LEAST_SLOTS of them. **Policy**: the oldest frame is overwritten, whether anybody
reads it or not. So no reader can slow the writer down.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import stat
from collections.abc import Sequence

from mscli.core.codecs import VIDEO_CODECS
from mscli.core.errors import OperationError
from mscli.core.log import Log
from mscli.core.ring import (
    COUNT_WORD,
    ENDED,
    HEADER_BYTES,
    RUNNING,
    SLOT_HEADER_BYTES,
    Bell,
    RingHeader,
    SlotHeader,
    is_shared_as,
    locked_as,
    open_shared,
    read_header,
    shared_name,
    slots_for,
    unlink_shared,
)
from mscli.sinks.files.output import Output

_SPARE = 4  # how many times larger an encoded frame may be than the first one

_log = Log("sinks")


class RingOutput(Output):
    """A ring. It has its name from ``open`` until ``commit``, and its slots from the first frame on."""

    def __init__(self, address: str) -> None:
        self.name = address
        self._shared = shared_name(address)
        self._fd = -1
        self._memory: mmap.mmap | None = None
        self._header = RingHeader(0, 0, os.getpid(), RUNNING)
        self._facts = SlotHeader(0, 0, 0, 0, 0, 0, 1, 0, b"")
        self._count = 0
        self._oversized = 0

    def open(self) -> None:
        """Take the name. Raises OperationError if another program writes to it, and NotSupportedError without shared memory."""
        try:
            self._fd = self._claimed()
            os.ftruncate(self._fd, HEADER_BYTES)
            self._map(HEADER_BYTES)
        except OSError as error:
            raise OperationError(f"cannot write to {self.name}: {error.strerror}") from error
        _log.info("“%s”: open for readers", self.name)

    def _claimed(self) -> int:
        """Return the descriptor of new shared memory, locked. A ring whose writer has died gives way."""
        import fcntl

        while True:
            try:
                fd = open_shared(self._shared, os.O_RDWR | os.O_CREAT | os.O_EXCL)
                fcntl.flock(fd, fcntl.LOCK_EX)
                return fd
            except FileExistsError:
                self._make_room()

    def _make_room(self) -> None:
        """Remove the ring of a dead writer. Raises OperationError if the name is in use, or not that of a ring of this user."""
        import fcntl

        try:
            fd = open_shared(self._shared, os.O_RDWR)
        except FileNotFoundError:
            return
        except PermissionError:
            raise self._refusal("it belongs to another user") from None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found = os.fstat(fd)
            if found.st_uid != os.geteuid():
                raise self._refusal("it belongs to another user")
            head = os.pread(fd, HEADER_BYTES, 0) if stat.S_ISREG(found.st_mode) else b"?"
            if head and read_header(head) is None:
                raise self._refusal("the name belongs to something that is not a ring")
            unlink_shared(self._shared)
            _log.info("“%s”: replaced, because its writer has died", self.name)
        except BlockingIOError:
            raise self._refusal("another program writes to it") from None
        finally:
            os.close(fd)

    def _refusal(self, why: str) -> OperationError:
        return OperationError(f"cannot write to {self.name}: {why}", hints=["choose another name"])

    def _map(self, size: int) -> None:
        self._memory = mmap.mmap(self._fd, size)
        self._size = size
        self._words = memoryview(self._memory)[: size // 8 * 8].cast("Q")
        self._bell = Bell(self._memory, ctypes.addressof(ctypes.c_char.from_buffer(self._memory)))
        self._memory[: len(self._header.packed())] = self._header.packed()

    def announce(self, at_us: int, sequence: int, size: tuple[int, int], form: str) -> None:
        """Note the facts about the next frame."""
        self._facts = SlotHeader(0, at_us, sequence, 0, *size, 1, 0, form.encode())

    def write_unit(self, parts: Sequence[bytes | memoryview], head: bytes = b"", *, key: bool = True) -> None:  # noqa: ARG002
        """Write a frame into the slot of the oldest one. One that is too large is left out."""
        self._check()
        views = [memoryview(part).cast("B") for part in parts]
        nbytes = sum(view.nbytes for view in views)
        if not self._header.slots:
            self._make_slots(nbytes)
        memory = self._memory
        if memory is None or nbytes + SLOT_HEADER_BYTES > self._header.slot_bytes:
            self._oversized += 1
            return
        at = HEADER_BYTES + self._count % self._header.slots * self._header.slot_bytes
        done = locked_as(self._count)
        self._words[at // 8] = done - 1
        facts = self._facts._replace(number=self._count, nbytes=nbytes, key=int(key)).packed()
        memory[at + 8 : at + 8 + len(facts)] = facts
        place = at + SLOT_HEADER_BYTES
        for view in views:
            memory[place : place + view.nbytes] = view
            place += view.nbytes
        self._words[at // 8] = done
        self._count += 1
        self._words[COUNT_WORD] = self._count
        self._bell.ring()
        self._grow(nbytes)

    def _check(self) -> None:
        """Raise OperationError if somebody has made the memory smaller, because to write there would end this process."""
        if os.fstat(self._fd).st_size < self._size:
            self.failed = True
            raise OperationError(f"cannot write to {self.name}: another program has truncated it")

    def _make_slots(self, nbytes: int) -> None:
        """Give the ring slots for frames like the first one."""
        encoded = self._facts.form.decode() in VIDEO_CODECS
        slots, slot_bytes = slots_for(nbytes * _SPARE + HEADER_BYTES if encoded else nbytes)
        size = HEADER_BYTES + slots * slot_bytes
        try:
            os.posix_fallocate(self._fd, 0, size) if hasattr(os, "posix_fallocate") else os.ftruncate(self._fd, size)
        except OSError as error:
            self.failed = True
            small = ["make /dev/shm larger, or capture smaller pictures"] if error.errno == errno.ENOSPC else []
            raise OperationError(f"cannot write to {self.name}: {error.strerror}", hints=small) from error
        self._unmap()
        self._header = self._header._replace(slots=slots, slot_bytes=slot_bytes)
        self._map(size)
        self._bell.ring()

    def _put(self, parts: list[memoryview]) -> int:
        self.write_unit(parts)
        return 0  # it is counted already

    def commit(self) -> None:
        """End the ring. Readers keep what they have mapped, and see that it has ended.

        Raises OperationError if another program has taken the ring's name or its memory.
        """
        if self._memory is None:
            return
        try:
            self._check()
            self._header = self._header._replace(state=ENDED)
            self._memory[: len(self._header.packed())] = self._header.packed()
            self._bell.ring()
            if not is_shared_as(self._shared, self._fd):
                hints = ["no reader could find it from then on"]
                raise OperationError(f"{self.name} was removed or replaced by another program", hints=hints)
        finally:
            if is_shared_as(self._shared, self._fd):
                unlink_shared(self._shared)
            self._unmap()
            os.close(self._fd)
        if self._oversized:
            _log.warning("“%s”: %d frame(s) left out that are larger than a slot", self.name, self._oversized)
        _log.info("“%s”: closed after %d frames", self.name, self._count)

    def _unmap(self) -> None:
        assert self._memory is not None, "it is mapped"
        self._words.release()
        self._bell.close()
        self._memory.close()
        self._memory = None
