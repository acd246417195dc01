"""A process of its own that sends packets to a server with FFmpeg. Run by ``mscli.sinks.recording.network.child``.

FFmpeg's connections cannot be ended from another thread, but a process can. The order comes through stdin, because everybody
may read the arguments of a process: a line of JSON, then for each packet a ``HEAD`` and its bytes, and a ``HEAD`` with the
stream ``END`` at the end. The process ends when stdin does.

What goes to stdout: lines of JSON. ``{"ready": true}`` before it connects, ``{"open": true}`` once the server takes the
stream, ``{"sent": N, "taken": M}`` with how many packets were passed on so far, and how many of them the server has taken,
``{"done": true}`` at the end, or ``{"failure": ...}``.
"""

from __future__ import annotations

import base64
import io
import json
import os
import select
import socket
import ssl
import stat
import struct
import subprocess
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from fractions import Fraction
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from threading import Thread
from time import monotonic
from typing import Any, BinaryIO, cast
from urllib.parse import quote, unquote, urlsplit

HEAD = struct.Struct("<BBqqqI")  # stream, flags, pts, dts, duration (microseconds), size
KEY = 1  # a flag: it is a key frame
END = 254
MOST_BYTES = 1 << 30  # of memory; a 4K stream takes a tenth of it
LONGEST_LINE = 1 << 22

_BASE = Fraction(1, 1_000_000)
_SOCKET_BYTES = 1 << 18  # what the system holds for a server that is slow; with more, nobody would notice for long
_OFTEN_S = 0.1  # the interval between two reports of the number of packets
_LOG_LINES = 6  # of FFmpeg, with a failure
_DATAGRAM = 1316  # bytes: seven packets of MPEG-TS
_OK, _ALIVE, _CONTINUE = range(200, 300), range(200, 500), 100
_EMPTY = b"#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n"
_NOTHING = (b"\x47\x1f\xff\x10" + b"\xff" * 184) * 7  # packets of MPEG-TS that hold nothing
_LONGEST_HEAD = _LONGEST_BODY = 1 << 16  # of an answer; a longer body is left with its connection
_SEGMENT = ".m4s"


