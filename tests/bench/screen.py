"""What it costs to record a screen of 1080p on which something moves, and one that is still, beside ffmpeg's x11grab.

Both encode 30 pictures a second with x264 veryfast into Matroska, for as long.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from tests.bench.encode import FFMPEG, x264
from tests.bench.measure import SCRIPT, Row, costs
from tests.screens import GREEN, RED, Screen, Window, screen

SECONDS = 15  # so that the start counts little
SIZE = 1920, 1080
RATE = 30


@contextmanager
def moving(server: Screen) -> Iterator[None]:
    """Paint large windows over each other, 30 times a second."""
    windows = [server.window(str(pixel), pixel, (0, 0, 960, 1080)) for pixel in (RED, GREEN)]
    stopped = Event()
    painter = Thread(target=_paint, args=(windows, stopped))
    painter.start()
    try:
        yield
    finally:
        stopped.set()
        painter.join()


def _paint(windows: list[Window], stopped: Event) -> None:
    place = 0
    while not stopped.wait(1 / RATE):
        place = (place + 16) % 960
        windows[place // 16 % len(windows)].change(x=place, stack_mode=0)


def rows(runs: int) -> Iterator[Row]:
    few = max(1, runs // 2)  # these runs last for seconds
    with tempfile.TemporaryDirectory() as folder, screen(SIZE) as server:
        one, other = os.path.join(folder, "ours.mkv"), os.path.join(folder, "theirs.mkv")
        program = ["env", f"DISPLAY={server.name}", *SCRIPT]
        ours = [*program, "record", "--screen", "--no-audio", "--quiet", "--force", "--duration", str(SECONDS), one]
        grab = ["-f", "x11grab", "-framerate", str(RATE), "-video_size", f"{SIZE[0]}x{SIZE[1]}", "-i", server.name]
        theirs = [*FFMPEG, *grab, "-t", str(SECONDS), "-pix_fmt", "yuv420p", *x264(), other]
        with moving(server):
            mine, his = costs(ours, theirs, runs=few)
        yield Row("a moving screen, a second, CPU", mine.cpu_ms / SECONDS, "ffmpeg", his.cpu_ms / SECONDS, 1.1)
        mine, his = costs(ours, theirs, runs=few)
        yield Row("a still screen, a second, CPU", mine.cpu_ms / SECONDS, "ffmpeg", his.cpu_ms / SECONDS, 1.0)
