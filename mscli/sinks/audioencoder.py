"""The sound's way into a container: counted by its samples, with silence where none came.

The encoder is opened by the first block. Until the recording starts blocks wait as they came, for the origin of time is not
known before.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

import av

from mscli.core.errors import NotSupportedError
from mscli.core.frames import AudioData
from mscli.sinks.base import SinkOptions, TrackFormat
from mscli.sinks.codecs import AUDIO_BITS_PER_CHANNEL, AudioCodec
from mscli.sinks.convert import layout_name, silence_av, sound_to_av
from mscli.sinks.muxer import Muxer, open_encoder
from mscli.sinks.timeline import AudioTimeline

if TYPE_CHECKING:
    from mscli.sinks.muxer import Packet

_SILENT_CHUNK_S = 1  # silence is written in pieces, whatever the length of the gap


class AudioEncoder:
    """An audio track: gaps and late starts become silence, so that every sample stands where it was heard."""

    def __init__(self, muxer: Muxer, codec: AudioCodec, track: TrackFormat, options: SinkOptions) -> None:
        self._codec = codec
        self._options = options
        self._settings = track.settings
        bits = int(track.settings.get("sampleSize") or 16)
        encoder, self._sample_format = codec.encoder(bits)
        self._stream = muxer.add_audio(encoder)
        self._early: list[AudioData] = []
        self._format, self._rate, self._channels = "", 0, 0
        self._timeline: AudioTimeline | None = None
        self._sent = 0  # samples

    @property
    def first_us(self) -> int | None:
        """When the track's first sample was captured, if it came before the start (microseconds)."""
        return self._early[0].timestamp if self._early else None

    def hold(self, block: AudioData) -> None:
        """Take a block before the start."""
        if not self._rate:
            self._open(block.format, block.sample_rate, block.number_of_channels)
        self._early.append(block)

    def start(self, origin_us: int) -> None:
        """From now on time counts from ``origin_us``. A track without sound gets the rate that its settings say."""
        if not self._rate:
            rate = int(self._settings.get("sampleRate") or 48_000)
            self._open("s16", rate, int(self._settings.get("channelCount") or 1))
        self._timeline = AudioTimeline(self._rate, origin_us)

    def held(self) -> list[Packet]:
        """What waited for the start."""
        blocks, self._early = self._early, []
        return [packet for block in blocks for packet in self.encode(block)]

    def encode(self, block: AudioData) -> list[Packet]:
        """The packets that the block completes, with the silence before it."""
        assert self._timeline is not None, "started"
        self._check_shape(block)
        silence, skip = self._timeline.place(block.timestamp, block.number_of_frames, block.sequence)
        packets = self._silence(silence)
        return packets + self._send(sound_to_av(block, skip)) if skip < block.number_of_frames else packets

    def keep_up(self, until_us: int) -> list[Packet]:
        """Silence up to there, if no sound has come."""
        assert self._timeline is not None, "started"
        return self._silence(self._timeline.advance(until_us))

    def finish(self) -> list[Packet]:
        """What the encoder still holds."""
        return list(self._stream.encode(None))

    @property
    def stream_index(self) -> int:
        """The place of its stream in the container."""
        return self._stream.index

    def corrections(self) -> Mapping[str, int]:
        """For the report."""
        timeline = self._timeline
        return {"silence": timeline.silence, "skipped": timeline.skipped} if timeline else {}

    def _check_shape(self, block: AudioData) -> None:
        if (block.format, block.sample_rate, block.number_of_channels) != (self._format, self._rate, self._channels):
            now = f"{block.number_of_channels} channels at {block.sample_rate} Hz ({block.format})"
            raise NotSupportedError(f"the sound changed to {now} while it was recorded", hints=["start another recording"])

    def _silence(self, samples: int) -> list[Packet]:
        packets: list[Packet] = []
        while samples > 0:
            count = min(samples, _SILENT_CHUNK_S * self._rate)
            packets += self._send(silence_av(self._format, self._rate, self._channels, count))
            samples -= count
        return packets

    def _send(self, frame: av.AudioFrame) -> list[Packet]:
        frame.pts, frame.time_base = self._sent, Fraction(1, self._rate)
        self._sent += frame.samples
        return list(self._stream.encode(frame))

    def _open(self, sample_format: str, rate: int, channels: int) -> None:
        if channels > self._codec.most_channels:
            raise NotSupportedError(f"{self._codec.title} holds {self._codec.most_channels} channels at most, not {channels}")
        self._format, self._rate, self._channels = sample_format, rate, channels
        context = self._stream.codec_context
        context.sample_rate = self._codec.rate(rate)
        context.layout, context.format = layout_name(channels), self._sample_format
        context.time_base = Fraction(1, context.sample_rate)
        if self._codec.lossy:
            context.bit_rate = self._options.audio_bits_per_second or AUDIO_BITS_PER_CHANNEL * channels
        open_encoder(context, {}, self._codec.title, f"{channels} channels at {rate} Hz")
