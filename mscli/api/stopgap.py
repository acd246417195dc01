"""What stands in the place of frames that do not come: black or silence of their shape, in their pace, at their times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mscli.core.clock import MICROSECONDS
from mscli.core.frames import Frame, VideoFrame, outline

BEHIND_US = 100_000  # it keeps so far behind the present: the next frame may have been captured already


class Stopgap:
    """Makes frames without planes or data, which stand for black or silence."""

    def __init__(self) -> None:
        self._shape: Frame | None = None
        self._next_us = 0.0  # where the next one belongs
        self.last_us = 0  # when the device's last frame was captured

    def imitate(self, frame: Frame) -> None:
        """Make what is like that frame from now on."""
        self._shape = outline(frame)

    def begin(self, at_us: int) -> None:
        """The first one belongs there, if none stands there already."""
        self._next_us = max(self._next_us, at_us)

    def frames(self, until_us: int, rate: float, sequence: int) -> Iterator[Frame]:
        """Those that end by then; pictures at ``rate`` per second. None before there was a frame to imitate."""
        if self._shape is None:
            return
        pace_us = _pace_us(self._shape, rate)
        self._next_us = max(self._next_us, self.last_us + pace_us)
        while self._next_us + pace_us <= until_us:
            yield replace(self._shape, timestamp=round(self._next_us), sequence=sequence)
            self._next_us += pace_us

    def covers(self, timestamp: int) -> bool:
        """Whether something was made for that time already."""
        return timestamp < self._next_us


def _pace_us(frame: Frame, rate: float) -> float:
    if isinstance(frame, VideoFrame):
        return MICROSECONDS / rate
    return frame.number_of_frames * MICROSECONDS / frame.sample_rate
