"""Media files of all kinds, made by ffmpeg, and what ffmpeg reads in them."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from tests.conftest import require

RATE, SECONDS = 25, 2
SIZE = 160, 120
PICTURE = ("-f", "lavfi", "-i", f"testsrc2=size={SIZE[0]}x{SIZE[1]}:rate={RATE}:duration={SECONDS}")
SOUND = ("-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=48000:duration={SECONDS}")
_H264 = ("-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "10", "-pix_fmt", "yuv420p")
BOTH = {  # suffix → how ffmpeg encodes picture and sound
    "mp4": (*_H264, "-c:a", "aac"),
    "mov": (*_H264, "-c:a", "pcm_s16le"),
    "mkv": (*_H264, "-c:a", "flac"),
    "ts": (*_H264, "-c:a", "aac"),
    "flv": (*_H264, "-c:a", "aac"),
    "webm": ("-c:v", "libvpx", "-g", "10", "-c:a", "libopus"),
    "avi": ("-c:v", "ffvhuff", "-c:a", "pcm_s16le"),
    "asf": ("-c:v", "msmpeg4", "-c:a", "wmav2"),
    "mpg": ("-c:v", "mpeg2video", "-c:a", "mp2"),
    "nut": ("-c:v", "ffv1", "-c:a", "pcm_s16le"),
}
PICTURES = {"y4m": (), "gif": (), "m4v": (*_H264, "-f", "mp4")}
SOUNDS = {
    "wav": (), "flac": (), "mp3": (), "m4a": ("-c:a", "aac"), "ogg": ("-c:a", "libopus"),
    "oga": ("-c:a", "libvorbis", "-f", "ogg"), "aac": (), "mka": ("-c:a", "ac3"), "aiff": (),
}  # fmt: skip


def ffmpeg(*arguments: str | Path) -> bytes:
    """Run ffmpeg and return what it writes to stdout."""
    require("ffmpeg")
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-bitexact", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def make(path: Path, *how: str) -> Path:
    """Make the file of this name as the tables say, or with other options of ffmpeg."""
    suffix = path.suffix[1:]
    inputs = PICTURE + SOUND if suffix in BOTH else PICTURE if suffix in PICTURES else SOUND
    ffmpeg(*inputs, *({**BOTH, **PICTURES, **SOUNDS}[suffix]), *how, path)
    return path


def digests(path: Path | str, *how: str) -> list[str]:
    """Return the digest of each picture, decoded to I420."""
    data = ffmpeg(*how, "-i", path, "-map", "0:v", "-vsync", "passthrough", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-")
    size = SIZE[0] * SIZE[1] * 3 // 2
    return [hashlib.md5(data[at : at + size]).hexdigest() for at in range(0, len(data), size)]


def samples(path: Path) -> int:
    """Return how many samples per channel ffmpeg decodes at the file's own rate."""
    return len(ffmpeg("-i", path, "-map", "0:a", "-ac", "1", "-f", "s16le", "-")) // 2
