"""Write still pictures: PNG (https://www.w3.org/TR/png/), JPEG (JFIF), WebP, TIFF, PPM and PGM with FFmpeg's encoders, and
AVIF with OpenCV's.

The picture of a camera's own JPEG is written unchanged, unless another quality or orientation is wanted. Colour is converted to
what each file format implies: full-range BT.601 for JPEG, video-range BT.601 for WebP, sRGB for all others. PNG, TIFF and PGM
keep grey of 10 to 16 bits, AVIF up to 12 of them.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from typing import TYPE_CHECKING

from mscli.core.clock import now_us, wall_clock
from mscli.core.codecs import VIDEO_CODECS
from mscli.core.errors import InvalidStateError, NotSupportedError, OperationError
from mscli.core.frames import BT601, JPEG_COLOR, EncodedVideoChunk, Media, VideoColorSpace, VideoFrame
from mscli.core.tuples import NamedTuple
from mscli.core.version import __version__
from mscli.encode.options import SinkOptions, TrackFormat
from mscli.media.chunkfilter import NO_FAULTS, Faults
from mscli.sinks.files.output import NamedFile, OutputSink
from mscli.sinks.pictures.exif import INTO, PictureFacts, exif

if TYPE_CHECKING:
    from datetime import datetime

    import av

    from mscli.media.caption import Captioner
    from mscli.media.pictures import PictureReader
    from mscli.sinks import SinkRow

_NAME_TAKEN = (errno.EEXIST, errno.EBUSY)  # there is such a file, or another program is writing it
_JPEG_STEP = 12.5  # percent of the standard's quantisation table per step of the encoder's scale
_JPEG_STEPS = 31


class Still(NamedTuple):
    """A picture format and its encoder. ``pixels``: FFmpeg's format of a picture → the encoder's; "" stands for any other.

    ``codec``: the codec of the chunks that already are such files. ``by_quality``: the encoder's options for a quality. An
    ``encoder`` with a dot is OpenCV's, by suffix.
    """

    encoder: str
    pixels: Mapping[str, str]
    color: VideoColorSpace
    quality: float  # the default, 0 to 1 as for a canvas
    options: Mapping[str, str] = {}
    codec: str = ""
    by_quality: Callable[[float], Mapping[str, str]] = lambda _quality: {}


_ALPHA = ("rgba", "bgra")
_DEEP_GREY = ("gray10le", "gray12le", "gray14le", "gray16le", "gray16be")
_PNG = Still(
    "png",
    {"gray": "gray", **dict.fromkeys(_DEEP_GREY, "gray16be"), **dict.fromkeys(_ALPHA, "rgba"), "": "rgb24"},
    VideoColorSpace(full_range=True),
    1,
    {"compression_level": "1", "pred": "up"},  # 10 % larger than with the defaults, for 40 % of the work
)
_JPEG = Still(
    "mjpeg",
    dict.fromkeys(("yuv420p", "yuvj420p", "nv12", "gray"), "yuv420p")
    | dict.fromkeys(("yuv422p", "yuvj422p", "yuyv422", "uyvy422"), "yuv422p")
    | {"": "yuv444p"},
    JPEG_COLOR,
    0.92,
    {"flags": "+bitexact"},  # omit the encoder's comment from the file
    codec="mjpeg",
    by_quality=lambda quality: dict.fromkeys(("qmin", "qmax"), str(jpeg_scale(quality))),
)
_WEBP = Still(
    "libwebp",
    {**dict.fromkeys(_ALPHA, "bgra"), "": "yuv420p"},
    BT601,
    0.8,
    by_quality=lambda quality: {"quality": str(round(quality * 100))},
)

_TIFF = Still(
    "tiff",
    {"gray": "gray", **dict.fromkeys(_DEEP_GREY, "gray16le"), **dict.fromkeys(_ALPHA, "rgba"), "": "rgb24"},
    VideoColorSpace(full_range=True),
    1,
    {"compression_algo": "lzw", "flags": "+bitexact"},  # omit the name of the encoder, too
)
_PPM = Still("ppm", {"": "rgb24"}, VideoColorSpace(full_range=True), 1)
_PGM = Still("pgm", {**dict.fromkeys(_DEEP_GREY, "gray16be"), "": "gray"}, VideoColorSpace(full_range=True), 1)
_AVIF = Still(
    ".avif",
    {
        "gray": "gray", "gray10le": "gray10le", **dict.fromkeys(_DEEP_GREY[1:], "gray12le"),
        **dict.fromkeys(_ALPHA, "bgra"), "": "bgr24",
    },
    VideoColorSpace(full_range=True),
    0.8,
)  # fmt: skip

STILLS = {
    "image/png": _PNG,
    "image/jpeg": _JPEG,
    "image/webp": _WEBP,
    "image/tiff": _TIFF,
    "image/avif": _AVIF,
    "image/x-portable-pixmap": _PPM,
    "image/x-portable-graymap": _PGM,
}


class ImageSink(OutputSink):
    """A sink for one picture in one file. The facts about its ``track`` go into the metadata."""

    single = True
    codecs = VIDEO_CODECS
    _written = False
    _reader: PictureReader | None = None  # for frames that must be decoded
    _captioner: Captioner | None = None

    @classmethod
    def check(cls, row: SinkRow, options: SinkOptions, kinds: Sequence[str]) -> None:  # noqa: ARG003
        """Check that there is one video track."""
        if list(kinds) != ["video"]:
            raise NotSupportedError("a picture needs exactly one video track", hints=["leave out the sound with --no-audio"])

    @classmethod
    def describe(cls, row: SinkRow, options: SinkOptions, tracks: Sequence[TrackFormat]) -> str:
        """Return the format and the size."""
        width, height = (int(tracks[0].settings[name]) for name in ("width", "height"))
        if options.orientation is not None:
            width, height = options.orientation.size_of(width, height)
        return f"{row.suffix.upper()} {width}×{height}"

    def open(self, tracks: list[TrackFormat]) -> None:
        """Check that the file can be written. It is created with the picture."""
        import mscli.media.pictures  # noqa: F401 (loads the codecs before the camera runs, not while its picture waits)

        self.check(self.row, self.options, [track.kind for track in tracks])
        (self.track,) = tracks
        self._begin()
        self._with_free_name(lambda: self.output.open())

    @property
    def goes_on(self) -> bool:  # type: ignore[override]
        """Return whether there can be another file."""
        return self.is_file

    def go_on(self, path: str) -> None:
        """Take the next picture, for another file. Whether that can be created shows when the picture is written."""
        self.output = NamedFile(path, self.options.overwrite, on_note=self.options.on_note)
        self._begin()
        self._written, self._reader = False, None

    def _begin(self) -> None:
        self.output.durable = self.output.at_once = True
        self.output.name_durable = self.name_durable

    def write(self, track: int, frame: Media) -> None:  # noqa: ARG002
        """Write the picture, or nothing if it is damaged: then try the next. Raises InvalidStateError for a second picture."""
        if self._written:
            raise InvalidStateError("the picture has already been written")
        assert isinstance(frame, VideoFrame | EncodedVideoChunk), "check has let video through only"
        parts = self._parts(frame)
        if parts:
            self._with_free_name(lambda: self.output.write_all(parts))
            self._written = True

    def _with_free_name(self, act: Callable[[], object]) -> None:
        """Act on the output. If another program has just taken its name, choose another one and try again."""
        while True:
            try:
                act()
            except OperationError as error:
                cause = error.__cause__
                if self.another is None or not isinstance(cause, OSError) or cause.errno not in _NAME_TAKEN:
                    raise
                self.go_on(self.another())
            else:
                return

    def close(self) -> None:
        """Flush the picture to the disk, then give it its name."""
        self.output.commit()

    def faults(self, track: int) -> Faults:  # noqa: ARG002
        """Return the faults of the frames that yielded no picture."""
        return self._reader.faults if self._reader is not None else NO_FAULTS

    def corrections(self, track: int) -> Mapping[str, int]:
        """Return these faults for the report."""
        return {name: count for name, count in self.faults(track).corrections.items() if count}

    def _parts(self, frame: VideoFrame | EncodedVideoChunk) -> Sequence[bytes | memoryview]:
        still = STILLS[self.row.mime_type]
        as_it_is = self.options.filters is None and self.options.quality is None
        if as_it_is and isinstance(frame, EncodedVideoChunk) and frame.codec == still.codec and frame.whole:
            from mscli.core.jpeg import BrokenJpegError, file_parts
            from mscli.media.chunkfilter import whole_image

            with suppress(BrokenJpegError):  # the decoder may still yield a picture
                jpeg = whole_image(frame)
                self.size = frame.coded_width, frame.coded_height
                return self._with_metadata(file_parts(jpeg), frame, *self.size)
        picture = self._picture(frame)
        if picture is None:
            return []
        shaped = _shaped(still, *self._filtered(picture, frame))
        width, height = self.size = shaped.width, shaped.height
        if still.encoder.startswith("."):
            metadata = exif(self._facts(frame, width, height)) if self.options.metadata else b""
            return [_encode_by_opencv(still, shaped, self.options.quality, metadata)]
        return self._with_metadata([_encode(still, shaped, self.options.quality)], frame, width, height)

    def _filtered(self, picture: av.VideoFrame, frame: VideoFrame | EncodedVideoChunk) -> tuple[av.VideoFrame, tuple[int, int]]:
        """Return the picture cropped, flipped, rotated and with a caption as wanted, and the size to which it is scaled."""
        size, options = frame.display_size, self.options
        if options.filters is None:
            return picture, size or (picture.width, picture.height)
        from mscli.media.pictures import Reshaper, color_of

        if size is not None:
            picture = Reshaper(picture.format.name, color_of(picture), *size)(picture)
        if options.orientation is not None:
            from mscli.media.orient import Orienter

            picture = Orienter(options.orientation)(picture)
        if options.caption is not None:
            from mscli.media.caption import Captioner

            self._captioner = self._captioner or Captioner(options.caption, self.track.label if self.track else "")
            picture = self._captioner(picture, self._taken(frame))
        return picture, (picture.width, picture.height)

    def _with_metadata(
        self, parts: Sequence[bytes | memoryview], frame: VideoFrame | EncodedVideoChunk, width: int, height: int
    ) -> Sequence[bytes | memoryview]:
        return INTO[self.row.mime_type](parts, self._facts(frame, width, height)) if self.options.metadata else parts

    def _facts(self, frame: VideoFrame | EncodedVideoChunk, width: int, height: int) -> PictureFacts:
        track = self.track
        assert track is not None, "open"
        return PictureFacts(self._taken(frame), f"mscli {__version__}", track.settings, track.label, track.maker, width, height)

    def _taken(self, frame: VideoFrame | EncodedVideoChunk) -> datetime:
        """Return the time of a picture. Nobody knows when a file's picture was taken: that gets the present time."""
        assert self.track is not None, "open"
        return wall_clock(now_us() if self.track.paced else frame.timestamp)

    def _picture(self, frame: VideoFrame | EncodedVideoChunk) -> av.VideoFrame | None:
        from mscli.media.pictures import PictureReader

        self._reader = self._reader or PictureReader(strict=True)
        pictures = self._reader.read(frame)
        if not pictures and self._reader.holds:
            pictures = self._reader.rest()
        return pictures[-1] if pictures else None


