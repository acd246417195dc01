"""The table of codecs: everything that reading, decoding, encoding, copying and naming their chunks depends on.

Names in MIME types follow RFC 6381 and https://www.w3.org/TR/webcodecs-codec-registry/. Decoders and encoders are FFmpeg's.
``mscli.encode.tuning`` has the options of the video encoders. To add a codec, add a row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from mscli.core import jpeg
from mscli.core.annexb import H264, HEVC, Units
from mscli.core.errors import NotSupportedError
from mscli.core.frames import BT601, FORMATS, JPEG_COLOR, PIXEL_FORMATS, EncodedVideoChunk, VideoColorSpace, pixel_format
from mscli.core.tuples import NamedTuple

if TYPE_CHECKING:
    from mscli.core.codedpictures import PictureHeaders
    from mscli.core.references import References

BITS_PER_PIXEL = 0.1  # for codecs that aim at a bit rate
_JPEG_BITS_PER_PIXEL = 1.0  # camera noise in the dark doubles it, smooth pictures halve it
_LOSSLESS_BITS_PER_PIXEL = 4.0  # a third of the raw picture
AUDIO_BITS_PER_CHANNEL = 64_000  # per second
HARDWARE = "hw"  # follows a codec's name and a colon: encode in hardware


class ImageFile(NamedTuple):
    """The functions for chunks that are image files. Each raises BrokenJpegError; its message completes “a frame …”."""

    check: Callable[[memoryview], None]  # fails if decoding is pointless
    cut: Callable[[memoryview], memoryview]  # returns the complete image, without a camera's bytes around it
    unended: Callable[[memoryview], list[bytes]]  # returns what an image may consist of that lacks its end
    fills: Sequence[bytes]  # such an image is complete if it decodes to the same picture whichever of these follows
    ended: Callable[[bytes], bytes]  # returns the image with an end
    size: Callable[[memoryview], tuple[int, int]]  # returns the width and height (pixels) in the image's own header
    parts: Callable[[memoryview], Sequence[bytes | memoryview]]  # returns the parts of a file with what cameras leave out of it


def _anywhere(_data: memoryview) -> bool:
    return True


def _starts_vp8(data: memoryview) -> bool:
    """Return whether the first bit is 0, as in key frames: https://www.rfc-editor.org/rfc/rfc6386#section-9.1."""
    return data.nbytes > 0 and not data[0] & 1


def _starts_vp9(data: memoryview) -> bool:
    """Return whether show_existing_frame and frame_type are 0: https://www.webmproject.org/vp9/, section 6.2."""
    if not data.nbytes or data[0] >> 6 != 2:
        return False
    return not data[0] & (0b110 if data[0] & 0b110000 == 0b110000 else 0b1100)  # profile 3 has an extra bit


def _starts_av1(data: memoryview) -> bool:
    """Return whether there is a sequence header, which precedes each key frame.

    https://aomediacodec.github.io/av1-spec/, section 7.5. It comes first, or after a temporal delimiter, which is empty.
    """
    at = 2 if data.nbytes > 1 and data[0] >> 3 & 15 == 2 else 0
    return data.nbytes > at and data[at] >> 3 & 15 == 1


_HEAD_BYTES = 1024  # parameter sets come within them


def _sets(units: Units) -> Callable[[memoryview], bytes]:
    def sets(data: memoryview) -> bytes:
        content = units.content(data[:_HEAD_BYTES])
        return b"" if content is None else content.sets

    return sets


def _vp8_size(data: memoryview) -> bytes:
    return bytes(data[3:10]) if _starts_vp8(data) else b""


def _vp9_size(data: memoryview) -> bytes:
    return bytes(data[:10]) if _starts_vp9(data) else b""


def _no_head(_data: memoryview) -> bytes:
    return b""


# What few runs need is imported late.


def _numbered() -> References:
    from mscli.core.references import References

    return References()


def _h264_references() -> References:
    from mscli.core.h264 import NumberedReferences

    return NumberedReferences()


def _hevc_references() -> References:
    from mscli.core.hevc import KeptReferences

    return KeptReferences()


def _h264_headers() -> PictureHeaders:
    from mscli.core.h264 import H264Headers

    return H264Headers()


def _hevc_headers() -> PictureHeaders:
    from mscli.core.hevc import HevcHeaders

    return HevcHeaders()


