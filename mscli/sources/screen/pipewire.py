"""A video stream of PipeWire, by libpipewire through ctypes: pictures in shared memory, their times, the pointer.

https://docs.pipewire.org/group__pw__stream.html. PipeWire's loop has no thread of its own: it runs while ``wait`` does, on the
thread of its caller, and so does everything that PipeWire calls back. So nothing can be freed while it is in use.
"""

from __future__ import annotations

import ctypes
import os
import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from functools import cache
from time import monotonic
from typing import Any

from mscli.core.errors import DOMException, NotReadableError, NotSupportedError
from mscli.core.log import Log
from mscli.core.tuples import NamedTuple
from mscli.sources.screen import pods
from mscli.sources.screen.pointer import PointerShape

FORMATS = {8: "BGRX", 7: "RGBX", 12: "BGRX", 11: "RGBX"}  # spa_video_format: BGRx, RGBx, BGRA, RGBA → ours, without the alpha
PIXEL_BYTES = 4
_POINTER_FORMATS = {12: "BGRA", 11: "RGBA", 13: "ARGB", 14: "ABGR"}  # spa_video_format → the order of its bytes
_MOST_SIDE = 1 << 14  # pixels
_POINTER_SIDE = 256  # the largest pointer that we have room for

# pw_stream_state, pw_stream_flags, pw_direction, spa_param_type, spa_meta_type, spa_data_type
ERROR, UNCONNECTED, CONNECTING, PAUSED, STREAMING = -1, 0, 1, 2, 3
_AUTOCONNECT, _MAP_BUFFERS, _DONT_RECONNECT = 1 << 0, 1 << 2, 1 << 7
_INPUT = 0
_ENUM_FORMAT, _FORMAT, _BUFFERS, _META = 3, 4, 5, 6
_HEADER, _CROP, _CURSOR = 1, 2, 5
_MEM_PTR, _MEM_FD = 1, 2
_CORRUPTED = 1  # spa_chunk_flag
_DAMAGED = 2  # spa_meta_header_flag
_NO_TIME = -1
_SIZE_KEY, _RATE_KEY, _MOST_RATE_KEY, _PIXELS_KEY = 0x20003, 0x20004, 0x20005, 0x20001
_CURSOR_BYTES, _BITMAP_BYTES = 28, 20
_NO_FORMAT = (
    "the desktop may only have pictures in the memory of the graphics card (DMA-BUF), which cannot be read",
    "look whether a session manager runs beside pipewire, such as wireplumber",
)

_log = Log("screen")


class _DataChunk(Structure):
    _fields_ = (("offset", c_uint32), ("size", c_uint32), ("stride", c_int32), ("flags", c_int32))


class _Data(Structure):
    _fields_ = (
        ("type", c_uint32), ("flags", c_uint32), ("fd", c_int64), ("mapoffset", c_uint32), ("maxsize", c_uint32),
        ("data", c_void_p), ("chunk", POINTER(_DataChunk)),
    )  # fmt: skip


class _Meta(Structure):
    _fields_ = (("type", c_uint32), ("size", c_uint32), ("data", c_void_p))


class _SpaBuffer(Structure):
    _fields_ = (("n_metas", c_uint32), ("n_datas", c_uint32), ("metas", POINTER(_Meta)), ("datas", POINTER(_Data)))


class StreamBuffer(Structure):
    """A ``pw_buffer``."""

    _fields_ = (("buffer", POINTER(_SpaBuffer)), ("user_data", c_void_p), ("size", c_uint64))


class _Header(Structure):
    _fields_ = (("flags", c_uint32), ("offset", c_uint32), ("pts", c_int64), ("dts", c_int64), ("seq", c_uint64))


class _CropRegion(Structure):
    _fields_ = (("x", c_int32), ("y", c_int32), ("width", c_uint32), ("height", c_uint32))


class _Cursor(Structure):
    _fields_ = (
        ("id", c_uint32), ("flags", c_uint32), ("x", c_int32), ("y", c_int32), ("hot_x", c_int32), ("hot_y", c_int32),
        ("bitmap_offset", c_uint32),
    )  # fmt: skip


class _Bitmap(Structure):
    _fields_ = (
        ("format", c_uint32), ("width", c_uint32), ("height", c_uint32), ("stride", c_int32), ("offset", c_uint32),
    )  # fmt: skip


_ON_STATE = CFUNCTYPE(None, c_void_p, c_int, c_int, c_char_p)
_ON_PARAM = CFUNCTYPE(None, c_void_p, c_uint32, c_void_p)
_ON_BUFFER = CFUNCTYPE(None, c_void_p, c_void_p)
_ON_PROCESS = CFUNCTYPE(None, c_void_p)


