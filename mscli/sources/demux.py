"""Read a container with PyAV: what it holds, and its packets as chunks, pictures and blocks of sound.

https://ffmpeg.org/doxygen/trunk/group__lavf__decoding.html. All times are microseconds from the beginning of the container.
FFmpeg's errors are translated here.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from functools import partial
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import av
from av.bitstream import BitStreamFilterContext

from mscli.core.boxes import Mode, Unusable
from mscli.core.clock import MICROSECONDS
from mscli.core.codecs import VIDEO_CODECS, VideoCodec
from mscli.core.errors import DOMException, NotAllowedError, NotFoundError, NotReadableError, NotSupportedError
from mscli.core.frames import (
    BOTTOM,
    DELTA,
    FORMATS,
    KEY,
    MOST_PIXELS,
    SAMPLE_FORMATS,
    TOP,
    AudioData,
    EncodedVideoChunk,
    Media,
    VideoColorSpace,
    VideoFrame,
    without_first,
)
from mscli.core.log import Burst, Log
from mscli.core.orientation import Orientation
from mscli.core.properties import AUDIO, VIDEO
from mscli.core.tuples import NamedTuple
from mscli.media.pictures import (
    BY_FFMPEG,
    CLOCK,
    JPEG_RANGE,
    MATRIX_OF,
    Reshaper,
    as_video_frame,
    color_of,
    in_range,
    pixel_limit,
    video_context,
)
from mscli.media.sound import as_block, layout_name
from mscli.sources.base import Abilities
from mscli.sources.bytereader import check_pixels
from mscli.sources.feed import GAP_US
from mscli.sources.packettimes import PacketTimes, StreamFacts, Timed

if TYPE_CHECKING:
    Packet = av.Packet[Any]

_log = Log("demux")

T = TypeVar("T")

USUAL_RATE = 25.0  # frames per second, of a stream that does not tell its rate: FFmpeg's own default
_HELD_BYTES = 16 << 20  # packets that wait for those of a stream that comes later in the file
_INDEXED = 2000  # entries of an index that tell how pictures follow each other
_WITH_GAPS = 1.1  # if they usually follow each other this many times faster than on average, there are gaps
_LOOKED_AT = 64  # the most packets that are read for the first picture, from the first one of its stream on
_LOOKED_THROUGH = 64 << 20  # the most bytes in which that may come, if nothing else describes its stream
_FIRST_FIELD = {2: TOP, 3: BOTTOM, 4: BOTTOM, 5: TOP}  # AVFieldOrder, by what is displayed
_HINT = "check it with ffprobe"
_UNDATED = ("matroska,webm", "ogg", "asf")  # formats that have no decoding times, so that FFmpeg guesses them
_FROM_ZERO = ("matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2", "avi", "nut")  # formats whose times begin with the file
_IMAGE_FILES = ("image2", "jpeg_pipe")  # FFmpeg's names of formats of one picture, which may be a JPEG


class VideoContent(NamedTuple):
    """The description of a stream of pictures. ``pixel_format``: that of its decoded pictures."""

    width: int  # pixels, as displayed
    height: int
    rate: float  # frames per second on average
    pixel_format: str
    codec: VideoCodec | None  # its row, if its packets can be chunks
    turned: int = 0  # how far the pictures must be rotated clockwise, in degrees
    disordered: bool = False  # whether its packets come in another order than its pictures, and do not say when to show them


class SoundContent(NamedTuple):
    """The description of a stream of sound."""

    rate: int  # Hz
    channels: int
    bits: tuple[int, ...]  # per sample, that it can be decoded to
    layout: str  # FFmpeg's name of the loudspeaker layout, or "" for up to two channels


class InputContent(NamedTuple):
    """The content of a container. A stream that cannot be used is an error."""

    video: VideoContent | DOMException | None
    sound: SoundContent | DOMException | None
    without_video: bool = False  # whether video was declared, of which nothing came

    @property
    def kinds(self) -> dict[str, Callable[[], Abilities]]:
        """Return the kinds of tracks that are there, each with a function that returns their abilities."""
        there = {VIDEO: self.video, AUDIO: self.sound}
        return {kind: partial(self.abilities, kind) for kind, content in there.items() if content is not None}

    def abilities(self, kind: str) -> Abilities:
        """Return what a track of this kind can be set to. Raises the error of a stream that cannot be used."""
        content = self.video if kind == VIDEO else self.sound
        if isinstance(content, DOMException):
            raise content
        if isinstance(content, VideoContent):
            return _abilities_of_video(content)
        assert content is not None, "only what is there is asked for"
        values = {"sampleRate": (content.rate,), "channelCount": (content.channels,), "sampleSize": content.bits}
        return Abilities(values=values, resampled=True)


def _abilities_of_video(content: VideoContent) -> Abilities:
    size = content.width, content.height, content.rate
    modes, codec = [Mode(content.pixel_format, *size)], content.codec
    if codec is None:
        return Abilities(modes)
    reason = "its pictures are rotated, which a copy would lose" if content.turned else ""
    if content.disordered:
        reason = "its packets do not say when to show their pictures"
    if reason:
        return Abilities(modes, unusable=[Unusable(codec.camera, reason)])
    return Abilities([*modes, Mode(codec.camera, *size)])


class Completed(NamedTuple):
    """The media that one packet of a kind completes. ``until_us``: later packets are decoded after this time."""

    kind: str
    until_us: int
    media: list[Media]


class Mending(NamedTuple):
    """The treatment of times that cannot be true.

    ``retimed``: called with the kind, the number of frames or samples, and how far their time was off.

    ``hasty``: whether the input comes as it is made, so that nothing may wait. ``joins``: whether times that step back for good
    go on after what came before.
    """

    retimed: Callable[[str, int, int], None]
    hasty: bool = False
    joins: bool = True


class StreamReader(Protocol):
    """A reader of one stream's packets. ``lost``: packets that were damaged."""

    kind: str
    lost: int

    def read(self, packet: Packet | None) -> list[Any]:
        """Return what the packet completes, or at the end (None), what is left."""


