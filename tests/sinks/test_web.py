"""The page of a preview: read over HTTP, and in Chromium."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from mscli.core.errors import OperationError
from mscli.core.frames import VideoFrame
from mscli.core.level import MeterReading
from mscli.core.screens import PreviewFacts
from mscli.sinks import picture_file, web
from mscli.sinks.web import HEAD_BYTES, MOST_ALIKE, MOST_STRANGERS, MOST_VIEWERS, WebScreen
from tests.cli.program import eventually
from tests.conftest import require
from tests.sinks.synth import BLUE, RED, jpeg, picture

TIMEOUT_S = 10.0
FACTS = PreviewFacts("Camera", (64, 48), 29.97, MeterReading(0.1, 0.5))


@pytest.fixture
def screen() -> Iterator[WebScreen]:
    """A page on a free port."""
    screen = WebScreen("127.0.0.1", 0)
    yield screen
    screen.close()


class Answer:
    """The answer to a request."""

    def __init__(self, screen: WebScreen, name: str = "", method: str = "GET", path: str = "", **headers: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", screen.port, timeout=TIMEOUT_S)
        connection.request(method, path or f"/{screen.token}/{name}", headers=headers)
        self.response = connection.getresponse()
        self.status = self.response.status

    def body(self) -> bytes:
        """All that follows the headers."""
        return self.response.read()


@contextmanager
def showing(screen: WebScreen, frame: VideoFrame) -> Iterator[None]:
    """Show a frame again and again, as a preview does when somebody watches."""
    over = threading.Event()

    def show() -> None:
        while not over.wait(0.005):
            if screen.ready:
                screen.show(frame)

    thread = threading.Thread(target=show)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def decoded(jpeg: bytes) -> Any:
    """The pixels of a JPEG, as OpenCV reads it: blue, green, red."""
    import cv2

    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


def parts(response: http.client.HTTPResponse, count: int) -> list[bytes]:
    """The first pictures of a stream, read as its headers say."""
    found = []
    assert response.readline() == b"--ffmpeg\r\n"
    for _ in range(count):
        assert response.readline() == b"Content-Type: image/jpeg\r\n"
        size = int(response.readline().partition(b":")[2])
        assert response.readline() == b"\r\n"
        found.append(response.read(size))
        assert response.read(2) == b"\r\n"
        assert response.readline() == b"--ffmpeg\r\n", "it is there before the next picture comes"
    return found


def test_a_snapshot_is_the_picture(screen: WebScreen) -> None:
    with showing(screen, picture("I420", 64, 48, RED)):
        answer = Answer(screen, "snapshot.jpg")
        pixels = decoded(answer.body())
    assert answer.response.getheader("Content-Type") == "image/jpeg"
    assert pixels.shape == (48, 64, 3)
    assert np.abs(pixels[24, 32].astype(int) - RED[::-1]).max() < 12


def test_a_stream_has_one_picture_after_the_other(screen: WebScreen) -> None:
    with showing(screen, picture("I420", 64, 48, BLUE)):
        jpegs = parts(Answer(screen, "stream.mjpg").response, 3)
    assert all(np.abs(decoded(jpeg)[24, 32].astype(int) - BLUE[::-1]).max() < 12 for jpeg in jpegs)


def test_several_viewers_get_one_encoding(screen: WebScreen) -> None:
    frame = picture("I420", 64, 48, RED)
    with patch.object(web, "picture_file", wraps=picture_file) as encode:
        streams = [Answer(screen, "stream.mjpg").response for _ in range(5)]
        assert eventually(lambda: screen._watching == len(streams))
        screen.show(frame)
        jpegs = {bytes(parts(stream, 1)[0]) for stream in streams}
    assert len(jpegs) == 1
    assert encode.call_count == 1


def test_a_cameras_jpeg_is_passed_on(screen: WebScreen) -> None:

    chunk = jpeg()
    stream = Answer(screen, "stream.mjpg").response
    assert eventually(lambda: screen.ready)
    screen.show(chunk)
    assert parts(stream, 1) == [bytes(chunk.data)]


def test_nothing_is_made_while_nobody_watches(screen: WebScreen) -> None:
    assert not screen.ready
    stream = Answer(screen, "stream.mjpg").response
    assert eventually(lambda: screen.ready)
    stream.close()
    with showing(screen, picture("I420", 64, 48, RED)):
        assert eventually(lambda: not screen.ready)


def test_the_facts_are_json(screen: WebScreen) -> None:
    screen.tell(FACTS)
    facts = json.loads(Answer(screen, "status.json").body())
    assert facts.pop("sound") == {"level": -20.0, "peak": pytest.approx(-6, abs=0.1)}
    assert facts == {"label": "Camera", "width": 64, "height": 48, "rate": 29.97}


def test_the_page_takes_nothing_from_elsewhere(screen: WebScreen) -> None:
    answer = Answer(screen)
    page = answer.body().decode()
    policy = answer.response.getheader("Content-Security-Policy") or ""
    nonce = page.partition('<script nonce="')[2].partition('"')[0]
    assert f"script-src 'nonce-{nonce}'" in policy
    assert len(nonce) > 10
    assert "://" not in page
    assert answer.response.getheader("Cache-Control") == "no-store"


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ({"path": "/"}, 404),
        ({"path": "/wrong/"}, 404),
        ({"path": "/wrong/stream.mjpg"}, 404),
        ({"name": "none"}, 404),
        ({"method": "POST"}, 405),
        ({"Host": "evil.example"}, 403),
        ({"Host": ""}, 403),
        ({"Host": "127.0.0.1.evil.example:80"}, 403),
        ({"Host": "localhost"}, 200),
        ({"Host": "[::1]:8000"}, 200),
        ({"method": "HEAD"}, 200),
        ({"X": "x" * HEAD_BYTES}, 431),
    ],
)
def test_requests_are_judged(screen: WebScreen, how: dict[str, str], status: int) -> None:
    assert Answer(screen, **how).status == status


def test_only_a_request_is_understood(screen: WebScreen) -> None:
    with socket.create_connection(("127.0.0.1", screen.port), TIMEOUT_S) as rude:
        rude.sendall(b"nonsense\r\n\r\n")
        assert rude.recv(100).startswith(b"HTTP/1.1 400 ")


def test_more_viewers_than_allowed_are_sent_away(screen: WebScreen) -> None:
    streams = [Answer(screen, "stream.mjpg") for _ in range(MOST_VIEWERS)]
    assert Answer(screen).status == 503
    streams[0].response.close()
    with showing(screen, picture("I420", 64, 48, RED)):
        assert eventually(lambda: Answer(screen).status == 200)


@contextmanager
def silent(screen: WebScreen, count: int, *, addresses: int = 1) -> Iterator[list[socket.socket]]:
    """Connections that ask for nothing, from some addresses."""
    found = []
    for index in range(count):
        source = (f"127.0.0.{1 + index % addresses}", 0)
        found.append(socket.create_connection(("127.0.0.1", screen.port), TIMEOUT_S, source))
    try:
        yield found
    finally:
        for one in found:
            one.close()


@pytest.mark.parametrize(
    ("addresses", "most"), [(1, MOST_ALIKE), (MOST_STRANGERS // MOST_ALIKE, MOST_STRANGERS), (200, MOST_STRANGERS)]
)
def test_silent_connections_keep_nobody_out(addresses: int, most: int, screen: WebScreen) -> None:
    with silent(screen, 200, addresses=addresses) as others:
        assert eventually(lambda: len(screen._strangers) == most)
        assert [Answer(screen, "status.json").status for _ in range(20)] == [200] * 20
        assert others[0].recv(1) == b"", "the oldest is dropped"


def test_a_silent_connection_is_dropped_soon(screen: WebScreen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "WEB_REQUEST_S", 0.05)
    with silent(screen, 1) as (one,):
        one.sendall(b"GET / HTTP/1.1\r\n")
        assert one.recv(100).startswith(b"HTTP/1.1 408 ")
    assert eventually(lambda: not screen._strangers)


def test_requests_without_the_token_take_no_place_of_a_viewer(screen: WebScreen) -> None:
    streams = [Answer(screen, "stream.mjpg") for _ in range(MOST_VIEWERS)]
    assert Answer(screen, path="/wrong/").status == 404
    assert screen._viewers == len(streams)


def test_a_viewer_that_reads_nothing_holds_up_nobody(screen: WebScreen) -> None:
    sleeper = Answer(screen, "stream.mjpg")
    noise = np.random.default_rng(1).integers(0, 255, (480, 640), np.uint8)

    frame = replace(picture("GREY", 640, 480), planes=(memoryview(noise.tobytes()),))
    with showing(screen, frame):
        assert len(parts(Answer(screen, "stream.mjpg").response, 40)) == 40
    assert sleeper.status == 200


def test_closing_ends_streams_and_the_thread() -> None:
    screen = WebScreen("127.0.0.1", 0)
    stream = Answer(screen, "stream.mjpg").response
    screen.close()
    screen.close()
    assert stream.read() == b"--ffmpeg\r\n"
    assert not any(thread.name == "mscli-web" for thread in threading.enumerate())
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", screen.port), TIMEOUT_S)


def test_a_port_in_use_is_an_error(screen: WebScreen) -> None:
    with pytest.raises(OperationError, match=rf"cannot show a preview at 127.0.0.1:{screen.port}: it is in use"):
        WebScreen("127.0.0.1", screen.port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_an_address_of_another_machine_is_an_error(host: str) -> None:
    with pytest.raises(OperationError, match=f"cannot show a preview at {host}:0: "):
        WebScreen(host, 0)


def test_ipv6_works() -> None:
    screen = WebScreen("::1", 0)
    assert screen.address == f"http://[::1]:{screen.port}/{screen.token}/"
    screen.close()


def browse(folder: Path, address: str, *flags: str) -> bytes:
    """Open the page in Chromium for a moment. Return what it prints."""
    usual = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--timeout=2000", f"--user-data-dir={folder}"]
    command = ["chromium", *usual, *flags, address]
    environment = os.environ | {"HOME": str(folder)}
    return subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def test_chromium_shows_the_picture(screen: WebScreen, tmp_path: Path) -> None:
    require("chromium")
    import cv2

    screen.tell(FACTS)
    shot = tmp_path / "page.png"
    with showing(screen, picture("I420", 320, 240, RED)):
        browse(tmp_path, screen.address, f"--screenshot={shot}", "--window-size=400,700")
    image = cv2.imread(str(shot))
    assert image is not None
    red = (np.abs(image.astype(int) - RED[::-1]) < 16).all(axis=2)
    assert red.sum() > 0.9 * 400 * 300, "the picture has the width of the window"


def test_chromium_shows_the_facts(screen: WebScreen, tmp_path: Path) -> None:
    require("chromium")
    screen.tell(FACTS)
    with showing(screen, picture("I420", 64, 48, RED)):

        def is_there() -> bool:
            page = browse(tmp_path, screen.address, "--dump-dom").decode()
            return "Camera  64×48  30.0 fps  -6 dB" in page and "<title>Camera</title>" in page

        assert eventually(is_there)
