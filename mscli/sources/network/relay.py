"""Streams whose protocol FFmpeg speaks: RTSP, RTMP and HLS. A process of its own reads them, see ``relay_child``."""

from __future__ import annotations

import json
import os
import select
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from time import monotonic
from typing import Any

import av

from mscli.core.addresses import scrubbed
from mscli.core.children import start_child
from mscli.core.codecs import VIDEO_CODECS
from mscli.core.errors import DOMException, NotReadableError, NotSupportedError
from mscli.core.limits import RELAY_STARTS_S
from mscli.core.location import Location
from mscli.core.log import Log
from mscli.core.trust import tls_options
from mscli.sources.base import InputOptions
from mscli.sources.bytereader import EndedEarly
from mscli.sources.demux import InputContainer
from mscli.sources.network.failures import closed, not_reached, refused, silent, untrusted
from mscli.sources.network.links import LinkReader
from mscli.sources.network.relay_child import DECODED, END, FAILURE, HEAD, KEY, LONGEST_LINE, MOST_BYTES, SHOWN

CHILD = os.path.join(os.path.dirname(__file__), "relay_child.py")
JITTER_US = 200_000  # how long FFmpeg waits for the packets of RTP over UDP that are late

_PIECE = 1 << 16
_MS = 1000  # per second
_OPTIONS: Mapping[str, Mapping[str, str]] = {  # by scheme, that without TLS
    "rtsp": {"rtsp_flags": "prefer_tcp", "max_delay": str(JITTER_US)},
    "rtmp": {"rtmp_live": "live"},
    "srt": {},
    "http": {"protocol_whitelist": "http,https,tls,tcp,crypto,data", "user_agent": "mscli"},
}
_PROBE = {"analyzeduration": "1000000", "fpsprobesize": "0"}
_STATUS = {"HTTPUnauthorizedError": 401, "HTTPForbiddenError": 403, "HTTPNotFoundError": 404}
_log = Log("network")


class RelayLink:
    """The connection to the process that reads a stream."""

    def __init__(self, order: Mapping[str, Any]) -> None:
        self._child = start_child(CHILD)
        assert self._child.stdin
        assert self._child.stdout
        self._fd = self._child.stdout.fileno()
        self._bytes = select.poll()
        self._bytes.register(self._fd, select.POLLIN)
        with suppress(BrokenPipeError):  # reading finds that it has died
            self._child.stdin.write(json.dumps(order).encode() + b"\n")

    def receive(self, timeout_s: float | None) -> bytes:
        """Return what comes."""
        if not self._bytes.poll(None if timeout_s is None else timeout_s * _MS):
            raise TimeoutError
        return os.read(self._fd, _PIECE)

    def waiting(self) -> int:
        """Return 0: nobody asks."""
        return 0

    def shut(self) -> None:
        """End the process, and with it a wait."""
        self._child.kill()

    def close(self) -> None:
        """End the process."""
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            assert pipe is not None
            pipe.close()


def open_relay(where: Location, options: InputOptions, form: str = "") -> tuple[LinkReader, InputContainer, bool]:
    """Return the connection, its container, and whether that has an end. ``form``: FFmpeg's name of the container.

    Raises NotFoundError, NotAllowedError, NotReadableError, NotSupportedError, SecurityError.
    """
    order = {
        "url": where.url_with_login, "format": form or None, "timeout_s": options.timeout_s,
        "options": {**_OPTIONS[where.scheme.removesuffix("s")], **_PROBE, **tls_options(insecure=options.insecure)},
        "filters": {row.name: row.unit_filter for row in VIDEO_CODECS.values() if row.unit_filter},
    }  # fmt: skip
    try:
        reader = LinkReader(where, RelayLink(order), options.timeout_s)
    except OSError as error:
        raise NotReadableError(f"cannot start the process that reads {where.name}: {error.strerror}") from error
    reader.deadline_s = monotonic() + options.timeout_s + RELAY_STARTS_S
    try:
        told = json.loads(reader.line(LONGEST_LINE))
        if "failure" in told:
            raise _failure(told, where, options.timeout_s)
        container = InputContainer(Relayed(reader, told), where.name, reader.most_pixels)
    except BaseException as error:
        reader.close()
        if isinstance(error, EndedEarly | json.JSONDecodeError):
            raise NotReadableError(f"the process that reads {where.name} has failed", hints=["try again"]) from None
        raise
    reader.deadline_s = None
    return reader, container, bool(told["duration"])


