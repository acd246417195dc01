"""The table of containers: their codecs, copied camera formats, muxer options and MIME types.

Names in MIME types follow RFC 6381 and https://www.w3.org/TR/webcodecs-codec-registry/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from mscli.core.clock import MICROSECONDS
from mscli.core.codecs import AUDIO_CODECS, BY_HARDWARE, VIDEO_CODECS, AudioCodec, VideoCodec, joined
from mscli.core.errors import NotSupportedError
from mscli.core.nearest import did_you_mean
from mscli.core.selection import picture_in_words, sound_in_words
from mscli.core.timelapse import PLAYED_RATE
from mscli.core.tuples import NamedTuple
from mscli.encode.headers import WavHeader, bext, with_delay
from mscli.encode.mp4 import index_first, without_index
from mscli.encode.options import COPY, SinkOptions, TrackFormat
from mscli.encode.profiles import find_profile

FRAGMENT_US = 250_000  # the length of a fragment or cluster; it can be read once it is complete


_FILM_FRAGMENT_US = MICROSECONDS // PLAYED_RATE // 2  # shorter than a picture, so that each is a fragment of its own
_UNITS_US = {"frag_duration": 1, "page_duration": 1, "cluster_time_limit": 1000}  # of the options that tell that length


def fragment_us(options: SinkOptions) -> int:
    """Return the length of a fragment. Each picture of a time-lapse is one: its next may come in an hour."""
    return FRAGMENT_US if options.time_lapse_s is None else _FILM_FRAGMENT_US


def in_fragments(options: Mapping[str, str], length_us: int) -> dict[str, str]:
    """Return a muxer's options for fragments of this length."""
    return {name: str(length_us // _UNITS_US[name]) if name in _UNITS_US else value for name, value in options.items()}


_FRAGMENTS = {"frag_duration": str(FRAGMENT_US)}
_PAGES = {"page_duration": str(FRAGMENT_US)}
_BEXT = {"write_bext": "1"}
_CLUSTERS = {"cluster_time_limit": str(FRAGMENT_US // 1000)}


class Overhead(NamedTuple):
    """The most bytes that a container adds to a file, to each packet (including its index entry), and to each fragment.

    ``growth``: the bytes in the file for each byte of a packet, of a container that does not hold packets as they are.
    """

    head: int
    packet: int
    fragment: int
    growth: float = 1.0


_OF_MP4 = Overhead(4096, 40, 300)
_OF_MATROSKA = Overhead(4096, 16, 80)
_OF_OTHERS = Overhead(8192 + 512, 12, 40)  # FLAC reserves 8 KiB after its header


class Container(NamedTuple):
    """A container: the codecs that it can hold, the default one first, and the options of FFmpeg's muxer.

    For a ``PacketSink`` of another package, only the codecs count, and ``overhead`` if it can be split or limited in size.
    """

    suffix: str
    mime_types: tuple[str, ...]
    muxer: str = ""
    video: tuple[str, ...] = ()
    audio: tuple[str, ...] = ()
    options: Mapping[str, str] = {}  # for a file
    streaming: Mapping[str, str] = {}  # for an output that cannot seek
    tags: Mapping[str, str] = {}  # codec → the tag that players of this container expect
    growing_tags: Mapping[str, str] = {}  # codec → the tag of copied chunks with parameter sets, until the file is finished
    most_step_us: int = 0  # the longest time from a picture to the next, or 0 for any
    packets: int = 1  # how many packets readers need to recognise the file
    head: Callable[[], Callable[[int, int], None]] | None = None  # returns what keeps the header of a growing file correct
    date: str = "creation_time"  # FFmpeg's name for the recording time in the metadata
    adds_delay: bool = False  # whether timestamps of audio packets include the codec's delay
    first_head: Callable[[bytes], bytes] | None = None  # returns the first bytes with a header as complete as it can be
    index_first: Callable[[Callable[[], None], int], Iterator[bytes]] | None = None  # the file with its index in front
    mime_names: Mapping[str, str] = {}  # codec → its name in this container's MIME types if it is not its own; "" for none
    unindexed: Callable[[bytes], bytes] = bytes  # returns the end of a file whose beginning cannot be completed
    continued: Mapping[str, str] = {}  # for the rest of a file whose index has become too large: see Muxer
    copied: tuple[str, ...] = ()  # camera formats that it takes as they come, the best first: small, and known to many players
    title: str = ""  # FFmpeg's name for a track's title in the metadata
    # returns further metadata: given the local time and the sample rate of the first sample, and a title
    first_sample: Callable[[datetime, int, str], Mapping[str, str]] | None = None
    overhead: Overhead = _OF_OTHERS
    noun: str = ""  # what it is called in messages, if it is no file

    @property
    def name(self) -> str:
        """Return what it is called in messages."""
        return self.noun or f"a .{self.suffix} file"


# A hybrid MP4 is fragmented while it grows, so that it can be read at any time, and becomes an ordinary MP4 at its end. The
# table at its beginning is written with the first fragment (delay_moov), because otherwise a track that starts later than the
# others would lose its offset.
_HYBRID = {"movflags": "hybrid_fragmented+frag_keyframe+delay_moov+default_base_moof", **_FRAGMENTS}
_FRAGMENTED = {"movflags": "frag_keyframe+delay_moov+default_base_moof", **_FRAGMENTS}
# no index at the end, for which FFmpeg would keep a place of each fragment in memory
FRAGMENTS_ALONE = {"movflags": "frag_keyframe+delay_moov+default_base_moof+skip_trailer", **_FRAGMENTS}
_CONTINUED = {"movflags": "frag_keyframe+delay_moov+default_base_moof+frag_discont+skip_trailer", **_FRAGMENTS}
_HVC1 = {"hevc": "hvc1"}
_HEV1 = {"hevc": "hev1"}
_INDEXED: Any = {
    "continued": _CONTINUED, "index_first": index_first, "unindexed": without_index, "overhead": _OF_MP4, "growing_tags": _HEV1,
    "most_step_us": 6 * 3600 * MICROSECONDS,  # FFmpeg's muxer has 31 bits for it, in 1/90000 s
}  # fmt: skip
# JPEG in MP4 is object type 0x6C of https://mp4ra.org/registered-types/object-types; Matroska and QuickTime have names for it.
_COPIED = ("H264", "HEVC", "VP9", "VP8", "MJPEG")

CONTAINERS: dict[str, Container] = {
    row.suffix: row
    for row in (
        Container("mp4", ("video/mp4", "audio/mp4"), "mp4", ("h264", "hevc", "av1", "vp9"), ("aac", "opus", "flac"),
                  _HYBRID, _FRAGMENTED, _HVC1, copied=("H264", "HEVC", "VP9", "MJPEG"), title="handler_name", **_INDEXED),
        Container("webm", ("video/webm", "audio/webm"), "webm", ("vp9", "vp8", "av1"), ("opus",), _CLUSTERS, _CLUSTERS,
                  adds_delay=True, copied=("VP9", "VP8"), title="title", overhead=_OF_MATROSKA),
        Container("mkv", ("video/x-matroska", "audio/x-matroska", "video/matroska", "audio/matroska"), "matroska",
                  ("h264", "hevc", "av1", "vp9", "vp8", "mjpeg", "ffv1"), ("opus", "aac", "flac", "mp3", "pcm"),
                  _CLUSTERS, _CLUSTERS, adds_delay=True, copied=_COPIED, title="title", overhead=_OF_MATROSKA),
        Container("mov", ("video/quicktime",), "mov", ("h264", "hevc", "mjpeg"), ("aac", "pcm"), _HYBRID, _FRAGMENTED, _HVC1,
                  copied=("H264", "HEVC", "MJPEG"), title="handler_name", **_INDEXED),
        Container("wav", ("audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"), "wav", (), ("pcm",),
                  {"rf64": "auto", **_BEXT}, _BEXT, head=lambda: WavHeader().update, date="date", mime_names={"pcm": "1"},
                  first_sample=bext,
                  overhead=Overhead(1280, 0, 0)),
        Container("flac", ("audio/flac", "audio/x-flac"), "flac", (), ("flac",), date="date", mime_names={"flac": ""}),
        Container("ogg", ("audio/ogg", "application/ogg"), "ogg", (), ("opus", "flac"),
                  _PAGES, _PAGES, date="date", overhead=Overhead(1024, 12, 40)),
        Container("mp3", ("audio/mpeg", "audio/mp3"), "mp3", (), ("mp3",), packets=2, date="date",
                  first_head=with_delay, mime_names={"mp3": ""}),
        Container("m4a", ("audio/x-m4a", "audio/m4a", "audio/mp4"), "ipod", (), ("aac",), _HYBRID, _FRAGMENTED, **_INDEXED),
    )
}  # fmt: skip


def video_codec(container: Container, options: SinkOptions) -> VideoCodec:
    """Return the requested video codec, or else the container's first. Raises NotSupportedError that lists the others."""
    return VIDEO_CODECS[_choose(container, "video", options.video_codec, container.video, VIDEO_CODECS)]


def audio_codec(container: Container, options: SinkOptions) -> AudioCodec:
    """Return the requested audio codec, or else the container's first. Raises NotSupportedError that lists the others."""
    return AUDIO_CODECS[_choose(container, "audio", options.audio_codec, container.audio, AUDIO_CODECS)]


def codec_for(kind: str, container: Container, options: SinkOptions) -> VideoCodec | AudioCodec:
    """Return the codec for a track of this kind, like ``video_codec`` and ``audio_codec``."""
    return (video_codec if kind == "video" else audio_codec)(container, options)


def describe_encoding(container: Container, options: SinkOptions, track: TrackFormat) -> str:
    """Return what becomes of a track, for people: “H.264 640×480 at 30 fps”."""
    if track.kind == "audio":
        codec = audio_codec(container, options)
        rates = {name: codec.rate(int(rate)) for name, rate in track.settings.items() if name == "sampleRate"}
        return f"{codec.title} {sound_in_words({**track.settings, **rates})}"
    if options.video_codec == COPY:
        return f"{track.pixel_format} {picture_in_words(track.settings)}, copied"
    chosen = video_codec(container, options)
    even = {name: int(side) // 2 * 2 for name, side in track.settings.items() if chosen.even and name in ("width", "height")}
    return f"{chosen.title} {picture_in_words({**track.settings, **even})}"


def lossless_audio(container: Container, options: SinkOptions) -> str:
    """Return the name of a container's audio codec if it has no bit rate to choose, or ""."""
    codec = audio_codec(container, options)
    return "" if codec.lossy else codec.title


def _choose(
    container: Container, kind: str, wanted: str, held: Sequence[str], known: Mapping[str, VideoCodec | AudioCodec]
) -> str:
    if not held:
        homes = ", ".join("." + row.suffix for row in CONTAINERS.values() if getattr(row, kind))
        raise NotSupportedError(f"{container.name} cannot hold {kind}", hints=[f"use {homes}, or --no-{kind}"])
    if not wanted:
        return held[0]
    asked, colon, by = wanted.partition(":")
    name = _named(asked, known)
    if name and kind == "video" and find_profile(asked) is not None and colon:
        raise NotSupportedError(f"cannot choose the profile of a hardware encoder: “{wanted}”", hints=[f"use {name}:{by}"])
    if not name:
        question = did_you_mean(asked, known)
        raise NotSupportedError(f"unknown {kind} codec “{wanted}”{question}", hints=[f"{kind} codecs: {', '.join(known)}"])
    if name not in held:
        homes = ", ".join("." + row.suffix for row in CONTAINERS.values() if name in getattr(row, kind))
        hints = [
            f"{container.noun or '.' + container.suffix} holds: {', '.join(held)}",
            f"{known[name].title} fits into: {homes}",
        ]
        raise NotSupportedError(f"{container.name} cannot hold {known[name].title}", hints=hints)
    if colon and f"{name}:{by}" not in BY_HARDWARE:
        raise NotSupportedError(
            f"unknown encoder “{wanted}”{did_you_mean(wanted, BY_HARDWARE)}",
            hints=[f"hardware encoders: {', '.join(BY_HARDWARE)}"],
        )
    return name


def _named(text: str, known: Mapping[str, VideoCodec | AudioCodec]) -> str:
    """Return the codec with this name (ours or a MIME type's), or "". A profile may follow a video codec's name."""
    lower = text.strip().lower()
    for row in known.values():
        if lower in (row.name, *row.mime_names):
            return row.name
        if isinstance(row, VideoCodec) and lower.startswith(tuple(f"{name}." for name in row.mime_names)):
            return row.name
    return ""


# Pictures that are copied as the camera encodes them (``--video-codec copy``).


def copied_formats(container: Container) -> tuple[str, ...]:
    """Return the camera formats that a container can hold. Raises NotSupportedError if there are none."""
    if not container.copied:
        most_first = sorted(CONTAINERS.values(), key=lambda row: -len(row.copied))
        homes = ", ".join("." + row.suffix for row in most_first if row.copied)
        raise NotSupportedError(f"cannot copy a camera's video into {container.name}", hints=[f"use {homes}"])
    return container.copied


def check_copied(pixel_format: str, formats: Sequence[str]) -> None:
    """Raise NotSupportedError, with remedies, if pictures of this format cannot be copied."""
    if pixel_format not in formats:
        what = f"cannot copy {pixel_format}, the format of this camera mode; only {joined(formats)} can be copied"
        raise NotSupportedError(
            what, hints=["“mscli capabilities” shows the modes of a camera", "leave out “copy” to encode the video"]
        )


# MIME types.


class MimeType(NamedTuple):
    """The parts of a MIME type. An empty codec means the container's first."""

    container: Container
    video_codec: str
    audio_codec: str


def parse_mime(mime_type: str, suffix: str = "") -> MimeType:
    """Return the container and codecs of a MIME type such as ``video/webm;codecs="vp8,opus"``.

    ``suffix``: the container of the file. Raises NotSupportedError, also if the type is not one of this container.
    """
    base, _, parameters = mime_type.partition(";")
    container = _container(base.strip().lower())
    if suffix:
        container = _container_of_file(suffix, base.strip().lower())
    wanted = MimeType(container, "", "")
    for name in mime_codecs(parameters):
        wanted = _with_codec(wanted, name, base.strip().lower())
    return wanted


def _container(base: str) -> Container:
    for row in CONTAINERS.values():
        if base in row.mime_types:
            return row
    known = ", ".join(row.mime_types[0] for row in CONTAINERS.values())
    raise NotSupportedError(f"unknown container “{base}”", hints=[f"MIME types: {known}"])


def _container_of_file(suffix: str, base: str) -> Container:
    container = CONTAINERS.get(suffix)
    if container is None or base not in container.mime_types:
        hints = [f"the type of .{suffix} is {container.mime_types[0]}"] if container is not None else []
        raise NotSupportedError(f"a .{suffix} file cannot hold “{base}”", hints=[*hints, "give the type or the suffix alone"])
    return container


def mime_codecs(parameters: str) -> list[str]:
    """Return the names of the codecs in the parameters of a MIME type."""
    for parameter in parameters.split(";"):
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "codecs":
            return [name.strip() for name in value.strip().strip('"').split(",")]
    return []


def _with_codec(wanted: MimeType, name: str, base: str) -> MimeType:
    video, audio = _named(name, VIDEO_CODECS), _named(name, AUDIO_CODECS)
    if video and not wanted.video_codec and base.startswith("video/"):
        video_codec(wanted.container, SinkOptions(video_codec=video))
        return wanted._replace(video_codec=video if find_profile(name) is None else name)
    if audio and not wanted.audio_codec:
        audio_codec(wanted.container, SinkOptions(audio_codec=audio))
        return wanted._replace(audio_codec=audio)
    raise NotSupportedError(f"{base} cannot hold the codec “{name}”", hints=_codec_hints(wanted.container))


def _codec_hints(container: Container) -> list[str]:
    return [f"codecs: {', '.join((*container.video, *container.audio))}"]
