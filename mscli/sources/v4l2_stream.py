"""A V4L2 camera that streams: the mode is set, and every filled buffer is handed on as a frame.

https://docs.kernel.org/userspace-api/media/v4l/mmap.html
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import select
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from mscli.core.boxes import Scalar
from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.errors import DOMException, NotReadableError
from mscli.core.frames import JPEG_COLOR, PIXEL_FORMATS, VideoColorSpace, VideoFrame, frame_bytes, split_planes
from mscli.sources import v4l2_abi as abi
from mscli.sources.base import NO_SIGNAL, Abilities, Receiver, Request, Source
from mscli.sources.v4l2_buffers import Buffers
from mscli.sources.v4l2_events import PRIVACY, SIGNAL, news, watch_events
from mscli.sources.v4l2_modes import interval_of, modes
from mscli.sources.v4l2_node import Node
from mscli.sources.v4l2_signal import take_signal

LOOK_AGAIN_MS = 250  # some drivers do not wake their sleepers when the camera is unplugged
STOP_SECONDS = 2  # what a driver gets to answer when its stream ends
RATE_LOOK_US = 500_000
SEQUENCE_RANGE = 1 << 32
_IDR = re.compile(b"\0\0\1[\x25\x45\x65]")  # a start code and the header of an IDR slice, ITU-T H.264 7.3.1 and table 7-1


@dataclass(frozen=True, slots=True)
class Picture:
    """What the driver has set: the format of our name, size in pixels, bytes per row of each buffer plane, interval."""

    format: str
    split: bool  # each plane in a buffer plane of its own
    width: int
    height: int
    strides: tuple[int, ...]
    color_space: VideoColorSpace
    interval: Fraction  # seconds per frame

    @property
    def settings(self) -> dict[str, Scalar]:
        """By IDL name."""
        return {"width": self.width, "height": self.height, "frameRate": float(1 / self.interval)}

    @property
    def needed_bytes(self) -> int:
        """What a whole picture takes in memory; of an encoded one, at least a byte."""
        layout = PIXEL_FORMATS[self.format].planes
        if self.split:
            return sum(stride * plane.rows(self.height) for stride, plane in zip(self.strides, layout, strict=True))
        packed = frame_bytes(self.format, self.width, self.height)
        base = layout[0].row_bytes(self.width) if layout else 1
        return packed * (self.strides[0] or base) // base or 1

    def planes(self, views: list[memoryview]) -> tuple[tuple[memoryview, ...], tuple[int, ...]]:
        """A frame's planes and strides, cut out of the data of a buffer's planes."""
        if not self.split:
            return split_planes(self.format, self.width, self.height, views[0], self.strides[0])
        rows = (plane.rows(self.height) for plane in PIXEL_FORMATS[self.format].planes)
        return tuple(view[: stride * n] for view, stride, n in zip(views, self.strides, rows, strict=True)), self.strides


def set_mode(node: Node, buffer_type: int, fourcc: str, request: Request) -> Picture:
    """Set format, size and rate. Raises NotReadableError when the driver sets another format than ``fourcc``."""
    settings = request.settings
    found = abi.Format(type=buffer_type)
    multi = buffer_type == abi.BUF_TYPE_CAPTURE_MPLANE
    pix: Any = found.pix_mp if multi else found.pix
    pix.width, pix.height = int(settings["width"]), int(settings["height"])
    pix.pixelformat = abi.fourcc_code(fourcc)
    node.call(abi.S_FMT, found, f"be set to {pix.width}×{pix.height} {fourcc}")
    interval = _set_interval(node, buffer_type, float(settings["frameRate"]))
    node.call(abi.G_FMT, found, "tell its format")  # again: a rate may have changed the size
    if pix.pixelformat != abi.fourcc_code(fourcc):
        got = abi.fourcc_text(pix.pixelformat)
        raise NotReadableError(f"camera “{node.label}” ({node.path}) was asked for {fourcc} and set {got}")
    strides = tuple(plane.bytesperline for plane in pix.plane_fmt[: pix.num_planes]) if multi else (pix.bytesperline,)
    row = abi.LAYOUT_OF_CODE[pix.pixelformat]
    return Picture(row.name, row.split, pix.width, pix.height, strides, color_space(row.name, pix), interval)


def _set_interval(node: Node, buffer_type: int, rate: float) -> Fraction:
    """Ask for a rate in frames per second; the seconds per frame that the driver then says it has."""
    wanted = 1 / Fraction(rate).limit_denominator(100_000)
    parm = abi.StreamParm(type=buffer_type)
    if not node.ask(abi.G_PARM, parm):
        return wanted
    if parm.capture.capability & abi.CAP_TIMEPERFRAME:
        parm.capture.timeperframe = abi.Fract(wanted.numerator, wanted.denominator)
        node.call(abi.S_PARM, parm, f"be set to {rate:g} frames per second")
    return interval_of(parm) or wanted


def color_space(name: str, pix: Any) -> VideoColorSpace:
    """What the driver says of its colours; its defaults are those of videodev2.h (V4L2_MAP_YCBCR_ENC_DEFAULT and after)."""
    if name == "MJPEG":
        return JPEG_COLOR
    hd = (abi.COLORSPACE_REC709, abi.COLORSPACE_DCI_P3, abi.COLORSPACE_BT2020, abi.COLORSPACE_SMPTE240M)
    bt709 = pix.ycbcr_enc in abi.YCBCR_709 if pix.ycbcr_enc else pix.colorspace in hd
    full_by_default = pix.colorspace == abi.COLORSPACE_JPEG or name.startswith(("RGB", "BGR", "GREY"))
    full = pix.quantization == abi.QUANTIZATION_FULL if pix.quantization else full_by_default
    return VideoColorSpace("bt709" if bt709 else "smpte170m", full)


def is_key(name: str, flags: int, data: memoryview) -> bool:
    """Whether decoding may start at a frame: of H.264, where the driver says so, or where there is an IDR slice."""
    return name != "H264" or bool(flags & abi.FLAG_KEYFRAME) or _IDR.search(data) is not None


class V4L2Source(Source):
    """An opened camera. Its thread waits for the driver and hands frames on; stream and node are given back there, too."""

    def __init__(self, node: Node, buffer_type: int, fourcc: str, request: Request) -> None:
        self._node = node
        self._type = buffer_type
        self._fourcc = fourcc
        self._request = request
        self._look_us = 0  # when to look at the rate again
        self._set_up()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._stopping = threading.Event()
        self._starting = False
        self._handing_over = threading.Lock()  # of the stream, from who starts it to its thread
        self._thread: threading.Thread | None = None

    def _set_up(self) -> None:
        """Set what was asked for, and have buffers for what the driver makes of it. Raises NotReadableError."""
        picture = self._picture = set_mode(self._node, self._type, self._fourcc, self._request)
        self._needed_bytes = picture.needed_bytes
        self._duration = round(picture.interval * MICROSECONDS)
        self._buffers = Buffers(self._node, self._type, len(picture.strides))
        self._last: int | None = None  # the driver's number of the frame before

    @property
    def settings(self) -> Mapping[str, Scalar]:
        return self._picture.settings

    def start(self, receiver: Receiver) -> None:
        with self._handing_over:
            if self._stopping.is_set():
                return
            self._starting = True
        name = "mscli-v4l2-" + os.path.basename(self._node.path)
        thread = threading.Thread(target=self._run, args=(receiver,), name=name, daemon=True)
        try:
            watch_events(self._node)
            self._begin()
        except DOMException:
            self._hand_over(None)
            raise
        self._hand_over(thread)

    def _hand_over(self, thread: threading.Thread | None) -> None:
        """Have the thread go on with what was begun; without one, or if it was stopped meanwhile, give it back."""
        with self._handing_over:
            self._starting = False
            if thread is not None and not self._stopping.is_set():
                self._thread = thread
                thread.start()
                return
        self.stop()

    def _begin(self) -> None:
        for index in range(len(self._buffers)):
            self._buffers.queue(index)
        self._node.call(abi.STREAMON, ctypes.c_int(self._type), "start")

    def stop(self) -> None:
        """End the stream. A driver that does not answer within STOP_SECONDS keeps its thread, which holds up nobody.

        While it is started on another thread that gives it back, for the driver is at work on it.
        """
        self._stopping.set()
        with self._handing_over:
            if self._starting:
                return
        if self._wake < 0 or self._thread is threading.current_thread():
            return
        os.eventfd_write(self._wake, 1)
        if self._thread is None:
            self._give_back()
        else:
            self._thread.join(STOP_SECONDS)
            if self._thread.is_alive():
                return
        os.close(self._wake)
        self._wake = -1

    def _run(self, receiver: Receiver) -> None:
        error: DOMException | None = None
        try:
            self._stream(receiver)
        except DOMException as failure:
            error = failure
        finally:
            self._give_back()
        if error is not None and not self._stopping.is_set():
            receiver.on_ended(error)

    def _stream(self, receiver: Receiver) -> None:
        """Hand frames on until stopped. Raises NotReadableError when the driver fails or the camera is gone."""
        poll = select.poll()
        poll.register(self._node.fd, select.POLLIN | select.POLLPRI)
        poll.register(self._wake, select.POLLIN)
        while not self._stopping.is_set():
            events = dict(poll.poll(LOOK_AGAIN_MS)).get(self._node.fd, 0)
            if events & select.POLLPRI and self._hear(receiver):
                continue  # there are other buffers now
            buffer = self._buffers.dequeue() if events & ~select.POLLPRI else None
            if buffer is not None:
                self._take(buffer, receiver)
                del buffer
            elif events & (select.POLLERR | select.POLLHUP):
                raise self._node.failure(OSError(errno.EIO, ""), "deliver frames")
            self._buffers.requeue()
            self._follow_rate(receiver)

    def _hear(self, receiver: Receiver) -> bool:
        """Do what the driver's news ask for; whether that was to set up the stream anew."""
        heard = list(news(self._node))
        for what, on in heard:
            if what == PRIVACY:
                receiver.on_muted(on)
        restarting = any(what == SIGNAL for what, _ in heard)
        if restarting:
            self._restart(receiver)
        return restarting

    def _restart(self, receiver: Receiver) -> None:
        """The signal is another one, or was interrupted: set up the stream anew, as the kernel asks, when there is a signal."""
        before = self._picture
        self._end()
        lost = bool(take_signal(self._node))
        if lost:
            receiver.on_muted(True, NO_SIGNAL)
            if not self._signal_returns():
                return
        self._set_up()
        self._begin()
        if self._picture.settings != before.settings:
            receiver.on_changed(self._picture.settings, Abilities(modes(self._node)))
        if lost:
            receiver.on_muted(False, NO_SIGNAL)

    def _signal_returns(self) -> bool:
        """Wait for a signal to take; False when stopped before. The driver is asked: without a stream it cannot be polled."""
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        while not poll.poll(LOOK_AGAIN_MS):
            if not take_signal(self._node):
                return True
        return False

    def _follow_rate(self, receiver: Receiver) -> None:
        """Another program may set the rate of a camera that streams for us, which nothing tells: look now and then."""
        at_us = now_us()
        if at_us < self._look_us:
            return
        self._look_us = at_us + RATE_LOOK_US
        parm = abi.StreamParm(type=self._type)
        interval = interval_of(parm) if self._node.ask(abi.G_PARM, parm) else None
        if interval is not None and interval != self._picture.interval:
            self._picture, self._duration = replace(self._picture, interval=interval), round(interval * MICROSECONDS)
            receiver.on_changed({"frameRate": float(1 / interval)})

    def _take(self, buffer: abi.Buffer, receiver: Receiver) -> None:
        """Hand on a filled buffer's frame, and how many were lost before it; a damaged one is lost itself."""
        timestamp = _timestamp(buffer)
        damaged = bool(buffer.flags & abi.FLAG_ERROR) or self._too_short(buffer)
        lost = self._gap(buffer.sequence) + damaged
        if lost:
            receiver.on_lost(lost)
        if damaged:
            self._buffers.give_up(buffer.index)
        else:
            receiver.on_frame(self._frame(buffer, timestamp))

    def _too_short(self, buffer: abi.Buffer) -> bool:
        return sum(end - start for start, end in self._buffers.extents(buffer)) < self._needed_bytes

    def _gap(self, sequence: int) -> int:
        """How many numbers are missing before this one; none where the driver does not count, or starts anew."""
        last, self._last = self._last, sequence
        missing = 0 if last is None else (sequence - last - 1) % SEQUENCE_RANGE
        return missing if missing < SEQUENCE_RANGE // 2 else 0

    def _frame(self, buffer: abi.Buffer, timestamp: int) -> VideoFrame:
        made, views = self._picture, self._buffers.views(buffer)
        planes, strides = made.planes(views)
        key = is_key(made.format, buffer.flags, views[0])
        return VideoFrame(
            made.format, made.width, made.height, timestamp, planes, strides, self._duration, buffer.sequence,
            made.color_space, key,
        )  # fmt: skip

    def _give_back(self) -> None:
        """End the stream at the driver and close the node; a second time nothing happens."""
        if self._node.fd < 0:
            return
        self._end()
        self._node.close()

    def _end(self) -> None:
        with suppress(OSError):  # unplugged: there is nothing left to end
            abi.ioctl(self._node.fd, abi.STREAMOFF, ctypes.c_int(self._type))
        with suppress(OSError):
            self._buffers.release()


def _timestamp(buffer: abi.Buffer) -> int:
    """Microseconds on CLOCK_MONOTONIC: the driver's own, or this instant where it uses another clock."""
    if buffer.flags & abi.FLAG_TIMESTAMP_MASK != abi.FLAG_TIMESTAMP_MONOTONIC:
        return now_us()
    return int(buffer.timestamp.tv_sec) * MICROSECONDS + int(buffer.timestamp.tv_usec)
