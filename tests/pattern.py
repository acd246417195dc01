"""An independent decoder of what the fake devices put into frames and sound (``mscli.sources.fake.backend``)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mscli.core.frames import VideoFrame, packed_planes

Luma = npt.NDArray[np.uint8]  # height × width
Sound = npt.NDArray[np.float32]  # mono, -1 to 1

_SAMPLE_STEPS = {"YUYV": (0, 2), "UYVY": (1, 2), "RGB24": (1, 3), "BGR24": (1, 3), "RGBA": (1, 4), "RGBX": (1, 4)}
_SAMPLE_STEPS |= {"BGRA": (1, 4), "BGRX": (1, 4)}  # first byte and stride of luma, or of green, which is as good


class Code(NamedTuple):
    """The content of a frame's code cells."""

    number: int
    flash: bool


class Picture(NamedTuple):
    """A frame of a file, and its time in seconds from the beginning of the file."""

    time: float
    luma: Luma

    @property
    def flash(self) -> bool:
        """Return whether the frame is all white."""
        return bool(self.luma.mean() > 170)


def luma_of(frame: VideoFrame) -> Luma:
    """Return the brightness of a raw frame's pixels."""
    first, step = _SAMPLE_STEPS.get(frame.format, (0, 1))
    plane = np.frombuffer(packed_planes(frame)[0], np.uint8).reshape(frame.coded_height, -1)
    return plane[:, first::step][:, : frame.coded_width]


def read_code(luma: Luma, native: tuple[int, int] | None = None) -> Code | None:
    """Return the frame number and flash bit in a frame, or None if there is no valid code.

    ``native``: the original width and height of the camera, if the frame was cropped and scaled.
    """
    word = sum(bright << 31 - i for i, bright in enumerate(_cells(luma, native or (luma.shape[1], luma.shape[0]))))
    number = word >> 5 & 0xFFFFFF
    digits = [number >> 4 * i & 15 for i in range(6)]
    check = int(np.bitwise_xor.reduce([15, *digits]))
    valid = word >> 30 == 0b10 and word & 1 and word >> 1 & 15 == check
    return Code(number, bool(word >> 29 & 1)) if valid else None


def _cells(luma: Luma, native: tuple[int, int]) -> Iterator[bool]:
    """Yield whether each cell is white, in reading order."""
    height, width = luma.shape
    cell = min(native) / 16 * max(width / native[0], height / native[1])
    for row in range(4):
        for column in range(8):
            x, y = width / 2 + (column - 4) * cell, height / 2 + (row - 2) * cell
            middle = luma[int(y + cell / 4) : int(y + 3 * cell / 4) + 1, int(x + cell / 4) : int(x + 3 * cell / 4) + 1]
            yield bool(middle.mean() > 125)


def beeps(sound: Sound, rate: int) -> list[float]:
    """Return the times in seconds at which beeps begin."""
    loud = np.flatnonzero(np.abs(sound) > 0.2)
    first = np.ones(len(loud), bool)
    first[1:] = np.diff(loud) > rate // 2
    return [float(at) / rate for at in loud[first]]


def pictures(path: Path, camera: int = 0) -> list[Picture]:
    """Return every frame of a camera in a file, decoded by ffmpeg."""
    stream = _probe(path, "-select_streams", f"v:{camera}", "-show_frames", "-show_streams")
    width, height = (int(stream["streams"][0][key]) for key in ("width", "height"))
    data = _ffmpeg(path, "-map", f"0:v:{camera}", "-fps_mode", "passthrough", "-pix_fmt", "gray", "-f", "rawvideo")
    frames = np.frombuffer(data, np.uint8).reshape(-1, height, width)
    times = [float(frame["pts_time"]) for frame in stream["frames"]]
    return [Picture(time, luma) for time, luma in zip(times, frames, strict=True)]


def sound(path: Path, rate: int = 48000, start: float = 0, end: float = 1e9) -> Sound:
    """Return part of the first audio track of a file, by seconds, decoded by ffmpeg, with gaps as silence."""
    filters = f"aresample=async=1:first_pts=0,atrim={start}:{end}"
    return np.frombuffer(
        _ffmpeg(path, "-copyts", "-map", "0:a:0", "-af", filters, "-ac", "1", "-ar", str(rate), "-f", "f32le"), np.float32
    )


def av_offsets(path: Path) -> list[float]:
    """Return, for every flash in a file, how many seconds it comes after the nearest beep (before: negative)."""
    heard = beeps(sound(path), 48000)
    return [min((picture.time - at for at in heard), key=abs) for picture in pictures(path) if picture.flash]


def _probe(path: Path, *options: str) -> dict[str, Any]:
    command = ["ffprobe", "-v", "error", "-of", "json", *options, str(path)]
    answer: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return answer


def _ffmpeg(path: Path, *options: str) -> bytes:
    return subprocess.run(["ffmpeg", "-v", "error", "-i", str(path), *options, "-"], check=True, capture_output=True).stdout