# Open and describe


def open_container(
    target: Any,
    name: str,
    form: str | None = None,
    options: Mapping[str, str] | None = None,
    *,
    most_pixels: int = MOST_PIXELS,
    **how: Any,
) -> Any:
    """Open a container for reading. ``target``: an address of FFmpeg, or a Python file. Raises a DOMException."""
    try:
        given = {**pixel_limit(most_pixels), **(options or {})}  # FFmpeg decodes pictures to describe a stream
        return av.open(target, "r", format=form, options=given, metadata_errors="replace", **how)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise reading_error(error, name) from error


def reading_error(error: Exception, name: str) -> DOMException:
    """Return the error for people about a failure to read the container ``name``."""
    if isinstance(error, FileNotFoundError):
        return NotFoundError(f"{name} does not exist")
    if isinstance(error, PermissionError):
        return NotAllowedError(f"no permission to read {name}")
    if isinstance(error, av.InvalidDataError | av.EOFError):
        return damaged(name)
    reason = getattr(error, "strerror", None) or str(error)
    return NotReadableError(f"cannot read {name}: {reason[:1].lower()}{reason[1:]}", hints=[_HINT])


def damaged(name: str) -> NotReadableError:
    """Return the error about an input that cannot be understood."""
    return NotReadableError(f"{name} is damaged, or holds no media that mscli can read", hints=[_HINT])


class First(NamedTuple):
    """The facts that the first packets of a container tell."""

    picture: Any = None  # FFmpeg's, if one could be decoded
    encrypted: frozenset[str] = frozenset()  # kinds
    absent: bool = False  # whether nothing came of a video stream that nobody can describe, and sound did


