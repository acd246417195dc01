"""The table of the formats of ``mscli capture``: what each can hold, and how FFmpeg and GStreamer read it.

A pixel or sample format alone, such as I420 or s16, is raw data in that format. To add a format, add a row.
"""

from __future__ import annotations

from collections.abc import Mapping

from mscli.core.addresses import scheme_of
from mscli.core.errors import NotSupportedError
from mscli.core.frames import FORMATS, SAMPLE_FORMATS, PixelFormat
from mscli.core.properties import AUDIO, VIDEO
from mscli.core.tuples import NamedTuple

NATIVE = "native"  # unchanged, even if encoded


class OutputFormat(NamedTuple):
    """A format of an output.

    ``ffmpeg``, ``gst``: FFmpeg's options before ``-i``, and GStreamer's elements behind the source; with the fields of
    ``OutputContents``. "" if it cannot be read.
    """

    name: str
    title: str  # for people
    suffixes: tuple[str, ...] = ()
    video: bool = False
    audio: bool = False
    pixels: tuple[str, ...] | None = None  # the pixel formats that it can carry; (): every one; None: it has none to choose
    samples: str = ""  # the format of its samples, "" for that of the source
    codec: str = ""  # the codec of its pictures, a name in VIDEO_CODECS
    container: str = ""  # the suffix of the container that holds encoded tracks
    ffmpeg: str = ""
    gst: str = ""

    @property
    def kinds(self) -> list[str]:
        """Return the kinds of tracks that it can hold."""
        return [kind for kind, there in ((AUDIO, self.audio), (VIDEO, self.video)) if there]

    @property
    def single(self) -> bool:
        """Return whether it holds one track."""
        return not self.container


_PIXELS = "-f rawvideo -pixel_format {pixels} -video_size {width}x{height} -framerate {rate}"
_GST_PIXELS = "rawvideoparse format={gst_pixels} width={width} height={height} framerate={rate}{planes}"
_SAMPLES = "-f {samples} -ar {hertz} -ac {channels}"
_GST_SAMPLES = "rawaudioparse format=pcm pcm-format={gst_samples} sample-rate={hertz} num-channels={channels}"
NPY_HEAD_BYTES = 128

Y4M_CHROMA = {"I420": "420mpeg2", "I422": "422", "I444": "444"}  # pixel format → its name in YUV4MPEG2

# raw data: what is written if neither --format nor a suffix says otherwise
RAW = OutputFormat("", "raw", (), True, True, (), ffmpeg=_PIXELS, gst=_GST_PIXELS)
_PCM = OutputFormat("pcm", "PCM", (), audio=True, ffmpeg=_SAMPLES, gst=_GST_SAMPLES)

OUTPUT_FORMATS: dict[str, OutputFormat] = {
    row.name: row
    for row in (
        OutputFormat("rawvideo", "raw video", (), True, pixels=(), ffmpeg=_PIXELS, gst=_GST_PIXELS),
        OutputFormat("y4m", "YUV4MPEG2", ("y4m",), True, pixels=tuple(Y4M_CHROMA), ffmpeg="-f yuv4mpegpipe", gst="y4mdec"),
        OutputFormat("mjpeg", "MJPEG", ("mjpeg", "mjpg"), True, codec="mjpeg",
                     ffmpeg="-f mjpeg -framerate {rate}", gst="jpegparse"),
        OutputFormat("h264", "H.264", ("h264", "264"), True, codec="h264", ffmpeg="-f h264 -framerate {rate}", gst="h264parse"),
        OutputFormat("multipart", "MJPEG in multipart/x-mixed-replace", (), True, codec="mjpeg",
                     ffmpeg="-f mpjpeg", gst="multipartdemux ! jpegparse"),
        OutputFormat("npy", "NumPy array", ("npy",), True, True, pixels=(),
                     ffmpeg=f"{{plain}} -skip_initial_bytes {NPY_HEAD_BYTES}"),
        OutputFormat("wav", "WAV", ("wav",), audio=True, ffmpeg="-f wav", gst="wavparse"),
        _PCM,
        *(_PCM._replace(name=name, title=f"{name} samples", suffixes=(name,), samples=name)
          for name in ("s16le", "s24le", "s32le", "f32le")),
        OutputFormat("matroska", "Matroska", ("mkv",), True, True, container="mkv", ffmpeg="-f matroska", gst="matroskademux"),
    )
}  # fmt: skip

