"""What a second of a film in 1080p costs as raw pictures and as a copy, and how fast pictures come through a pipe."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator

from tests.bench.measure import PYTHON, Argv, Row, costs

RATE, SHORT, LONG = 30, 1, 9  # seconds; the difference leaves the start out
FILM = "ffmpeg -v error -y -f lavfi -i testsrc2=size=1920x1080:rate=30 -c:v libx264 -preset ultrafast -pix_fmt yuv420p"
FFMPEG = ["ffmpeg", "-v", "error", "-y", "-i"]
MSCLI = [*PYTHON, "-m", "mscli"]


def raw(film: str, _out: str) -> tuple[Argv, Argv]:
    ours = [*MSCLI, "capture", "-q", "-i", film, "--no-pace", "--format", "I420", "-o", os.devnull]
    return ours, [*FFMPEG, film, "-f", "rawvideo", os.devnull]


def copied(film: str, out: str) -> tuple[Argv, Argv]:
    ours = [*MSCLI, "record", "-q", "-i", film, "--no-pace", "--video-codec", "copy", "--force", out]
    return ours, [*FFMPEG, film, "-c", "copy", out]


def piped(film: str, _out: str) -> tuple[Argv, Argv]:
    """Return how YUV4MPEG2 is read from stdin, and what only passes it on."""
    ours = " ".join([*MSCLI, "capture", "-q", "-i", "-", "--no-pace", "--format", "I420", "-o", os.devnull])
    y4m = film.replace(".mp4", ".y4m")
    return ["sh", "-c", f"cat {y4m} | {ours}"], ["sh", "-c", f"cat {y4m} | cat > {os.devnull}"]


def piped_raw(film: str, _out: str) -> tuple[Argv, Argv]:
    """Return the same for raw pictures."""
    what = ["--input-format", "rawvideo", "--input-size", "1920x1080", "--input-pixel-format", "yuv420p"]
    ours = " ".join([*MSCLI, "capture", "-q", "-i", "-", *what, "--no-pace", "--format", "I420", "-o", os.devnull])
    raw = film.replace(".mp4", ".yuv")
    return ["sh", "-c", f"cat {raw} | {ours}"], ["sh", "-c", f"cat {raw} | cat > {os.devnull}"]


def rows(runs: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        films = [os.path.join(folder, f"{seconds}.mp4") for seconds in (SHORT, LONG)]
        for film, seconds in zip(films, (SHORT, LONG), strict=True):
            subprocess.run([*FILM.split(), "-frames:v", str(seconds * RATE), film], check=True)
            subprocess.run([*FFMPEG, film, film.replace(".mp4", ".y4m")], check=True)
            subprocess.run([*FFMPEG, film, film.replace(".mp4", ".yuv")], check=True)
        out = os.path.join(folder, "out.mkv")
        for what, of, against, target in (
            ("a second of H.264, 1080p30, to raw", raw, "ffmpeg", 1.15),
            ("a second of H.264, 1080p30, copied", copied, "ffmpeg -c copy", 1.2),
            ("a second of YUV4MPEG2 by a pipe", piped, "cat", None),
            ("a second of raw pictures by a pipe", piped_raw, "cat", None),
        ):
            pairs = [of(film, out) for film in films]
            short, short_peer, long, long_peer = costs(*(one for pair in pairs for one in pair), runs=max(1, runs // 3))
            mine, other = ((b.cpu_ms - a.cpu_ms) / (LONG - SHORT) for a, b in ((short, long), (short_peer, long_peer)))
            yield Row(what, mine, against, other, target)
            if target is None:
                mine, other = ((b.wall_ms - a.wall_ms) / (LONG - SHORT) for a, b in ((short, long), (short_peer, long_peer)))
                yield Row("the same, by the clock", mine, against, other, 1 / (0.7 if of is piped else 0.8))
