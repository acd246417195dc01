"""Amplify sound, and add several sounds up, with NumPy. What exceeds full scale is clipped."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from mscli.core.frames import SAMPLE_FORMATS, AudioData

_TYPES: dict[str, tuple[str, float]] = {  # NumPy's name of the type, and full scale
    "u8": ("u1", 128.0),
    "s16": ("i2", 32768.0),
    "s32": ("i4", 2147483648.0),
    "f32": ("f4", 1.0),
}


def amplified(block: AudioData, factor: float) -> AudioData:
    """Return the block with every sample multiplied."""
    if not block.data.nbytes:
        return block
    return replace(block, data=_stored(_numbers(block) * factor, block.format))


def summed(shape: AudioData, parts: Iterable[AudioData]) -> AudioData:
    """Return the sum of parts. ``shape``: the format, place (``sequence``), length and channels of the result.

    The parts have its rate and channels, and lie within its place by their own ``sequence``.
    """
    import numpy as np

    total = np.zeros((shape.number_of_frames, shape.number_of_channels))
    for part in parts:
        at = part.sequence - shape.sequence
        total[at : at + part.number_of_frames] += _numbers(part).reshape(-1, shape.number_of_channels)
    return replace(shape, data=_stored(total.reshape(-1), shape.format))


def _numbers(block: AudioData) -> Any:
    """Return the samples as numbers from -1 to 1."""
    import numpy as np

    kind, full = _TYPES[block.format]
    samples = np.frombuffer(block.data, kind).astype(np.float64)
    return (samples - full if block.format == "u8" else samples) / full


def _stored(numbers: Any, name: str) -> memoryview:
    """Return numbers from -1 to 1 as samples."""
    import numpy as np

    kind, full = _TYPES[name]
    if name != "f32":
        numbers = np.clip(np.rint(numbers * full), -full, full - 1) + (full if name == "u8" else 0)
    stored = numbers.astype(kind)
    assert stored.itemsize * 8 == SAMPLE_FORMATS[name].bits, "the types agree"
    return memoryview(stored.tobytes())