class VideoCodec(NamedTuple):
    """A video codec. ``encoder``, ``hardware``: FFmpeg's encoders (rows of ``tuning``), the best hardware encoder first."""

    name: str
    title: str
    mime_names: tuple[str, ...]  # prefixes of its name in a MIME type
    decoder: str
    encoder: str
    hardware: tuple[str, ...] = ()
    camera: str = ""  # its name in camera modes
    aliases: tuple[str, ...] = ()  # other names
    quality: int = 0  # how much of the picture survives, on the scale of ``PixelFormat.quality``
    intra: bool = False  # every chunk can be decoded alone, so each is a key chunk
    starts: Callable[[memoryview], bool] = _anywhere  # returns whether decoding can start at these bytes
    says_key: bool = False  # each chunk says whether it is a key chunk, so what a driver says of it does not count
    units: Units | None = None  # chunks consist of units with start codes, including the parameter sets
    unit_filter: str = ""  # FFmpeg's bitstream filter that gives units their start codes
    headers: Callable[[], PictureHeaders] | None = None  # makes a reader of the order of display, if that may be another
    references: Callable[[], References] = _numbered  # makes a reader of what chunks depend on, unless they are ``intra``
    image: ImageFile | None = None  # each chunk is an image file
    head: Callable[[memoryview], bytes] = _no_head  # returns the bytes that tell the size, or b"" if the chunk has none
    even: bool = False  # width and height must be even
    bits_per_pixel: float = BITS_PER_PIXEL  # approximately, if no bit rate is requested
    awaited: bool = False  # FFmpeg's muxers hold back all other tracks until its next packet comes
    color: VideoColorSpace | None = None  # the only possible one
    lossless: bool = False

    def encoded_color(self, color: VideoColorSpace) -> VideoColorSpace:
        """Return the colour space in which pictures of ``color`` are encoded: limited range unless another is required."""
        return self.color or (color if self.lossless else color._replace(full_range=False))


_ANY = 1 << 30


class AudioCodec(NamedTuple):
    """An audio codec. ``encoders``: bits per sample → FFmpeg's encoder and the sample format that it takes.

    ``floating``: the same for floating-point numbers, if they can be kept.
    """

    name: str
    title: str
    mime_names: tuple[str, ...]
    decoder: str  # for PCM, the one for 16 bits
    encoders: Mapping[int, tuple[str, str]]
    rates: tuple[int, ...] = ()  # Hz; empty: all
    most_channels: int = 8
    lossy: bool = False
    channel_bits: tuple[int, int] = (1_000, 1_000_000)  # the minimum and maximum per second and channel
    apart: Mapping[str, str] = {}  # encoder options that make packets independent of earlier ones
    layouts: Mapping[int, str] = {}  # channel count → FFmpeg's layout for channels without loudspeakers
    labels: frozenset[str] = frozenset()  # the layouts of more than two channels that it can name; empty: all
    unlabelled: Mapping[str, str] = {}  # the encoder's options for others
    orders: Mapping[str, tuple[int, ...]] = {}  # layout → the order in which FFmpeg's encoder takes them, if it is wrong
    floating: tuple[str, str] | None = None
    beyond: tuple[int, Mapping[str, str]] = (_ANY, {})  # the most bits that need no further encoder options, and these options
    delay: int = 0  # samples that a decoder outputs before the first encoded one; they have negative positions

    def bit_rate(self, wanted: int | None, channels: int) -> int:
        """Return the nearest possible number of bits per second to ``wanted``, or to the default."""
        least, most = (channels * bits for bits in self.channel_bits)
        return min(max(wanted or AUDIO_BITS_PER_CHANNEL * channels, least), most)

    def encoder(self, bits: int, *, floating: bool = False) -> tuple[str, str]:
        """Return the encoder and sample format that lose least of samples with this many bits."""
        if floating and self.floating is not None:
            return self.floating
        enough = [size for size in self.encoders if size >= bits]
        return self.encoders[min(enough, default=max(self.encoders))]

    def layout(self, channels: int, layout: str) -> str:
        """Return FFmpeg's layout to encode this one in, or "" for the usual one. What the codec cannot name is not named."""
        names = layout, _REAR.get(layout, "")
        known = next((name for name in names if name and (not self.labels or name in self.labels)), "")
        return known or self.layouts.get(channels, "")

    def options(self, channels: int, bits: int, layout: str = "") -> Mapping[str, str]:
        """Return the encoder's options for samples of this shape. ``layout``: that in which they are encoded."""
        most_bits, options = self.beyond
        if bits > most_bits:
            return options
        return self.unlabelled if channels > 2 and self.labels and layout not in self.labels else {}

    def rate(self, wanted: int) -> int:
        """Return the codec's lowest sample rate that is at least ``wanted``, or else its highest (Hz)."""
        if not self.rates or wanted in self.rates:
            return wanted
        return min((rate for rate in self.rates if rate > wanted), default=max(self.rates))


