"""Place sound on the clock of the pictures, counted from the recording's origin, and encode it.

Silence replaces missing sound, and the drift of the device's clock is corrected. Either a file encodes the samples itself
(``SoundTrack``), so that it can be cut to the sample, or the samples are encoded once for all outputs that share them
(``SoundPackets``, for several encodings by way of ``mscli.encode.shared``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import av

from mscli.core.clock import MICROSECONDS
from mscli.core.codecs import AudioCodec
from mscli.core.errors import NotSupportedError
from mscli.core.frames import KEY, AudioData, EncodedAudioChunk, reordered
from mscli.core.log import Log
from mscli.encode.chunks import PacketStream, SoundShape
from mscli.encode.options import SinkOptions, TrackFormat
from mscli.encode.video import EncoderHome
from mscli.media.chunkfilter import NO_FAULTS
from mscli.media.placing import Placer
from mscli.media.sound import as_samples, labelled, layout_name

if TYPE_CHECKING:
    from mscli.encode.ffmpeg import Packet

_log = Log("encode")


def set_up_sound(context: av.AudioCodecContext, codec: AudioCodec, shape: SoundShape, options: SinkOptions) -> str:
    """Configure an encoder. Return its shape in words."""
    context.sample_rate = codec.rate(shape.rate)
    context.layout = _layout(codec, shape)
    context.format = codec.encoder(shape.bits, floating=shape.floating)[1]
    context.time_base = Fraction(1, context.sample_rate)
    words = f"{shape.channels} channels at {shape.rate} Hz"
    if codec.lossy:
        context.bit_rate = codec.bit_rate(options.audio_bits_per_second, shape.channels)
        words += f" into {context.bit_rate} bits per second"
    return words


def _layout(codec: AudioCodec, shape: SoundShape) -> str:
    """Return FFmpeg's layout to encode in. Raises NotSupportedError if the codec would have to name other loudspeakers."""
    layout = codec.layout(shape.channels, shape.layout)
    if shape.layout and not layout:
        hints = ["choose another codec, some of the --channels, or --mix-down stereo"]
        raise NotSupportedError(f"{codec.title} cannot hold channels for the loudspeakers {shape.layout}", hints=hints)
    return layout or layout_name(shape.channels)


def encoder_options(codec: AudioCodec, shape: SoundShape) -> Mapping[str, str]:
    """Return the encoder's options that the shape needs. Floating-point numbers have 24 bits that FLAC can hold."""
    layout = codec.layout(shape.channels, shape.layout)
    return codec.options(shape.channels, 24 if shape.floating else shape.bits, layout)


def check_channels(codec: AudioCodec, channels: int) -> None:
    """Raise NotSupportedError if the codec cannot have this many channels."""
    if channels > codec.most_channels:
        hints = [f"choose another codec, some of the --channels, or --channel-count exact:{codec.most_channels}"]
        sentence = f"{codec.title} holds at most {codec.most_channels} channels, not {channels}"
        raise NotSupportedError(sentence, hints=hints)


def placed_av(sound: AudioData, begin: int, layout: str, codec: AudioCodec) -> av.AudioFrame:
    """Return placed sound as an FFmpeg frame for the codec, with this layout. Its time counts from sample ``begin``."""
    order = codec.orders.get(layout)
    frame = as_samples(sound if order is None else reordered(sound, order))
    frame.pts, frame.time_base = sound.sequence - begin, Fraction(1, sound.sample_rate)
    return labelled(frame, layout)


HELD_FRAMES = 2  # the most frames that an audio encoder holds back
LOSSY_FRAME = 768  # bytes of each channel in the largest packet of a lossy codec (AAC: 6144 bits)


