"""What a 720p picture of the fake camera costs as a PNG, beside ffmpeg's test picture."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

from tests.bench.measure import SCRIPT, Row, versus

PEER = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=1280x720", "-frames:v", "1"]


def rows(runs: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = (os.path.join(folder, name) for name in ("ours.png", "theirs.png"))
        command = [*SCRIPT, "snapshot", "--fake-devices", "--size", "exact:1280x720", ours]
        yield versus("snapshot, 720p PNG", command, "ffmpeg -i testsrc2", [*PEER, theirs], 1.5, runs)
