"""Video encoders before the first picture: which one it is, of hardware the first that really opens, and how it is set up."""

from __future__ import annotations

import os
from collections.abc import Iterable
from math import ceil
from typing import NamedTuple

import av

from mscli.core.errors import NotSupportedError
from mscli.core.frames import BT601, VideoColorSpace
from mscli.sinks.base import SinkOptions, TrackFormat
from mscli.sinks.codecs import BITS_PER_PIXEL, HARDWARE, VideoCodec
from mscli.sinks.colors import AV_MATRIX, AV_RGB, BT709, av_range
from mscli.sinks.convert import video_context
from mscli.sinks.muxer import TIME_BASE, open_encoder
from mscli.sinks.tuning import ENCODERS, Encoder, gop_size

DEFAULT_RATE, _DEFAULT_SIZE = 30.0, (640, 480)  # if the settings do not say
_CORE_PIXELS_S = 60_000_000  # that one core encodes at the usual preset: 1080p at 30 frames/s
_SLOW_RATE = 10.0  # frames per second below which no picture may wait for the next
_HELD_S = 0.5  # of pictures that threads may be at work at, at most


class Shape(NamedTuple):
    """What a video track looks like: pixels, and nominal frames per second."""

    width: int
    height: int
    rate: float

    @classmethod
    def of(cls, track: TrackFormat) -> Shape:
        """As its settings say."""
        width, height = (int(track.settings.get(k) or d) for k, d in zip(("width", "height"), _DEFAULT_SIZE, strict=True))
        return cls(width, height, float(track.settings.get("frameRate") or DEFAULT_RATE))


def even(width: int, height: int) -> tuple[int, int]:
    """The size without an odd column and row."""
    return width & ~1, height & ~1


def encoder_for(codec: VideoCodec, shape: Shape, options: SinkOptions) -> Encoder:
    """The codec's encoder for such a track: by the hardware if that is asked for and works, else in software.

    ``options.on_note`` is told of what cannot be had.
    """
    found = None
    if options.video_codec.endswith(f":{HARDWARE}"):
        found = first_that_opens(codec.hardware, shape, options)
        if found is None:
            tried = ", ".join(codec.hardware)
            _note(options, f"no hardware here encodes {codec.title} at {shape.width}×{shape.height} (tried {tried}); "
                           "it is encoded in software")  # fmt: skip
    encoder = found or ENCODERS[codec.encoder]
    for what in encoder.ignored(options):
        _note(options, f"{codec.title} is encoded by {encoder.name} here, for which a {what} means nothing; it is ignored")
    return encoder


def first_that_opens(names: Iterable[str], shape: Shape, options: SinkOptions) -> Encoder | None:
    """The first of the encoders that opens at that size; it is closed again. None if none does."""
    return next((ENCODERS[name] for name in names if _opens(ENCODERS[name], shape, options)), None)


def _opens(encoder: Encoder, shape: Shape, options: SinkOptions) -> bool:
    try:
        context = video_context(encoder.name, "w")
        settings = set_up(context, encoder, Shape(*even(shape.width, shape.height), shape.rate), options, "", BT601)
        open_encoder(context, settings, encoder.name, "")
    except (av.FFmpegError, ValueError, NotSupportedError):  # ValueError: this installation of PyAV lacks it
        return False
    return True


def set_up(
    context: av.VideoCodecContext, encoder: Encoder, shape: Shape, options: SinkOptions, pixels: str, color: VideoColorSpace
) -> dict[str, str]:
    """Give an encoder's context all that it has to know of pictures of that pixel format and colour; the options to open it.

    ``pixels``: FFmpeg's name of the format; "" if it is not known.
    """
    context.width, context.height = shape.width, shape.height
    context.pix_fmt = encoder.pixels.get(pixels or "yuv420p", encoder.pixels[""])
    context.time_base = TIME_BASE
    context.gop_size = gop_size(shape.rate, options)
    context.color_range = av_range(color)
    context.colorspace = AV_RGB if av.VideoFormat(context.pix_fmt).is_rgb else AV_MATRIX[color.matrix]
    context.color_primaries = context.color_trc = BT709
    os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder writes to stderr by itself: errors only
    if encoder.ahead:
        context.thread_type, context.thread_count = "FRAME", threads(shape, options.preset)
    if not encoder.constant_quality(options) and encoder.bit_rate:
        usual = round(shape.width * shape.height * shape.rate * BITS_PER_PIXEL)
        context.bit_rate = encoder.bits(options.video_bits_per_second or usual)
    return {**encoder.settings(options), **(encoder.immediate if shape.rate < _SLOW_RATE else {})}


def threads(shape: Shape, preset: str) -> int:
    """How many pictures to work at: what sits in an encoder is lost with the power, so no more than keep up with the camera.

    With another speed than the usual it is as many as x264 would take by itself.
    """
    by_itself = (os.cpu_count() or 1) * 3 // 2
    keep_up = 1 + ceil(shape.width * shape.height * shape.rate / _CORE_PIXELS_S)
    return max(1, min(by_itself, int(shape.rate * _HELD_S) if preset else keep_up))


def _note(options: SinkOptions, sentence: str) -> None:
    if options.on_note is not None:
        options.on_note(sentence)
