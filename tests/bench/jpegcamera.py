"""A camera that gives stored JPEGs, 30 a second.

python -m tests.bench.jpegcamera record PICTURES.mkv OUT FRAMES: copy them into a recording.
python -m tests.bench.jpegcamera snapshot PICTURES.mkv ARGUMENT...: mscli snapshot with this camera.

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
from mscli.api.nativeformats import CopiedFormats
from mscli.cli.session import keep_freed_memory
from mscli.core.boxes import Mode
from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.frames import JPEG_COLOR, EncodedVideoChunk
from mscli.encode.options import SinkOptions
from mscli.sinks import SINKS
from mscli.sources import BACKENDS, SourceRow
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
            receiver.on_frame(EncodedVideoChunk("key", at_us, data, "mjpeg", WIDTH, HEIGHT, duration, number, JPEG_COLOR))
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


class StoredJpegs(JpegBackend):
    """The camera, as the program creates it: without arguments."""

    pictures: Sequence[bytes] = ()

    def __init__(self) -> None:
        super().__init__(self.pictures)


def record(data: Sequence[bytes], *arguments: str) -> int:
    """Copy the pictures into a recording."""
    out, frames = arguments
    keep_freed_memory()  # as the commands do
    how = SinkOptions(video_codec="copy")
    with mscli.MediaDevices(backends=[JpegBackend(data)]) as devices:
        stream = devices.get_user_media({"video": True}, pixel_formats=CopiedFormats(["MJPEG"]))
        recorder = mscli.MediaRecorder(stream, file=out, row=SINKS["mkv"], sink_options=how, window=(None, int(frames)))
        recorder.start()
        recorder.join()
    return 0


def snapshot(data: Sequence[bytes], *arguments: str) -> int:
    """Run the program."""
    from mscli.cli.main import run
    from tests.bench import jpegcamera  # by its own name, which the registry imports

    jpegcamera.StoredJpegs.pictures = data
    BACKENDS["v4l2"] = SourceRow("tests.bench.jpegcamera", "StoredJpegs", (VIDEO_INPUT,), (sys.platform,))
    return run(["snapshot", *arguments])


def main(command: str, pictures: str, *arguments: str) -> int:
    with av.open(pictures) as file:
        data = [bytes(packet) for packet in file.demux(video=0) if packet.size]
    return snapshot(data, *arguments) if command == "snapshot" else record(data, *arguments)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
