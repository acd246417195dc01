"""What a frame costs on its way from a source to a raw sink, and whether a long run needs more memory than a short one."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator

from tests.bench.measure import SCRIPT, Argv, Row, costs

SHORT, LONG = 200, 2000  # frames
RATE = 500  # frames per second, more than a camera's, so that a run is short
CAMERA = {
    "kind": "videoinput",
    "deviceId": "v0",
    "groupId": "g0",
    "label": "Fast camera",
    "modes": [{"width": 16 * n, "height": 9 * n, "frameRate": RATE, "pixelFormat": "I420"} for n in (80, 20)],
}
LARGE, SMALL = "exact:1280x720", "exact:320x180"
PEER = "ffmpeg -v error -y -f lavfi -i testsrc2=size=1280x720,format=yuv420p -f rawvideo"
FLAT = 1.25  # on some 23 MiB: 3 kB for each frame more


def ours(frames: int, size: str, devices: str) -> Argv:
    camera = ["--fake-devices-from", devices, "--size", size]
    return [*SCRIPT, "capture", *camera, "--frames", str(frames), "-o", os.devnull]


def theirs(frames: int) -> Argv:
    return [*PEER.split(), "-frames:v", str(frames), os.devnull]


def rows(runs: int) -> Iterator[Row]:
    few = max(1, runs // 3)  # these runs last for seconds
    with tempfile.TemporaryDirectory() as folder:
        devices = os.path.join(folder, "devices.json")
        with open(devices, "w") as file:
            json.dump({"devices": [CAMERA]}, file)
        large = costs(ours(SHORT, LARGE, devices), ours(LONG, LARGE, devices), theirs(SHORT), theirs(LONG), runs=few)
        # small frames: those that wait while the program starts are no part of what a long run needs
        short, long = costs(ours(SHORT, SMALL, devices), ours(LONG, SMALL, devices), runs=few)
    per_frame, their_frame = ((b.cpu_ms - a.cpu_ms) / (LONG - SHORT) for a, b in (large[:2], large[2:]))
    yield Row("capture, a 720p frame to /dev/null", per_frame, "ffmpeg -i testsrc2", their_frame)
    yield Row(f"capture, peak memory of {LONG} frames", long.peak_mib, f"of {SHORT} frames", short.peak_mib, FLAT, "MiB")
