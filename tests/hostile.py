"""Hostile cameras: fake ones whose chunks are broken on their way. The ways are data, to which more can be added.

A description of fake devices may have cameras made by ``camera``. ``python -m tests.hostile ARGUMENT...`` is mscli that knows
them. A mode breaks the same bytes on each run.
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from mscli.core.errors import DOMException
from mscli.core.frames import EncodedVideoChunk, Media
from mscli.sources.base import SWITCHED_OFF, Abilities, Device, Receiver, Request, Source
from mscli.sources.fake import backend as fake

MODE = "hostile"  # the member of a camera's description that names one of ``MODES``

Break = Callable[[bytes, int], bytes]  # of a chunk and its number, from 0 on

_START_OF_FRAME = b"\xff\xc0"


def _sized(width: int, height: int) -> Break:
    """Have the JPEG's header tell another size."""

    def broken(data: bytes, _: int) -> bytes:
        at = data.index(_START_OF_FRAME) + 5
        return data[:at] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + data[at + 4 :]

    return broken


def _chance(seed: int) -> random.Random:
    return random.Random(seed)


def _bits(data: bytes, number: int) -> bytes:
    chance, broken = _chance(number), bytearray(data)
    for _ in range(200):
        broken[chance.randrange(len(broken))] = chance.randrange(256)
    return bytes(broken)


def _without(*kinds: int) -> Break:
    """Leave out units of H.264 of those types."""

    def broken(data: bytes, _: int) -> bytes:
        units = re.split(rb"\x00?\x00\x00\x01", data)[1:]
        return b"".join(b"\0\0\0\1" + unit for unit in units if unit[0] & 0x1F not in kinds) or b"\0\0\0\1\x09\x10"

    return broken


def _sometimes(every: int, broken: Break) -> Break:
    return lambda data, number: broken(data, number) if number % every == 0 else data


def _half(data: bytes, _: int) -> bytes:
    return data[: len(data) // 2]


JPEG: Mapping[str, Break] = {
    "whole": lambda data, _: data,
    "fill": lambda data, _: data[:2] + b"\xff" * 9 + data[2:],  # which is legal
    "junk-before": lambda data, _: b"\x00\x11\x22\x33\x44\x55\x66\x77" + data,
    "padded": lambda data, _: data + bytes(1000),
    "zero": lambda *_: b"\0",
    "two-bytes": lambda data, _: data[:2],
    "zeros": lambda data, _: bytes(len(data)),
    "ones": lambda data, _: b"\xff" * len(data),
    "garbage": lambda _, number: _chance(number).randbytes(5000),
    "head-only": lambda data, _: data[: data.index(b"\xff\xda")],
    "half": _half,
    "half-of-every-fourth": _sometimes(4, _half),
    "bits": _bits,
    "size-0x0": _sized(0, 0),
    "size-65535x65535": _sized(65535, 65535),
    "size-16000x16000": _sized(16000, 16000),
    "segments": lambda data, _: data[:2] + b"\xff\xfe\x00\x02" * 2_000_000 + data[2:],
    "starts": lambda data, _: data[:2] * 200_000 + data,
}

H264: Mapping[str, Break] = {
    "whole": lambda data, _: data,
    "no-start-codes": lambda data, _: data.replace(b"\0\0\0\1", b"").replace(b"\0\0\1", b""),
    "no-parameter-sets": _without(7, 8),
    "no-key-frames": _without(5),
    "start-codes-only": lambda *_: b"\0\0\1" * 100_000,
    "sets-only": lambda *_: b"\0\0\1\x07" * 750_000,
    "slices-only": lambda *_: b"\0\0\1\x41" * 750_000,
    "zero": lambda *_: b"\0",
    "garbage": lambda _, number: _chance(number).randbytes(5000),
}

MODES: Mapping[str, tuple[str, Break]] = {
    **{f"jpeg-{name}": ("MJPEG", broken) for name, broken in JPEG.items()},
    **{f"h264-{name}": ("H264", broken) for name, broken in H264.items()},
}


class HostileReceiver:
    """Hands on what comes, broken."""

    def __init__(self, receiver: Receiver, broken: Break) -> None:
        self._receiver, self._broken = receiver, broken
        self._number = 0

    def on_frame(self, frame: Media) -> None:
        """Break the chunk; sound stays whole."""
        if isinstance(frame, EncodedVideoChunk):
            frame = replace(frame, data=memoryview(self._broken(bytes(frame.data), self._number)))
            self._number += 1
        self._receiver.on_frame(frame)

    def on_lost(self, count: int) -> None:
        """Tell it."""
        self._receiver.on_lost(count)

    def on_retimed(self, count: int, off_us: int) -> None:
        """Tell it."""
        self._receiver.on_retimed(count, off_us)

    def on_warned(self, reason: str) -> None:
        """Take no note of it."""

    def on_muted(self, muted: bool, cause: str = SWITCHED_OFF) -> None:
        """Tell it."""
        self._receiver.on_muted(muted, cause)

    def on_changed(self, settings: Mapping[str, Any], abilities: Abilities | None = None) -> None:
        """Tell it."""
        self._receiver.on_changed(settings, abilities)

    def on_ended(self, error: DOMException | None) -> None:
        """Tell it."""
        self._receiver.on_ended(error)


class HostileSource(Source):
    """A fake device whose frames are broken."""

    def __init__(self, source: Source, broken: Break) -> None:
        self._source, self._broken = source, broken

    @property
    def settings(self) -> Mapping[str, Any]:
        """The device's."""
        return self._source.settings

    def start(self, receiver: Receiver) -> None:
        """Start the device."""
        self._source.start(HostileReceiver(receiver, self._broken))

    def stop(self) -> None:
        """Stop the device."""
        self._source.stop()


class HostileBackend(fake.FakeBackend):
    """A machine with the fake devices of a description, some of which are hostile."""

    def __init__(self, description: Mapping[str, Any]) -> None:
        devices = [dict(device) for device in description["devices"]]
        self._modes = {device["deviceId"]: device.pop(MODE) for device in devices if MODE in device}
        super().__init__({**description, "devices": devices})

    def open(self, device: Device, request: Request) -> Source:
        """Take the device, which may turn out to be hostile."""
        source = super().open(device, request)
        mode = self._modes.get(device.device_id)
        return source if mode is None else HostileSource(source, MODES[mode][1])


def camera(mode: str) -> dict[str, Any]:
    """Describe a camera that is hostile in that mode."""
    size = {"width": 320, "height": 240, "frameRate": 30, "pixelFormat": MODES[mode][0]}
    return {"kind": "videoinput", "deviceId": "hostile", "label": "Hostile", "modes": [size], MODE: mode}


def main() -> None:
    """Run mscli, whose fake devices may be hostile."""
    from mscli.__main__ import main as run
    from mscli.sources import BACKENDS

    BACKENDS["fake"] = BACKENDS["fake"]._replace(module="tests.hostile", cls=HostileBackend.__name__)
    sys.argv[0] = "mscli"
    run()


if __name__ == "__main__":
    main()
