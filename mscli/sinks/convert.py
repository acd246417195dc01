"""Pixels and samples into FFmpeg's memory and back, and from one format to another: the one place where that happens.

https://ffmpeg.org/libswscale.html, https://ffmpeg.org/libswresample.html. What is right already is handed on untouched.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Literal, cast

import av
from av.codec.context import Flags
from av.video.reformatter import Interpolation, VideoReformatter

from mscli.core.clock import MICROSECONDS
from mscli.core.errors import NotReadableError
from mscli.core.frames import (
    JPEG_COLOR,
    PIXEL_FORMATS,
    SAMPLE_FORMATS,
    AudioData,
    PixelFormat,
    Rect,
    VideoColorSpace,
    VideoFrame,
    packed_planes,
)
from mscli.sinks.colors import AV_MATRIX, BT709, JPEG_RANGE, MPEG_RANGE, SWS_MATRIX, av_range

CLOCK = Fraction(1, MICROSECONDS)  # the time base of pictures that come from a source
TOLERATED = 5  # damaged pictures in a row, after which a camera's damage is taken for its habit

_SCALER = Interpolation.BICUBIC  # FFmpeg's own default; PyAV's is bilinear
_PACKED_422 = {"YUYV": (0, 1, 3), "UYVY": (1, 0, 2)}  # where the first Y, U and V are
_BY_FFMPEG = {row.ffmpeg: row for row in PIXEL_FORMATS.values()}
_BY_FFMPEG |= {f"yuvj{name[3:]}": _BY_FFMPEG[name] for name in ("yuv420p", "yuv422p", "yuv444p")}  # the same in full range
_YUV = {"I420", "NV12", "I422", "YUYV", "UYVY", "I444"}  # the others always use the full range
_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}


class DamagedPicture(ValueError):
    """The frame holds less than a whole picture."""


def to_av(frame: VideoFrame, used: av.VideoFrame | None = None) -> av.VideoFrame:
    """The frame's visible pixels in a picture of FFmpeg's, with time and colour; one copy. Raises DamagedPicture.

    ``used``: a picture that is not needed any more. Its memory is taken if it has the right shape and nobody else holds it.
    """
    if frame.coded_width & 1 and frame.format in _PACKED_422:
        frame = _planar(frame)
    row = PIXEL_FORMATS[frame.format]
    rect = frame.visible_rect or Rect(0, 0, frame.coded_width, frame.coded_height)
    picture = _blank(rect.width, rect.height, row.ffmpeg, used)
    for plane, target, source, stride in zip(row.planes, picture.planes, frame.planes, frame.strides, strict=True):
        width, rows = plane.row_bytes(rect.width), plane.rows(rect.height)
        visible = source[rect.y // plane.v * stride + plane.row_bytes(rect.x) :]
        if visible.nbytes < stride * (rows - 1) + width:
            raise DamagedPicture(f"a plane has {source.nbytes} bytes")
        _copy_rows(memoryview(target), target.line_size, visible, stride, width, rows)
    return _described(picture, frame.timestamp, in_range(frame.format, frame.color_space))


def _blank(width: int, height: int, name: str, used: av.VideoFrame | None) -> av.VideoFrame:
    if used is None or (used.width, used.height, used.format.name) != (width, height, name):
        return av.VideoFrame(width, height, name)
    used.make_writable()
    return used


def _planar(frame: VideoFrame) -> VideoFrame:
    """YUYV or UYVY as I422: of odd widths the scaler would leave the last column's colour to chance."""
    data = packed_planes(frame)[0].tobytes()
    y, u, v = _PACKED_422[frame.format]
    planes = tuple(memoryview(data[first::step]) for first, step in ((y, 2), (u, 4), (v, 4)))
    half = (frame.coded_width + 1) // 2
    return replace(frame, format="I422", planes=planes, strides=(2 * half, half, half))


def in_range(name: str, color: VideoColorSpace) -> VideoColorSpace:
    """The colour with the range that the pixel format has: full for RGB and grey, whatever was said."""
    return color if name in _YUV else color._replace(full_range=True)


