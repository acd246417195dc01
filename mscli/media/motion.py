"""Measure motion in pictures with OpenCV: the share of the picture that differs from what has been there lately.

A picture is scaled to WIDTH pixels of grey and blurred, so that noise does not count. The background is the mean of the
pictures so far, in which the newest one weighs WEIGHT. A pixel has changed if it differs from the background by more than STEP.
If more than LIGHT of all pixels change at once, that is light or a camera that adapts to it: the background begins anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mscli.media import load_picture_reader

if TYPE_CHECKING:
    from mscli.core.frames import EncodedVideoChunk, VideoFrame

WIDTH = 160  # pixels
WEIGHT = 0.1
STEP = 16  # of 255
LIGHT = 0.8
FIRST = 5  # pictures without a measure, while the background begins
_BLUR = (5, 5)  # pixels


class MotionMeasure:
    """The measure of motion in the pictures of a camera, in their order."""

    def __init__(self) -> None:
        import cv2

        self._cv2 = cv2
        self._read: Callable[[VideoFrame | EncodedVideoChunk], Any] = load_picture_reader()
        self._background: Any = None
        self._seen = 0  # pictures in the background

    def share(self, frame: VideoFrame | EncodedVideoChunk) -> float:
        """Return how much of the picture has changed, from 0 to 1. A damaged one has not."""
        picture = self._read(frame)
        if picture is None:
            return 0.0
        height = max(1, round(picture.height * WIDTH / picture.width))
        small = picture.reformat(WIDTH, height, "gray", dst_color_range="JPEG", interpolation="AREA").to_ndarray()
        grey = self._cv2.GaussianBlur(small, _BLUR, 0).astype("float32")
        if self._background is None or self._background.shape != grey.shape:
            self._begin(grey)
            return 0.0
        changed = float((self._cv2.absdiff(grey, self._background) > STEP).mean())
        if changed > LIGHT:
            self._begin(grey)
            return 0.0
        self._seen += 1
        self._cv2.accumulateWeighted(grey, self._background, max(WEIGHT, 1 / self._seen))
        return changed if self._seen > FIRST else 0.0

    def forget(self) -> None:
        """Begin anew, because the camera has shown something else meanwhile."""
        self._background = None

    def _begin(self, grey: Any) -> None:
        self._background, self._seen = grey, 1
