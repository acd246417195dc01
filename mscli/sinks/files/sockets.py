"""An output that several readers may join and leave at any time: a Unix socket, or a TCP port.

Each reader gets the header and then whole frames, from one on at which decoding can start. One thread sends to all of them
without blocking.

**Bound**: ``READER_BYTES`` of frames for each reader, ``MOST_READERS`` readers. Readers share the frames that wait for them.
**Policy**: a full queue drops its oldest frames, and those that depend on them, but never a frame that is partly sent. So a
slow reader loses frames of its own, and neither the other readers nor the source wait for it.
"""

from __future__ import annotations

import errno
import selectors
import socket
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from threading import Lock
from time import monotonic

from mscli.core.addresses import scheme_of
from mscli.core.errors import OperationError
from mscli.core.folders import DistrustedError
from mscli.core.limits import SLEEPS_S
from mscli.core.log import Burst, Log
from mscli.core.threads import Thread
from mscli.core.tuples import NamedTuple
from mscli.core.unixsocket import PathTakenError, UnixListener
from mscli.sinks.files.output import Output

READER_BYTES = 64 * 1024 * 1024
MOST_READERS = 64
UNIX = "unix"  # the scheme of a socket with a path

_WHY = {
    errno.EADDRINUSE: ("it is in use", "end the program that uses it, or choose another one"),
    errno.EADDRNOTAVAIL: ("this machine does not have that address", "use one of its own, such as 127.0.0.1"),
    errno.EACCES: ("permission denied", "choose another folder, or a port above 1023"),
    errno.ENOENT: ("its folder does not exist", "create the folder first"),
}

_log = Log("sinks")


class _Unit(NamedTuple):
    """A frame in a reader's queue. ``key``: whether decoding can start at it. ``first``: it begins with the header."""

    data: memoryview
    key: bool
    first: bool


