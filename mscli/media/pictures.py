"""Pictures to and from FFmpeg: decode chunks, copy frames, and convert both to another pixel format, colour or size.

https://ffmpeg.org/doxygen/trunk/group__lavc__decoding.html, https://ffmpeg.org/libswscale.html. A picture that has the right
format passes unchanged.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any, Literal, cast

import av
from av.codec.context import Flags
from av.video.reformatter import Interpolation, VideoReformatter

from mscli.core.clock import MICROSECONDS
from mscli.core.codecs import VIDEO_CODECS, VideoCodec
from mscli.core.errors import NotSupportedError
from mscli.core.frames import (
    BOTTOM,
    FORMATS,
    LIMITED_RGB,
    MOST_PIXELS,
    NETWORK_PIXELS,
    PIXEL_FORMATS,
    TOP,
    EncodedVideoChunk,
    Rect,
    VideoColorSpace,
    VideoFrame,
    copy_rows,
    is_yuv,
    outline,
)
from mscli.core.log import Burst, Log
from mscli.core.tuples import NamedTuple
from mscli.media.chunkfilter import NO_FAULTS, NO_REFERENCE, ChunkFilter, Faults, complete

_log = Log("media")

# FFmpeg's numbers for the colour of pictures, from ITU-T H.273 (https://www.itu.int/rec/T-REC-H.273). Its scaler has others.


AV_MATRIX = {"smpte170m": 6, "bt709": 1, "bt2020-ncl": 9, "smpte240m": 7}  # AVColorSpace, for pictures and encoders
AV_RGB = 0  # AVColorSpace without a matrix
SWS_MATRIX = {"smpte170m": 5, "bt709": 1, "bt2020-ncl": 9, "smpte240m": 7}  # SWS_CS_*, for the scaler
AV_ORIGIN = {"bt2020-ncl": (9, 14), "smpte240m": (7, 7)}  # primaries and transfer of a matrix
BT709 = 1  # those of all others; cameras use sRGB's, which only differ in the darkest values
MATRIX_OF = {number: matrix for matrix, number in AV_MATRIX.items()}
MPEG_RANGE, JPEG_RANGE = 1, 2  # AVColorRange
AV_FIELDS = {"": 1, TOP: 2, BOTTOM: 3}  # AVFieldOrder


def av_range(color: VideoColorSpace) -> int:
    """Return FFmpeg's number for the colour's range."""
    return JPEG_RANGE if color.full_range else MPEG_RANGE


CLOCK = Fraction(1, MICROSECONDS)  # the time base of pictures from a source

_EXACT = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP  # or white becomes 253
_RESIZER = Interpolation.BICUBIC  # FFmpeg's own default
_SCALER = _RESIZER | _EXACT
_CONVERTER = Interpolation.BILINEAR | _EXACT  # half the work, if only chroma must be scaled
_PLANAR_RGB = "gbrp"
_PACKED_RGB = {"rgb24", "bgr24", "rgba", "rgb0", "bgra", "bgr0"}  # FFmpeg converts YUV three times faster to planar RGB
BY_FFMPEG = {row.ffmpeg: row for row in FORMATS.values()}
BY_FFMPEG |= {f"yuvj{name[3:]}": BY_FFMPEG[name] for name in ("yuv420p", "yuv422p", "yuv444p")}  # the same with full range
_IN_BYTES = {"gray", "rgb24", "bgr24", "rgba", "rgb0", "bgra", "bgr0", "0rgb", "0bgr"}  # one byte per component
_DEEP_GREY = {"gray10le": 10, "gray12le": 12, "gray14le": 14, "gray16le": 16, "gray16be": 16}  # → bits
_FULL_OF_LIMITED = bytes(min(255, max(0, round((value - 16) * 255 / 219))) for value in range(256))


_READABLE = ("I420", "NV12")  # the commonest formats that FFmpeg reads in any size


class DamagedPicture(ValueError):
    """The frame contains less than a whole picture."""


def as_picture(frame: VideoFrame, used: av.VideoFrame | None = None) -> av.VideoFrame:
    """Copy the frame's visible pixels into an FFmpeg picture with its time and colour. Raises DamagedPicture.

    ``used``: a picture that is no longer needed. Its memory is reused if it has the right shape and nobody else holds it.
    """
    if frame.format not in _READABLE:
        frame = _unpacked(frame)
    row = FORMATS[frame.format]
    rect = frame.visible_rect or Rect(0, 0, frame.coded_width, frame.coded_height)
    picture = _blank(rect.width, rect.height, row.ffmpeg, used)
    for plane, target, source, stride in zip(row.planes, picture.planes, frame.planes, frame.strides, strict=True):
        width, rows = plane.row_bytes(rect.width), plane.rows(rect.height)
        visible = source[rect.y // plane.v * stride + rect.x // plane.h * plane.unit_bytes :]
        if visible.nbytes < stride * (rows - 1) + width:
            raise DamagedPicture(f"a plane has {source.nbytes} bytes")
        copy_rows(memoryview(target), target.line_size, visible, stride, width, rows)
    if frame.color_space == LIMITED_RGB:
        picture = _in_full_range(picture)
    return described(picture, frame.timestamp, in_range(frame.format, frame.color_space))


def _unpacked(frame: VideoFrame) -> VideoFrame:
    """Return the frame in a format that FFmpeg can read."""
    from mscli.media.unpack import UNPACKERS  # imported late: rarely needed

    unpack = UNPACKERS.get(frame.format)
    return frame if unpack is None else unpack(frame)


def _blank(width: int, height: int, name: str, used: av.VideoFrame | None) -> av.VideoFrame:
    if used is None or (used.width, used.height, used.format.name) != (width, height, name):
        return av.VideoFrame(width, height, name)
    used.make_writable()
    return used


def _in_full_range(picture: av.VideoFrame) -> av.VideoFrame:
    """Convert RGB or grey of limited range (16 to 235), which FFmpeg does not support, to full range and 8 bits."""
    if picture.format.name not in _IN_BYTES:
        grey = picture.format.name.startswith("gray")
        picture = VideoReformatter().reformat(picture, None, None, "gray" if grey else "rgb24", threads=1)
    for plane in picture.planes:
        data = memoryview(plane)
        data[:] = bytes(data).translate(_FULL_OF_LIMITED)
    return picture


def without_depth(picture: av.VideoFrame, name: str) -> av.VideoFrame:
    """Return deep grey in 8 bits, if it is for a format without more. FFmpeg divides by 256, which makes it too bright."""
    if picture.format.name not in _DEEP_GREY or name in _DEEP_GREY:
        return picture
    import numpy as np

    name, (plane,) = picture.format.name, picture.planes
    words = np.frombuffer(memoryview(plane), ">u2" if name.endswith("be") else "<u2").reshape(picture.height, -1)[
        :, : picture.width
    ]
    most = (1 << _DEEP_GREY[name]) - 1
    levels = (np.minimum(words, most).astype(np.uint32) * 255 + most // 2) // most
    grey = av.VideoFrame.from_ndarray(levels.astype(np.uint8), "gray")
    grey.pts, grey.time_base = picture.pts, picture.time_base
    grey.colorspace, grey.color_range = picture.colorspace, picture.color_range
    return grey


def in_range(name: str, color: VideoColorSpace) -> VideoColorSpace:
    """Return the colour with the range of the pixel format: RGB and grey always have the full range."""
    return color if is_yuv(name) else color._replace(full_range=True)


def described(picture: av.VideoFrame, timestamp_us: int, color: VideoColorSpace) -> av.VideoFrame:
    """Set the picture's time and colour, and return it."""
    picture.pts, picture.time_base = timestamp_us, CLOCK
    picture.colorspace = AV_MATRIX.get(color.matrix, AV_MATRIX["smpte170m"])
    picture.color_range = av_range(color)
    return picture


