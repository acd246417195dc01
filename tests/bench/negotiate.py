"""SelectSettings on a device of very many modes: the time of one choice, and how it grows."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from mscli.api.settings_space import boxes_of
from mscli.core.boxes import Box, Mode
from mscli.core.constraints import Constraints, parse_constraints
from mscli.core.select import select_settings
from mscli.core.webidl import track_constraints
from mscli.sources.base import Abilities, Device
from tests.bench.measure import Row

MODES, BOUND_MS = 10_000, 50.0
FORMATS = ("YUYV", "MJPEG", "NV12", "I420", "BGR24")
WISHES: dict[str, Any] = {
    "deviceId": "d", "groupId": "g", "facingMode": "user", "resizeMode": "none", "backgroundBlur": False,
    "width": {"ideal": 1280}, "height": {"ideal": 720}, "aspectRatio": {"ideal": 1.7777}, "frameRate": {"ideal": 30, "max": 90},
    "latency": 1,
}  # fmt: skip
TEN: dict[str, dict[str, Any]] = {  # ten constraints and five advanced sets
    "that all modes satisfy": WISHES | {
        "advanced": [{"width": {"min": 1}}, {"width": {"min": 4}}, {"height": {"min": 40}}, {"frameRate": {"min": 2}},
                     {"aspectRatio": {"min": 0.3}}],
    },
    "that few modes satisfy": WISHES | {
        "width": {"min": 320, "ideal": 1280}, "height": {"min": 200, "ideal": 720},
        "advanced": [{"width": 1920}, {"width": {"min": 640}}, {"height": {"min": 400}}, {"frameRate": {"min": 25}},
                     {"aspectRatio": {"min": 1.3}}],
    },
}  # fmt: skip


def space(count: int) -> list[Box]:
    """The boxes of a device with so many modes."""
    modes = [
        Mode(FORMATS[n % 5], 160 + 16 * ((n // 5) % 100), 216 + 16 * ((n // 500) % 20), 5 + (n * 7) % 56) for n in range(count)
    ]
    return boxes_of(Device("d", "videoinput", "", "g", "bench"), Abilities(modes, {"facingMode": ("user",)}), 0)


def choosing_ms(boxes: Sequence[Box], constraints: Constraints, runs: int) -> float:
    """CPU time of one choice."""
    times = []
    for _ in range(runs + 1):
        started = time.process_time()
        select_settings(boxes, constraints)
        times.append(1000 * (time.process_time() - started))
    return median(times[1:])


def rows(runs: int) -> Iterator[Row]:
    half, whole = space(MODES // 2), space(MODES)
    for what, asked in TEN.items():
        constraints = parse_constraints(track_constraints(asked), "video")
        some, all_ = choosing_ms(half, constraints, runs), choosing_ms(whole, constraints, runs)
        yield Row(f"select, 10 constraints {what}", all_, f"{BOUND_MS:g} ms", BOUND_MS, 1)
        yield Row(f"  … of {MODES} modes", all_, f"of {MODES // 2}", some, 2.2)
