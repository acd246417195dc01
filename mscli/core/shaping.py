"""From native frames to those of a derived setting: the central crop, the size to scale to, and which frames are left out.

Nothing is computed on pixels here: a frame is told its visible rectangle and display size, as in WebCodecs
(https://www.w3.org/TR/webcodecs/#dom-videoframe-visiblerect), and whoever reads its pixels crops and scales in one pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mscli.core.boxes import Scalar
from mscli.core.clock import MICROSECONDS
from mscli.core.frames import Rect, VideoFrame


def central_crop(coded_width: int, coded_height: int, width: int, height: int) -> Rect:
    """The largest rectangle of the shape width : height in the middle of a picture, on even pixels (two share a chroma)."""
    if coded_width * height >= coded_height * width:
        crop_width, crop_height = _even(max(width, round(coded_height * width / height)), coded_width), coded_height
    else:
        crop_width, crop_height = coded_width, _even(max(height, round(coded_width * height / width)), coded_height)
    return Rect((coded_width - crop_width) // 2 & ~1, (coded_height - crop_height) // 2 & ~1, crop_width, crop_height)


def _even(size: int, most: int) -> int:
    return min(size + (size & 1), most)


class Decimator:
    """Leaves frames out evenly: of native frames at any rate it keeps those nearest to a grid of ``rate`` frames per second."""

    def __init__(self, rate: float) -> None:
        self._interval_us = MICROSECONDS / rate
        self._due_us: float | None = None

    def keeps(self, timestamp: int, duration: int | None) -> bool:
        """Whether the frame of that time is one of those that stay. ``duration``: microseconds to the next native frame."""
        if self._due_us is None:
            self._due_us = float(timestamp)
        if timestamp < self._due_us - (duration or 0) / 2:
            return False
        self._due_us += self._interval_us
        if timestamp > self._due_us:  # a gap: the grid goes on from here
            self._due_us = timestamp + self._interval_us
        return True


class Shaper:
    """Gives native frames the size and rate of a track's settings; frames that are native already pass as they are."""

    def __init__(self, settings: Mapping[str, Scalar], native: Mapping[str, Scalar]) -> None:
        self.size = int(settings["width"]), int(settings["height"])
        self._rate = float(settings["frameRate"])
        slower = self._rate < float(native["frameRate"])
        self._decimator = Decimator(self._rate) if slower else None

    def shape(self, frame: VideoFrame) -> VideoFrame | None:
        """The frame as the track gives it; None if it is left out."""
        if self._decimator is not None:
            if not self._decimator.keeps(frame.timestamp, frame.duration):
                return None
            frame = replace(frame, duration=round(MICROSECONDS / self._rate))
        if self.size == (frame.coded_width, frame.coded_height):
            return frame
        return replace(
            frame, visible_rect=central_crop(frame.coded_width, frame.coded_height, *self.size), display_size=self.size
        )
