"""List the modes of a V4L2 camera: pixel formats, each with its sizes, each with its rates.

https://docs.kernel.org/userspace-api/media/v4l/vidioc-enum-framesizes.html, vidioc-enum-frameintervals.html
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from mscli.core.boxes import LEAST_RATE, MOST_RATE, Mode, Span, Unusable
from mscli.core.codecs import CAMERA_CODECS
from mscli.core.frames import LIMITED_RGB, VideoColorSpace, is_yuv
from mscli.v4l2 import abi
from mscli.v4l2.node import Node

USUAL_RATE = 30.0  # frames per second, if the driver reports none

Length = float | Span


def buffer_type_for(caps: int) -> int:
    """Return the buffer type for a node with those capabilities."""
    return abi.BUF_TYPE_CAPTURE if caps & abi.CAP_CAPTURE else abi.BUF_TYPE_CAPTURE_MPLANE


def buffer_type_of(node: Node) -> int:
    """Return a camera's buffer type."""
    _, caps = node.capability()
    return buffer_type_for(caps)


def layouts(node: Node, buffer_type: int) -> dict[str, abi.PixelLayout]:
    """Return the camera's formats that we know, by our names: for each name the first that the driver lists."""
    found: dict[str, abi.PixelLayout] = {}
    for entry in _formats(node, buffer_type):
        row = abi.LAYOUT_OF_CODE.get(entry.pixelformat)
        if row is not None:
            found.setdefault(row.name, row)
    return found


def unknown_formats(node: Node) -> list[Unusable]:
    """Return the camera's formats that have no row in ``abi.LAYOUTS``."""
    entries = [entry for entry in _formats(node, buffer_type_of(node)) if entry.pixelformat not in abi.LAYOUT_OF_CODE]
    return [Unusable(_format_text(entry), "mscli does not support this pixel format") for entry in entries]


def _formats(node: Node, buffer_type: int) -> Iterator[abi.FormatDescription]:
    return node.enumerate(abi.ENUM_FMT, abi.FormatDescription(type=buffer_type))


def _format_text(entry: abi.FormatDescription) -> str:
    code, words = abi.fourcc_text(entry.pixelformat), entry.description.decode(errors="replace")
    return f"{code} ({words})" if words not in ("", code) else code


def modes(node: Node) -> list[Mode]:
    """Return every mode, in the driver's order.

    A range of sizes has the rates of its largest size. Rates that only its smallest size has are separate modes.
    """
    return list(dict.fromkeys(_modes(node)))


def _modes(node: Node) -> Iterator[Mode]:
    buffer_type = buffer_type_of(node)
    for name, row in layouts(node, buffer_type).items():
        code = abi.fourcc_code(row.fourcc)
        for width, height in _sizes(node, buffer_type, code):
            rates = _rates(node, buffer_type, code, _bound(width, "max"), _bound(height, "max"))
            yield from (Mode(name, width, height, rate) for rate in rates)
            if isinstance(width, Span) or isinstance(height, Span):
                small = _bound(width, "min"), _bound(height, "min")
                more = _rates(node, buffer_type, code, *small)
                yield from (Mode(name, *small, rate) for rate in more if rate not in rates)


def _bound(length: Length, end: str) -> int:
    return int(getattr(length, end) if isinstance(length, Span) else length)


def _span(low: float, high: float, step: float = 0) -> Length:
    return Span(low, high, step) if low < high else high


def _sizes(node: Node, buffer_type: int, code: int) -> Iterator[tuple[Length, Length]]:
    """Yield widths and heights in pixels, or the current size if the driver lists none."""
    known = False
    for entry in node.enumerate(abi.ENUM_FRAMESIZES, abi.FrameSize(pixel_format=code)):
        known = True
        steps = entry.stepwise
        if entry.type == abi.KIND_DISCRETE:
            yield entry.discrete.width, entry.discrete.height
        else:
            yield _side(steps, "width"), _side(steps, "height")
    current = abi.Format(type=buffer_type)
    if not known and node.ask(abi.G_FMT, current):
        pix = current.pix_mp if buffer_type == abi.BUF_TYPE_CAPTURE_MPLANE else current.pix
        yield pix.width, pix.height


def _side(steps: abi.SizeSteps, side: str) -> Length:
    """Return a range of widths or heights. If the driver reports 0 as its minimum, it begins at one step."""
    step = getattr(steps, f"step_{side}") or 1
    return _span(getattr(steps, f"min_{side}") or step, getattr(steps, f"max_{side}"), step)


def _rates(node: Node, buffer_type: int, code: int, width: int, height: int) -> list[Length]:
    """Return the rates of a size in frames per second, or the current rate if the driver lists none.

    A range begins at LEAST_RATE or above.
    """
    wanted = abi.FrameInterval(pixel_format=code, width=width, height=height)
    found: list[Length] = []
    for entry in node.enumerate(abi.ENUM_FRAMEINTERVALS, wanted):
        steps = entry.stepwise
        ends = (entry.discrete, entry.discrete) if entry.type == abi.KIND_DISCRETE else (steps.max, steps.min)
        if all(end.numerator and end.denominator for end in ends):
            low, high = map(_rate, ends)
            found.append(_span(max(low, min(high, LEAST_RATE)), high))
    return found or [_current_rate(node, buffer_type)]


def _rate(interval: abi.Fract) -> float:
    return float(interval.denominator / interval.numerator)


def _current_rate(node: Node, buffer_type: int) -> float:
    parm = abi.StreamParm(type=buffer_type)
    interval = interval_of(parm) if node.ask(abi.G_PARM, parm) else None
    return USUAL_RATE if interval is None else float(1 / interval)


def interval_of(parm: abi.StreamParm) -> Fraction | None:
    """Return the driver's seconds per frame, or None if it reports none, or none that a camera can have."""
    got = parm.capture.timeperframe
    interval = Fraction(got.numerator, got.denominator) if got.numerator and got.denominator else Fraction(0)
    return interval if interval * round(MOST_RATE) >= 1 and interval <= round(1 / LEAST_RATE) else None


def color_space(name: str, pix: Any) -> VideoColorSpace:
    """Return the driver's colour space. Defaults follow videodev2.h (V4L2_MAP_YCBCR_ENC_DEFAULT and the macros after it)."""
    codec = CAMERA_CODECS.get(name)
    if codec is not None and codec.color is not None:
        return codec.color
    if name.startswith("HSV"):  # saturation and value always have the full range
        return VideoColorSpace("hsv256" if pix.ycbcr_enc == abi.HSV_256 else "hsv180", True)
    if not is_yuv(name) and pix.quantization == abi.QUANTIZATION_LIMITED:
        return LIMITED_RGB
    usual = abi.COLORSPACE_MATRIX.get(pix.colorspace, "smpte170m")
    full_by_default = pix.colorspace == abi.COLORSPACE_JPEG or not is_yuv(name)
    full = pix.quantization == abi.QUANTIZATION_FULL if pix.quantization else full_by_default
    full = full and not (is_yuv(name) and pix.ycbcr_enc in abi.YCBCR_LIMITED)
    return VideoColorSpace(abi.YCBCR_MATRIX.get(pix.ycbcr_enc, usual), full)