def color_of(picture: av.VideoFrame) -> VideoColorSpace:
    """Return the picture's colour, from its metadata."""
    return VideoColorSpace(MATRIX_OF.get(picture.colorspace, "smpte170m"), picture.color_range == JPEG_RANGE)


def as_video_frame(picture: av.VideoFrame, like: VideoFrame | EncodedVideoChunk) -> VideoFrame:
    """Return an FFmpeg picture as a frame without copying. Its sequence and duration are those of ``like``, its origin."""
    row = BY_FFMPEG[picture.format.name]
    return VideoFrame(
        row.name, picture.width, picture.height, picture.pts or 0,
        tuple(memoryview(plane).toreadonly() for plane in picture.planes),
        tuple(plane.line_size for plane in picture.planes),
        like.duration, like.sequence, color_of(picture),
    )  # fmt: skip


def cropped_even(picture: av.VideoFrame, like: VideoFrame | EncodedVideoChunk) -> av.VideoFrame:
    """Return the picture without an odd last column or row, which 4:2:0 encoders do not accept."""
    if not (picture.width | picture.height) & 1:
        return picture
    frame = as_video_frame(picture, like)
    return as_picture(replace(frame, coded_width=picture.width & ~1, coded_height=picture.height & ~1))


def video_context(codec: str, mode: Literal["r", "w"]) -> av.VideoCodecContext:
    """Return FFmpeg's decoder ("r") or encoder ("w") with this name, for the caller to configure."""
    context = av.CodecContext.create(codec, mode)
    assert isinstance(context, av.VideoCodecContext), "only asked for video"
    context.options = pixel_limit(MOST_PIXELS) if mode == "r" else {}
    return context


