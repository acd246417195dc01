"""What pictures cost: one of the fake camera, a burst, a series, and the look at a frame that tells whether it has settled."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from statistics import median

import av

from mscli.core.frames import VideoFrame, frame_bytes, split_planes
from tests.bench import copy
from tests.bench.jpegcamera import RATE
from tests.bench.measure import ENVIRONMENT, PYTHON, SCRIPT, Argv, CannotRun, Row, costs, versus

SIZE = "1920x1080"
PEER = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", f"testsrc2=size={SIZE}", "-frames:v", "1"]
BURST = 30  # frames
LOOKS = 200
SETTLE_MS = 1.0  # for a frame of 1080p


def burst(pictures: str, folder: str) -> float:
    """How many frames of the camera a burst spans."""
    arguments = ["--json", "--burst", str(BURST), os.path.join(folder, "burst.jpg")]
    command = [*PYTHON, "-m", "tests.bench.jpegcamera", "snapshot", pictures, *arguments]
    done = subprocess.run(command, env=ENVIRONMENT, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise CannotRun(f"the burst ended with exit code {done.returncode}")
    return round(float(json.loads(done.stdout)["duration"]) * RATE)


def settling() -> Iterator[float]:
    """The CPU time of each look at a 1080p frame, in ms."""
    from mscli.media.warmup import Settle, Warmup

    data = memoryview(bytes(frame_bytes("YUYV", 1920, 1080)))
    planes, strides = split_planes("YUYV", 1920, 1080, data)
    warmup = Warmup(Settle(1e6))
    for number in range(LOOKS):
        frame = VideoFrame("YUYV", 1920, 1080, number * 33_333, planes, strides, sequence=number)
        before = time.thread_time()
        warmup.is_good(frame)
        yield 1000 * (time.thread_time() - before)


def series(pictures: str, folder: str, frames: int) -> Argv:
    arguments = ["--quiet", "--force", "--no-metadata", "--count", str(frames), os.path.join(folder, "m-%05d.jpg")]
    return [*PYTHON, "-m", "tests.bench.jpegcamera", "snapshot", pictures, *arguments]


def copying(pictures: str, folder: str, frames: int) -> Argv:
    arguments = ["-frames:v", str(frames), "-c", "copy", os.path.join(folder, "o-%05d.jpg")]
    return ["ffmpeg", "-v", "error", "-y", "-re", "-i", pictures, *arguments]


def saving(pictures: str, folder: str, frames: int) -> float:
    """The CPU time of writing, flushing and renaming a file for each picture, and nothing else, in ms."""
    with av.open(pictures) as file:
        data = [bytes(packet) for packet in islice(file.demux(video=0), frames) if packet.size]
    before = time.process_time()
    for number, jpeg in enumerate(data):
        hidden = os.path.join(folder, f".f-{number:05}.part")
        fd = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        os.write(fd, jpeg)
        os.fsync(fd)
        os.rename(hidden, os.path.join(folder, f"f-{number:05}.jpg"))
        os.close(fd)
    return 1000 * (time.process_time() - before)


def rows(runs: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        floor, peer = costs([*PYTHON, "-c", "import click, av"], [*PEER, os.path.join(folder, "peer.jpg")], runs=runs)
        yield Row("imports of click and PyAV, without a picture", floor.cpu_ms, "ffmpeg, 1080p JPG", peer.cpu_ms)
        for suffix in ("jpg", "png"):
            mine, other = (os.path.join(folder, f"{name}.{suffix}") for name in ("ours", "theirs"))
            command = [*SCRIPT, "snapshot", "--fake-devices", "--force", "--size", f"exact:{SIZE}", mine]
            yield versus(f"snapshot, 1080p {suffix.upper()}", command, "ffmpeg -i testsrc2", [*PEER, other], 1.2, runs)
        yield Row("settling, a look at a 1080p frame", median(settling()), "1 ms", SETTLE_MS, 1.0)
        pictures = os.path.join(folder, "pictures.mkv")
        few, many = copy.SHORT * RATE, copy.LONG * RATE
        subprocess.run([*copy.PICTURES.split(), "-frames:v", str(many), pictures], check=True)
        yield Row(f"burst of {BURST}, 1080p MJPEG, frames it spans", burst(pictures, folder), "none missing", BURST, 1.0, "")
        commands = [of(pictures, folder, frames) for of in (series, copying) for frames in (few, many)]
        measured = costs(*commands, runs=max(1, runs // 3))  # these runs last for seconds
        ours, theirs = ((b.cpu_ms - a.cpu_ms) / (many - few) * 1000 for a, b in (measured[:2], measured[2:]))
        yield Row("a series of 1,000 JPEGs", ours, "ffmpeg -c copy", theirs, 1.1)
        written = saving(pictures, folder, many) / many * 1000
        yield Row("their files, flushed one by one, alone", written, "ffmpeg -c copy", theirs)
