"""How much a recording is going to need of a disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mscli.core.boxes import Scalar
from mscli.sinks.base import SinkOptions, TrackFormat
from mscli.sinks.codecs import AUDIO_BITS_PER_CHANNEL, BITS_PER_PIXEL, Container, audio_codec

_LEAST_PICTURE = {"width": 640, "height": 480, "frameRate": 30}  # where the settings do not say
_LEAST_SOUND = {"sampleRate": 48_000, "channelCount": 1, "sampleSize": 16}


def expected_bits_per_second(container: Container, tracks: Sequence[TrackFormat], options: SinkOptions) -> float:
    """About so many bits a second, more often less: what was asked for, else what the pictures' size suggests."""
    return sum(_OF_KIND[track.kind](container, track.settings, options) for track in tracks)


def _picture(_: Container, settings: Mapping[str, Scalar], options: SinkOptions) -> float:
    width, height, rate = _numbers(settings, _LEAST_PICTURE)
    return options.video_bits_per_second or width * height * rate * BITS_PER_PIXEL


def _sound(container: Container, settings: Mapping[str, Scalar], options: SinkOptions) -> float:
    rate, channels, bits = _numbers(settings, _LEAST_SOUND)
    if audio_codec(container, options).lossy:
        return options.audio_bits_per_second or AUDIO_BITS_PER_CHANNEL * channels
    return rate * channels * bits


def _numbers(settings: Mapping[str, Scalar], usual: Mapping[str, int]) -> list[float]:
    return [float(settings.get(name) or value) for name, value in usual.items()]


_OF_KIND = {"video": _picture, "audio": _sound}
