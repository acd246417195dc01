"""Encode pictures into chunks. Each chunk has the capture time of its picture, in whatever files it is written.

The first picture opens the encoder.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Generic, TypeVar

import av
from av.codec.context import Flags
from av.video.frame import PictureType

from mscli.core.clock import MICROSECONDS
from mscli.core.codecs import BITS_PER_PIXEL, CAMERA_CODECS, HARDWARE, VideoCodec
from mscli.core.errors import NotSupportedError, OperationError
from mscli.core.frames import BT601, DELTA, KEY, EncodedVideoChunk, VideoColorSpace, VideoFrame, black
from mscli.core.limits import ENCODER_RESTS_S
from mscli.core.log import Log
from mscli.core.threads import tasks, wait_for_sleep
from mscli.core.tuples import NamedTuple
from mscli.core.window import is_past
from mscli.encode.chunks import PacketStream
from mscli.encode.ffmpeg import TICKS, TIME_BASE, add_stream, open_encoder
from mscli.encode.options import SinkOptions, TrackFormat
from mscli.encode.profiles import check_profile, find_profile
from mscli.encode.tuning import ENCODERS, Encoder, gop_size, key_interval_s
from mscli.media.chunkfilter import Faults
from mscli.media.pictures import (
    AV_FIELDS,
    AV_MATRIX,
    AV_ORIGIN,
    AV_RGB,
    BT709,
    PictureReader,
    Reshaper,
    av_range,
    color_of,
    cropped_even,
    origin_of,
    video_context,
)

if TYPE_CHECKING:
    from mscli.encode.ffmpeg import Packet


_log = Log("encode")

# Each encoder belongs to a container that writes nothing, so that it outlives the files of its packets.


S = TypeVar("S", av.VideoStream, av.AudioStream)


class EncoderHome(Generic[S]):
    """An FFmpeg encoder with a stream of this ``kind``.

    Configure the codec context of ``stream``, call ``open``, and pass ``stream`` to files as a pattern.
    """

    def __init__(self, kind: type[S], encoder: str, rate: Fraction | None = None) -> None:
        self._nowhere = av.open(os.devnull, "w", format="null")
        stream = add_stream(self._nowhere, encoder, rate)
        assert isinstance(stream, kind), "the codec's row says of which kind its encoder is"
        self.stream: S = stream
        self.stream.codec_context.flags |= Flags.global_header
        self._threads: set[int] = set()

    def open(self, options: Mapping[str, str], title: str, shape: str) -> None:
        """Open the configured encoder. Raises NotSupportedError as ``open_encoder`` does."""
        before = tasks()
        open_encoder(self.stream.codec_context, options, title, shape)
        self._threads = tasks() - before
        self._nowhere.start_encoding()  # this copies the encoder's parameters to the stream

    def rest(self) -> None:
        """Wait until the encoder's threads are done with the previous picture. Forget those that never sleep."""
        self._threads -= wait_for_sleep(self._threads, ENCODER_RESTS_S)

    def close(self) -> None:
        """Free the encoder. Safe to call again."""
        if vars(self):
            self._nowhere.close()  # the file and its streams hold each other until then
            vars(self).clear()


# Choose and configure a video encoder before the first picture. Of the hardware encoders, the first that opens is used.


DEFAULT_RATE, _DEFAULT_SIZE = 30.0, (640, 480)  # if the settings have none
_CORE_PIXELS_S = 60_000_000  # encoded by one core at the default preset: 1080p at 30 frames/s
_SLOW_RATE = 10.0  # frames per second; below this, no picture may wait for the next
_HELD_S = 0.5  # the most pictures that threads may hold, in seconds


class Shape(NamedTuple):
    """The size of a video track in pixels, and its nominal frames per second."""

    width: int
    height: int
    rate: float

    @classmethod
    def of(cls, track: TrackFormat) -> Shape:
        """Return the shape in the track's settings."""
        width, height = (int(track.settings.get(k) or d) for k, d in zip(("width", "height"), _DEFAULT_SIZE, strict=True))
        return cls(width, height, float(track.settings.get("frameRate") or DEFAULT_RATE))


