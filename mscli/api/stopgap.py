"""What stands in the place of frames that do not come: black or silence of their shape, in their pace, at their times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import ceil

from mscli.core.clock import MICROSECONDS
from mscli.core.frames import Frame, VideoFrame, outline

BEHIND_US = 100_000  # it keeps so far behind the present: the next frame may have been captured already
CLOSE_US = 1000  # from one picture that comes late to the next: Matroska tells no less apart


class Stopgap:
    """Makes frames without planes or data, which stand for black or silence."""

    def __init__(self) -> None:
        self._shape: Frame | None = None
        self._next_us = 0.0  # where the next one belongs
        self._made_us = 0.0  # where the last one that was made ends
        self._last_us = 0  # when the device's last frame was captured

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
        self._next_us = max(self._next_us, self._last_us + pace_us)
        while self._next_us + pace_us <= until_us:
            yield replace(self._shape, timestamp=round(self._next_us), sequence=sequence)
            self._next_us += pace_us
            self._made_us = self._next_us

    def place(self, frame: Frame) -> Frame | None:
        """The device's frame, unless something was made for its time already.

        Of H.264 no picture can be missed by those after it: it comes just after what was made.
        """
        if frame.timestamp < self._made_us:
            if not (isinstance(frame, VideoFrame) and frame.format == "H264"):
                return None
            frame = replace(frame, timestamp=ceil(self._made_us))
            self._made_us += CLOSE_US
        self._last_us = frame.timestamp
        return frame


def _pace_us(frame: Frame, rate: float) -> float:
    if isinstance(frame, VideoFrame):
        return MICROSECONDS / rate
    return frame.number_of_frames * MICROSECONDS / frame.sample_rate
