"""What it costs to encode 1080p pictures with x264, beside ffmpeg on the very same ones, and the memory of a recording.

Both read the same raw file and write Matroska, with the same options of the encoder (those of ``mscli.encode.tuning``) and as
many threads as ours. Ours is the library's sink in one process, interpreter and imports included, and it
flushes every packet to the file, which ffmpeg does not. The recording is one in real time, with sound, of the fake devices
beside ffmpeg's synthetic ones.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator

from mscli.encode.options import SinkOptions
from mscli.encode.tuning import ENCODERS
from mscli.encode.video import Shape, threads
from tests.bench.measure import ROOT, SCRIPT, Argv, Row, cost, costs

RATE = 30
FRAMES, TIMES = 60, 5  # in the file, and how often it is read
SECONDS = 5  # of the recording
PICTURES = f"testsrc2=size=1920x1080:rate={RATE},noise=alls=8:allf=t,format=yuv420p"  # a camera's have noise
RAW = f"-f rawvideo -pix_fmt yuv420p -s 1920x1080 -r {RATE}".split()
FFMPEG = ["ffmpeg", "-v", "error", "-y", "-nostdin"]
FEEDER = [sys.executable, "-P", str(ROOT / "tests/bench/feeder.py")]
SYNTHETIC = f"-re -f lavfi -i testsrc2=size=1920x1080:rate={RATE},format=yuv420p -re -f lavfi -i sine -t {SECONDS}".split()


def x264() -> list[str]:
    """The options of our encoder as ffmpeg takes them."""
    many = str(threads(Shape(1920, 1080, RATE), ""))
    settings = ENCODERS["libx264"].settings(SinkOptions()) | {"threads": many}
    return ["-c:v", "libx264", "-g", str(RATE), *(part for name, value in settings.items() for part in (f"-{name}", value))]


def ours(source: str, *targets: str) -> Argv:
    return [*FEEDER, source, str(TIMES), str(RATE), *targets]


def theirs(source: str, target: str) -> Argv:
    return [*FFMPEG, "-stream_loop", str(TIMES - 1), *RAW, "-i", source, *x264(), target]


def tee(source: str, *targets: str) -> Argv:
    """ffmpeg, which encodes once and writes each packet into all files."""
    slaves = "|".join(f"[f=matroska]{target}" for target in targets)
    return [
        *FFMPEG,
        "-stream_loop",
        str(TIMES - 1),
        *RAW,
        "-i",
        source,
        "-map",
        "0:v",
        *x264(),
        "-flags",
        "+global_header",
        "-f",
        "tee",
        slaves,
    ]


def recording(target: str) -> Argv:
    devices = ["--fake-devices", "--size", "exact:1920x1080", "--frame-rate", str(RATE), "--audio"]
    return [*SCRIPT, "record", *devices, "--quiet", "--force", "--duration", str(SECONDS), target]


def rows(runs: int) -> Iterator[Row]:
    few = max(1, runs // 2)  # these runs last for seconds
    with tempfile.TemporaryDirectory() as folder:
        source, one, other = (os.path.join(folder, name) for name in ("in.yuv", "ours.mkv", "theirs.mkv"))
        cost([*FFMPEG, "-f", "lavfi", "-i", PICTURES, "-frames:v", str(FRAMES), "-f", "rawvideo", source])
        mine, his = costs(ours(source, one), theirs(source, other), runs=few)
        frames = FRAMES * TIMES
        yield Row("x264, a 1080p frame, CPU", mine.cpu_ms / frames, "ffmpeg", his.cpu_ms / frames, 1.1)
        yield Row("x264, a 1080p frame, wall clock", mine.wall_ms / frames, "ffmpeg", his.wall_ms / frames, 1.0)
        yield Row(f"x264, peak memory of {frames} frames", mine.peak_mib, "ffmpeg", his.peak_mib, 1.5, "MiB")
        second = os.path.join(folder, "second.mkv")
        one_file, two, his_one, his_two = costs(
            ours(source, one), ours(source, one, second), theirs(source, other), tee(source, other, second), runs=few
        )
        yield Row("x264, CPU of two outputs", two.cpu_ms / frames, "of one", one_file.cpu_ms / frames, 1.1)
        yield Row("  … by ffmpeg's tee", his_two.cpu_ms / frames, "of one", his_one.cpu_ms / frames)
        live = [*FFMPEG, *SYNTHETIC, *x264(), "-c:a", "aac", other]
        mine, his = costs(recording(one), live, runs=max(1, few // 2))
        yield Row(f"record, peak memory of {SECONDS} s at 1080p", mine.peak_mib, "ffmpeg -re", his.peak_mib, 1.5, "MiB")
