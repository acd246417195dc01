"""What tests of recordings in several files write and read: pictures with numbers, tones, and a series to put them in."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mscli.core.frames import AudioData, Media
from mscli.encode.options import Series, SinkOptions, TrackFormat
from mscli.sinks import SINKS, load_sink
from mscli.sinks.base import Sink
from mscli.sources.fake.video import VideoFeed
from tests.pattern import pictures as shown
from tests.pattern import read_code
from tests.sinks.synth import T0, hiss, probe, run, tone

RATE = 48_000
BLOCK = 480  # samples
CAMERA = {"width": 320, "height": 240, "frameRate": 30}
FRAME_US = 33_333


def numbered(count: int, form: str = "I420") -> list[Any]:
    """Frames or chunks of the fake camera, which carry their numbers, 30 a second."""
    feeder = VideoFeed(form, CAMERA)
    return [replace(feeder.frame(n, n, T0 + n * FRAME_US), duration=FRAME_US) for n in range(count)]


def sound(seconds: float, *, noisy: bool = False) -> list[AudioData]:
    blocks = range(round(seconds * RATE / BLOCK))
    return [hiss(n * BLOCK, BLOCK) if noisy else tone(n * BLOCK, BLOCK, hz=997) for n in blocks]


def in_time(video: Sequence[Any] = (), audio: Sequence[AudioData] = ()) -> list[tuple[int, Media]]:
    """Frames in the order in which they come: sound when its block is complete, and 20 ms late."""
    entries: list[tuple[int, int, Media]] = [(frame.timestamp, 0, frame) for frame in video]
    entries += [(block.timestamp + block.duration + 20_000, 1 if video else 0, block) for block in audio]
    return [(track, frame) for _, track, frame in sorted(entries, key=lambda entry: entry[:2])]


def series(pattern: Path, kinds: Sequence[str] = ("video", "audio"), *, options: Any = None, **plan: Any) -> Sink:
    """A series, open. ``plan``: a ``Series``; ``options``: more ``SinkOptions``."""
    chosen = SinkOptions(series=Series(**plan), overwrite=False)._replace(**(options or {}))
    sink = load_sink(SINKS[pattern.suffix[1:]], str(pattern), chosen)
    sink.open([TrackFormat(kind, {"frameRate": 30.0}) for kind in kinds])
    return sink


def numbers(path: Path, camera: int = 0) -> list[int]:
    """The frame numbers that the pictures of a camera carry in a file."""
    codes = [read_code(picture.luma) for picture in shown(path, camera)]
    assert all(code is not None for code in codes)
    return [code.number for code in codes if code is not None]


def samples(path: Path) -> list[int]:
    """The samples of a file's sound as they decode."""
    data = run("ffmpeg", "-v", "error", "-i", path, "-vn", "-f", "s16le", "-")
    return list(struct.unpack(f"<{len(data) // 2}h", data))


def values(blocks: Sequence[AudioData]) -> list[int]:
    return [value for block in blocks for value in block.data.cast("h")]


def begins_with_key_frame(path: Path) -> bool:
    packets = probe(path, "-select_streams", "v", "-show_entries", "packet=flags", "-read_intervals", "%+#1")["packets"]
    return bool("K" in packets[0]["flags"])