class InputContainer:
    """An open container, and the streams in it that tracks can have: the best of each kind. A context manager."""

    def __init__(self, opened: Any, name: str, most_pixels: int = MOST_PIXELS) -> None:
        """Choose the streams. ``most_pixels``: of a picture."""
        self._opened = opened
        self._name = name
        self._most_pixels = most_pixels
        self._claimed = 0, 0  # the size of the pictures
        self._streams = {kind: stream for kind in (VIDEO, AUDIO) if (stream := _best(opened, kind)) is not None}
        self._start_us = opened.start_time or 0
        self._dated = not opened.format.flags & av.format.Flags.no_timestamps.value  # an elementary stream is not
        if VIDEO in self._streams and (context := self._streams[VIDEO].codec_context):
            context.options = pixel_limit(most_pixels)
            self._claimed = context.width, context.height  # a decoder that refuses the size forgets it
            if opened.format.name in _IMAGE_FILES:
                context.options["err_detect"] = "explode"  # half a JPEG is an error, as in a pipe, and not half grey

    def __enter__(self) -> InputContainer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the container."""
        self._opened.close()

    @property
    def duration_us(self) -> int | None:
        """Return how long it lasts, or None if it does not say."""
        known: int | None = self._opened.duration
        return known

    def hurry(self) -> None:
        """Decode pictures one at a time, so that none waits for the next. Call it before anything is decoded."""
        context = self._streams[VIDEO].codec_context if VIDEO in self._streams else None
        if context is not None and not context.is_open:
            context.thread_type = "SLICE"
            with suppress(av.FFmpegError):  # decoding reports it
                context.open(strict=False)

    def describe(self, *, decode: bool) -> InputContent:
        """Return what it holds. ``decode``: also read the first picture, for its rotation. Nothing is read after that."""
        first = self._first() if decode else First()
        if first.absent:
            del self._streams[VIDEO]
        return InputContent(
            self._described(VIDEO, first, lambda stream: self._video_content(stream, first.picture)),
            self._described(AUDIO, first, lambda stream: _sound_content(stream, self._name)),
            without_video=first.absent or _is_discarded(self._opened.streams.best(VIDEO)),
        )

    def _video_content(self, stream: Any, picture: Any) -> VideoContent:
        check_pixels(self._name, *self._claimed, self._most_pixels)
        try:
            return _video_content(stream, picture, self._name, dated=self._dated)
        except NotReadableError as error:
            side = math.isqrt(self._most_pixels)
            hints = [*error.hints, f"a picture with more than {side}×{side} pixels is not read"]
            raise NotReadableError(error.message, hints=hints) from None

    def _described(self, kind: str, first: First, describe: Callable[[Any], T]) -> T | DOMException | None:
        stream = self._streams.get(kind)
        if stream is None:
            return None
        try:
            if kind in first.encrypted:
                what = "video" if kind == VIDEO else "sound"
                raise NotSupportedError(f"the {what} in {self._name} is encrypted", hints=["use a copy without protection"])
            _check_codec(stream, self._name)
            return describe(stream)
        except DOMException as error:
            return error

    def _first(self) -> First:
        """Return what the first packets tell: the first picture, and which streams are encrypted."""
        if not self._streams:  # FFmpeg would give packets of all streams
            return First()
        picture: Any = None
        encrypted: set[str] = set()
        seen: set[str] = set()
        came: set[str] = set()
        kinds = {stream.index: kind for kind, stream in self._streams.items()}
        video = self._streams.get(VIDEO)
        count = read = 0
        try:
            for packet in self._opened.demux(list(self._streams.values())):
                kind = kinds[packet.stream_index]
                came.update({kind} if packet.size else ())
                read += packet.size
                is_late = VIDEO not in came and not _is_described(video) and read < _LOOKED_THROUGH
                count += not is_late
                if packet.has_sidedata("encryption_info"):
                    encrypted.add(kind)
                elif kind == VIDEO and picture is None and packet.stream.codec_context is not None:
                    picture = next(iter(packet.stream.codec_context.decode(packet)), None)
                seen.update(encrypted, {kind} if kind == AUDIO or picture is not None else ())
                if seen == self._streams.keys() or count >= _LOOKED_AT:
                    break
        except av.FFmpegError as error:  # the reader of the whole input reports it; what came before still describes it
            _log.debug("%s: the first packets end with %s", self._name, error)
        return First(picture, frozenset(encrypted), absent=came == {AUDIO} and not _is_described(video))

    # Read

    def lands(self, seeking_us: int, before_us: int) -> bool:
        """Seek to a time. Return whether the next key frame is before another time; if not, open the container again."""
        if not self._dated:
            return False
        lead = next(iter(self._streams.values()))
        scale = _Scale(lead.time_base, self._start_us)
        try:
            self._seek(seeking_us)
            key = next((packet for packet in self._opened.demux(lead) if packet.size and packet.is_keyframe), None)
            if key is None or scale.us(key.dts if key.pts is None else key.pts) > before_us:
                return False
            self._seek(seeking_us)
        except av.FFmpegError:
            return False
        return True

    def _seek(self, to_us: int) -> None:
        self._opened.seek(max(0, to_us) + self._start_us)

    def steps(
        self, readers: Callable[[str], StreamReader | None], *, ordered: bool, mending: Mending | None = None
    ) -> Iterator[Completed]:
        """Yield what each packet completes, to the end. ``readers``: returns the reader of a kind, or None if nobody wants it.

        A packet that another process has read has its stream's index in ``opaque``, because nothing else can be set.

        ``ordered``: packets that are badly interleaved are put in order, which takes time that a live stream does not have.

        ``mending``: how to mend times that cannot be true.

        Raises NotReadableError if the container is damaged.
        """
        streams = list(self._streams.values())
        scales = {one.index: _Scale(one.time_base, self._start_us) for one in streams}
        kinds = {stream.index: kind for kind, stream in self._streams.items()}
        packets = self._packets(streams)
        if mending is not None and self._dated:
            packets = self._mended(packets, scales, mending)
        for packet in _in_order(packets, scales) if ordered else packets:
            index = _index(packet)
            packet.opaque = None  # no thread of a decoder may have to free an object of Python's: it could wait for ever
            kind = kinds[index]
            reader = readers(kind)
            media = reader.read(packet) if reader is not None else []
            yield Completed(kind, scales[index].order_us(packet), media)
        for kind in self._streams:
            reader = readers(kind)
            if reader is not None:
                yield Completed(kind, 0, reader.read(None))

    def _packets(self, streams: list[Any]) -> Iterator[Packet]:
        packets = (packet for packet in self._opened.demux(streams) if packet.size)
        try:
            yield from packets if self._dated else _dated(packets)
        except (av.FFmpegError, OSError) as error:
            raise reading_error(error, self._name) from error

    def _mended(self, packets: Iterator[Packet], scales: Mapping[int, _Scale], mending: Mending) -> Iterator[Packet]:
        """Yield the packets with times that can be true."""
        kinds = {stream.index: kind for kind, stream in self._streams.items()}
        form = self._opened.format.name

        def retimed(index: int, lasts_us: int, off_us: int) -> None:
            rate = self._streams[AUDIO].codec_context.sample_rate if kinds[index] == AUDIO else 0
            mending.retimed(kinds[index], round(lasts_us * rate / MICROSECONDS) if rate else 1, off_us)

        streams = {index: _stream(self._streams[kinds[index]], form) for index in scales}
        times = PacketTimes(streams, retimed, hasty=mending.hasty, joins=mending.joins, zeroes=form in _FROM_ZERO)
        for timed in times.mended(_timed(packet, scales, streams) for packet in packets):
            yield _with_times(timed, scales[timed.index], reorders=streams[timed.index].reorders)

    def reader(self, kind: str, content: InputContent, pixel_format: str, bits: int, from_us: int = 0) -> StreamReader:
        """Return a reader of the stream of this kind. What ends by ``from_us`` is dropped.

        ``pixel_format``: that of the chosen mode. ``bits``: per sample.
        """
        stream = self._streams[kind]
        scale = _Scale(stream.time_base, self._start_us)
        if kind == AUDIO:
            assert isinstance(content.sound, SoundContent), "it was described"
            return SoundDecoder(stream, scale, content.sound, bits, from_us)
        assert isinstance(content.video, VideoContent), "it was described"
        if content.video.codec is not None and pixel_format == content.video.codec.camera:
            return ChunkReader(stream, scale, content.video, from_us)
        return PictureDecoder(stream, scale, content.video, from_us)


class _Scale:
    """The times of a stream's packets and frames, in microseconds."""

    def __init__(self, base: Fraction, start_us: int) -> None:
        self._numerator, self._denominator, self._start_us = base.numerator * MICROSECONDS, base.denominator, start_us

    def us(self, time: int) -> int:
        """Return a time from the beginning of the container."""
        return time * self._numerator // self._denominator - self._start_us

    def length_us(self, ticks: int | None) -> int:
        """Return a duration."""
        return (ticks or 0) * self._numerator // self._denominator

    def ticks(self, length_us: int) -> int:
        """Return a duration in the stream's unit."""
        return length_us * self._denominator // self._numerator

    def order_us(self, packet: Packet) -> int:
        """Return when a packet is decoded, or 0 if it has no time."""
        time = packet.pts if packet.dts is None else packet.dts
        return 0 if time is None else self.us(time)


