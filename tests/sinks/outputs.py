"""A driver of a virtual camera in this process: what a sink asks it for, and the pictures that it shows."""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Condition
from typing import Any, ClassVar

import pytest

from mscli.core.frames import frame_bytes
from mscli.v4l2 import abi

PATIENCE_S = 30.0  # for what comes at once on a machine that is not busy
_ROOM = 1 << 20  # bytes for a buffer


class OutputDriver:
    """The kernel's side of an output: single-planar, mapped memory. A file stands for the device.

    Each picture is shown at once, as v4l2loopback does.
    """

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = path
        self.formats: Sequence[str] = ("RGB3", "YUYV", "YU12")  # four-character codes
        self.caps = abi.CAP_OUTPUT
        self.stride = 0  # bytes per row of the first plane, 0: no padding
        self.size: tuple[int, int] | None = None  # the only one that it takes
        self.interval: tuple[int, int] | None = None  # the only one that it has, as a fraction
        self.holds = False  # whether it keeps buffers until ``release``
        self.errors: dict[int, int] = {}  # request → its error
        self.asked = 0  # how many requests there were
        self.shown: list[bytes] = []
        self.streams = False
        self.pix = abi.Pix()
        self.parm = (0, 0)
        self.news = Condition()
        self._queued: list[int] = []
        self._done: list[int] = []
        path.write_bytes(bytes(3 * _ROOM))
        self._memory = mmap.mmap(os.open(path, os.O_RDWR), 3 * _ROOM)
        monkeypatch.setattr(abi, "ioctl", self.ioctl)

    @property
    def address(self) -> str:
        return f"v4l2:{self.path}"

    def wait(self, happened: Callable[[], object]) -> None:
        with self.news:
            assert self.news.wait_for(happened, PATIENCE_S)

    def fail(self, error: int) -> None:
        """Take no more pictures."""
        self.errors[abi.QBUF] = error

    def release(self) -> None:
        """Give back what it holds."""
        with self.news:
            self._done += self._queued
            self._queued.clear()

    def ioctl(self, _fd: int, request: int, argument: Any) -> None:
        with self.news:
            self.asked += 1
            if request in self.errors:
                raise OSError(self.errors[request], os.strerror(self.errors[request]))
            self._REQUESTS[request](self, argument)
            self.news.notify_all()

    def _describe(self, found: abi.Capability) -> None:
        found.card, found.capabilities = b"Fake output", self.caps

    def _list(self, entry: abi.FormatDescription) -> None:
        if entry.type != abi.BUF_TYPE_OUTPUT or entry.index >= len(self.formats):
            raise OSError(errno.EINVAL, "")
        entry.pixelformat = abi.fourcc_code(self.formats[entry.index])

    def _set_format(self, asked: abi.Format) -> None:
        pix = asked.pix
        pix.width, pix.height = self.size or (pix.width, pix.height)
        name = abi.LAYOUT_OF_CODE[pix.pixelformat].name
        pix.bytesperline = self.stride
        pix.sizeimage = frame_bytes(name, pix.width, pix.height)
        self.pix = abi.Pix.from_buffer_copy(pix)

    def _set_interval(self, parm: abi.StreamParm) -> None:
        frame = parm.capture.timeperframe
        frame.numerator, frame.denominator = self.interval or (frame.numerator, frame.denominator)
        self.parm = frame.numerator, frame.denominator

    def _reserve(self, asked: abi.RequestBuffers) -> None:
        asked.count = min(asked.count, 3)

    def _place(self, buffer: abi.Buffer) -> None:
        buffer.length, buffer.m.offset = _ROOM, buffer.index * _ROOM

    def _start(self, _: object) -> None:
        self.streams = True

    def _stop(self, _: object) -> None:
        self.streams = False

    def _take(self, buffer: abi.Buffer) -> None:
        assert buffer.field == abi.FIELD_NONE
        at = buffer.index * _ROOM
        self.shown.append(bytes(self._memory[at : at + buffer.bytesused]))
        (self._queued if self.holds else self._done).append(buffer.index)

    def _give_back(self, buffer: abi.Buffer) -> None:
        if not self._done:
            raise BlockingIOError(errno.EAGAIN, "")
        buffer.index = self._done.pop(0)

    _REQUESTS: ClassVar[dict[int, Callable[[Any, Any], None]]] = {
        abi.QUERYCAP: _describe,
        abi.ENUM_FMT: _list,
        abi.S_FMT: _set_format,
        abi.S_PARM: _set_interval,
        abi.REQBUFS: _reserve,
        abi.QUERYBUF: _place,
        abi.STREAMON: _start,
        abi.STREAMOFF: _stop,
        abi.QBUF: _take,
        abi.DQBUF: _give_back,
    }
