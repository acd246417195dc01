"""Sinks for video and sound, and their registry: the meaning of a suffix, a MIME type or the scheme of an address.

A row names the module of a sink, which is imported on first use. Packages can provide rows of their own: see
``mscli.core.plugins``.

The interface

- ``base``: the base class of sinks
- ``hosted``: sinks of other packages

Families

- ``raw``: frames as they are
- ``pictures``: pictures in a file each
- ``recording``: encoded tracks in files of a container, or for a server
- ``preview``, ``preview_window``: a window that shows pictures
- ``web``: a page that shows them in a browser
- ``camera``: a virtual camera, which other programs read

For all of them

- ``files``: where bytes go, and how files are named
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, BinaryIO

from mscli.core.addresses import is_url, masked, scheme_of, suffix_of
from mscli.core.errors import ArgumentError, NotSupportedError
from mscli.core.nearest import did_you_mean
from mscli.core.tuples import NamedTuple
from mscli.encode.options import Series, SinkOptions, TrackFormat

if TYPE_CHECKING:
    import av

    from mscli.core.outputformats import OutputContents
    from mscli.encode.codecs import Container
    from mscli.sinks.base import Sink
    from mscli.sinks.pictures.album import Album
    from mscli.sinks.preview import Previewer as Previewer
    from mscli.sinks.web import WebScreen

Target = str | int | BinaryIO  # a path, a file descriptor (not closed by the sink), or a writable binary file


class SinkRow(NamedTuple):
    """A kind of output: its names, the module of its sink, and what it can hold.

    ``module``, ``cls``: of its ``Sink``, which is made with the row, a target and ``SinkOptions``. ``schemes``: the addresses
    that it writes to; a row for these alone has no suffix. ``package``: the package that brought the row, which the registry
    notes. ``takes``: the codecs, of a ``PacketSink``. ``splits``: whether a recording can be in several files of this kind, or
    limited in size; a ``PacketSink`` is then made for each file, with its name.
    """

    suffix: str
    mime_type: str
    module: str
    cls: str
    video: bool = False
    audio: bool = False
    still: bool = False
    schemes: tuple[str, ...] = ()
    package: str = ""
    takes: Container | None = None
    splits: bool = False

    @property
    def encodes(self) -> bool:
        """Return whether tracks are encoded for it."""
        return self.takes is not None or (self.module, self.cls) == _CONTAINER or self.publishes

    @property
    def publishes(self) -> bool:
        """Return whether it is a stream for a server or a player, not a file."""
        return (self.module, self.cls) == _PUBLISHER

    @property
    def raw(self) -> bool:
        """Return whether it takes the frames of one track as they are. Readers can join and leave at its addresses."""
        return (self.module, self.cls) == _RAW

    @property
    def name(self) -> str:
        """Return its name for messages."""
        if self.publishes and self.schemes:
            return f"{self.schemes[0]}:"
        return f".{self.suffix}" if self.suffix else f"{self.schemes[0]}:"

    def writes_to(self, name: str) -> bool:
        """Return whether the name is an address that the row serves, not the name of a file."""
        return scheme_of(name) in self.schemes


_IMAGE = ("mscli.sinks.pictures.image", "ImageSink")
_CONTAINER = ("mscli.sinks.recording.sink", "RecordingSink")
_RAW = ("mscli.sinks.raw.sink", "RawSink")
_CAMERA = ("mscli.sinks.camera", "CameraSink")
_PUBLISHER = ("mscli.sinks.recording.network.publisher", "Publisher")

SINKS: dict[str, SinkRow] = {
    row.suffix: row
    for row in (
        SinkRow("png", "image/png", *_IMAGE, still=True),
        SinkRow("jpg", "image/jpeg", *_IMAGE, still=True),
        SinkRow("jpeg", "image/jpeg", *_IMAGE, still=True),
        SinkRow("webp", "image/webp", *_IMAGE, still=True),
        SinkRow("avif", "image/avif", *_IMAGE, still=True),
        SinkRow("tif", "image/tiff", *_IMAGE, still=True),
        SinkRow("tiff", "image/tiff", *_IMAGE, still=True),
        SinkRow("ppm", "image/x-portable-pixmap", *_IMAGE, still=True),
        SinkRow("pgm", "image/x-portable-graymap", *_IMAGE, still=True),
        SinkRow("mp4", "video/mp4", *_CONTAINER, video=True, audio=True, splits=True),
        SinkRow("webm", "video/webm", *_CONTAINER, video=True, audio=True, splits=True),
        SinkRow("mkv", "video/x-matroska", *_CONTAINER, video=True, audio=True, splits=True),
        SinkRow("mov", "video/quicktime", *_CONTAINER, video=True, audio=True, splits=True),
        SinkRow("wav", "audio/wav", *_CONTAINER, audio=True, splits=True),
        SinkRow("flac", "audio/flac", *_CONTAINER, audio=True, splits=True),
        SinkRow("ogg", "audio/ogg", *_CONTAINER, audio=True, splits=True),
        SinkRow("mp3", "audio/mpeg", *_CONTAINER, audio=True, splits=True),
        SinkRow("m4a", "audio/x-m4a", *_CONTAINER, audio=True, splits=True),
        SinkRow("raw", "application/octet-stream", *_RAW, video=True, audio=True, schemes=("unix", "tcp", "shm")),
    )
}

# Streams that mscli publishes: a playlist in a folder, and those to servers. Of several rows with a scheme, the suffix of the
# address decides, and else the first counts.
SERVERS: tuple[SinkRow, ...] = (
    SinkRow("m3u8", "application/vnd.apple.mpegurl", *_PUBLISHER, video=True, audio=True),
    SinkRow("", "video/x-flv", *_PUBLISHER, video=True, audio=True, schemes=("rtmp", "rtmps")),
    SinkRow("", "application/sdp", *_PUBLISHER, video=True, audio=True, schemes=("rtsp", "rtsps")),
    SinkRow("", "video/mp2t", *_PUBLISHER, video=True, audio=True, schemes=("udp",)),
    SinkRow("mp3", "audio/mpeg", *_PUBLISHER, audio=True, schemes=("icecast", "icecasts")),
    SinkRow("ogg", "audio/ogg", *_PUBLISHER, audio=True, schemes=("icecast", "icecasts")),
    SinkRow("aac", "audio/aac", *_PUBLISHER, audio=True, schemes=("icecast", "icecasts")),
    SinkRow("webm", "video/webm", *_PUBLISHER, video=True, audio=True, schemes=("icecast", "icecasts")),
    SinkRow("m3u8", "application/vnd.apple.mpegurl", *_PUBLISHER, video=True, audio=True, schemes=("http", "https")),
    SinkRow("", "video/mp2t", *_PUBLISHER, video=True, audio=True, schemes=("srt",)),
)

# Devices that take frames.
DEVICES: tuple[SinkRow, ...] = (SinkRow("", "video/x-raw", *_CAMERA, video=True, schemes=("v4l2",)),)


def sink_row(name: str, *wanted: str) -> SinkRow:
    """Return the row for an address by its scheme, or for a file's name by its suffix.

    ``wanted``: what it has to hold, of "still", "video" and "audio" at least one. Raises NotSupportedError, which lists what
    there is of the first, and says so of an address that nobody writes to, or only another command.
    """
    row = address_row(name) or _suffix_row(name)
    fits = row is not None and any(getattr(row, one) for one in wanted)
    if row is not None and row.writes_to(name) and (row.raw or (row in DEVICES and not fits)):
        hints = [f"“mscli capture -o {masked(name)}” writes raw data there"]
        raise NotSupportedError(f"cannot write {_nouns(wanted[0])} to {scheme_of(name)}: addresses", hints=hints)
    if row is not None and fits:
        return row
    raise _only_published(name, row) if row is not None and row.publishes else _unknown(name, wanted[0])


def raw_address_row(name: str) -> SinkRow | None:
    """Return the row for an address to which frames can be written, as ``address_row`` does."""
    row = address_row(name)
    if row is not None and row.publishes:
        raise _only_published(name, row)
    return row


def _only_published(name: str, row: SinkRow) -> NotSupportedError:
    what = f"{scheme_of(name)}: addresses" if scheme_of(name) else f".{row.suffix} files"
    return NotSupportedError(f"cannot write to {what}", hints=[f"publish it with “mscli record {masked(name)}”"])


def address_row(name: str) -> SinkRow | None:
    """Return the row for an address, or None for the name of a file, even one that looks like an address: ``12:30.mkv``.

    Raises NotSupportedError for an address that nobody writes to.
    """
    scheme = scheme_of(name)
    if not scheme:
        return None
    rows = (*SINKS.values(), *DEVICES)
    row = _server_row(name) or next((row for row in rows if row.writes_to(name)), None) or _brought(scheme)
    if row is not None and row.writes_to(name):
        return row
    if is_url(name) or (name[len(scheme) :].startswith(":/") and not os.path.isdir(os.path.dirname(name))):
        served = dict.fromkeys(f"{one}:" for row in (*SERVERS, *rows) for one in row.schemes)
        hints = [f"mscli writes to files and pipes, and to {', '.join(served)}", *_brought_names()]
        raise NotSupportedError(f"cannot write to {scheme}: addresses", hints=hints)
    return None


def _server_row(name: str) -> SinkRow | None:
    """Return the row of a server. Raises NotSupportedError for a web server to which no playlist is sent."""
    rows = [row for row in SERVERS if row.writes_to(name)]
    if not rows:
        return None
    from urllib.parse import urlsplit

    try:
        suffix = suffix_of(urlsplit(name).path)
    except ValueError:
        raise ArgumentError(f"{masked(name)} is not an address: write it as SCHEME://HOST:PORT/PATH") from None
    if rows[0].suffix == "m3u8" and suffix != "m3u8":
        hints = ["only a recording as HLS can: end the address with the name of a playlist, NAME.m3u8"]
        raise NotSupportedError(f"cannot write to {scheme_of(name)}: addresses", hints=hints)
    return next((row for row in rows if row.suffix == suffix), rows[0])


def own_options(row: SinkRow, target: Target | None, options: SinkOptions) -> SinkOptions:
    """Return the options of one output, with the settings behind its address. Raises TypeError for wrong settings."""
    if not (row.publishes and isinstance(target, str)):
        return options
    from mscli.sinks.recording.network.destination import options_behind

    return options_behind(target, options)


def _suffix_row(name: str) -> SinkRow | None:
    suffix = suffix_of(name)
    row = SINKS.get(suffix) or next((row for row in SERVERS if row.suffix == suffix and not row.schemes), None)
    row = row or (_brought(suffix) if suffix else None)
    return row if row is not None and row.suffix == suffix else None


def _brought(name: str) -> SinkRow | None:
    """Return the row of another package for a scheme or suffix. Raises NotSupportedError for a broken one."""
    from mscli.core.plugins import SINKS as GROUP
    from mscli.core.plugins import load_row

    found = load_row(GROUP, name, SinkRow)
    return found[0]._replace(package=found[1]) if found else None


def _brought_names() -> list[str]:
    from mscli.core.plugins import SINKS as GROUP
    from mscli.core.plugins import describe_plugins

    return describe_plugins(GROUP)


def _nouns(wanted: str) -> str:
    return "pictures" if wanted == "still" else "recordings"


_CUTOFF = 0.8  # suffixes are short, and many are similar


def _unknown(name: str, wanted: str) -> NotSupportedError:
    """Return the error for a file whose suffix no row has. ``wanted``: what the file has to hold."""
    known = ["." + row.suffix for row in SINKS.values() if row.still or row.encodes if getattr(row, wanted)]
    noun, use = _nouns(wanted), f"use {', '.join(known)}"
    suffix = suffix_of(name)
    if not suffix:
        return NotSupportedError(f"{masked(name)} has no suffix that names a format; {use}", hints=_brought_names())
    question = did_you_mean(f".{suffix}", known, cutoff=_CUTOFF)
    return NotSupportedError(f"cannot write .{suffix} {noun}; {use}{question}", hints=_brought_names())


def next_name(pattern: str, *, overwrite: bool) -> str:
    """Return the name for one recording that begins now: ``pattern`` with the time (strftime) and a free number (``%03d``).

    A folder with a time or number in its name is created.
    """
    if "%" not in pattern and "{" not in pattern:
        return pattern
    from mscli.sinks.files.series import make_folder, single

    name = single(pattern, overwrite=overwrite)
    make_folder(pattern, name)
    return name


def in_series(pattern: str, name: str) -> bool:
    """Return whether a series of files with this pattern may contain a file with this name."""
    from mscli.sinks.files.series import may_make

    return may_make(pattern, name)


def in_place_of(link: str, name: str, *, series: bool) -> bool:
    """Return whether a file with this name, or one of a series with it, may take the place of a symbolic link."""
    from mscli.sinks.files.series import may_replace, with_counter

    return may_replace(with_counter(name) if series else name, link)


def are_one(one: str | int, other: str | int) -> bool:
    """Return whether two paths or descriptors refer to the same file. Character devices can be shared and never count."""
    place = _place(one)
    return place is not None and place == _place(other)


def _place(target: str | int) -> tuple[int, int] | str | int | None:
    """Return the identity of a file: device and inode, or a new file's path. Return None for a device that can be shared."""
    try:
        found = os.stat(target)
    except OSError:
        return os.path.realpath(target) if isinstance(target, str) else target
    return None if stat.S_ISCHR(found.st_mode) else (found.st_dev, found.st_ino)


