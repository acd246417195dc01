"""Every pixel format of a camera, as rows: how its bytes are made of colours, by plain arithmetic and nothing of the program's.

https://docs.kernel.org/userspace-api/media/v4l/pixfmt.html. A row is added here and nowhere else.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[Any]  # height × width × 3: red, green and blue, or Y, U and V, each from 0 to 255

WIDTH, HEIGHT, BAND = 96, 16, 16
PADDING = 16  # units at the end of each row of the first plane
COLOURS = ((255, 255, 255), (0, 0, 0), (128, 128, 128), (220, 40, 60), (30, 200, 90), (50, 70, 210))
MATRICES = {"601": (0.299, 0.114), "709": (0.2126, 0.0722), "2020": (0.2627, 0.0593), "240M": (0.212, 0.087)}  # red, blue


def bands(colours: Sequence[tuple[int, int, int]]) -> Pixels:
    """A picture of upright bands."""
    row = np.repeat(np.array(colours, np.int64), BAND, axis=0)
    return np.tile(row, (HEIGHT, 1, 1))


def yuv_of(rgb: tuple[int, int, int], matrix: str = "601", full: bool = False) -> tuple[int, int, int]:
    """ITU-R BT.601, BT.709, BT.2020 and SMPTE 240M, in whole numbers of 8 bits."""
    (kr, kb), (r, g, b) = MATRICES[matrix], (part / 255 for part in rgb)
    luma = kr * r + (1 - kr - kb) * g + kb * b
    u, v = (b - luma) / (2 - 2 * kb), (r - luma) / (2 - 2 * kr)
    low, span, chroma = (0, 255, 255) if full else (16, 219, 224)
    y, u, v = (min(255, max(0, round(part))) for part in (low + span * luma, 128 + chroma * u, 128 + chroma * v))
    return y, u, v


def rgb_of(yuv: Sequence[int], matrix: str = "601", full: bool = False) -> tuple[int, int, int]:
    """The inverse, exact but for the last rounding."""
    (kr, kb), (low, span, chroma) = MATRICES[matrix], (0, 255, 255) if full else (16, 219, 224)
    luma, u, v = (yuv[0] - low) / span, (yuv[1] - 128) / chroma, (yuv[2] - 128) / chroma
    red, blue = luma + (2 - 2 * kr) * v, luma + (2 - 2 * kb) * u
    green = (luma - kr * red - kb * blue) / (1 - kr - kb)
    r, g, b = (min(255, max(0, round(part * 255))) for part in (red, green, blue))
    return r, g, b


class Made(NamedTuple):
    """The planes of a picture, each as rows of bytes, and which colours they stand for in the middle of each band."""

    planes: list[npt.NDArray[np.uint8]]
    shown: list[tuple[int, int, int]]

    @property
    def packed(self) -> bytes:
        """The picture without padding."""
        return b"".join(plane.tobytes() for plane in self.planes)

    def padded(self) -> tuple[bytes, int]:
        """The picture with padding at the end of each row, as much of each plane as it is wide, and the bytes of a row."""
        first = self.planes[0].shape[1]
        rows = [b"".join(row.tobytes() + b"\xee" * (len(row) * PADDING // WIDTH) for row in plane) for plane in self.planes]
        return b"".join(rows), first + first * PADDING // WIDTH


Make = Callable[[Pixels], tuple[list[npt.NDArray[Any]], Callable[[Sequence[int]], Sequence[int]]]]


def _same(parts: Sequence[int]) -> Sequence[int]:
    return parts


def planar(order: str, h: int, v: int) -> Make:
    """Planes of their own, in the order of the letters; chroma of each ``h`` pixels and ``v`` rows."""

    def make(pixels: Pixels) -> tuple[list[npt.NDArray[Any]], Any]:
        planes = [pixels[:: 1 if letter == "Y" else v, :: 1 if letter == "Y" else h, "YUV".index(letter)] for letter in order]
        return [plane.astype(np.uint8) for plane in planes], _same

    return make


def paired(order: str, h: int, v: int, wide: bool = False) -> Make:
    """Luma, and a plane of both chroma samples in turn; ``wide``: each of 16 bits, of which the upper ones count."""

    def make(pixels: Pixels) -> tuple[list[npt.NDArray[Any]], Any]:
        chroma = pixels[::v, ::h][..., ["YUV".index(letter) for letter in order]]
        planes = [pixels[..., 0], chroma.reshape(len(chroma), -1)]
        return [(plane << 8).astype("<u2").view(np.uint8) if wide else plane.astype(np.uint8) for plane in planes], _same

    return make


def packed(order: str, letters: str = "YUV") -> Make:
    """The letters' bytes, of one pixel or of two. X is any byte."""
    pixels_in_unit = max(1, order.count("Y")) if letters == "YUV" else 1

    def make(pixels: Pixels) -> tuple[list[npt.NDArray[Any]], Any]:
        columns, seen = [], 0
        for letter in order:
            if letter == "X":
                columns.append(np.full(pixels[:, ::pixels_in_unit, 0].shape, 0x5A))
            else:
                columns.append(pixels[:, seen if letter == "Y" else 0 :: pixels_in_unit, letters.index(letter)])
                seen += letter == "Y"
        stacked = np.stack(columns, axis=-1)
        return [stacked.reshape(len(stacked), -1).astype(np.uint8)], _same

    return make


