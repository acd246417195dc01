"""Connecting to a host: its addresses are asked for and tried within the time-out."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from itertools import islice
from threading import Event
from typing import Any

import pytest

from mscli.core.errors import NotReadableError
from mscli.core.location import locate
from mscli.sources.network import links
from mscli.sources.network.links import attempts, connect, open_socket


@pytest.fixture
def silent_name_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody says what the addresses of a host are."""
    over = Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait())
    yield
    over.set()


@pytest.mark.usefixtures("silent_name_server")
@pytest.mark.parametrize("scheme", ["tcp", "udp"])
def test_a_name_server_that_hangs_is_not_waited_for(scheme: str) -> None:
    with pytest.raises(NotReadableError, match=r"does not answer within 0\.05 s"):
        open_socket(locate(f"{scheme}://camera.example:1234"), 0.05)


def test_all_addresses_of_a_host_share_the_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"192.0.2.{number}", 80)) for number in range(4)]
    times = iter([100.0, 101.0, 103.0, 103.5, 106.0])  # the beginning, and before each attempt
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(links, "monotonic", lambda: next(times))
    tried = attempts("camera.example", 80, 6.0)
    shares = [(attempt.target[0], attempt.timeout_s) for attempt in islice(tried, 3)]
    assert shares == [("192.0.2.0", 5 / 4), ("192.0.2.1", 1.0), ("192.0.2.2", 1.25)]
    with pytest.raises(TimeoutError):
        next(tried)


def test_the_first_address_that_can_be_reached_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        rows: list[Any] = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in ("127.0.0.2", "127.0.0.1")]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: rows)
        seen: list[socket.socket] = []
        with connect("camera.example", port, 30.0, seen.append) as one:
            assert (one.getpeername(), one.gettimeout()) == (("127.0.0.1", port), 30.0)
        assert [each.fileno() for each in seen] == [-1, -1]
