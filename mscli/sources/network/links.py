"""Connections that bring bytes: TCP and UDP. Each can be shut from another thread, which ends a wait at once."""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from ipaddress import ip_address
from time import monotonic
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from mscli.core.calls import bounded
from mscli.core.errors import DOMException, NotFoundError, NotReadableError
from mscli.core.frames import NETWORK_PIXELS
from mscli.core.location import Location
from mscli.core.log import Log
from mscli.core.tuples import NamedTuple
from mscli.sources.bytereader import ByteReader
from mscli.sources.network.failures import not_reached, silent

_PIECE = 1 << 16
_DATAGRAM = 1 << 16
_UDP_BYTES = 4 << 20  # what the system holds of a UDP stream while nobody reads, if it allows that much; the rest is lost
_log = Log("network")

_LOOK_S = 0.1  # how often a wait for UDP looks whether it was shut


class Link(Protocol):
    """A connection that brings bytes."""

    def receive(self, timeout_s: float | None) -> bytes:
        """Wait for bytes and return them, none at the end. Raises OSError, TimeoutError after ``timeout_s``."""

    def waiting(self) -> int:
        """Return how many bytes have come and were not received. Raises OSError."""

    def shut(self) -> None:
        """End a wait of another thread. Nothing more comes."""

    def close(self) -> None:
        """Close the connection."""


def _found(timeout_s: float, host: str | None, port: int, **hints: int) -> list[Any]:
    """Return what ``getaddrinfo`` says of a host. Raises OSError, and TimeoutError because a name server may hang for long."""
    return bounded(lambda: socket.getaddrinfo(host, port, **hints), timeout_s, "mscli-resolve")


class Attempt(NamedTuple):
    """An address of a host to connect to, and for how many seconds to try."""

    family: int
    kind: int
    protocol: int
    target: Any
    timeout_s: float


def attempts(host: str, port: int, timeout_s: float) -> Iterator[Attempt]:
    """Yield the addresses of a host. Together with the question for them they take at most ``timeout_s``.

    Each gets an equal share of the time that is left. Raises OSError, and TimeoutError if nobody says what they are.
    """
    until_s = monotonic() + timeout_s
    found = _found(timeout_s, host, port, type=socket.SOCK_STREAM)
    for number, (family, kind, protocol, _, target) in enumerate(found):
        left_s = until_s - monotonic()
        if left_s <= 0:
            raise TimeoutError
        yield Attempt(family, kind, protocol, target, left_s / (len(found) - number))


def connect(host: str, port: int, timeout_s: float, note: Callable[[socket.socket], object] = lambda _: None) -> socket.socket:
    """Connect to the first address of a host that can be reached. ``note`` gets each socket before. Raises OSError."""
    failure = OSError("it has no address")
    for attempt in attempts(host, port, timeout_s):
        one = socket.socket(attempt.family, attempt.kind, attempt.protocol)
        try:
            note(one)
            one.settimeout(attempt.timeout_s)
            one.connect(attempt.target)
        except OSError as error:
            one.close()
            failure = error
        except BaseException:
            one.close()
            raise
        else:
            one.settimeout(timeout_s)
            return one
    raise failure


class TcpLink:
    """A TCP connection."""

    def __init__(self, where: Location, timeout_s: float) -> None:
        self._socket = connect(where.host, where.port, timeout_s)

    def receive(self, timeout_s: float | None) -> bytes:
        """Return what comes."""
        self._socket.settimeout(timeout_s)
        return self._socket.recv(_PIECE)

    def waiting(self) -> int:
        """Return how many bytes wait."""
        return waiting_in(self._socket)

    def shut(self) -> None:
        """End a wait."""
        shut_socket(self._socket)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def shut_socket(one: socket.socket) -> None:
    """End every wait for a socket. For TLS, the connection below it is shut, without a farewell."""
    with suppress(OSError):
        socket.socket.shutdown(one, socket.SHUT_RDWR)


def waiting_in(one: socket.socket) -> int:
    """Return how many bytes wait in a socket, 0 if the system cannot tell. Raises OSError."""
    try:
        import fcntl
        import termios
    except ImportError:
        return 0
    return int.from_bytes(fcntl.ioctl(one, termios.FIONREAD, bytes(4)), sys.byteorder)


