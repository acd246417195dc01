"""crop-and-scale of 1080p to 720p, beside ffmpeg's scale filter on the same file with the same (default, bicubic) scaler."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator

from tests.bench.measure import PYTHON, Argv, Row, costs

WIDTH, HEIGHT = 1920, 1080
FEW, MANY = 20, 200  # frames; the difference leaves the start out
PEER = f"ffmpeg -v error -threads 1 -filter_threads 1 -f rawvideo -pix_fmt yuv420p -s {WIDTH}x{HEIGHT} -stream_loop -1 -i"
FILE_FRAMES = 10


def scale(path: str, count: int) -> None:
    """Read the file's frames round and round, as a track with a smaller size gives them, and scale each."""
    from mscli.cli.session import keep_freed_memory
    from mscli.core.frames import VideoFrame, frame_bytes, split_planes
    from mscli.core.shaping import Shaper
    from mscli.media import load_converter

    keep_freed_memory()  # as record and capture do
    size = frame_bytes("I420", WIDTH, HEIGHT)
    shape = Shaper({"width": 1280, "height": 720, "frameRate": 30}, {"width": WIDTH, "height": HEIGHT, "frameRate": 30}).shape
    convert = load_converter("I420").convert
    with open(path, "rb", buffering=0) as file:
        for n in range(count):
            file.seek(n % FILE_FRAMES * size)
            planes, strides = split_planes("I420", WIDTH, HEIGHT, memoryview(file.read(size)))
            frame = shape(VideoFrame("I420", WIDTH, HEIGHT, n * 33_333, planes, strides, 33_333))
            assert frame is not None, "none is left out"
            converted = convert(frame)
            assert converted is not None, "none is damaged"
            assert (converted.coded_width, converted.coded_height) == (1280, 720)


def ours(path: str, count: int) -> Argv:
    return [*PYTHON, "-m", "tests.bench.scale", path, str(count)]


def theirs(path: str, count: int) -> Argv:
    return [*PEER.split(), path, "-vf", "scale=1280:720", "-frames:v", str(count), "-f", "null", "-"]


def rows(runs: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "frames.yuv")
        with open(path, "wb") as file:
            for _ in range(FILE_FRAMES):
                file.write(os.urandom(WIDTH * HEIGHT * 3 // 2))
        commands = (ours(path, FEW), ours(path, MANY), theirs(path, FEW), theirs(path, MANY))
        a, b, c, d = (each.cpu_ms for each in costs(*commands, runs=runs))
    yield Row("crop-and-scale, 1080p to 720p, a frame", (b - a) / (MANY - FEW), "ffmpeg -vf scale", (d - c) / (MANY - FEW), 1.2)


if __name__ == "__main__":
    scale(sys.argv[1], int(sys.argv[2]))