def load_sink(row: SinkRow, target: Target, options: SinkOptions) -> Sink:
    """Import and return the sink of a row for a target. Nothing is opened or created yet.

    Raises OperationError if writing the target is certain to fail.
    """
    check_cut(row, options, target)
    sink: Sink = _class(row)(row, target, options)
    return sink


def load_preview(title: str) -> Previewer:
    """Open a preview window, which waits until it is there. Raises NotSupportedError if that is impossible."""
    from mscli.sinks.preview import Previewer

    return Previewer(title)


def load_web_preview(host: str, port: int) -> WebScreen:
    """Serve a page that shows a preview. Raises OperationError if the address or the port cannot be used."""
    from mscli.sinks.web import WebScreen

    return WebScreen(host, port)


class SinkPlan(NamedTuple):
    """The plan for one output: its options, and the places and kinds of the tracks that go into it."""

    row: SinkRow
    target: Target
    options: SinkOptions
    tracks: tuple[int, ...]
    kinds: tuple[str, ...]


class SinkGroup(NamedTuple):
    """A sink, the places of its tracks, and the places of its outputs in the requested order."""

    sink: Sink
    tracks: tuple[int, ...]
    members: list[int]


def load_sinks(plans: Sequence[SinkPlan], shared: dict[str, Any] | None = None) -> list[SinkGroup]:
    """Return the sinks of several outputs, not opened yet. Outputs with the same video encoding share one.

    ``shared``: kept by the caller for all sinks of one recording, so that its sound is encoded once. Raises as ``load_sink``.
    """
    common = {} if shared is None else shared
    alike: dict[object, list[int]] = {}
    for index, plan in enumerate(plans):
        check_cut(plan.row, plan.options, plan.target)
        alike.setdefault(_shared_by(plan) or index, []).append(index)
    groups = []
    for members in alike.values():
        first, *more = (plans[index][:3] for index in members)
        sink: Sink = _class(first[0])(*first, *more)
        tracks = plans[members[0]].tracks
        if first[0].encodes:
            _share(sink, tracks, common)
        groups.append(SinkGroup(sink, tracks, members))
    return groups


