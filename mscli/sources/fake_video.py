"""The frames of a fake camera: the picture of ``fake_picture`` at the camera's rate, encoded where the mode says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, cast

from mscli.core.boxes import Scalar
from mscli.core.clock import MICROSECONDS
from mscli.core.errors import NotReadableError
from mscli.core.frames import BT601, JPEG_COLOR, VideoFrame
from mscli.sources.fake_picture import Painter

if TYPE_CHECKING:
    from av.video.codeccontext import VideoCodecContext
    from av.video.plane import VideoPlane


class EncoderRow(NamedTuple):
    """An FFmpeg encoder that makes one chunk of each picture at once, as a camera does."""

    codec: str
    pix_fmt: str
    options: dict[str, str]


ENCODERS = {
    "MJPEG": EncoderRow("mjpeg", "yuvj420p", {"flags": "+qscale", "global_quality": "354"}),  # 3 in units of 1/118
    "H264": EncoderRow("libx264", "yuv420p", {"preset": "ultrafast", "tune": "zerolatency", "crf": "20"}),
}


class VideoFeed:
    """Makes a camera's frames. Frame k of the common grid is captured k frame durations after the epoch."""

    delay = 0  # durations of a frame from the instant of its capture to its delivery

    def __init__(self, pixel_format: str, settings: Mapping[str, Scalar]) -> None:
        self.rate = float(settings["frameRate"])  # frames per second
        self._frames, self._seconds = self.rate.as_integer_ratio()  # exactly: so many frames in so many seconds
        self._format, self._width, self._height = pixel_format, int(settings["width"]), int(settings["height"])
        row = ENCODERS.get(pixel_format)
        self._encoder = Encoder(row, self._width, self._height, self.rate) if row else None
        self._color_space = JPEG_COLOR if pixel_format == "MJPEG" else BT601
        self._painter = Painter("I420" if row else pixel_format, self._width, self._height, self._color_space.full_range)

    def first(self, since_epoch_us: int) -> int:
        """The first frame of the grid that is captured at that instant or later."""
        return -(-since_epoch_us * self._frames // (self._seconds * MICROSECONDS))

    def at_us(self, index: int) -> int:
        """When that frame of the grid is captured, in microseconds since the epoch."""
        return index * self._seconds * MICROSECONDS // self._frames

    def size(self, index: int) -> int:  # noqa: ARG002 (blocks of sound differ)
        """How much the frame counts for in sequence numbers and losses."""
        return 1

    def frame(self, index: int, number: int, timestamp: int) -> VideoFrame:
        """Frame ``index`` of the grid, which is frame ``number`` since the camera was started."""
        planes = self._painter.paint(number, self._turn(index), number > 0 and self._flashes(index))
        strides, key = self._painter.strides, True
        if self._encoder:
            chunk, key = self._encoder.encode(planes, number)
            planes, strides = (chunk,), (0,)
        return VideoFrame(
            self._format, self._width, self._height, timestamp, planes, strides,
            self.at_us(1), number, self._color_space, key,
        )  # fmt: skip

    def _turn(self, index: int) -> float:
        """How much of its second is over, from 0 to 1."""
        return index * self._seconds % self._frames / self._frames

    def _flashes(self, index: int) -> bool:
        """Whether it is the first frame in its second, the epoch's excepted."""
        second = index * self._seconds // self._frames
        return second > 0 and (index - 1) * self._seconds // self._frames < second


class Encoder:
    """Encodes I420 pictures, one chunk each: JPEG files, or H.264 as Annex B with a key frame once a second."""

    def __init__(self, row: EncoderRow, width: int, height: int, rate: float) -> None:
        from av import FFmpegError

        self._row, self._width, self._height = row, width, height
        try:
            self._context = _open_encoder(row, width, height, rate)
        except FFmpegError as error:
            message = f"the fake camera cannot encode pictures of {width} × {height} with {row.codec}: {error.strerror}"
            raise NotReadableError(message) from error

    def encode(self, planes: tuple[memoryview, ...], number: int) -> tuple[memoryview, bool]:
        """The chunk of that picture, and whether decoding may start there."""
        from av import VideoFrame as Picture

        picture = Picture(self._width, self._height, self._row.pix_fmt)
        for plane, data in zip(picture.planes, planes, strict=True):
            _fill(plane, data)
        picture.pts = number
        (packet,) = self._context.encode(picture)
        return memoryview(bytes(packet)), packet.is_keyframe


def _open_encoder(row: EncoderRow, width: int, height: int, rate: float) -> VideoCodecContext:
    from fractions import Fraction

    from av import CodecContext

    context = cast("VideoCodecContext", CodecContext.create(row.codec, "w"))
    context.width, context.height, context.pix_fmt = width, height, row.pix_fmt
    context.framerate = Fraction(rate).limit_denominator(1001)
    context.time_base = 1 / context.framerate
    context.gop_size = max(1, round(rate))
    context.thread_count = 1  # more would hold frames back
    context.options = row.options
    context.open()
    return context


def _fill(plane: VideoPlane, packed: memoryview) -> None:
    """Copy packed rows into a plane whose rows may be padded."""
    row = len(packed) // plane.height
    if plane.line_size == row:
        plane.update(bytes(packed))
    else:
        padding = bytes(plane.line_size - row)
        plane.update(b"".join(bytes(packed[at : at + row]) + padding for at in range(0, len(packed), row)))