def even(width: int, height: int) -> tuple[int, int]:
    """Return the size rounded down to even numbers."""
    return width & ~1, height & ~1


def encoder_for(codec: VideoCodec, shape: Shape, options: SinkOptions) -> Encoder:
    """Return the codec's encoder for a track: a hardware encoder if requested and available, or else the software encoder.

    Calls ``options.on_note`` for a request that cannot be met. Raises NotSupportedError if the requested level is too low.
    """
    check_profile(options.video_codec, *shape)
    found = None
    if options.video_codec.endswith(f":{HARDWARE}"):
        found = first_that_opens(codec.hardware, shape, options)
        if found is None:
            tried = ", ".join(codec.hardware)
            _note(options, f"no hardware encodes {codec.title} at {shape.width}×{shape.height} (tried {tried}); "
                           "encoding in software")  # fmt: skip
    encoder = found or ENCODERS[codec.encoder]
    for what in encoder.ignored(options):
        _note(options, f"ignoring the {what}: the encoder {encoder.name} has none")
    return encoder


def first_that_opens(names: Iterable[str], shape: Shape, options: SinkOptions) -> Encoder | None:
    """Return the first encoder that opens at this size, or None. It is closed again."""
    return next((ENCODERS[name] for name in names if _opens(ENCODERS[name], shape, options)), None)


def _opens(encoder: Encoder, shape: Shape, options: SinkOptions) -> bool:
    try:
        context = video_context(encoder.name, "w")
        settings = set_up(context, encoder, Shape(*even(shape.width, shape.height), shape.rate), options, "", BT601)
        open_encoder(context, settings, encoder.name, "")
    except (av.FFmpegError, ValueError, NotSupportedError, OperationError):  # ValueError: this installation of PyAV lacks it
        return False
    return True


def set_up(
    context: av.VideoCodecContext, encoder: Encoder, shape: Shape, options: SinkOptions, pixels: str, color: VideoColorSpace
) -> dict[str, str]:
    """Configure an encoder's context for pictures of this pixel format and colour. Return the options to open it with.

    ``pixels``: FFmpeg's name of the format, or "" if unknown. Raises NotSupportedError if the requested level is too low.
    """
    context.width, context.height = shape.width, shape.height
    context.pix_fmt = encoder.pixels.get(pixels or "yuv420p", encoder.pixels[""])
    context.time_base = TIME_BASE
    context.gop_size = gop_size(shape.rate, options)
    context.color_range = av_range(color)
    context.colorspace = AV_RGB if av.VideoFormat(context.pix_fmt).is_rgb else AV_MATRIX[color.matrix]
    context.color_primaries, context.color_trc = AV_ORIGIN.get(color.matrix, (BT709, BT709))
    os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder prints to stderr: errors only
    life = shape if options.time_lapse_s is None else shape._replace(rate=1 / options.time_lapse_s)  # as the pictures come
    if encoder.ahead:
        context.thread_type, context.thread_count = "FRAME", threads(life, options.preset)
    if not encoder.constant_quality(options) and encoder.bit_rate:
        usual = round(shape.width * shape.height * shape.rate * BITS_PER_PIXEL)
        context.bit_rate = encoder.bits(options.video_bits_per_second or usual)
    buffered = dict.fromkeys(("maxrate", "bufsize"), str(context.bit_rate)) if encoder.adapts(options) else {}
    check_profile(options.video_codec, *shape)
    profile = find_profile(options.video_codec)
    settings = {**encoder.settings(options), **buffered, **(encoder.immediate if life.rate < _SLOW_RATE else {})}
    return settings if profile is None else _joined(settings, profile.options)


_LISTS = ("x265-params",)  # options that are lists of others


def _joined(settings: Mapping[str, str], more: Mapping[str, str]) -> dict[str, str]:
    lists = {name: f"{settings[name]}:{more[name]}" for name in _LISTS if name in settings and name in more}
    return {**settings, **more, **lists}