def encoded(mime_type: str, picture: av.VideoFrame) -> memoryview:
    """Return the bytes of a file of a type that FFmpeg writes, with the usual quality."""
    still = STILLS[mime_type]
    return _encode(still, _shaped(still, picture, (picture.width, picture.height)), None)


def _shaped(still: Still, picture: av.VideoFrame, size: tuple[int, int]) -> av.VideoFrame:
    """Return the picture in the encoder's pixel format and colour, scaled to ``size``."""
    from mscli.media.pictures import Reshaper

    pixels = still.pixels.get(picture.format.name, still.pixels[""])
    color = still.color if pixels.startswith("yuv") else still.color._replace(full_range=True)
    shaped = Reshaper(pixels, color)(picture, size)
    shaped.color_range = 2 if color.full_range else 1
    return shaped


def _encode(still: Still, picture: av.VideoFrame, quality: float | None) -> memoryview:
    """Return the bytes of a file with the picture."""
    from mscli.media.pictures import video_context

    encoder = video_context(still.encoder, "w")
    encoder.width, encoder.height, encoder.pix_fmt = picture.width, picture.height, picture.format.name
    encoder.time_base, encoder.thread_count = Fraction(1, 1), 1
    encoder.sample_aspect_ratio = Fraction(1, 1)  # otherwise the JPEG is not marked as JFIF
    encoder.options = {**still.options, **still.by_quality(_quality(still, quality))}
    encoder.color_range = picture.color_range
    picture.pict_type = 0
    (packet,) = encoder.encode(picture) or encoder.encode(None)
    return memoryview(packet)


