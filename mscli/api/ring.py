"""Read the ring of frames that ``mscli capture -o shm:NAME`` writes, without copying.

with mscli.open_ring("camera") as ring:
    for frame in ring:
        pixels = frame.media.to_ndarray("bgr24")
        if frame.torn:
            continue
"""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Iterator
from math import inf
from time import monotonic, sleep
from types import TracebackType

from mscli.core.codecs import VIDEO_CODECS
from mscli.core.errors import InvalidStateError, NotFoundError, OperationError
from mscli.core.frames import FORMATS, EncodedVideoChunk, VideoFrame, frame_bytes, split_planes
from mscli.core.limits import RING_POLL_S, RING_WRITER_S
from mscli.core.ring import (
    COUNT_WORD,
    HEADER_BYTES,
    RUNNING,
    SLOT_HEADER_BYTES,
    Bell,
    RingHeader,
    SlotHeader,
    locked_as,
    open_shared,
    read_header,
    shared_name,
)


class RingFrame:
    """A frame in a ring (beyond the standard). Its memory belongs to the writer, who overwrites it after a while.

    ``index``: its number in the ring. ``media``: a ``VideoFrame``, or an ``EncodedVideoChunk``. ``data``: its bytes, packed.
    """

    def __init__(self, words: memoryview, at: int, facts: SlotHeader, data: memoryview) -> None:
        self.index = facts.number
        self.data = data
        self.media = _media(facts, data)
        self._words, self._at, self._lock = words, at, locked_as(facts.number)

    @property
    def torn(self) -> bool:
        """Return whether the writer has begun to overwrite it. Look at this after every use of its data."""
        return self._words[self._at // 8] != self._lock


class RingReader:
    """A reader of a ring of frames (beyond the standard). An iterator over its frames, and a context manager.

    A reader that is slower than the writer misses frames, whose number is ``missed``. Raises NotFoundError if there is no ring
    with this name, and OperationError if there is something else.
    """

    def __init__(self, name: str) -> None:
        self._name = name.removeprefix("shm:")
        try:
            self._fd = open_shared(shared_name(name), os.O_RDONLY)
        except FileNotFoundError:
            hints = [f"start one: mscli capture -o shm:{self._name}"]
            raise NotFoundError(f"there is no ring “{self._name}”", hints=hints) from None
        except OSError as error:
            raise OperationError(f"cannot read the ring “{self._name}”: {error.strerror}") from error
        self.missed = 0
        self._memory: mmap.mmap | None = None
        self._next = 0  # the number of the next frame
        self._header = RingHeader(0, 0, 0, 0)
        try:
            found = os.fstat(self._fd)
            if not stat.S_ISREG(found.st_mode):
                raise OperationError(f"“{self._name}” is not a ring of frames")
            if found.st_uid not in (os.geteuid(), 0):  # who could truncate it, which would end this process
                raise OperationError(f"cannot read the ring “{self._name}”: it belongs to another user")
            self._map()
        except BaseException:
            os.close(self._fd)
            raise
        self._next = self._count  # frames before the reader came do not count

    def __enter__(self) -> RingReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __iter__(self) -> Iterator[RingFrame]:
        while (frame := self.read()) is not None:
            yield frame

    @property
    def ended(self) -> bool:
        """Return whether the writer has ended the ring, or has died."""
        self._check_open()
        header = read_header(self._memory)
        return header is None or header.state != RUNNING or not _is_alive(header.pid)

    def read(self, timeout_s: float | None = None, *, newest: bool = False) -> RingFrame | None:
        """Return the next frame, or None once the ring has ended or if none comes in time (default: wait for it).

        ``newest``: skip all frames but the newest one. Raises InvalidStateError after ``close``.
        """
        self._check_open()
        until_s = inf if timeout_s is None else monotonic() + timeout_s
        while True:
            seen = self._bell.value
            frame = self._taken(newest=newest)
            if frame is not None:
                return frame
            left_s = until_s - monotonic()
            if left_s <= 0 or self.ended:
                return None if self._count <= self._next else self._taken(newest=newest)
            self._wait(seen, left_s)

    def close(self) -> None:
        """Free the memory. Frames that are still in use keep it until then."""
        if self._memory is not None:
            self._memory = None
            del self._words, self._bell
            os.close(self._fd)

    @property
    def _count(self) -> int:
        return int(self._words[COUNT_WORD])

    def _check_open(self) -> None:
        if self._memory is None:
            raise InvalidStateError(f"the ring “{self._name}” is closed")

    def _map(self) -> None:
        """Map the ring as it is now: its slots come with the first frame."""
        import numpy as np  # which says where read-only memory is

        size = os.fstat(self._fd).st_size
        memory = mmap.mmap(self._fd, size, access=mmap.ACCESS_READ) if size >= HEADER_BYTES else None
        header = None if memory is None else read_header(memory)
        if memory is None or header is None or (header.slots and size < HEADER_BYTES + header.slots * header.slot_bytes):
            raise OperationError(f"“{self._name}” is not a ring of frames of this version")
        self._memory, self._header = memory, header
        self._words = memoryview(memory)[: size // 8 * 8].cast("Q")
        self._bell = Bell(memory, np.frombuffer(memory, np.uint8).ctypes.data)

    def _taken(self, *, newest: bool) -> RingFrame | None:
        """Return the next frame if it is there."""
        if not self._header.slots:
            self._map()
        count, slots = self._count, self._header.slots
        if not slots or count <= self._next:
            return None
        index = count - 1 if newest else max(self._next, count - slots + 1)  # the oldest slot may be in the writer's hands
        while index < count:
            frame = self._frame(index)
            if frame is not None:
                self.missed += index - self._next
                self._next = index + 1
                return frame
            index += 1
        return None

    def _frame(self, index: int) -> RingFrame | None:
        """Return the frame with this number, or None if it is overwritten already."""
        assert self._memory is not None, "it is open"
        at = HEADER_BYTES + index % self._header.slots * self._header.slot_bytes
        if self._words[at // 8] != locked_as(index):
            return None
        facts = SlotHeader.read(self._memory, at)
        if self._words[at // 8] != locked_as(index):
            return None
        begin = at + SLOT_HEADER_BYTES
        data = memoryview(self._memory)[begin : begin + min(facts.nbytes, self._header.slot_bytes - SLOT_HEADER_BYTES)]
        return RingFrame(self._words, at, facts, data)

    def _wait(self, seen: int, left_s: float) -> None:
        if self._bell.can_wait:
            self._bell.wait(seen, min(left_s, RING_WRITER_S))
        else:
            sleep(min(left_s, RING_POLL_S))


def open_ring(name: str) -> RingReader:
    """Open the ring that ``mscli capture -o shm:NAME`` writes (beyond the standard).

    Raises NotFoundError if there is none, and OperationError.
    """
    return RingReader(name)


def _media(facts: SlotHeader, data: memoryview) -> VideoFrame | EncodedVideoChunk:
    form = facts.form.rstrip(b"\0").decode(errors="replace")
    if facts.nbytes != data.nbytes or (form in FORMATS and not _fits(facts, form)):
        raise OperationError(f"a ring has a frame of {form}, {facts.width}×{facts.height}, that is damaged")
    if form in VIDEO_CODECS:
        kind = "key" if facts.key else "delta"
        return EncodedVideoChunk(kind, facts.timestamp, data, form, facts.width, facts.height, sequence=facts.sequence)
    if form not in FORMATS:
        raise OperationError(f"a ring has frames of the unknown format “{form}”")
    planes, strides = split_planes(form, facts.width, facts.height, data)
    return VideoFrame(form, facts.width, facts.height, facts.timestamp, planes, strides, None, facts.sequence)


def _fits(facts: SlotHeader, form: str) -> bool:
    return facts.width > 0 and facts.height > 0 and frame_bytes(form, facts.width, facts.height) == facts.nbytes


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # no process has such a number
        return False
    except OSError:  # it belongs to somebody else
        return True
    return True
