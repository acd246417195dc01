"""Video files that replace a camera."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av

from tests.conftest import require

PICTURES = 25  # in the clip, which lasts one second


def clip(folder: Path) -> Path:
    """Create a clip of red frames, 320 × 240 at 25 per second."""
    require("ffmpeg")
    path = folder / "red.avi"
    source = f"color=red:size=320x240:rate={PICTURES}"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, "-frames:v", str(PICTURES), "-c:v", "mjpeg", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


SIZE, FILM_RATE, SOUND_RATE = (64, 48), 25, 48_000
TONE_HZ, LEVEL = 1_000, 16_000


@cache
def film(seconds: float, *kinds: str, level: int = 200) -> bytes:
    """Return a Matroska file in memory, without loss: grey pictures, of which each is brighter, and a square wave of 1 kHz."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as out:
        made: list[Any] = [_STREAMS[kind](out) for kind in kinds]  # all of them, before the first packet
        for kind, stream in zip(kinds, made, strict=True):
            for frame in _FRAMES[kind](seconds, level):
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
    return file.getvalue()


_STREAMS: dict[str, Callable[[Any], Any]] = {
    "video": lambda out: out.add_stream("ffv1", FILM_RATE, width=SIZE[0], height=SIZE[1], pix_fmt="gray"),
    "audio": lambda out: out.add_stream("pcm_s16le", SOUND_RATE, layout="mono"),
}


def _pictures(seconds: float, level: int) -> Iterator[av.VideoFrame]:
    for number in range(round(seconds * FILM_RATE)):
        shown = av.VideoFrame(*SIZE, "gray")
        shown.planes[0].update(bytes([(level + number) % 256]) * (shown.planes[0].line_size * SIZE[1]))
        shown.pts, shown.time_base = number, Fraction(1, FILM_RATE)
        yield shown


def _tone(seconds: float, _level: int) -> Iterator[av.AudioFrame]:
    half = SOUND_RATE // TONE_HZ // 2
    period = LEVEL.to_bytes(2, "little", signed=True) * half + (-LEVEL).to_bytes(2, "little", signed=True) * half
    for number in range(round(seconds * 50)):
        block = av.AudioFrame("s16", "mono", SOUND_RATE // 50)
        block.sample_rate, block.time_base, block.pts = SOUND_RATE, Fraction(1, SOUND_RATE), number * SOUND_RATE // 50
        block.planes[0].update(period * (block.samples // (2 * half)))
        yield block


_FRAMES: dict[str, Callable[[float, int], Iterator[Any]]] = {"video": _pictures, "audio": _tone}
