"""Video files that replace a camera."""

from __future__ import annotations

import subprocess
from pathlib import Path

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
