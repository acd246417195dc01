"""Convert raw pictures from formats that FFmpeg lacks to ones that it has, by tables of the positions of components.

https://docs.kernel.org/userspace-api/media/v4l/pixfmt.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mscli.core.frames import FORMATS, VideoColorSpace, VideoFrame, packed_planes
from mscli.core.tuples import NamedTuple

if TYPE_CHECKING:
    import numpy.typing as npt


class PlaneBytes(NamedTuple):
    """The position of a component: its plane, its first byte, and the distance between its bytes."""

    plane: int
    first: int = 0
    step: int = 1


class Places(NamedTuple):
    """A format whose components only need to be picked out. ``name``: the resulting format."""

    name: str
    planes: tuple[PlaneBytes, ...]


class Fields(NamedTuple):
    """A format of words with three components, each with its lowest bit and number of bits. ``name``: the resulting format."""

    name: str
    word: str  # the numpy type
    fields: tuple[tuple[int, int], ...]


def _bytes(name: str, *firsts: int, step: int) -> Places:
    return Places(name, tuple(PlaneBytes(0, first, step) for first in firsts))


def _422(y: int, u: int, v: int) -> Places:
    return Places("I422", (PlaneBytes(0, y, 2), PlaneBytes(0, u, 4), PlaneBytes(0, v, 4)))


_SWAPPED = (PlaneBytes(0), PlaneBytes(2), PlaneBytes(1))

PLACES: Mapping[str, Places] = {
    "YV12": Places("I420", _SWAPPED),
    "YV16": Places("I422", _SWAPPED),
    "YV24": Places("I444", _SWAPPED),
    "YVU410": Places("YUV410", _SWAPPED),
    "NV61": Places("I422", (PlaneBytes(0), PlaneBytes(1, 1, 2), PlaneBytes(1, 0, 2))),
    "P010": Places("I420", (PlaneBytes(0, 1, 2), PlaneBytes(1, 1, 4), PlaneBytes(1, 3, 4))),  # the upper 8 of 10 bits
    "VYUY": _422(1, 2, 0),
    "YUV24": _bytes("I444", 0, 1, 2, step=3),
    "AYUV": _bytes("I444", 1, 2, 3, step=4),
    "VUYA": _bytes("I444", 2, 1, 0, step=4),
    "YUVA": _bytes("I444", 0, 1, 2, step=4),
}

# FFmpeg 8.1 has these formats, but if width or height is odd, its scaler gives the last column or row random colours.
ODD_SIZES: Mapping[str, Places] = {
    "YUYV": _422(0, 1, 3),
    "UYVY": _422(1, 0, 2),
    "YVYU": _422(0, 3, 1),
    "NV24": Places("I444", (PlaneBytes(0), PlaneBytes(1, 0, 2), PlaneBytes(1, 1, 2))),
    "NV42": Places("I444", (PlaneBytes(0), PlaneBytes(1, 1, 2), PlaneBytes(1, 0, 2))),
}

FIELDS: Mapping[str, Fields] = {
    "RGBX444": Fields("RGB24", "<u2", ((12, 4), (8, 4), (4, 4))),
    "BGRX444": Fields("RGB24", "<u2", ((4, 4), (8, 4), (12, 4))),
    "RGBX555": Fields("RGB24", "<u2", ((11, 5), (6, 5), (1, 5))),
    "BGRX555": Fields("RGB24", "<u2", ((1, 5), (6, 5), (11, 5))),
    "RGB332": Fields("RGB24", "<u1", ((5, 3), (2, 3), (0, 2))),  # FFmpeg 8.1 cannot produce white from this and the next two
    "RGB444": Fields("RGB24", "<u2", ((8, 4), (4, 4), (0, 4))),
    "BGR444": Fields("RGB24", "<u2", ((0, 4), (4, 4), (8, 4))),
    "RGB565BE": Fields("RGB24", ">u2", ((11, 5), (5, 6), (0, 5))),  # FFmpeg 8.1 does not swap the bytes of these two
    "RGB555BE": Fields("RGB24", ">u2", ((10, 5), (5, 5), (0, 5))),
    "BGR666": Fields("RGB24", ">u4", ((14, 6), (20, 6), (26, 6))),
    "YUV444": Fields("YUV24", "<u2", ((8, 4), (4, 4), (0, 4))),
    "YUV555": Fields("YUV24", "<u2", ((10, 5), (5, 5), (0, 5))),
    "YUV565": Fields("YUV24", "<u2", ((11, 5), (5, 6), (0, 5))),
}

BAYER_BITS: Mapping[str, int] = {
    name: int(name[5:]) for name in FORMATS if name.startswith("S") and name[5:] in ("10", "12", "14")
}

HUES = {"hsv180": 180, "hsv256": 256}  # the range of the hue; OpenCV takes the second as 255


def _pick(frame: VideoFrame, places: Places) -> VideoFrame:
    planes, layout = packed_planes(frame), FORMATS[frame.format].planes
    data = tuple(memoryview(bytes(planes[place.plane])[place.first :: place.step]) for place in places.planes)
    strides = tuple(layout[place.plane].row_bytes(frame.coded_width) // place.step for place in places.planes)
    return replace(frame, format=places.name, planes=data, strides=strides)


def _pick_if_odd(frame: VideoFrame, places: Places) -> VideoFrame:
    return _pick(frame, places) if (frame.coded_width | frame.coded_height) & 1 else frame


def _from_words(frame: VideoFrame, row: Fields) -> VideoFrame:
    """Return the components in 8 bits. RGB is scaled to 0 to 255. YUV gets zeros as its lowest bits, so that grey stays 128."""
    import numpy as np

    words = np.frombuffer(packed_planes(frame)[0], row.word).astype(np.uint32)
    light = row.name == "RGB24"
    parts = [_component(words >> low & (1 << bits) - 1, bits, light=light) for low, bits in row.fields]
    found = _packed(frame, row.name, (memoryview(np.stack(parts, axis=-1).astype(np.uint8).tobytes()),))
    return found if light else _pick(found, PLACES[row.name])


def _component(values: npt.NDArray[Any], bits: int, *, light: bool) -> Any:
    most = (1 << bits) - 1
    return (values * 255 + most // 2) // most if light else values << 8 - bits


def _in_16_bits(frame: VideoFrame, bits: int) -> VideoFrame:
    import numpy as np

    words = np.frombuffer(packed_planes(frame)[0], "<u2") << 16 - bits
    return _packed(frame, f"{frame.format[:5]}16", (memoryview(words.astype("<u2").tobytes()),))


def _from_hsv(frame: VideoFrame) -> VideoFrame:
    """Convert hue, saturation and value, the last three bytes of each pixel, to red, green and blue."""
    import numpy as np

    size = FORMATS[frame.format].planes[0].unit_bytes
    parts = np.frombuffer(packed_planes(frame)[0], np.uint8).reshape(-1, size)[:, size - 3 :].astype(np.float32)
    hue, saturation, value = parts[:, 0] * 6 / HUES[frame.color_space.matrix], parts[:, 1] / 255, parts[:, 2]
    turns = ((first + hue) % 6 for first in (5, 3, 1))
    rgb = [value * (1 - saturation * np.clip(np.minimum(turn, 4 - turn), 0, 1)) for turn in turns]
    frame = replace(frame, color_space=VideoColorSpace(full_range=True))
    return _packed(frame, "RGB24", (memoryview(np.round(np.stack(rgb, axis=-1)).astype(np.uint8).tobytes()),))


def _packed(frame: VideoFrame, name: str, planes: tuple[memoryview, ...]) -> VideoFrame:
    strides = tuple(plane.row_bytes(frame.coded_width) for plane in FORMATS[name].planes)
    return replace(frame, format=name, planes=planes, strides=strides)


# Format → the function that returns such a frame in a format that FFmpeg can read, with the same size
UNPACKERS: Mapping[str, Callable[[VideoFrame], VideoFrame]] = {
    **{name: partial(_pick, places=places) for name, places in PLACES.items()},
    **{name: partial(_pick_if_odd, places=places) for name, places in ODD_SIZES.items()},
    **{name: partial(_from_words, row=row) for name, row in FIELDS.items()},
    **{name: partial(_in_16_bits, bits=bits) for name, bits in BAYER_BITS.items()},
    **{name: _from_hsv for name in FORMATS if name.startswith("HSV")},
}
