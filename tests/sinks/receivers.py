"""Servers on loopback that take what is published: Icecast, an ffmpeg for RTSP, and one for PUT requests that misbehaves."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from tests.backends.servers import free_port
from tests.cli.program import eventually
from tests.conftest import require

HEAD_END = b"\r\n\r\n"
PIECE = 1 << 16


class Taker:
    """A server that takes a PUT request without an end, as Icecast does. ``answer``: what it says before the body.

    ``host``: where it listens. ``reads``: whether it reads the body. ``port``: that of an earlier one.
    """

    def __init__(
        self, answer: bytes = b"HTTP/1.1 100 Continue\r\n\r\n", *, reads: bool = True, port: int = 0, host: str = "127.0.0.1"
    ) -> None:
        self._answer, self._reads = answer, reads
        self._listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PIECE)
        self._listener.bind((host, port))
        self._listener.listen()
        self.port: int = self._listener.getsockname()[1]
        self.heads: list[bytes] = []  # of the requests
        self.bodies: list[bytearray] = []
        self._clients: list[socket.socket] = []
        self._threads = [Thread(target=self._accept, name="taker")]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._clients.append(client)
            self._threads.append(Thread(target=self._take, args=(client,), name="taker-client"))
            self._threads[-1].start()

    def _take(self, client: socket.socket) -> None:
        data, body = b"", bytearray()
        with suppress(OSError):
            while HEAD_END not in data and (piece := client.recv(PIECE)):
                data += piece
            head, _, rest = data.partition(HEAD_END)
            self.heads.append(head)
            self.bodies.append(body)
            client.sendall(self._answer)
            body += rest
            while self._reads and (piece := client.recv(PIECE)):
                body += piece

    def drop(self) -> None:
        """Close the connections."""
        for client in self._clients:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()
        for thread in self._threads:
            thread.join()
        for client in self._clients:
            client.close()

    def __enter__(self) -> Taker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Putter:
    """A web server that takes PUT requests. ``refused``: the end of the paths at which it breaks off instead.

    ``endless``: whether its answers have no end.
    """

    def __init__(self, refused: str = "/", *, endless: bool = False) -> None:
        putter, self.taken = self, list[str]()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self) -> None:
                while self.headers.get("Transfer-Encoding") and (size := int(self.rfile.readline() or b"0", 16)):
                    self.rfile.read(size + 2)
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.path.endswith(refused):
                    self.close_connection = True
                    return
                putter.taken.append(self.path)
                self.send_response(200)
                if not endless:
                    self.send_header("Content-Length", "0")
                self.end_headers()
                with suppress(OSError):
                    while endless:
                        self.wfile.write(bytes(PIECE))

            def log_message(self, *_: object) -> None:
                pass

        for method in ("DELETE", "HEAD"):
            setattr(Handler, f"do_{method}", Handler.do_PUT)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self._thread = Thread(target=self._server.serve_forever, name="putter", kwargs={"poll_interval": 0.01})
        self._thread.start()

    def __enter__(self) -> Putter:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def icecast(password: str) -> Iterator[int]:
    """Run Icecast. Return its port."""
    require("icecast2")
    port, folder = free_port(), Path(tempfile.mkdtemp(prefix="icecast-"))
    folder.chmod(0o755)
    owner = "<changeowner><user>icecast2</user><group>icecast</group></changeowner>" if os.geteuid() == 0 else ""
    (folder / "icecast.xml").write_text(f"""
        <icecast><limits><sources>5</sources></limits>
        <authentication><source-password>{password}</source-password>
        <admin-user>admin</admin-user><admin-password>{password}</admin-password></authentication>
        <hostname>localhost</hostname><listen-socket><port>{port}</port><bind-address>127.0.0.1</bind-address></listen-socket>
        <paths><basedir>{folder}</basedir><logdir>{folder}</logdir><webroot>{folder}</webroot><adminroot>{folder}</adminroot>
        </paths><logging><errorlog>-</errorlog><accesslog>-</accesslog></logging><security>{owner}</security></icecast>
    """)
    running = subprocess.Popen(["icecast2", "-c", folder / "icecast.xml"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert eventually(lambda: answers(port))
        yield port
    finally:
        running.kill()
        running.wait()
        shutil.rmtree(folder)


def answers(port: int) -> bool:
    """Return whether somebody listens on a port."""
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def rtsp_receiver(path: Path) -> Iterator[int]:
    """Let ffmpeg take one stream of RTSP into a file. Return its port. At the end of the block, the file is whole."""
    require("ffmpeg")
    port = free_port()
    source = f"rtsp://127.0.0.1:{port}/taken"
    running = subprocess.Popen(["ffmpeg", "-v", "error", "-nostdin", "-rtsp_flags", "listen", "-i", source, "-c", "copy", path])
    try:
        assert eventually(lambda: listens(port))
        yield port
        running.wait(30)
    finally:
        running.kill()
        running.wait()


def listens(port: int) -> bool:
    """Return whether a port is listened on, without connecting to it."""
    table = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A" for line in table)


@contextmanager
def tls_listener(context: ssl.SSLContext) -> Iterator[int]:
    """Return the port of a server that only shows its certificate, and then leaves."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with suppress(OSError), client:
                client.settimeout(5)
                context.wrap_socket(client, server_side=True).close()

    thread = Thread(target=accept, name="tls")
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