_H264 = ("h264_nvenc", "h264_qsv", "h264_amf", "h264_videotoolbox", "h264_v4l2m2m")
_HEVC = ("hevc_nvenc", "hevc_qsv", "hevc_amf", "hevc_videotoolbox", "hevc_v4l2m2m")
_AV1 = ("av1_nvenc", "av1_qsv", "av1_amf")
_JPEG = ImageFile(jpeg.check, jpeg.picture, jpeg.unended, jpeg.FILLS, jpeg.ended, jpeg.size, jpeg.file_parts)

VIDEO_CODECS: dict[str, VideoCodec] = {
    row.name: row
    for row in (
        VideoCodec("h264", "H.264", ("avc1", "h264"), "h264", "libx264", _H264, "H264", ("avc", "avc3"), 20,
                   starts=H264.is_start, units=H264, unit_filter="h264_mp4toannexb", headers=_h264_headers,
                   references=_h264_references, head=_sets(H264), even=True),
        VideoCodec("hevc", "HEVC", ("hvc1", "hevc", "h265"), "hevc", "libx265", _HEVC, "HEVC", ("hev1",), 20,
                   starts=HEVC.is_start, units=HEVC, unit_filter="hevc_mp4toannexb", headers=_hevc_headers,
                   references=_hevc_references, head=_sets(HEVC), even=True),
        VideoCodec("av1", "AV1", ("av01", "av1"), "libdav1d", "libsvtav1", _AV1, "AV1", (), 20,
                   starts=_starts_av1, even=True, awaited=True),
        VideoCodec("vp9", "VP9", ("vp9", "vp09"), "vp9", "libvpx-vp9", (), "VP9", (), 20,
                   starts=_starts_vp9, says_key=True, head=_vp9_size, awaited=True),
        VideoCodec("vp8", "VP8", ("vp8", "vp08"), "vp8", "libvpx", (), "VP8", (), 20,
                   starts=_starts_vp8, says_key=True, head=_vp8_size, awaited=True, color=BT601),
        VideoCodec("mjpeg", "MJPEG", ("mjpeg", "mjpg", "jpeg"), "mjpeg", "mjpeg", (), "MJPEG", (), 30,
                   intra=True, image=_JPEG, bits_per_pixel=_JPEG_BITS_PER_PIXEL, color=JPEG_COLOR),
        VideoCodec("ffv1", "FFV1", ("ffv1",), "ffv1", "ffv1",
                   intra=True, bits_per_pixel=_LOSSLESS_BITS_PER_PIXEL, lossless=True),
    )
}  # fmt: skip
BY_HARDWARE = tuple(f"{row.name}:{HARDWARE}" for row in VIDEO_CODECS.values() if row.hardware)
CAMERA_CODECS = {row.camera: row for row in VIDEO_CODECS.values() if row.camera}  # by name in camera modes

