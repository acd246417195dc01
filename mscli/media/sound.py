"""Sound to and from FFmpeg: decode chunks, copy blocks, and convert them to another sample format.

https://ffmpeg.org/doxygen/trunk/group__lavc__decoding.html, https://ffmpeg.org/libswresample.html. Sound that has the right
format passes unchanged.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import av

from mscli.core.clock import MICROSECONDS
from mscli.core.codecs import AUDIO_CODECS
from mscli.core.frames import SAMPLE_FORMATS, AudioData, EncodedAudioChunk
from mscli.core.log import Burst, Log
from mscli.media.pictures import CLOCK

_log = Log("media")

_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}


def layout_name(channels: int) -> str:
    """Return FFmpeg's name for the usual layout of this many channels."""
    return _LAYOUTS.get(channels, f"{channels} channels")


def as_samples(block: AudioData) -> av.AudioFrame:
    """Copy the block into an FFmpeg frame."""
    ffmpeg = SAMPLE_FORMATS[block.format].ffmpeg
    return _sound(ffmpeg, block.sample_rate, block.number_of_channels, block.number_of_frames, block.data.cast("B"))


def as_block(frame: av.AudioFrame, format: str) -> AudioData:  # noqa: A002
    """Return an interleaved FFmpeg frame as a block with this format (ours), without copying and without a timestamp."""
    channels = frame.layout.nb_channels
    data = memoryview(frame.planes[0])[: frame.samples * channels * SAMPLE_FORMATS[format].bits // 8].toreadonly()
    return AudioData(format, frame.sample_rate, frame.samples, channels, 0, data)


def _sound(ffmpeg: str, rate: int, channels: int, samples: int, data: memoryview) -> av.AudioFrame:
    frame = av.AudioFrame(ffmpeg, layout_name(channels), samples)
    frame.sample_rate = rate
    memoryview(frame.planes[0])[: data.nbytes] = data
    return frame


def labelled(sound: av.AudioFrame, layout: str) -> av.AudioFrame:
    """Return the same interleaved samples with another layout of as many channels. FFmpeg itself would mix them."""
    if sound.layout.name == layout:
        return sound
    like = av.AudioFrame(sound.format.name, layout, sound.samples)
    size = sound.samples * sound.format.bytes * sound.layout.nb_channels
    memoryview(like.planes[0])[:size] = memoryview(sound.planes[0])[:size]
    like.sample_rate, like.pts, like.time_base = sound.sample_rate, sound.pts, sound.time_base
    return like


class SampleConverter:
    """A converter of blocks to one sample format (ours). Rate and channels stay unchanged."""

    def __init__(self, format: str) -> None:  # noqa: A002
        self._row = SAMPLE_FORMATS[format]
        self._resamplers: dict[tuple[str, int, int], av.AudioResampler] = {}

    def convert(self, block: AudioData) -> AudioData:
        """Return the block converted to the format, or unchanged if it has it."""
        if block.format == self._row.name:
            return block
        shape = (block.format, block.sample_rate, block.number_of_channels)
        if shape not in self._resamplers:
            self._resamplers[shape] = av.AudioResampler(self._row.ffmpeg)
        (frame,) = self._resamplers[shape].resample(as_samples(block))
        count = block.number_of_frames * block.number_of_channels * self._row.bits // 8
        return replace(block, format=self._row.name, data=memoryview(frame.planes[0])[:count].toreadonly())


class SoundReader:
    """A decoder of one track's chunks into blocks. It drops damaged chunks, which leaves gaps."""

    def __init__(self) -> None:
        self._decoder: av.AudioCodecContext | None = None
        self._codec = ""
        self._resampler: av.AudioResampler | None = None  # created for the first frame with one plane per channel
        self._undecoded = Burst(_log, "%d chunk(s) of sound that cannot be decoded, the latest, of %s, at %.3f s")

    def read(self, chunk: EncodedAudioChunk) -> AudioData | None:
        """Return the block that the chunk completes, or None if it is damaged or the decoder needs more."""
        if self._decoder is None or chunk.codec != self._codec:
            self._decoder, self._codec = _open_sound_decoder(chunk), chunk.codec
        packet = av.Packet(cast(bytes, chunk.data))
        packet.pts, packet.time_base = chunk.timestamp, CLOCK
        try:
            frames = [one for frame in self._decoder.decode(packet) for one in self._packed(frame)]
        except av.FFmpegError:
            self._undecoded.note(1, chunk.codec, chunk.timestamp / MICROSECONDS)
            return None
        self._undecoded.end()
        blocks = [as_block(frame, _BY_SAMPLES[frame.format.name]) for frame in frames]
        if not blocks:
            return None
        samples = sum(block.number_of_frames for block in blocks)
        data = blocks[0].data if len(blocks) == 1 else memoryview(b"".join(block.data for block in blocks))
        return replace(
            blocks[0], number_of_frames=samples, data=data, timestamp=chunk.timestamp, sequence=max(0, chunk.sequence)
        )

    def _packed(self, frame: av.AudioFrame) -> list[av.AudioFrame]:
        """Return the frame with interleaved channels."""
        if not frame.format.is_planar:
            return [frame]
        if self._resampler is None:
            self._resampler = av.AudioResampler(frame.format.packed)
        frame.pts = None
        return self._resampler.resample(frame)


_BY_SAMPLES = {row.ffmpeg: row.name for row in SAMPLE_FORMATS.values()}


def _open_sound_decoder(chunk: EncodedAudioChunk) -> av.AudioCodecContext:
    decoder = av.CodecContext.create(AUDIO_CODECS[chunk.codec].decoder, "r")
    assert isinstance(decoder, av.AudioCodecContext), "only asked for sound"
    if chunk.description is not None:
        decoder.extradata = chunk.description
    decoder.sample_rate, decoder.layout = chunk.sample_rate, layout_name(chunk.number_of_channels)
    return decoder
