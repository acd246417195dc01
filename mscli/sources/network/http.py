"""Ask a web server for what it serves: a live stream, images, or a file that is read in parts. https://www.rfc-editor.org/rfc/rfc9110

Passwords are sent when the server asks for them, and only to the server that the address names.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from email.message import Message
from email.utils import parsedate_to_datetime
from functools import partial
from threading import Event, Lock
from typing import Any
from urllib.parse import urljoin, urlsplit

from mscli.core.addresses import scrubbed
from mscli.core.errors import DOMException, NotReadableError
from mscli.core.location import Location
from mscli.core.log import Log
from mscli.core.threads import Thread
from mscli.core.tuples import NamedTuple
from mscli.sources.base import InputOptions
from mscli.sources.network.failures import not_reached, refused
from mscli.sources.network.links import connect, shut_socket, waiting_in
from mscli.sources.network.logins import LoginHandler, Logins

_PIECE = 1 << 16
_TRIES = 3  # how often a part of a file is asked for
_BREAKS_OFF = "the server breaks off"
_SURE = timedelta(seconds=60)  # a file that has not changed for so long has a date of its own: RFC 9110, section 8.8.2.2
_CURL = ["check the address with curl -v"]


class Answer(NamedTuple):
    """An open answer of a server."""

    link: HttpLink
    kind: str  # its media type in lower case
    length: int | None  # of its body, if the server says so
    in_parts: bool  # whether a part of it can be asked for


class HttpLink:
    """The body of an answer."""

    def __init__(self, response: http.client.HTTPResponse, sock: Any) -> None:
        self._response, self._socket = response, sock

    def receive(self, timeout_s: float | None) -> bytes:
        """Return what comes. Raises ConnectionError if the server ends before it has sent everything."""
        with suppress(OSError):  # the server has ended the answer, and what is left is in a buffer
            self._socket.settimeout(timeout_s)
        try:
            data = self._response.read1(_PIECE)
        except http.client.IncompleteRead:
            raise ConnectionError(_BREAKS_OFF) from None
        except http.client.HTTPException as error:
            raise ConnectionError(str(error) or type(error).__name__) from error
        if not data and self._response.length:
            raise ConnectionError(_BREAKS_OFF)
        return data

    def waiting(self) -> int:
        """Return how many bytes wait."""
        return waiting_in(self._socket)

    def shut(self) -> None:
        """End a wait."""
        shut_socket(self._socket)

    def close(self) -> None:
        """Close the connection."""
        self._response.close()
        self._socket.close()


_log = Log("network")


class WebClient:
    """A client that asks for what is at an address, with the login that belongs to it."""

    def __init__(self, where: Location, options: InputOptions) -> None:
        self.where, self.timeout_s = where, options.timeout_s
        self._context = ssl.create_default_context()
        if options.insecure:
            self._context.check_hostname, self._context.verify_mode = False, ssl.CERT_NONE
        self._version = ""  # what the server calls the version of the file that was asked for from its beginning
        self._connections: _Connections | None = None  # of the last request
        self._shut = False

    def ask(self, begin: int = 0) -> Answer:
        """Return the answer, from byte ``begin`` on. Raises NotFoundError, NotAllowedError, NotReadableError, SecurityError."""
        self._connections = connections = _Connections()
        if self._shut:
            connections.end()
        part = {"Range": f"bytes={begin}-", **({"If-Range": self._version} if self._version else {})} if begin else {}
        request = urllib.request.Request(self.where.url, headers={"User-Agent": "mscli", "Accept": "*/*", **part})
        _log.debug("%s: ask from byte %d on", self.where.name, begin)
        try:
            with connections.limited(self.timeout_s):
                response = self._opener(connections).open(request, timeout=self.timeout_s)
        except BaseException as error:
            connections.close()
            if not isinstance(error, Exception):
                raise
            if self._shut:
                raise NotReadableError(f"{self.where.name} was closed before it answered") from None
            failure = _failure(error, self.where, self.timeout_s)  # its text may have the address as it was given
            _log.debug("%s: %s", self.where.name, failure)
            raise failure from None
        *earlier, link = connections.answers
        for one in earlier:
            one.close()
        said = response.headers
        length = "of unknown length" if response.length is None else f"of {response.length} bytes"
        _log.info("%s: answers with %d: %s, %s", self.where.name, response.status, said.get_content_type(), length)
        if not begin:
            self._version = _version(said)
        elif response.status != http.client.PARTIAL_CONTENT or not _begins_at(begin, said):
            link.close()
            raise NotReadableError(f"{self.where.name} has changed, or is not served in parts any more", hints=["try again"])
        return Answer(link, said.get_content_type(), response.length, "bytes" in said.get("Accept-Ranges", ""))

    def shut(self) -> None:
        """End a wait of another thread for an answer. Nothing more is asked for."""
        self._shut = True
        connections = self._connections
        if connections is not None:
            connections.end()

    def _opener(self, connections: _Connections) -> urllib.request.OpenerDirector:
        opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler(), _Http(connections), _Https(connections, self._context),
            LoginHandler(Logins(self.where)), _Redirects(self.where),
            urllib.request.HTTPErrorProcessor(), urllib.request.HTTPDefaultErrorHandler(),
        ):  # fmt: skip
            opener.add_handler(handler)
        return opener


def _version(said: Message) -> str:
    """Return what the server calls this version of a file, if another version cannot have the same name, or else nothing."""
    tag, changed = said.get("ETag", ""), said.get("Last-Modified", "")
    if tag.startswith('"'):
        return str(tag)
    with suppress(ValueError, TypeError):  # TypeError: only one of them has a time zone
        if parsedate_to_datetime(said.get("Date", "")) - parsedate_to_datetime(changed) >= _SURE:
            return str(changed)
    return ""


def _begins_at(begin: int, said: Message) -> bool:
    return str(said.get("Content-Range", "")).lower().startswith(f"bytes {begin}-")


def _failure(error: Exception, where: Location, timeout_s: float) -> DOMException:
    """Return the error for people about a request that failed."""
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        if error.msg.startswith(urllib.request.HTTPRedirectHandler.inf_msg):
            hints = ["check the address with curl -vL"]
            return NotReadableError(f"{where.name} redirects without end ({error.code})", hints=hints)
        return refused(error.code, where)
    if isinstance(error, urllib.error.URLError):
        reason = error.reason if isinstance(error.reason, BaseException) else OSError(error.reason)
        return not_reached(reason, where, timeout_s)
    if isinstance(error, http.client.HTTPException):
        hints = ["check the port and the scheme of the address"]
        return NotReadableError(f"{where.server} does not speak HTTP", hints=hints)
    if isinstance(error, ValueError):  # of a redirect, because the address itself was checked
        return NotReadableError(f"{where.name} leads to something that is not an address", hints=_CURL)
    return not_reached(error, where, timeout_s)


class _Connections:
    """The connections for one request, one after the other. Another thread can end them."""

    def __init__(self) -> None:
        self.answers: list[HttpLink] = []  # what came through them, in order
        self._lock = Lock()  # of what follows
        self._ended = False
        self._sockets: list[socket.socket] = []  # a duplicate of each until there is an answer, because TLS replaces them

    def connect(self, address: tuple[str, int], timeout_s: float, _source: object = None) -> socket.socket:
        """Connect to the first address of a host that can be reached."""
        return connect(*address, timeout_s, self._note)

    def _note(self, one: socket.socket) -> None:
        with self._lock:
            if self._ended:
                raise ConnectionAbortedError
            self._sockets.append(one.dup())

    @contextmanager
    def limited(self, timeout_s: float) -> Iterator[None]:
        """End them if the block takes too long. Raises TimeoutError if they were ended."""
        over = Event()
        watching = Thread(target=self._watch, args=(over, timeout_s), name="mscli-request", daemon=True)
        try:
            watching.start()
            yield
        except Exception:
            if not self._ended:
                raise
        finally:
            over.set()
            watching.join()
            with self._lock:
                for one in self._sockets:
                    one.close()
                self._sockets.clear()
        if self._ended:
            raise TimeoutError

    def _watch(self, over: Event, timeout_s: float) -> None:
        if not over.wait(timeout_s):
            self.end()

    def end(self) -> None:
        """End every wait, and let no other begin."""
        with self._lock:
            self._ended = True
            for one in self._sockets:
                shut_socket(one)

    def close(self) -> None:
        """Close what came."""
        for one in self.answers:
            one.close()


class _NotedConnection(http.client.HTTPConnection):
    """A connection that can be ended, and whose answer is noted."""

    def __init__(self, connections: _Connections, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._connections = connections
        self._create_connection = connections.connect  # what HTTPConnection connects with

    def getresponse(self) -> http.client.HTTPResponse:
        """Return the answer."""
        sock = self.sock
        response = super().getresponse()
        self._connections.answers.append(HttpLink(response, sock))
        return response


class _SafeConnection(_NotedConnection, http.client.HTTPSConnection):
    """A connection with TLS that can be ended."""


class _Http(urllib.request.HTTPHandler):
    """A handler that opens connections."""

    def __init__(self, connections: _Connections) -> None:
        super().__init__()
        self._connections = connections

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """Open a connection."""
        return self.do_open(partial(_NotedConnection, self._connections), request)


class _Https(urllib.request.HTTPSHandler):
    """A handler that opens connections with TLS."""

    def __init__(self, connections: _Connections, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._connections, self._context = connections, context

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """Open a connection."""
        return self.do_open(partial(_SafeConnection, self._connections, context=self._context), request)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """A handler that follows redirects to web addresses. It does not read their bodies, which may have no end."""

    def __init__(self, where: Location) -> None:
        self._where = where

    def http_error_302(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: http.client.HTTPMessage
    ) -> Any:
        """Ask for what is there, or return None if the server does not say where."""
        target = headers.get("Location", "")
        if target and urlsplit(urljoin(req.full_url, target)).scheme not in ("http", "https"):
            raise NotReadableError(f"{self._where.name} leads to an address that is not http: or https:", hints=_CURL)
        _log.debug("%s: redirects with %d", self._where.name, code)
        fp.close()
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


class HttpFile:
    """A file on a server that is read in parts, as a Python file for PyAV. A part that breaks off is asked for again."""

    def __init__(self, client: WebClient, length: int) -> None:
        self._client, self._length = client, length
        self._at = 0  # where the next byte is read
        self._link: HttpLink | None = None  # which brings the bytes after the held ones
        self._held = b""
        self._shut = False

    def read(self, count: int) -> bytes:
        """Return at most ``count`` bytes, none at the end. Raises NotReadableError."""
        tries = 0
        while self._at < self._length and not self._shut:
            tries += 1
            self._held = self._held or self._received(last=tries == _TRIES)
            if self._held:
                data, self._held = self._held[:count], self._held[count:]
                self._at += len(data)
                return data
        return b""

    def _received(self, *, last: bool) -> bytes:
        """Return the next bytes, or none if the server does not bring them. Raises NotReadableError in the last attempt."""
        try:
            self._link = link = self._link or self._client.ask(self._at).link
            if data := b"" if self._shut else link.receive(self._client.timeout_s):
                return data
            error: Exception = ConnectionError(_BREAKS_OFF)
        except (OSError, ValueError, DOMException) as failure:  # ValueError: closed by another thread
            error = failure
        self._leave()
        _log.debug("%s: broke off at byte %d: %s", self._client.where.name, self._at, scrubbed(str(error)))
        if not self._shut and (last or isinstance(error, DOMException)):
            raise not_reached(error, self._client.where, self._client.timeout_s) from None
        return b""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to another byte."""
        target = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._length}[whence]
        ahead = target - self._at
        if 0 <= ahead <= len(self._held):
            self._held = self._held[ahead:]
        elif ahead:
            self._leave()
        self._at = target
        return target

    def tell(self) -> int:
        """Return where the next byte is read."""
        return self._at

    def shut(self) -> None:
        """End a wait of another thread. Nothing more is read."""
        self._shut = True
        link = self._link
        if link is not None:
            link.shut()

    def close(self) -> None:
        """Close the connection."""
        self._shut = True
        self._leave()

    def _leave(self) -> None:
        link, self._link, self._held = self._link, None, b""
        if link is not None:
            link.close()
