"""A preview in browsers: a page, its JPEGs as ``stream.mjpg`` and ``snapshot.jpg``, and its facts as ``status.json``.

Whoever knows the random token in the address may watch. A request must name this machine in its Host header: otherwise a page
of somebody else could read the pictures through a name that leads here (DNS rebinding).

**Bound**: ``MOST_VIEWERS`` connections with the token, ``MOST_STRANGERS`` that have not sent it yet, ``MOST_ALIKE`` of these
from one address, ``HEAD_BYTES`` for a request, the newest picture. **Policy**: a stranger too many replaces the oldest one, so
that silent connections keep nobody out who asks at once. A viewer that is slow misses pictures; one that takes nothing for
``VIEWER_SLEEPS_S`` is dropped. Each picture is encoded once for all viewers, and only if somebody watches. The JPEGs of a
camera are passed on.
"""

from __future__ import annotations

import asyncio
import hmac
import os
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from ipaddress import ip_address
from secrets import token_urlsafe
from typing import Any

from mscli.core.frames import EncodedVideoChunk, VideoFrame
from mscli.core.jpeg import BrokenJpegError, file_parts
from mscli.core.level import decibels
from mscli.core.limits import VIEWER_SLEEPS_S, WEB_CLOSED_S, WEB_FRAME_S, WEB_REQUEST_S
from mscli.core.log import Log
from mscli.core.screens import PreviewFacts, Screen
from mscli.core.threads import Thread
from mscli.media import load_picture_reader
from mscli.media.chunkfilter import whole_image
from mscli.sinks import picture_file
from mscli.sinks.files.sockets import listening_on, refusal

