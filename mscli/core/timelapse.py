"""Time-lapse: one frame of a track each interval, played at a constant rate."""

from __future__ import annotations

from dataclasses import replace

from mscli.core.clock import MICROSECONDS
from mscli.core.frames import EncodedVideoChunk, VideoFrame

Picture = VideoFrame | EncodedVideoChunk

PLAYED_RATE = 30  # frames per second


class TimeLapse:
    """A choice of the frames of one track: for each tick of the interval (microseconds), the frame that is closest to it.

    Ticks count from the origin, so that they do not drift. A frame is played at its tick's place, so that tracks stay together.
    ``missed``: how many ticks had no frame.
    """

    def __init__(self, interval_us: int) -> None:
        self.missed = 0
        self._interval_us = interval_us
        self._latest = -1  # the number of the latest tick that has its frame

    def is_due(self, frame: Picture, origin_us: int) -> bool:
        """Return whether the frame is the first one for its tick. A frame in place of a missing one never is."""
        return not frame.blank and self._tick(frame, origin_us) > self._latest

    def place(self, frame: Picture, origin_us: int) -> Picture:
        """Choose the frame, and return it with the time and the duration with which it is played."""
        tick = self._tick(frame, origin_us)
        self.missed += tick - self._latest - 1
        self._latest = tick
        played_us = origin_us + tick * MICROSECONDS // PLAYED_RATE
        return replace(frame, timestamp=played_us, duration=MICROSECONDS // PLAYED_RATE)

    def retry(self) -> None:
        """Choose another frame for the latest tick, because the chosen one could not be used."""
        self._latest -= 1

    def _tick(self, frame: Picture, origin_us: int) -> int:
        early_us = min(frame.duration or 0, self._interval_us) // 2
        return max(0, frame.timestamp + early_us - origin_us) // self._interval_us