BY_SUFFIX = {suffix: row for row in OUTPUT_FORMATS.values() for suffix in row.suffixes}
CONTAINERS = tuple(row.name for row in OUTPUT_FORMATS.values() if row.container)

# the samples of each format before they are packed, and as others call them
STORED_AS = {"s16le": "s16", "s24le": "s32", "s32le": "s32", "f32le": "f32"}
PACKED_BITS = {"s24le": 24}
_LITTLE_ENDIAN = {"u8": "u8", "s16": "s16le", "s32": "s32le", "f32": "f32le"}
_GST_SAMPLE_NAMES = {"u8": "u8", "s16le": "s16le", "s24le": "s24le", "s32le": "s32le", "f32le": "f32le"}
_GST_PIXEL_NAMES = {
    "I420": "i420", "NV12": "nv12", "I422": "y42b", "YUYV": "yuy2", "UYVY": "uyvy", "I444": "y444", "RGB24": "rgb",
    "BGR24": "bgr", "RGBA": "rgba", "RGBX": "rgbx", "BGRA": "bgra", "BGRX": "bgrx", "GREY": "gray8", "NV21": "nv21",
    "YV12": "yv12", "NV16": "nv16", "NV61": "nv61", "NV24": "nv24", "YVYU": "yvyu", "VYUY": "vyuy", "YUV411": "y41b",
    "XRGB": "xrgb", "XBGR": "xbgr", "Y16": "gray16-le", "Y16BE": "gray16-be", "RGB565": "rgb16", "RGB555": "rgb15",
}  # fmt: skip


class OutputContents(NamedTuple):
    """The contents of an output: its format, and of its pictures or its sound what no header may tell."""

    form: OutputFormat
    pixel_format: str = ""
    width: int = 0
    height: int = 0
    rate: str = ""  # as a fraction: 30/1
    samples: str = ""
    hertz: int = 0
    channels: int = 0

    def ffmpeg(self) -> str:
        """Return FFmpeg's options before ``-i``. Raises NotSupportedError if it cannot read this."""
        return self._filled(self.form.ffmpeg, "FFmpeg")

    def gst(self) -> str:
        """Return GStreamer's elements behind the source. Raises NotSupportedError if it cannot read this."""
        return self._filled(self.form.gst, "GStreamer")

    def _filled(self, template: str, reader: str) -> str:
        if self.samples and template in (_PIXELS, _GST_PIXELS):
            template = _SAMPLES if reader == "FFmpeg" else _GST_SAMPLES
        plain = _SAMPLES if self.samples else _PIXELS
        text = template.replace("{plain}", plain)
        known = self._names(reader)
        lacking = next((name for name, value in known.items() if not value and f"{{{name}}}" in text), "")
        if not text or lacking:
            what = self.pixel_format if "pixels" in lacking else self.samples if lacking else self.form.title
            raise NotSupportedError(f"{reader} cannot read {what}", hints=["choose another --format or --pixel-format"])
        return text.format_map({**known, "planes": self._planes()})

    def _names(self, reader: str) -> Mapping[str, str]:
        row = FORMATS.get(self.pixel_format)
        samples = _LITTLE_ENDIAN.get(self.samples, self.samples)
        return {
            "pixels": row.ffmpeg if row is not None else "",
            "gst_pixels": _GST_PIXEL_NAMES.get(self.pixel_format, ""),
            "width": str(self.width),
            "height": str(self.height),
            "rate": self.rate,
            "samples": samples,
            "gst_samples": _GST_SAMPLE_NAMES.get(samples, ""),
            "hertz": str(self.hertz),
            "channels": str(self.channels),
            "reader": reader,
        }

    def _planes(self) -> str:
        """Return where the planes are, for GStreamer, which else takes the length of rows for a multiple of 4 bytes."""
        row = FORMATS.get(self.pixel_format)
        if row is None or all(plane.row_bytes(self.width) % 4 == 0 for plane in row.planes):
            return ""
        strides, offsets = _layout(row, self.width, self.height)
        listed = [",".join(map(str, values)) for values in (strides, offsets)]
        return f" plane-strides='<{listed[0]}>' plane-offsets='<{listed[1]}>'"