MOST_VIEWERS = 16
MOST_STRANGERS = 64
MOST_ALIKE = 8
HEAD_BYTES = 8192
_SENT_BYTES = 1 << 18  # what the system holds for a viewer: more would only be late
_PAGE = os.path.join(os.path.dirname(__file__), "page.html")
_BOUNDARY = "ffmpeg"  # readers of FFmpeg's mpjpeg expect this one
_CRLF = "\r\n"
_HEADERS = {
    "Cache-Control": "no-store",
    "Connection": "close",
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self'; connect-src 'self'; style-src 'unsafe-inline'; script-src 'nonce-{nonce}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_log = Log("web")


class _Refused(Exception):
    """A request that gets no answer but a status."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class WebScreen(Screen):
    """A server for the page, on a thread of its own. ``address``: of the page, with the token."""

    def __init__(self, host: str, port: int) -> None:
        """Listen. Raises OperationError if the address or the port cannot be used."""
        try:
            self._listener = listening_on(host, port)
        except OSError as error:
            raise refusal(f"cannot show a preview at {host}:{port}", error) from error
        self.token = token_urlsafe(12)
        self.port = self._listener.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        self.address = f"http://{shown}:{self.port}/{self.token}/"
        self._facts = PreviewFacts()
        self._jpeg: list[bytes | memoryview] = []
        self._watching = 0  # viewers of the stream, and requests for a picture
        self._viewers = 0  # connections that know the token
        self._strangers: dict[asyncio.Task[Any], str] = {}  # the others, the oldest first → their addresses
        self._closed = False
        self._read_picture = load_picture_reader()
        self._loop = asyncio.new_event_loop()
        self._arrived = asyncio.Event()  # set once there is another picture
        self._ending = asyncio.Event()
        self._thread = Thread(target=self._run, name="mscli-web", daemon=True)
        self._thread.start()
        _log.info("listening at port %d", self.port)

    # From the thread of the preview

    @property
    def closed(self) -> bool:
        """Return whether it has ended. People can only close their browser."""
        return self._closed

    @property
    def ready(self) -> bool:
        """Return whether somebody watches."""
        return self._watching > 0 and not self._closed

    def show(self, frame: VideoFrame | EncodedVideoChunk) -> None:
        """Send a picture to all viewers."""
        jpeg = self._encoded(frame)
        if jpeg and not self._closed:
            self._loop.call_soon_threadsafe(self._publish, jpeg)

    def tell(self, facts: PreviewFacts) -> None:
        """Keep the facts for those who ask."""
        self._facts = facts

    def close(self) -> None:
        """End the server and its connections."""
        if not self._closed:
            self._closed = True
            self._loop.call_soon_threadsafe(self._ending.set)
            self._thread.join(WEB_CLOSED_S)

    def _encoded(self, frame: VideoFrame | EncodedVideoChunk) -> list[bytes | memoryview]:
        """Return the parts of a JPEG file: the camera's own if it is whole. There are none for a damaged frame."""
        if isinstance(frame, EncodedVideoChunk) and frame.codec == "mjpeg" and frame.whole:
            with suppress(BrokenJpegError):
                return file_parts(whole_image(frame))
        picture = self._read_picture(frame)
        return [] if picture is None else [picture_file("jpg", picture)]

    # On its own thread

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._welcome, sock=self._listener, limit=HEAD_BYTES)
        await self._ending.wait()
        server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)  # the connections are closed now

    def _publish(self, jpeg: list[bytes | memoryview]) -> None:
        self._jpeg = jpeg
        arrived, self._arrived = self._arrived, asyncio.Event()
        arrived.set()

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer a request and close its connection."""
        try:
            await self._answer(reader, writer)
        except _Refused as refused:
            with suppress(OSError):
                writer.write(_head(refused.status, "text/plain", len(refused.status.phrase)) + refused.status.phrase.encode())
        except (OSError, asyncio.CancelledError):  # the viewer has left, or the server ends
            pass
        finally:
            if self._ending.is_set():
                writer.transport.abort()  # what it has not read yet does not count any more
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with self._as_stranger(str(writer.get_extra_info("peername", ("",))[0])):
            method, path, headers = await _request(reader)
        if not _is_ours(headers.get("host", "")):
            raise _Refused(HTTPStatus.FORBIDDEN)
        _, token, name = (*path.partition("?")[0].split("/", 2), "", "")[:3]
        answer = _ANSWERS.get(name)
        if not hmac.compare_digest(token.encode(), self.token.encode()) or answer is None:
            raise _Refused(HTTPStatus.NOT_FOUND)
        if method not in ("GET", "HEAD"):
            raise _Refused(HTTPStatus.METHOD_NOT_ALLOWED)
        if self._viewers >= MOST_VIEWERS:
            raise _Refused(HTTPStatus.SERVICE_UNAVAILABLE)
        self._viewers += 1
        try:
            await answer(self, writer, method == "HEAD")
        finally:
            self._viewers -= 1

    @contextmanager
    def _as_stranger(self, address: str) -> Iterator[None]:
        """Count a connection from an address among those that have not sent a token. Drop the oldest if there are too many."""
        alike = [task for task, other in self._strangers.items() if other == address]
        if len(alike) >= MOST_ALIKE or len(self._strangers) >= MOST_STRANGERS:
            oldest = alike[0] if len(alike) >= MOST_ALIKE else next(iter(self._strangers))
            del self._strangers[oldest]
            oldest.cancel()
        task = asyncio.current_task()
        assert task is not None, "a connection has a task"
        self._strangers[task] = address
        try:
            yield
        finally:
            self._strangers.pop(task, None)

    async def _send_page(self, writer: asyncio.StreamWriter, head_only: bool) -> None:
        nonce = token_urlsafe(12)
        with open(_PAGE, encoding="utf-8") as file:
            page = file.read().replace("{nonce}", nonce).encode()
        await _send(writer, _head(HTTPStatus.OK, "text/html; charset=utf-8", len(page), nonce), [] if head_only else [page])

    async def _send_status(self, writer: asyncio.StreamWriter, head_only: bool) -> None:
        import json

        facts = self._facts
        width, height = facts.size or (None, None)
        sound = None if facts.sound is None else {"level": decibels(facts.sound.level), "peak": facts.sound.decibels}
        status = {"label": facts.label, "width": width, "height": height, "rate": round(facts.rate, 2), "sound": sound}
        text = json.dumps(status).encode()
        await _send(writer, _head(HTTPStatus.OK, "application/json", len(text)), [] if head_only else [text])

    async def _send_snapshot(self, writer: asyncio.StreamWriter, head_only: bool) -> None:
        """Send the next picture."""
        self._watching += 1
        try:
            async with asyncio.timeout(WEB_FRAME_S):
                await self._arrived.wait()
        except TimeoutError:
            raise _Refused(HTTPStatus.SERVICE_UNAVAILABLE) from None
        finally:
            self._watching -= 1
        jpeg = self._jpeg
        head = _head(HTTPStatus.OK, "image/jpeg", sum(map(len, jpeg)))
        await _send(writer, head, [] if head_only else jpeg)

    async def _send_stream(self, writer: asyncio.StreamWriter, head_only: bool) -> None:
        """Send pictures until the viewer leaves. The boundary behind each one makes the browser show it at once."""
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SENT_BYTES)
        writer.transport.set_write_buffer_limits(0)
        head = _head(HTTPStatus.OK, f"multipart/x-mixed-replace; boundary={_BOUNDARY}", None)
        await _send(writer, head, [] if head_only else [f"--{_BOUNDARY}{_CRLF}".encode()])
        self._watching += not head_only
        try:
            while not head_only:
                await self._arrived.wait()
                jpeg = self._jpeg
                part = f"Content-Type: image/jpeg{_CRLF}Content-Length: {sum(map(len, jpeg))}{_CRLF}{_CRLF}"
                await _send(writer, part.encode(), [*jpeg, f"{_CRLF}--{_BOUNDARY}{_CRLF}".encode()])
        finally:
            self._watching -= not head_only


_Answer = Callable[[WebScreen, asyncio.StreamWriter, bool], Awaitable[None]]
_ANSWERS: Mapping[str, _Answer] = {
    "": WebScreen._send_page,
    "stream.mjpg": WebScreen._send_stream,
    "snapshot.jpg": WebScreen._send_snapshot,
    "status.json": WebScreen._send_status,
}


async def _request(reader: asyncio.StreamReader) -> tuple[str, str, Mapping[str, str]]:
    """Return the method, the path and the headers of a request."""
    try:
        async with asyncio.timeout(WEB_REQUEST_S):
            head = await reader.readuntil(b"\r\n\r\n")
        (method, path, _), *lines = (line.split(" ", 2) for line in head.decode("latin-1").strip().split(_CRLF))
    except TimeoutError:
        raise _Refused(HTTPStatus.REQUEST_TIMEOUT) from None
    except asyncio.LimitOverrunError:
        raise _Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE) from None
    except (asyncio.IncompleteReadError, ValueError):
        raise _Refused(HTTPStatus.BAD_REQUEST) from None
    fields = (" ".join(line).partition(":") for line in lines)
    return method, path, {name.strip().lower(): value.strip() for name, _, value in fields}


def _is_ours(host: str) -> bool:
    """Return whether a Host header names this machine: by an address, which nobody can redirect, or by its own names."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    own = socket.gethostname().lower()
    if name.lower() in ("localhost", own, f"{own}.local"):
        return True
    try:
        return bool(ip_address(name.removeprefix("[").removesuffix("]")))
    except ValueError:
        return False


def _head(status: HTTPStatus, content_type: str, length: int | None, nonce: str = "") -> bytes:
    """Return the beginning of an answer. ``length``: of its body in bytes, None if that has no end."""
    size = {} if length is None else {"Content-Length": str(length)}
    fields = {"Content-Type": content_type, **size, **_HEADERS}
    lines = (f"{name}: {value.replace('{nonce}', nonce)}{_CRLF}" for name, value in fields.items())
    return f"HTTP/1.1 {status.value} {status.phrase}{_CRLF}{''.join(lines)}{_CRLF}".encode()


async def _send(writer: asyncio.StreamWriter, head: bytes, body: list[bytes | memoryview]) -> None:
    """Send bytes. Raises OSError if the viewer has left, or takes nothing for too long."""
    writer.writelines([head, *body])
    try:
        async with asyncio.timeout(VIEWER_SLEEPS_S):  # wait_for of Python 3.11 may lose a cancellation
            await writer.drain()
    except TimeoutError:
        writer.transport.abort()
        raise
