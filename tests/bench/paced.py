"""A paced source through a slow reader: no frame is lost, and memory does not grow with their number."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from threading import Thread

from mscli.api.mediadevices import MediaDevices
from mscli.api.mediastreamtrackprocessor import MediaStreamTrackProcessor
from mscli.core.boxes import Mode
from mscli.core.frames import VideoFrame
from mscli.sources.base import Abilities
from mscli.sources.track import TrackSource
from tests.bench.measure import PYTHON, Argv, CannotRun, Row, costs

WIDTH, HEIGHT = 320, 240
FEW, MANY = 1_000, 10_000
BOUND = 16 * WIDTH * HEIGHT  # of the queue: sixteen pictures
READ_S = 0.0005  # what the reader takes for one picture


class Frames(TrackSource):
    """So many pictures, made as fast as they are taken."""

    live = False

    def __init__(self, frames: int) -> None:
        super().__init__("video", "Frames")
        self._frames = frames
        self._thread = Thread(target=self._run, name="frames", daemon=True)

    def capabilities(self) -> Abilities:
        return Abilities([Mode("GREY", WIDTH, HEIGHT, 30)])

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        for number in range(self._frames):
            planes = (memoryview(bytes([number % 256]) * (WIDTH * HEIGHT)),)
            self.deliver(VideoFrame("GREY", WIDTH, HEIGHT, number * 33_333, planes, (WIDTH,), 33_333))
        self.end()


def read(frames: int) -> None:
    """Read them all, slowly. Raises CannotRun if one is missing."""
    with MediaDevices(backends=[]) as devices:
        track = devices.add_source(Frames(frames))
        with MediaStreamTrackProcessor({"track": track, "maxBufferBytes": BOUND}).readable as readable:
            count = 0
            for frame in readable:
                if frame.timestamp != count * 33_333:
                    raise CannotRun(f"frame {count} is missing")
                count += 1
                time.sleep(READ_S)
    if count != frames or readable.dropped:
        raise CannotRun(f"{frames - count} of {frames} frames are missing")


def ours(frames: int) -> Argv:
    return [*PYTHON, "-m", "tests.bench.paced", str(frames)]


def rows(runs: int) -> Iterator[Row]:
    few, many = costs(ours(FEW), ours(MANY), runs=min(runs, 3))
    yield Row(f"memory, {MANY:,} paced frames, none lost", many.peak_mib, f"{FEW:,} frames", few.peak_mib, 1.1, "MiB")


if __name__ == "__main__":
    read(int(sys.argv[1]))
