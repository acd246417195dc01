"""Synthetic frames of pure Python bytes, and readers that are not our own (ffmpeg, ImageMagick) for what became of them."""

from __future__ import annotations

import json
import math
import random
import struct
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from mscli.core.frames import (
    BT601,
    JPEG_COLOR,
    PIXEL_FORMATS,
    AudioData,
    EncodedVideoChunk,
    Media,
    VideoColorSpace,
    VideoFrame,
    split_planes,
)
from mscli.encode.codecs import CONTAINERS
from mscli.encode.encoding import PacketSink
from mscli.encode.options import SinkOptions, TrackFormat
from mscli.sinks import SINKS, SinkRow, Target, load_sink
from mscli.sinks.base import Sink
from tests.conftest import require

T0 = 5_000_000_000  # microseconds on the monotonic clock at which synthetic recordings begin
RED, GREEN, BLUE, WHITE = (200, 60, 30), (40, 180, 60), (30, 60, 200), (255, 255, 255)
_KR_KB = {"smpte170m": (0.299, 0.114), "bt709": (0.2126, 0.0722)}


def yuv(rgb: Sequence[int], color: VideoColorSpace = BT601) -> tuple[int, int, int]:
    """The colour in Y, U and V."""
    kr, kb = _KR_KB[color.matrix]
    r, g, b = rgb
    y = kr * r + (1 - kr - kb) * g + kb * b
    u, v = (b - y) / (2 * (1 - kb)), (r - y) / (2 * (1 - kr))
    if color.full_range:
        return round(y), round(128 + u), round(128 + v)
    return round(16 + y * 219 / 255), round(128 + u * 224 / 255), round(128 + v * 224 / 255)


def pixel_unit(name: str, rgb: Sequence[int], color: VideoColorSpace) -> list[bytes]:
    """One unit of each plane in that colour."""
    y, u, v = yuv(rgb, color)
    r, g, b = rgb
    units: dict[str, list[list[int]]] = {
        "NV12": [[y], [u, v]], "YUYV": [[y, u, y, v]], "UYVY": [[u, y, v, y]], "RGB24": [[r, g, b]], "BGR24": [[b, g, r]],
        "RGBA": [[r, g, b, 255]], "RGBX": [[r, g, b, 0]], "BGRA": [[b, g, r, 255]], "BGRX": [[b, g, r, 0]],
        "GREY": [[yuv(rgb, VideoColorSpace(full_range=True))[0]]],
    }  # fmt: skip
    return [bytes(unit) for unit in units.get(name, [[y], [u], [v]])]


