"""A streaming microphone of a sound server: blocks through libpulse, in the source's own channels, never from another source.

https://www.freedesktop.org/software/pulseaudio/doxygen/streams.html. PortAudio reaches a sound server through ALSA's plug-in,
which reveals neither the positions of channels nor that the server switches to another source.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from ctypes import byref, c_int, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any

from mscli.core.boxes import Scalar
from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.errors import NotFoundError, NotReadableError
from mscli.core.frames import AudioData
from mscli.core.limits import SERVER_S, SOURCE_STOP_S
from mscli.core.log import Log
from mscli.core.threads import Thread
from mscli.media import load_mixer
from mscli.sources.base import MUTED_BY_SERVER, Receiver, Source
from mscli.sources.sound import pulse
from mscli.sources.sound.portaudio_library import PROCESSING, RESTART
from mscli.sources.sound.portaudio_stream import BLOCK_S
from mscli.sources.sound.sampleclock import BlockTimer, Measured, age_us

RATES = (1_000, 384_000)  # Hz, the range that a server converts to
# bits → pa_sample_format, our name, bytes; 24 bits come as the upper ones of 32, which loses nothing
_FORMATS = {16: (3, "s16", 2), 24: (7, "s32", 4), 32: (7, "s32", 4)}
_FLOAT = 5, "f32", 4  # for 32 bits of a source with floating-point numbers
_STREAM_READY = 2  # pa_stream_state
# pa_stream_flags: START_CORKED, INTERPOLATE_TIMING, AUTO_TIMING_UPDATE, DONT_MOVE, ADJUST_LATENCY
_FLAGS = 0x0001 | 0x0002 | 0x0008 | 0x0200 | 0x2000
_ANY = 2**32 - 1  # as a buffer size: the server's choice
_NO_SIZE = c_size_t(-1).value  # the size of a failed stream
_SOURCES = 0x02  # pa_subscription_mask

_log = Log("sound")


class _BufferAttr(ctypes.Structure):
    _fields_ = (
        ("maxlength", c_uint32), ("tlength", c_uint32), ("prebuf", c_uint32), ("minreq", c_uint32), ("fragsize", c_uint32),
    )  # fmt: skip


class PulseSource(Source):
    """An open source of a sound server. It owns a connection and, from ``start`` on, a thread that runs it.

    The server delivers the source's channels in the usual order, at the requested rate and sample size, and unchanged if these
    are its own. They are mixed here.
    The server may not move the stream to another source. If it mutes the source, the receiver is notified.
    """

    def __init__(self, label: str, node: pulse.ServerNode, wanted: Mapping[str, Scalar]) -> None:
        """Connect. Raises NotFoundError, NotReadableError."""
        self._label, self._node = label, node
        self._rate, self._channels = int(wanted["sampleRate"]), int(wanted["channelCount"])
        if not RATES[0] <= self._rate <= RATES[1]:
            raise NotReadableError(f"“{label}” does not have this sample rate")
        size = int(wanted["sampleSize"])
        self._pa_format, self._format, sample_bytes = _FLOAT if node.floating and size == 32 else _FORMATS[size]
        self._block = int(self._rate * min(BLOCK_S, float(wanted["latency"]) / 2))
        self._unit = sample_bytes * node.channels
        self._mix: Callable[[AudioData], AudioData] | None = None  # only if the source has more channels than requested
        self._pending = bytearray()  # an incomplete block
        self._hole = False  # whether the server has lost samples before the next block
        self._timer = BlockTimer(label, ": the server says so", self._format, self._rate, node.channels, node.layout)
        self._receiver: Receiver | None = None
        self._muted = False
        self._changed = threading.Event()  # set when one of the server's sources has changed
        self._stopping = False
        self._running = True  # whether the connection is open
        self._lock = threading.Lock()  # held to close or wake the connection
        self._thread: Thread | None = None
        self._open = ExitStack()  # closed by ``stop``
        given = {"sampleRate": self._rate, "channelCount": self._channels, "sampleSize": size}
        try:
            self._connect()
        except BaseException:
            self._open.close()
            raise
        self._settings = {**given, "latency": round(2 * self._block / self._rate, 6), **PROCESSING}

    @property
    def settings(self) -> Mapping[str, Scalar]:
        return self._settings

    def start(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._thread = Thread(target=self._run, name="mscli-pulse", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the stream and close the connection."""
        self._stopping = True
        if self._thread is None:
            self._open.close()
        elif self._thread is not threading.current_thread():
            with self._lock:
                if self._running:
                    self._library.pa_mainloop_wakeup(self._connection.loop)
            self._thread.join_or_abandon(SOURCE_STOP_S)

    # Opening, on the caller's thread

    def _connect(self) -> None:
        deadline = time.monotonic() + SERVER_S
        try:
            self._library = pulse.library()
            self._connection = self._open.enter_context(pulse.connected(self._library, deadline))
            self._subscribe()
            self._stream = pulse.not_null(self._new_stream())
            self._open.callback(self._library.pa_stream_unref, self._stream)
            attr = _BufferAttr(_ANY, _ANY, _ANY, _ANY, self._block * self._unit)
            name = self._node.name.encode()
            if self._library.pa_stream_connect_record(self._stream, name, byref(attr), _FLAGS) < 0:
                raise NotReadableError(f"cannot record “{self._label}”")
            self._open.callback(self._library.pa_stream_disconnect, self._stream)
            self._connection.wait_until(lambda: self._stream_state >= _STREAM_READY)
        except pulse.NoServer as error:
            raise NotFoundError(f"“{self._label}” is no longer there") from error
        except pulse.SilentServer as error:
            raise NotReadableError(f"“{self._label}” does not answer, because the sound server hangs", hints=RESTART) from error
        if self._stream_state != _STREAM_READY:
            raise NotFoundError(f"“{self._label}” is no longer there")
        _log.debug("sound server: opened “%s”, %d channel(s) %s", self._label, self._node.channels, self._node.layout)

    def _new_stream(self) -> int | None:
        spec = pulse.SampleSpec(self._pa_format, self._rate, self._node.channels)
        channels = pulse.ChannelMap(self._node.channels, (c_int * 32)(*self._node.positions))
        stream: int | None = self._library.pa_stream_new(self._connection.context, b"recording", byref(spec), byref(channels))
        return stream

    def _subscribe(self) -> None:
        library, context = self._library, self._connection.context
        self._on_event = pulse.EVENT_CALLBACK(lambda *_: self._changed.set())  # stored: libpulse may call both at any time
        self._on_source = pulse.NODE_CALLBACK(self._note_muted)
        library.pa_context_set_subscribe_callback(context, self._on_event, None)
        library.pa_operation_unref(pulse.not_null(library.pa_context_subscribe(context, _SOURCES, None, None)))

    @property
    def _stream_state(self) -> int:
        return int(self._library.pa_stream_get_state(self._stream))

    @property
    def _connected(self) -> bool:
        return bool(self._library.pa_context_get_state(self._connection.context) == pulse.READY)

    # Streaming, on its own thread

    def _run(self) -> None:
        receiver = self._receiver
        assert receiver is not None, "started"
        try:
            failed = self._stream_blocks(receiver)
        except Exception as error:  # of any kind: the track must not wait for this thread
            _log.warning("sound server: “%s” failed: %r", self._label, error)
            failed = f"failed: {error}"
        finally:
            with self._lock:
                self._running = False
            self._open.close()
        if not self._stopping:
            receiver.on_ended(NotReadableError(f"“{self._label}” {failed}"))

    def _stream_blocks(self, receiver: Receiver) -> str:
        """Pass on blocks until the stream ends. Return the reason."""
        library = self._library
        if self._channels != self._node.channels:
            self._mix = load_mixer(self._channels)
        self._changed.set()
        library.pa_operation_unref(pulse.not_null(library.pa_stream_cork(self._stream, 0, None, None)))
        while not self._stopping and self._connected and self._stream_state == _STREAM_READY:
            if self._changed.is_set():
                self._changed.clear()
                self._ask_whether_muted()
            self._hand_on(self._read(), receiver)
            self._iterate()
        self._hand_on(self._timer.release(), receiver)
        return "was unplugged or removed" if self._connected else "stopped: its driver or the sound server failed"

    def _iterate(self) -> None:
        library, loop = self._library, self._connection.loop
        library.pa_mainloop_prepare(loop, -1)
        if not self._stopping:  # checked after ``prepare``, which swallows earlier wake-ups
            library.pa_mainloop_poll(loop)
            library.pa_mainloop_dispatch(loop)

    def _read(self) -> Iterator[tuple[int, AudioData]]:
        """Yield the blocks that the server's new data completes, each with the number of samples lost before it."""
        library, stream = self._library, self._stream
        data, size = c_void_p(), c_size_t()
        while library.pa_stream_readable_size(stream) not in (0, _NO_SIZE):
            library.pa_stream_peek(stream, byref(data), byref(size))
            samples = size.value // self._unit
            if data.value and samples:
                begin_us = now_us() - self._age_us(samples) - self._pending_us
                self._pending += ctypes.string_at(data.value, samples * self._unit)
                yield from self._whole_blocks(begin_us)
            elif samples:
                self._hole = True
            library.pa_stream_drop(stream)

    def _whole_blocks(self, begin_us: int) -> Iterator[tuple[int, AudioData]]:
        """Yield the complete blocks of the pending data, given the capture time of its first sample."""
        block_bytes = self._block * self._unit
        while len(self._pending) >= block_bytes:
            block = bytes(self._pending[:block_bytes])
            del self._pending[:block_bytes]
            hole, self._hole = self._hole, False
            yield from self._timer.take(Measured(begin_us, self._block, hole, block))
            begin_us += self._block * MICROSECONDS // self._rate

    @property
    def _pending_us(self) -> int:
        return len(self._pending) // self._unit * MICROSECONDS // self._rate

    def _age_us(self, samples: int) -> int:
        """Return the age of the next sample."""
        latency, negative = c_uint64(), c_int()
        failed = self._library.pa_stream_get_latency(self._stream, byref(latency), byref(negative)) < 0
        return age_us(0 if failed or negative.value else latency.value, samples, self._rate)

    def _hand_on(self, blocks: Iterator[tuple[int, AudioData]], receiver: Receiver) -> None:
        for lost, block in blocks:
            if lost:
                receiver.on_lost(lost)
            receiver.on_frame(self._mix(block) if self._mix else block)

    def _ask_whether_muted(self) -> None:
        """Ask the server whether the source is muted."""
        context, name = self._connection.context, self._node.name.encode()
        asked = self._library.pa_context_get_source_info_by_name(context, name, self._on_source, None)
        self._library.pa_operation_unref(pulse.not_null(asked))

    def _note_muted(self, _context: int, info: Any, end: int, _data: int) -> None:
        """Notify the receiver if the source was muted or unmuted."""
        if info and not end and bool(info[0].mute) != self._muted and not self._stopping and self._receiver is not None:
            self._muted = bool(info[0].mute)
            self._receiver.on_muted(self._muted, MUTED_BY_SERVER)