_ROUNDED = 1 << 23  # pixels: 64 columns and 64 rows of 65535 each


def pixel_limit(most: int) -> dict[str, str]:
    """Return FFmpeg's option for a decoder of pictures of ``most`` pixels. It counts sides rounded up to whole blocks."""
    return {"max_pixels": str(most + _ROUNDED)}


class Reshaper:
    """A converter of pictures to one pixel format (FFmpeg's name), colour and size (pixels; 0: unchanged)."""

    def __init__(self, pixel_format: str, color: VideoColorSpace, width: int = 0, height: int = 0) -> None:
        self._format = pixel_format
        self._color = color
        self._size = (width or None, height or None)
        self._scaler = VideoReformatter()
        self._packer = VideoReformatter()

    def __call__(self, picture: av.VideoFrame, size: tuple[int, int] | None = None) -> av.VideoFrame:
        """Return the picture converted, optionally to another size. A picture that fits already is returned unchanged."""
        width, height = size or self._size
        picture = without_depth(picture, self._format)
        if self._format not in _PACKED_RGB or not _is_yuv(picture):
            return self._convert(self._scaler, picture, width, height, self._format)
        planar = self._convert(self._scaler, picture, width, height, _PLANAR_RGB)
        return self._convert(self._packer, planar, None, None, self._format)

    def _convert(
        self, scaler: VideoReformatter, picture: av.VideoFrame, width: int | None, height: int | None, pixel_format: str
    ) -> av.VideoFrame:
        source = color_of(picture)
        scaled = (width or picture.width, height or picture.height) != (picture.width, picture.height)
        only_scaled = scaled and picture.format.name == pixel_format and source == self._color and _is_yuv(picture)
        return scaler.reformat(
            picture, width, height, pixel_format,
            interpolation=_RESIZER if only_scaled else _SCALER if scaled else _CONVERTER,
            src_colorspace=SWS_MATRIX[source.matrix], dst_colorspace=SWS_MATRIX[self._color.matrix],
            src_color_range=av_range(source),
            dst_color_range=av_range(self._color),
            threads=1,
        )  # fmt: skip


