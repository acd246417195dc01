"""Processing of video and sound between sources and sinks, with PyAV (FFmpeg).

- ``pictures``: decodes, converts, crops and scales pictures
- ``exchange``: frames and sound to and from NumPy arrays and PyAV's frames
- ``sound``: decodes sound, and converts sample formats
- ``warmup``: skips a camera's first pictures until one is worth keeping
- ``stack``: one picture of several
- ``motion``: how much of a picture has changed
- ``deinterlace``: makes whole pictures of interlaced ones
- ``orient``: crops, flips and rotates pictures
- ``caption``: writes a line of text into pictures
- ``filters``: all of these, for the pictures of a track
- ``unpack``: camera formats that FFmpeg cannot read, into ones that it can
- ``chunkfilter``: checks of chunks before they are decoded or copied
- ``resample``: sample rates and channel counts
- ``downmix``: fewer channels from a device's many, and chosen ones
- ``gain``: amplified sound, and the sum of several
- ``placing``: sound on the common clock: fills gaps, corrects drift
- ``mixing``: several inputs as one
- ``levels``: loudness and peaks
- ``timeline``: the position of audio blocks on the common clock: gaps, drift, late starts
- ``stretch``: correction of drift; sound that is played faster or slower

Apart from ``timeline``, ``chunkfilter`` and ``unpack``, these modules import PyAV. The functions below import them on
first use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import av

    from mscli.core.channels import ChannelPlan
    from mscli.core.frames import AudioData, EncodedAudioChunk, EncodedVideoChunk, VideoFrame
    from mscli.core.level import Levels
    from mscli.core.orientation import PictureFilters
    from mscli.media.deinterlace import Deinterlacer
    from mscli.media.filters import PictureFilter
    from mscli.media.mixing import Mix
    from mscli.media.motion import MotionMeasure
    from mscli.media.pictures import Converter, ShotDecoder
    from mscli.media.timeline import AudioTimeline as AudioTimeline
    from mscli.media.warmup import Warmup


def load_converter(pixel_format: str = "") -> Converter:
    """Return a converter of frames and chunks to a raw format, cropped and scaled.

    By default frames keep their format and chunks become I420.
    """
    from mscli.media.pictures import Converter

    return Converter(pixel_format)


def load_picture_reader() -> Callable[[VideoFrame | EncodedVideoChunk], av.VideoFrame | None]:
    """Return a function that returns a frame, or a chunk that can be decoded alone, as FFmpeg's picture in its shown shape.

    It returns None for one that is damaged.
    """
    from mscli.media.pictures import Converter, as_picture

    converter = Converter()

    def read(media: VideoFrame | EncodedVideoChunk) -> av.VideoFrame | None:
        frame = converter.convert(media)
        return None if frame is None else as_picture(frame)

    return read


def load_shot_decoder() -> ShotDecoder:
    """Return a decoder of the chunks of a shot that depend on each other."""
    from mscli.media.pictures import ShotDecoder

    return ShotDecoder()


def load_warmup(seconds: float, frames: int = 0, *, judged: bool = True) -> Warmup:
    """Return a judge of a camera's first frames. See ``mscli.media.warmup.Settle``."""
    from mscli.media.warmup import Settle, Warmup

    return Warmup(Settle(seconds, frames, judged))


def load_sharpest() -> Callable[[Iterable[VideoFrame | EncodedVideoChunk]], VideoFrame | EncodedVideoChunk]:
    """Return a function that returns the sharpest of some frames."""
    from mscli.media.stack import sharpest

    return sharpest


def load_mean() -> Callable[[Iterable[VideoFrame | EncodedVideoChunk]], VideoFrame]:
    """Return a function that returns the mean of some frames."""
    from mscli.media.stack import mean_of

    return mean_of


def load_deinterlacer() -> Deinterlacer:
    """Return a filter that makes whole pictures of interlaced frames and chunks, and decodes the others."""
    from mscli.media.deinterlace import Deinterlacer

    return Deinterlacer()


def load_filter(filters: PictureFilters, device: str) -> PictureFilter:
    """Return the filters of a track. ``device``: the name of its camera. Raises NotSupportedError for an unusable font."""
    from mscli.media.filters import PictureFilter

    return PictureFilter(filters, device)


def load_sound_decoder() -> Callable[[EncodedAudioChunk], AudioData | None]:
    """Return a function that decodes the chunks of a track, in order. It returns None for a chunk that yields no sound."""
    from mscli.media.sound import SoundReader

    return SoundReader().read


def load_motion_measure() -> MotionMeasure:
    """Return a measure of motion in the pictures of a camera."""
    from mscli.media.motion import MotionMeasure

    return MotionMeasure()


def load_mixer(channels: int) -> Callable[[AudioData], AudioData]:
    """Return a function that mixes blocks of sound to fewer channels."""
    from mscli.media.downmix import Mixer

    return Mixer(channels).mix


def load_channel_mapper(plan: ChannelPlan) -> Callable[[AudioData], AudioData]:
    """Return a function that gives blocks of sound the channels of a plan."""
    from mscli.media.downmix import ChannelMapper

    return ChannelMapper(plan).map


def load_level_meter() -> Callable[[AudioData], Levels | None]:
    """Return a function that takes blocks of sound, in order, and returns the levels so far."""
    from mscli.media.levels import LevelMeter

    return LevelMeter().note


def load_gain(factor: float) -> Callable[[AudioData], AudioData]:
    """Return a function that amplifies blocks of sound."""
    from mscli.media.gain import amplified

    return lambda block: amplified(block, factor)


def load_mix(inputs: int, shape: AudioData) -> Mix:
    """Return the sum of several inputs on one clock. See ``mscli.media.mixing.Mix``."""
    from mscli.media.mixing import Mix

    return Mix(inputs, shape)


def load_tempo(rate: float) -> Callable[[AudioData], list[AudioData]]:
    """Return a function that plays blocks of sound at another rate and the same pitch, and returns what is ready."""
    from mscli.media.stretch import Tempo

    return Tempo(rate).play


def load_timeline() -> type[AudioTimeline]:
    """Return the class that places blocks of sound on the clock."""
    from mscli.media.timeline import AudioTimeline

    return AudioTimeline


def load_stretcher(like: AudioData, before: AudioData | None, position: int) -> Callable[[AudioData, float], list[AudioData]]:
    """Return a function that stretches blocks like one, so that each gets to its position, and returns what is ready.

    ``before``: the block before the first one. ``position``: of the first sample.
    """
    from mscli.media.sound import as_block, as_samples
    from mscli.media.stretch import Stretcher

    stretcher = Stretcher(as_samples(like), None if before is None else as_samples(before), position)
    return lambda block, to: [as_block(part, like.format) for part in stretcher.stretch(as_samples(block), to)]


def load_sound_converter(
    sample_rate: int, channels: int, bits: int | None = None, native: tuple[int, int, int] | None = None
) -> Callable[[AudioData], AudioData | None]:
    """Return a function that converts blocks to a sample rate (Hz), a channel count and, if given, a number of bits per sample.

    It returns None while it has too little sound. ``native``: the blocks' own rate, channel count and bits, if known.
    """
    from mscli.media.resample import SoundConverter

    return SoundConverter(sample_rate, channels, bits, native).convert