class _Events(Structure):
    """``pw_stream_events``."""

    _fields_ = (
        ("version", c_uint32), ("destroy", c_void_p), ("state_changed", _ON_STATE), ("control_info", c_void_p),
        ("io_changed", c_void_p), ("param_changed", _ON_PARAM), ("add_buffer", _ON_BUFFER), ("remove_buffer", _ON_BUFFER),
        ("process", _ON_PROCESS), ("drained", c_void_p), ("command", c_void_p), ("trigger_done", c_void_p),
    )  # fmt: skip


class _Callbacks(Structure):
    _fields_ = (("funcs", c_void_p), ("data", c_void_p))


class _Interface(Structure):
    _fields_ = (("type", c_char_p), ("version", c_uint32), ("cb", _Callbacks))


class _PwLoop(Structure):
    """``pw_loop``."""

    _fields_ = (("system", c_void_p), ("loop", c_void_p), ("control", POINTER(_Interface)), ("utils", c_void_p))


class _PwLoopControl(Structure):
    """``spa_loop_control_methods``."""

    _fields_ = (
        ("version", c_uint32), ("get_fd", CFUNCTYPE(c_int, c_void_p)), ("add_hook", c_void_p),
        ("enter", CFUNCTYPE(None, c_void_p)), ("leave", CFUNCTYPE(None, c_void_p)),
        ("iterate", CFUNCTYPE(c_int, c_void_p, c_int)),
    )  # fmt: skip


_FUNCTIONS: dict[str, tuple[Any, ...]] = {  # name → its result and its arguments
    "pw_init": (None, c_void_p, c_void_p),
    "pw_loop_new": (c_void_p, c_void_p),
    "pw_loop_destroy": (None, c_void_p),
    "pw_context_new": (c_void_p, c_void_p, c_void_p, c_size_t),
    "pw_context_destroy": (None, c_void_p),
    "pw_context_connect_fd": (c_void_p, c_void_p, c_int, c_void_p, c_size_t),
    "pw_core_disconnect": (c_int, c_void_p),
    "pw_properties_new_string": (c_void_p, c_char_p),
    "pw_stream_new": (c_void_p, c_void_p, c_char_p, c_void_p),
    "pw_stream_destroy": (None, c_void_p),
    "pw_stream_disconnect": (c_int, c_void_p),
    "pw_stream_add_listener": (None, c_void_p, c_void_p, c_void_p, c_void_p),
    "pw_stream_connect": (c_int, c_void_p, c_int, c_uint32, c_int, c_void_p, c_uint32),
    "pw_stream_update_params": (c_int, c_void_p, c_void_p, c_uint32),
    "pw_stream_dequeue_buffer": (c_void_p, c_void_p),
    "pw_stream_queue_buffer": (c_int, c_void_p, c_void_p),
    "pw_stream_trigger_process": (c_int, c_void_p),
}


@cache
def libpipewire() -> Any:
    """Load libpipewire, once. Raises NotSupportedError."""
    try:
        found = ctypes.CDLL("libpipewire-0.3.so.0", use_errno=True)
    except OSError as error:
        hints = ["on Debian and Ubuntu: apt install libpipewire-0.3-0"]
        raise NotSupportedError(f"capturing the screen on Wayland needs libpipewire: {error}", hints=hints) from None
    for name, (result, *arguments) in _FUNCTIONS.items():
        function = getattr(found, name)
        function.restype, function.argtypes = result, arguments
    found.pw_init(None, None)
    return found


def pod_array(*params: bytes) -> tuple[Any, int]:
    """Return parameters as C has them, and how many."""
    return (c_char_p * len(params))(*params), len(params)  # the array keeps them


