"""python -m tests.bench.jpegcamera PICTURES.mkv OUT FRAMES: copy what a camera gives, these JPEGs, 30 a second.

The camera does nothing but hand out bytes in time, as a driver does: what is measured is the way from there into the file.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from threading import Event, Thread
from typing import Any

import av

import mscli
from mscli.api.copying import CopiedFormats
from mscli.cli.memory import keep_freed_memory
from mscli.core.boxes import Mode
from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.frames import JPEG_COLOR, VideoFrame
from mscli.sinks import SINKS
from mscli.sinks.base import SinkOptions
from mscli.sources.base import DEVICE_KINDS, VIDEO_INPUT, Abilities, Backend, Device, Receiver, Request, Source

WIDTH, HEIGHT, RATE = 1920, 1080, 30


class JpegSource(Source):
    """Hands out the same pictures again and again."""

    def __init__(self, pictures: Sequence[bytes]) -> None:
        self._pictures = [memoryview(picture) for picture in pictures]
        self._stopped = Event()
        self._thread: Thread | None = None

    @property
    def settings(self) -> Mapping[str, Any]:
        return {"width": WIDTH, "height": HEIGHT, "frameRate": float(RATE)}

    def start(self, receiver: Receiver) -> None:
        self._thread = Thread(target=self._run, args=(receiver,), name="mscli-jpegs", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, receiver: Receiver) -> None:
        began_us, number = now_us(), 0
        while not self._stopped.is_set():
            at_us = began_us + number * MICROSECONDS // RATE
            time.sleep(max(0, at_us - now_us()) / MICROSECONDS)
            data = self._pictures[number % len(self._pictures)]
            duration = MICROSECONDS // RATE
            receiver.on_frame(VideoFrame("MJPEG", WIDTH, HEIGHT, at_us, (data,), (0,), duration, number, JPEG_COLOR))
            number += 1


class JpegBackend(Backend):
    """One camera in one mode."""

    name = "jpegs"

    def __init__(self, pictures: Sequence[bytes]) -> None:
        self._pictures = pictures

    def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
        return [Device("jpegs", VIDEO_INPUT, "JPEGs", "", self.name)] if VIDEO_INPUT in kinds else []

    def abilities(self, device: Device) -> Abilities:
        return Abilities([Mode("MJPEG", WIDTH, HEIGHT, RATE)])

    def open(self, device: Device, request: Request) -> Source:
        return JpegSource(self._pictures)


def main(pictures: str, out: str, frames: str) -> None:
    keep_freed_memory()  # as the commands do
    with av.open(pictures) as file:
        data = [bytes(packet) for packet in file.demux(video=0) if packet.size]
    how = SinkOptions(video_codec="copy")
    with mscli.MediaDevices(backends=[JpegBackend(data)]) as devices:
        stream = devices.get_user_media({"video": True}, pixel_formats=CopiedFormats(["MJPEG"]))
        recorder = mscli.MediaRecorder(stream, file=out, row=SINKS["mkv"], sink_options=how, window=(None, int(frames)))
        recorder.start()
        recorder.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
