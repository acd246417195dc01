"""Make one picture of several: the sharpest, or their mean."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mscli.core.errors import NotReadableError
from mscli.core.frames import FORMATS, EncodedVideoChunk, VideoColorSpace, VideoFrame
from mscli.media.pictures import PictureReader

if TYPE_CHECKING:
    import av

Picture = VideoFrame | EncodedVideoChunk

_RGB, _GREY, _DEEP_GREY = "RGB24", "GREY", "Y16"  # the formats of a mean


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
    """Return the mean of the frames, which has less noise: grey as it is, all others as RGB24. Raises NotReadableError."""
    import numpy as np

    reader, count = PictureReader(strict=True), 0
    total: Any = 0
    newest: Picture | None = None
    form = ""
    for frame in frames:
        for picture in reader.read(frame)[-1:]:
            form = _form_of(picture)
            total = picture.to_ndarray(format=FORMATS[form].ffmpeg).astype(np.uint32) + total
            count, newest = count + 1, frame
    if newest is None:
        raise NotReadableError("none of the frames is a whole picture")
    return _frame((total + count // 2) // count, form, newest)


def _form_of(picture: av.VideoFrame) -> str:
    name = picture.format.name
    return _RGB if not name.startswith("gray") else _GREY if name == "gray" else _DEEP_GREY


def _frame(pixels: Any, form: str, like: Picture) -> VideoFrame:
    height, width = pixels.shape[:2]
    plane = memoryview(pixels.astype("<u2" if form == _DEEP_GREY else "u1").tobytes())
    strides = (plane.nbytes // height,)
    color = VideoColorSpace(full_range=True)
    return VideoFrame(form, width, height, like.timestamp, (plane,), strides, like.duration, like.sequence, color)