def _share(sink: Any, tracks: Sequence[int], common: dict[str, Any]) -> None:
    from mscli.encode.shared import SharedMedia

    sink.share(common.setdefault("encodings", SharedMedia()), tracks)


def shares(sink: Any, plan: SinkPlan) -> bool:
    """Return whether an output can be added to a sink, because it has the sink's encoding."""
    from mscli.sinks.recording.sink import encoding_key

    if not sink.encodes or _shared_by(plan) is None or (sink.adapts and not plan.row.publishes):
        return False
    first = sink.outputs[0]
    return encoding_key(first.row, first.options, plan.kinds) == encoding_key(plan.row, plan.options, plan.kinds)


def add_to(sink: Any, plan: SinkPlan) -> None:
    """Add an output to a sink that shares its encoding. Raises as ``load_sink``."""
    sink.add(plan.row, plan.target, plan.options)


def _shared_by(plan: SinkPlan) -> object | None:
    """Return a key that outputs with a shared encoding have in common, or None for an output that shares nothing."""
    if not plan.row.encodes:
        return None
    from mscli.sinks.recording.sink import encoding_key

    return plan.tracks, encoding_key(plan.row, plan.options, plan.kinds)


def load_album(row: SinkRow, file: str, options: SinkOptions, series: Series | None, latest: str = "") -> Album:
    """Return the outputs of pictures. See ``mscli.sinks.pictures.album.Album``."""
    from mscli.sinks.pictures.album import Album

    return Album(row, file, options, series, latest)