def _copy_rows(target: memoryview, step: int, source: memoryview, stride: int, width: int, rows: int) -> None:
    if step == stride:
        count = min(stride * rows, source.nbytes)
        target[:count] = source[:count]
        return
    for row in range(rows):
        target[row * step : row * step + width] = source[row * stride : row * stride + width]


def _described(picture: av.VideoFrame, timestamp_us: int, color: VideoColorSpace) -> av.VideoFrame:
    picture.pts, picture.time_base = timestamp_us, CLOCK
    picture.colorspace = AV_MATRIX.get(color.matrix, AV_MATRIX["smpte170m"])
    picture.color_range = av_range(color)
    return picture


def color_of(picture: av.VideoFrame) -> VideoColorSpace:
    """The colour that a picture says it has."""
    return VideoColorSpace("bt709" if picture.colorspace == BT709 else "smpte170m", picture.color_range == JPEG_RANGE)


def from_av(picture: av.VideoFrame, like: VideoFrame) -> VideoFrame:
    """A picture of FFmpeg's as a frame, uncopied; sequence and duration as those of ``like``, the frame that it came from."""
    row = _BY_FFMPEG[picture.format.name]
    return VideoFrame(
        row.name, picture.width, picture.height, picture.pts or 0,
        tuple(memoryview(plane).toreadonly() for plane in picture.planes),
        tuple(plane.line_size for plane in picture.planes),
        like.duration, like.sequence, color_of(picture),
    )  # fmt: skip


def cropped_even(picture: av.VideoFrame, like: VideoFrame) -> av.VideoFrame:
    """The picture without its last column and row where width or height is odd, as 4:2:0 encoders need it."""
    if not (picture.width | picture.height) & 1:
        return picture
    frame = from_av(picture, like)
    return to_av(replace(frame, coded_width=picture.width & ~1, coded_height=picture.height & ~1))


def video_context(codec: str, mode: Literal["r", "w"]) -> av.VideoCodecContext:
    """A decoder ("r") or encoder ("w") by FFmpeg's name, to be set up."""
    context = av.CodecContext.create(codec, mode)
    assert isinstance(context, av.VideoCodecContext), "only asked for video"
    return context


def _visible(picture: av.VideoFrame, frame: VideoFrame) -> av.VideoFrame:
    """The part of a decoded picture that its frame shows."""
    if frame.visible_rect in (None, Rect(0, 0, picture.width, picture.height)):
        return picture
    if picture.format.name not in _BY_FFMPEG:  # a JPEG's chroma may be sampled as no raw format has it
        picture = Reshaper("yuv444p", color_of(picture))(picture)
    return to_av(replace(from_av(picture, frame), visible_rect=frame.visible_rect))


