"""The values of a parameter during a span: https://www.w3.org/TR/webaudio-1.0/#computation-of-value."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mscli.webaudio.mixing import MixRule, mixed
from mscli.webaudio.timeline import ParamTimeline

if TYPE_CHECKING:
    from mscli.webaudio.processor import AudioSpan, NodeOutlet

Level = float | NDArray[np.float64]  # one value for a span, or one for each sample

_MONO = MixRule(1, "explicit", True)


class Param:
    """A parameter of a node. ``per_sample``: whether it is a-rate. ``current``: its value, for any thread."""

    def __init__(self, default: float, lowest: float, highest: float, *, per_sample: bool = True) -> None:
        self.default, self.lowest, self.highest = default, lowest, highest
        self.per_sample = per_sample
        self.current = default
        self.timeline = ParamTimeline(default)
        self.sources: list[NodeOutlet] = []  # what is connected to it

    def during(self, span: AudioSpan) -> Level:
        """Return the values during a span, within the nominal range."""
        if not self.sources and not self.timeline.events:
            value = self.current = self.timeline.value
            return min(max(value, self.lowest), self.highest)
        found = self.timeline.during(span.times if self.per_sample else span.starts)
        if isinstance(found, np.ndarray):
            self.current = float(found[-span.quantum] if self.per_sample else found[-1])
        else:
            self.current = found
        signal = mixed((outlet.block for outlet in self.sources), _MONO) if self.sources else None
        if signal is not None:
            found = found + (signal[0] if self.per_sample else signal[0, :: span.quantum]).astype(np.float64)
        if not isinstance(found, np.ndarray):
            return self.default if isnan(found) else min(max(found, self.lowest), self.highest)
        found = np.clip(np.where(np.isnan(found), self.default, found), self.lowest, self.highest)
        return found if self.per_sample else np.repeat(found, span.quantum)


def steady(*levels: Level) -> bool:
    """Return whether all of these parameters have one value for the whole span."""
    return not any(isinstance(level, np.ndarray) for level in levels)
