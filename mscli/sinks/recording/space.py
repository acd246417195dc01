"""Estimate the disk space that a recording will need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mscli.core.boxes import Scalar
from mscli.core.codecs import AUDIO_BITS_PER_CHANNEL, CAMERA_CODECS, VideoCodec
from mscli.encode.codecs import Container, audio_codec, copied_formats, video_codec
from mscli.encode.options import COPY, SinkOptions, TrackFormat
from mscli.encode.tuning import ENCODERS

_LEAST_PICTURE = {"width": 640, "height": 480, "frameRate": 30}  # if the settings have none
_LEAST_SOUND = {"sampleRate": 48_000, "channelCount": 1, "sampleSize": 16}


def expected_bits_per_second(container: Container, tracks: Sequence[TrackFormat], options: SinkOptions) -> float:
    """Estimate the bits per second, rather too many: the requested rate, or else what the codec and the size suggest."""
    return sum(_OF_KIND[track.kind](container, track, options) for track in tracks)


def _picture(container: Container, track: TrackFormat, options: SinkOptions) -> float:
    width, height, rate = _numbers(track.settings, _LEAST_PICTURE)
    copied = options.video_codec == COPY
    codec = _copied(container, track) if copied else video_codec(container, options)
    asked = options.video_bits_per_second if ENCODERS[codec.encoder].bit_rate and not copied else None
    return asked or width * height * rate * codec.bits_per_pixel


def _copied(container: Container, track: TrackFormat) -> VideoCodec:
    """Return the codec of the camera's pictures, or the codec that needs the least space if it is not known yet."""
    return CAMERA_CODECS[track.pixel_format or copied_formats(container.suffix)[0]]


def _sound(container: Container, track: TrackFormat, options: SinkOptions) -> float:
    rate, channels, bits = _numbers(track.settings, _LEAST_SOUND)
    if audio_codec(container, options).lossy:
        return options.audio_bits_per_second or AUDIO_BITS_PER_CHANNEL * channels
    return rate * channels * bits


def _numbers(settings: Mapping[str, Scalar], usual: Mapping[str, int]) -> list[float]:
    return [float(settings.get(name) or value) for name, value in usual.items()]


_OF_KIND = {"video": _picture, "audio": _sound}
