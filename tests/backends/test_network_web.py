"""Requests to web servers on loopback: what is asked for, who is told the password, and how a request ends."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from mscli.core.errors import NotAllowedError, NotReadableError
from mscli.core.location import locate
from mscli.sources.base import VIDEO_INPUT
from mscli.sources.network.backend import NetworkBackend
from mscli.sources.network.http import WebClient
from mscli.sources.network.links import LinkReader, UdpLink
from mscli.sources.network.logins import Logins
from tests.backends.rig import TIMEOUT_S
from tests.backends.servers import LOGIN, MIXED, Web, free_port, guarded, in_parts, jpegs, parts, silence, status, whole
from tests.backends.test_network import HURRIED, PATIENT, failure, started
from tests.media_files import make

pytestmark = pytest.mark.usefixtures("no_descriptor_is_left")

DAY_S = 86400
ENDLESS = PATIENT._replace(timeout_s=3600)


@pytest.fixture(scope="module")
def image() -> bytes:
    """Return a JPEG file."""
    return jpegs(1)[0]


@pytest.fixture
def web() -> Iterator[Web]:
    """Return a web server."""
    with Web() as server:
        yield server


# Bodies that break off


def cut(data: bytes, kind: str) -> Callable[[Any], None]:
    """Answer with less than was promised."""

    def answer(request: Any) -> None:
        request.begin(kind, content_length=str(len(data)))
        request.wfile.write(data[: len(data) // 2])

    return answer


def how_it_ends(backend: NetworkBackend) -> str:
    """Play the video to its end, and return the sentence of its error."""
    source, got = started(backend, VIDEO_INPUT)
    got.wait_for(ends=1)
    source.stop()
    backend.close()
    (error,) = got.ends
    assert isinstance(error, NotReadableError)
    return error.message


def test_a_file_that_is_cut_short_does_not_end_well(web: Web, tmp_path: Path) -> None:
    clip = make(tmp_path / "clip.mkv").read_bytes()
    backend = NetworkBackend(web.page("/clip", cut(clip, "video/x-matroska")), PATIENT._replace(paced=False))
    assert how_it_ends(backend) == f"the connection to {web.url('/clip')} broke: the server breaks off"


def test_a_picture_that_is_cut_short_is_an_error(web: Web, image: bytes) -> None:
    assert failure(web.page("/still", cut(image, "image/jpeg"))).message.endswith("broke: the server breaks off")


def test_a_stream_that_breaks_off_within_a_chunk_says_so(web: Web, image: bytes) -> None:
    def answer(request: Any) -> None:
        (data,) = parts([image])
        request.begin(MIXED, transfer_encoding="chunked")
        request.wfile.write(b"%x\r\n%b\r\nffff\r\n" % (len(data), data))

    backend = NetworkBackend(web.page("/video", answer), PATIENT)
    assert how_it_ends(backend) == f"the connection to {web.url('/video')} broke: the server breaks off"


# Logins


@pytest.mark.parametrize(
    ("address", "other", "knows"),
    [
        ("https://me:x@host/a", "https://host/b?c", True),
        ("https://me:x@host/a", "https://HOST:443/", True),
        ("https://me:x@host/a", "http://host/a", False),
        ("https://me:x@host/a", "http://host:443/a", False),
        ("https://me:x@host/a", "https://host:444/a", False),
        ("http://me:x@host:8080/a", "http://host:8080/b", True),
        ("http://me:x@host:8080/a", "http://host/a", False),
        ("http://me:x@host/a", "http://host.other/a", False),
        ("http://host/a", "http://host/a", False),
    ],
)
def test_a_login_is_for_the_server_of_its_address(address: str, other: str, knows: bool) -> None:
    assert Logins(locate(address)).find_user_password("", other) == (("me", "x") if knows else (None, None))


def test_a_login_follows_to_another_path_of_the_server(web: Web, image: bytes) -> None:
    web.page("/old/still", status(302, Location="/new/still"))
    web.page("/new/still", guarded(whole(image, "image/jpeg")))
    NetworkBackend(web.url("/old/still", LOGIN), PATIENT).close()


@pytest.mark.parametrize("scheme", ["Basic", "Digest"])
def test_a_password_is_sent_as_utf_8(scheme: str, web: Web, image: bytes) -> None:
    web.page("/still", guarded(whole(image, "image/jpeg"), scheme, "Paß→"))
    NetworkBackend(web.url("/still", "me:Pa%C3%9F%E2%86%92"), PATIENT).close()


@pytest.mark.parametrize(
    ("ways", "sent"),
    [
        pytest.param(['Basic realm="a"'], ["Basic bWU6c2UvY3JAZXQ="], id="basic"),
        pytest.param(["Basic realm=a"], ["Basic bWU6c2UvY3JAZXQ="], id="unquoted"),
        pytest.param(
            ['Basic realm="a"', 'Digest realm="a, b", nonce="n", algorithm=SHA-256, qop="auth-int, auth"'],
            ['Digest username="me", realm="a, b", nonce="n"'],
            id="digest-second",
        ),
        pytest.param(
            ['Digest realm="a", nonce="1", algorithm=SHA-512-256', 'Digest realm="a", nonce="2", algorithm=MD5'],
            ['Digest username="me", realm="a", nonce="2"'],
            id="known-digest",
        ),
        pytest.param(['Basic realm="a", Digest realm="b", nonce="n"'], ['Digest username="me", realm="b"'], id="one-field"),
        pytest.param(
            ["Negotiate", 'Digest realm="a", nonce="n", algorithm=NEW', "Basic realm = a"],
            ["Basic bWU6c2UvY3JAZXQ="],
            id="else",
        ),
        pytest.param(["NTLM TlRMTVNTUAAC=="], [], id="unknown"),
        pytest.param([], [], id="nothing"),
        pytest.param(['Digest realm="a", nonce="n", stale=true'], ['Digest username="me"'] * 2, id="stale"),
    ],
)
def test_a_login_is_sent_once_in_the_best_way_that_is_offered(ways: list[str], sent: list[str], web: Web) -> None:
    given: list[str] = []

    def answer(request: Any) -> None:
        given.append(request.headers.get("Authorization", ""))
        request.send_response(401)
        for way in ways:
            request.send_header("WWW-Authenticate", way)
        request.send_header("Content-Length", "0")
        request.end_headers()

    web.page("/still", answer)
    assert isinstance(failure(web.url("/still", LOGIN)), NotAllowedError)
    assert given[0] == ""
    assert [one[: len(start)] for one, start in zip(given[1:], sent, strict=True)] == sent


# Addresses


def test_an_address_is_sent_in_ascii(web: Web, image: bytes) -> None:
    web.page("/a%20caf%C3%A9", whole(image, "image/jpeg"))
    NetworkBackend(web.url("/a café?name=%41 ü"), PATIENT).close()
    assert web.asked == ["/a%20caf%C3%A9?name=%41%20%C3%BC"]
    assert locate("http://me@bücher.example:81/").url == "http://xn--bcher-kva.example:81/"


def test_a_request_that_cannot_be_made_says_why(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("http_proxy", "http://")
    assert failure(web.url("/")).message == f"cannot reach localhost:{web.port}: no host given"


# Parts


@pytest.mark.parametrize(
    ("headers", "condition"),
    [
        ({"etag": '"1"', "last_modified": "Mon, 01 Jan 2024 00:00:00 GMT"}, '"1"'),
        ({"etag": 'W/"1"'}, None),
        ({"etag": 'W/"1"', "last_modified": "Mon, 01 Jan 2024 00:00:00 GMT"}, "Mon, 01 Jan 2024 00:00:00 GMT"),
        ({"last_modified": formatdate(time.time() + DAY_S, usegmt=True)}, None),
        ({"last_modified": "yesterday"}, None),
        ({}, None),
    ],
)
def test_a_part_is_asked_for_only_of_the_same_version(headers: dict[str, str], condition: str | None, web: Web) -> None:
    conditions: list[str | None] = []

    def answer(request: Any) -> None:
        conditions.append(request.headers.get("If-Range"))
        part = {"content_range": "bytes 5-9/10"} if "Range" in request.headers else {}
        request.begin("video/mp4", 206 if part else 200, content_length="0", **headers, **part)

    client = WebClient(locate(web.page("/clip", answer)), PATIENT)
    for begin in (0, 5):
        client.ask(begin).link.close()
    assert conditions == [None, condition]


@pytest.mark.parametrize(
    ("code", "headers"), [(200, {}), (206, {"content_range": "bytes 0-9/10"}), (206, {"content_range": "bytes 55-99/100"})]
)
def test_another_part_than_was_asked_for_is_an_error(code: int, headers: dict[str, str], web: Web) -> None:
    client = WebClient(locate(web.page("/clip", status(code, **headers))), PATIENT)
    with pytest.raises(NotReadableError, match="has changed, or is not served in parts any more"):
        client.ask(5)


# Requests that take long


def test_a_server_that_never_ends_its_headers_is_an_error_in_time(web: Web) -> None:
    def drip(request: Any) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not request.server.released.wait(0.05):
            request.wfile.write(b"A: b\r\n")

    assert failure(web.page("/", drip), HURRIED).message == f"{web.url('/')} does not answer within 0.3 s"


def test_a_redirect_is_followed_before_its_body_has_ended(web: Web, image: bytes) -> None:
    def redirect(request: Any) -> None:
        request.begin("text/html", 302, location="/still")
        while not request.server.released.wait(0.01):
            request.wfile.write(bytes(999))

    web.page("/still", whole(image, "image/jpeg"))
    NetworkBackend(web.page("/", redirect), PATIENT).close()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_request_can_be_ended_by_another_thread(scheme: str) -> None:
    errors: list[Exception] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = WebClient(locate(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/"), ENDLESS)

        def ask() -> None:
            try:
                client.ask()
            except NotReadableError as error:
                errors.append(error)

        asking = Thread(target=ask)
        asking.start()
        with listener.accept()[0] as connection:
            assert connection.recv(1)  # of the request, or of the handshake, that waits for an answer now
            client.shut()
            asking.join(TIMEOUT_S)
    assert not asking.is_alive()
    assert len(errors) == 1


def left(stop: Callable[[], None]) -> bool:
    """Return whether this returns."""
    leaving = Thread(target=stop)
    leaving.start()
    leaving.join(TIMEOUT_S)
    return not leaving.is_alive()


def test_a_picture_that_is_asked_for_can_be_left_at_once(web: Web, image: bytes) -> None:
    asked_again = Event()

    def answer(request: Any) -> None:
        if len(web.asked) == 1:
            whole(image, "image/jpeg")(request)
        else:
            asked_again.set()
            silence(request)

    backend = NetworkBackend(web.page("/still", answer), ENDLESS._replace(rate=50.0))
    source, got = started(backend, VIDEO_INPUT)
    got.wait_for(frames=1)
    assert asked_again.wait(TIMEOUT_S)
    assert left(source.stop)
    backend.close()


@pytest.mark.parametrize("answers", [False, True], ids=["no answer", "no body"])
def test_a_file_that_begins_again_can_be_left_at_once(answers: bool, web: Web, tmp_path: Path) -> None:
    clip = make(tmp_path / "clip.mp4").read_bytes()
    hangs, asked = Event(), Event()

    def answer(request: Any) -> None:
        if not hangs.is_set():
            in_parts(clip)(request)
            return
        asked.set()
        if answers:
            in_parts(clip, most=0)(request)
        silence(request)

    backend = NetworkBackend(web.page("/clip", answer), ENDLESS._replace(paced=False, loop=True))
    source, got = started(backend, VIDEO_INPUT)
    got.wait_for(frames=1)
    hangs.set()
    assert asked.wait(TIMEOUT_S)
    assert left(source.stop)
    backend.close()


# Links


class Lost:
    """A connection whose other side does not answer the system any more."""

    def receive(self, timeout_s: float | None) -> bytes:
        raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")

    def waiting(self) -> int:
        return 0

    def shut(self) -> None:
        pass

    def close(self) -> None:
        pass


def test_a_connection_that_the_system_gives_up_is_broken_not_late() -> None:
    reader = LinkReader(locate("tcp://host:1"), Lost(), 5)
    with pytest.raises(NotReadableError, match="broke: connection timed out"):
        reader.read(1)


def test_a_group_of_ipv6_is_joined() -> None:
    joined = Path("/proc/net/igmp6")
    link = UdpLink(locate(f"udp://[ff12::6d73:636c%lo]:{free_port(socket.SOCK_DGRAM)}"), 5.0)
    assert "ff12000000000000000000006d73636c" in joined.read_text()
    link.close()
    assert "ff12000000000000000000006d73636c" not in joined.read_text()


def test_a_localaddr_that_is_no_address_is_an_error() -> None:
    found = failure(f"udp://239.1.2.3:{free_port(socket.SOCK_DGRAM)}?localaddr=eth0")
    assert found.message.endswith("localaddr is not an IPv4 address")
    assert found.hints