def threads(shape: Shape, preset: str) -> int:
    """Return how many pictures to encode at once: as few as possible, because they are lost if the power fails.

    With a preset it is as many as x264 would choose itself, up to ``_HELD_S`` of pictures.
    """
    by_itself = (os.cpu_count() or 1) * 3 // 2
    keep_up = ceil(shape.width * shape.height * shape.rate / _CORE_PIXELS_S) + (shape.rate >= _SLOW_RATE)
    return max(1, min(by_itself, int(shape.rate * _HELD_S) if preset else keep_up))


def _note(options: SinkOptions, sentence: str) -> None:
    if options.on_note is not None:
        options.on_note(sentence)


# The common part of encoding and copying: chunks wait for the start.


class PicturesToChunks(ABC):
    """The base class of what turns a track's pictures into chunks."""

    end_us: int | None = None  # the recording's end, once known; every picture that comes is decoded before it
    coming: Callable[[VideoFrame | EncodedVideoChunk], object] | None = None  # called before a picture is encoded

    def __init__(self) -> None:
        self.past = 0  # pictures that are shown after the end
        self.first_us: int | None = None  # the capture time of the first picture, once there is one (microseconds)
        self._early: list[EncodedVideoChunk] = []
        self._most_step_us = 0  # the longest time from a picture to the next, or 0 for any

    def limit_step(self, most_us: int) -> None:
        """Let no two pictures be further apart, for one more container. 0: it has no limit."""
        if most_us:
            self._most_step_us = min(most_us, self._most_step_us or most_us)

    @abstractmethod
    def close(self) -> None:
        """Free what encodes. What was counted stays known. Safe to call again."""

    def shows(self, frame: VideoFrame | EncodedVideoChunk) -> bool:  # noqa: ARG002 (most record every frame)
        """Return whether the frame is recorded. Black frames between copied chunks are not."""
        return True

    @abstractmethod
    def encode(self, frame: VideoFrame | EncodedVideoChunk) -> Iterable[EncodedVideoChunk]:
        """Return the chunks that the frame completes. Each must be taken before the next one is made."""

    def rest(self) -> Iterable[EncodedVideoChunk]:
        """Return the chunks of pictures that wait before they are encoded. No more frames come."""
        return ()

    def hold(self, frame: VideoFrame | EncodedVideoChunk) -> None:
        """Take a frame before the start."""
        self._early += self.encode(frame)

    def held(self) -> list[EncodedVideoChunk]:
        """Return the chunks that waited for the start."""
        chunks, self._early = self._early, []
        return chunks

    @abstractmethod
    def repeat(self, at_us: int, after_us: int = 0) -> list[EncodedVideoChunk]:
        """Repeat the last picture, if any, at ``at_us``, if that is at least ``after_us`` after it. Return the chunks."""

    def _bridge(self, shown_us: int, at_us: int) -> list[EncodedVideoChunk]:
        """Repeat the picture from ``shown_us`` as often as the containers need it."""
        step_us = self._most_step_us
        if self.first_us is None or not step_us or at_us <= shown_us + step_us:
            return []
        return [chunk for then_us in range(shown_us + step_us, at_us, step_us) for chunk in self.repeat(then_us)]


_REPEAT_US = 500_000