def words(word: str, *fields: tuple[int, int], letters: str = "RGB") -> Make:
    """Words of which each part has its lowest bit and its number of bits; all others are set."""

    def make(pixels: Pixels) -> tuple[list[npt.NDArray[Any]], Any]:
        size = int(word[-1])
        used = sum(((1 << bits) - 1) << low for low, bits in fields)
        total = np.full(pixels.shape[:2], (1 << 8 * size) - 1 & ~used, np.int64)
        for part, (low, bits) in enumerate(fields):
            total |= pixels[..., part] >> 8 - bits << low
        return [np.ascontiguousarray(total.astype(word)).view(np.uint8)], keep

    def keep(parts: Sequence[int]) -> Sequence[int]:
        kept = [(part >> 8 - bits, bits) for part, (_, bits) in zip(parts, fields, strict=True)]
        if letters == "YUV":
            return [part << 8 - bits for part, bits in kept]
        return [round(part * 255 / ((1 << bits) - 1)) for part, bits in kept]

    return make


def grey(bits: int, word: str = "<u2") -> Make:
    """Green, which here is the brightness."""

    def make(pixels: Pixels) -> tuple[list[npt.NDArray[Any]], Any]:
        deep = np.round(pixels[..., 1] * ((1 << bits) - 1) / 255).astype(word)
        return [np.ascontiguousarray(deep).view(np.uint8)], lambda parts: [parts[1]] * 3

    return make


def bayer(order: str, bits: int) -> Make:
    """A mosaic: the colours of the first two pixels of the first two rows."""

    def make(pixels: Pixels) -> tuple[list[npt.NDArray[Any]], Any]:
        mosaic = np.zeros(pixels.shape[:2], np.int64)
        for at, letter in enumerate(order):
            y, x = divmod(at, 2)
            mosaic[y::2, x::2] = pixels[y::2, x::2, "RGB".index(letter)] << bits - 8
        return [mosaic.astype(np.uint8) if bits == 8 else np.ascontiguousarray(mosaic.astype("<u2")).view(np.uint8)], _same

    return make


def hsv(unit: int, hues: int) -> Make:
    """Hue, saturation and value in the last three bytes of a unit."""

    def one(rgb: Sequence[int]) -> list[int]:
        h, s, v = colorsys.rgb_to_hsv(*(part / 255 for part in rgb))
        return [0x5A] * (unit - 3) + [round(h * hues) % hues, round(s * 255), round(v * 255)]

    def back(rgb: Sequence[int]) -> list[int]:
        h, s, v = one(rgb)[-3:]
        return [round(part * 255) for part in colorsys.hsv_to_rgb(h / hues, s / 255, v / 255)]

    def make(pixels: Pixels) -> tuple[list[npt.NDArray[Any]], Any]:
        rows = [[byte for pixel in row for byte in one([int(part) for part in pixel])] for row in pixels]
        return [np.array(rows, np.uint8)], back

    return make


class Row(NamedTuple):
    """A format: the kernel's code, our name, and how its bytes are made. ``yuv``: of Y, U and V.

    ``said``: members of ``v4l2_pix_format`` that go with it.
    """

    fourcc: str
    name: str
    make: Make
    yuv: bool = True
    said: Mapping[str, int] = {}


def made(row: Row, matrix: str = "601", full: bool = False) -> Made:
    """A picture of COLOURS in that format."""
    parts = [yuv_of(rgb, matrix, full) for rgb in COLOURS] if row.yuv else list(COLOURS)
    planes, keep = row.make(bands(parts))
    kept = [keep(one) for one in parts]
    shown = [rgb_of(one, matrix, full) for one in kept] if row.yuv else [(int(r), int(g), int(b)) for r, g, b in kept]
    return Made([np.ascontiguousarray(plane) for plane in planes], shown)


def _rgb(fourcc: str, name: str, make: Make) -> Row:
    return Row(fourcc, name, make, yuv=False)


_555 = {"RGB555": ((10, 5), (5, 5), (0, 5)), "BGR555": ((0, 5), (5, 5), (10, 5)), "RGBX555": ((11, 5), (6, 5), (1, 5)),
        "BGRX555": ((1, 5), (6, 5), (11, 5))}  # fmt: skip
_444 = {"RGB444": ((8, 4), (4, 4), (0, 4)), "BGR444": ((0, 4), (4, 4), (8, 4)), "RGBX444": ((12, 4), (8, 4), (4, 4)),
        "BGRX444": ((4, 4), (8, 4), (12, 4))}  # fmt: skip
_BAYER = {8: "BA81 GBRG GRBG RGGB", 10: "BG10 GB10 BA10 RG10", 12: "BG12 GB12 BA12 RG12", 14: "BG14 GB14 GR14 RG14",
          16: "BYR2 GB16 GR16 RG16"}  # fmt: skip
