"""Who takes what a device gives: tracks, and what goes on with their frames.

https://www.w3.org/TR/mediacapture-streams/#the-model-sources-sinks-constraints-and-settings
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from mscli.core.boxes import Box
from mscli.core.frames import Frame
from mscli.core.selection import Settings


class Consumer(Protocol):
    """What a live source hands its frames to: a track. ``deliver`` comes on the device's thread, the rest as posted tasks."""

    settings: Settings

    def accepts(self, boxes: Sequence[Box]) -> bool:
        """Whether its constraints could be satisfied out of these boxes."""

    def forbids(self, resize_mode: str) -> bool:
        """Whether its constraints rule that resizeMode out."""

    def remember(self) -> Callable[[], None]:
        """What brings back the settings and the constraints that it has now."""

    def reshape(self) -> None:
        """The device gives something else now: derive the track's frames from that."""

    def deliver(self, frame: Frame) -> None:
        """Take a frame; one without planes or data stands for black or silence."""

    def close_lanes(self) -> None:
        """No frame will follow."""

    def source_changed(self) -> None:
        """The device is set otherwise, and not by us: try the constraints again."""

    def source_ended(self) -> None:
        """The device is gone."""

    def stop(self) -> None:
        """The devices are closed, by those who use them."""

    def source_muted(self, muted: bool, reason: str) -> None:
        """Frames stopped coming, and why, or they come again."""


class Worker(Protocol):
    """What goes on with the frames of tracks, or after their end, on a thread of its own: a recording, a driver that stops."""

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until it has ended, as it does when its tracks have; False if it does not in time, or ever."""
