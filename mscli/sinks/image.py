"""Still pictures: PNG (https://www.w3.org/TR/png/), JPEG (JFIF) and WebP, by FFmpeg's encoders.

A camera's own JPEG is written as it is. Colour is converted to what each file format means: sRGB for PNG, full-range BT.601
for JPEG, video-range BT.601 for WebP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from mscli.core.errors import InvalidStateError, NotReadableError, NotSupportedError
from mscli.core.frames import BT601, JPEG_COLOR, Frame, VideoColorSpace, VideoFrame
from mscli.sinks.base import SinkOptions, TrackFormat
from mscli.sinks.files import OutputSink

if TYPE_CHECKING:
    import av

    from mscli.sinks import SinkRow

_JPEG_STEP = 12.5  # percent of the standard's quantisation table that one step of the encoder's scale stands for
_JPEG_STEPS = 31


class Still(NamedTuple):
    """How one kind of picture is made. ``pixels``: FFmpeg's format of a picture to the encoder's, "" for any other."""

    encoder: str
    pixels: Mapping[str, str]
    color: VideoColorSpace
    quality: float  # if none is asked for; 0 to 1, as a canvas takes them
    options: Mapping[str, str] = {}


_ALPHA = ("rgba", "bgra")
_PNG = Still(
    "png",
    {"gray": "gray", **dict.fromkeys(_ALPHA, "rgba"), "": "rgb24"},
    VideoColorSpace(full_range=True),
    1,
    {"compression_level": "1", "pred": "up"},  # a tenth larger than by default, at 40 % of the work
)
_JPEG = Still(
    "mjpeg",
    dict.fromkeys(("yuv420p", "yuvj420p", "nv12", "gray"), "yuv420p")
    | dict.fromkeys(("yuv422p", "yuvj422p", "yuyv422", "uyvy422"), "yuv422p")
    | {"": "yuv444p"},
    JPEG_COLOR,
    0.92,
)
_WEBP = Still("libwebp", {**dict.fromkeys(_ALPHA, "bgra"), "": "yuv420p"}, BT601, 0.8)

_STILLS = {"image/png": _PNG, "image/jpeg": _JPEG, "image/webp": _WEBP}


class ImageSink(OutputSink):
    """One picture in one file."""

    _written = False
    _damaged = 0

    @classmethod
    def check(cls, row: SinkRow, options: SinkOptions, kinds: Sequence[str]) -> None:  # noqa: ARG003
        """One video track."""
        if list(kinds) != ["video"]:
            raise NotSupportedError(
                "a picture is taken from exactly one video track", hints=["leave out the sound: --no-audio"]
            )

    def open(self, tracks: list[TrackFormat]) -> None:
        """Check that it can be written; the file is made with the picture."""
        import mscli.sinks.convert  # noqa: F401 (the codecs are loaded before the camera runs, not while its picture waits)

        self.check(self.row, self.options, [track.kind for track in tracks])
        self.output.durable = True
        self.output.open()

    def write(self, track: int, frame: Frame) -> None:  # noqa: ARG002
        """Write the picture. Raises InvalidStateError for a second one; NotReadableError if it is damaged: try the next."""
        if self._written:
            raise InvalidStateError("the file holds a picture already")
        assert isinstance(frame, VideoFrame), "check has let video through only"
        self.output.write_all(self._parts(frame))
        self._written = True

    def close(self) -> None:
        """Have the picture safely on the disk, then under its name."""
        self.output.commit()

    def corrections(self, track: int) -> Mapping[str, int]:  # noqa: ARG002
        """Damaged pictures that were refused."""
        return {"decodeErrors": self._damaged} if self._damaged else {}

    def _parts(self, frame: VideoFrame) -> list[bytes | memoryview]:
        still = _STILLS[self.row.mime_type]
        if frame.format == "MJPEG" and still is _JPEG and frame.whole:
            return self._camera_jpeg(frame)
        return [_encode(still, self._picture(frame), frame.display_size, self.options.quality)]

    def _camera_jpeg(self, frame: VideoFrame) -> list[bytes | memoryview]:
        from mscli.sinks.jpeg import BrokenJpegError, file_parts

        try:
            return file_parts(frame.planes[0])
        except BrokenJpegError as error:
            raise self._damage() from error

    def _picture(self, frame: VideoFrame) -> av.VideoFrame:
        from mscli.sinks.convert import PictureReader

        reader = PictureReader()
        pictures = reader.read(frame) or reader.rest(frame)
        if reader.failures or not pictures:
            raise self._damage()
        return pictures[-1]

    def _damage(self) -> NotReadableError:
        self._damaged += 1
        return NotReadableError("the camera sent a damaged picture", hints=["try again", "check cable and USB port"])


def _encode(still: Still, picture: av.VideoFrame, size: tuple[int, int] | None, quality: float | None) -> memoryview:
    """The picture as the bytes of a file, scaled to ``size``."""
    from mscli.sinks.convert import Reshaper, video_context

    pixels = still.pixels.get(picture.format.name, still.pixels[""])
    color = still.color if pixels.startswith("yuv") else still.color._replace(full_range=True)
    encoder = video_context(still.encoder, "w")
    encoder.width, encoder.height = size or (picture.width, picture.height)
    encoder.pix_fmt = pixels
    encoder.time_base, encoder.thread_count = Fraction(1, 1), 1
    encoder.sample_aspect_ratio = Fraction(1, 1)  # a JPEG is marked as JFIF only if it is said
    encoder.options = dict(still.options)
    encoder.color_range = 2 if color.full_range else 1
    _set_quality(encoder, still.quality if quality is None or not 0 <= quality <= 1 else quality)
    shaped = Reshaper(pixels, color)(picture, size)
    shaped.pict_type = 0
    (packet,) = encoder.encode(shaped) or encoder.encode(None)
    return memoryview(packet)


def _set_quality(encoder: av.VideoCodecContext, quality: float) -> None:
    from av.codec.context import Flags

    if encoder.name == "libwebp":
        encoder.options = {"quality": str(round(quality * 100))}
    elif encoder.name == "mjpeg":
        encoder.qmin = encoder.qmax = jpeg_scale(quality)
        encoder.flags |= Flags.bitexact  # no comment of the encoder's in the file


def jpeg_scale(quality: float) -> int:
    """The encoder's scale (1 the best, 31 the worst) whose quantisation is nearest to libjpeg's at that quality (0 to 1)."""
    q = max(1.0, quality * 100)
    percent = 200 - 2 * q if q >= 50 else 5000 / q
    return max(1, min(_JPEG_STEPS, round(percent / _JPEG_STEP)))