_ORDERS = ("BGGR", "GBRG", "GRBG", "RGGB")

ROWS = (
    Row("YUYV", "YUYV", packed("YUYV")),
    Row("UYVY", "UYVY", packed("UYVY")),
    Row("YVYU", "YVYU", packed("YVYU")),
    Row("VYUY", "VYUY", packed("VYUY")),
    Row("YU12", "I420", planar("YUV", 2, 2)),
    Row("YV12", "YV12", planar("YVU", 2, 2)),
    Row("422P", "I422", planar("YUV", 2, 1)),
    Row("411P", "YUV411", planar("YUV", 4, 1)),
    Row("YUV9", "YUV410", planar("YUV", 4, 4)),
    Row("YVU9", "YVU410", planar("YVU", 4, 4)),
    Row("NV12", "NV12", paired("UV", 2, 2)),
    Row("NV21", "NV21", paired("VU", 2, 2)),
    Row("NV16", "NV16", paired("UV", 2, 1)),
    Row("NV61", "NV61", paired("VU", 2, 1)),
    Row("NV24", "NV24", paired("UV", 1, 1)),
    Row("NV42", "NV42", paired("VU", 1, 1)),
    Row("P010", "P010", paired("UV", 2, 2, wide=True)),
    Row("YUV3", "YUV24", packed("YUV")),
    *(Row(code, "AYUV", packed("XYUV")) for code in ("YUV4", "AYUV", "XYUV")),
    *(Row(code, "VUYA", packed("VUYX")) for code in ("VUYA", "VUYX")),
    *(Row(code, "YUVA", packed("YUVX")) for code in ("YUVA", "YUVX")),
    Row("Y444", "YUV444", words("<u2", (8, 4), (4, 4), (0, 4), letters="YUV")),
    Row("YUVO", "YUV555", words("<u2", (10, 5), (5, 5), (0, 5), letters="YUV")),
    Row("YUVP", "YUV565", words("<u2", (11, 5), (5, 6), (0, 5), letters="YUV")),
    _rgb("RGB3", "RGB24", packed("RGB", "RGB")),
    _rgb("BGR3", "BGR24", packed("BGR", "RGB")),
    *(_rgb(code, "RGBX", packed("RGBX", "RGB")) for code in ("XB24", "AB24")),
    *(_rgb(code, "BGRX", packed("BGRX", "RGB")) for code in ("XR24", "AR24", "BGR4")),
    *(_rgb(code, "XRGB", packed("XRGB", "RGB")) for code in ("BX24", "BA24", "RGB4")),
    *(_rgb(code, "XBGR", packed("XBGR", "RGB")) for code in ("RX24", "RA24")),
    _rgb("BGRH", "BGR666", words(">u4", (14, 6), (20, 6), (26, 6))),
    _rgb("RGBP", "RGB565", words("<u2", (11, 5), (5, 6), (0, 5))),
    _rgb("RGBR", "RGB565BE", words(">u2", (11, 5), (5, 6), (0, 5))),
    *(_rgb(code, "RGB555", words("<u2", *_555["RGB555"])) for code in ("RGBO", "XR15", "AR15")),
    *(_rgb(code, "RGB555BE", words(">u2", *_555["RGB555"])) for code in ("RGBQ", "XR15-BE", "AR15-BE")),
    *(_rgb(code, "BGR555", words("<u2", *_555["BGR555"])) for code in ("XB15", "AB15")),
    *(_rgb(code, "RGBX555", words("<u2", *_555["RGBX555"])) for code in ("RX15", "RA15")),
    *(_rgb(code, "BGRX555", words("<u2", *_555["BGRX555"])) for code in ("BX15", "BA15")),
    *(_rgb(code, "RGB444", words("<u2", *_444["RGB444"])) for code in ("R444", "XR12", "AR12")),
    *(_rgb(code, "BGR444", words("<u2", *_444["BGR444"])) for code in ("XB12", "AB12")),
    *(_rgb(code, "RGBX444", words("<u2", *_444["RGBX444"])) for code in ("RX12", "RA12")),
    *(_rgb(code, "BGRX444", words("<u2", *_444["BGRX444"])) for code in ("BX12", "GA12")),
    _rgb("RGB1", "RGB332", words("<u1", (5, 3), (2, 3), (0, 2))),
    _rgb("HSV3", "HSV24", hsv(3, 180)),
    _rgb("HSV4", "HSV32", hsv(4, 180)),
    _rgb("HSV3", "HSV24", hsv(3, 256))._replace(said={"ycbcr_enc": 129}),
    _rgb("GREY", "GREY", grey(8, "<u1")),
    *(_rgb(f"Y{bits} ", f"Y{bits}", grey(bits)) for bits in (10, 12, 14, 16)),
    _rgb("Y16 -BE", "Y16BE", grey(16, ">u2")),
    _rgb("Z16 ", "Y16", grey(16)),
    *(_rgb(code, f"S{order}{bits}", bayer(order, bits))
      for bits, codes in _BAYER.items() for code, order in zip(codes.split(), _ORDERS, strict=True)),
)  # fmt: skip