class Loop:
    """PipeWire's loop. Only one thread uses it at a time, but ``wake`` may come from any."""

    def __init__(self) -> None:
        self.pointer = _not_null(libpipewire().pw_loop_new(None), "a loop")
        control = ctypes.cast(self.pointer, POINTER(_PwLoop)).contents.control.contents.cb
        self._methods, self._object = ctypes.cast(control.funcs, POINTER(_PwLoopControl)).contents, control.data
        self._woken = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._poll = select.poll()
        for descriptor in (self._methods.get_fd(self._object), self._woken):
            self._poll.register(descriptor, select.POLLIN)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Run the loop on this thread."""
        self._methods.enter(self._object)
        try:
            yield
        finally:
            self._methods.leave(self._object)

    def run(self, timeout_s: float | None) -> None:
        """Wait until something happens or ``wake`` is called, and let PipeWire handle it."""
        self._poll.poll(None if timeout_s is None else max(0, round(timeout_s * 1000)))
        self._methods.iterate(self._object, 0)

    def wake(self) -> None:
        """End every wait from now on."""
        os.eventfd_write(self._woken, 1)

    def close(self) -> None:
        """Free the loop. Nothing that uses it is left."""
        libpipewire().pw_loop_destroy(self.pointer)
        os.close(self._woken)


def _not_null(pointer: int | None, what: str) -> int:
    if not pointer:
        reason = os.strerror(ctypes.get_errno())
        raise NotReadableError(f"PipeWire gives no {what}: {reason}", hints=["look whether pipewire runs: pw-cli info 0"])
    return pointer


class StreamPicture(NamedTuple):
    """A picture and when it was taken, in microseconds on CLOCK_MONOTONIC, or 0 if the sender does not say."""

    pixels: bytes
    offset: int  # where the picture begins in them
    stride: int
    format: str
    width: int
    height: int
    time_us: int


class PointerPlace(NamedTuple):
    """The place that the pointer points at."""

    x: int
    y: int


class VideoStream:
    """A connection to a node of PipeWire. Only one thread uses it at a time, but ``interrupt`` may come from any.

    ``remote``: a connected socket, which it owns from now on. ``rate``: the most pictures per second. ``name``: the node's, for
    messages. Raises NotReadableError, NotSupportedError.

    The newest picture stays with PipeWire until it is taken: one that is never taken is never copied.
    """

    def __init__(self, remote: int, node: int, rate: float, name: str) -> None:
        self._name = name
        self.size = (0, 0)  # of the pictures that will come, from the first format on
        self.lost = 0  # pictures that were numbered and did not come, since it was last set to 0
        self.pointer: PointerPlace | None = None
        self.shape: PointerShape | None = None
        self._format = 0
        self._state, self._flowed = CONNECTING, False
        self._failure: DOMException | BaseException | None = None
        self._held: Any = None  # the buffer with the newest picture
        self._sequence = 0
        self._stream: int | None = None
        self._core: int | None = None
        self._context: int | None = None
        self._loop: Loop | None = None
        try:
            self._library = libpipewire()
            self._loop = Loop()
            self._context = _not_null(self._library.pw_context_new(self._loop.pointer, None, 0), "context")
        except BaseException:
            os.close(remote)
            self.close()
            raise
        try:
            self._connect(remote, node, rate)
        except BaseException:
            self.close()
            raise

    def _connect(self, remote: int, node: int, rate: float) -> None:
        pw = self._library
        self._core = _not_null(pw.pw_context_connect_fd(self._context, remote, None, 0), "connection")
        properties = pw.pw_properties_new_string(b"media.type=Video media.category=Capture media.role=Screen")
        self._stream = _not_null(pw.pw_stream_new(self._core, b"mscli", properties), "stream")
        self._hook = ctypes.create_string_buffer(64)  # spa_hook, and room
        self._events = _Events(
            version=2,
            state_changed=_ON_STATE(self._kept(self._on_state)),
            param_changed=_ON_PARAM(self._kept(self._on_param)),
            remove_buffer=_ON_BUFFER(self._kept(self._on_buffer_removed)),
            process=_ON_PROCESS(self._kept(self._on_process)),
        )
        pw.pw_stream_add_listener(self._stream, self._hook, ctypes.byref(self._events), None)
        flags = _AUTOCONNECT | _MAP_BUFFERS | _DONT_RECONNECT
        if pw.pw_stream_connect(self._stream, _INPUT, node, flags, *pod_array(_wanted(rate))) < 0:
            raise NotReadableError(f"PipeWire does not connect to {self._name}")

    def _kept(self, call: Callable[..., None]) -> Callable[..., None]:
        """Return a call from C whose exception is raised by ``wait``."""

        def keep(_data: object, *given: Any) -> None:
            try:
                call(*given)
            except BaseException as failure:
                self._failure = self._failure or failure

        return keep

    # Waiting

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Use it on this thread."""
        assert self._loop is not None
        with self._loop.entered():
            yield

    def wait(self, timeout_s: float | None) -> None:
        """Wait until something has happened. Raises NotReadableError if the stream has ended."""
        assert self._loop is not None
        self._loop.run(timeout_s)
        if self._failure is not None:
            raise self._failure

    def wait_for_format(self, timeout_s: float) -> None:
        """Wait until ``size`` is known. Raises NotReadableError."""
        until_s = monotonic() + timeout_s
        with self.entered():
            while self.size == (0, 0):
                left_s = until_s - monotonic()
                if left_s <= 0:
                    raise self._ended(f"nothing came within {timeout_s:g} s")
                self.wait(left_s)

    def interrupt(self) -> None:
        """End every wait from now on."""
        if self._loop is not None:
            self._loop.wake()

    @property
    def paused(self) -> bool:
        """Return whether its sender has paused it."""
        return self._flowed and self._state == PAUSED

    @property
    def has_picture(self) -> bool:
        """Return whether there is a picture that was not taken."""
        return self._held is not None

    @property
    def format(self) -> str:
        """Return the pixel format."""
        return FORMATS[self._format]

    def take(self) -> StreamPicture | None:
        """Return the newest picture, or None if there is no new one or it is damaged."""
        buffer, self._held = self._held, None
        if buffer is None:
            return None
        try:
            return self._picture(ctypes.cast(buffer, POINTER(StreamBuffer)).contents.buffer.contents)
        finally:
            self._library.pw_stream_queue_buffer(self._stream, buffer)

    def _picture(self, buffer: _SpaBuffer) -> StreamPicture | None:
        data, (width, height) = buffer.datas[0], self.size
        chunk = data.chunk.contents
        stride = chunk.stride or width * PIXEL_BYTES
        start = chunk.offset % data.maxsize if data.maxsize else 0
        size = stride * (height - 1) + width * PIXEL_BYTES
        if not data.data or stride < width * PIXEL_BYTES or start + size > data.maxsize:
            self.lost += 1
            return None
        header, crop = _meta_of(buffer, _HEADER, _Header), _meta_of(buffer, _CROP, _CropRegion)
        offset = 0
        if crop is not None and _fits(crop, width, height):
            offset, width, height = crop.y * stride + crop.x * PIXEL_BYTES, crop.width, crop.height
        time_us = header.pts // 1000 if header is not None and header.pts > 0 else 0
        return StreamPicture(ctypes.string_at(data.data + start, size), offset, stride, self.format, width, height, time_us)

    # Called by PipeWire, while ``wait`` runs its loop

    def _on_state(self, _old: int, state: int, error: bytes | None) -> None:
        _log.debug("PipeWire: %s: state %d%s", self._name, state, f": {error.decode(errors='replace')}" if error else "")
        self._state = state
        self._flowed |= state == STREAMING
        if state == ERROR:
            raise self._ended((error or b"").decode(errors="replace"))
        if state == UNCONNECTED:
            raise self._ended("")

    def _ended(self, reason: str) -> DOMException:
        why = f": {reason}" if reason else ""
        if self._format:
            return NotReadableError(f"PipeWire has ended {self._name}{why}")
        return NotReadableError(f"PipeWire delivers no pictures of {self._name} that can be read{why}", hints=_NO_FORMAT)

    def _on_param(self, name: int, pod: int | None) -> None:
        """Take the format, and say which buffers and which facts about pictures we want."""
        if name != _FORMAT or not pod:
            return
        size = c_uint32.from_address(pod).value
        found = pods.read_object(ctypes.string_at(pod, 8 + size))
        (self._format,), (width, height) = found[_PIXELS_KEY], found[_SIZE_KEY]
        self.size = width, height
        _log.debug("PipeWire: %s: %d×%d, format %d", self._name, width, height, self._format)
        self._library.pw_stream_update_params(self._stream, *pod_array(*_CONDITIONS))

    def _on_buffer_removed(self, buffer: int) -> None:
        if buffer == self._held:
            self._held = None

    def _on_process(self) -> None:
        while buffer := self._library.pw_stream_dequeue_buffer(self._stream):
            if self._look(ctypes.cast(buffer, POINTER(StreamBuffer)).contents.buffer.contents):
                buffer, self._held = self._held, buffer
            if buffer is not None:
                self._library.pw_stream_queue_buffer(self._stream, buffer)

    def _look(self, buffer: _SpaBuffer) -> bool:
        """Note what comes with a picture. Return whether there is one: the pointer may have moved alone."""
        self._note_pointer(buffer)
        header, data = _meta_of(buffer, _HEADER, _Header), buffer.datas[0]
        chunk = data.chunk.contents
        if not chunk.size or chunk.flags & _CORRUPTED or (header is not None and header.flags & _DAMAGED):
            return False
        if header is not None and header.seq:
            if self._sequence and header.seq > self._sequence + 1:
                self.lost += header.seq - self._sequence - 1
            self._sequence = header.seq
        return True

    def _note_pointer(self, buffer: _SpaBuffer) -> None:
        for meta in buffer.metas[: buffer.n_metas]:
            if meta.type == _CURSOR and meta.size >= _CURSOR_BYTES:
                cursor = _Cursor.from_address(meta.data)
                self.pointer = PointerPlace(cursor.x, cursor.y) if cursor.id else None
                if cursor.id and cursor.bitmap_offset:
                    self.shape = _shape_of(ctypes.string_at(meta.data, meta.size), cursor) or self.shape

    # The end

    def close(self) -> None:
        """Disconnect, and free everything. Safe to call twice."""
        if self._stream is not None:
            self._library.pw_stream_disconnect(self._stream)
            self._library.pw_stream_destroy(self._stream)
        if self._core is not None:
            self._library.pw_core_disconnect(self._core)  # which closes the socket
        if self._context is not None:
            self._library.pw_context_destroy(self._context)
        if self._loop is not None:
            self._loop.close()
        self._stream = self._core = self._context = self._loop = None