def picture_file(suffix: str, picture: av.VideoFrame) -> bytes:
    """Return the bytes of a file with a picture, without metadata."""
    from mscli.sinks.pictures.image import encoded

    return bytes(encoded(SINKS[suffix].mime_type, picture))


def next_mark_us(interval_s: int) -> int:
    """Return when the local clock shows the next multiple of an interval, in microseconds on CLOCK_MONOTONIC."""
    from mscli.sinks.pictures.album import next_mark_us as found

    return found(interval_s)


def write_file(name: str, data: bytes) -> None:
    """Write a file as a whole, and replace one with this name. Raises OperationError, and then leaves the old one."""
    from mscli.sinks.files.output import output_for

    output = output_for(name, SinkOptions())
    output.open()
    try:
        output.write_all([data])
        output.commit()
    except BaseException:
        output.discard()
        raise


def check_tracks(row: SinkRow, options: SinkOptions, kinds: Sequence[str]) -> None:
    """Check whether an output of this row takes tracks of these kinds ("video", "audio") with these options. Opens nothing.

    Raises NotSupportedError, which lists what would fit.
    """
    _class(row).check(row, options, kinds)


def describe_output(row: SinkRow, options: SinkOptions, tracks: Sequence[TrackFormat]) -> str:
    """Return what an output of this row will hold of some tracks, for people; "" if it does not say."""
    held = [track if row.still else options.filtered(track) for track in tracks if row.still or getattr(row, track.kind)]
    text: str = _class(row).describe(row, options, held)
    return text