class UdpLink:
    """The datagrams that are sent to a port of this machine, or to a multicast group."""

    def __init__(self, where: Location, timeout_s: float) -> None:
        found = _found(timeout_s, where.host or None, where.port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, target = found[0]
        self._shut = False
        self._socket = socket.socket(family, kind, protocol)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _UDP_BYTES)
            self._socket.bind(target)
            if ip_address(str(target[0])).is_multicast:
                self._join(target, where)
        except BaseException:
            self._socket.close()
            raise

    def _join(self, target: Any, where: Location) -> None:
        """Join a multicast group.

        A group of IPv6 names its interface itself, such as ff02::1%eth0. For one of IPv4, ``localaddr`` is the address of the
        interface.
        """
        if self._socket.family == socket.AF_INET6:
            group, _, _, interface = target
            membership = socket.inet_pton(socket.AF_INET6, group.partition("%")[0]) + struct.pack("@I", interface)
            self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, membership)
            return
        own = parse_qs(urlsplit(where.url).query).get("localaddr", ["0.0.0.0"])[0]
        try:
            membership = socket.inet_aton(target[0]) + socket.inet_aton(own)
        except OSError:
            hints = ["write the address of a network interface: localaddr=192.168.0.2"]
            raise NotReadableError(f"cannot listen on {where.name}: localaddr is not an IPv4 address", hints=hints) from None
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)

    def receive(self, timeout_s: float | None) -> bytes:
        """Return the next datagram."""
        until_s = None if timeout_s is None else monotonic() + timeout_s
        self._socket.settimeout(_LOOK_S)
        while not self._shut:
            with suppress(TimeoutError):
                if datagram := self._socket.recv(_DATAGRAM):
                    return datagram
            if until_s is not None and monotonic() > until_s:
                raise TimeoutError
        return b""

    def waiting(self) -> int:
        """Return the size of the next datagram."""
        return waiting_in(self._socket)

    def shut(self) -> None:
        """End a wait."""
        self._shut = True

    def close(self) -> None:
        """Leave the port."""
        self._socket.close()


class LinkReader(ByteReader):
    """The bytes of a connection. Its errors are translated here. ``timeout_s``: how long to wait while there is a deadline."""

    most_pixels = NETWORK_PIXELS

    def __init__(self, where: Location, link: Link, timeout_s: float) -> None:
        super().__init__()
        self.name, self.where, self.timeout_s = where.name, where, timeout_s
        self._link = link
        self._piece: bytes | None = None  # what has come and was not read; b"" is the end

    def waiting(self) -> int:
        """Return how many bytes have come and were not read. After a failure, 0: reading reports it."""
        with suppress(OSError, ValueError):
            return len(self._held) + len(self._piece or b"") + self._link.waiting()
        return 0

    def shut(self) -> None:
        """End a wait of another thread. Nothing more is read."""
        self.stopping = True
        self._link.shut()

    def close(self) -> None:
        """Close the connection."""
        self._link.close()

    def _comes(self) -> bool:
        if self._piece is None and not (self.stopping or self._ended):
            self._piece = self._received()
        return not (self.stopping or self._ended)

    def _received(self) -> bytes:
        left_s = None if self.deadline_s is None else max(0.001, self.deadline_s - monotonic())
        try:
            return self._link.receive(left_s)
        except (OSError, ValueError) as error:  # ValueError: closed by another thread
            if self.stopping:
                return b""
            if isinstance(error, TimeoutError) and left_s is not None:  # without a deadline it is the system's
                raise silent(self.where, self.timeout_s) from None
            raise broken(error, self.where) from error

    def _some(self, count: int) -> bytes:
        piece, self._piece = self._piece or b"", None
        self._ended = not piece
        if len(piece) > count:
            self._piece = piece[count:]
        return piece[:count]

    def _read_into(self, parts: list[memoryview]) -> int:
        data = self._some(sum(part.nbytes for part in parts)) if self._comes() else b""
        at = 0
        for part in parts:
            filled = min(part.nbytes, len(data) - at)
            part[:filled] = data[at : at + filled]
            at += filled
        return len(data)


def broken(error: BaseException, where: Location) -> DOMException:
    """Return the error about a connection that broke while it was read."""
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return NotReadableError(
        f"the connection to {where.name} broke: {reason[:1].lower()}{reason[1:]}",
        hints=["wait for it to return with --reconnect DURATION"],
    )


def open_socket(where: Location, timeout_s: float) -> LinkReader:
    """Return the bytes of a tcp: or udp: address. Raises NotFoundError, NotReadableError."""
    if not where.port:
        raise NotFoundError(f"{where.name} names no port", hints=[f"write it as {where.scheme}://HOST:PORT"])
    try:
        link: Link = TcpLink(where, timeout_s) if where.scheme == "tcp" else UdpLink(where, timeout_s)
    except OSError as error:
        if where.scheme == "udp" and not isinstance(error, socket.gaierror | TimeoutError):
            reason = (error.strerror or str(error)).lower()
            hints = ["name an address of this machine, or a multicast group, and a free port"]
            raise NotReadableError(f"cannot listen on {where.name}: {reason}", hints=hints) from error
        raise not_reached(error, where, timeout_s) from error
    _log.info("%s: %s", where.name, "connected" if where.scheme == "tcp" else "listening")
    return LinkReader(where, link, timeout_s)