def _meta_of(buffer: _SpaBuffer, kind: int, structure: Any) -> Any:
    """Return what comes with a picture, or None."""
    found = (meta for meta in buffer.metas[: buffer.n_metas] if meta.type == kind and meta.size >= ctypes.sizeof(structure))
    return next((structure.from_address(meta.data) for meta in found), None)


def _fits(crop: _CropRegion, width: int, height: int) -> bool:
    """Return whether a place is in a picture, and not empty."""
    return bool(0 < crop.width <= width - crop.x and 0 < crop.height <= height - crop.y and min(crop.x, crop.y) >= 0)


def _shape_of(data: bytes, cursor: _Cursor) -> PointerShape | None:
    """Return what the pointer looks like, or None if that cannot be read."""
    at = cursor.bitmap_offset
    if at + _BITMAP_BYTES > len(data):
        return None
    bitmap = _Bitmap.from_buffer_copy(data, at)
    order, start, stride = _POINTER_FORMATS.get(bitmap.format), at + bitmap.offset, bitmap.stride
    if order is None or not bitmap.offset or start + stride * bitmap.height > len(data) or stride < bitmap.width * PIXEL_BYTES:
        return PointerShape(0, 0, 0, 0, ())  # nothing is shown
    places = [order.index(part) for part in "BGRA"]
    pixels = [
        int.from_bytes(bytes(data[start + row * stride + column * PIXEL_BYTES + place] for place in places), "little")
        for row in range(bitmap.height)
        for column in range(bitmap.width)
    ]
    return PointerShape(bitmap.width, bitmap.height, cursor.hot_x, cursor.hot_y, pixels)


