"""Say how pictures are changed before they are written: cropped, flipped, rotated, and with a line of text."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from mscli.core.errors import NotSupportedError
from mscli.core.tuples import NamedTuple

if TYPE_CHECKING:
    from mscli.core.frames import Rect

DEVICE = "{device}"  # in the text of a caption: the name of the camera
USUAL_CAPTION = f"%Y-%m-%d %H:%M:%S  {DEVICE}"


class Orientation(NamedTuple):
    """The changes to a picture, in this order: cropped, flipped, rotated clockwise."""

    crop: Rect | None = None  # pixels of the camera's picture
    flip: str = ""  # "horizontal", "vertical", or ""
    rotate: int = 0  # degrees: 0, 90, 180, 270

    def size_of(self, width: int, height: int) -> tuple[int, int]:
        """Return the size of what becomes of a picture of this size. Raises NotSupportedError if the crop is not inside it."""
        crop = self.crop
        if crop is not None:
            if crop.x + crop.width > width or crop.y + crop.height > height:
                cut = f"{crop.width}x{crop.height}+{crop.x}+{crop.y}"
                raise NotSupportedError(f"--crop {cut} is not inside the picture of {width}×{height}")
            width, height = crop.width, crop.height
        return (height, width) if self.rotate % 180 else (width, height)


class Caption(NamedTuple):
    """A line of text in a picture: its pattern (strftime, and DEVICE), and the file of its font, or "" for the built-in one."""

    pattern: str = USUAL_CAPTION
    font: str = ""

    def text(self, taken: datetime, device: str) -> str:
        """Return the text for a picture that was taken at a time by a device."""
        return taken.strftime(self.pattern).replace(DEVICE, device)


class PictureFilters(NamedTuple):
    """The changes to each picture of a track before it is encoded or written: its orientation, then its caption."""

    orientation: Orientation | None = None
    caption: Caption | None = None