class _SocketReader:
    """A reader and its queue."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.units: deque[_Unit] = deque()
        self.sent = 0  # bytes of the first unit
        self.held = 0  # bytes of all units
        self.speaks = True  # whether it has not closed its own side, on which nothing is expected
        self.events = 0  # what is watched
        self.joined = False  # whether it has got a frame at which decoding can start
        self.broken = False  # whether frames are missing on which the next ones may depend
        self.dropping = Burst(_log, "%d frame(s) dropped for a slow reader")

    def put(self, data: memoryview, head: bytes, *, key: bool) -> None:
        """Queue a frame, and drop the oldest ones if that is too much."""
        if (self.broken or not self.joined) and not key:
            self.dropping.note(1 if self.joined else 0)
            return
        first, self.joined, self.broken = not self.joined, True, False
        if first and head:
            data = memoryview(head + data)
        self._make_room(data.nbytes)
        if self.broken and not key:
            self.dropping.note(1)
            return
        self.broken = False
        self.units.append(_Unit(data, key, first))
        self.held += data.nbytes

    def _make_room(self, nbytes: int) -> None:
        while self.held + nbytes > READER_BYTES:
            kept = [self.units.popleft()] if self.units and (self.sent or self.units[0].first) else []
            dropped = 0
            while self.units and (not dropped or not self.units[0].key):
                self.held -= self.units.popleft().data.nbytes
                dropped += 1
            self.broken = self.broken or (dropped > 0 and not self.units)
            self.units.extendleft(kept)
            self.dropping.note(dropped)
            if not dropped:
                return

    def send(self) -> None:
        """Send what the reader takes now. Raises OSError once it has left."""
        while self.units:
            data = self.units[0].data
            try:
                self.sent += self.connection.send(data[self.sent :])
            except BlockingIOError:
                return
            if self.sent < data.nbytes:
                return
            self.units.popleft()
            self.held -= data.nbytes
            self.sent = 0

    def close(self) -> None:
        self.dropping.end()
        self.connection.close()


class SocketOutput(Output):
    """A socket that readers may join. Without a reader, frames go nowhere."""

    def __init__(self, address: str) -> None:
        self.name = address
        self._path = address[len(f"{UNIX}:") :] if scheme_of(address) == UNIX else ""
        self._place = None if self._path else _place(address)
        self._listener: socket.socket | None = None
        self._at_path: UnixListener | None = None  # the same, at a path
        self._readers: list[_SocketReader] = []
        self._lock = Lock()
        self._end_by_s: float | None = None  # once it is finished: when to stop sending, on the monotonic clock
        self._thread = Thread(target=self._serve, name="mscli-sockets", daemon=True)

    def open(self) -> None:
        """Listen. Raises OperationError if the path or the port is taken."""
        try:
            if self._path:
                self._at_path = UnixListener(self._path, MOST_READERS)
            self._listener = self._at_path.socket if self._at_path is not None else listening_on(*self._place or ("", 0))
        except OSError as error:
            raise refusal(f"cannot write to {self.name}", error) from error
        self._selector = selectors.DefaultSelector()
        self._waker, self._woken = socket.socketpair()
        for one in (self._listener, self._woken):
            one.setblocking(False)
            self._selector.register(one, selectors.EVENT_READ)
        self._thread.start()
        _log.info("“%s”: open for readers", self.name)

    def write_unit(self, parts: Sequence[bytes | memoryview], head: bytes = b"", *, key: bool = True) -> None:
        """Hand a frame to every reader."""
        with self._lock:
            data = memoryview(b"".join(parts)) if self._readers else None
            self._grow(sum(memoryview(part).nbytes for part in parts) + (0 if self.size else len(head)))
            for reader in self._readers if data is not None else ():
                assert data is not None, "it is joined for them"
                reader.put(data, head, key=key)
        if data is not None:
            self._wake()

    def _put(self, parts: list[memoryview]) -> int:
        self.write_unit(parts)
        return 0  # it is counted already

    def commit(self) -> None:
        """Send what waits for readers who still take it, and close."""
        if self._listener is None:
            return
        self._end_by_s = monotonic() + SLEEPS_S
        self._wake()
        self._thread.join()
        self._listener = None
        _log.info("“%s”: closed after %d bytes", self.name, self.size)

    def _wake(self) -> None:
        with suppress(OSError):
            self._waker.send(b"!", socket.MSG_DONTWAIT)

    # On its own thread

    def _serve(self) -> None:
        listener = self._listener
        assert listener is not None, "it was opened"
        try:
            while True:
                with self._lock:
                    for reader in list(self._readers):
                        self._serve_reader(reader)
                    if self._is_over():
                        return
                for key, _ in self._selector.select(None if self._end_by_s is None else SLEEPS_S / 10):
                    if key.fileobj is listener:
                        self._welcome(listener)
                    elif key.fileobj is self._woken:
                        with suppress(OSError):
                            self._woken.recv(4096)
                    elif key.events & selectors.EVENT_READ:
                        self._hear(key.data)
        finally:
            self._close(listener)

    def _is_over(self) -> bool:
        """Return whether it is finished, and nobody takes what is left."""
        if self._end_by_s is None:
            return False
        return monotonic() > self._end_by_s or not any(reader.units for reader in self._readers)

    def _serve_reader(self, reader: _SocketReader) -> None:
        try:
            reader.send()
        except OSError:
            self._dismiss(reader)
            return
        self._watch(reader, (selectors.EVENT_READ if reader.speaks else 0) | (selectors.EVENT_WRITE if reader.units else 0))

    def _watch(self, reader: _SocketReader, events: int) -> None:
        if events and reader.events:
            self._selector.modify(reader.connection, events, reader)
        elif events:
            self._selector.register(reader.connection, events, reader)
        elif reader.events:
            self._selector.unregister(reader.connection)
        reader.events = events

    def _hear(self, reader: _SocketReader) -> None:
        """Ignore what a reader sends. One that has closed its side may still read: it has left once sending fails."""
        with self._lock:
            try:
                reader.speaks = bool(reader.connection.recv(4096))
            except BlockingIOError:
                return
            except OSError:
                self._dismiss(reader)

    def _welcome(self, listener: socket.socket) -> None:
        with suppress(OSError):
            connection, _ = listener.accept()
            if len(self._readers) >= MOST_READERS:
                connection.close()
                return
            connection.setblocking(False)
            with self._lock:
                self._readers.append(_SocketReader(connection))
            _log.info("“%s”: a reader has come", self.name)

    def _dismiss(self, reader: _SocketReader) -> None:
        if reader in self._readers:
            self._readers.remove(reader)
            self._watch(reader, 0)
            reader.close()
            _log.info("“%s”: a reader has left", self.name)

    def _close(self, listener: socket.socket) -> None:
        with self._lock:
            for reader in list(self._readers):
                self._dismiss(reader)
        self._selector.close()
        for one in (self._at_path or listener, self._waker, self._woken):
            one.close()


def _place(address: str) -> tuple[str, int]:
    """Return the host and the port of a TCP address. Raises OperationError."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if host is None or port is None or parts.path not in ("", "/"):
        raise OperationError(f"cannot write to {address}: it is not tcp://ADDRESS:PORT", hints=["use tcp://127.0.0.1:9000"])
    return host, port


def refusal(what: str, error: OSError) -> OperationError:
    """Return the error for an address on which nobody can listen. ``what``: what is impossible."""
    why, remedy = error.strerror or str(error), "choose another address"
    if not isinstance(error, PathTakenError | DistrustedError):
        why, remedy = _WHY.get(error.errno or 0, (why, remedy))
    return OperationError(f"{what}: {why}", hints=[remedy])


def listening_on(host: str, port: int) -> socket.socket:
    """Return a socket that listens. Raises OSError."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except UnicodeError:
        raise OSError(errno.EINVAL, f"no machine can have the name {host}") from None
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(place)
        made.listen(MOST_READERS)
    except OSError:
        made.close()
        raise
    return made
