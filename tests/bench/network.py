"""How late pictures of an RTSP server come out of a pipe, beside ffmpeg without its buffer, which reads the same stream."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from statistics import median
from threading import Thread

import numpy as np

from tests.bench.measure import MODULE, CannotRun, Row
from tests.pattern import read_code

WIDTH, HEIGHT, RATE = 640, 480, 30
SECONDS = 15
ALLOWED_MS = 40  # above ffmpeg
FIRST = 60  # pictures at the beginning that do not count

SERVER = """
import gi, sys
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer
Gst.init(None)
server, factory = GstRtspServer.RTSPServer(), GstRtspServer.RTSPMediaFactory()
server.set_address("127.0.0.1")
server.set_service("0")
film = f"filesrc location={sys.argv[1]} ! qtdemux ! h264parse config-interval=-1 ! identity sync=true"
factory.set_launch(f"( {film} ! rtph264pay name=pay0 pt=96 )")
factory.set_shared(True)
server.get_mount_points().add_factory("/live", factory)
server.attach(None)
print(server.get_bound_port(), flush=True)
GLib.MainLoop().run()
"""
ENCODED = ["-c:v", "libx264", "-tune", "zerolatency", "-preset", "ultrafast", "-g", "30", "-y"]
FFMPEG = ["ffmpeg", "-v", "error", "-fflags", "nobuffer", "-flags", "low_delay", "-rtsp_transport", "tcp", "-i"]


def arrivals(process: subprocess.Popen[bytes], into: dict[int, float]) -> None:
    """Note when each picture, by its number, has come through a pipe."""
    assert process.stdout
    size = WIDTH * HEIGHT * 3 // 2
    while len(data := process.stdout.read(size)) == size:
        code = read_code(np.frombuffer(data, np.uint8)[: WIDTH * HEIGHT].reshape(HEIGHT, WIDTH))
        if code is not None:
            into.setdefault(code.number, time.monotonic())


def make_film(path: str) -> None:
    """Write a film of the fake camera, whose pictures have their numbers."""
    frames = ["--frames", str(RATE * (SECONDS + 5)), "--format", "y4m"]
    with subprocess.Popen([*MODULE, "capture", "-q", "--fake-devices", *frames, "-o", "-"], stdout=subprocess.PIPE) as camera:
        subprocess.run(["ffmpeg", "-v", "error", "-i", "-", *ENCODED, path], stdin=camera.stdout, check=True)


def latencies(film: str) -> tuple[list[float], list[float]]:
    """Return how much later than the earliest picture of both each came, in ms, by us and by ffmpeg."""
    server = subprocess.Popen(["/usr/bin/python3", "-c", SERVER, film], stdout=subprocess.PIPE, text=True)
    assert server.stdout
    try:
        port = server.stdout.readline().strip()
        if not port:
            raise CannotRun("Debian's Python has no GstRtspServer")
        url = f"rtsp://127.0.0.1:{port}/live"
        ours = [*MODULE, "capture", "-q", "-i", url, "--format", "I420", "-o", "-"]
        theirs = [*FFMPEG, url, "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"]
        readers = [subprocess.Popen(argv, stdout=subprocess.PIPE) for argv in (ours, theirs)]
        came: list[dict[int, float]] = [{}, {}]
        threads = [Thread(target=arrivals, args=pair) for pair in zip(readers, came, strict=True)]
        for thread in threads:
            thread.start()
        time.sleep(SECONDS)
        for reader in readers:
            reader.send_signal(signal.SIGINT)
        for thread, reader in zip(threads, readers, strict=True):
            thread.join()
            reader.wait()
    finally:
        server.kill()
        server.wait()
    both = sorted(came[0].keys() & came[1].keys())[FIRST:]
    late = [[times[number] - number / RATE for number in both] for times in came]
    earliest = min(map(min, late))
    mine, other = ([1000 * (one - earliest) for one in each] for each in late)
    return mine, other


def rows(runs: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        film = os.path.join(folder, "film.mp4")
        make_film(film)
        turns = [latencies(film) for _ in range(max(1, runs // 3))]
        for what, of in (("a picture of RTSP, later than the earliest", median), ("the latest of twenty", _latest)):
            mine, other = (median(of(turn[index]) for turn in turns) for index in (0, 1))
            yield Row(what, mine, "ffmpeg, nobuffer", other, (other + ALLOWED_MS) / other)


def _latest(values: list[float]) -> float:
    return sorted(values)[len(values) * 19 // 20]
