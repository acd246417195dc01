"""Make one picture of several: the sharpest, or their mean."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mscli.core.errors import NotReadableError
from mscli.core.frames import EncodedVideoChunk, VideoColorSpace, VideoFrame
from mscli.media.pictures import PictureReader

if TYPE_CHECKING:
    import av

Picture = VideoFrame | EncodedVideoChunk


def sharpest(frames: Iterable[Picture]) -> Picture:
    """Return the frame with the sharpest edges: the largest variance of the Laplacian of its luma. Raises NotReadableError."""
    reader, best, most = PictureReader(strict=True), None, -1.0
    for frame in frames:
        for picture in reader.read(frame)[-1:]:
            sharp = sharpness(picture)
            if sharp > most:
                best, most = frame, sharp
    if best is None:
        raise NotReadableError("none of the frames is a whole picture")
    return best


def sharpness(picture: av.VideoFrame) -> float:
    """Return how sharp a picture's edges are: the variance of the Laplacian of its luma."""
    import cv2

    edges = cv2.Laplacian(picture.to_ndarray(format="gray"), cv2.CV_16S)
    _, deviation = cv2.meanStdDev(edges)
    return float(deviation[0][0]) ** 2


def mean_of(frames: Iterable[Picture]) -> VideoFrame:
    """Return the mean of the frames as RGB24, which has less noise. Raises NotReadableError."""
    import numpy as np

    reader, count = PictureReader(strict=True), 0
    total: Any = 0
    newest: Picture | None = None
    for frame in frames:
        for picture in reader.read(frame)[-1:]:
            pixels = picture.to_ndarray(format="rgb24")
            total = pixels.astype(np.uint32) + total
            count, newest = count + 1, frame
    if newest is None:
        raise NotReadableError("none of the frames is a whole picture")
    return _frame((total + count // 2) // count, newest)


def _frame(pixels: Any, like: Picture) -> VideoFrame:
    height, width = pixels.shape[:2]
    plane = memoryview(pixels.astype("uint8").tobytes())
    color = VideoColorSpace(full_range=True)
    return VideoFrame("RGB24", width, height, like.timestamp, (plane,), (3 * width,), like.duration, like.sequence, color)