def is_ring(name: str) -> bool:
    """Return whether a raw output with this name is a ring in shared memory."""
    return scheme_of(name) == "shm"


def output_stream(options: SinkOptions, track: TrackFormat) -> OutputContents:
    """Return what a raw output of a track holds. See ``mscli.sinks.raw.sink.raw_stream``."""
    from mscli.sinks.raw.sink import raw_stream as found

    return found(options, track)


def lossless_audio(row: SinkRow, options: SinkOptions) -> str:
    """Return the name of the audio codec that a container would hold, if it has no bit rate to choose, or ""."""
    if not row.encodes:
        return ""
    from mscli.encode.codecs import lossless_audio
    from mscli.sinks.recording.sink import container_of

    return lossless_audio(container_of(row), options)


def is_lossless(row: SinkRow) -> bool:
    """Return whether a row of pictures has no quality to choose."""
    from mscli.sinks.pictures.image import STILLS

    return row.mime_type in STILLS and STILLS[row.mime_type].quality == 1


def copied_formats(row: SinkRow) -> tuple[str, ...]:
    """Return the encoded camera formats that an output of this row takes. Raises NotSupportedError if there are none."""
    from mscli.encode.codecs import copied_formats
    from mscli.sinks.recording.sink import container_of

    return copied_formats(container_of(row))


