"""Map a V4L2 driver's buffers into memory, queue them, lend them without copying, and queue them again; or fill them.

https://docs.kernel.org/userspace-api/media/v4l/mmap.html
"""

from __future__ import annotations

import errno
import mmap
from collections import deque
from functools import partial

from mscli.core.errors import NotReadableError
from mscli.core.loans import Loan
from mscli.v4l2 import abi
from mscli.v4l2.node import Node

BUFFERS = 6  # the number requested from a camera; the driver may provide more or fewer
QUEUED_AT_LEAST = 2  # buffers that stay with the driver: it fills one while the next is ready. Beyond that frames are copied.


class PassingError(Exception):
    """The driver has failed to hand over a buffer, perhaps only for now."""


class Buffers:
    """The driver's mapped buffers, which are queued, filled, lent to consumers, and queued again.

    A loan may end on any thread; that only notes the buffer's number, and the owner's next ``requeue`` hands it back. Memory
    stays mapped until both this object and the last view have gone: views outlive the stream.
    """

    def __init__(self, node: Node, buffer_type: int, planes: int, count: int = BUFFERS) -> None:
        self.queued = 0
        self._node = node
        self._type = buffer_type
        self._planes = planes if buffer_type == abi.BUF_TYPE_CAPTURE_MPLANE else 0
        self._back: deque[int] = deque()  # at most one entry for each buffer
        asked = abi.RequestBuffers(count, buffer_type, abi.MEMORY_MMAP)
        node.call(abi.REQBUFS, asked, "reserve its buffers")
        self._maps = [self._map(index) for index in range(asked.count)]

    def __len__(self) -> int:
        return len(self._maps)

    def _map(self, index: int) -> list[mmap.mmap]:
        buffer = self._buffer(index)
        self._node.call(abi.QUERYBUF, buffer, "describe its buffers")
        places = [(p.length, p.offset) for p in buffer.m.planes[: buffer.length]] if self._planes else []
        places = places or [(buffer.length, buffer.m.offset)]
        try:  # writable, because ctypes requires that; the views of it are read-only
            return [mmap.mmap(self._node.fd, length, offset=offset) for length, offset in places]
        except OSError as error:
            raise self._node.failure(error, "map its buffers") from error

    def _buffer(self, index: int = 0) -> abi.Buffer:
        buffer = abi.Buffer(index=index, type=self._type, memory=abi.MEMORY_MMAP)
        if self._planes:
            planes = (abi.BufferPlane * self._planes)()
            buffer.m.planes, buffer.length = planes, self._planes
        return buffer

    def queue(self, index: int, nbytes: int = 0) -> None:
        """Queue a buffer, so that the driver fills it, or shows the ``nbytes`` in it. Raises the node's error."""
        buffer = self._buffer(index)
        if nbytes:
            buffer.bytesused, buffer.field = nbytes, abi.FIELD_NONE
        self._node.call(abi.QBUF, buffer, "take a picture" if nbytes else "take back a buffer")
        self.queued += 1

    def memory(self, index: int) -> memoryview:
        """Return the memory of a buffer that is not queued, for a picture of ours."""
        return memoryview(self._maps[index][0])

    def give_up(self, index: int) -> None:
        """Return a dequeued buffer that is not lent. Safe on any thread."""
        self._back.append(index)

    def requeue(self) -> None:
        """Queue the returned buffers. If the driver rejects one, try again after the next frame.

        Raises NotReadableError if the driver has no other buffer left, because no frame would follow.
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
        """Return the next filled buffer, or None if there is none yet. Raises NotReadableError, and PassingError for EIO.

        After an EIO the driver may go on: https://docs.kernel.org/userspace-api/media/v4l/vidioc-qbuf.html.
        """
        buffer = self._buffer()
        try:
            self._node.ioctl(abi.DQBUF, buffer)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno == errno.EIO:
                raise PassingError from error
            raise self._node.failure(error, "deliver frames") from error
        self.queued -= 1
        return buffer

    def extents(self, buffer: abi.Buffer) -> list[tuple[int, int]]:
        """Return where the data of a filled buffer starts and ends, in each of its planes."""
        if not self._planes:
            return [(0, buffer.bytesused)]
        return [(plane.data_offset, plane.bytesused) for plane in buffer.m.planes[: self._planes]]

    def views(self, buffer: abi.Buffer) -> list[memoryview]:
        """Return a filled buffer's data: lent while a view exists, or copied if too few buffers would be left."""
        index, extents = buffer.index, self.extents(buffer)
        if self.queued < QUEUED_AT_LEAST:
            copies = [memoryview(area[start:end]) for area, (start, end) in zip(self._maps[index], extents, strict=True)]
            self.give_up(index)
            return copies
        loan = Loan(partial(self.give_up, index))
        return [loan.view(area)[start:end] for area, (start, end) in zip(self._maps[index], extents, strict=True)]

    def release(self) -> None:
        """Free the driver's buffers. Lent buffers stay readable, because the kernel keeps mapped memory."""
        self._maps = []
        self._node.ioctl(abi.REQBUFS, abi.RequestBuffers(0, self._type, abi.MEMORY_MMAP))
