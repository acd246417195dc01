"""Streams, images and files of servers on loopback: what comes, what it is called, and every way in which a server fails."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

import mscli
from mscli.core.errors import (
    ArgumentError,
    DOMException,
    NotAllowedError,
    NotFoundError,
    NotReadableError,
    NotSupportedError,
    SecurityError,
)
from mscli.core.folders import SMALL_BYTES
from mscli.core.frames import AudioData, EncodedVideoChunk
from mscli.core.location import locate
from mscli.sources.base import AUDIO_INPUT, VIDEO_INPUT, InputOptions, Request
from mscli.sources.network.backend import NetworkBackend
from mscli.sources.network.feeds import LiveClock
from tests.backends.rig import TIMEOUT_S, Collector, mode_request
from tests.backends.servers import (
    LOGIN,
    MIXED,
    Tcp,
    Web,
    certificate,
    free_port,
    guarded,
    in_parts,
    jpegs,
    live,
    paced,
    parts,
    sending,
    silence,
    status,
    whole,
)
from tests.media_files import RATE, SECONDS, SIZE, make

pytestmark = pytest.mark.usefixtures("no_descriptor_is_left")

PATIENT = InputOptions(timeout_s=20)
HURRIED = InputOptions(timeout_s=0.3)  # for servers that never answer


@pytest.fixture(scope="module")
def images() -> list[bytes]:
    """Return JPEG files."""
    return jpegs(RATE, SIZE)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return films by their suffix."""
    folder = tmp_path_factory.mktemp("films")
    return {suffix: make(folder / f"clip.{suffix}").read_bytes() for suffix in ("mp4", "mkv", "ts")}


@pytest.fixture
def web() -> Iterator[Web]:
    """Return a web server."""
    with Web() as server:
        yield server


def started(backend: NetworkBackend, kind: str, *, codec: bool = False) -> tuple[Any, Collector]:
    """Open a track and start it. Return its source and its receiver."""
    (device,) = backend.devices([kind])
    abilities = backend.abilities(device)
    settings: dict[str, Any] = {name: values[0] for name, values in abilities.values.items()}
    request = mode_request(abilities.modes[-1 if codec else 0], settings) if abilities.modes else Request(settings)
    source, receiver = backend.open(device, request), Collector()
    source.start(receiver)
    return source, receiver


def failure(address: str, options: InputOptions = PATIENT) -> DOMException:
    """Return the error of an address that cannot be read."""
    with pytest.raises(DOMException) as found:
        NetworkBackend(address, options)
    return found.value


# What comes


def test_images_that_replace_each_other_are_stamped_when_they_arrive(web: Web, images: list[bytes]) -> None:
    backend = NetworkBackend(web.page("/video", paced(parts(images), MIXED)), PATIENT)
    source, got = started(backend, VIDEO_INPUT)
    got.wait_for(frames=5)
    source.stop()
    backend.close()
    chunks = got.frames
    assert all(isinstance(one, EncodedVideoChunk) and bytes(one.data) in images for one in chunks)
    assert [one.timestamp for one in chunks] == sorted({one.timestamp for one in chunks})
    assert got.warnings == []


@pytest.mark.parametrize("share", [0.5, 0.05], ids=["in its picture", "in its header"])
def test_an_image_that_is_cut_off_costs_itself(web: Web, images: list[bytes], share: float) -> None:
    image, between = images[0], b"\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n"
    pieces = [image, image[: round(len(image) * share)], image, image]
    backend = NetworkBackend(web.page("/video", paced([between + one for one in pieces], MIXED)), PATIENT)
    source, got = started(backend, VIDEO_INPUT)
    got.wait_for(frames=8)
    source.stop()
    backend.close()
    assert {bytes(one.data) for one in got.frames} == {image, b"\xff\xd8"}  # the second stands for one that is cut off
    assert (got.lost, got.ends) == ([], [])


def test_a_picture_is_asked_for_again_and_again(web: Web, images: list[bytes]) -> None:
    backend = NetworkBackend(web.page("/still.jpg", whole(images[0], "image/jpeg")), PATIENT._replace(rate=50.0))
    source, got = started(backend, VIDEO_INPUT)
    got.wait_for(frames=4)
    source.stop()
    backend.close()
    assert {bytes(one.data) for one in got.frames} == {images[0]}
    assert len(web.asked) >= 4


