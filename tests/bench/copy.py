"""What a second of MJPEG in 1080p costs on its way from a camera into a file that copies it, beside ffmpeg's own copying."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator

from tests.bench.jpegcamera import RATE
from tests.bench.measure import PYTHON, Argv, Row, costs

SHORT, LONG = 1, 11  # seconds; the difference leaves the start out
# 100 kB a picture, as webcams send them
PICTURES = "ffmpeg -v error -y -f lavfi -i testsrc2=size=1920x1080:rate=30 -vf noise=alls=10 -c:v mjpeg -q:v 8"
CORE = 1000.0  # ms of CPU time in a second


def ours(pictures: str, out: str, seconds: int) -> Argv:
    return [*PYTHON, "-m", "tests.bench.jpegcamera", "record", pictures, out, str(seconds * RATE)]


def theirs(pictures: str, out: str, seconds: int) -> Argv:
    limits = ["-frames:v", str(seconds * RATE), "-c", "copy"]
    return ["ffmpeg", "-v", "error", "-y", "-re", "-i", pictures, *limits, out]


def rows(runs: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        pictures, out = (os.path.join(folder, name) for name in ("pictures.mkv", "out.mkv"))
        subprocess.run([*PICTURES.split(), "-frames:v", str(LONG * RATE), pictures], check=True)
        commands = [of(pictures, out, seconds) for of in (ours, theirs) for seconds in (SHORT, LONG)]
        measured = costs(*commands, runs=max(1, runs // 3))  # these runs last for seconds
    mine, other = ((b.cpu_ms - a.cpu_ms) / (LONG - SHORT) for a, b in (measured[:2], measured[2:]))
    yield Row("copying a second of MJPEG, 1080p30", mine, "ffmpeg -c copy", other, 1.5)
    yield Row("copying a second of MJPEG, 1080p30", mine, "a hundredth of a core", CORE / 100, 1.0)