def picture(
    name: str = "I420",
    width: int = 64,
    height: int = 48,
    rgb: Sequence[int] = RED,
    *,
    at_us: int = T0,
    sequence: int = 0,
    color: VideoColorSpace = BT601,
    padding: int = 0,
) -> VideoFrame:
    """A picture of one colour. ``padding``: bytes after each row."""
    planes, strides = [], []
    for plane, unit in zip(PIXEL_FORMATS[name].planes, pixel_unit(name, rgb, color), strict=True):
        row = unit * (plane.row_bytes(width) // len(unit)) + b"\xaa" * padding
        planes.append(memoryview(row * plane.rows(height)))
        strides.append(len(row))
    return VideoFrame(name, width, height, at_us, tuple(planes), tuple(strides), None, sequence, color)


def halves(name: str, left: Sequence[int], right: Sequence[int], *, at_us: int = T0, padding: int = 0) -> VideoFrame:
    """64 × 48 pixels in two colours."""
    one, other = (picture(name, 32, 48, rgb) for rgb in (left, right))
    planes, strides = [], []
    for a, b, stride in zip(one.planes, other.planes, one.strides, strict=True):
        rows = (bytes(a[at : at + stride]) + bytes(b[at : at + stride]) for at in range(0, a.nbytes, stride))
        planes.append(memoryview(b"".join(row + b"\xaa" * padding for row in rows)))
        strides.append(2 * stride + padding)
    return VideoFrame(name, 64, 48, at_us, tuple(planes), tuple(strides))


def noise(width: int, height: int, at_us: int, seed: int) -> VideoFrame:
    """A picture that no encoder makes small."""
    size = width * height * 3 // 2
    planes, strides = split_planes("I420", width, height, memoryview(random.Random(seed).randbytes(size)))
    return VideoFrame("I420", width, height, at_us, planes, strides)


@cache
def _second_of_tone(rate: int, channels: int, hz: int) -> bytes:
    wave = [round(12_000 * math.sin(2 * math.pi * hz * n / rate)) for n in range(rate)]
    return struct.pack(f"={rate * channels}h", *(value for value in wave for _ in range(channels)))


def hiss(start: int, samples: int) -> AudioData:
    """Sound that no encoder makes small: white noise at 48 kHz, 16 bits."""
    data = memoryview(random.Random(start).randbytes(samples * 2))
    return AudioData("s16", 48_000, samples, 1, T0 + start * 1_000_000 // 48_000, data, start)


def jpeg(
    width: int = 64, height: int = 48, rgb: Sequence[int] = RED, *, at_us: int = T0, pixels: str = "yuvj422p"
) -> EncodedVideoChunk:
    """A JPEG of one colour as a camera would send it, made by FFmpeg."""
    data = _jpeg(width, height, bytes(rgb).hex(), pixels)
    return EncodedVideoChunk("key", at_us, memoryview(data), "mjpeg", width, height, color_space=JPEG_COLOR)


@cache
def _jpeg(width: int, height: int, rgb: str, pixels: str) -> bytes:
    source = f"color=0x{rgb}:size={width}x{height}"
    return run("ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, "-frames:v", "1", "-pix_fmt", pixels,
               "-huffman", "default", "-f", "mjpeg", "-")  # fmt: skip


def h264(count: int, rgb: Sequence[int] = GREEN, *, reordered: int = 0) -> list[EncodedVideoChunk]:
    """A camera's stream of 64 × 48 pictures of one colour: an access unit each. ``reordered``: shown out of order in a row."""
    source = f"color=0x{bytes(rgb).hex()}:size=64x48:rate=25"
    stream = run("ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, "-frames:v", str(count),
                 "-c:v", "libx264", "-bf", str(reordered), "-x264-params", "aud=1:b-adapt=0", "-pix_fmt", "yuv420p",
                 "-f", "h264", "-")  # fmt: skip
    delimiter = b"\0\0\0\1\x09"
    units = [memoryview(delimiter + unit) for unit in stream.split(delimiter)[1:]]
    return [
        EncodedVideoChunk("delta" if index else "key", T0 + index * 40_000, unit, "h264", 64, 48, sequence=index)
        for index, unit in enumerate(units)
    ]


def tone(
    start: int,
    samples: int,
    *,
    rate: int = 48_000,
    channels: int = 1,
    hz: int = 440,
    at_us: int | None = None,
    sequence: int | None = None,
) -> AudioData:
    """Samples ``start`` to ``start + samples`` of an endless sine of a whole number of hertz, 16 bits."""
    second, unit = _second_of_tone(rate, channels, hz), 2 * channels
    first = start % rate
    data = memoryview(second * (2 + samples // rate))[first * unit : (first + samples) * unit]
    at = T0 + start * 1_000_000 // rate if at_us is None else at_us
    return AudioData("s16", rate, samples, channels, at, data, start if sequence is None else sequence)


def run(*command: str | Path, stdin: bytes | None = None) -> bytes:
    """What the command writes to stdout; it has to succeed, and say nothing on stderr."""
    require(str(command[0]))
    done = subprocess.run([str(part) for part in command], input=stdin, capture_output=True, check=False)
    assert (done.returncode, done.stderr.decode()) == (0, "")
    return done.stdout


def probe(path: Path | str, *what: str) -> dict[str, Any]:
    """What ffprobe tells of a file: ``-show_streams`` and more."""
    found: dict[str, Any] = json.loads(run("ffprobe", "-v", "error", *(what or ("-show_streams",)), "-of", "json", str(path)))
    return found


def frame_times(path: Path | str, kind: str = "v") -> list[float]:
    """The presentation times (seconds) of a file's frames as they decode."""
    frames = probe(path, "-select_streams", kind, "-show_entries", "frame=pts_time")["frames"]
    return [float(frame["pts_time"]) for frame in frames]


_EBML_PARENTS = {0x18538067, 0x1F43B675, 0xA0}  # Segment, Cluster, BlockGroup
_CLUSTER_TIME, _BLOCKS = 0xE7, {0xA1, 0xA3}


def matroska_blocks(data: bytes) -> list[tuple[int, int]]:
    """The track and the time of each block as it is written, in the order of the file. https://www.rfc-editor.org/rfc/rfc9559"""
    blocks: list[tuple[int, int]] = []
    at, cluster = 0, 0
    while at < len(data):
        kind, at = _ebml_number(data, at, marked=True)
        size, at = _ebml_number(data, at)
        if kind in _EBML_PARENTS:
            continue
        if kind == _CLUSTER_TIME:
            cluster = int.from_bytes(data[at : at + size])
        if kind in _BLOCKS:
            blocks.append((data[at] & 0x7F, cluster + int.from_bytes(data[at + 1 : at + 3], signed=True)))
        at += size
    return blocks


def _ebml_number(data: bytes, at: int, *, marked: bool = False) -> tuple[int, int]:
    length = 9 - data[at].bit_length()
    value = int.from_bytes(data[at : at + length])
    return value if marked else value & ~(1 << 7 * length), at + length


def mean_rgb(path: Path | str) -> tuple[float, float, float]:
    """The mean colour of a file's first picture as ffmpeg shows it."""
    data = run("ffmpeg", "-v", "error", "-i", str(path), "-frames:v", "1", "-pix_fmt", "rgb24", "-f", "rawvideo", "-")
    r, g, b = (sum(data[channel::3]) / (len(data) / 3) for channel in range(3))
    return r, g, b


def magick_rgb(path: Path | str) -> tuple[int, ...]:
    """The colour in the middle of a picture as ImageMagick reads it."""
    data = run("convert", str(path), "-gravity", "center", "-crop", "1x1+0+0", "-colorspace", "sRGB", "-depth", "8", "rgb:-")
    return tuple(data)


def pcm(path: Path | str) -> list[int]:
    """All samples of a file's sound, mixed to one channel, from the file's own beginning (a late track begins with silence)."""
    data = run(
        "ffmpeg", "-v", "error", "-i", str(path), "-vn", "-af", "aresample=async=1:first_pts=0", "-ac", "1", "-f", "s16le", "-"
    )
    return list(struct.unpack(f"<{len(data) // 2}h", data))


def close_to(found: Sequence[float], wanted: Sequence[float], within: float) -> bool:
    """Whether each number is near the wanted one."""
    return all(abs(a - b) <= within for a, b in zip(found, wanted, strict=True))


ROWS = [row for suffix, row in SINKS.items() if suffix != "jpeg"]
CONTAINER_ROWS = [row for row in ROWS if row.suffix in CONTAINERS]


def kinds_of(row: SinkRow) -> list[str]:
    """The tracks that an output of that row is tried with: all that it holds."""
    if row.still or row.suffix == "raw":
        return ["video"]
    return ["video", "audio"] if row.video else ["audio"]


def opened(row: SinkRow, target: Target, kinds: Sequence[str] = (), **options: Any) -> Sink:
    """A sink, open for tracks at 25 frames per second."""
    sink = load_sink(row, target, SinkOptions(**options))
    sink.open([TrackFormat(kind, {"frameRate": 25.0}) for kind in kinds or kinds_of(row)])
    return sink


def frames_for(row: SinkRow, count: int, *, size: tuple[int, int] = (64, 48), noisy: bool = False) -> list[tuple[int, Media]]:
    """``count`` pictures 40 ms apart, or one if it is a still, with as much sound, and the tracks that they belong to."""
    kinds = kinds_of(row)
    frames: list[tuple[int, Media]] = []
    for index in range(1 if row.still else count):
        at_us = T0 + index * 40_000
        if "video" in kinds:
            frames.append((0, noise(*size, at_us, index) if noisy else picture("I420", *size, at_us=at_us, sequence=index)))
        if "audio" in kinds:
            frames.append((len(kinds) - 1, hiss(index * 1920, 1920) if noisy else tone(index * 1920, 1920)))
    return frames


def feed(sink: Sink, frames: Sequence[tuple[int, Media]]) -> None:
    """Write them all."""
    for track, frame in frames:
        sink.write(track, frame)


def feed_and_close(sink: Sink, frames: Sequence[tuple[int, Media]]) -> None:
    """Write them all and finish."""
    feed(sink, frames)
    sink.close()


def check_readable(path: Path, row: SinkRow) -> None:
    """Whether the file can be read to its end without a complaint."""
    if row.suffix == "raw":
        assert path.stat().st_size % (64 * 48 * 3 // 2) == 0
    else:
        run("ffmpeg", "-v", "error", "-i", path, "-f", "null", "-")


class NoFile(PacketSink):
    """A packet sink that writes nothing: the base of those that only look."""

    takes = CONTAINERS["mkv"]
    bytes_written = 0
    readable = False

    def end(self) -> None:
        """Nothing is open."""

    def abort(self) -> None:
        """Nothing is open."""

    def track_bytes(self, track: int) -> int:
        return 0

    def left_out(self, track: int) -> Mapping[str, int]:
        return {}
