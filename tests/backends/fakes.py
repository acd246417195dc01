"""Fake devices on a manual clock, and readers of what they deliver."""

from __future__ import annotations

from typing import Any

import numpy as np

from mscli.core.frames import VideoFrame
from mscli.sources.base import AUDIO_INPUT, VIDEO_INPUT, Device, Request, Source
from mscli.sources.fake.backend import FakeBackend
from tests.backends.rig import Collector, ManualClock, first_request
from tests.pattern import Code, Sound, luma_of, read_code

VGA = {"width": 640, "height": 480, "frameRate": 30}


class Bench:
    """A backend on a manual clock, with one device and its output."""

    def __init__(self, **device: Any) -> None:
        self.clock = ManualClock()
        self.backend = FakeBackend({"devices": [{"kind": VIDEO_INPUT, **device}]}, clock=self.clock)
        self.began_us = self.clock.now_us()
        self.got = Collector()

    @property
    def device(self) -> Device:
        """Return the device, listed again."""
        (device,) = self.backend.devices()
        return device

    def open(self, **settings: Any) -> Source:
        """Open the device in its first mode, apart from these settings."""
        request = first_request(self.backend, self.device)
        return self.backend.open(self.device, Request({**request.settings, **settings}, request.pixel_format))

    def run(self, seconds: float, **settings: Any) -> Collector:
        """Return what the device delivers in its first seconds."""
        source = self.open(**settings)
        source.start(self.got)
        self.clock.run(seconds)
        source.stop()
        return self.got

    def times(self) -> list[int]:
        """Return the timestamps, in microseconds from the beginning."""
        return [frame.timestamp - self.began_us for frame in self.got.frames]


def camera(mode: dict[str, Any] | None = None, **device: Any) -> Bench:
    """Create a bench with a camera of one mode."""
    return Bench(modes=[{**VGA, **(mode or {})}], **device)


def microphone(**device: Any) -> Bench:
    """Create a bench with a microphone."""
    return Bench(kind=AUDIO_INPUT, **device)


def codes(frames: list[VideoFrame]) -> list[Code | None]:
    """Return the code words in raw frames."""
    return [read_code(luma_of(frame)) for frame in frames]


def heard(frames: list[Any]) -> Sound:
    """Return the first channel of consecutive 16-bit blocks."""
    joined = np.concatenate([np.frombuffer(f.data, np.int16)[:: f.number_of_channels] for f in frames])
    return (joined / 2**15).astype(np.float32)
