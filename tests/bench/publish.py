"""What it costs to publish 720p30 to a server of RTMP: beside a file, and alone beside ffmpeg.

All read the same pictures from a file at their pace, and encode them with the same options of x264, ours with a process that
sends. A cost is that of a second of the stream: the difference between a long run and a short one, so that no start counts.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from mscli.encode.options import SinkOptions
from mscli.encode.tuning import ENCODERS
from mscli.encode.video import Shape, threads
from tests.backends.servers import nginx
from tests.bench.measure import Argv, Row, cost
from tests.cli.program import eventually

SIZE, RATE, BITS = "1280x720", 30, 3_000_000
LONG_S, SHORT_S = 12, 2
PICTURES = f"testsrc2=size={SIZE}:rate={RATE},noise=alls=8:allf=t,format=yuv420p"  # a camera's have noise
FFMPEG = ["ffmpeg", "-v", "error", "-y", "-nostdin"]
ALONE = (  # the program, which tells how much of its cost is its own
    "import atexit, os, resource, sys; from mscli.__main__ import main\n"
    "def tell():\n    used = resource.getrusage(resource.RUSAGE_SELF)\n"
    "    open(os.environ.get('TMPDIR', '/tmp') + '/mscli-own', 'w').write(str(used.ru_utime + used.ru_stime))\n"
    "atexit.register(tell)\nsys.exit(main())"
)


def rows(runs: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, file, beside = (str(folder / one) for one in ("x.y4m", "x.mkv", "y.mkv"))
        cost([*FFMPEG, "-f", "lavfi", "-i", PICTURES, "-frames:v", str(RATE * (LONG_S + 1)), source])
        with nginx(folder) as (port, _):
            assert eventually(lambda: (folder / "pid").exists())
            address = f"rtmp://127.0.0.1:{port}/live/bench"
            found = _per_second(
                runs,
                [_ours(source, file), _ours(source, beside, address), _ours(source, address), _theirs(source, address)],
            )
    (file_alone, file_own), (both, both_own), (rtmp, _), (ffmpeg, _) = found
    yield Row("file + RTMP, the program itself", both_own, "file alone", file_own, 1.1)
    yield Row("file + RTMP, with the process that sends", both, "file alone", file_alone, 1.25)
    yield Row("RTMP alone, with the process that sends", rtmp, "ffmpeg -f flv", ffmpeg, 1.1)


def _per_second(runs: int, commands: Sequence[tuple[Argv, Argv]]) -> list[tuple[float, float]]:
    """Return what a second of each costs: with its children, and itself."""
    found: list[list[tuple[float, float]]] = [[] for _ in commands]
    for _ in range(runs):
        for place, (long, short) in enumerate(commands):
            (all_long, own_long), (all_short, own_short) = _cost(long), _cost(short)
            span_s = LONG_S - SHORT_S
            found[place].append(((all_long - all_short) / span_s, (own_long - own_short) / span_s))
    return [(median(one for one, _ in each), median(own for _, own in each)) for each in found]


def _cost(argv: Argv) -> tuple[float, float]:
    path = Path(os.environ.get("TMPDIR", "/tmp")) / "mscli-own"
    path.unlink(missing_ok=True)
    whole = cost(argv).cpu_ms
    return whole, 1000 * float(path.read_text()) if path.exists() else whole


def _ours(source: str, *targets: str) -> tuple[Argv, Argv]:
    said = ["--quiet", "--force", "--video-bitrate", str(BITS), "-i", source, *targets]
    long, short = ([sys.executable, "-c", ALONE, "record", "--duration", str(span), *said] for span in (LONG_S, SHORT_S))
    return long, short


def _theirs(source: str, target: str) -> tuple[Argv, Argv]:
    options = SinkOptions(video_bits_per_second=BITS, adapts=True)
    width, height = map(int, SIZE.split("x"))
    settings = ENCODERS["libx264"].settings(options) | {"threads": str(threads(Shape(width, height, RATE), ""))}
    settings |= {"b:v": str(BITS), "maxrate": str(BITS), "bufsize": str(BITS)}
    encoder = ["-c:v", "libx264", "-g", str(RATE), *(part for name, value in settings.items() for part in (f"-{name}", value))]
    long, short = ([*FFMPEG, "-re", "-i", source, "-t", str(span), *encoder, "-f", "flv", target] for span in (LONG_S, SHORT_S))
    return long, short
