"""FFmpeg's muxers on an output that may fail at any byte: everything that was readable before stays readable.

https://ffmpeg.org/ffmpeg-formats.html. Packets are flushed as they come; the output gets its name with the first that can
be read back.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import av.container

from mscli.core.clock import MICROSECONDS
from mscli.core.errors import NotSupportedError, OperationError
from mscli.sinks.codecs import Container
from mscli.sinks.outputs import Border, Output
from mscli.sinks.sizes import SizeBound

TICKS = 90_000  # a second, of video timestamps: what every container can hold, and finer than they keep
TIME_BASE = Fraction(1, TICKS)
_INTERLEAVE_US = 400_000  # how long a track's packets wait for those of another that has none
_BUFFER_BYTES = 1 << 18  # a camera's JPEG goes out with one call

if TYPE_CHECKING:
    Packet = av.Packet[Any]

_NO_ENCODER = "this installation of PyAV lacks the encoder “{}”"


class Muxer:
    """One container. ``add`` streams, ``start``, ``mux``, and ``close`` or ``salvage``."""

    def __init__(self, container: Container, output: Output) -> None:
        self.started = False
        self.bytes: Counter[int] = Counter()  # of the packets of each stream, by its index
        self.bound = SizeBound(container.suffix)  # of the file's size
        self._container = container
        self._output = output
        self._head = 0  # bytes before the first packet
        self._packets = 0
        options = container.options if output.seekable() else container.streaming
        general = {"flush_packets": "1", "max_interleave_delta": str(_INTERLEAVE_US)}
        options = {**general, **options}
        self._file = av.open(output, "w", format=container.muxer, container_options=options, buffer_size=_BUFFER_BYTES)

    def add_video(self, pattern: av.VideoStream, codec: str) -> av.VideoStream:
        """A stream for the packets of an encoder that is open elsewhere, of that codec (our name)."""
        stream = self._file.add_stream_from_template(pattern, opaque=True, time_base=TIME_BASE)
        if codec in self._container.tags:
            stream.codec_context.codec_tag = self._container.tags[codec]
        return stream

    def add_copied(self, codec: str, width: int, height: int) -> av.VideoStream:
        """A stream for packets of that codec (FFmpeg's name) and size that no encoder of ours has made."""
        stream = self._file.add_mux_stream(codec, width=width, height=height, time_base=TIME_BASE)
        assert isinstance(stream, av.VideoStream), "a video codec makes a video stream"
        return stream

    def add_audio(self, encoder: str) -> av.AudioStream:
        """A stream and its encoder (FFmpeg's name), which has to be open before ``start``."""
        stream = add_stream(self._file, encoder)
        assert isinstance(stream, av.AudioStream), "an audio encoder makes an audio stream"
        return stream

    def start(self) -> None:
        """Write the header, now that every stream is known."""
        self._file.start_encoding()
        self.started = True
        self._head = self._output.size

    def mux(self, packets: Sequence[Packet], ticks: int) -> None:
        """Write packets whose times are in so many ``ticks`` a second. Raises OperationError, BrokenPipeError."""
        before = self._output.size
        for packet in packets:
            self.bytes[packet.stream.index] += packet.size
            end_us = ((packet.pts or 0) + (packet.duration or 0)) * MICROSECONDS // ticks
            self.bound.add(packet.size, end_us, key=packet.is_keyframe and packet.stream.type == "video")
        self._file.mux(packets)
        self._packets += len(packets)
        if self._output.size > max(before, self._head) and self._packets >= self._container.packets:
            self._output.mark()

    def close(self) -> None:
        """Write the trailer and finish the output. Raises OperationError, BrokenPipeError."""
        self._file.close()
        self._output.commit()

    def salvage(self) -> None:
        """Keep what can be read, or nothing, and write no more: a trailer that lacks its end would spoil the file."""
        self._output.failed = True
        with suppress(av.FFmpegError, OperationError, BrokenPipeError):
            self._file.close()
        self._output.discard()


def border(name: str) -> Border:
    """Where FFmpeg's errors about the output of that name become ours; the output's own pass through."""

    def translate(error: BaseException) -> None:
        if isinstance(error, av.FFmpegError):
            sentence = f"“{name}” cannot be written: {error.strerror}"
            raise OperationError(sentence, hints=["choose another codec or container"]) from error

    return Border(translate)


def add_stream(file: av.container.OutputContainer, encoder: str, rate: Fraction | None = None) -> object:
    """A stream with an encoder (FFmpeg's name). Raises NotSupportedError if there is none of that name."""
    try:
        return file.add_stream(encoder, rate)
    except (av.FFmpegError, ValueError) as error:
        raise NotSupportedError(_NO_ENCODER.format(encoder), hints=["choose another codec"]) from error


def open_encoder(context: av.CodecContext, options: Mapping[str, str], title: str, shape: str) -> None:
    """Open an encoder whose shape is set. Raises NotSupportedError that names ``title`` and ``shape`` if it refuses."""
    context.options = dict(options)
    try:
        with usual_scheduling():
            context.open()
    except av.FFmpegError as error:
        raise NotSupportedError(f"{title} cannot encode {shape}: {error.strerror}", hints=["choose another codec"]) from error


@contextmanager
def usual_scheduling() -> Iterator[None]:
    """Take back the real-time priority that an encoder gives: SVT-AV1, run by root, puts its threads and the caller's above
    everything on the machine, and what they start inherits it."""
    real_time = (os.SCHED_FIFO, os.SCHED_RR) if hasattr(os, "SCHED_FIFO") else ()
    usual = not real_time or os.sched_getscheduler(0) not in real_time  # else somebody wants it so
    yield
    for thread in map(int, os.listdir("/proc/self/task")) if real_time and usual else ():
        with suppress(ProcessLookupError, PermissionError):
            if os.sched_getscheduler(thread) in real_time:
                os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))
