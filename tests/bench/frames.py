"""Frames of a program: arrays of 1080p pictures beside those of PyAV, and a recorded canvas beside PyAV by hand.

By hand means ``from_ndarray``, the options that the library gives to x264, and a Matroska file. The arrays are I420, as most
cameras and decoders give them.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np

from tests.bench.measure import PYTHON, Argv, Row, costs

WIDTH, HEIGHT, RATE = 1920, 1080, 30
FRAMES = 150
TURNS, REPEATS = 40, 25  # of each conversion


def pictures() -> list[Any]:
    """Return a few noisy pictures in RGB, as a camera would have them."""
    random = np.random.default_rng(1)
    base = np.linspace(0, 200, WIDTH, dtype=np.uint8)[None, :, None].repeat(HEIGHT, 0).repeat(3, 2)
    return [base + random.integers(0, 8, base.shape, np.uint8) for _ in range(6)]


def by_canvas(file: str) -> None:
    """Draw the frames on a canvas that is recorded. The clock of the canvas runs at the rate of the frames."""
    import mscli
    from mscli.core.clock import SystemClock

    class Rate(SystemClock):
        at_us = 0

        def now_us(self) -> int:
            return self.at_us

    clock = Rate()
    canvas = mscli.Canvas(WIDTH, HEIGHT, clock=clock)
    stream, shown = canvas.capture_stream(), pictures()
    with mscli.MediaRecorder(stream, {"mimeType": "video/x-matroska;codecs=avc1"}, file=file) as recorder:
        for number in range(FRAMES):
            clock.at_us = number * 1_000_000 // RATE
            canvas.draw(shown[number % len(shown)])
            while recorder.recording is not None and recorder.recording.counts[0].frames <= number - 3:
                time.sleep(0.002)  # the frames of a canvas do not wait for their reader
    stream.get_tracks()[0].stop()


def by_hand(file: str) -> None:
    """Encode the same frames with PyAV."""
    from mscli.encode.options import SinkOptions
    from mscli.encode.tuning import ENCODERS
    from mscli.encode.video import Shape, threads

    shown = pictures()
    with av.open(file, "w", format="matroska") as output:
        options = ENCODERS["libx264"].settings(SinkOptions())
        stream: Any = output.add_stream("libx264", rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt, stream.time_base = WIDTH, HEIGHT, "yuv420p", Fraction(1, RATE)
        stream.codec_context.thread_type, stream.codec_context.thread_count = "FRAME", threads(Shape(WIDTH, HEIGHT, RATE), "")
        stream.codec_context.gop_size = RATE
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(shown[number % len(shown)], "rgb24")
            frame.pts = number
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def least_ms(*uses: Callable[[], Any]) -> list[float]:
    """Return the least time of each call, in turns."""
    least = [float("inf")] * len(uses)
    for _ in range(TURNS):
        for index, use in enumerate(uses):
            begun = time.perf_counter()
            for _ in range(REPEATS):
                use()
            least[index] = min(least[index], 1000 * (time.perf_counter() - begun) / REPEATS)
    return least


def arrays() -> Iterator[Row]:
    """Yield the conversions of an I420 picture."""
    from mscli.core.frames import VideoFrame

    frame = VideoFrame.from_ndarray(np.random.default_rng(1).integers(0, 256, (HEIGHT * 3 // 2, WIDTH), np.uint8), "I420")
    picture = frame.to_av()
    for name in ("rgb24", "bgr24", "yuv420p"):
        ours, theirs = least_ms(partial(frame.to_ndarray, name), partial(picture.to_ndarray, format=name))
        yield Row(f"I420 1080p to an array of {name}", ours, "PyAV", theirs, 1.1)
    packed = VideoFrame.from_ndarray(pictures()[0])
    ours, theirs = least_ms(packed.to_ndarray, VideoFrame.to_av(packed).to_ndarray)
    yield Row("RGB 1080p as an array, shared", ours, "PyAV", theirs)


def way(name: str, file: Path) -> Argv:
    return [*PYTHON, "-m", "tests.bench.frames", name, str(file)]


def rows(runs: int) -> Iterator[Row]:
    yield from arrays()
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = costs(way("canvas", Path(folder, "a.mkv")), way("hand", Path(folder, "b.mkv")), runs=min(runs, 3))
    yield Row(f"a canvas of 1080p{RATE} into a file", ours.cpu_ms, "PyAV by hand", theirs.cpu_ms, 1.05)


if __name__ == "__main__":
    {"canvas": by_canvas, "hand": by_hand}[sys.argv[1]](sys.argv[2])