def _is_yuv(picture: av.VideoFrame) -> bool:
    row = BY_FFMPEG.get(picture.format.name)
    return row is not None and is_yuv(row.name)


# Frames and chunks into pictures.


_END_BYTES = 8  # of an image's data, with its end marker
TOLERATED = 5  # after this many consecutive damaged pictures, damage counts as normal for the camera


class PictureReader:
    """A reader of pictures. It copies frames and decodes chunks, and drops and counts damaged ones.

    If a camera delivers only damaged pictures, they are shown after ``TOLERATED`` in a row and counted as torn, unless
    ``strict``.

    ``one_at_a_time``: a picture is valid until the next read, which reuses its memory. (New memory from the system for each
    picture would cost a tenth of the time that x264 takes to encode it.)
    """

    def __init__(self, *, one_at_a_time: bool = False, strict: bool = False) -> None:
        self.failures = 0  # frames that caused an error
        self._read = 0  # frames that were decoded or copied
        self._given = 0  # pictures from these frames
        self._early = 0  # frames before the first picture, which the decoder may need for it
        self._first_us: int | None = None  # the time of the first of these
        self._torn = 0
        self._why = ""
        self._strict = strict
        self._chunk_filter: ChunkFilter | None = None  # for chunks, once there is one
        self._one_at_a_time = one_at_a_time
        self._used: av.VideoFrame | None = None
        self._in_a_row = 0
        self._bad_messages = False  # whether the camera sends messages in its chunks that cannot be decoded
        self._decoders: dict[str, av.VideoCodecContext] = {}
        self._lenient: av.VideoCodecContext | None = None  # for damaged images
        self._undecoded = Burst(_log, "%d frame(s) that cannot be decoded, the latest, of %s, at %.3f s")

    @property
    def faults(self) -> Faults:
        """Return the faults of the frames that yielded no whole picture, with or without an error."""
        if not self.failures and self._chunk_filter is None:
            return NO_FAULTS
        missing = max(0, self._read - self._given)
        if self.holds:
            missing = min(missing, self.failures)
        early = min(self._early, missing)
        seen = self._chunk_filter.faults if self._chunk_filter is not None else NO_FAULTS
        return Faults(seen.damaged + missing - early, seen.early + early, seen.parts, self._torn, self._why)

    @property
    def holds(self) -> bool:
        """Return whether a decoder may hold pictures until ``rest``, because the display order differs."""
        return any(decoder.has_b_frames for decoder in self._decoders.values())

    def read(self, media: VideoFrame | EncodedVideoChunk) -> list[av.VideoFrame]:
        """Return the pictures that the frame or chunk completes: usually one, none if it is damaged or more is needed."""
        if isinstance(media, EncodedVideoChunk):
            return self._decoded(media)
        self._read += 1
        try:
            picture = as_picture(media, self._used)
        except DamagedPicture:
            self._note_damage(media.format, media.timestamp)
            return []
        self._used = picture if self._one_at_a_time else None
        return self._good([picture])

    def rest(self) -> list[av.VideoFrame]:
        """Return the pictures that the decoder still holds. Another chunk begins anew with a key frame.

        Whoever reads a stream calls this at its end, or the last pictures of a stream with another display order are missing.
        """
        decoders, self._decoders = self._decoders, {}
        if self._chunk_filter is not None:
            self._chunk_filter.begin_again()
        pictures: list[av.VideoFrame] = []
        for decoder in decoders.values():
            try:
                pictures += _pictures(decoder, None)
            except av.FFmpegError:
                self.failures += 1
        return self._good(self._counted(pictures))

    def close(self) -> None:
        """Free the last picture. What was counted stays known."""
        self._used = self._lenient = None

    def _good(self, pictures: list[av.VideoFrame]) -> list[av.VideoFrame]:
        if pictures and self._in_a_row:
            self._in_a_row = 0
            self._undecoded.end()
        self._given += len(pictures)
        return pictures

    def _decoded(self, chunk: EncodedVideoChunk) -> list[av.VideoFrame]:
        chunk_filter = self._chunk_filter = self._chunk_filter or ChunkFilter(whole=False)
        data = chunk_filter.pass_on(chunk)
        if data is None:
            self._why = chunk_filter.faults.why
            return []
        codec = VIDEO_CODECS[chunk.codec]
        self._read += 1
        try:
            if chunk_filter.unended:
                _, pictures = _decode_unended(self._decoder(codec, chunk), chunk)
            else:
                pictures = self._decode_units(codec, data, chunk, is_torn=chunk_filter.broken)
        except (av.FFmpegError, DamagedPicture):
            return self._damaged(data, chunk, codec, chunk_filter)
        if not (codec.intra or self._given):
            self._note_beginning(chunk, pictures)
        if pictures and not self._strict:
            self._decoder(codec, chunk).flags |= Flags.output_corrupt  # what depends on a lost one is shown from now on
        return self._good(self._counted(pictures))

    def _note_beginning(self, chunk: EncodedVideoChunk, pictures: list[av.VideoFrame]) -> None:
        """Count the chunks before the first picture. After a recovery point the first pictures are incomplete."""
        self._first_us = chunk.timestamp if self._first_us is None else self._first_us
        if not pictures:
            self._early += 1
        elif pictures[0].pts == self._first_us:
            self._early = 0  # the decoder has only held it

    def _counted(self, pictures: list[av.VideoFrame]) -> list[av.VideoFrame]:
        """Count the torn pictures, and return those to show: if ``strict``, only the others."""
        torn = [picture for picture in pictures if _is_torn(picture)]
        if not torn:
            return pictures
        self._why = NO_REFERENCE
        if self._strict:
            self.failures += len(torn)
            return [picture for picture in pictures if picture not in torn]
        self._torn += len(torn)
        return pictures

    def _decode_units(
        self, codec: VideoCodec, data: memoryview, chunk: EncodedVideoChunk, *, is_torn: bool
    ) -> list[av.VideoFrame]:
        """Decode a chunk, without its messages if the camera sends some that cannot be decoded. Raises av.FFmpegError."""
        decoder, units = self._decoder(codec, chunk), codec.units
        origin = None if codec.intra else Origin(outline(chunk), is_torn)
        try:
            if units is None or not self._bad_messages:
                return _decode(decoder, data, chunk, origin)
        except av.FFmpegError:
            if units is None or not units.has_messages(data):
                raise
        pictures = _decode(decoder, memoryview(units.without_messages(data)), chunk, origin, again=not self._bad_messages)
        self._bad_messages = True
        return pictures

    def _decoder(self, codec: VideoCodec, chunk: EncodedVideoChunk) -> av.VideoCodecContext:
        decoder = self._decoders.get(codec.name)
        if decoder is None:
            strict = self._in_a_row < TOLERATED or self._strict
            decoder = self._decoders[codec.name] = _open_decoder(codec, chunk, strict=strict)
        return decoder

    def _note_damage(self, form: str, timestamp_us: int) -> None:
        self.failures += 1
        self._in_a_row += 1
        self._why = "cannot be decoded"
        self._undecoded.note(1, form, timestamp_us / MICROSECONDS)

    def _damaged(
        self, data: memoryview, chunk: EncodedVideoChunk, codec: VideoCodec, chunk_filter: ChunkFilter
    ) -> list[av.VideoFrame]:
        """Count a damaged chunk. Return its picture anyway if the camera delivers no better ones."""
        self._note_damage(chunk.codec, chunk.timestamp)
        chunk_filter.lose()
        if self._in_a_row == TOLERATED and not (codec.intra or self._strict):  # restart at the next key chunk
            return self.rest()
        if self._in_a_row <= TOLERATED or self._strict or not codec.intra:
            return []
        self._lenient = self._lenient or _open_decoder(codec, chunk, strict=False)
        try:
            pictures = _decode(self._lenient, data, chunk)
        except av.FFmpegError:
            return []
        self._given += len(pictures)
        self._torn += len(pictures)
        return pictures


