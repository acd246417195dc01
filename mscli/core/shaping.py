"""Turn native frames into frames of derived settings: set the central crop and the scaled size, and drop frames evenly.

No pixels are touched here. A frame only gets a visible rectangle and a display size, as in WebCodecs
(https://www.w3.org/TR/webcodecs/#dom-videoframe-visiblerect). The code that reads its pixels crops and scales them in one pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from mscli.core.boxes import Scalar
from mscli.core.clock import MICROSECONDS
from mscli.core.frames import EncodedVideoChunk, Rect, VideoFrame
from mscli.core.properties import DISPLAY_SURFACE

P = TypeVar("P", VideoFrame, EncodedVideoChunk)


def central_crop(coded_width: int, coded_height: int, width: int, height: int) -> Rect:
    """Return the largest centred rectangle with the aspect ratio width : height.

    Its position and size are even, because two pixels share one chroma sample.
    """
    if coded_width * height >= coded_height * width:
        crop_width, crop_height = _even(max(width, round(coded_height * width / height)), coded_width), coded_height
    else:
        crop_width, crop_height = coded_width, _even(max(height, round(coded_width * height / width)), coded_height)
    return Rect((coded_width - crop_width) // 2 & ~1, (coded_height - crop_height) // 2 & ~1, crop_width, crop_height)


def _even(size: int, most: int) -> int:
    return min(size + (size & 1), most)


class Decimator:
    """A filter that drops frames evenly. It keeps the frames closest to a grid of ``rate`` frames per second."""

    def __init__(self, rate: float) -> None:
        self._interval_us = MICROSECONDS / rate
        self._due_us: float | None = None

    def keeps(self, timestamp: int, duration: int | None) -> bool:
        """Return whether to keep the frame at ``timestamp``. ``duration``: microseconds until the next native frame."""
        if self._due_us is None:
            self._due_us = float(timestamp)
        if timestamp < self._due_us - (duration or 0) / 2:
            return False
        self._due_us += self._interval_us
        if timestamp > self._due_us:  # after a gap, restart the grid here
            self._due_us = timestamp + self._interval_us
        return True


class Shaper:
    """A converter from native frames to the size and rate of a track's settings. Frames that fit already pass unchanged."""

    def __init__(self, settings: Mapping[str, Scalar], native: Mapping[str, Scalar]) -> None:
        self.size = int(settings["width"]), int(settings["height"])
        self._rate = float(settings["frameRate"])
        slower = self._rate < float(native["frameRate"])
        self._decimator = Decimator(self._rate) if slower else None
        self.drops = slower  # whether some frames are dropped
        self._whole = DISPLAY_SURFACE in native  # whether nothing is cropped

    def shape(self, frame: P) -> P | None:
        """Return the frame as the track delivers it, or None if it is dropped."""
        if self._decimator is not None:
            if not self._decimator.keeps(frame.timestamp, frame.duration):
                return None
            frame = replace(frame, duration=round(MICROSECONDS / self._rate))
        if self.size == (frame.coded_width, frame.coded_height):
            return frame
        coded = frame.coded_width, frame.coded_height
        rect = Rect(0, 0, *coded) if self._whole else central_crop(*coded, *self.size)
        return replace(frame, visible_rect=rect, display_size=self.size)
