"""Pictures of one shade of grey, from a camera or from a file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import mscli

SIZE = (64, 48)
RATE = 25.0
HANGING = Event()  # set to end what hangs
MISTAKES: dict[str, Callable[[Any], Any]] = {  # frames that are not what they say
    "planes": lambda frame: replace(frame, planes=frame.planes * 2),
    "strides": lambda frame: replace(frame, strides=(1,)),
    "bytes": lambda frame: replace(frame, planes=(frame.planes[0][1:],)),
    "size": lambda frame: replace(frame, coded_width=-64),
    "format": lambda frame: replace(frame, format="GRAU"),
    "time": lambda frame: replace(frame, timestamp=None),
    "back": lambda frame: replace(frame, timestamp=5),
    "kind": lambda frame: mscli.AudioData("s16", 48_000, 1, 1, frame.timestamp, memoryview(b"ab")),
    "type": lambda frame: frame.planes,
}


class ThingBackend(mscli.Backend):
    """The one camera that is at an address, or the file of that name."""

    def __init__(self, address: str) -> None:
        self._file = Path(address) if address.endswith(".thing") else None
        rest = address.partition(":")[2]
        self._grey, _, self._fails = rest.partition("?fail=")
        fail(self._fails, "constructor")

    def devices(self, kinds: Sequence[str] = ("videoinput",)) -> list[mscli.Device]:
        """Return the camera."""
        fail(self._fails, "devices")
        if self._fails == "nonsense":
            return "no list"  # type: ignore[return-value]
        if "videoinput" not in kinds or self._grey == "nothing":
            return []
        label = self._file.name if self._file else f"Thing {self._grey}"
        return [mscli.Device("", "videoinput", label, "", "thing")]

    def abilities(self, device: mscli.Device) -> mscli.Abilities:
        """Return its only mode."""
        fail(self._fails, "abilities")
        return mscli.Abilities([mscli.Mode("GREY", *SIZE, RATE)])

    def open(self, device: mscli.Device, request: mscli.Request) -> mscli.Source:
        """Open the camera."""
        fail(self._fails, "open")
        if self._file is not None:
            return Clip(self._file)
        made = Careless if self._fails == "careless" else Thing
        return made(int(self._grey or 0), self._fails)


class Thing(mscli.ThreadedSource):
    """A camera that gives the same picture again and again."""

    def __init__(self, grey: int, fails: str) -> None:
        self._picture = memoryview(bytes([grey]) * (SIZE[0] * SIZE[1]))
        self._fails = fails

    @property
    def settings(self) -> Mapping[str, float]:
        """Return what was set: nothing can be."""
        fail(self._fails, "settings")
        return {"width": SIZE[0], "height": SIZE[1], "frameRate": RATE}

    def start(self, receiver: mscli.Receiver) -> None:
        """Begin."""
        fail(self._fails, "start")
        super().start(receiver)

    def stop(self) -> None:
        """End."""
        super().stop()
        fail(self._fails, "stop")

    def frames(self) -> Iterator[mscli.VideoFrame]:
        """Yield a picture every 40 ms."""
        number = 0
        while not self.stopping.wait(1 / RATE):
            if number == 10:
                fail(self._fails, "thread")
            now_us = time.monotonic_ns() // 1000
            frame = mscli.VideoFrame("GREY", *SIZE, now_us, (self._picture,), (SIZE[0],), 40_000, number)
            wanted = {0: self._fails.partition("first-")[2], 10: self._fails}.get(number, "")
            yield MISTAKES[wanted](frame) if wanted in MISTAKES else frame
            number += 1


class Clip(mscli.ThreadedSource):
    """A file that the sink has written: the pictures of its first track, as fast as they are taken."""

    live = False
    settings = {"width": SIZE[0], "height": SIZE[1], "frameRate": RATE}  # noqa: RUF012

    def __init__(self, path: Path) -> None:
        self._lines = path.read_text().splitlines()

    def frames(self) -> Iterator[mscli.VideoFrame]:
        """Yield a picture for each line."""
        for number, line in enumerate(self._lines):
            track, time_us, _, grey = map(int, line.split())
            if track == 0:
                picture = memoryview(bytes([grey]) * (SIZE[0] * SIZE[1]))
                yield mscli.VideoFrame("GREY", *SIZE, time_us, (picture,), (SIZE[0],), 40_000, number)


class Careless(Thing):
    """A source with a thread of its own that dies and says so to nobody."""

    def start(self, receiver: mscli.Receiver) -> None:
        """Begin."""
        Thread(target=fail, args=("careless", "careless"), name="careless", daemon=True).start()


def fail(fails: str, where: str) -> None:
    """Raise something, or hang, if this is where it is to fail."""
    if fails == f"hang-{where}":
        HANGING.wait()
    if fails == where:
        raise ValueError(f"no luck in {where}")