class StatusError(Exception):
    """An answer of a web server that is not a success."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


def main() -> None:
    """Read the order and the packets, and send them, until the end or until the parent leaves."""
    import av

    _limit_memory()
    source = os.fdopen(0, "rb", buffering=1 << 16, closefd=False)
    order = json.loads(source.readline(LONGEST_LINE) or "null")
    if order is not None:
        Thread(target=_leave_with_parent, name="mscli-publish-parent", daemon=True).start()
        try:
            with av.logging.Capture(local=False) as said:
                av.logging.set_level(av.logging.VERBOSE)
                _send(order, source, said)
        except BrokenPipeError as error:
            _tell(_failure(error, said))
        except Exception as error:  # the parent explains it
            _tell(_failure(error, said))
    os._exit(0)  # at once: closing a connection may hang


def _limit_memory() -> None:
    with suppress(ImportError, OSError, ValueError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        most = MOST_BYTES if soft == resource.RLIM_INFINITY else min(soft, MOST_BYTES)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def _leave_with_parent() -> None:
    """End when nobody can write into stdin any more, also while a server takes nothing."""
    watch = select.poll()
    watch.register(0, 0)  # a hang-up is always reported
    watch.poll()
    os._exit(0)


def _tell(news: Mapping[str, Any]) -> None:
    with suppress(BrokenPipeError):
        os.write(1, json.dumps(news).encode() + b"\n")


def _failure(error: Exception, said: list[Any]) -> dict[str, Any]:
    lines = [text.strip() for _, _, text in said[-_LOG_LINES:]]
    told = {"failure": type(error).__name__, "reason": getattr(error, "strerror", None) or str(error), "text": str(error)}
    return {**told, "status": getattr(error, "status", None), "log": lines}


def _send(order: dict[str, Any], source: BinaryIO, said: list[Any]) -> None:
    """Send the packets. Raises whatever FFmpeg, a socket or a server says."""
    import av

    head = av.open(io.BytesIO(base64.b64decode(order["head"])), "r", format="nut")
    said.clear()
    _tell({"ready": True})
    parts = urlsplit(order["url"])
    if parts.hostname and order["way"] != "program":
        socket.getaddrinfo(parts.hostname, parts.port)  # FFmpeg does not say that a host is unknown
    output, check = _WAYS[order["way"]](order)
    streams = [output.add_stream_from_template(stream, opaque=True, time_base=_BASE) for stream in head.streams]
    if order["title"]:
        output.metadata["title"] = order["title"]
    output.start_encoding()
    segments = check()
    _tell({"open": True})
    av.logging.set_level(av.logging.ERROR)
    said.clear()
    _keep_buffers_small()
    sent, taken, told_s = 0, 0, monotonic()
    while True:
        stream, flags, pts, dts, duration, size = HEAD.unpack(_read(source, HEAD.size))
        if stream == END:
            break
        packet: Any = av.Packet(_read(source, size))
        packet.pts, packet.dts, packet.duration, packet.time_base = pts, dts, duration, _BASE
        packet.is_keyframe, packet.stream = bool(flags & KEY), streams[stream]
        output.mux(packet)
        if (found := check()) != segments:
            segments, taken = found, sent  # a segment holds what came before the packet that ends it
        sent += 1
        taken = sent if segments is None else taken
        if (now_s := monotonic()) >= told_s + _OFTEN_S or sent == 1:
            told_s = now_s
            del said[:-_LOG_LINES]
            _tell({"sent": sent, "taken": taken})
    output.close()
    check()
    _tell({"sent": sent, "taken": sent, "done": True})


def _read(source: BinaryIO, size: int) -> bytes:
    data = source.read(size)
    if len(data) < size:
        os._exit(0)
    return data


def _keep_buffers_small() -> None:
    """Limit what the system holds of the stream, so that a slow server is noticed soon."""
    with suppress(OSError):
        for name in os.listdir("/proc/self/fd"):
            with suppress(OSError):
                if int(name) > 2 and stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                    one = socket.socket(fileno=os.dup(int(name)))
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
                    one.close()


# How a connection is made. Each way returns FFmpeg's output, and what raises an error that it could not raise itself. That
# returns how many segments the server has taken, or None if there are none, and what is sent is taken.

Way = tuple[Any, Callable[[], int | None]]


def _nothing() -> None:
    pass


def _general(order: Mapping[str, Any]) -> dict[str, str]:
    return {"flush_packets": "1", "max_interleave_delta": str(order["interleave_us"])}


def _by_protocol(order: dict[str, Any]) -> Way:
    """Open one of FFmpeg's protocols through the muxer “tee”: PyAV 18 passes no options to a protocol by itself."""
    import av

    options = {"f": order["muxer"], "rw_timeout": _us(order["timeout_s"]), **order["options"], **_general(order)}
    if urlsplit(order["url"]).scheme.endswith("s"):
        options |= order["trust"]
    listed = ":".join(f"{name}={_escaped(value, ':]')}" for name, value in options.items())
    name = "".join(f"\\{one}" if one in "\\'|" else one for one in f"[{listed}]{order['url']}")
    return av.open(name, "w", format="tee", container_options=_general(order)), _nothing


def _escaped(text: str, special: str) -> str:
    return "".join(f"\\{one}" if one in f"\\'{special}" else one for one in text)


def _by_muxer(order: dict[str, Any]) -> Way:
    """Open a muxer that connects by itself, or writes files."""
    import av

    options = {**order["options"], **_general(order)}
    if order["muxer"] == "rtsp":
        options |= {**order["trust"], "timeout": _us(order["timeout_s"])}
    return av.open(order["url"], "w", format=order["muxer"], container_options=options), _nothing


def _us(seconds: float) -> str:
    return str(round(seconds * 1_000_000))