class PictureReader:
    """Pictures from frames of any format: copied in if raw, decoded if encoded. What is damaged is left out and counted.

    ``one_at_a_time``: a picture is good until the next one is read, and its memory is used again. (To get fresh memory from
    the system for each costs a tenth of what x264 needs for it.)
    """

    def __init__(self, *, one_at_a_time: bool = False) -> None:
        self.failures = 0  # frames for which there was an error
        self._read = 0  # frames
        self._given = 0  # pictures of these
        self._one_at_a_time = one_at_a_time
        self._used: av.VideoFrame | None = None
        self._in_a_row = 0
        self._decoders: dict[str, av.VideoCodecContext] = {}

    @property
    def damaged(self) -> int:
        """Frames that have given no whole picture, with an error or without; also those that a decoder holds until ``rest``."""
        return max(0, self._read - self._given)

    def read(self, frame: VideoFrame) -> list[av.VideoFrame]:
        """The pictures that the frame completes: one, or none if it is damaged or a decoder waits for more."""
        row = PIXEL_FORMATS[frame.format]
        self._read += 1
        try:
            pictures = self._decode(frame, row) if row.encoded else [self._copied(frame)]
        except (av.FFmpegError, DamagedPicture):
            self._damage()
            return []
        self._in_a_row = 0
        self._given += len(pictures)
        return pictures

    def rest(self, frame: VideoFrame) -> list[av.VideoFrame]:
        """What the decoder of the frame's format still holds, when no more frames will come."""
        decoder = self._decoders.pop(frame.format, None)
        try:
            pictures = decoder.decode(None) if decoder else []
        except av.FFmpegError:
            self._damage()
            return []
        self._given += len(pictures)
        return [_visible(_colored(picture, frame), frame) for picture in pictures]

    def _copied(self, frame: VideoFrame) -> av.VideoFrame:
        picture = to_av(frame, self._used)
        self._used = picture if self._one_at_a_time else None
        return picture

    def _decode(self, frame: VideoFrame, row: PixelFormat) -> list[av.VideoFrame]:
        decoder = self._decoders.get(frame.format) or self._open(row)
        packet = av.Packet(cast(bytes, frame.planes[0]))
        packet.pts, packet.time_base = frame.timestamp, CLOCK
        return [_visible(_colored(picture, frame), frame) for picture in decoder.decode(packet)]

    def _open(self, row: PixelFormat) -> av.VideoCodecContext:
        decoder = video_context(row.ffmpeg, "r")
        decoder.thread_count = 1  # more threads hold back as many pictures
        decoder.flags |= Flags.low_delay
        if self._in_a_row < TOLERATED:
            decoder.options = {"err_detect": "explode"}  # no half grey pictures
        self._decoders[row.name] = decoder
        return decoder

    def _damage(self) -> None:
        self.failures += 1
        self._in_a_row += 1
        if self._in_a_row == TOLERATED:
            self._decoders.clear()


def _colored(picture: av.VideoFrame, frame: VideoFrame) -> av.VideoFrame:
    """A decoded picture with its colour said: a JPEG's is JFIF's, a stream's its own if it tells, else the frame's."""
    color = JPEG_COLOR if frame.format == "MJPEG" else frame.color_space
    if frame.format != "MJPEG" and picture.color_range in (MPEG_RANGE, JPEG_RANGE):
        color = color._replace(full_range=picture.color_range == JPEG_RANGE)
    if frame.format != "MJPEG" and picture.colorspace == BT709:
        color = color._replace(matrix="bt709")
    return _described(picture, picture.pts if picture.pts is not None else frame.timestamp, color)


class Reshaper:
    """Brings pictures to one pixel format (FFmpeg's name), colour and size (pixels; 0: as they come)."""

    def __init__(self, pixel_format: str, color: VideoColorSpace, width: int = 0, height: int = 0) -> None:
        self._format = pixel_format
        self._color = color
        self._size = (width or None, height or None)
        self._scaler = VideoReformatter()

    def __call__(self, picture: av.VideoFrame, size: tuple[int, int] | None = None) -> av.VideoFrame:
        """The picture in that shape, or in another size; itself if it has it already."""
        source = color_of(picture)
        width, height = size or self._size
        scaled = (width or picture.width, height or picture.height) != (picture.width, picture.height)
        return self._scaler.reformat(
            picture, width, height, self._format, interpolation=_SCALER if scaled else None,
            src_colorspace=SWS_MATRIX[source.matrix], dst_colorspace=SWS_MATRIX[self._color.matrix],
            src_color_range=av_range(source),
            dst_color_range=av_range(self._color),
            threads=1,
        )  # fmt: skip


