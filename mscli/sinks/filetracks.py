"""A track's place in one file: where its packets or samples stand in the file's own time, whatever files there were before.

What arrives belongs to the recording and may go into several files: nothing here changes it for the next.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import av

from mscli.core.clock import MICROSECONDS
from mscli.sinks.base import SinkOptions
from mscli.sinks.codecs import AudioCodec
from mscli.sinks.convert import layout_name
from mscli.sinks.muxer import TICKS, TIME_BASE, Muxer, open_encoder

if TYPE_CHECKING:
    from mscli.sinks.muxer import Packet

_HELD_FRAMES = 2  # of an audio encoder that are not given out yet, at most
_LOSSY_FRAME = 768  # bytes of each channel in the largest packet of a lossy codec (AAC: 6144 bits)


class Chunk(NamedTuple):
    """An encoded picture. ``pts`` and ``dts``: ticks from the track's first picture, captured at ``first_us``."""

    packet: Packet
    pts: int
    dts: int
    duration: int  # ticks; 0: until the next
    first_us: int
    at_us: int  # when it was captured
    key: bool  # whether decoding may start with it


Sound = av.AudioFrame  # samples whose ``pts`` counts from the recording's origin
Piece = Chunk | Sound


class SoundShape(NamedTuple):
    """What an audio encoder has to know of the samples: their rate (Hz), and bits of each."""

    rate: int
    channels: int
    bits: int


class FileTrack:
    """A stream of a file."""

    def __init__(self, muxer: Muxer, stream: av.VideoStream | av.AudioStream) -> None:
        self._muxer = muxer
        self._index = stream.index  # which a stream of a closed file no longer tells

    @property
    def bytes(self) -> int:
        """Of its packets in the file."""
        return self._muxer.bytes[self._index]


class PictureTrack(FileTrack):
    """The packets of a picture track in a file that begins at ``begin_us``."""

    rest = 0  # bytes that may come at the end, beyond what was written

    def __init__(self, muxer: Muxer, stream: av.VideoStream, begin_us: int) -> None:
        super().__init__(muxer, stream)
        self._stream = stream
        self._begin_us = begin_us
        self._begun = False

    def cost(self, chunk: Chunk) -> int:
        """The most bytes that the file grows by with the chunk."""
        return self._muxer.bound.cost(chunk.packet.size, key=chunk.key)

    def write(self, chunk: Chunk) -> None:
        """Have the chunk in the file at its time; nothing before the first with which decoding can start."""
        self._begun = self._begun or chunk.key
        if not self._begun:
            return
        packet = chunk.packet
        offset = round((chunk.first_us - self._begin_us) * TICKS / MICROSECONDS)
        packet.pts, packet.dts, packet.duration = chunk.pts + offset, chunk.dts + offset, chunk.duration
        packet.time_base = TIME_BASE
        packet.stream = self._stream
        self._muxer.mux([packet], TICKS)

    def finish(self) -> None:
        """Nothing is held back here."""


class SoundTrack(FileTrack):
    """The samples of a sound track in a file, from ``begin`` on (counted from the recording's origin), and their encoder."""

    def __init__(self, muxer: Muxer, codec: AudioCodec, shape: SoundShape, options: SinkOptions, begin: int) -> None:
        encoder, sample_format = codec.encoder(shape.bits)
        self._stream = muxer.add_audio(encoder)
        super().__init__(muxer, self._stream)
        self._begin = begin
        context = self._stream.codec_context
        context.sample_rate = codec.rate(shape.rate)
        context.layout, context.format = layout_name(shape.channels), sample_format
        context.time_base = Fraction(1, context.sample_rate)
        told = f"{shape.channels} channels at {shape.rate} Hz"
        if codec.lossy:
            context.bit_rate = codec.bit_rate(options.audio_bits_per_second, shape.channels)
            told += f" into {context.bit_rate} bits per second"
        open_encoder(context, {}, codec.title, told)
        self._sample_bytes = shape.channels * context.format.bytes
        frame = _LOSSY_FRAME * shape.channels if codec.lossy else context.frame_size * self._sample_bytes
        self.rest = _HELD_FRAMES * frame  # bytes that may come at the end, beyond what was written

    def cost(self, sound: Sound) -> int:
        """The most bytes that the file grows by with the samples."""
        return self._muxer.bound.cost(sound.samples * self._sample_bytes)

    def write(self, sound: Sound) -> None:
        """Encode the samples at their place."""
        place = sound.pts or 0
        sound.pts = place - self._begin
        self._muxer.mux(self._stream.encode(sound), self._stream.codec_context.sample_rate)
        sound.pts = place

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self._muxer.mux(self._stream.encode(None), self._stream.codec_context.sample_rate)