def codec_names(kind: str) -> list[str]:
    """Return the codecs that can be requested for a kind of track ("video", "audio")."""
    from mscli.core.codecs import AUDIO_CODECS, BY_HARDWARE, VIDEO_CODECS

    return [*VIDEO_CODECS, *BY_HARDWARE] if kind == "video" else [*AUDIO_CODECS]


def row_for_mime(mime_type: str, file: str | int | None = None) -> tuple[SinkRow, str, str]:
    """Return the row, video codec and audio codec of a MIME type; "" if it does not name one. Raises NotSupportedError.

    The type must be one of the file's suffix, if that is one of ours.
    """
    from mscli.encode.codecs import parse_mime

    named = _suffix_row(file) if isinstance(file, str) else None
    wanted = parse_mime(mime_type, named.suffix if named is not None else "")
    return SINKS[wanted.container.suffix], wanted.video_codec, wanted.audio_codec


def spell_mime(row: SinkRow, mime_type: str, options: SinkOptions, tracks: Sequence[TrackFormat]) -> str:
    """Return the MIME type, with its ``codecs``, of these tracks recorded into this row. ``mime_type``: the requested one."""
    if not row.encodes:
        return mime_type or row.mime_type
    from mscli.encode.codecstring import spell
    from mscli.sinks.recording.sink import container_of

    return spell(container_of(row), row.mime_type, mime_type, options, tracks)


def mime_supported(mime_type: str) -> bool:
    """Return whether this MIME type can be recorded: https://www.w3.org/TR/mediastream-recording/#dom-mediarecorder-istypesupported."""
    try:
        row_for_mime(mime_type)
    except NotSupportedError:
        return False
    return True


def index_place(names: Sequence[str]) -> str:
    """Return where the index of MP4 or QuickTime files stands: "front", "end" or "fragments", or "" for other files.

    Of several places, it is that from which a player can begin latest.
    """
    from mscli.encode.mp4 import PLACES, index_place

    found = set()
    for name in filter(os.path.isfile, names):
        with suppress(OSError), open(name, "rb") as file:
            found.add(index_place(file.fileno()))
    return max(found - {""}, key=PLACES.index, default="")


def check_cut(row: SinkRow, options: SinkOptions, target: Target | None = None) -> None:
    """Raise NotSupportedError if a size limit or several files are requested of an output that cannot have them."""
    series = options.series
    asked = {
        "wait for triggers with": series is not None and series.triggered,
        "split": series is not None and not series.triggered,
        "limit the size of": options.max_bytes is not None,
    }
    refused = next((what for what, is_asked in asked.items() if is_asked), "")
    if refused and not (row.splits and row.encodes):
        raise NotSupportedError(f"cannot {refused} {row.name} output", hints=["use .mkv or .mp4"])
    if series is not None and isinstance(target, str) and row.writes_to(target):
        use = f".{row.suffix}" if row.suffix else ".mkv or .mp4"
        raise NotSupportedError(f"cannot {refused} {scheme_of(target)}: addresses, which are not files", hints=[f"use {use}"])


def _class(row: SinkRow) -> Any:
    """Return the class of a row's sink. A sink of another package is hosted: it cannot harm the run."""
    if row.encodes:
        from mscli.sinks.recording.sink import RecordingSink

        return RecordingSink
    if not row.package:
        return getattr(import_module(row.module), row.cls)
    from mscli.sinks.hosted import HostedSink

    return HostedSink