def _wanted(rate: float) -> bytes:
    """Return the pictures that we can read: in memory, since no modifier of DMA-BUF is named."""
    most = round(rate * 1000), 1000
    return pods.an_object(
        pods.FORMAT,
        _ENUM_FORMAT,
        {
            1: pods.identifier(2),  # video
            2: pods.identifier(1),  # raw
            _PIXELS_KEY: pods.any_of(*map(pods.identifier, FORMATS)),
            _SIZE_KEY: pods.a_range(pods.rectangle(1280, 720), pods.rectangle(1, 1), pods.rectangle(_MOST_SIDE, _MOST_SIDE)),
            _RATE_KEY: pods.a_range(pods.fraction(0), pods.fraction(0), pods.fraction(1000)),  # 0: as they change
            _MOST_RATE_KEY: pods.a_range(pods.fraction(*most), pods.fraction(1), pods.fraction(*most)),
        },
    )


def _meta(kind: int, size: bytes) -> bytes:
    return pods.an_object(pods.META, _META, {1: pods.identifier(kind), 2: size})


def _cursor_bytes(side: int) -> bytes:
    return pods.integer(_CURSOR_BYTES + _BITMAP_BYTES + side * side * PIXEL_BYTES)


_CONDITIONS = (  # on the buffers: memory that can be mapped, and what comes with each picture
    pods.an_object(pods.BUFFERS, _BUFFERS, {6: pods.some_of(1 << _MEM_PTR | 1 << _MEM_FD)}),
    _meta(_HEADER, pods.integer(ctypes.sizeof(_Header))),
    _meta(_CROP, pods.integer(ctypes.sizeof(_CropRegion))),
    _meta(_CURSOR, pods.a_range(_cursor_bytes(64), _cursor_bytes(1), _cursor_bytes(_POINTER_SIDE))),
)
