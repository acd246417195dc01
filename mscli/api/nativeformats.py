"""Settings of cameras whose encoded video an output copies: native modes in certain formats only, without cropping or scaling.

Chunks may be dropped if each one can be decoded alone, as in MJPEG.
"""

from __future__ import annotations

from collections.abc import Sequence

from mscli.api.settings_space import boxes_of
from mscli.core.boxes import Box, Span
from mscli.core.codecs import CAMERA_CODECS, joined
from mscli.core.derived import DERIVED, LEAST_RATE, reach
from mscli.core.errors import NotSupportedError
from mscli.sources.base import Abilities, Device

_HINTS = ("leave out “copy” to encode the video",)


class CopiedFormats(tuple[str, ...]):
    """The ``pixel_formats`` that are required, not just preferred. The first one that the camera has is used."""


class NativeFormats(tuple[str, ...]):
    """The ``pixel_formats`` preferred by an output that takes complete frames as the camera delivers them.

    If such an output has begun with encoded frames, another camera can only continue it in the same format.
    """


def formats_to_follow(asked: Sequence[str], pixel_format: str, *, whole: bool) -> Sequence[str]:
    """Return the ``pixel_formats`` for a camera that replaces one with this format. A copied format must stay.

    ``whole``: the frames were neither cropped nor scaled.
    """
    if not pixel_format:  # sound
        return []
    copied = isinstance(asked, NativeFormats) and whole and pixel_format in CAMERA_CODECS
    return CopiedFormats([pixel_format]) if copied or isinstance(asked, CopiedFormats) else [pixel_format]


def copied_boxes(device: Device, abilities: Abilities, place: int, formats: CopiedFormats) -> list[Box]:
    """Return the settings of a camera whose video is copied. Raises NotSupportedError if no mode has the formats."""
    modes = [mode for mode in abilities.modes if mode.pixel_format in formats]
    if not modes:
        for one in abilities.unusable:
            if one.what in formats:
                raise NotSupportedError(f"cannot copy {one.what} from “{device.label}”: {one.why}", hints=_HINTS)
        given = ", ".join(dict.fromkeys(mode.pixel_format for mode in abilities.modes)) or "no picture"
        sentence = f"cannot copy {given} from “{device.label}”; only {joined(formats)} can be copied"
        raise NotSupportedError(sentence, hints=_HINTS)
    return native_boxes(boxes_of(device, Abilities(modes, abilities.values), place))


def native_boxes(boxes: Sequence[Box]) -> list[Box]:
    """Return what can be had of these settings without cropping or scaling."""
    native = [box for box in boxes if not box.backing]
    return native + [_slower(box) for box in native if box.mode is not None and CAMERA_CODECS[box.mode.pixel_format].intra]


def _slower(box: Box) -> Box:
    """Return the box that results from dropping frames of a native mode."""
    assert box.mode is not None, "a camera's"
    rates = Span(LEAST_RATE, reach(box.mode)[2])
    values = {**box.values, "frameRate": rates, "resizeMode": (DERIVED,)}
    return Box(values, box.device, box.mode, box.rank._replace(derived=1), (box.mode,))
