"""Say how pictures are cropped, flipped and rotated before they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mscli.core.tuples import NamedTuple

if TYPE_CHECKING:
    from mscli.core.frames import Rect


class Orientation(NamedTuple):
    """The changes to a picture, in this order: cropped, flipped, rotated clockwise."""

    crop: Rect | None = None  # pixels of the camera's picture
    flip: str = ""  # "horizontal", "vertical", or ""
    rotate: int = 0  # degrees: 0, 90, 180, 270

    def size_of(self, width: int, height: int) -> tuple[int, int]:
        """Return the size of what becomes of a picture of this size."""
        if self.crop is not None:
            width, height = self.crop.width, self.crop.height
        return (height, width) if self.rotate % 180 else (width, height)