class VideoEncoder(PicturesToChunks):
    """An encoder of a video track. It scales pictures to the size of the first one, and drops and counts damaged ones."""

    forces_keys = True
    first_wait_us = MICROSECONDS  # how long other tracks wait for its first picture

    def __init__(self, codec: VideoCodec, track: TrackFormat, options: SinkOptions) -> None:
        super().__init__()
        self._codec = codec
        self._options = options
        self._expected = Shape.of(track)
        raw = track.pixel_format not in CAMERA_CODECS
        self._pixel_format = (raw and track.pixel_format) or "I420"  # of the expected pictures
        self._encoder = encoder_for(codec, self._expected, options)
        self._home = EncoderHome(av.VideoStream, self._encoder.name, Fraction(self._expected.rate).limit_denominator(1001))
        self._reader = PictureReader(one_at_a_time=True)
        self._reshape: Reshaper | None = None
        self._shown: av.VideoFrame | None = None  # the previous picture
        self._shown_us = 0
        self._repeated = 0
        self._bits: int | None = None  # the bit rate, if that can be changed
        self._shares: dict[object, float] = {}  # who asked for which share of it
        self._forced = False  # whether the next picture must be a key frame
        seconds = key_interval_s(options)
        self._key_every_us = None if seconds is None else seconds * MICROSECONDS
        self._jitter_us = MICROSECONDS / self._expected.rate / 4  # how early a picture may come
        self._keyed_us = 0  # the capture time of the latest requested key frame
        self._ticks = -1  # of the previous picture, counted from the first
        self._shape = codec.name, 0, 0  # of the chunks: codec, width and height
        self._color = BT601
        self._description: bytes | None = None
        self._inside: dict[int, int] = {}  # ticks → capture time, of the pictures in the encoder

    @property
    def waiting(self) -> int:
        """Return how many pictures the encoder holds back."""
        return len(self._inside)

    def start(self, origin_us: int, now_us: int) -> None:  # noqa: ARG002 (whatever has come by now)
        """Begin the recording. A track without a picture is black, in the size of its settings, until one comes."""
        if self.first_us is None:
            self._repeated += 1
            self.hold(self._black(origin_us))

    def encode(self, frame: VideoFrame | EncodedVideoChunk) -> Iterator[EncodedVideoChunk]:
        """Yield the chunks that the frame completes. Each must be taken before the next one is made."""
        raw = isinstance(frame, VideoFrame)
        if raw:  # it takes the memory of the one before, which may have to be repeated
            yield from self._before(frame)
        for picture in self._reader.read(frame):
            yield from self._encode_picture(picture, origin_of(picture, frame), announced=raw)

    def _before(self, picture: VideoFrame | EncodedVideoChunk) -> list[EncodedVideoChunk]:
        """Announce a picture. Return the repetitions of the one before that containers need."""
        if self.coming is not None:
            self.coming(picture)
        return self._bridge(self._shown_us, picture.timestamp)

    def force_key(self) -> None:
        """Make the next picture a key frame."""
        self._forced = True

    def share_rate(self, asking: object, share: float) -> None:
        """Encode with this share of the bit rate, or with a smaller one that somebody else has asked for."""
        if self._bits is None:
            return
        self._shares[asking] = share
        bits = self._encoder.bits(round(self._bits * min(self._shares.values())))
        context = self._home.stream.codec_context
        if context.bit_rate != bits:
            _log.info("%s: %d kbit/s", context.name, bits // 1000)
            context.bit_rate = bits

    def keep_up(self, until_us: int) -> list[EncodedVideoChunk]:
        """Repeat the last picture if the muxer waits for the next one. Other muxers extend its duration."""
        return self.repeat(until_us, _REPEAT_US) if self._codec.awaited else []

    def repeat(self, at_us: int, after_us: int = 0) -> list[EncodedVideoChunk]:
        """Repeat the last picture at ``at_us``, if that is at least ``after_us`` after it."""
        if self._shown is None or at_us < self._shown_us + after_us:
            return []
        self._repeated += 1
        return self._send(self._shown, at_us)

    def rest(self) -> Iterator[EncodedVideoChunk]:
        """Yield the chunks of the pictures that the decoder still holds."""
        for picture in self._reader.rest():
            yield from self._encode_picture(picture, origin_of(picture))

    def finish(self) -> list[EncodedVideoChunk]:
        """Return the chunks that the decoder and the encoder still hold."""
        return [*self.rest(), *self._chunks(self._home.stream.encode(None))]

    def close(self) -> None:
        """Free the encoder and the last picture."""
        self._home.close()
        self._bits = self.coming = None
        self._reader.close()
        self._shown = self._reshape = None

    def stream(self) -> PacketStream:
        """Return the description of the track for a file's header. The encoder must be open."""
        return PacketStream(self._codec.name, self._home.stream)

    def corrections(self) -> Mapping[str, int]:
        """Return the corrections for the report."""
        return {**self.faults.corrections, "duplicated": self._repeated, "past": self.past}

    @property
    def faults(self) -> Faults:
        """Return the faults of the frames that could not be used."""
        return self._reader.faults

    def _black(self, at_us: int) -> VideoFrame:
        """Return a black picture of the expected shape. A file with an empty track cannot be played."""
        return black(VideoFrame(self._pixel_format, self._expected.width, self._expected.height, at_us, (), ()))

    def _encode_picture(
        self, picture: av.VideoFrame, frame: VideoFrame | EncodedVideoChunk, *, announced: bool = False
    ) -> Iterator[EncodedVideoChunk]:
        """Yield the chunks that the picture completes. ``frame``: its origin."""
        at_us = picture.pts if picture.pts is not None else frame.timestamp
        if self.end_us is not None and self.first_us is not None and is_past(frame, self.end_us):
            self.past += 1
            return
        if not announced:
            yield from self._before(frame)
        if self._reshape is None:
            size = frame.display_size or (picture.width, picture.height)
            if isinstance(frame, VideoFrame) and frame.whole:
                self._home.stream.codec_context.field_order = AV_FIELDS[frame.first_field]
            self._open(*(self._options.size or size), picture.format.name, color_of(picture))
        if self.first_us is None:
            self.first_us = self._keyed_us = at_us
        assert self._reshape is not None, "opened above"
        shaped = self._reshape(picture)
        if self._codec.even:
            shaped = cropped_even(shaped, frame)
        yield from self._send(shaped, at_us)

    def _send(self, picture: av.VideoFrame, at_us: int) -> list[EncodedVideoChunk]:
        assert self.first_us is not None, "a picture has come"
        ticks = round((at_us - self.first_us) * TICKS / MICROSECONDS)
        self._ticks = max(self._ticks + 1, ticks)  # encoders require rising times
        picture.pts, picture.time_base = self._ticks, TIME_BASE
        self._inside[self._ticks] = at_us
        picture.pict_type = PictureType.I if self._key_due(at_us) else PictureType.NONE  # not the decoder's type
        self._shown, self._shown_us = picture, at_us
        if self._encoder.rests:
            self._home.rest()
        return self._chunks(self._home.stream.encode(picture))

    def _key_due(self, at_us: int) -> bool:
        """Return whether the picture at ``at_us`` must be a key frame."""
        every_us = self._key_every_us
        due = self._forced or (every_us is not None and at_us + self._jitter_us >= self._keyed_us + every_us)
        if due:
            self._forced, self._keyed_us = False, at_us
        return due

    def _chunks(self, packets: list[Packet]) -> list[EncodedVideoChunk]:
        return [self._chunk(packet) for packet in packets]

    def _chunk(self, packet: Packet) -> EncodedVideoChunk:
        ticks = packet.pts or 0
        ahead = 0 if packet.dts is None else ticks - packet.dts
        lasts_us, reorder_us = round((packet.duration or 0) * MICROSECONDS / TICKS), round(ahead * MICROSECONDS / TICKS)
        return EncodedVideoChunk(
            KEY if packet.is_keyframe else DELTA, self._inside.pop(ticks), memoryview(packet).toreadonly(), *self._shape,
            lasts_us or None, color_space=self._color, description=self._description, reorder_us=reorder_us,
        )  # fmt: skip

    def _open(self, width: int, height: int, pixels: str, color: VideoColorSpace) -> None:
        """Open the encoder for pictures of this size, pixel format (FFmpeg's name; "" if unknown) and colour."""
        shape = Shape(*(even(width, height) if self._codec.even else (width, height)), self._expected.rate)
        encoded = self._codec.encoded_color(color)
        context = self._home.stream.codec_context
        options = set_up(context, self._encoder, shape, self._options, pixels, encoded)
        self._reshape = Reshaper(context.pix_fmt or "", encoded, width, height)
        self._home.open(options, self._codec.title, f"pictures of {width}×{height}")
        self._bits = context.bit_rate if self._encoder.adapts(self._options) else None
        self._shape, self._color = (self._codec.name, shape.width, shape.height), encoded
        self._description = context.extradata