@pytest.mark.parametrize(
    ("suffix", "page"),
    [
        pytest.param("mp4", in_parts, id="parts"),
        pytest.param("mp4", lambda data: in_parts(data, most=len(data) // 3), id="breaks-off"),
        pytest.param("mkv", whole, id="whole"),
    ],
)
def test_a_file_of_a_server_is_read_to_its_end(
    suffix: str, page: Callable[[bytes], Any], web: Web, clips: dict[str, bytes]
) -> None:
    backend = NetworkBackend(web.page("/clip", page(clips[suffix])), PATIENT._replace(paced=False))
    source, got = started(backend, VIDEO_INPUT)
    got.wait_for(ends=1)
    source.stop()
    backend.close()
    assert got.ends == [None]
    assert len(got.frames) == RATE * SECONDS


def test_a_file_of_a_server_begins_where_it_is_told(web: Web, clips: dict[str, bytes]) -> None:
    backend = NetworkBackend(web.page("/clip", in_parts(clips["mp4"])), PATIENT._replace(paced=False, start_s=1.0))
    source, got = started(backend, VIDEO_INPUT)
    got.wait_for(ends=1)
    source.stop()
    backend.close()
    assert len(got.frames) == RATE * SECONDS - RATE


LIVE = ("-re", "-stream_loop", "-1", "-i")


@pytest.mark.parametrize("codec", [False, True], ids=["decoded", "copied"])
@pytest.mark.parametrize("scheme", ["tcp", "udp"])
def test_a_sent_stream_becomes_two_tracks(scheme: str, codec: bool, tmp_path: Path) -> None:
    clip = make(tmp_path / "clip.ts")
    port = free_port(socket.SOCK_STREAM if scheme == "tcp" else socket.SOCK_DGRAM)
    target = f"tcp://127.0.0.1:{port}?listen=1" if scheme == "tcp" else f"udp://127.0.0.1:{port}?pkt_size=1316"
    with sending(*LIVE, clip, "-c", "copy", "-f", "mpegts", target):
        backend = connected(f"{scheme}://127.0.0.1:{port}")
        pictures, seen = started(backend, VIDEO_INPUT, codec=codec)
        sound, heard = started(backend, AUDIO_INPUT)
        seen.wait_for(frames=10)
        heard.wait_for(frames=10)
        pictures.stop()
        sound.stop()
        backend.close()
    assert all(isinstance(one, EncodedVideoChunk) == codec for one in seen.frames)
    assert all(isinstance(one, AudioData) for one in heard.frames)
    assert not codec or seen.frames[0].key
    for got in (seen, heard):
        times = [one.order_us for one in got.frames]
        assert times == sorted(times)


def connected(address: str) -> NetworkBackend:
    """Connect as soon as the server listens."""
    for _ in range(2000):
        try:
            return NetworkBackend(address, PATIENT)
        except NotReadableError as error:
            if "refuses" not in error.message:
                raise
    raise AssertionError(f"nobody listens at {address}")


def test_images_of_a_tcp_connection_are_found_by_their_first_bytes(images: list[bytes]) -> None:
    with Tcp(b"".join(images)) as server:
        backend = NetworkBackend(f"tcp://127.0.0.1:{server.port}", PATIENT)
        assert [device.kind for device in backend.devices()] == [VIDEO_INPUT]
        backend.close()


# A stream that ends, and the way back


def test_a_stream_has_no_end_of_its_own(web: Web, clips: dict[str, bytes]) -> None:
    backend = NetworkBackend(web.page("/live", live([clips["ts"]], over=True)), PATIENT)
    source, got = started(backend, VIDEO_INPUT)
    got.wait_for(ends=1)
    (error,) = got.ends
    assert isinstance(error, NotReadableError)
    assert error.message == f"{web.url('/live')} has ended the stream"
    source.stop()
    backend.close()


def test_opening_again_connects_again(web: Web, images: list[bytes]) -> None:
    backend = NetworkBackend(web.page("/video", live(parts(images), MIXED, over=True)), PATIENT)
    for _ in range(2):
        source, got = started(backend, VIDEO_INPUT)
        got.wait_for(ends=1)
        source.stop()
    backend.close()
    assert len(web.asked) == 2


def test_a_server_that_is_silent_can_be_left_at_once(web: Web, images: list[bytes]) -> None:
    backend = NetworkBackend(web.page("/video", live(parts(images[:1]), MIXED)), PATIENT)
    source, got = started(backend, VIDEO_INPUT)
    got.wait_for(frames=1)
    leaving = Thread(target=source.stop)
    leaving.start()
    leaving.join(TIMEOUT_S)
    assert not leaving.is_alive()
    backend.close()
    assert got.ends == []


def test_pauses_between_attempts_grow_and_differ(web: Web, images: list[bytes]) -> None:
    backend = NetworkBackend(web.page("/still", whole(images[0], "image/jpeg")), PATIENT)
    pauses = [pause for pause, _ in zip(backend.retries(), range(7), strict=False)]
    backend.close()
    least = [0.5, 1, 2, 4, 8, 8, 8]
    assert all(low <= pause <= low * 1.25 for pause, low in zip(pauses, least, strict=True))
    assert pauses != least


def test_no_track_joins_a_connection_from_which_nothing_comes(clips: dict[str, bytes]) -> None:
    with Tcp(clips["ts"]) as server:
        backend = NetworkBackend(f"tcp://127.0.0.1:{server.port}", PATIENT)
        pictures, seen = started(backend, VIDEO_INPUT)
        sound, heard = started(backend, AUDIO_INPUT)
        backend._session.feed.heard_us = 1  # something has come, long ago
        sound.stop()
        again, heard_again = started(backend, AUDIO_INPUT)
        seen.wait_for(ends=1)
        again.stop()
        pictures.stop()
        backend.close()
        assert server.connections == 2
    assert isinstance(seen.ends[0], NotReadableError)
    assert heard.ends == heard_again.ends == []


# What fails


@pytest.mark.parametrize(
    ("page", "error", "sentence"),
    [
        (status(401), NotAllowedError, "asks for a user name and a password (401)"),
        (status(403), NotAllowedError, "may not be read (403)"),
        (status(404), NotFoundError, "does not exist on the server (404)"),
        (status(503), NotReadableError, "answers with status 503"),
        (status(300), NotReadableError, "answers with status 300"),
        (status(302), NotReadableError, "answers with status 302"),
        (status(304), NotReadableError, "answers with status 304"),
        (status(302, Location="/again"), NotReadableError, "redirects without end (302)"),
        (status(302, Location="http://[::1/"), NotReadableError, "leads to something that is not an address"),
        (status(302, Location="http://a..b/"), NotReadableError, "leads to something that is not an address"),
        (status(302, Location="ftp://127.0.0.1:1/"), NotReadableError, "leads to an address that is not http: or https:"),
        (status(302, Location="file:///etc/passwd"), NotReadableError, "leads to an address that is not http: or https:"),
        (whole(b"<html>no camera</html>" * 99, "text/html"), NotReadableError, "is damaged, or holds no media"),
        (whole(b"", "image/jpeg"), NotReadableError, "ends before it sends anything"),
        (whole(b"GIF89a" + bytes(99), "image/gif"), NotSupportedError, "is an image of a kind that is not supported"),
        (live([b"\xff\xd8\xff\xe0"], MIXED, over=True), NotReadableError, "ended before its first frame was complete"),
    ],
)
def test_a_server_that_does_not_serve_media_is_an_error_with_a_remedy(
    page: Any, error: type[DOMException], sentence: str, web: Web
) -> None:
    web.pages["/again"] = page
    found = failure(web.url("/again"))
    assert type(found) is error
    assert sentence in found.message
    assert found.hints


@pytest.mark.parametrize("page", [silence, live([], MIXED)], ids=["no answer", "no image"])
def test_a_server_that_hangs_is_an_error_in_time(page: Any, web: Web) -> None:
    found = failure(web.page("/hangs", page), HURRIED)
    assert isinstance(found, NotReadableError)
    assert found.message == f"{web.url('/hangs')} does not answer within 0.3 s"


def test_a_tcp_server_and_a_udp_sender_that_are_silent_are_errors_in_time() -> None:
    with Tcp() as server:
        for address in (f"tcp://127.0.0.1:{server.port}", f"udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}"):
            assert failure(address, HURRIED).message == f"{address} does not answer within 0.3 s"


@pytest.mark.parametrize("scheme", ["http", "https", "tcp"])
def test_a_port_where_nobody_listens_refuses(scheme: str) -> None:
    port = free_port()
    found = failure(f"{scheme}://127.0.0.1:{port}/")
    assert isinstance(found, NotReadableError)
    assert found.message == f"127.0.0.1:{port} refuses the connection"


@pytest.mark.parametrize("scheme", ["http", "tcp"])
def test_garbage_is_no_media(scheme: str) -> None:
    with Tcp(b"garbage\n" * 9999, over=True) as server:
        found = failure(f"{scheme}://127.0.0.1:{server.port}/")
    assert isinstance(found, NotReadableError)
    assert found.hints


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("http://no-such-host.invalid/", "no host is called no-such-host.invalid"),
        ("tcp://127.0.0.1/", "names no port"),
        ("http:///path", "names no host"),
        ("http://host:port/", "is not an address"),
        ("http://[::1/", "is not an address"),
        ("http://a..b/", "is not an address"),
        ("tcp://a..b:80", "is not an address"),
    ],
)
def test_an_address_that_leads_nowhere_is_not_found(address: str, sentence: str) -> None:
    found = failure(address)
    assert isinstance(found, NotFoundError)
    assert sentence in found.message
    assert found.hints