class ShotDecoder:
    """A strict decoder of chunks that depend on each other, into frames of their own format and size.

    One for all frames of a shot: whoever begins anew has to wait for the next key frame.
    """

    def __init__(self) -> None:
        self._reader = PictureReader(strict=True)

    @property
    def faults(self) -> Faults:
        """Return the faults of the chunks that yielded no whole picture."""
        return self._reader.faults

    def decode(self, chunk: EncodedVideoChunk) -> list[VideoFrame]:
        """Return the frames that the chunk completes: none if it is damaged or more is needed."""
        return [_frame(picture, origin_of(picture, chunk)) for picture in self._reader.read(chunk)]

    def rest(self) -> list[VideoFrame]:
        """Return the frames that are still held back. No more chunks may follow."""
        return [_frame(picture, origin_of(picture)) for picture in self._reader.rest()]


def _frame(picture: av.VideoFrame, chunk: VideoFrame | EncodedVideoChunk) -> VideoFrame:
    """Return a decoded picture as a frame, converted if no raw format is like it."""
    if picture.format.name not in BY_FFMPEG:
        picture = Reshaper("rgb24" if picture.format.is_rgb else "yuv444p", color_of(picture))(picture)
    return replace(as_video_frame(picture, chunk), display_size=chunk.display_size)