class SoundPackets:
    """An encoder of a track's sound for any number of files. Its packets count samples from ``origin_us``.

    A decoder outputs garbage for the first samples of a file, as many as the encoder numbers below zero at its start. So a file
    that begins later also takes the packets that precede its beginning by that much.
    """

    def __init__(self, codec: AudioCodec, shape: SoundShape, options: SinkOptions, origin_us: int) -> None:
        self.codec = codec
        self.most_bytes = LOSSY_FRAME * shape.channels  # of a packet
        self._shape = shape
        self._origin_us = origin_us
        self._home = EncoderHome(av.AudioStream, codec.encoder(shape.bits, floating=shape.floating)[0])
        context = self._home.stream.codec_context
        self._home.open(
            {**codec.apart, **encoder_options(codec, shape)}, codec.title, set_up_sound(context, codec, shape, options)
        )
        self._rate = context.sample_rate  # possibly higher than that of the samples
        self._description = context.extradata
        self.frame: int = context.frame_size  # samples of a packet, at the encoder's rate
        self._delay: int | None = None  # of a decoder, in samples
        self._first: int | None = None  # the number of the first sample passed to the encoder
        self._sent = 0  # the number after the last one

    @property
    def delay_us(self) -> int:
        """Return how long before a file's beginning its decoder needs chunks."""
        return round((self._delay or 0) * MICROSECONDS / self._rate)

    def encode(self, sound: AudioData) -> list[EncodedAudioChunk]:
        """Return the chunks that the samples complete."""
        self._first = sound.sequence if self._first is None else self._first
        self._sent = sound.sequence + sound.number_of_frames
        return self._chunks(
            self._home.stream.encode(placed_av(sound, 0, self._home.stream.codec_context.layout.name, self.codec))
        )

    def finish(self) -> list[EncodedAudioChunk]:
        """Return the chunks that the encoder still holds."""
        return self._chunks(self._home.stream.encode(None))

    def close(self) -> None:
        """Free the encoder."""
        self._home.close()

    def stream(self) -> PacketStream:
        """Return the description of the packets for a file's header."""
        return PacketStream(self.codec.name, self._home.stream, rate=self._rate, origin_us=self._origin_us)

    def place(self, sample: int) -> int:
        """Return a sample's number at the encoder's rate."""
        return round(sample * self._rate / self._shape.rate)

    def samples(self, packets: int) -> int:
        """Return how many samples this number of packets holds."""
        return -(-packets * self.frame * self._shape.rate // self._rate)

    def end_of(self, chunk: EncodedAudioChunk) -> int:
        """Return where a chunk ends, in samples at the encoder's rate."""
        return chunk.sequence + round((chunk.duration or 0) * self._rate / MICROSECONDS)

    def shortened(self, chunk: EncodedAudioChunk, sent: int) -> EncodedAudioChunk:
        """Return the chunk as it ends a file whose sound ends with the sample before ``sent``."""
        lasts = self.place(sent) - chunk.sequence
        count = max(0, min(chunk.count, sent - self._heard(chunk.sequence)))
        return replace(chunk, duration=round(lasts * MICROSECONDS / self._rate), count=count)

    def beginning(self, at: int, packets: int, oldest: int) -> int:
        """Return the sample with which another encoder begins that is to have a packet at ``at``, after ``packets`` others.

        After fewer, if that sample came before ``oldest``.
        """
        begin = at + (self._delay or 0) - packets * self.frame
        begin += max(0, -(-(self.place(oldest) - begin) // self.frame)) * self.frame
        return max(oldest, round(begin * self._shape.rate / self._rate))

    def _chunks(self, packets: list[Packet]) -> list[EncodedAudioChunk]:
        return [self._chunk(packet) for packet in packets]

    def _chunk(self, packet: Packet) -> EncodedAudioChunk:
        place, lasts = packet.pts or 0, packet.duration or 0
        if self._delay is None:
            self._delay = max(0, self.place(self._first or 0) - place)
        at_us = self._origin_us + round(place * MICROSECONDS / self._rate)
        count = self._heard(place + lasts) - self._heard(place)
        return EncodedAudioChunk(
            KEY, at_us, memoryview(packet).toreadonly(), self.codec.name, self._rate, self._shape.channels, count,
            round(lasts * MICROSECONDS / self._rate), place, self._description,
        )  # fmt: skip

    def _heard(self, position: int) -> int:
        """Return how many of the device's samples come before a position."""
        return min(max(0, position * self._shape.rate // self._rate), self._sent)


class SoundPlacer(Placer):
    """A placer of a track's sound for encoders."""

    first_wait_us = MICROSECONDS  # how long other tracks wait for its first block
    faults = NO_FAULTS

    def __init__(self, track: TrackFormat) -> None:
        super().__init__(track.settings)

    @property
    def shape(self) -> SoundShape:
        """Return the shape of the samples for an encoder. The track must have started."""
        bits = int(self._settings.get("sampleSize") or 16)
        return SoundShape(self._rate, self._channels, bits, self._layout, self._format == "f32" and bits > 24)
