"""V4L2 cameras that are data: a driver in the test's process answers what the program under test asks of /dev/videoN.

``bridge.c`` carries each open and ioctl of the unmodified program to here. A ``Camera`` says what it is, and which ``Shot``
follows which: what is in the buffer, when it is filled, and how it is stamped. ``Driver.filled`` tells afterwards what the
program was given, to compare with what it made of that.
https://docs.kernel.org/userspace-api/media/v4l/capture.html
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from threading import Condition, Lock, Thread
from typing import Any, NamedTuple

from mscli.v4l2 import abi

CAP_STREAMING = 0x04000000
FLAG_MAPPED, FLAG_QUEUED, FLAG_DONE = 0x1, 0x2, 0x4  # in v4l2_buffer.flags
TRY_FMT = abi.S_FMT & ~0xFF | 64
MOST_BUFFERS = 32
PAGE = mmap.PAGESIZE
ENCODED = ("MJPG", "JPEG", "H264", "HEVC", "VP80", "VP90")

Stamp = Callable[[int], int]  # from the true time of a capture to its stamp: microseconds on CLOCK_MONOTONIC


def true_time(at_us: int) -> int:
    """The stamp of a driver that does as it should."""
    return at_us


@dataclass(frozen=True)
class Shot:
    """What the camera puts into one buffer, ``after_s`` seconds after the one before, and what it says of it."""

    data: bytes
    after_s: float = 1 / 30
    stamp: Stamp = true_time
    sequence: int | None = None  # None: one more than before, buffers that the program was too slow for included
    flags: int = abi.FLAG_TIMESTAMP_MONOTONIC
    field: int = 1  # V4L2_FIELD_NONE: not interlaced
    error: int = 0  # the number with which DQBUF fails instead, once
    stuck: bool = False  # whether it fails with EIO from this one on


class Listed(NamedTuple):
    """A mode that a camera lists."""

    fourcc: str
    width: int
    height: int
    rate: Fraction = Fraction(30)


@dataclass(frozen=True)
class Camera:
    """A camera of one mode, and of those of ``further`` cameras, however many it lists.

    ``errors``: what it answers to a request (``v4l2_abi``'s number) in place of doing it.
    ``listed``: modes that it lists beside its own. ``row_bytes``: from row to row, if the shots do not tell.
    ``said``: members of ``v4l2_pix_format`` that it sets: colour, field, or whatever else it tells. ``patient``: whether it
    waits for a buffer, however slow the program is; else it loses the picture.
    """

    shots: Sequence[Shot]
    fourcc: str = "GREY"
    width: int = 64
    height: int = 32
    rate: Fraction = Fraction(30)
    label: str = "Camera in user space"
    errors: Mapping[int, int] = field(default_factory=dict)
    listed: Sequence[Listed] = ()
    row_bytes: int | None = None
    said: Mapping[str, int] = field(default_factory=dict)
    patient: bool = False
    steady: bool = False  # whether one that has waited makes up for it: its pictures follow at once until it is in time again
    further: Sequence[Camera] = ()
    kind: int = abi.KIND_DISCRETE  # how it lists its sizes; otherwise in steps of 2, from its own up to twice as wide and high

    @property
    def stride(self) -> int:
        """Bytes from row to row; 0 of an encoded picture."""
        if self.row_bytes is not None:
            return self.row_bytes
        return 0 if self.fourcc in ENCODED else len(self.shots[0].data) // self.height

    @property
    def modes(self) -> list[Listed]:
        """What it lists, its own mode first."""
        own = [Listed(one.fourcc, one.width, one.height, one.rate) for one in (self, *self.further)]
        return [*own, *self.listed]

    def set_to(self, fourcc: str, width: int, height: int) -> Camera:
        """The camera in that mode; in its own if it has no such mode."""
        modes = (one for one in self.further if (one.fourcc, one.width, one.height) == (fourcc, width, height))
        return next(modes, self)

    @property
    def formats(self) -> list[str]:
        """The formats of its modes, each once."""
        return list(dict.fromkeys(mode.fourcc for mode in self.modes))

    @property
    def buffer_bytes(self) -> int:
        """Bytes that a buffer has to have."""
        return max(len(shot.data) for shot in self.shots)


class Filled(NamedTuple):
    """A buffer that the program was given: the number of its shot, when that was captured in truth, and its stamp."""

    number: int
    at_us: int
    stamp_us: int


class Refused(Exception):
    """The driver answers a request with an error number."""


class Driver:
    """The drivers of the nodes /dev/video0 and on. A context manager: it answers from the one end to the other.

    ``address``: where ``bridge.c`` finds it. ``filled``: for each node what its programs were given, in order.
    """

    def __init__(self, *cameras: Camera) -> None:
        self.cameras = {f"/dev/video{number}": camera for number, camera in enumerate(cameras)}
        self.filled: dict[str, list[Filled]] = {path: [] for path in self.cameras}
        self.address = f"mscli-tests-camera-{os.getpid()}-{id(self)}"
        self._opened: list[_Node] = []
        self._lock = Lock()
        self._closed = False
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(f"\0{self.address}")
        self._server.listen()
        self._thread = Thread(target=self._accept, name="camera-driver", daemon=True)

    def __enter__(self) -> Driver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._closed = True
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._server.close()
        for node in self._opened:
            node.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            path = _receive(connection, *struct.unpack("I", _receive(connection, 4))).decode()
            if path not in self.cameras:
                connection.sendall(struct.pack("i", errno.ENOENT))
                connection.close()
                continue
            self._opened.append(_Node(connection, path, self.cameras[path], self.filled[path]))


def _receive(connection: socket.socket, count: int) -> bytes:
    """So many bytes; fewer only if the program has closed the node."""
    data = b""
    while len(data) < count and (more := connection.recv(count - len(data))):
        data += more
    return data


class _Node:
    """A node that a program has open, answered on a thread of its own; another fills its buffers while it streams."""

    def __init__(self, connection: socket.socket, path: str, camera: Camera, filled: list[Filled]) -> None:
        self._connection, self._camera, self._filled = connection, camera, filled
        self._mode = camera  # as it is set
        self._ready = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK | os.EFD_SEMAPHORE)  # counts what can be dequeued
        self._memory = os.memfd_create("camera", os.MFD_CLOEXEC)
        self._size = -(-max(one.buffer_bytes for one in (camera, *camera.further)) // PAGE) * PAGE
        os.ftruncate(self._memory, MOST_BUFFERS * self._size)
        self._buffers: list[abi.Buffer] = []
        self._queued: deque[int] = deque()
        self._done: deque[int] = deque()
        self._streaming = False
        self._numbers: dict[int, int] = {}  # of the shots in the buffers
        self._changed = Condition()  # of these five
        self._filler: Thread | None = None
        socket.send_fds(connection, [struct.pack("i", 0)], [self._ready, self._memory])
        name = os.path.basename(path)
        self._thread = Thread(target=self._answer_all, name=f"camera-{name}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        if self._thread.is_alive():
            self._connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def _answer_all(self) -> None:
        try:
            while head := _receive(self._connection, 8):
                request, count = struct.unpack("II", head)
                argument = bytearray(_receive(self._connection, count))
                result, error = self._answer(request, argument)
                self._connection.sendall(struct.pack("ii", result, error) + argument)
        except OSError:
            pass  # the program was killed
        finally:
            self._stream_off()
            self._connection.close()
            os.close(self._ready)
            os.close(self._memory)

    def _answer(self, request: int, argument: bytearray) -> tuple[int, int]:
        """Do what is asked, in place; the result and the error number."""
        row = _ANSWERS.get(request)
        error = self._camera.errors.get(request, 0 if row else errno.ENOTTY)
        if error or row is None:
            return -1, error
        kind, answer = row
        try:
            answer(self, kind.from_buffer(argument))
        except Refused as refused:
            return -1, int(refused.args[0])
        return 0, 0

    # What it can do

    def _query_capability(self, found: abi.Capability) -> None:
        found.driver, found.card, found.bus_info = b"camera", self._camera.label.encode()[:31], b"platform:camera"
        found.device_caps = abi.CAP_CAPTURE | CAP_STREAMING
        found.capabilities = found.device_caps | abi.CAP_DEVICE_CAPS

    def _list_format(self, found: abi.FormatDescription) -> None:
        formats = self._camera.formats
        _refuse_unless(found.index < len(formats) and found.type == abi.BUF_TYPE_CAPTURE)
        fourcc = formats[found.index]
        found.pixelformat, found.flags = abi.fourcc_code(fourcc), int(fourcc in ENCODED)

    def _list_size(self, found: abi.FrameSize) -> None:
        if self._camera.kind != abi.KIND_DISCRETE:
            _refuse_unless(found.index == 0)
            found.type, width, height = self._camera.kind, self._camera.width, self._camera.height
            found.stepwise = abi.SizeSteps(width, 2 * width, 2, height, 2 * height, 2)
            return
        modes = [mode for mode in self._camera.modes if abi.fourcc_code(mode.fourcc) == found.pixel_format]
        sizes = list(dict.fromkeys((mode.width, mode.height) for mode in modes))
        _refuse_unless(found.index < len(sizes))
        found.type = abi.KIND_DISCRETE
        found.discrete.width, found.discrete.height = sizes[found.index]

    def _list_interval(self, found: abi.FrameInterval) -> None:
        wanted = found.pixel_format, found.width, found.height
        rates = [mode.rate for mode in self._camera.modes if (abi.fourcc_code(mode.fourcc), *mode[1:3]) == wanted]
        rates = rates if self._camera.kind == abi.KIND_DISCRETE else [self._camera.rate]
        _refuse_unless(found.index < len(rates))
        found.type = abi.KIND_DISCRETE
        found.discrete = _interval(rates[found.index])

    # What it is set to

    def _set_format(self, asked: abi.Format) -> None:
        pix = asked.pix
        self._mode = self._camera.set_to(abi.fourcc_text(pix.pixelformat), pix.width, pix.height)
        self._format(asked)

    def _format(self, found: abi.Format) -> None:
        _refuse_unless(found.type == abi.BUF_TYPE_CAPTURE)
        camera, pix = self._mode, found.pix
        ctypes.memset(ctypes.addressof(pix), 0, ctypes.sizeof(pix))
        pix.width, pix.height, pix.pixelformat = camera.width, camera.height, abi.fourcc_code(camera.fourcc)
        pix.bytesperline, pix.sizeimage, pix.field = camera.stride, camera.buffer_bytes, 1
        for name, value in camera.said.items():
            setattr(pix, name, value)

    def _parameters(self, found: abi.StreamParm) -> None:
        _refuse_unless(found.type == abi.BUF_TYPE_CAPTURE)
        found.capture.capability, found.capture.timeperframe = abi.CAP_TIMEPERFRAME, _interval(self._mode.rate)

    def _input(self, found: ctypes.c_int) -> None:
        found.value = 0

    # Its buffers

    def _request_buffers(self, asked: abi.RequestBuffers) -> None:
        _refuse_unless(asked.memory == abi.MEMORY_MMAP)
        asked.count = min(asked.count, MOST_BUFFERS)
        with self._changed:
            self._buffers = [self._buffer(index) for index in range(asked.count)]

    def _buffer(self, index: int) -> abi.Buffer:
        buffer = abi.Buffer(index=index, type=abi.BUF_TYPE_CAPTURE, memory=abi.MEMORY_MMAP, length=self._size)
        buffer.m.offset = index * self._size
        buffer.flags = FLAG_MAPPED | abi.FLAG_TIMESTAMP_MONOTONIC
        return buffer

    def _query_buffer(self, asked: abi.Buffer) -> None:
        with self._changed:
            _refuse_unless(asked.index < len(self._buffers))
            _copy(self._buffers[asked.index], asked)

    def _queue(self, asked: abi.Buffer) -> None:
        with self._changed:
            _refuse_unless(asked.index < len(self._buffers) and asked.index not in (*self._queued, *self._done))
            self._queued.append(asked.index)
            self._changed.notify_all()

    def _dequeue(self, asked: abi.Buffer) -> None:
        with self._changed:
            if not self._done:
                raise Refused(errno.EAGAIN)
            shot = self._mode.shots[self._numbers[self._done[0]]]
            if shot.stuck:
                raise Refused(errno.EIO)
            os.eventfd_read(self._ready)
            index = self._done.popleft()
            if shot.error:
                self._queued.append(index)
                raise Refused(shot.error)
            _copy(self._buffers[index], asked)

    # Its stream

    def _stream_on(self, _: ctypes.c_int) -> None:
        with self._changed:
            self._streaming = True
        self._filler = Thread(target=self._fill_all, name=f"{self._thread.name}-stream", daemon=True)
        self._filler.start()

    def _stream_off(self, _: ctypes.c_int | None = None) -> None:
        with self._changed:
            self._streaming = False
            self._changed.notify_all()
        if self._filler is not None:
            self._filler.join()
            self._filler = None
        with self._changed:
            for _done in self._done:
                os.eventfd_read(self._ready)
            self._queued.clear()
            self._done.clear()

    def _fill_all(self) -> None:
        at_us, sequence = time.monotonic_ns() // 1000, 0
        for number, shot in enumerate(self._mode.shots):
            at_us += round(shot.after_s * 1e6)
            sequence = sequence if shot.sequence is None else shot.sequence
            with self._changed:
                if self._changed.wait_for(lambda: not self._streaming, max(0, at_us - time.monotonic_ns() // 1000) / 1e6):
                    return
                if self._mode.patient:
                    self._changed.wait_for(lambda: self._queued or not self._streaming)
                    if not self._streaming:
                        return
                    if not self._mode.steady:
                        at_us = max(at_us, time.monotonic_ns() // 1000)
                if self._queued:
                    self._fill(self._queued.popleft(), number, shot, sequence, at_us)
            sequence = (sequence + 1) % (1 << 32)

    def _fill(self, index: int, number: int, shot: Shot, sequence: int, at_us: int) -> None:
        os.pwrite(self._memory, shot.data, index * self._size)
        buffer, stamp_us = self._buffers[index], shot.stamp(at_us)
        buffer.bytesused, buffer.sequence, buffer.field = len(shot.data), sequence, shot.field
        self._numbers[index] = number
        buffer.flags = FLAG_MAPPED | FLAG_DONE | shot.flags
        buffer.timestamp.tv_sec, buffer.timestamp.tv_usec = divmod(stamp_us, 1_000_000)
        self._done.append(index)
        self._filled.append(Filled(number, at_us, stamp_us))
        os.eventfd_write(self._ready, 1)


def _interval(rate: Fraction) -> abi.Fract:
    """The seconds of a frame; a rate of 0 is nonsense that a driver may tell."""
    return abi.Fract(rate.denominator, rate.numerator)


def _refuse_unless(fits: bool) -> None:
    if not fits:
        raise Refused(errno.EINVAL)


def _copy(buffer: abi.Buffer, into: abi.Buffer) -> None:
    ctypes.memmove(ctypes.addressof(into), ctypes.addressof(buffer), ctypes.sizeof(buffer))


_ANSWERS: dict[int, tuple[type[Any], Callable[[_Node, Any], None]]] = {
    abi.QUERYCAP: (abi.Capability, _Node._query_capability),
    abi.ENUM_FMT: (abi.FormatDescription, _Node._list_format),
    abi.ENUM_FRAMESIZES: (abi.FrameSize, _Node._list_size),
    abi.ENUM_FRAMEINTERVALS: (abi.FrameInterval, _Node._list_interval),
    abi.G_FMT: (abi.Format, _Node._format),
    abi.S_FMT: (abi.Format, _Node._set_format),
    TRY_FMT: (abi.Format, _Node._format),
    abi.G_PARM: (abi.StreamParm, _Node._parameters),
    abi.S_PARM: (abi.StreamParm, _Node._parameters),
    abi.G_INPUT: (ctypes.c_int, _Node._input),
    abi.REQBUFS: (abi.RequestBuffers, _Node._request_buffers),
    abi.QUERYBUF: (abi.Buffer, _Node._query_buffer),
    abi.QBUF: (abi.Buffer, _Node._queue),
    abi.DQBUF: (abi.Buffer, _Node._dequeue),
    abi.STREAMON: (ctypes.c_int, _Node._stream_on),
    abi.STREAMOFF: (ctypes.c_int, _Node._stream_off),
}  # The driver's answers: request → its argument, what is done