def _best(opened: Any, kind: str) -> Any:
    """Return the best stream of a kind, or None. A picture that is attached to sound is not a stream of pictures."""
    best = opened.streams.best(kind)
    if best is None or best.disposition & av.stream.Disposition.attached_pic:
        return None
    return None if _is_discarded(best) else best


def _is_described(video: Any) -> bool:
    """Return whether a stream of pictures is known without one of them, or there is none."""
    return video is None or video.codec_context is None or video.codec_context.pix_fmt is not None


def _is_discarded(stream: Any) -> bool:
    """Return whether a stream was declared, but nothing of it came. The streams of another process have no such mark."""
    return getattr(stream, "discard", None) == av.stream.Discard.all


def _check_codec(stream: Any, name: str) -> None:
    """Raise NotSupportedError if FFmpeg cannot decode the stream."""
    what = "video" if stream.type == "video" else "sound"
    if stream.codec_context is None:
        raise NotSupportedError(f"the codec of the {what} in {name} is unknown", hints=[_HINT])


def _codec_name(stream: Any) -> str:
    """Return our name of a stream's codec."""
    name = str(stream.codec_context.codec.canonical_name)
    return next((row.name for row in VIDEO_CODECS.values() if name in (row.name, row.decoder)), "")


def _video_content(stream: Any, picture: Any, name: str, *, dated: bool) -> VideoContent:
    """Return what a stream of pictures is. ``picture``: its first one, if decoded. ``dated``: whether packets have times."""
    context = stream.codec_context
    seen = picture or context
    form = picture.format.name if picture is not None else context.pix_fmt
    turned = -picture.rotation % 360 if picture is not None else 0
    turned = turned if turned in (90, 180, 270) else 0
    if not (form and seen.width and seen.height):
        raise NotReadableError(f"no picture in {name} can be decoded", hints=[_HINT])
    size = (seen.height, seen.width) if turned % 180 else (seen.width, seen.height)
    rate = float((dated and _usual_rate(stream)) or _stated_rate(stream))
    row = VIDEO_CODECS.get(_codec_name(stream))
    codec = row if row is not None and row.camera else None
    return VideoContent(*size, rate, raw_format(form), codec, turned, disordered=not dated and bool(context.has_b_frames))