def _open_decoder(codec: VideoCodec, chunk: EncodedVideoChunk, *, strict: bool) -> av.VideoCodecContext:
    """Return a decoder for chunks like this one. ``strict``: it fails instead of returning half grey pictures."""
    decoder = video_context(codec.decoder, "r")
    decoder.thread_count = 1  # each further thread would hold back a picture
    decoder.flags |= Flags.copy_opaque
    if not chunk.reorder_us:  # or pictures would come in the order of decoding
        decoder.flags |= Flags.low_delay
    if chunk.description is not None:
        decoder.extradata = chunk.description
        decoder.width, decoder.height = chunk.coded_width, chunk.coded_height  # FFV1 needs the size to parse its description
    most = max(NETWORK_PIXELS, chunk.coded_width * chunk.coded_height)  # one that grows later does not fill the memory
    decoder.options = {**pixel_limit(most), **({"err_detect": "explode"} if strict else {})}
    return decoder


def completed(chunk: EncodedVideoChunk) -> bytes | None:
    """Return the data of an image that lacks nothing but its end, or None if it lacks more."""
    decoder = _open_decoder(VIDEO_CODECS[chunk.codec], chunk, strict=True)
    try:
        return _decode_unended(decoder, chunk)[0]
    except DamagedPicture:
        return None


def needs_all_data(chunk: EncodedVideoChunk) -> bool:
    """Return whether a complete image can be decoded in the size in its header, and not without the end of its data."""
    codec = VIDEO_CODECS[chunk.codec]
    assert codec.image is not None, "only those have a header of their own"
    data, decoder = bytes(complete(chunk, codec.image)), _open_decoder(codec, chunk, strict=True)
    try:
        whole = bool(_decode(decoder, memoryview(data), chunk))
    except av.FFmpegError:
        return False
    try:
        return whole and not _decode(decoder, memoryview(data[:-_END_BYTES] + codec.image.fills[0]), chunk)
    except av.FFmpegError:
        return whole


def _decode_unended(decoder: av.VideoCodecContext, chunk: EncodedVideoChunk) -> tuple[bytes, list[av.VideoFrame]]:
    """Decode an image without an end. Return its data and its picture. Raises DamagedPicture if it is not complete."""
    image = VIDEO_CODECS[chunk.codec].image
    assert image is not None, "only those have an end"
    for data in image.unended(chunk.data):
        try:
            shown = [_decode(decoder, memoryview(data + fill), chunk) for fill in image.fills]
        except av.FFmpegError:
            continue
        if all(shown) and all(_is_same(shown[0][0], pictures[0]) for pictures in shown[1:]):
            return data, shown[0]
    raise DamagedPicture("is cut off")