def _layout(row: PixelFormat, width: int, height: int) -> tuple[list[int], list[int]]:
    strides = [plane.row_bytes(width) for plane in row.planes]
    sizes = [stride * plane.rows(height) for stride, plane in zip(strides, row.planes, strict=True)]
    return strides, [sum(sizes[:index]) for index in range(len(sizes))]


def read_by(text: str, name: str, *, of_ffmpeg: bool) -> str:
    """Return what a reader's command line says to read an output with this name, or “-” for a pipe. A shell can run it."""
    if scheme_of(name) == "v4l2":  # a device says itself what it shows
        device = _quoted(name.partition(":")[2])
        return f"-f v4l2 -i {device}" if of_ffmpeg else f"v4l2src device={device}"
    if of_ffmpeg:
        return f"{text} -i {_quoted(name)}"
    return f"{'fdsrc' if name == '-' else f'filesrc location={_quoted(name)}'} ! {text}"


def _quoted(name: str) -> str:
    """Return a name as a shell takes it, without characters that a terminal would obey."""
    from shlex import quote

    if name.isprintable():
        return quote(name)
    shown = (one if one.isprintable() and one not in "\\'" else _octal(one) for one in name)
    return f"$'{''.join(shown)}'"


def _octal(character: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in character.encode(errors="surrogateescape"))


# NumPy's files: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html

_ARRAY_TYPES = {"u8": "|u1", "s16": "<i2", "s32": "<i4", "f32": "<f4"}


class ArrayLayout(NamedTuple):
    """The type of an array's elements, and the shape of what comes for each frame or sample."""

    dtype: str
    shape: tuple[int, ...]
    nbytes: int  # of a frame, or of a sample of all channels

    @classmethod
    def of_pictures(cls, name: str, width: int, height: int) -> ArrayLayout:
        """Return the layout of pictures: (height, width, channels), or planes below one another if they fit together."""
        planes = FORMATS[name].planes
        size = sum(plane.row_bytes(width) * plane.rows(height) for plane in planes)
        (unit, h, _, _), packed = planes[0], len(planes) == 1
        if packed and h == 1 and unit == 2:
            return cls("<u2", (height, width), size)
        if packed and width % h == 0:
            return cls("|u1", (height, width, unit // h) if unit > h else (height, width), size)
        return cls("|u1", (size // width, width) if size % width == 0 and width % 2 == 0 else (size,), size)

    @classmethod
    def of_sound(cls, samples: str, channels: int) -> ArrayLayout:
        """Return the layout of sound: (samples, channels)."""
        return cls(_ARRAY_TYPES[samples], (channels,), SAMPLE_FORMATS[samples].bits // 8 * channels)

    def header(self, count: int) -> bytes:
        """Return the header of a file with this number of frames or samples."""
        shape = ", ".join(map(str, (count, *self.shape))) + ("," if not self.shape else "")
        text = f"{{'descr': '{self.dtype}', 'fortran_order': False, 'shape': ({shape}), }}"
        return (
            b"\x93NUMPY\x01\x00"
            + (NPY_HEAD_BYTES - 10).to_bytes(2, "little")
            + text.ljust(NPY_HEAD_BYTES - 11).encode()
            + b"\n"
        )