_MOST_CHANNELS = 64
_UNLABELLED = {count: f"{count} channels" for count in range(3, _MOST_CHANNELS + 1)}
_REAR = {"quad(side)": "quad", "5.0(side)": "5.0", "5.1(side)": "5.1"}  # side channels count as rear ones where there are none
_OPUS = {16: ("libopus", "s16"), 32: ("libopus", "flt")}
_OPUS_BITS = (6_000, 256_000)  # https://www.rfc-editor.org/rfc/rfc6716#section-2.1.1; FFmpeg allows no more
# FFmpeg's encoder permutes 5 and 7 channels the wrong way. In these orders they come out right.
_OPUS_ORDERS = {"5.0": (0, 1, 4, 2, 3), "6.1": (0, 1, 4, 3, 5, 2, 6)}
_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
# Decoders do not name the channels of these layouts. AAC encodes only the low frequencies of an LFE channel, so none has one.
_AAC_LAYOUTS = {5: "5.0(side)", 6: "6.0", 7: "7.0", 8: "octagonal"}
_AAC_LABELS = frozenset(("2.1", "3.0", "3.0(back)", "3.1", "4.0", "quad", "5.0", "5.1", "6.1", "7.1"))
_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_MP3 = {16: ("libmp3lame", "s16p"), 32: ("libmp3lame", "fltp")}
_MP3_APART = {"reservoir": "0"}
_MP3_NAMES = ("mp3", "mp4a.69", "mp4a.6b", "mp4a.40.34")  # the last three begin like AAC's
_PCM = {8: ("pcm_u8", "u8"), 16: ("pcm_s16le", "s16"), 24: ("pcm_s24le", "s32"), 32: ("pcm_s32le", "s32")}

AUDIO_CODECS: dict[str, AudioCodec] = {
    row.name: row
    for row in (
        AudioCodec(
            "opus",
            "Opus",
            ("opus",),
            "libopus",
            _OPUS,
            (48000,),
            most_channels=_MOST_CHANNELS,
            labels=frozenset(("3.0", "quad", "5.0", "5.1", "6.1", "7.1")),  # RFC 7845, section 5.1.1.2
            unlabelled={"mapping_family": "255"},  # https://www.rfc-editor.org/rfc/rfc7845#section-5.1.1.3
            layouts=_UNLABELLED,
            lossy=True,
            channel_bits=_OPUS_BITS,
            orders=_OPUS_ORDERS,
            delay=312,
        ),
        AudioCodec(
            "mp3", "MP3", _MP3_NAMES, "mp3float", _MP3, _MP3_RATES, most_channels=2, lossy=True, apart=_MP3_APART, delay=1105
        ),
        AudioCodec(
            "aac",
            "AAC",
            ("mp4a.40.2", "mp4a", "aac"),
            "aac",
            {16: ("aac", "fltp")},
            _AAC_RATES,
            lossy=True,
            layouts=_AAC_LAYOUTS,
            labels=_AAC_LABELS,
            delay=1024,
        ),
        AudioCodec(
            "flac",
            "FLAC",
            ("flac", "fla"),
            "flac",
            {16: ("flac", "s16"), 32: ("flac", "s32")},
            beyond=(24, {"strict": "experimental", "bits_per_raw_sample": "32"}),  # as of FLAC 1.4
        ),
        AudioCodec(
            "pcm",
            "PCM",
            ("pcm", "1"),
            "pcm_s16le",
            _PCM,
            most_channels=_MOST_CHANNELS,
            layouts=_UNLABELLED,
            floating=("pcm_f32le", "flt"),
        ),
    )
}


# The formats of camera modes: pixel formats and codecs.


def camera_format(name: str) -> str:
    """Return the name in camera modes of a pixel format or codec, given any of its names. Raises NotSupportedError."""
    lower = name.lower()
    for row in CAMERA_CODECS.values():
        if lower in (row.name, *row.mime_names, *row.aliases):
            return row.camera
    try:
        return pixel_format(name).name
    except NotSupportedError as error:
        known = ", ".join([*PIXEL_FORMATS, *CAMERA_CODECS])
        raise NotSupportedError(error.message, hints=[f"pixel formats: {known}"]) from None


def format_quality(name: str) -> int:
    """Return how much of the picture survives in a mode's format, or 0 if unknown."""
    row = FORMATS.get(name) or CAMERA_CODECS.get(name)
    return row.quality if row is not None else 0


def joined(formats: Sequence[str]) -> str:
    """Return the formats as a part of a sentence: H264, HEVC and MJPEG."""
    return " and ".join(filter(None, [", ".join(formats[:-1]), *formats[-1:]]))


def check_whole(chunk: EncodedVideoChunk) -> None:
    """Raise NotSupportedError, with a remedy, if the picture must be cropped or scaled."""
    if not chunk.whole:
        hints = ["--resize-mode exact:none keeps to the camera's own sizes"]
        raise NotSupportedError("cannot crop or scale video that is copied", hints=hints)