@pytest.mark.parametrize("options", [InputOptions(start_s=1.0), InputOptions(loop=True), InputOptions(paced=False)])
def test_options_of_files_are_refused_for_a_stream(options: InputOptions, web: Web, images: list[bytes]) -> None:
    with pytest.raises(ArgumentError, match="has no effect"):
        NetworkBackend(web.page("/video", live(parts(images), MIXED)), options)


# Logins and certificates


@pytest.mark.parametrize("scheme", ["Basic", "Digest"])
def test_a_login_is_sent_when_it_is_asked_for(scheme: str, web: Web, images: list[bytes]) -> None:
    web.page("/still", guarded(whole(images[0], "image/jpeg"), scheme))
    backend = NetworkBackend(web.url("/still", LOGIN), PATIENT)
    assert backend.devices()[0].label == web.url("/still").replace("//", "//***@")
    backend.close()
    assert isinstance(failure(web.url("/still", "me:wrong")), NotAllowedError)


def test_a_login_comes_from_netrc(web: Web, images: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / ".netrc"
    file.write_text("machine localhost login me password se/cr@et\n")
    file.chmod(0o600)
    NetworkBackend(web.page("/still", guarded(whole(images[0], "image/jpeg"))), PATIENT).close()


@pytest.mark.parametrize("what", ["device", "pipe", "large"])
def test_a_netrc_that_is_no_small_file_is_not_read(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / ".netrc"
    if what == "device":
        file.symlink_to("/dev/zero")
    elif what == "pipe":
        os.mkfifo(file)
    else:
        file.write_text("machine h login me password secret\n" + "#" * SMALL_BYTES)
    assert locate("http://h/").user == ""


def test_a_login_does_not_follow_to_another_server(web: Web) -> None:
    given: list[str] = []
    with Web() as other:
        other.page("/", lambda request: given.append(request.headers.get("Authorization", "")))
        web.page("/", guarded(status(302, Location=other.url("/"))))
        failure(web.url("/", LOGIN))
    assert given == [""]


def test_a_certificate_is_checked_unless_the_user_says_otherwise(tmp_path: Path, images: list[bytes]) -> None:
    tls, _ = certificate(tmp_path)
    with Web(tls) as server:
        address = server.page("/still", whole(images[0], "image/jpeg"))
        found = failure(address)
        assert isinstance(found, SecurityError)
        assert "certificate" in found.message
        assert "--insecure" in found.hints[0]
        NetworkBackend(address, PATIENT._replace(insecure=True)).close()


# Times


def test_a_senders_clock_is_followed_without_what_the_network_delays() -> None:
    clock, ahead_us, drift = LiveClock(), 7_000_000_000, 1.0002
    shifts = []
    for number in range(3000):
        true_us = number * 40_000
        sent_us = round(true_us * drift) + ahead_us
        delay_us = (0, 3_000, 11_000)[number % 3] + (25 - number) * 40_000 * (number < 25)  # the first were held back
        clock.note(sent_us, true_us + delay_us)
        if clock.shift_us is not None and number > 100:
            shifts.append(sent_us + clock.shift_us - true_us)
    assert max(map(abs, shifts)) < 10_000


def test_a_sender_whose_times_jump_is_followed_at_once() -> None:
    clock = LiveClock()
    for number in range(50):
        clock.note(number * 40_000, number * 40_000)
    for number in range(50, 100):
        clock.note(number * 40_000 + 10**10, number * 40_000)
        assert clock.shift_us == -(10**10)


# Two addresses that differ only in their secrets


def test_two_addresses_that_look_alike_are_two_devices(web: Web, images: list[bytes]) -> None:
    web.page("/still", whole(images[0], "image/jpeg"))
    with mscli.MediaDevices(backends=[]) as devices:
        ids = {devices.add_address(web.url(f"/still?channel={number}"))[0].device_id for number in (1, 2)}
        assert len(ids) == 2
