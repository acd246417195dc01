"""Stream from a V4L2 camera: set the mode and the controls, and pass on every filled buffer as a frame or chunk.

https://docs.kernel.org/userspace-api/media/v4l/mmap.html
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from mscli.core.boxes import Scalar
from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.codecs import CAMERA_CODECS, VideoCodec
from mscli.core.controls import controls_in
from mscli.core.errors import DOMException, NotReadableError
from mscli.core.frames import (
    BOTTOM,
    DELTA,
    FORMATS,
    KEY,
    TOP,
    EncodedVideoChunk,
    Media,
    VideoColorSpace,
    VideoFrame,
    frame_bytes,
    split_planes,
)
from mscli.core.limits import FAILED_S, FAILURES, MOST_FAILED_S, SOURCE_STOP_S
from mscli.core.log import Burst, Log
from mscli.core.threads import Thread
from mscli.sources.base import NO_SIGNAL, Abilities, Receiver, Request, Source
from mscli.sources.v4l2.numbering import Numbering
from mscli.sources.v4l2.slices import SliceJoiner
from mscli.v4l2 import abi
from mscli.v4l2.buffers import Buffers, PassingError
from mscli.v4l2.controls import CameraControls
from mscli.v4l2.events import CONTROL, PRIVACY, SIGNAL, news, take_signal, watch_controls, watch_events
from mscli.v4l2.modes import color_space, interval_of, modes, unknown_formats
from mscli.v4l2.node import Node

if TYPE_CHECKING:
    from mscli.sources.v4l2.order import DisplayOrder

LOOK_AGAIN_MS = 250  # some drivers do not wake a waiting thread if the camera is unplugged
RATE_LOOK_US = 500_000
TOLERATED = 5  # after this many short buffers, they count as normal for the camera
_log = Log("v4l2")


@dataclass(frozen=True, slots=True)
class Picture:
    """The driver's actual mode: pixel format or codec, size (pixels), bytes per row of each buffer plane, seconds per frame."""

    format: str
    split: bool  # whether each plane has its own buffer plane
    width: int
    height: int
    strides: tuple[int, ...]
    color_space: VideoColorSpace
    interval: Fraction  # seconds per frame

    @property
    def settings(self) -> dict[str, Scalar]:
        """Return the size and the rate by IDL name."""
        return {"width": self.width, "height": self.height, "frameRate": float(1 / self.interval)}

    @property
    def codec(self) -> VideoCodec | None:
        """Return the codec of the camera's chunks, or None if its pictures are raw."""
        return CAMERA_CODECS.get(self.format)

    @property
    def needed_bytes(self) -> int:
        """Return the size of a whole picture in memory, in bytes. An encoded picture needs at least one byte."""
        if self.codec is not None:
            return 1
        layout = FORMATS[self.format].planes
        if self.split:
            return sum(stride * plane.rows(self.height) for stride, plane in zip(self.strides, layout, strict=True))
        packed = frame_bytes(self.format, self.width, self.height)
        base = layout[0].row_bytes(self.width)
        return packed * (self.strides[0] or base) // base

    @property
    def least_bytes(self) -> int:
        """Return the size of a picture without the padding of its last row, in bytes. Some drivers omit that padding."""
        if self.codec is not None or self.split or not self.strides[0]:
            return self.needed_bytes
        layout = FORMATS[self.format].planes
        last, base = layout[-1].row_bytes(self.width), layout[0].row_bytes(self.width)
        return self.needed_bytes - (last * self.strides[0] // base - last)

    def completed(self, data: memoryview) -> memoryview:
        """Return a buffer's data with its missing end filled with black."""
        base = FORMATS[self.format].planes[0].row_bytes(self.width)
        whole = bytearray()
        for plane in FORMATS[self.format].planes:
            row_bytes = plane.row_bytes(self.width) * (self.strides[0] or base) // base
            row = (plane.black * (row_bytes // plane.unit_bytes + 1))[:row_bytes]
            whole += row * plane.rows(self.height)
        whole[: data.nbytes] = data
        return memoryview(bytes(whole))

    def planes(self, views: list[memoryview]) -> tuple[tuple[memoryview, ...], tuple[int, ...]]:
        """Split a buffer's data into a frame's planes. Return them and their strides."""
        if not self.split:
            return split_planes(self.format, self.width, self.height, views[0], self.strides[0])
        rows = (plane.rows(self.height) for plane in FORMATS[self.format].planes)
        return tuple(view[: stride * n] for view, stride, n in zip(views, self.strides, rows, strict=True)), self.strides


def set_mode(node: Node, buffer_type: int, fourcc: str, request: Request) -> Picture:
    """Set format, size and rate. Raises NotReadableError if the driver sets another format than ``fourcc``."""
    settings = request.settings
    found = abi.Format(type=buffer_type)
    multi = buffer_type == abi.BUF_TYPE_CAPTURE_MPLANE
    pix: Any = found.pix_mp if multi else found.pix
    pix.width, pix.height = int(settings["width"]), int(settings["height"])
    pix.pixelformat = abi.fourcc_code(fourcc)
    node.call(abi.S_FMT, found, f"be set to {pix.width}×{pix.height} {fourcc}")
    interval = _set_interval(node, buffer_type, float(settings["frameRate"]))
    node.ask(abi.G_FMT, found)  # again: a rate may have changed the size
    if pix.pixelformat != abi.fourcc_code(fourcc):
        got = abi.fourcc_text(pix.pixelformat)
        raise NotReadableError(f"camera “{node.label}” ({node.path}) set {got} instead of {fourcc}")
    strides = tuple(plane.bytesperline for plane in pix.plane_fmt[: pix.num_planes]) if multi else (pix.bytesperline,)
    row = abi.LAYOUT_OF_CODE[pix.pixelformat]
    return Picture(row.name, row.split, pix.width, pix.height, strides, color_space(row.name, pix), interval)


def _set_interval(node: Node, buffer_type: int, rate: float) -> Fraction:
    """Request a rate in frames per second. Return the resulting seconds per frame.

    A driver that rejects the rate, for whatever reason, keeps its current one.
    """
    wanted = 1 / Fraction(rate).limit_denominator(100_000)
    parm = abi.StreamParm(type=buffer_type)
    if not node.ask(abi.G_PARM, parm):
        return wanted
    before = interval_of(parm)
    if parm.capture.capability & abi.CAP_TIMEPERFRAME:
        parm.capture.timeperframe = abi.Fract(wanted.numerator, wanted.denominator)
        if node.ask(abi.S_PARM, parm):
            return interval_of(parm) or wanted
    return before or wanted


def first_field(field: int, height: int) -> str:
    """Return which field of an interlaced picture was captured first, or "" if the picture is not interlaced."""
    if field == abi.FIELD_INTERLACED:
        return BOTTOM if height in abi.LINES_OF_525 else TOP
    return {abi.FIELD_INTERLACED_TB: TOP, abi.FIELD_INTERLACED_BT: BOTTOM}.get(field, "")


def is_key(codec: VideoCodec, flags: int, data: memoryview) -> bool:
    """Return whether decoding can start at a chunk, according to the driver or to the chunk itself.

    VP8 and VP9 say in each frame whether it is a key frame, so the driver's flag can only be wrong.
    """
    return codec.starts(data) or (not codec.says_key and bool(flags & abi.FLAG_KEYFRAME))


class V4L2Source(Source):
    """An open camera. Its thread waits for the driver, passes frames on, and finally closes the stream and the node."""

    def __init__(self, node: Node, buffer_type: int, fourcc: str, request: Request) -> None:
        self._node = node
        self._type = buffer_type
        self._fourcc = fourcc
        self._request = request
        self._look_us = 0  # when to check the rate again
        self._missing = Burst(_log, f"{node.path}: %d frame(s) lost: the driver skipped numbers up to %d")
        self._failing = Burst(_log, f"{node.path}: the driver has failed %d time(s) to hand over a frame (EIO)")
        self._failed_in_a_row = 0
        self._damaged = Burst(_log, f"{node.path}: %d frame(s) lost: the driver gave damaged buffers, the last of %d bytes")
        self._set_up()
        self._controls = CameraControls(node)
        self._controlling = threading.Lock()  # held to set controls and to close the node
        self._controlled = self._controls.set(controls_in(request.settings))  # the current value of every control
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._stopping = threading.Event()
        self._starting = False
        self._handing_over = threading.Lock()  # held to hand the stream over to its thread
        self._thread: Thread | None = None

    def _set_up(self) -> None:
        """Set the requested mode, and reserve buffers for the actual one. Raises NotReadableError."""
        picture = self._picture = set_mode(self._node, self._type, self._fourcc, self._request)
        self._short = 0  # short buffers so far; -1 after a whole one
        self._duration = round(picture.interval * MICROSECONDS)
        self._buffers = Buffers(self._node, self._type, len(picture.strides))
        self._numbering = Numbering(self._duration)
        units = picture.codec.units if picture.codec is not None else None
        self._slices = SliceJoiner(units) if units is not None else None
        self._order: DisplayOrder | None = None
        if picture.codec is not None and picture.codec.headers is not None:
            from mscli.sources.v4l2.order import DisplayOrder  # imported late: most cameras send other formats

            self._order = DisplayOrder(picture.codec.headers())

    @property
    def settings(self) -> Mapping[str, Scalar]:
        return {**self._picture.settings, **self._controlled}

    def set(self, controls: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        with self._controlling:
            if self._node.fd >= 0:
                watched = set(self._controls.watched)
                self._controlled = self._controls.set(controls)
                watch_controls(self._node, set(self._controls.watched) - watched)
            return self._controlled

    def start(self, receiver: Receiver) -> None:
        with self._handing_over:
            if self._stopping.is_set():
                return
            self._starting = True
        name = "mscli-v4l2-" + os.path.basename(self._node.path)
        thread = Thread(target=self._run, args=(receiver,), name=name, daemon=True)
        try:
            watch_events(self._node, self._controls.watched)
            self._begin()
        except DOMException:
            self._hand_over(None)
            raise
        self._hand_over(thread)

    def _hand_over(self, thread: Thread | None) -> None:
        """Start the thread of a running stream. Without a thread, or if ``stop`` was called meanwhile, end the stream."""
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
        """End the stream. If the driver does not answer within SOURCE_STOP_S, abandon its thread.

        If another thread is starting the stream right now, that thread ends it.
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
        elif not self._thread.join_or_abandon(SOURCE_STOP_S):
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
            if self._slices is not None:
                self._pass_on(self._slices.rest(), receiver)
            self._give_back()
        if error is not None and not self._stopping.is_set():
            receiver.on_ended(error)

    def _stream(self, receiver: Receiver) -> None:
        """Pass frames on until stopped. Raises NotReadableError if the driver fails or the camera is gone."""
        poll = select.poll()
        poll.register(self._node.fd, select.POLLIN | select.POLLPRI)
        poll.register(self._wake, select.POLLIN)
        while not self._stopping.is_set():
            events = dict(poll.poll(LOOK_AGAIN_MS)).get(self._node.fd, 0)
            if events & select.POLLPRI and self._hear(receiver):
                continue  # the buffers have changed
            failed, buffer = False, None
            try:
                buffer = self._buffers.dequeue() if events & ~select.POLLPRI else None
            except PassingError:
                failed = True
            if buffer is not None:
                self._take(buffer, receiver)
                self._failed_in_a_row = 0
                self._failing.end()
                del buffer
            elif events & select.POLLHUP:
                raise self._failure()
            elif failed or events & select.POLLERR:
                self._recover(receiver, lost=failed)
            self._buffers.requeue()
            self._follow_rate(receiver)

    def _failure(self) -> DOMException:
        return self._node.failure(OSError(errno.EIO, ""), "deliver frames")

    def _recover(self, receiver: Receiver, *, lost: bool) -> None:
        """Wait for a moment after a failure of the driver that may pass. Raises NotReadableError after FAILURES in a row."""
        self._failed_in_a_row += 1
        if lost:
            receiver.on_lost(1)
        self._failing.note(1)
        if self._failed_in_a_row > FAILURES:
            raise self._failure()
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        poll.poll(min(FAILED_S * 2 ** (self._failed_in_a_row - 1), MOST_FAILED_S) * 1000)

    def _hear(self, receiver: Receiver) -> bool:
        """Handle the driver's events. Return whether the stream was restarted."""
        heard = list(news(self._node))
        changed: dict[str, Scalar] = {}
        for one in heard:
            if one.what == PRIVACY:
                receiver.on_muted(bool(one.value))
            elif one.what == CONTROL:
                changed |= self._controls.meant(one.control_id, one.value)
        if not changed.items() <= self._controlled.items():
            self._controlled = {**self._controlled, **changed}
            receiver.on_changed(changed)
        restarting = any(one.what == SIGNAL for one in heard)
        if restarting:
            self._restart(receiver)
        return restarting

    def _restart(self, receiver: Receiver) -> None:
        """Restart the stream after the signal has changed or was interrupted. If there is no signal, wait for one."""
        before = self._picture
        if self._slices is not None:
            self._pass_on(self._slices.rest(), receiver)
        self._end()
        lost = bool(take_signal(self._node))
        if lost:
            receiver.on_muted(True, NO_SIGNAL)
            if not self._signal_returns():
                return
        self._set_up()
        self._begin()
        if self._picture.settings != before.settings:
            found, unusable = modes(self._node), unknown_formats(self._node)
            abilities = Abilities(found, controls=self._controls.abilities(), unusable=unusable, settles=True)
            receiver.on_changed(self._picture.settings, abilities)
        if lost:
            receiver.on_muted(False, NO_SIGNAL)

    def _signal_returns(self) -> bool:
        """Wait for a signal. Return False if stopped before. Ask repeatedly: without a stream the driver cannot be polled."""
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        while not poll.poll(LOOK_AGAIN_MS):
            if not take_signal(self._node):
                return True
        return False

    def _follow_rate(self, receiver: Receiver) -> None:
        """Check from time to time whether another program has set the rate, because the driver does not report that."""
        at_us = now_us()
        if at_us < self._look_us:
            return
        self._look_us = at_us + RATE_LOOK_US
        parm = abi.StreamParm(type=self._type)
        interval = interval_of(parm) if self._node.ask(abi.G_PARM, parm) else None
        if interval is not None and interval != self._picture.interval:
            self._picture, self._duration = replace(self._picture, interval=interval), round(interval * MICROSECONDS)
            self._numbering.lasts_us = self._duration
            receiver.on_changed({"frameRate": float(1 / interval)})

    def _take(self, buffer: abi.Buffer, receiver: Receiver) -> None:
        """Pass on a filled buffer's frame, and report how many were lost before it. A damaged frame counts as lost."""
        timestamp = _timestamp(buffer)
        damaged = bool(buffer.flags & abi.FLAG_ERROR) or self._too_short(buffer, receiver)
        found = self._numbering.note(buffer.sequence, timestamp, now_us())
        missing = max(0, found - self._failed_in_a_row)  # those are counted already
        if missing or damaged:
            receiver.on_lost(missing + damaged)
        if missing:
            self._missing.note(missing, buffer.sequence)
        else:
            self._missing.end()
        if damaged:
            self._damaged.note(1, self._bytes_in(buffer))
            self._buffers.give_up(buffer.index)
        else:
            self._damaged.end()
            frame = self._frame(buffer, timestamp)
            if self._slices is not None and isinstance(frame, EncodedVideoChunk):
                self._pass_on(self._slices.take(frame), receiver)
            else:
                receiver.on_frame(frame)

    def _pass_on(self, chunks: list[EncodedVideoChunk], receiver: Receiver) -> None:
        while chunks:  # none is kept, because its memory is the driver's
            chunk = chunks.pop(0)
            receiver.on_frame(chunk if self._order is None else self._order.place(chunk))

    def _too_short(self, buffer: abi.Buffer, receiver: Receiver) -> bool:
        """Return whether too much of the picture is missing to use it.

        If a camera's first ``TOLERATED`` buffers are all slightly short, its pictures are used without their end.
        """
        got, needed = self._bytes_in(buffer), self._picture.least_bytes
        if got >= needed:
            self._short = -1
            return False
        habit = self._short >= TOLERATED and not self._picture.split and got > needed // 2
        if self._short == TOLERATED and habit:
            camera = f"camera “{self._node.label}” ({self._node.path})"
            receiver.on_warned(
                f"{camera} leaves out the end of every frame ({needed - got} of {needed} bytes); that part is black"
            )
        self._short += self._short >= 0
        return not habit

    def _bytes_in(self, buffer: abi.Buffer) -> int:
        return sum(end - start for start, end in self._buffers.extents(buffer))

    def _frame(self, buffer: abi.Buffer, timestamp: int) -> Media:
        made, views = self._picture, self._buffers.views(buffer)
        if self._bytes_in(buffer) < made.least_bytes:
            views = [made.completed(views[0])]
        size, color, number = (made.width, made.height), made.color_space, self._numbering.number
        if made.codec is not None:
            kind = KEY if is_key(made.codec, buffer.flags, views[0]) else DELTA
            name, data = made.codec.name, views[0]
            return EncodedVideoChunk(kind, timestamp, data, name, *size, self._duration, number, color)
        planes, strides = made.planes(views)
        field = first_field(buffer.field, made.height)
        return VideoFrame(
            made.format, *size, timestamp, planes, strides, self._duration, number, color, first_field=field
        )  # fmt: skip

    def _give_back(self) -> None:
        """End the stream and close the node. Does nothing the second time."""
        if self._node.fd < 0:
            return
        self._end()
        with self._controlling:
            self._node.close()

    def _end(self) -> None:
        with suppress(OSError):  # unplugged: nothing is left to end
            self._node.ioctl(abi.STREAMOFF, ctypes.c_int(self._type))
        with suppress(OSError):
            self._buffers.release()


def _timestamp(buffer: abi.Buffer) -> int:
    """Return the driver's time in microseconds on CLOCK_MONOTONIC, or the current time if it uses another clock."""
    if buffer.flags & abi.FLAG_TIMESTAMP_MASK != abi.FLAG_TIMESTAMP_MONOTONIC:
        return now_us()
    return int(buffer.timestamp.tv_sec) * MICROSECONDS + int(buffer.timestamp.tv_usec)
