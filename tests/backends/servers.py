"""Servers on loopback for the tests of the network: a web server that also misbehaves, and ffmpeg as a sender."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

from tests.conftest import require
from tests.media_files import ffmpeg

RTSP_SERVER = Path(__file__).parent / "rtsp_server.py"
USER, PASSWORD = "me", "se/cr@et"
LOGIN = "me:se%2Fcr%40et"  # as it is written in an address
WAIT_S = 20.0


class Web(ThreadingHTTPServer):
    """A web server. ``pages``: by path, what answers. A page that waits does so until ``released`` or the end."""

    daemon_threads = False

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.scheme = "http" if tls is None else "https"
        self.pages: dict[str, Callable[[_Handler], None]] = {}
        self.asked: list[str] = []  # the paths, in their order
        self.released = Event()
        self._thread = Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, name="web")
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def url(self, path: str, login: str = "") -> str:
        return f"{self.scheme}://{login and login + '@'}localhost:{self.port}{path}"

    def page(self, path: str, answer: Callable[[_Handler], None]) -> str:
        """Answer a path with this, and return its address."""
        self.pages[path] = answer
        return self.url(path)

    def close(self) -> None:
        self.released.set()
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that leave."""

    def __enter__(self) -> Web:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Handler(BaseHTTPRequestHandler):
    server: Web
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append(self.path)
        self.close_connection = True
        page = self.server.pages.get(path)
        if page is None:
            self.send_error(404)
            return
        with suppress(OSError):
            page(self)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def begin(self, kind: str, status: int = 200, **headers: str) -> None:
        """Send the head of an answer."""
        self.send_response(status)
        for name, value in {"content_type": kind, **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()


Page = Callable[[_Handler], None]


def whole(data: bytes, kind: str = "application/octet-stream") -> Page:
    """Answer with a body of known length, of which no part can be asked for."""

    def answer(request: _Handler) -> None:
        request.begin(kind, content_length=str(len(data)))
        request.wfile.write(data)

    return answer


def in_parts(data: bytes, most: int | None = None) -> Page:
    """Answer with the part that is asked for. ``most``: how many bytes an answer brings before it breaks off."""

    def answer(request: _Handler) -> None:
        asked = request.headers.get("Range", "bytes=0-")
        first = int(asked.partition("=")[2].partition("-")[0])
        part = {"content_range": f"bytes {first}-{len(data) - 1}/{len(data)}"} if "Range" in request.headers else {}
        length = str(len(data) - first)
        request.begin("video/mp4", 206 if part else 200, content_length=length, accept_ranges="bytes", **part)
        request.wfile.write(data[first:][:most])

    return answer


def live(pieces: Sequence[bytes], kind: str = "", *, over: bool = False) -> Page:
    """Answer with a body of unknown length, piece by piece, and then wait, or end if it is ``over``."""

    def answer(request: _Handler) -> None:
        request.begin(kind or "video/unknown")
        for piece in pieces:
            request.wfile.write(piece)
        if not over:
            request.server.released.wait()

    return answer


def paced(pieces: Sequence[bytes], kind: str, step_s: float = 0.04) -> Page:
    """Answer with the pieces at their pace, again and again, until the server ends."""

    def answer(request: _Handler) -> None:
        request.begin(kind)
        while True:
            for piece in pieces:
                request.wfile.write(piece)
                if request.server.released.wait(step_s):
                    return

    return answer


def status(code: int, **headers: str) -> Page:
    """Answer with a status and no body."""

    def answer(request: _Handler) -> None:
        request.begin("text/plain", code, content_length="0", **headers)

    return answer


def silence(request: _Handler) -> None:
    """Answer nothing."""
    request.server.released.wait()


def guarded(page: Page, scheme: str = "Basic", password: str = PASSWORD) -> Page:
    """Answer only whoever logs in."""
    challenge = {"Basic": 'Basic realm="camera"', "Digest": 'Digest realm="camera", nonce="abc", qop="auth"'}[scheme]
    basic = "Basic " + base64.b64encode(f"{USER}:{password}".encode()).decode()

    def answer(request: _Handler) -> None:
        given = request.headers.get("Authorization", "")
        known = given == basic if scheme == "Basic" else _is_digest(given, request.path, password)
        (page if known else status(401, WWW_Authenticate=challenge))(request)

    return answer


def _is_digest(given: str, path: str, password: str) -> bool:
    """Return whether this logs in: https://www.rfc-editor.org/rfc/rfc7616#section-3.4.1"""
    said = {name: value.strip('"') for name, value in re.findall(r'(\w+)=("[^"]*"|[^",\s]+)', given)}
    secret, asked = _md5(f"{USER}:camera:{password}"), _md5(f"GET:{path}")
    middle = [said.get(name, "") for name in ("nonce", "nc", "cnonce", "qop")]
    return said.get("response") == _md5(":".join([secret, *middle, asked]))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def parts(images: Sequence[bytes]) -> list[bytes]:
    """Return images as the parts of an answer of the type multipart/x-mixed-replace."""
    head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
    return [head % len(image) + image + b"\r\n" for image in images]


MIXED = "multipart/x-mixed-replace; boundary=frame"


def jpegs(count: int, size: tuple[int, int] = (160, 120)) -> list[bytes]:
    """Return JPEG files, made by ffmpeg."""
    source = f"testsrc2=size={size[0]}x{size[1]}:rate=25"
    data = ffmpeg("-f", "lavfi", "-i", source, "-frames:v", str(count), "-f", "image2pipe", "-c:v", "mjpeg", "-")
    return [b"\xff\xd8" + part for part in data.split(b"\xff\xd8")[1:]]


class Tcp:
    """A server that sends the same to everyone who connects, and then waits, or leaves if it is ``over``."""

    def __init__(self, data: bytes = b"", *, over: bool = False) -> None:
        self._data, self._over = data, over
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._clients: list[socket.socket] = []
        self.port = self._listener.getsockname()[1]
        self._thread = Thread(target=self._run, name="tcp")
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._clients.append(client)
            with suppress(OSError):
                client.sendall(self._data)
                if self._over:
                    client.close()

    @property
    def connections(self) -> int:
        """Return how many have connected."""
        return len(self._clients)

    def __enter__(self) -> Tcp:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for client in self._clients:
            client.close()


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    """Return a port that nobody uses now."""
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def sending(*arguments: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run ffmpeg until the end of the block."""
    require("ffmpeg")
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, arguments)]
    running = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Return the context of a server whose certificate nobody has signed, and the file of the certificate."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    require("openssl")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context, cert


@contextmanager
def rtsp(*login: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run a server of RTSP. Return its process and its port. ``login``: a user name and a password, if it asks for them."""
    require("gi/__init__.py", "libgstrtspserver-1.0.so.0", "libgstx264.so", "libgstrtp.so")
    running = subprocess.Popen(["/usr/bin/python3", RTSP_SERVER, *login], stdout=subprocess.PIPE, text=True)
    assert running.stdout
    try:
        yield running, int(running.stdout.readline())
    finally:
        running.kill()
        running.wait()
        running.stdout.close()


@contextmanager
def nginx(folder: Path, ports: tuple[int, int] | None = None) -> Iterator[tuple[int, int]]:
    """Run nginx with RTMP, which also writes HLS. Return the ports of RTMP and HTTP. ``ports``: the same as before.

    What is published to ``kept`` is in ``folder/kept/KEY.flv``; to ``barred``, nobody may publish. Files that are PUT below
    ``/put/`` are in ``folder/web``.
    """
    require("nginx", "ngx_rtmp_module.so")
    rtmp_port, http_port = ports or (free_port(), free_port())
    for name in ("kept", "web"):
        (folder / name).mkdir(exist_ok=True)
    temporary = "".join(f"{name}_temp_path {folder}/{name}; " for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    configuration = folder / "nginx.conf"
    configuration.write_text(f"""
        {"user root;" if os.geteuid() == 0 else ""}
        load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
        daemon off; pid {folder}/pid; error_log {folder}/log;
        events {{}}
        rtmp {{ server {{ listen 127.0.0.1:{rtmp_port}; max_message 20M;
            application live {{ live on; hls on; hls_path {folder}/hls; hls_fragment 1s; }}
            application kept {{ live on; record all; record_path {folder}/kept; }}
            application barred {{ live on; on_publish http://127.0.0.1:{http_port}/barred; }} }} }}
        http {{ access_log off; {temporary} types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; }}
            server {{ listen 127.0.0.1:{http_port}; root {folder}/hls; location /barred {{ return 403; }}
                location /put/ {{ root {folder}/web; dav_methods PUT DELETE; create_full_put_path on;
                    client_max_body_size 20M; }} }} }}
    """)
    running = subprocess.Popen(["/usr/sbin/nginx", "-c", configuration, "-e", folder / "log"], stderr=subprocess.DEVNULL)
    try:
        yield rtmp_port, http_port
    finally:
        running.terminate()
        running.wait()
