"""Write the 1080p pictures of a raw file into recordings by the library's sink: ``feeder.py INPUT TIMES RATE OUTPUT...``.

Several outputs share one encoding.

The pictures come in four buffers that are used again and again, as a camera's do.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from mscli.core.frames import VideoFrame, frame_bytes, split_planes
from mscli.encode.options import SinkOptions, TrackFormat
from mscli.sinks import SinkPlan, load_sinks, sink_row

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


def main(source: str, times: int, rate: int, targets: Sequence[str]) -> None:
    plans = [SinkPlan(sink_row(target, "video"), target, SinkOptions(), (0,), ("video",)) for target in targets]
    ((sink, _, _),) = load_sinks(plans)
    sink.open([TrackFormat("video", {"width": WIDTH, "height": HEIGHT, "frameRate": rate})])
    for index, data in enumerate(pictures(source, times)):
        planes, strides = split_planes("I420", WIDTH, HEIGHT, data)
        sink.write(0, VideoFrame("I420", WIDTH, HEIGHT, index * 1_000_000 // rate, planes, strides, sequence=index))
    sink.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
