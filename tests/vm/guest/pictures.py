"""vivid's test picture, and colours read out of frames of any format: plain arithmetic, nothing of the program's own."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby

from mscli.core.frames import VideoFrame

RGB = tuple[int, int, int]
ON = 191  # three quarters of full

COLOUR_BARS: list[RGB] = [
    (ON, ON, ON), (ON, ON, 0), (0, ON, ON), (0, ON, 0), (ON, 0, ON), (ON, 0, 0), (0, 0, ON), (0, 0, 0),
]  # fmt: skip
TOLERANCE = 4  # for two roundings of 8 bits
LUMA = {"smpte170m": (0.299, 0.114), "bt709": (0.2126, 0.0722)}  # the weights of red and blue: ITU-R BT.601, BT.709


def to_rgb(frame: VideoFrame, y: int, u: int, v: int) -> RGB:
    """Y'CbCr of 8 bits to R'G'B', by the definitions in ITU-R BT.601 and BT.709."""
    kr, kb = LUMA[frame.color_space.matrix]
    full = frame.color_space.full_range
    luma = y / 255 if full else (y - 16) / 219
    cb, cr = ((c - 128) / (255 if full else 224) for c in (u, v))
    red, blue = luma + 2 * (1 - kr) * cr, luma + 2 * (1 - kb) * cb
    green = (luma - kr * red - kb * blue) / (1 - kr - kb)
    return round(red * 255), round(green * 255), round(blue * 255)


def _planar(frame: VideoFrame, x: int, y: int, h: int, v: int) -> RGB:
    luma = frame.planes[0][y * frame.strides[0] + x]
    u, w = (frame.planes[i][y // v * frame.strides[i] + x // h] for i in (1, 2))
    return to_rgb(frame, luma, u, w)


def _nv12(frame: VideoFrame, x: int, y: int) -> RGB:
    at = y // 2 * frame.strides[1] + x // 2 * 2
    return to_rgb(frame, frame.planes[0][y * frame.strides[0] + x], *frame.planes[1][at : at + 2])


def _packed_yuv(frame: VideoFrame, x: int, y: int, order: str) -> RGB:
    at = y * frame.strides[0] + x // 2 * 4
    unit = dict(zip(order, frame.planes[0][at : at + 4], strict=True))
    return to_rgb(frame, unit["Y"], unit["U"], unit["V"])


def _packed_rgb(frame: VideoFrame, x: int, y: int, size: int, order: tuple[int, int, int]) -> RGB:
    at = y * frame.strides[0] + x * size
    red, green, blue = (frame.planes[0][at + i] for i in order)
    return red, green, blue


def _grey(frame: VideoFrame, x: int, y: int) -> RGB:
    return to_rgb(frame, frame.planes[0][y * frame.strides[0] + x], 128, 128)


# Formats to what reads the colour of an even pixel.
COLOUR_AT: dict[str, Callable[[VideoFrame, int, int], RGB]] = {
    "YUYV": lambda frame, x, y: _packed_yuv(frame, x, y, "YUyV"),
    "UYVY": lambda frame, x, y: _packed_yuv(frame, x, y, "UYVy"),
    "NV12": _nv12,
    "I420": lambda frame, x, y: _planar(frame, x, y, 2, 2),
    "I422": lambda frame, x, y: _planar(frame, x, y, 2, 1),
    "I444": lambda frame, x, y: _planar(frame, x, y, 1, 1),
    "RGB24": lambda frame, x, y: _packed_rgb(frame, x, y, 3, (0, 1, 2)),
    "BGR24": lambda frame, x, y: _packed_rgb(frame, x, y, 3, (2, 1, 0)),
    "RGBX": lambda frame, x, y: _packed_rgb(frame, x, y, 4, (0, 1, 2)),
    "BGRX": lambda frame, x, y: _packed_rgb(frame, x, y, 4, (2, 1, 0)),
    "GREY": _grey,
}


def bars(frame: VideoFrame, at_height: float = 0.5) -> list[RGB]:
    """The colours in the middle of eight upright bars of equal width."""
    y = int(frame.coded_height * at_height)
    return [COLOUR_AT[frame.format](frame, frame.coded_width * (2 * i + 1) // 32 * 2, y) for i in range(8)]


def grey(colour: RGB) -> RGB:
    """What vivid makes of it when asked for no colours."""
    kr, kb = LUMA["bt709"]
    luma = round(kr * colour[0] + (1 - kr - kb) * colour[1] + kb * colour[2])
    return luma, luma, luma


def assert_colour_bars(frame: VideoFrame, tolerance: int = TOLERANCE) -> None:
    """The frame shows the bars, from its first row to its last."""
    expected = [grey(colour) for colour in COLOUR_BARS] if frame.format == "GREY" else COLOUR_BARS
    for at_height in (0, 0.5, 0.999):
        found = bars(frame, at_height)
        off = max(map(_distance, found, expected))
        assert off <= tolerance, f"{found} at {at_height} of the height, expected {expected}"


def assert_bars_from_the_middle(frame: VideoFrame, tolerance: int) -> None:
    """A row of the frame shows the bars, or as many around the middle as a narrower picture has room for."""
    row = (COLOUR_AT[frame.format](frame, x, frame.coded_height // 2) for x in range(0, frame.coded_width, 2))
    near = (next((bar for bar in COLOUR_BARS if _distance(bar, colour) <= tolerance), None) for colour in row)
    found = [bar for bar, _ in groupby(filter(None, near))]
    missing = (len(COLOUR_BARS) - len(found)) // 2
    assert len(found) >= 6, found
    assert found == COLOUR_BARS[missing : len(COLOUR_BARS) - missing]


def _distance(one: RGB, other: RGB) -> int:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))