def _encode_by_opencv(still: Still, picture: av.VideoFrame, quality: float | None, metadata: bytes) -> memoryview:
    """Return the bytes of a file with the picture and EXIF data."""
    import cv2
    import numpy as np

    kinds, blobs = ([cv2.IMAGE_METADATA_EXIF], [np.frombuffer(metadata, np.uint8)]) if metadata else ([], [])
    depth = max(component.bits for component in picture.format.components)
    parameters = [cv2.IMWRITE_AVIF_QUALITY, round(_quality(still, quality) * 100), cv2.IMWRITE_AVIF_DEPTH, depth]
    written, data = cv2.imencodeWithMetadata(still.encoder, picture.to_ndarray(), kinds, blobs, parameters)
    if not written:
        raise NotSupportedError(f"this OpenCV cannot write {still.encoder} pictures", hints=["use .png, .jpg or .webp"])
    return memoryview(data.tobytes())


def _quality(still: Still, quality: float | None) -> float:
    return still.quality if quality is None or not 0 <= quality <= 1 else quality


def jpeg_scale(quality: float) -> int:
    """Return the value on the encoder's scale (1 best, 31 worst) closest to libjpeg's quantisation at a quality (0 to 1)."""
    q = max(1.0, quality * 100)
    percent = 200 - 2 * q if q >= 50 else 5000 / q
    return max(1, min(_JPEG_STEPS, round(percent / _JPEG_STEP)))
