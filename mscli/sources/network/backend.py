"""A stream, an image or a file of the network as a camera and a microphone.

The address is connected to when the backend is created, to find out what is there. The first track that is opened takes this
connection. It connects again if the stream was stopped, has ended, or has waited for too long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from random import uniform
from threading import Lock
from time import monotonic
from urllib.parse import urlsplit

from mscli.core.clock import now_us
from mscli.core.errors import ArgumentError, NotReadableError, NotSupportedError
from mscli.core.frames import EncodedVideoChunk, Media, VideoFrame
from mscli.core.limits import SERVER_RECONNECT_S, SERVER_SOON_S, STREAM_KEPT_S, STREAM_STALLED_US
from mscli.core.location import Location, locate
from mscli.core.properties import KINDS, TRACK_KINDS, VIDEO
from mscli.core.tuples import NamedTuple
from mscli.sources.base import (
    DEVICE_KINDS,
    USUAL_INPUT,
    Abilities,
    Backend,
    Device,
    InputOptions,
    Request,
    Source,
    device_noun,
    doubling,
)
from mscli.sources.bytereader import ByteReader, EndedEarly
from mscli.sources.demux import InputContainer, InputContent
from mscli.sources.feed import InputFeed
from mscli.sources.file.player import Player, check_start
from mscli.sources.network.failures import closed
from mscli.sources.network.feeds import (
    WITHIN,
    HttpFiles,
    HttpPlayer,
    LiveContainer,
    LiveImages,
    LivePlayback,
    LiveStills,
    PassingContainer,
    Picture,
)
from mscli.sources.network.http import WebClient
from mscli.sources.network.links import LinkReader, open_socket
from mscli.sources.network.relay import open_relay
from mscli.sources.pipe.feeds import open_stream
from mscli.sources.pipe.formats import FORMATS_BY_NAME, Jpegs, PipeFormat, format_of

_STILLS_PER_SECOND = 1.0  # how often a picture is asked for, if nothing else is said
_PLAYLISTS = ("application/vnd.apple.mpegurl", "application/x-mpegurl", "audio/mpegurl", "audio/x-mpegurl")  # of HLS
_SPREAD = 0.25  # the random part of a pause

MakeFormat = Callable[[ByteReader, InputOptions], PipeFormat]
_PROBES: tuple[dict[str, str], ...] = (  # the first does not wait for more than the header
    {"probesize": "32", "analyzeduration": "0", **WITHIN},
    {"analyzeduration": "2000000", **WITHIN},
)


class MixedReplace(Jpegs):
    """The images of an answer that replaces each by the next. The headers between them are no media, so none are skipped."""

    def read(self) -> Media | None:
        """Return the next image."""
        image = super().read()
        self.skipped = 0
        return image


class NetworkSession(NamedTuple):
    """One connection: the feed of what it brings, and for each kind of track a function that returns its abilities."""

    feed: InputFeed
    abilities: Mapping[str, Callable[[], Abilities]]
    since_s: float
    duration_us: int | None = None  # if it has an end, and says when

    @property
    def is_fresh(self) -> bool:
        """Return whether a track can still be opened."""
        if self.feed.in_use:
            stalled = self.feed.live and self.feed.heard_us and now_us() - self.feed.heard_us > STREAM_STALLED_US
            return not (self.feed.over or stalled)
        old = self.feed.live and monotonic() - self.since_s > STREAM_KEPT_S
        return not (self.feed.over or old)


class NetworkBackend(Backend):
    """The stream, image or file at an address of the network, as a camera and a microphone.

    Raises NotFoundError, NotAllowedError, NotReadableError, NotSupportedError, SecurityError, and TypeError for an option that
    only files follow.
    """

    name = "network"

    def __init__(self, address: str, options: InputOptions = USUAL_INPUT) -> None:
        self._address, self._where, self._options = address, locate(address), options
        self._lock = Lock()  # of the session
        self._closed = False
        self._session = self._connected()
        self._kinds = tuple(self._session.abilities)
        self.seekable, self.duration_us = isinstance(self._session.feed, Player), self._session.duration_us

    def _connected(self) -> NetworkSession:
        return _CONNECT[self._where.scheme](self._where, self._options)

    def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
        """Return a device for each kind of track that was found."""
        name = self._where.name
        return [Device(self._address, KINDS[kind], name, name, self.name) for kind in self._kinds if KINDS[kind] in kinds]

    def abilities(self, device: Device) -> Abilities:
        """Return what a track can be set to. Raises the error of a stream that cannot be used."""
        return self._abilities(device.kind)()

    def _abilities(self, kind: str) -> Callable[[], Abilities]:
        """Return what returns the abilities of a kind. Raises NotReadableError if the stream has lost it."""
        found = self._session.abilities.get(TRACK_KINDS[kind])
        if found is None:
            raise NotReadableError(f"{self._where.name} has no {device_noun(kind)} any more")
        return found

    def open(self, device: Device, request: Request) -> Source:
        """Open a track. Raises the errors of a connection."""
        with self._lock:
            if not self._session.is_fresh:
                self._session.feed.close()
                self._session = self._connected()
            if self._closed:
                self._session.feed.close()
                raise closed(self._where.name)
            self._abilities(device.kind)
            return self._session.feed.open(TRACK_KINDS[device.kind], request.settings, request.pixel_format)

    def begin_at(self, at_us: int) -> None:
        """Begin there when a track is started next."""
        if isinstance(self._session.feed, Player):
            self._session.feed.begin_at(at_us)

    def retries(self) -> Iterator[float]:
        """Yield longer times than for a device, and a random part more, so that many clients do not return at once."""
        return (pause_s * uniform(1.0, 1.0 + _SPREAD) for pause_s in doubling(SERVER_SOON_S, SERVER_RECONNECT_S))

    def close(self) -> None:
        """Leave the server."""
        self._closed = True
        self._session.feed.close()


# What is there


def _socket(where: Location, options: InputOptions) -> NetworkSession:
    """Return a session with what comes from a tcp: or udp: address."""
    return _guarded(open_socket(where, options.timeout_s), lambda reader: _live(reader, options))


def _web(where: Location, options: InputOptions) -> NetworkSession:
    """Return a session with what a web server serves."""
    client = WebClient(where, options)
    answer = client.ask()
    reader = LinkReader(where, answer.link, options.timeout_s)
    if answer.kind in _PLAYLISTS or urlsplit(where.url).path.lower().endswith(".m3u8"):
        reader.close()
        return _segments(where, options)
    if answer.kind.startswith("multipart/"):  # whatever length it states: it has no end
        return _guarded(reader, lambda reader: _live(reader, options, MixedReplace))
    if answer.kind.startswith("image/"):
        return _guarded(reader, lambda reader: _stills(reader, client, options))
    if answer.length is not None and answer.in_parts:
        reader.close()
        return _file(client, answer.length, options)
    if answer.length is not None:
        return _guarded(reader, lambda reader: _passing(reader, options))
    return _guarded(reader, lambda reader: _live(reader, options))


def _relayed(where: Location, options: InputOptions) -> NetworkSession:
    """Return a live stream whose protocol FFmpeg speaks."""
    _check_live(where, options)
    reader, container, _ = open_relay(where, options)
    return _described_session(reader, container, lambda content: LiveContainer(reader, container, content))


def _segments(where: Location, options: InputOptions) -> NetworkSession:
    """Return a session with what a playlist of HLS lists."""
    _check_live(where, options)
    reader, container, finite = open_relay(where, options, "hls")
    return _described_session(reader, container, lambda content: LivePlayback(reader, container, content, finite=finite))


def _described_session(
    reader: LinkReader, container: InputContainer, make: Callable[[InputContent], InputFeed]
) -> NetworkSession:
    try:
        content = container.describe(decode=False)
        if not content.kinds:
            raise NotReadableError(f"{reader.name} has neither video nor sound", hints=["check what the server serves there"])
        return NetworkSession(make(content), content.kinds, monotonic())
    except BaseException:
        reader.close()
        raise


_CONNECT: Mapping[str, Callable[[Location, InputOptions], NetworkSession]] = {
    **dict.fromkeys(("http", "https"), _web),
    **dict.fromkeys(("tcp", "udp"), _socket),
    **dict.fromkeys(("rtsp", "rtsps", "rtmp", "rtmps", "srt"), _relayed),
}


def _check_live(where: Location, options: InputOptions, *, paces: bool = False) -> None:
    """Raise TypeError for an option of files, which has no effect here. ``paces``: --no-pace has one."""
    given = {"--start": options.start_s, "--loop": options.loop, "--no-pace": not (options.paced or paces)}
    for name, is_given in given.items():
        if is_given:
            raise ArgumentError(f"{name} has no effect: {where.name} is not a file that can be read in parts")


def _guarded(reader: LinkReader, begin: Callable[[LinkReader], NetworkSession]) -> NetworkSession:
    """Return the session, or close the connection if its beginning cannot be read."""
    reader.deadline_s = monotonic() + reader.timeout_s
    try:
        if not reader.held(1):
            hints = ["check what the server serves there"]
            raise NotReadableError(f"{reader.name} ends before it sends anything", hints=hints)
        session = begin(reader)
    except EndedEarly:
        reader.close()
        hints = ["check what the server serves there"]
        raise NotReadableError(f"{reader.name} ended before its first frame was complete", hints=hints) from None
    except BaseException:
        reader.close()
        raise
    reader.deadline_s = None
    return session


def _live(reader: LinkReader, options: InputOptions, make: MakeFormat | None = None) -> NetworkSession:
    """Return a live stream: pictures or samples one after the other, or a container."""
    _check_live(reader.where, options)
    make = make or FORMATS_BY_NAME.get(options.format or format_of(reader))
    if make is not None:
        parts = make(reader, options)
        return NetworkSession(LiveImages(reader, parts), {parts.kind: lambda: parts.abilities}, monotonic())
    container, content = _described(reader, options)
    return NetworkSession(LiveContainer(reader, container, content), content.kinds, monotonic())


def _passing(reader: LinkReader, options: InputOptions) -> NetworkSession:
    """Return a file that can only be read from its beginning to its end."""
    _check_live(reader.where, options, paces=True)
    container, content = _described(reader, options)
    return NetworkSession(PassingContainer(reader, container, content, live=options.paced), content.kinds, monotonic())


def _described(reader: LinkReader, options: InputOptions) -> tuple[InputContainer, InputContent]:
    container = InputContainer(open_stream(reader, options.format, _PROBES), reader.name, reader.most_pixels)
    return container, container.describe(decode=False)


def _stills(reader: LinkReader, client: WebClient, options: InputOptions) -> NetworkSession:
    """Return the picture that a server makes when it is asked."""
    _check_live(reader.where, options)
    options = options._replace(rate=options.rate or _STILLS_PER_SECOND)
    parts, first = _image(reader, options)
    reader.close()
    asking = _Asking(client, options)
    return NetworkSession(LiveStills(asking, first, asking.ask, parts.rate), {VIDEO: lambda: parts.abilities}, monotonic())


def _image(reader: LinkReader, options: InputOptions) -> tuple[PipeFormat, Picture]:
    """Return an image, and the format that has read it."""
    make = FORMATS_BY_NAME.get(format_of(reader))
    if make is None:
        raise NotSupportedError(f"{reader.name} is an image of a kind that is not supported", hints=["JPEG and PNG are"])
    parts = make(reader, options)
    picture = parts.read()
    if not isinstance(picture, VideoFrame | EncodedVideoChunk):
        raise EndedEarly
    return parts, picture


class _Asking:
    """A client that asks for one picture after the other, each with a connection of its own."""

    def __init__(self, client: WebClient, options: InputOptions) -> None:
        self.name = client.where.name
        self._client, self._options = client, options
        self._reader: LinkReader | None = None
        self._shut = False

    def ask(self) -> Picture:
        """Return a picture. Raises the errors of a connection."""
        self._reader = reader = LinkReader(self._client.where, self._client.ask().link, self._client.timeout_s)
        if self._shut:
            reader.shut()
        reader.deadline_s = monotonic() + reader.timeout_s
        try:
            return _image(reader, self._options)[1]
        except EndedEarly:
            raise NotReadableError(f"{self.name} ended before its picture was complete") from None
        finally:
            reader.close()

    def shut(self) -> None:
        """End a wait of another thread."""
        self._shut = True
        self._client.shut()
        reader = self._reader
        if reader is not None:
            reader.shut()

    def close(self) -> None:
        """Close the connection."""
        self.shut()


def _file(client: WebClient, length: int, options: InputOptions) -> NetworkSession:
    """Return a file that can be read in parts."""
    name, opened = client.where.name, HttpFiles(client, length)
    with opened.container() as container:
        length_us = container.duration_us
        content = container.describe(decode=True)
    check_start(options, length_us, name)
    return NetworkSession(HttpPlayer(opened, content, options), content.kinds, monotonic(), length_us)
