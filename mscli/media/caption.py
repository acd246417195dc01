"""Burn a line of text into pictures: white on black, in the lower left corner, drawn by OpenCV.

https://docs.opencv.org/5.x/d6/d6e/group__imgproc__draw.html. The text is drawn once, and again only if it, the size or
the format of the picture changes: usually once a second.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import av

from mscli.core.errors import NotSupportedError
from mscli.core.frames import copy_rows
from mscli.core.orientation import Caption
from mscli.media.pictures import BY_FFMPEG, Reshaper, color_of

_SHARE = 30  # the height of a picture in heights of its text
_LEAST = 12  # the least height of the text, in pixels
_GRID = 8  # pixels: on it begin and end the samples of every format
_FONTS = (b"\x00\x01\x00\x00", b"OTTO", b"true", b"ttcf")  # how the files of TrueType and OpenType begin
_WHITE = (255, 255, 255)


class Captioner:
    """A step that writes a line into the pictures of a device. Raises NotSupportedError if OpenCV or the font cannot do it."""

    def __init__(self, caption: Caption, device: str) -> None:
        self._caption, self._device = caption, device
        self._font = _font(caption.font)
        self._box: av.VideoFrame | None = None
        self._drawn: tuple[Any, ...] = ()  # what the box was drawn for

    def __call__(self, picture: av.VideoFrame, taken: datetime) -> av.VideoFrame:
        """Return the picture with the line. Nobody else sees it in a picture that is shared."""
        if picture.format.name not in BY_FFMPEG:
            picture = Reshaper("rgb24" if picture.format.is_rgb else "yuv444p", color_of(picture))(picture)
        picture.make_writable()
        text = self._caption.text(taken, self._device)
        shape = text, picture.width, picture.height, picture.format.name, color_of(picture)
        if self._box is None or shape != self._drawn:
            self._box, self._drawn = self._draw(text, picture), shape
        _paste(picture, self._box)
        return picture

    def _draw(self, text: str, picture: av.VideoFrame) -> av.VideoFrame:
        """Return the line in the format of the picture, cut off at its right edge."""
        import cv2
        import numpy as np

        size = max(_LEAST, picture.height // _SHARE)
        _, _, width, _ = cv2.getTextSize((1, 1), text, (0, 0), self._font, size)
        width, height = (-(-side // _GRID) * _GRID for side in (width + size, size * 3 // 2))
        width, height = (max(1, min(side, whole)) for side, whole in ((width, picture.width), (height, picture.height)))
        box = np.zeros((height, width, 3), np.uint8)
        cv2.putText(box, text, (size // 2, size * 9 // 8), _WHITE, self._font, size)
        return Reshaper(picture.format.name, color_of(picture))(av.VideoFrame.from_ndarray(box, "rgb24"))


def _paste(picture: av.VideoFrame, box: av.VideoFrame) -> None:
    """Copy the box into the lower left corner."""
    top = (picture.height - box.height) // _GRID * _GRID
    for plane, target, source in zip(BY_FFMPEG[picture.format.name].planes, picture.planes, box.planes, strict=True):
        below = memoryview(target)[top // plane.v * target.line_size :]
        width, rows = plane.row_bytes(box.width), plane.rows(box.height)
        copy_rows(below, target.line_size, memoryview(source), source.line_size, width, rows)


def _font(path: str) -> Any:
    try:
        import cv2
    except ImportError as error:
        hints = ["on Debian and Ubuntu: apt install libgl1 libglib2.0-0", "elsewhere: pip install opencv-python"]
        raise NotSupportedError(f"--timestamp needs OpenCV, which cannot be loaded: {error}", hints=hints) from error
    if not hasattr(cv2, "FontFace"):
        raise NotSupportedError(
            f"--timestamp needs OpenCV 5, and this is {cv2.__version__}", hints=["pip install --upgrade opencv-python"]
        )
    font = cv2.FontFace("sans")
    if path and not (_is_font(path) and font.set(path)):
        raise NotSupportedError(f"--font {path} is not a TrueType or OpenType font", hints=["“fc-list” lists fonts"])
    return font


def _is_font(path: str) -> bool:
    """Return whether a file begins like a font. OpenCV crashes with any other file."""
    try:
        with open(path, "rb") as file:
            return file.read(4) in _FONTS
    except OSError:
        return False
