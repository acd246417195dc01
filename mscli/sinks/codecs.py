"""What each container holds, and how each codec is asked to work live: tables, and the MIME types that name them.

Names in MIME types follow RFC 6381 and https://www.w3.org/TR/webcodecs-codec-registry/. Encoders are FFmpeg's; what is asked of
those of pictures stands in ``tuning``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from mscli.core.errors import NotSupportedError
from mscli.core.frames import BT601, JPEG_COLOR, VideoColorSpace
from mscli.sinks.base import SinkOptions
from mscli.sinks.wav import WavHeader

FRAGMENT_US = 250_000  # media time after which a fragment or cluster is closed and can be read
BITS_PER_PIXEL = 0.1  # of codecs that work towards a bit rate
_JPEG_BITS_PER_PIXEL = 1.0  # the noise of a camera in the dark doubles it, smooth pictures halve it
_LOSSLESS_BITS_PER_PIXEL = 4.0  # a third of the raw picture
AUDIO_BITS_PER_CHANNEL = 64_000  # a second


HARDWARE = "hw"  # behind a codec's name and a colon: encoded by the hardware


def _video_range(color: VideoColorSpace) -> VideoColorSpace:
    return color._replace(full_range=False)


class VideoCodec(NamedTuple):
    """A video codec. ``encoder``, ``hardware``: FFmpeg's encoders (rows of ``tuning``), of hardware the best first."""

    name: str
    title: str
    mime_names: tuple[str, ...]  # what its name in a MIME type begins with
    encoder: str
    hardware: tuple[str, ...] = ()
    even: bool = False  # width and height have to be
    bits_per_pixel: float = BITS_PER_PIXEL  # about, where no bit rate is asked for
    awaited: bool = False  # FFmpeg's muxers hold all other tracks back, however long, until its next packet comes
    color: Callable[[VideoColorSpace], VideoColorSpace] = _video_range  # a picture's colour → that in which it is encoded


class AudioCodec(NamedTuple):
    """An audio codec. ``encoders``: bits of a sample to FFmpeg's encoder and the sample format that it is fed with."""

    name: str
    title: str
    mime_names: tuple[str, ...]
    encoders: Mapping[int, tuple[str, str]]
    rates: tuple[int, ...] = ()  # Hz; empty: all
    most_channels: int = 8
    lossy: bool = False
    channel_bits: tuple[int, int] = (1_000, 1_000_000)  # a second of each channel, at least and at most

    def bit_rate(self, wanted: int | None, channels: int) -> int:
        """The bits per second that are nearest to what is asked for, or the usual."""
        least, most = (channels * bits for bits in self.channel_bits)
        return min(max(wanted or AUDIO_BITS_PER_CHANNEL * channels, least), most)

    def encoder(self, bits: int) -> tuple[str, str]:
        """Encoder and sample format that lose nothing of samples of so many bits, or as little as can be."""
        enough = [size for size in self.encoders if size >= bits]
        return self.encoders[min(enough, default=max(self.encoders))]

    def rate(self, wanted: int) -> int:
        """The lowest of the codec's sample rates that is not below ``wanted``, or its highest (Hz)."""
        if not self.rates or wanted in self.rates:
            return wanted
        return min((rate for rate in self.rates if rate > wanted), default=max(self.rates))


_OPUS = {16: ("libopus", "s16"), 32: ("libopus", "flt")}
_OPUS_BITS = (6_000, 256_000)  # https://www.rfc-editor.org/rfc/rfc6716#section-2.1.1; FFmpeg gives libopus no more
_H264 = ("h264_nvenc", "h264_qsv", "h264_amf", "h264_videotoolbox", "h264_v4l2m2m")
_HEVC = ("hevc_nvenc", "hevc_qsv", "hevc_amf", "hevc_videotoolbox", "hevc_v4l2m2m")
_AV1 = ("av1_nvenc", "av1_qsv", "av1_amf")

VIDEO_CODECS: dict[str, VideoCodec] = {
    row.name: row
    for row in (
        VideoCodec("h264", "H.264", ("avc1", "avc3", "h264"), "libx264", _H264, even=True),
        VideoCodec("hevc", "HEVC", ("hvc1", "hev1", "hevc", "h265"), "libx265", _HEVC, even=True),
        VideoCodec("av1", "AV1", ("av01", "av1"), "libsvtav1", _AV1, even=True, awaited=True),
        VideoCodec("vp9", "VP9", ("vp9", "vp09"), "libvpx-vp9", awaited=True),
        VideoCodec("vp8", "VP8", ("vp8", "vp08"), "libvpx", awaited=True, color=lambda _: BT601),  # it cannot say another
        VideoCodec("mjpeg", "MJPEG", ("mjpeg", "mjpg", "jpeg"), "mjpeg",
                   bits_per_pixel=_JPEG_BITS_PER_PIXEL, color=lambda _: JPEG_COLOR),
        VideoCodec("ffv1", "FFV1", ("ffv1",), "ffv1",
                   bits_per_pixel=_LOSSLESS_BITS_PER_PIXEL, color=lambda color: color),  # it loses nothing: no conversion
    )
}  # fmt: skip
BY_HARDWARE = tuple(f"{row.name}:{HARDWARE}" for row in VIDEO_CODECS.values() if row.hardware)

