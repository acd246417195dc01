"""How much a recording is going to need of a disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mscli.core.boxes import Scalar
from mscli.core.frames import PIXEL_FORMATS
from mscli.sinks.base import COPY, SinkOptions, TrackFormat
from mscli.sinks.codecs import AUDIO_BITS_PER_CHANNEL, VIDEO_CODECS, Container, VideoCodec, audio_codec, video_codec
from mscli.sinks.copying import copied_formats
from mscli.sinks.tuning import ENCODERS

_LEAST_PICTURE = {"width": 640, "height": 480, "frameRate": 30}  # where the settings do not say
_LEAST_SOUND = {"sampleRate": 48_000, "channelCount": 1, "sampleSize": 16}


def expected_bits_per_second(container: Container, tracks: Sequence[TrackFormat], options: SinkOptions) -> float:
    """About so many bits a second, more often less: what was asked for, else what codec and size of the pictures suggest."""
    return sum(_OF_KIND[track.kind](container, track, options) for track in tracks)


def _picture(container: Container, track: TrackFormat, options: SinkOptions) -> float:
    width, height, rate = _numbers(track.settings, _LEAST_PICTURE)
    copied = options.video_codec == COPY
    codec = _copied(container, track) if copied else video_codec(container, options)
    asked = options.video_bits_per_second if ENCODERS[codec.encoder].bit_rate and not copied else None
    return asked or width * height * rate * codec.bits_per_pixel


def _copied(container: Container, track: TrackFormat) -> VideoCodec:
    """The codec in which the camera gives its pictures; while that is not known, the one that takes the least."""
    form = track.pixel_format or copied_formats(container.suffix)[0]
    return VIDEO_CODECS[PIXEL_FORMATS[form].ffmpeg]


def _sound(container: Container, track: TrackFormat, options: SinkOptions) -> float:
    rate, channels, bits = _numbers(track.settings, _LEAST_SOUND)
    if audio_codec(container, options).lossy:
        return options.audio_bits_per_second or AUDIO_BITS_PER_CHANNEL * channels
    return rate * channels * bits


def _numbers(settings: Mapping[str, Scalar], usual: Mapping[str, int]) -> list[float]:
    return [float(settings.get(name) or value) for name, value in usual.items()]


_OF_KIND = {"video": _picture, "audio": _sound}
