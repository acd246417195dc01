"""Take a frame from each mode of every camera here, and write its bytes as they came, without the padding of rows.

python native.py FOLDER       # FOLDER gets a file NUMBER-FORMAT for each: the camera's number and our name of the format
"""

from __future__ import annotations

import sys
from pathlib import Path
from threading import Event

from mscli.core.boxes import Mode
from mscli.core.frames import VideoFrame, packed_planes
from mscli.sources.base import Device, Request
from mscli.sources.v4l2.backend import V4L2Backend

TIMEOUT_S = 30


class First:
    """A receiver that keeps the first frame."""

    def __init__(self) -> None:
        self.came = Event()
        self.data = b""

    def on_frame(self, frame: object) -> None:
        """Keep it."""
        if isinstance(frame, VideoFrame) and not self.came.is_set():
            self.data = b"".join(map(bytes, packed_planes(frame)))
            self.came.set()

    def __getattr__(self, name: str) -> object:
        """Return what takes all else that a source may tell."""
        return lambda *_: None


def take(backend: V4L2Backend, device: Device, mode: Mode) -> bytes:
    """Return the bytes of a frame."""
    settings = {"width": mode.width, "height": mode.height, "frameRate": mode.frame_rate}
    source, first = backend.open(device, Request(settings, mode.pixel_format)), First()  # type: ignore[arg-type]
    source.start(first)  # type: ignore[arg-type]
    assert first.came.wait(TIMEOUT_S), mode
    source.stop()
    return first.data


def main(folder: Path) -> None:
    """Take them all."""
    backend = V4L2Backend()
    for number, device in enumerate(backend.devices()):
        for mode in backend.abilities(device).modes:
            (folder / f"{number}-{mode.pixel_format}").write_bytes(take(backend, device, mode))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