_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_MP3 = {16: ("libmp3lame", "s16p"), 32: ("libmp3lame", "fltp")}
_MP3_NAMES = ("mp3", "mp4a.69", "mp4a.6b", "mp4a.40.34")  # the last three lie in what AAC's begin with
_PCM = {8: ("pcm_u8", "u8"), 16: ("pcm_s16le", "s16"), 24: ("pcm_s24le", "s32"), 32: ("pcm_s32le", "s32")}

AUDIO_CODECS: dict[str, AudioCodec] = {
    row.name: row
    for row in (
        AudioCodec("opus", "Opus", ("opus",), _OPUS, (48000,), lossy=True, channel_bits=_OPUS_BITS),
        AudioCodec("mp3", "MP3", _MP3_NAMES, _MP3, _MP3_RATES, most_channels=2, lossy=True),
        AudioCodec("aac", "AAC", ("mp4a.40.2", "mp4a.40", "mp4a", "aac"), {16: ("aac", "fltp")}, _AAC_RATES, lossy=True),
        AudioCodec("flac", "FLAC", ("flac", "fla"), {16: ("flac", "s16"), 32: ("flac", "s32")}),
        AudioCodec("pcm", "PCM", ("pcm", "1"), _PCM, most_channels=64),
    )
}

_FRAGMENTS = {"frag_duration": str(FRAGMENT_US)}
_PAGES = {"page_duration": str(FRAGMENT_US)}
_CLUSTERS = {"cluster_time_limit": str(FRAGMENT_US // 1000)}


class Container(NamedTuple):
    """A container: what it holds, the first of each being the default, and how FFmpeg's muxer is asked to write it."""

    suffix: str
    mime_types: tuple[str, ...]
    muxer: str
    video: tuple[str, ...] = ()
    audio: tuple[str, ...] = ()
    options: Mapping[str, str] = {}  # into a file
    streaming: Mapping[str, str] = {}  # instead, where there is no way back to what was written
    tags: Mapping[str, str] = {}  # codec → the tag that players of this container expect
    packets: int = 1  # without which readers do not know what the file is
    head: type[WavHeader] | None = None  # what keeps the head of a growing file true


# A hybrid MP4 is fragmented while it grows, so that it can be read at any time, and becomes an ordinary one at its end. The
# table at its head waits for the first fragment (delay_moov): a track that starts later than the others would lose its place.
_HYBRID = {"movflags": "hybrid_fragmented+frag_keyframe+delay_moov", **_FRAGMENTS}
_FRAGMENTED = {"movflags": "frag_keyframe+delay_moov+default_base_moof", **_FRAGMENTS}
_HVC1 = {"hevc": "hvc1"}

CONTAINERS: dict[str, Container] = {
    row.suffix: row
    for row in (
        Container("mp4", ("video/mp4", "audio/mp4"), "mp4", ("h264", "hevc", "av1", "vp9"), ("aac", "opus", "flac"),
                  _HYBRID, _FRAGMENTED, _HVC1),
        Container("webm", ("video/webm", "audio/webm"), "webm", ("vp9", "vp8", "av1"), ("opus",), _CLUSTERS, _CLUSTERS),
        Container("mkv", ("video/x-matroska", "audio/x-matroska", "video/matroska", "audio/matroska"), "matroska",
                  ("h264", "hevc", "av1", "vp9", "vp8", "mjpeg", "ffv1"), ("opus", "aac", "flac", "mp3", "pcm"),
                  _CLUSTERS, _CLUSTERS),
        Container("mov", ("video/quicktime",), "mov", ("h264", "hevc", "mjpeg"), ("aac", "pcm"), _HYBRID, _FRAGMENTED, _HVC1),
        Container("wav", ("audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"), "wav", (), ("pcm",), {"rf64": "auto"},
                  head=WavHeader),
        Container("flac", ("audio/flac", "audio/x-flac"), "flac", (), ("flac",)),
        Container("ogg", ("audio/ogg", "application/ogg"), "ogg", (), ("opus", "flac"),
                  _PAGES, _PAGES),
        Container("mp3", ("audio/mpeg", "audio/mp3"), "mp3", (), ("mp3",), packets=2),
        Container("m4a", ("audio/x-m4a", "audio/m4a"), "ipod", (), ("aac",), _HYBRID, _FRAGMENTED),
    )
}  # fmt: skip


def video_codec(container: Container, options: SinkOptions) -> VideoCodec:
    """The video codec that is asked for, or the container's first. Raises NotSupportedError with a list of what fits."""
    return VIDEO_CODECS[_choose(container, "video", options.video_codec, container.video, VIDEO_CODECS)]


def audio_codec(container: Container, options: SinkOptions) -> AudioCodec:
    """The audio codec that is asked for, or the container's first. Raises NotSupportedError with a list of what fits."""
    return AUDIO_CODECS[_choose(container, "audio", options.audio_codec, container.audio, AUDIO_CODECS)]


def codec_for(kind: str, container: Container, options: SinkOptions) -> VideoCodec | AudioCodec:
    """The codec for a track of that kind, as above."""
    return (video_codec if kind == "video" else audio_codec)(container, options)


def _choose(
    container: Container, kind: str, wanted: str, held: Sequence[str], known: Mapping[str, VideoCodec | AudioCodec]
) -> str:
    if not held:
        homes = ", ".join("." + row.suffix for row in CONTAINERS.values() if getattr(row, kind))
        raise NotSupportedError(f"a .{container.suffix} file holds no {kind}", hints=[f"use one of: {homes}; or --no-{kind}"])
    if not wanted:
        return held[0]
    asked, colon, by = wanted.partition(":")
    name = _named(asked, known)
    if not name:
        raise NotSupportedError(f"there is no {kind} codec “{wanted}”", hints=[f"{kind} codecs: {', '.join(known)}"])
    if name not in held:
        homes = ", ".join("." + row.suffix for row in CONTAINERS.values() if name in getattr(row, kind))
        hints = [f".{container.suffix} holds: {', '.join(held)}", f"{known[name].title} goes into: {homes}"]
        raise NotSupportedError(f"a .{container.suffix} file does not hold {known[name].title}", hints=hints)
    if colon and f"{name}:{by}" not in BY_HARDWARE:
        raise NotSupportedError(f"there is no encoder “{wanted}”", hints=[f"by hardware: {', '.join(BY_HARDWARE)}"])
    return name


def _named(text: str, known: Mapping[str, VideoCodec | AudioCodec]) -> str:
    """The codec of that name, ours or a MIME type's (which may go on with a profile: avc1.42E01E); "" if there is none."""
    lower = text.strip().lower()
    for row in known.values():
        if lower == row.name or any(lower == name or lower.startswith(name + ".") for name in row.mime_names):
            return row.name
    return ""


class Format(NamedTuple):
    """What a MIME type asks for; "" leaves the codec to the container."""

    container: Container
    video_codec: str
    audio_codec: str


def parse_mime(mime_type: str) -> Format:
    """The container and codecs of a MIME type such as ``video/webm;codecs="vp8,opus"``. Raises NotSupportedError."""
    base, _, parameters = mime_type.partition(";")
    container = _container(base.strip().lower())
    wanted = Format(container, "", "")
    for name in _codec_names(parameters):
        wanted = _with_codec(wanted, name, base.strip().lower())
    return wanted


def _container(base: str) -> Container:
    for row in CONTAINERS.values():
        if base in row.mime_types:
            return row
    known = ", ".join(row.mime_types[0] for row in CONTAINERS.values())
    raise NotSupportedError(f"there is no container “{base}”", hints=[f"MIME types: {known}"])


def _codec_names(parameters: str) -> Iterable[str]:
    for parameter in parameters.split(";"):
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "codecs":
            return [name.strip() for name in value.strip().strip('"').split(",")]
    return []


def _with_codec(wanted: Format, name: str, base: str) -> Format:
    video, audio = _named(name, VIDEO_CODECS), _named(name, AUDIO_CODECS)
    if video and not wanted.video_codec and base.startswith("video/"):
        video_codec(wanted.container, SinkOptions(video_codec=video))
        return wanted._replace(video_codec=video)
    if audio and not wanted.audio_codec:
        audio_codec(wanted.container, SinkOptions(audio_codec=audio))
        return wanted._replace(audio_codec=audio)
    raise NotSupportedError(f"“{base}” cannot be recorded with the codec “{name}”", hints=_codec_hints(wanted.container))


def _codec_hints(container: Container) -> list[str]:
    return [f"codecs for it: {', '.join((*container.video, *container.audio))}"]