def _failure(told: Mapping[str, str], where: Location, timeout_s: float) -> DOMException:
    """Return the error for people about a failure of the process."""
    kind, reason, text = told["failure"], told["reason"], scrubbed(told["text"])
    _log.debug("%s: %s: %s", where.name, kind, text)
    if kind in _STATUS:
        return refused(_STATUS[kind], where)
    if kind in ("ExitError", "TimeoutError"):
        return silent(where, timeout_s)
    if kind == "gaierror":
        return not_reached(socket.gaierror(), where, timeout_s)
    if kind == "ConnectionRefusedError":
        return not_reached(ConnectionRefusedError(), where, timeout_s)
    if kind == "MemoryError":
        hints = [f"the limit is {MOST_BYTES >> 30} GiB, or that of ulimit; check the address, and the server"]
        return NotReadableError(f"{where.name} needs more memory than the process that reads it may take", hints=hints)
    if "certificate" in text:
        return untrusted(where, "it does not pass the check")
    if kind == "ProtocolNotFoundError":
        hints = [f"let ffmpeg read it: ffmpeg -i {where.scheme}://... -c copy -f mpegts - | mscli record -i - x.mkv"]
        return NotSupportedError(f"the FFmpeg in PyAV cannot read {where.scheme}: addresses", hints=hints)
    if kind == "InvalidDataError":
        return NotReadableError(f"{where.name} is damaged, or holds no media that mscli can read", hints=[_CHECK])
    return NotReadableError(f"cannot read {where.name}: {scrubbed(reason[:1].lower() + reason[1:])}", hints=[_CHECK])


_CHECK = "check the address with ffprobe"


@dataclass(frozen=True)
class _RelayedStream:
    """A stream as FFmpeg describes it."""

    index: int
    type: str
    codec_context: Any
    time_base: Fraction
    average_rate: float | None
    guessed_rate: None = None
    disposition: int = 0


class _RelayedFormat:
    name = ""  # it is read by the other process
    flags = 0


class Relayed:
    """The container in the other process, as PyAV would present it."""

    format = _RelayedFormat()
    duration = None

    def __init__(self, reader: LinkReader, told: Mapping[str, Any]) -> None:
        self.start_time = told["start"]
        self._reader = reader
        self._streams = [_stream(one) for one in told["streams"]]

    @property
    def streams(self) -> Relayed:
        """Return what chooses streams."""
        return self

    def best(self, kind: str) -> _RelayedStream | None:
        """Return the stream of a kind."""
        return next((one for one in self._streams if one.type == kind), None)

    def demux(self, _streams: Sequence[_RelayedStream]) -> Iterator[Any]:
        """Yield packets, with the index of their stream in ``opaque``, to the end.

        Raises NotReadableError for a failure of the process, and if it ends without saying that this is the end.
        """
        bases = {one.index: one.time_base for one in self._streams}
        head = bytearray(HEAD.size)
        while True:
            self._fill(head)
            index, flags, pts, dts, duration, size = HEAD.unpack(head)
            if index == END:
                return
            if index == FAILURE:
                told = bytearray(size)
                self._fill(told)
                raise _failure(json.loads(told), self._reader.where, self._reader.timeout_s)
            packet: Any = av.Packet(size)  # memory of FFmpeg's: a decoder's thread that gave Python's back would need the GIL,
            with memoryview(packet) as data:  # which the thread that frees the decoder, and waits for that thread, holds
                self._fill(data)
            packet.pts, packet.dts = pts if flags & SHOWN else None, dts if flags & DECODED else None
            packet.duration, packet.time_base, packet.is_keyframe = duration, bases[index], bool(flags & KEY)
            packet.opaque = (index,)  # an object of its own: PyAV forgets it with the first packet that has it
            yield packet

    def _fill(self, data: bytearray | memoryview) -> None:
        """Read these bytes. Raises NotReadableError if the process has died, or was ended."""
        try:
            if not self._reader.fill(memoryview(data)):
                raise EndedEarly
        except EndedEarly:
            raise closed(self._reader.where.name) from None

    def close(self) -> None:
        """Close the connection."""
        self._reader.close()


def _stream(told: Mapping[str, Any]) -> _RelayedStream:
    base, codec, context = Fraction(*told["base"]), told.get("codec"), None
    if codec:
        context = av.CodecContext.create(codec, "r")
        context.extradata = bytes.fromhex(told["extradata"]) or None
        for name in ("width", "height", "pix_fmt", "sample_rate", "layout", "format"):
            if told.get(name):
                setattr(context, name, told[name])
    return _RelayedStream(told["index"], told["kind"], context, base, told.get("rate"))
