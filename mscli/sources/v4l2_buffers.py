"""The buffers of a V4L2 driver: mapped into memory, queued, filled, lent out uncopied, and queued again.

https://docs.kernel.org/userspace-api/media/v4l/mmap.html
"""

from __future__ import annotations

import ctypes
import mmap
import weakref
from collections import deque
from typing import Any

from mscli.core.errors import NotReadableError
from mscli.sources import v4l2_abi as abi
from mscli.sources.v4l2_node import Node

BUFFERS = 6  # asked for; the driver may give more or fewer
QUEUED_AT_LEAST = 2  # buffers that stay with the driver: it fills one while the next is ready. Beyond that frames are copied.


class Loan:
    """A buffer that is out of the driver's hands. Every view of its memory holds it: it dies with the last of them."""

    __slots__ = ("__weakref__",)


class Buffers:
    """The driver's buffers, mapped, and their way round: queued, filled, lent to consumers, and queued again.

    A loan may end on any thread; that only notes the buffer's number, and the owner's next ``requeue`` hands it back. Memory
    stays mapped until both this object and the last view have gone: views outlive the stream.
    """

    def __init__(self, node: Node, buffer_type: int, planes: int) -> None:
        self.queued = 0
        self._node = node
        self._type = buffer_type
        self._planes = planes if buffer_type == abi.BUF_TYPE_CAPTURE_MPLANE else 0
        self._back: deque[int] = deque()  # at most one entry for each buffer
        asked = abi.RequestBuffers(BUFFERS, buffer_type, abi.MEMORY_MMAP)
        node.call(abi.REQBUFS, asked, "reserve its buffers")
        self._maps = [self._map(index) for index in range(asked.count)]

    def __len__(self) -> int:
        return len(self._maps)

    def _map(self, index: int) -> list[mmap.mmap]:
        buffer = self._buffer(index)
        self._node.call(abi.QUERYBUF, buffer, "describe its buffers")
        places = [(p.length, p.offset) for p in buffer.m.planes[: buffer.length]] if self._planes else []
        places = places or [(buffer.length, buffer.m.offset)]
        try:  # writable, because ctypes lends only memory that is; the views of it are not
            return [mmap.mmap(self._node.fd, length, offset=offset) for length, offset in places]
        except OSError as error:
            raise self._node.failure(error, "map its buffers") from error

    def _buffer(self, index: int = 0) -> abi.Buffer:
        buffer = abi.Buffer(index=index, type=self._type, memory=abi.MEMORY_MMAP)
        if self._planes:
            planes = (abi.BufferPlane * self._planes)()
            buffer.m.planes, buffer.length = planes, self._planes
        return buffer

    def queue(self, index: int) -> None:
        """Give a buffer to the driver to be filled. Raises NotReadableError."""
        self._node.call(abi.QBUF, self._buffer(index), "take a buffer back")
        self.queued += 1

    def give_up(self, index: int) -> None:
        """Let go of a dequeued buffer that is not lent. Safe from any thread."""
        self._back.append(index)

    def requeue(self) -> None:
        """Give back to the driver what was let go of. One that it refuses is offered again after the next frame.

        Raises NotReadableError when the driver has no other buffer left, so that there will be no next frame.
        """
        for _ in range(len(self._back)):
            index = self._back.popleft()
            try:
                self.queue(index)
            except NotReadableError:
                if not self.queued:
                    raise
                self._back.append(index)

    def dequeue(self) -> abi.Buffer | None:
        """The next filled buffer, or None if there is none yet. Raises NotReadableError."""
        buffer = self._buffer()
        try:
            abi.ioctl(self._node.fd, abi.DQBUF, buffer)
        except BlockingIOError:
            return None
        except OSError as error:
            raise self._node.failure(error, "deliver frames") from error
        self.queued -= 1
        return buffer

    def extents(self, buffer: abi.Buffer) -> list[tuple[int, int]]:
        """Where the data of a filled buffer starts and ends, in each of its planes."""
        if not self._planes:
            return [(0, buffer.bytesused)]
        return [(plane.data_offset, plane.bytesused) for plane in buffer.m.planes[: self._planes]]

    def views(self, buffer: abi.Buffer) -> list[memoryview]:
        """The data of a filled buffer, to read: lent as long as any view lives, or copied if the driver would run short."""
        index, extents = buffer.index, self.extents(buffer)
        if self.queued < QUEUED_AT_LEAST:
            copies = [memoryview(area[start:end]) for area, (start, end) in zip(self._maps[index], extents, strict=True)]
            self.give_up(index)
            return copies
        loan = Loan()
        weakref.finalize(loan, self.give_up, index).atexit = False
        return [_lend(area, loan)[start:end] for area, (start, end) in zip(self._maps[index], extents, strict=True)]

    def release(self) -> None:
        """Have the driver forget the buffers. Those still lent stay readable: the kernel keeps what is mapped."""
        self._maps = []
        abi.ioctl(self._node.fd, abi.REQBUFS, abi.RequestBuffers(0, self._type, abi.MEMORY_MMAP))


def _lend(area: mmap.mmap, loan: Loan) -> memoryview:
    array: Any = (ctypes.c_ubyte * len(area)).from_buffer(area)  # an owner for the views that can hold the loan
    array.loan = loan
    return memoryview(array).cast("B").toreadonly()