class Converter:
    """Frames of any format into raw frames of one format; video-range BT.601 or BT.709 where that is YUV."""

    def __init__(self, format: str) -> None:  # noqa: A002 (the frame's own word)
        self._row = PIXEL_FORMATS[format]
        self._reader = PictureReader()
        self._reshapers: dict[VideoColorSpace, Reshaper] = {}
        self.damaged = 0  # frames for which none was given

    def convert(self, frame: VideoFrame) -> VideoFrame | None:
        """The frame in the format, cropped and scaled as it is to be shown; itself if it is so. None if it is damaged, or its
        decoder waits for more."""
        if frame.format == self._row.name and frame.whole:
            return frame
        pictures = self._reader.read(frame)
        if not pictures:
            self.damaged += 1
            return None
        return from_av(self._reshape(pictures[-1], frame.display_size), frame)

    def _reshape(self, picture: av.VideoFrame, size: tuple[int, int] | None) -> av.VideoFrame:
        color = in_range(self._row.name, color_of(picture)._replace(full_range=False))
        reshape = self._reshapers.get(color)
        if reshape is None:
            reshape = self._reshapers[color] = Reshaper(self._row.ffmpeg, color)
        return reshape(picture, size)


def shown(frame: VideoFrame) -> VideoFrame:
    """The frame cropped and scaled as it is to be shown; I420 if it is encoded. Raises NotReadableError if it is damaged."""
    picture = Converter("I420" if PIXEL_FORMATS[frame.format].encoded else frame.format).convert(frame)
    if picture is None:
        raise NotReadableError("the camera sent a damaged picture")
    return picture


def layout_name(channels: int) -> str:
    """FFmpeg's name for so many channels in their usual order."""
    return _LAYOUTS.get(channels, f"{channels} channels")


def sound_to_av(block: AudioData) -> av.AudioFrame:
    """The block in a frame of FFmpeg's; one copy."""
    ffmpeg = SAMPLE_FORMATS[block.format].ffmpeg
    return _sound(ffmpeg, block.sample_rate, block.number_of_channels, block.number_of_frames, block.data.cast("B"))


def silence_av(format: str, rate: int, channels: int, samples: int) -> av.AudioFrame:  # noqa: A002
    """So many samples of silence in a frame of FFmpeg's. ``format`` is ours."""
    row = SAMPLE_FORMATS[format]
    return _sound(row.ffmpeg, rate, channels, samples, memoryview(row.silence * (samples * channels)))


def _sound(ffmpeg: str, rate: int, channels: int, samples: int, data: memoryview) -> av.AudioFrame:
    frame = av.AudioFrame(ffmpeg, layout_name(channels), samples)
    frame.sample_rate = rate
    memoryview(frame.planes[0])[: data.nbytes] = data
    return frame


def clip_sound(sound: av.AudioFrame, first: int, last: int) -> av.AudioFrame:
    """The samples of a frame of FFmpeg's (interleaved) from ``first`` to before ``last``, counted as its ``pts`` is."""
    start = sound.pts or 0
    first, last = max(first, start), min(last, start + sound.samples)
    if (first, last) == (start, start + sound.samples):
        return sound
    unit = sound.format.bytes * sound.layout.nb_channels
    data = memoryview(sound.planes[0])[(first - start) * unit : (last - start) * unit]
    clipped = av.AudioFrame(sound.format.name, sound.layout.name, max(0, last - first))
    if last > first:
        memoryview(clipped.planes[0])[: data.nbytes] = data
    clipped.sample_rate, clipped.pts, clipped.time_base = sound.sample_rate, first, sound.time_base
    return clipped


class SampleConverter:
    """Blocks of sound into one sample format (ours); rate and channels stay."""

    def __init__(self, format: str) -> None:  # noqa: A002
        self._row = SAMPLE_FORMATS[format]
        self._resamplers: dict[tuple[str, int, int], av.AudioResampler] = {}

    def convert(self, block: AudioData) -> AudioData:
        """The block in the format; itself if it is in it."""
        if block.format == self._row.name:
            return block
        shape = (block.format, block.sample_rate, block.number_of_channels)
        if shape not in self._resamplers:
            self._resamplers[shape] = av.AudioResampler(self._row.ffmpeg)
        (frame,) = self._resamplers[shape].resample(sound_to_av(block))
        count = block.number_of_frames * block.number_of_channels * self._row.bits // 8
        return replace(block, format=self._row.name, data=memoryview(frame.planes[0])[:count].toreadonly())
