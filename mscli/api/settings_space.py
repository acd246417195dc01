"""From what a backend says of a device to boxes of settings, and from these to the capabilities that people see.

https://www.w3.org/TR/mediacapture-streams/#dfn-capabilities
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mscli.core.boxes import Box, Mode, Rank, Scalar, Span, Values, scalars, values_of
from mscli.core.derived import LEAST_RATE, sound_twin, twins
from mscli.core.properties import PROPERTIES
from mscli.sources.base import VIDEO_INPUT, Abilities, Device

_IDENTITY = ("deviceId", "groupId")  # capabilities that are one string, not a list


def boxes_of(device: Device, abilities: Abilities, place: int) -> list[Box]:
    """The settings space of a device that stands at ``place`` in the order of preference."""
    common: dict[str, Values] = {"deviceId": (device.device_id,), "groupId": (device.group_id,), **abilities.values}
    if device.kind != VIDEO_INPUT:
        return with_twin(Box(common, device, None, Rank(place)), abilities)
    native = [Box(common | _mode_values(mode), device, mode, Rank(place)) for mode in abilities.modes]
    return native + twins(abilities.modes, common, device, place)


def with_twin(box: Box, abilities: Abilities) -> list[Box]:
    """A microphone's box, and what can be made of it."""
    return [box, sound_twin(box)] if abilities.resampled and "sampleRate" in box.values else [box]


def _mode_values(mode: Mode) -> dict[str, Values]:
    return {
        "width": values_of(mode.width),
        "height": values_of(mode.height),
        "aspectRatio": _ratios(mode.width, mode.height),
        "frameRate": values_of(mode.frame_rate),
        "resizeMode": ("none",),
    }


def _ratios(width: float | Span, height: float | Span) -> Values:
    if not isinstance(width, Span) and not isinstance(height, Span):
        return (width / height,)
    (low_w, high_w), (low_h, high_h) = _ends(width), _ends(height)
    return Span(low_w / high_h, high_w / low_h)


def _ends(value: float | Span) -> tuple[float, float]:
    return (value.min, value.max) if isinstance(value, Span) else (value, value)


def fixed_box(settings: Mapping[str, Scalar], device: Device, mode: Mode | None, place: int) -> Box:
    """The settings space of a device that already runs: what it gives now."""
    return Box({name: (value,) for name, value in settings.items()}, device, mode, Rank(place))


def capabilities_of(boxes: Sequence[Box]) -> dict[str, Any]:
    """A ``MediaTrackCapabilities`` (``MediaTrackSettings`` ranges and lists) dictionary over all boxes of one device."""
    names = [name for name in PROPERTIES if any(name in box.values for box in boxes)]
    return {name: _capability(name, [box.values[name] for box in boxes if name in box.values]) for name in names}


def _capability(name: str, sets: list[Values]) -> Any:
    if PROPERTIES[name].numeric:
        numbers = [number for values in sets for number in scalars(values)]
        return {"min": 0 if min(numbers) == LEAST_RATE else min(numbers), "max": max(numbers)}
    distinct = list(dict.fromkeys(value for values in sets for value in values))
    return distinct[0] if name in _IDENTITY else distinct
