"""What tests of backends need: a receiver that remembers, a clock that is moved by hand, a short way to open a device."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Condition, Event, get_ident
from typing import Any

from mscli.core.boxes import Mode, Scalar, Span
from mscli.core.clock import MICROSECONDS
from mscli.core.errors import DOMException
from mscli.core.frames import Media
from mscli.sources.base import SWITCHED_OFF, Abilities, Backend, Device, Request

TIMEOUT_S = 20.0  # after which a test that waits has failed


class Collector:
    """A receiver that keeps everything in the order in which it came."""

    def __init__(self) -> None:
        self.frames: list[Any] = []
        self.lost: list[int] = []
        self.ends: list[DOMException | None] = []
        self.mutes: list[bool] = []
        self.changes: list[dict[str, Scalar]] = []
        self.retimed: list[int] = []
        self.warnings: list[str] = []
        self._changed = Condition()

    def on_frame(self, frame: Media) -> None:
        """Keep the frame."""
        with self._changed:
            self.frames.append(frame)
            self._changed.notify_all()

    def on_lost(self, count: int) -> None:
        """Keep the count."""
        with self._changed:
            self.lost.append(count)
            self._changed.notify_all()

    def on_retimed(self, count: int, off_us: int) -> None:
        """Keep the count."""
        self.retimed.append(count)

    def on_warned(self, reason: str) -> None:
        """Keep the warning."""
        self.warnings.append(reason)

    def on_muted(self, muted: bool, cause: str = SWITCHED_OFF) -> None:
        """Keep what the driver says."""
        with self._changed:
            self.mutes.append(muted)
            self._changed.notify_all()

    def on_changed(self, settings: Mapping[str, Scalar], abilities: Abilities | None = None) -> None:
        """Keep what is other now."""
        with self._changed:
            self.changes.append(dict(settings))
            self._changed.notify_all()

    def on_ended(self, error: DOMException | None) -> None:
        """Keep the reason."""
        with self._changed:
            self.ends.append(error)
            self._changed.notify_all()

    def wait_for(self, frames: int = 0, lost: int = 0, ends: int = 0) -> None:
        """Wait until so much has come; fails when it does not."""
        with self._changed:
            came = self._changed.wait_for(lambda: self._has(frames, lost, ends), TIMEOUT_S)
        assert came, (
            f"{len(self.frames)} of {frames} frames, {len(self.lost)} of {lost} losses, {len(self.ends)} of {ends} ends came"
        )

    def expect_nothing_more(self, seconds: float) -> None:
        """Fails when anything comes within that time."""
        with self._changed:
            assert not self._changed.wait(seconds), "something came after the end"

    def _has(self, frames: int, lost: int, ends: int) -> bool:
        return len(self.frames) >= frames and len(self.lost) >= lost and len(self.ends) >= ends


class ManualClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self._now_us = 1_000_000_000_000_123  # later than any machine has run for, and not a whole second
        self._deadlines: dict[int, int] = {}  # of the threads that wait
        self._changed = Condition()

    def now_us(self) -> int:
        """The instant that the clock shows."""
        return self._now_us

    def jump(self, seconds: float) -> None:
        """Move the clock forward at once."""
        self._now_us += round(seconds * MICROSECONDS)

    def run(self, seconds: float, sources: int = 1) -> None:
        """Move the clock forward so slowly that so many sources keep up: they have made all that is due when this returns."""
        self._settle(sources)
        left = seconds
        while left > 0:
            self.jump(min(left, 0.5))
            self._settle(sources)
            left -= 0.5

    def wait_until_us(self, at_us: int, cancelled: Event) -> bool:
        """As ``Clock`` has it; looks every millisecond whether the clock was moved."""
        with self._changed:
            self._deadlines[get_ident()] = at_us
            self._changed.notify_all()
        while self.now_us() < at_us and not cancelled.wait(0.001):
            pass
        with self._changed:
            del self._deadlines[get_ident()]
        return not cancelled.is_set()

    def _settle(self, sources: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._idle() == sources, TIMEOUT_S), f"{self._idle()} of {sources} wait"

    def _idle(self) -> int:
        return sum(at_us > self._now_us for at_us in self._deadlines.values())


def first_request(backend: Backend, device: Device) -> Request:
    """The first that the device can do."""
    abilities = backend.abilities(device)
    settings = {name: values[0] for name, values in abilities.values.items()}
    return mode_request(abilities.modes[0], settings) if abilities.modes else Request(settings)


def mode_request(mode: Mode, settings: dict[str, Scalar] | None = None) -> Request:
    """That mode, in its least size and rate."""
    sizes = {"width": mode.width, "height": mode.height, "frameRate": mode.frame_rate}
    least = {name: value.min if isinstance(value, Span) else value for name, value in sizes.items()}
    return Request((settings or {}) | least, mode.pixel_format)
