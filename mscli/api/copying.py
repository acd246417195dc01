"""Cameras for outputs that take what a camera encodes as it is: only its native modes in given formats, and whole pictures.

Frames may be left out where each is a picture by itself (MJPEG); nothing is cropped or scaled.
"""

from __future__ import annotations

from collections.abc import Sequence

from mscli.api.settings_space import boxes_of
from mscli.core.boxes import Box, Span
from mscli.core.derived import DERIVED, LEAST_RATE, reach
from mscli.core.errors import NotSupportedError
from mscli.core.frames import PIXEL_FORMATS
from mscli.sources.base import Abilities, Device


class CopiedFormats(tuple[str, ...]):
    """Given as ``pixel_formats``, these are no preference: a camera has to be in one of them, the first if it can."""


class NativeFormats(tuple[str, ...]):
    """Given as ``pixel_formats``, these are a preference of an output that takes whole pictures as the camera gives them.

    What such an output has begun with, if it is encoded, no camera can go on with that does not encode the same.
    """


def formats_to_follow(asked: Sequence[str], pixel_format: str, *, whole: bool) -> Sequence[str]:
    """The ``pixel_formats`` for a camera that takes over from one of that format: what is taken as it is has to stay so.

    ``whole``: its pictures were neither cropped nor scaled.
    """
    if not pixel_format:  # sound
        return []
    copied = isinstance(asked, NativeFormats) and whole and PIXEL_FORMATS[pixel_format].encoded
    return CopiedFormats([pixel_format]) if copied or isinstance(asked, CopiedFormats) else [pixel_format]


def copied_boxes(device: Device, abilities: Abilities, place: int, formats: CopiedFormats) -> list[Box]:
    """The settings space of a camera whose pictures are copied. Raises NotSupportedError if it has no mode in the formats."""
    modes = [mode for mode in abilities.modes if mode.pixel_format in formats]
    if not modes:
        given = ", ".join(dict.fromkeys(mode.pixel_format for mode in abilities.modes)) or "no picture"
        sentence = f"“{device.label}” gives {given}, and only {' or '.join(formats)} can be copied"
        raise NotSupportedError(sentence, hints=["leave out “copy”: its pictures are encoded"])
    boxes = boxes_of(device, Abilities(modes, abilities.values), place)
    native = [box for box in boxes if not box.backing]
    return native + [_slower(box) for box in native if box.mode is not None and box.mode.pixel_format == "MJPEG"]


def _slower(box: Box) -> Box:
    """The box of what remains of a native mode when frames are left out."""
    assert box.mode is not None, "a camera's"
    rates = Span(LEAST_RATE, reach(box.mode)[2])
    values = {**box.values, "frameRate": rates, "resizeMode": (DERIVED,)}
    return Box(values, box.device, box.mode, box.rank._replace(derived=1), (box.mode,))
