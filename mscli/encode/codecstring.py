"""Name codecs in MIME types, with profile and level: https://www.rfc-editor.org/rfc/rfc6381.

An encoder derives profile and level from size, frame rate and options, and writes them into its header.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction

from mscli.core.codecs import VideoCodec
from mscli.core.errors import NotSupportedError, OperationError
from mscli.core.frames import BT601
from mscli.encode.codecs import Container, audio_codec, mime_codecs, video_codec
from mscli.encode.ffmpeg import open_encoder
from mscli.encode.options import COPY, SinkOptions, TrackFormat

Speller = Callable[[VideoCodec, TrackFormat, SinkOptions], str]  # returns the name with profile and level, or ""

_START = b"\0\0\1"
_H264_SPS, _HEVC_VPS = 7, 32  # types of NAL units
_HEVC_PROFILE_AT = 6  # bytes from the beginning of a VPS to profile, tier and level
_AV1_SEQUENCE = 1  # type of an OBU


def spell(container: Container, usual: str, asked: str, options: SinkOptions, tracks: Sequence[TrackFormat]) -> str:
    """Return the MIME type of a recording of these tracks in a container, with the codecs.

    ``asked``: the requested type; ``usual``: the container's. The codec of copied video is unknown in advance and is left out.
    """
    by_kind = {track.kind: track for track in tracks}
    family = "video" if "video" in by_kind else "audio"
    base, _, parameters = asked.partition(";")
    base = base.strip() or next((one for one in container.mime_types if one.startswith(family)), usual)
    if "video" in by_kind and options.video_codec == COPY:
        return base
    codecs = []
    if "video" in by_kind:
        codecs.append(video_codec_string(video_codec(container, options), by_kind["video"], options))
    if "audio" in by_kind:
        codec = audio_codec(container, options)
        codecs.append(container.mime_names.get(codec.name, codec.mime_names[0]))
    if not any(codecs):
        return base
    return asked if sorted(mime_codecs(parameters)) == sorted(codecs) else f"{base};codecs={','.join(codecs)}"


def video_codec_string(codec: VideoCodec, track: TrackFormat, options: SinkOptions) -> str:
    """Return the name of the codec for a track that is encoded with these options. Briefly opens most encoders."""
    spelt = _SPELLERS[codec.name](codec, track, options) if codec.name in _SPELLERS else ""
    return spelt or codec.mime_names[0]


def _header(codec: VideoCodec, track: TrackFormat, options: SinkOptions) -> bytes:
    """Return the header that the encoder writes for a track, or b"" if it cannot be opened."""
    from av.codec.context import Flags

    from mscli.encode.video import Shape, encoder_for, even, set_up
    from mscli.media.pictures import video_context

    shape = Shape.of(track)
    encoder = encoder_for(codec, shape, options._replace(on_note=None))
    context = video_context(encoder.name, "w")
    context.flags |= Flags.global_header
    context.framerate = Fraction(shape.rate).limit_denominator(1001)
    settings = set_up(
        context, encoder, Shape(*even(shape.width, shape.height), shape.rate), options, "", codec.encoded_color(BT601)
    )
    try:
        open_encoder(context, settings, codec.title, "")
    except (NotSupportedError, OperationError):  # the recording reports this error
        return b""
    return context.extradata or b""


def _by_header(read: Callable[[bytes], str]) -> Speller:
    """Return a speller that reads the encoder's header."""
    return lambda codec, track, options: read(_header(codec, track, options))


_VP9_LEVELS = (  # https://www.webmproject.org/vp9/levels/: level × 10, most pixels per second and per picture
    (10, 829_440, 36_864), (11, 2_764_800, 73_728), (20, 4_608_000, 122_880), (21, 9_216_000, 245_760),
    (30, 20_736_000, 552_960), (31, 36_864_000, 983_040), (40, 83_558_400, 2_228_224), (41, 160_432_128, 2_228_224),
    (50, 311_951_360, 8_912_896), (51, 588_251_136, 8_912_896), (52, 1_176_502_272, 8_912_896),
)  # fmt: skip
_VP9_HIGHEST = 62


def _vp9(_codec: VideoCodec, track: TrackFormat, _options: SinkOptions) -> str:
    """Return VP9's name: https://www.webmproject.org/vp9/mp4/#codecs-parameter-string."""
    from mscli.encode.video import Shape

    width, height, rate = Shape.of(track)
    fits = (level for level, a_second, size in _VP9_LEVELS if width * height <= size and width * height * rate <= a_second)
    return f"vp09.00.{next(fits, _VP9_HIGHEST)}.08"


def _avc(header: bytes) -> str:
    """Return H.264's name: https://www.rfc-editor.org/rfc/rfc6381#section-3.3."""
    sps = next((unit for unit in _units(header) if unit[0] & 0x1F == _H264_SPS), b"")
    return f"avc1.{sps[1:4].hex().upper()}" if sps else ""


def _hevc(header: bytes) -> str:
    """Return HEVC's name: ISO/IEC 14496-15, annex E."""
    vps = next((unit for unit in _units(header) if unit[0] >> 1 & 0x3F == _HEVC_VPS), b"").replace(b"\0\0\3", b"\0\0")
    said = vps[_HEVC_PROFILE_AT : _HEVC_PROFILE_AT + 12]
    if len(said) < 12:
        return ""
    flags = int(f"{int.from_bytes(said[1:5]):032b}"[::-1], 2)
    constraints = [f"{byte:X}" for byte in said[5:11].rstrip(b"\0")]
    return ".".join(["hvc1", str(said[0] & 0x1F), f"{flags:X}", f"{'LH'[said[0] >> 5 & 1]}{said[11]}", *constraints])


def _av1(header: bytes) -> str:
    """Return AV1's name: https://aomediacodec.github.io/av1-isobmff/#codecsparam."""
    if header[:1] == b"\x81":  # av1C has the same fields, already parsed
        return _av1_string(header[1] >> 5, header[1] & 0x1F, header[2] >> 7)
    if len(header) < 6 or header[0] >> 3 & 0xF != _AV1_SEQUENCE:
        return ""
    bits = f"{int.from_bytes(header[2:14]):096b}"  # after the header of the OBU, with a size of one byte
    profile, reduced, timing = int(bits[:3], 2), bits[4] == "1", bits[5] == "1"
    if reduced or timing:
        return _av1_string(profile, int(bits[5:10], 2), 0) if reduced else ""
    level = int(bits[24:29], 2)  # after one bit, a 5-bit count and a 12-bit operating point
    return _av1_string(profile, level, int(bits[29]) if level > 7 else 0)


def _av1_string(profile: int, level: int, tier: int) -> str:
    return f"av01.{profile}.{level:02}{'MH'[tier]}.08"


def _units(header: bytes) -> Iterator[bytes]:
    """Yield the NAL units of a header."""
    return (unit for unit in header.split(_START)[1:] if unit)


_SPELLERS: Mapping[str, Speller] = {"h264": _by_header(_avc), "hevc": _by_header(_hevc), "av1": _by_header(_av1), "vp9": _vp9}
