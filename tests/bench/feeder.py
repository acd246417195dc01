"""Write the 1080p pictures of a raw file into a recording by the library's sink: ``feeder.py INPUT OUTPUT TIMES RATE``.

The pictures come in four buffers that are used again and again, as a camera's do.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from mscli.core.frames import VideoFrame, frame_bytes, split_planes
from mscli.sinks import load_sink, sink_row
from mscli.sinks.base import SinkOptions, TrackFormat

WIDTH, HEIGHT = 1920, 1080
BUFFERS = 4


def pictures(path: str, times: int) -> Iterator[memoryview]:
    buffers = [memoryview(bytearray(frame_bytes("I420", WIDTH, HEIGHT))) for _ in range(BUFFERS)]
    count = 0
    for _ in range(times):
        with open(path, "rb", buffering=0) as file:
            while file.readinto(buffers[count % BUFFERS]):
                yield buffers[count % BUFFERS]
                count += 1


def main(source: str, target: str, times: int, rate: int) -> None:
    sink = load_sink(sink_row(target, "video"), target, SinkOptions())
    sink.open([TrackFormat("video", {"width": WIDTH, "height": HEIGHT, "frameRate": rate})])
    for index, data in enumerate(pictures(source, times)):
        planes, strides = split_planes("I420", WIDTH, HEIGHT, data)
        sink.write(0, VideoFrame("I420", WIDTH, HEIGHT, index * 1_000_000 // rate, planes, strides, sequence=index))
    sink.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
