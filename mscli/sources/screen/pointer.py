"""Draw the pointer into a picture."""

from __future__ import annotations

from collections.abc import Sequence

from mscli.core.tuples import NamedTuple


class PointerShape(NamedTuple):
    """The picture of a pointer: premultiplied ARGB, row by row. ``hot_x``, ``hot_y``: the pixel that points."""

    width: int
    height: int
    hot_x: int
    hot_y: int
    pixels: Sequence[int]

    def swapped(self) -> PointerShape:
        """Return it for pictures whose red and blue are the other way round."""
        pixels = [pixel & 0xFF00FF00 | pixel >> 16 & 0xFF | (pixel & 0xFF) << 16 for pixel in self.pixels]
        return self._replace(pixels=pixels)


def draw_pointer(picture: memoryview, stride: int, size: tuple[int, int], shape: PointerShape, x: int, y: int) -> None:
    """Draw a pointer that points at (``x``, ``y``) into a picture of 4 bytes a pixel: B, G, R and one unused."""
    left, top = x - shape.hot_x, y - shape.hot_y
    columns = range(max(0, -left), min(shape.width, size[0] - left))
    for row in range(max(0, -top), min(shape.height, size[1] - top)):
        at = (top + row) * stride + 4 * left
        for column in columns:
            pixel = shape.pixels[row * shape.width + column]
            alpha = pixel >> 24 & 255
            place = at + 4 * column
            if alpha == 255:
                picture[place : place + 4] = pixel.to_bytes(4, "little")
            elif alpha:
                for part in range(3):
                    over, under = pixel >> 8 * part & 255, picture[place + part]
                    picture[place + part] = min(255, over + under * (255 - alpha) // 255)