def _context(order: Mapping[str, Any]) -> ssl.SSLContext:
    """Return how the certificate of a server is checked."""
    context = ssl.create_default_context(cafile=order["trust"].get("ca_file"))
    if order["trust"]["tls_verify"] == "0":
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _login(order: Mapping[str, Any]) -> dict[str, str]:
    """Return the header field that logs in, if there is a login."""
    parts = urlsplit(order["url"])
    if order["token"]:
        return {"Authorization": f"Bearer {order['token']}"}
    if parts.username is None and parts.password is None:
        return {}
    pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def _path(parts: Any) -> str:
    kept = "/%:@!$&'()*+,;=~-._"
    return quote(parts.path or "/", kept) + (f"?{quote(parts.query, kept + '?')}" if parts.query else "")


class _Body(io.RawIOBase):
    """The body of a request that has no end."""

    def __init__(self, link: socket.socket) -> None:
        super().__init__()
        self._link = link

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._link.settimeout(None)  # the parent decides how long that may take
        self._link.sendall(data)
        return len(data)


def _by_put(order: dict[str, Any]) -> Way:
    """Send a stream as the body of a PUT request, as Icecast takes it."""
    import av

    parts = urlsplit(order["url"])
    host, secure = parts.hostname or "", parts.scheme.endswith("s")
    link = socket.create_connection((host, parts.port or order["port"]), order["timeout_s"])
    link.settimeout(order["timeout_s"])
    if secure:
        link = _context(order).wrap_socket(link, server_hostname=host)
    netloc = parts.netloc.rpartition("@")[2]
    fields = {"Host": netloc, "User-Agent": "mscli", "Content-Type": order["type"], "Expect": "100-continue", **_login(order)}
    lines = [f"PUT {_path(parts)} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    link.sendall("\r\n".join(lines).encode())
    status = _status(link)
    if status != _CONTINUE and status not in _OK:
        raise StatusError(status)
    options = {**order["options"], **_general(order)}
    body = cast(Any, _Body(link))
    return av.open(body, "w", format=order["muxer"], container_options=options, buffer_size=1 << 12), _nothing


def _status(link: socket.socket) -> int:
    """Return the status of an answer, without its body. Raises HTTPException if it is none."""
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _LONGEST_HEAD:
        piece = link.recv(_LONGEST_HEAD)
        if not piece:
            break
        head += piece
        if head[:5] != b"HTTP/"[: len(head)]:
            break
    words = head.split(None, 2)
    if not head.startswith(b"HTTP/") or len(words) < 2 or not words[1].isdigit():
        raise HTTPException("no answer of HTTP")
    return int(words[1])


class _Uploads:
    """The files that a muxer makes, sent to a web server: one PUT request each."""

    def __init__(self, order: Mapping[str, Any]) -> None:
        self._parts = parts = urlsplit(order["url"])
        host, port, timeout_s = parts.hostname or "", parts.port, order["timeout_s"]
        self._link = HTTPConnection(host, port, timeout=timeout_s)
        if parts.scheme == "https":
            self._link = HTTPSConnection(host, port, timeout=timeout_s, context=_context(order))
        self._fields = {"User-Agent": "mscli", **_login(order)}
        self.error: BaseException | None = None
        self._segments = 0  # that the server has taken

    def begin(self, *, again: bool) -> None:
        """Find out whether the server takes the playlist: with an empty one, or later without touching it."""
        self.ask("HEAD" if again else "PUT", self._parts, b"" if again else _EMPTY)

    def open(self, url: str, _flags: int, options: Mapping[str, str]) -> Any:
        """Return the file that a muxer opens. It deletes a file in this way, too."""
        return _Upload(self, urlsplit(url), "DELETE" if options.get("method") == "DELETE" else "PUT")

    def ask(self, method: str, parts: Any, data: bytes) -> None:
        """Send a request, again if the server has closed the connection meanwhile."""
        if self.error is not None:
            return
        try:
            for last in (False, True):
                try:
                    self._link.request(method, _path(parts), data or None, self._fields)
                    answer = self._link.getresponse()
                    if len(answer.read(_LONGEST_BODY)) == _LONGEST_BODY:
                        answer.close()
                        self._link.close()
                    break
                except (HTTPException, ConnectionError):
                    self._link.close()
                    if last:
                        raise
            if answer.status not in (_OK if method == "PUT" else _ALIVE):
                raise StatusError(answer.status)
            self._segments += method == "PUT" and parts.path.endswith(_SEGMENT)
        except Exception as error:  # a muxer would not tell it
            self.error = error

    def check(self) -> int:
        """Return how many segments the server has taken. Raises the error of a request."""
        if self.error is not None:
            raise self.error
        return self._segments


class _Upload(io.BytesIO):
    """A file of a web server. It is sent once it is complete."""

    def __init__(self, uploads: _Uploads, parts: Any, method: str) -> None:
        super().__init__()
        self._uploads, self._parts, self._method = uploads, parts, method

    def close(self) -> None:
        if not self.closed:
            data = self.getvalue()
            super().close()
            self._uploads.ask(self._method, self._parts, data)


def _by_files(order: dict[str, Any]) -> Way:
    """Let a muxer write its files to a web server."""
    import av

    uploads = _Uploads(order)
    uploads.begin(again=order["again"])
    uploads.check()
    url = urlsplit(order["url"])
    url = url._replace(netloc=url.netloc.rpartition("@")[2])
    output = av.open(
        url.geturl(), "w", format=order["muxer"], container_options={**order["options"], "flush_packets": "1"},
        io_open=uploads.open,
    )  # fmt: skip
    return output, uploads.check


class _Program:
    """An ffmpeg that passes bytes on. It gets what is secret through a file that only it can read."""

    def __init__(self, order: Mapping[str, Any]) -> None:
        import tempfile

        with tempfile.TemporaryFile() as secrets:
            secrets.write("".join(f"{name}={value}\n" for name, value in order["secrets"].items()).encode())
            secrets.seek(0)
            preset = ["-fpre", f"/dev/fd/{secrets.fileno()}"] if order["secrets"] else []
            self._running = subprocess.Popen(
                [order["program"], "-hide_banner", "-nostdin", "-loglevel", "info", "-probesize", "32", "-f", "data",
                 "-raw_packet_size", str(_DATAGRAM), "-i", "pipe:0", "-map", "0", "-c", "copy", "-flush_packets", "1",
                 "-f", "data", *preset, order["url"]],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, pass_fds=[secrets.fileno()],
            )  # fmt: skip
        assert self._running.stdin
        assert self._running.stderr
        self.said: deque[str] = deque(maxlen=_LOG_LINES)
        self.write(_NOTHING)  # it connects once it has read something
        while line := self._running.stderr.readline(_LONGEST_HEAD):
            self.said.append(line.decode(errors="replace").strip())
            if line.startswith(b"Output #0"):
                break
        else:
            self.fail()
        Thread(target=self._forget_what_it_says, name="mscli-publish-said", daemon=True).start()

    def _forget_what_it_says(self) -> None:
        assert self._running.stderr
        while self._running.stderr.read1(_LONGEST_HEAD):  # type: ignore[attr-defined]  # it is buffered
            pass

    def fail(self) -> None:
        """Raise the error about what it said."""
        raise ConnectionError("; ".join([*self.said][-3:]) or "it has ended")

    def write(self, data: bytes) -> int:
        """Pass bytes on."""
        assert self._running.stdin
        self._running.stdin.write(data)
        self._running.stdin.flush()
        return len(data)

    def close(self) -> None:
        """Let it finish."""
        assert self._running.stdin
        self._running.stdin.close()
        self._running.wait()


def _by_program(order: dict[str, Any]) -> Way:
    """Let an ffmpeg on the PATH send, which speaks a protocol that the FFmpeg in PyAV lacks."""
    import av

    program = _Program(order)
    options = {**order["options"], **_general(order)}
    output = av.open(cast(Any, program), "w", format=order["muxer"], container_options=options, buffer_size=_DATAGRAM)
    return output, _nothing


_WAYS: dict[str, Callable[[dict[str, Any]], Way]] = {
    "protocol": _by_protocol,
    "muxer": _by_muxer,
    "put": _by_put,
    "files": _by_files,
    "program": _by_program,
}


if __name__ == "__main__":
    main()
