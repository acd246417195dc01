"""Descriptions of tracks for the packet sinks that take their chunks or placed sound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av

from mscli.core.frames import AudioData, Chunk
from mscli.core.tuples import NamedTuple
from mscli.encode.ffmpeg import TICKS
from mscli.encode.options import SinkOptions

if TYPE_CHECKING:
    from mscli.core.codecs import AudioCodec

# The output of an encoding: chunks, which any number of files can take, or placed sound, which each file can cut to the
# sample. The ``sequence`` of placed sound counts from the recording's origin.
Piece = Chunk | AudioData


class SoundShape(NamedTuple):
    """The shape of samples for an audio encoder: rate (Hz), channels, bits per sample, and ``AudioData.layout``.

    ``floating``: whether they are floating-point numbers.
    """

    rate: int
    channels: int
    bits: int
    layout: str = ""
    floating: bool = False


class PacketStream(NamedTuple):
    """The description of a track of chunks, from which a file writes its header."""

    codec: str
    pattern: av.VideoStream | av.AudioStream | None  # a stream of an encoder or demuxer with everything that a header contains
    size: tuple[int, int] = (0, 0)  # width and height in pixels, if there is no pattern
    rate: int = TICKS  # time units per second: ticks of video, samples of audio
    origin_us: int = 0  # the instant of sample 0
    carries_sets: bool = False  # whether the chunks have parameter sets, which may become others than the pattern's


class SoundStream(NamedTuple):
    """The description of a track of samples, which the file encodes itself. So the file can begin at any sample."""

    codec: AudioCodec
    shape: SoundShape
    options: SinkOptions
