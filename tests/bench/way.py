"""The way of a frame from the fake camera into a file: how many calls of functions, in how many files, each frame makes.

Counted with ``threading.setprofile``: calls of functions of mscli, and each time that a generator is resumed, from the drawing
of the picture to its packet in a file. The camera ends by itself, so that nothing is drawn that is not recorded. The figure is
the difference between a long and a short recording, for each frame of it.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from statistics import median
from types import FrameType
from typing import NamedTuple

import mscli
from mscli.sinks import SINKS
from tests.bench.measure import Row

FEW, MANY = 30, 90  # frames; the difference leaves the start and the end out
BEFORE_CALLS, BEFORE_FILES = 223, 26  # when the first plan was made, counted by hand
EACH = 0.5  # a file is on the way if it is called so often a frame
MINE = os.path.dirname(mscli.__file__)


class FolderEntry(NamedTuple):
    """A function of mscli."""

    file: str
    line: int
    name: str


def calls(frames: int) -> Counter[FolderEntry]:
    """Return the calls of each function of mscli while so many frames are recorded."""
    found: Counter[FolderEntry] = Counter()

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(MINE):
            code = frame.f_code
            found[FolderEntry(os.path.relpath(code.co_filename, MINE), code.co_firstlineno, code.co_qualname)] += 1

    camera = {"kind": "videoinput", "faults": {"vanishAfterFrames": frames}}
    with (
        mscli.MediaDevices(backends=[mscli.FakeBackend({"devices": [camera]})]) as devices,
        tempfile.TemporaryDirectory() as folder,
    ):
        threading.setprofile(note)  # of threads that begin from here on: the camera's and the recorder's
        try:
            stream = devices.get_user_media({"video": {"width": 320, "height": 240, "frameRate": 30}})
            recorder = mscli.MediaRecorder(stream, file=os.path.join(folder, "a.mkv"), row=SINKS["mkv"])
            recorder.start()
            recorder.join()
        finally:
            threading.setprofile(None)
    return found


def each() -> Counter[FolderEntry]:
    """Return the calls of each function that one frame makes."""
    calls(FEW)  # which imports what is imported late: the camera does not wait for that
    few, many = calls(FEW), calls(MANY)
    return Counter({place: (many[place] - few[place]) / (MANY - FEW) for place in many})


def by_file(found: Counter[FolderEntry]) -> Counter[str]:
    """Return the calls in each file that is on the way."""
    files: Counter[str] = Counter()
    for place, count in found.items():
        files[place.file] += count
    return Counter({name: count for name, count in files.items() if count >= EACH})


def rows(runs: int) -> Iterator[Row]:
    found = [each() for _ in range(max(1, runs // 3))]
    yield Row("a frame's way, calls", median(sum(one.values()) for one in found), "before", BEFORE_CALLS, 0.67, "")
    yield Row("a frame's way, files", median(len(by_file(one)) for one in found), "before", BEFORE_FILES, 0.67, "")


if __name__ == "__main__":
    way = each()
    if "--all" in sys.argv:
        for file, total in by_file(way).most_common():
            print(f"{total:6.2f} {file}")
            for place, count in way.most_common():
                if place.file == file and count >= 0.05:
                    print(f"       {count:6.2f} {place.name}, line {place.line}")
    print(f"{sum(way.values()):.1f} calls in {len(by_file(way))} files")