def _is_same(one: av.VideoFrame, other: av.VideoFrame) -> bool:
    """Return whether two pictures of 8 bits have the same size and pixels."""
    if (one.format.name, one.width, one.height) != (other.format.name, other.width, other.height):
        return False
    return all(
        memoryview(left)[at : at + left.width] == memoryview(right)[at : at + left.width]
        for left, right in zip(one.planes, other.planes, strict=True)
        for at in range(0, left.height * left.line_size, left.line_size)
    )


def coded_size(chunk: EncodedVideoChunk, sets: bytes = b"", *, strict: bool = False) -> tuple[int, int] | None:
    """Return the size that a key chunk tells, or None if it tells none. ``sets``: parameter sets from an earlier chunk.

    ``strict``: it only counts if the chunk can be decoded.
    """
    decoder = video_context(VIDEO_CODECS[chunk.codec].decoder, "r")
    decoder.thread_count = 1
    if strict:
        decoder.flags |= Flags.low_delay
        decoder.options = {"err_detect": "explode"}
    try:
        pictures = decoder.decode(av.Packet(sets + bytes(chunk.data)))
    except av.FFmpegError:
        pictures = []  # the decoder may have read the size before it failed
    if strict and not any(not picture.is_corrupt for picture in pictures):
        return None
    return (decoder.width, decoder.height) if decoder.width and decoder.height else None


class Origin(NamedTuple):
    """The chunk of a decoded picture, without its data, and whether it depends on a lost one. The decoder passes it on."""

    chunk: EncodedVideoChunk
    is_torn: bool


def origin_of(picture: av.VideoFrame, media: VideoFrame | EncodedVideoChunk | None = None) -> VideoFrame | EncodedVideoChunk:
    """Return what a reader's picture was made of: an earlier chunk than ``media``, the latest, if the decoder held it."""
    origin = picture.opaque
    if isinstance(origin, Origin):
        return origin.chunk
    assert media is not None, "no decoder has held it"
    return media


def _is_torn(picture: av.VideoFrame) -> bool:
    return picture.is_corrupt or (isinstance(picture.opaque, Origin) and picture.opaque.is_torn)


def _decode(
    decoder: av.VideoCodecContext,
    data: memoryview,
    chunk: EncodedVideoChunk,
    origin: Origin | None = None,
    *,
    again: bool = False,
) -> list[av.VideoFrame]:
    """Return the pictures that a chunk completes. ``again``: the decoder has failed, and may have lost the picture's origin."""
    packet = av.Packet(cast(bytes, data))
    packet.pts, packet.time_base, packet.opaque = chunk.timestamp, CLOCK, origin
    return _pictures(decoder, packet, chunk, None if again else origin)


def _pictures(
    decoder: av.VideoCodecContext,
    packet: av.Packet[Any] | None,
    chunk: EncodedVideoChunk | None = None,
    latest: Origin | None = None,
) -> list[av.VideoFrame]:
    """Return the pictures that the packet completes, or without one those that the decoder holds. Raises av.FFmpegError.

    One without an origin among those with one replaces a lost picture. It is torn.
    """
    shown = []
    for picture in decoder.decode(packet):
        if picture.opaque is None and packet is None:
            continue
        if picture.opaque is None and latest is not None:
            picture.opaque = latest._replace(is_torn=True)
        origin = origin_of(picture, chunk)
        assert isinstance(origin, EncodedVideoChunk), "decoded"
        shown.append(_shown(picture, origin))
    return shown