def _usual_rate(stream: Any) -> Fraction | None:
    """Return the rate at which the pictures of a stream usually follow each other, if known: gaps do not count."""
    average: Fraction | None = stream.average_rate
    times = [entry.timestamp for entry in islice(getattr(stream, "index_entries", ()), _INDEXED)]
    steps = sorted(late - early for early, late in pairwise(times) if late > early)
    if not average or not steps:
        return average
    usual = 1 / (steps[len(steps) // 2] * stream.time_base)
    return usual if usual > _WITH_GAPS * average else average


def _stated_rate(stream: Any) -> Fraction | float:
    """Return the rate that a stream of pictures states for itself."""
    rate: Fraction | None = getattr(stream, "guessed_rate", None)
    return rate or USUAL_RATE


def _sound_content(stream: Any, name: str) -> SoundContent:
    context = stream.codec_context
    if not (context.sample_rate and context.layout.nb_channels):
        raise NotReadableError(f"the sound in {name} does not tell its sample rate", hints=[_HINT])
    channels, form = context.layout.nb_channels, context.format
    bits = (16,) if form is not None and form.bytes <= 2 else (16, 32)
    layout = context.layout.name if channels > 2 else ""
    return SoundContent(context.sample_rate, channels, bits, layout)


def raw_format(ffmpeg: str) -> str:
    """Return our pixel format that keeps most of pictures in FFmpeg's."""
    if ffmpeg in BY_FFMPEG:
        return BY_FFMPEG[ffmpeg].name
    form = av.VideoFormat(ffmpeg, 8, 8)
    if any(component.is_alpha for component in form.components):
        return "RGBA"
    if len(form.components) == 1:
        return "GREY"
    if form.is_rgb or form.has_palette:
        return "RGB24"
    chroma = form.components[1]
    narrow, low = chroma.width < form.components[0].width, chroma.height < form.components[0].height
    return "I420" if low else "I422" if narrow else "I444"


def decode_image(decoder: str, image: memoryview, name: str) -> VideoFrame:
    """Return the picture in an image file, without a time. ``decoder``: FFmpeg's. ``name``: where it comes from."""
    context = video_context(decoder, "r")
    context.thread_count = 1  # each further thread would hold back a picture
    try:
        pictures = [*context.decode(av.Packet(cast(bytes, image))), *context.decode(None)]
    except av.FFmpegError as error:
        raise reading_error(error, name) from error
    if not pictures:
        raise NotReadableError(f"an image from {name} cannot be decoded")
    picture = pictures[0]
    if picture.format.name not in BY_FFMPEG:
        ours = raw_format(picture.format.name)
        picture = Reshaper(FORMATS[ours].ffmpeg, in_range(ours, color_of(picture)))(picture)
    picture.pts, picture.time_base = 0, CLOCK
    return as_video_frame(picture, VideoFrame("", 0, 0, 0, (), ()))


# Packets in the order of decoding


def _dated(packets: Iterator[Packet]) -> Iterator[Packet]:
    """Yield the packets of an elementary stream. One without a time is decoded after those before it have lasted."""
    next_dts = 0
    for packet in packets:
        if packet.dts is None:
            packet.dts = next_dts if packet.pts is None else packet.pts
        next_dts = packet.dts + (packet.duration or round(1 / (_stated_rate(packet.stream) * packet.time_base)))
        yield packet


def _index(packet: Packet) -> int:
    """Return the index of a packet's stream."""
    return packet.stream_index if packet.opaque is None else cast("tuple[int]", packet.opaque)[0]


def _stream(stream: Any, form: str) -> StreamFacts:
    """Return what the times of a stream depend on. ``form``: FFmpeg's name of its container."""
    reorders = form in _UNDATED and stream.type == "video" and bool(getattr(stream.codec_context, "has_b_frames", False))
    return StreamFacts(stream.type == "audio", round(MICROSECONDS / _stated_rate(stream)), reorders)


def _timed(packet: Packet, scales: Mapping[int, _Scale], streams: Mapping[int, StreamFacts]) -> Timed:
    """Return a packet with the times that its container says."""
    index = _index(packet)
    scale = scales[index]
    order, shown = (packet.pts, None) if streams[index].reorders else (packet.dts, packet.pts)
    order_us, shown_us = (None if at is None else scale.us(at) for at in (order, shown))
    return Timed(index, packet, order_us, shown_us, scale.length_us(packet.duration), packet.is_keyframe, packet.size)


def _with_times(timed: Timed, scale: _Scale, *, reorders: bool) -> Packet:
    """Return the packet with the times that it was given, if they differ from its own."""
    packet: Packet = timed.packet
    decoded_us, shown_us = timed.order_us, timed.shown_us
    if reorders:
        decoded_us, shown_us = None if packet.dts is None else scale.us(packet.dts) + timed.shift_us, timed.order_us
    if decoded_us is not None and packet.dts is not None and (moved_us := decoded_us - scale.us(packet.dts)):
        packet.dts += scale.ticks(moved_us)
    if shown_us is None:  # pictures come in the order of decoding then
        packet.pts = None
    elif packet.pts is not None and (moved_us := shown_us - scale.us(packet.pts)):
        packet.pts += scale.ticks(moved_us)
    return packet


def _in_order(packets: Iterator[Packet], scales: Mapping[int, _Scale]) -> Iterator[Packet]:
    """Yield packets in the order of decoding, although a file may hold those of one stream long before those of another.

    Bound: ``_HELD_BYTES``. Beyond them, packets come as the file has them.
    """
    waiting: dict[int, deque[tuple[int, Packet]]] = {index: deque() for index in scales}
    held = 0

    def earliest() -> Packet:
        return min((queue for queue in waiting.values() if queue), key=lambda queue: queue[0][0]).popleft()[1]

    for packet in packets:
        waiting[packet.stream_index].append((scales[packet.stream_index].order_us(packet), packet))
        held += packet.size
        while held and (held > _HELD_BYTES or all(waiting.values())):
            first = earliest()
            held -= first.size
            yield first
    while any(waiting.values()):
        yield earliest()


# Packets into media


def _decoded(context: Any, packet: Packet | None) -> list[Any]:
    return list(context.decode(packet))


class _Decoder:
    """A decoder of a stream's packets, which skips damaged ones and counts them."""

    def __init__(self, stream: Any, what: str) -> None:
        self.lost = 0
        self._context = stream.codec_context
        self._damaged = Burst(_log, f"%d packet(s) of {what} that cannot be decoded, the latest at %s")

    def _frames(self, packet: Packet | None) -> list[Any]:
        try:
            frames = _decoded(self._context, packet)
        except av.FFmpegError:
            self.lost += 1
            self._damaged.note(1, None if packet is None else packet.pts)
            return []
        if frames:
            self._damaged.end()
        return frames


def _end_us(stream: Any, scale: _Scale) -> int | None:
    """Return when a stream ends, if known. A reordered picture may be said to last longer: until the next one is decoded."""
    start, length = getattr(stream, "start_time", None), getattr(stream, "duration", None)  # a live stream has none
    return scale.us(start + length) if start is not None and length else None


class PictureDecoder(_Decoder):
    """A reader that decodes pictures, and rotates them as the container says."""

    kind = VIDEO

    def __init__(self, stream: Any, scale: _Scale, content: VideoContent, from_us: int) -> None:
        super().__init__(stream, VIDEO)
        if not self._context.is_open:
            self._context.thread_type = "AUTO"
        self._scale, self._content, self._from_us = scale, content, from_us
        self._usual_us = round(MICROSECONDS / content.rate)
        self._end_us = _end_us(stream, scale)
        self._next_us = 0  # when the next picture is shown, if it does not say
        self._undated: deque[int] = deque()  # decoding times of packets that do not say when to show their pictures, as in AVI
        self._reshapers: dict[VideoColorSpace, Reshaper] = {}
        self._turn = _turner(content.turned)

    def read(self, packet: Packet | None) -> list[VideoFrame]:
        """Return the pictures that the packet completes."""
        if packet is not None and packet.pts is None and packet.dts is not None:
            self._undated.append(packet.dts)
        lost, frames = self.lost, []
        for picture in self._frames(packet):
            if self._undated:
                picture.pts = self._undated.popleft()
            frames.append(self._frame(picture))
        if self.lost > lost:
            self._undated.clear()
        return [frame for frame in frames if frame is not None]

    def _frame(self, picture: Any) -> VideoFrame | None:
        at_us = self._next_us if picture.pts is None else self._scale.us(picture.pts)
        lasts_us = self._scale.length_us(picture.duration) or self._usual_us
        if self._end_us is not None and at_us < self._end_us < at_us + lasts_us:
            lasts_us = self._end_us - at_us
        self._next_us = at_us + lasts_us
        if self._next_us <= self._from_us:
            return None
        self.lost += picture.is_corrupt
        field = _FIRST_FIELD.get(self._context.field_order, TOP) if picture.interlaced_frame else ""
        if picture.format.name not in BY_FFMPEG:
            picture = self._in_known_format(picture)
        shown_us = max(at_us, self._from_us)
        picture.pts, picture.time_base = shown_us, CLOCK
        if self._turn is not None:
            picture, field = self._turn(picture), ""
        like = VideoFrame("", 0, 0, shown_us, (), (), self._next_us - shown_us)
        frame = as_video_frame(picture, like)
        return replace(frame, first_field=field) if field else frame

    def _in_known_format(self, picture: Any) -> Any:
        color = color_of(picture)
        name = raw_format(picture.format.name)
        reshape = self._reshapers.get(color)
        if reshape is None:
            reshape = self._reshapers[color] = Reshaper(FORMATS[name].ffmpeg, in_range(name, color))
        return reshape(picture)


def _turner(degrees: int) -> Callable[[Any], Any] | None:
    if not degrees:
        return None
    from mscli.media.orient import Orienter

    return Orienter(Orientation(rotate=degrees))


class ChunkReader:
    """A reader that passes packets on as chunks, from the first key frame at or after ``from_us``."""

    kind = VIDEO

    def __init__(self, stream: Any, scale: _Scale, content: VideoContent, from_us: int) -> None:
        assert content.codec is not None, "only then is there such a mode"
        self.lost = 0
        self._codec, self._scale, self._content = content.codec, scale, content
        self._from_us = from_us
        self._usual_us = round(MICROSECONDS / content.rate)
        extradata = stream.codec_context.extradata or b""
        lengths = extradata[:1] == b"\x01"  # units are preceded by their lengths, not by start codes
        name = content.codec.unit_filter if lengths else ""
        self._filter = BitStreamFilterContext(name, stream) if name else None
        self._color = _color(stream.codec_context)
        self._end_us = _end_us(stream, scale)
        self._begun = False
        self._undated: list[EncodedVideoChunk] = []  # chunks of unknown decoding time

    def read(self, packet: Packet | None) -> list[EncodedVideoChunk]:
        """Return the packet as a chunk, once its decoding time is known."""
        if packet is None:
            rest, self._undated = self._undated, []
            return rest
        at = packet.dts if packet.pts is None else packet.pts
        at_us = 0 if at is None else self._scale.us(at)
        self._begun = self._begun or (packet.is_keyframe and at_us >= self._from_us)
        if not self._begun:
            return []
        lasts_us = self._scale.length_us(packet.duration) or self._usual_us
        if self._end_us is not None and at_us < self._end_us < at_us + lasts_us:
            lasts_us = self._end_us - at_us
        decoded_us = at_us if packet.dts is None else self._scale.us(packet.dts)
        dated = packet.dts is not None
        chunks = [
            EncodedVideoChunk(
                KEY if part.is_keyframe else DELTA, at_us, memoryview(part), self._codec.name, self._content.width,
                self._content.height, lasts_us, color_space=self._color, reorder_us=max(0, at_us - decoded_us),
            )
            for part in (self._filter.filter(packet) if self._filter is not None else [packet])
        ]  # fmt: skip
        if not dated:
            self._undated += chunks
            return []
        earlier, self._undated = self._undated, []
        count = len(earlier)
        backdated = [_decoded_at(chunk, decoded_us - (count - place) * self._usual_us) for place, chunk in enumerate(earlier)]
        return backdated + chunks


def _decoded_at(chunk: EncodedVideoChunk, at_us: int) -> EncodedVideoChunk:
    return replace(chunk, reorder_us=max(0, chunk.timestamp - at_us))


def _color(context: Any) -> VideoColorSpace:
    return VideoColorSpace(MATRIX_OF.get(context.colorspace, "smpte170m"), context.color_range == JPEG_RANGE)


class SoundDecoder(_Decoder):
    """A reader that decodes sound into interleaved samples with a given number of bits."""

    kind = AUDIO

    def __init__(self, stream: Any, scale: _Scale, content: SoundContent, bits: int, from_us: int) -> None:
        super().__init__(stream, AUDIO)
        self._scale, self._content, self._from_us = scale, content, from_us
        self._format = "s16" if bits <= 16 else "s32"
        self._resampler = self._new_resampler()
        self._start_us = scale.us(0)
        self._placed = SmoothTimes(content.rate)

    def _new_resampler(self) -> av.AudioResampler:
        layout = self._content.layout or layout_name(self._content.channels)
        return av.AudioResampler(SAMPLE_FORMATS[self._format].ffmpeg, layout, self._content.rate)

    def read(self, packet: Packet | None) -> list[AudioData]:
        """Return the sound that the packet completes, block by block."""
        return [block for frame in self._frames(packet) if (block := self._block(frame)) is not None]

    def _block(self, frame: av.AudioFrame) -> AudioData | None:
        at_us = None if frame.pts is None else int(frame.pts * (frame.time_base or 0) * MICROSECONDS) + self._start_us
        frame.pts = None
        try:
            parts = self._resampler.resample(frame)
        except ValueError:  # the stream goes on with another rate or other channels
            self._resampler = self._new_resampler()
            parts = self._resampler.resample(frame)
        blocks = [as_block(part, self._format) for part in parts]
        samples = sum(block.number_of_frames for block in blocks)
        if not samples:
            return None
        data = blocks[0].data if len(blocks) == 1 else memoryview(b"".join(block.data for block in blocks))
        timestamp, rate = self._placed.place(at_us, samples), self._content.rate
        block = replace(blocks[0], number_of_frames=samples, timestamp=timestamp, data=data, layout=self._content.layout)
        early = max(0, round((self._from_us - timestamp) * rate / MICROSECONDS)) if self._from_us else 0
        return None if early >= samples else without_first(block, early)


_FOLLOWING = 64  # blocks over which smaller differences are made up for


class SmoothTimes:
    """The times of consecutive blocks of sound. Containers round them, some to milliseconds."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._next_us: float | None = None

    def place(self, at_us: int | None, samples: int) -> int:
        """Return when a block begins. ``at_us``: what the container says, if it says anything."""
        expected_us = self._next_us
        if expected_us is None:
            begin_us = float(at_us or 0)
        elif at_us is None:
            begin_us = expected_us
        else:
            off_us = at_us - expected_us
            begin_us = expected_us + off_us / _FOLLOWING if abs(off_us) <= GAP_US else float(at_us)
        self._next_us = begin_us + samples * MICROSECONDS / self._rate
        return round(begin_us)
