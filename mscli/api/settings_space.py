"""Turn a device's abilities into boxes of settings, and boxes into the capabilities that users see.

https://www.w3.org/TR/mediacapture-streams/#dfn-capabilities
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from mscli.core.boxes import Box, Mode, Rank, Scalar, Span, Values, scalars, values_of
from mscli.core.derived import LEAST_RATE, sound_twin, twins
from mscli.core.properties import NATIVE, POINTS, PROPERTIES
from mscli.sources.base import VIDEO_INPUT, Abilities, Device

_SINGLE = ("deviceId", "groupId", "displaySurface", "logicalSurface")  # capabilities that are one value, not a list


def boxes_of(device: Device, abilities: Abilities, place: int) -> list[Box]:
    """Return the settings space of a device at position ``place`` in the order of preference."""
    identity: dict[str, Values] = {"deviceId": (device.device_id,), "groupId": (device.group_id,)}
    known = abilities._replace(values={**identity, **abilities.values})
    return space_of("video" if device.kind == VIDEO_INPUT else "audio", known, device, place)


def space_of(kind: str, abilities: Abilities, origin: object, place: int = 0) -> list[Box]:
    """Return the settings space of tracks of this kind, given their source's abilities. ``origin``: the boxes' device."""
    controls = {name: one.values for name, one in abilities.controls.items() if not (one.read_only and name.startswith(NATIVE))}
    common = {**abilities.values, **controls}
    if kind != "video":
        return with_twin(Box(common, origin, None, Rank(place)), abilities)
    values = {size: common | _mode_values(*size) for size in dict.fromkeys(_size_and_rate(mode) for mode in abilities.modes)}
    native = [Box(values[_size_and_rate(mode)], origin, mode, Rank(place)) for mode in abilities.modes]
    boxes = native + twins(abilities.modes, common, origin, place)
    kept = {name: control.value for name, control in abilities.controls.items()}
    return [box._replace(kept=kept) for box in boxes] if kept else boxes


def with_twin(box: Box, abilities: Abilities) -> list[Box]:
    """Return a box of sound, followed by the box of what can be derived from it."""
    return [box, sound_twin(box)] if abilities.resampled and "sampleRate" in box.values else [box]


def _size_and_rate(mode: Mode) -> tuple[float | Span, float | Span, float | Span]:
    """Return the modes that several pixel formats share. Their boxes have the same values, and are searched once."""
    return mode.width, mode.height, mode.frame_rate


def _mode_values(width: float | Span, height: float | Span, frame_rate: float | Span) -> dict[str, Values]:
    return {
        "width": values_of(width),
        "height": values_of(height),
        "aspectRatio": _ratios(width, height),
        "frameRate": values_of(frame_rate),
        "resizeMode": ("none",),
    }


def _ratios(width: float | Span, height: float | Span) -> Values:
    if not isinstance(width, Span) and not isinstance(height, Span):
        return (width / height,)
    (low_w, high_w), (low_h, high_h) = _ends(width), _ends(height)
    return Span(low_w / high_h, high_w / low_h)


def _ends(value: float | Span) -> tuple[float, float]:
    return (value.min, value.max) if isinstance(value, Span) else (value, value)


def fixed_box(settings: Mapping[str, Scalar], origin: object, mode: Mode | None, place: int) -> Box:
    """Return the settings space of a running source: only its current settings."""
    return Box({name: (value,) for name, value in settings.items()}, origin, mode, Rank(place))


def capabilities_of(boxes: Sequence[Box]) -> dict[str, Any]:
    """Return a ``MediaTrackCapabilities`` dictionary that covers all boxes of one source. It has no points of interest."""
    known = dict.fromkeys(name for box in boxes for name in box.values)
    listed = (name for name, row in PROPERTIES.items() if row.idl != POINTS and name in known)
    names = [*listed, *(name for name in known if name.startswith(NATIVE))]
    return {name: _capability(name, [box.values[name] for box in boxes if name in box.values]) for name in names}


def _capability(name: str, sets: list[Values]) -> Any:
    if PROPERTIES[name].numeric:
        numbers = [number for values in sets for number in scalars(values)]
        ends = {"min": 0 if min(numbers) == LEAST_RATE else min(numbers), "max": max(numbers)}
        return ends | {"step": _step(sets[0])} if PROPERTIES[name].control else ends
    distinct = list(dict.fromkeys(value for values in sets for value in values))
    return distinct[0] if name in _SINGLE else distinct


def _step(values: Values) -> float:
    """Return the smallest difference between two values of a control, as in MediaSettingsRange, or 0 for a continuous range."""
    if isinstance(values, Span):
        return values.step
    numbers = sorted(scalars(values))
    return min((high - low for low, high in pairwise(numbers)), default=0)