def _shown(picture: av.VideoFrame, chunk: EncodedVideoChunk) -> av.VideoFrame:
    """Return the visible part of a decoded picture, with its time and colour."""
    described(picture, picture.pts if picture.pts is not None else chunk.timestamp, _color(picture, chunk))
    if chunk.visible_rect in (None, Rect(0, 0, picture.width, picture.height)):
        return picture
    origin = picture.opaque
    if picture.format.name not in BY_FFMPEG:  # the chroma subsampling of a JPEG may match no raw format
        picture = Reshaper("yuv444p", color_of(picture))(picture)
    cut = as_picture(replace(as_video_frame(picture, chunk), visible_rect=chunk.visible_rect))
    cut.opaque = origin
    return cut


def _color(picture: av.VideoFrame, chunk: EncodedVideoChunk) -> VideoColorSpace:
    """Return the colour of a decoded picture: the codec's only one, or else the stream's, or else the chunk's."""
    color = VIDEO_CODECS[chunk.codec].color
    if color is not None:
        return color
    color = chunk.color_space
    if picture.color_range in (MPEG_RANGE, JPEG_RANGE):
        color = color._replace(full_range=picture.color_range == JPEG_RANGE)
    return color._replace(matrix=MATRIX_OF.get(picture.colorspace, color.matrix))


class Converter:
    """A converter of frames and chunks to raw frames of one format. YUV keeps its matrix and gets the limited range.

    ``format``: "" keeps the format of frames and turns chunks into I420. ``color``: replaces the colour of all frames.
    """

    def __init__(self, format: str = "", color: VideoColorSpace | None = None) -> None:  # noqa: A002 (named as in VideoFrame)
        if format and not FORMATS[format].ffmpeg:
            hints = [f"formats: {', '.join(PIXEL_FORMATS)}"]
            raise NotSupportedError(f"cannot convert pictures to the format {format}", hints=hints)
        self._format = format
        self._color = color
        self._reader = PictureReader()
        self._reshapers: dict[tuple[str, VideoColorSpace], Reshaper] = {}

    @property
    def faults(self) -> Faults:
        """Return the faults of the frames that yielded none."""
        return self._reader.faults

    def convert(self, media: VideoFrame | EncodedVideoChunk) -> VideoFrame | None:
        """Return the newest frame of ``read``, for those who show no other, or None if there is none."""
        return next(reversed(self.read(media)), None)

    def read(self, media: VideoFrame | EncodedVideoChunk) -> list[VideoFrame]:
        """Return the frames that this one completes, converted, cropped and scaled; or unchanged if it fits.

        It is usually one, and none if it is damaged or its decoder needs more.
        """
        own = media.format if isinstance(media, VideoFrame) else ""
        name = self._format or own or "I420"
        if isinstance(media, VideoFrame) and own == name and media.whole and self._fits(media.color_space):
            return [media]
        return [self._frame(picture, name, origin_of(picture, media)) for picture in self._reader.read(media)]

    def rest(self) -> list[VideoFrame]:
        """Return the frames that the decoder still holds. Another chunk begins anew with a key frame."""
        return [self._frame(picture, self._format or "I420", origin_of(picture)) for picture in self._reader.rest()]

    def _frame(self, picture: av.VideoFrame, name: str, media: VideoFrame | EncodedVideoChunk) -> VideoFrame:
        return as_video_frame(self._reshape(picture, name, media.display_size), media)

    def _fits(self, color: VideoColorSpace) -> bool:
        if self._color is not None:
            return color == self._color
        return color != LIMITED_RGB or not self._format

    def _reshape(self, picture: av.VideoFrame, name: str, size: tuple[int, int] | None) -> av.VideoFrame:
        name = name if FORMATS[name].ffmpeg else "RGB24"  # FFmpeg cannot crop or scale the other formats
        color = in_range(name, self._color or color_of(picture)._replace(full_range=False))
        reshape = self._reshapers.get((name, color))
        if reshape is None:
            reshape = self._reshapers[name, color] = Reshaper(FORMATS[name].ffmpeg, color)
        return reshape(picture, size)
