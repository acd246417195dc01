"""When pictures are shown that a camera encodes in another order."""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise
from random import Random

import pytest

from mscli.core.frames import EncodedVideoChunk
from mscli.sources.v4l2.order import DisplayOrder
from tests.camera.test_reordered import STEP_US, stream

SHAPES = {
    "bframes=0": 0,
    "bframes=1": 1,
    "bframes=2:b-pyramid=none": 1,
    "bframes=3": 2,
    "bframes=3:open-gop=1": 2,
    "bframes=2:interlaced=1": 2,
}


def placed(
    chunks: list[tuple[bytes, int]],
    *,
    late: int | None,
    nominal_us: int = STEP_US,
    jitter_us: int = 0,
    lost: Collection[int] = (),
) -> list[tuple[int, int, int]]:
    """The place of each chunk in the order of display, when it is shown and when decoded."""
    order, chance, found = DisplayOrder(), Random(1), []
    for number, (data, place) in enumerate(chunks):
        if number in lost:
            continue
        at_us = (number if late is None else place - late) * STEP_US + chance.randrange(jitter_us + 1)
        chunk = order.place(EncodedVideoChunk("delta", at_us, memoryview(data), "h264", 64, 48, nominal_us, number))
        found.append((place, chunk.timestamp, chunk.order_us))
    return found


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("by_capture", [False, True])
@pytest.mark.parametrize("jitter_us", [0, 3000])
def test_every_picture_is_shown_at_its_place(shape: str, by_capture: bool, jitter_us: int) -> None:
    late = SHAPES[shape] if by_capture else None
    found = placed(stream(shape), late=late, jitter_us=jitter_us)
    shown = [at for _, at, _ in sorted(found)]
    decoded = [at for _, _, at in found]
    assert all(early < later for early, later in pairwise(shown))
    assert all(early < later for early, later in pairwise(decoded))
    assert all(decoded_us <= at for _, at, decoded_us in found)
    off = [at - place * STEP_US + (late or 0) * STEP_US for place, at, _ in found]
    assert max(off) - min(off) <= 5 * jitter_us


def test_a_stream_in_order_is_left_alone() -> None:
    found = placed(stream("bframes=0"), late=None, jitter_us=3000)
    assert [at for _, at, _ in found] == [at for _, _, at in found]


@pytest.mark.parametrize("by_capture", [False, True])
@pytest.mark.parametrize("lost", [(8,), (7, 8, 9), (10, 30)])
def test_a_loss_moves_no_other_picture(by_capture: bool, lost: Collection[int]) -> None:
    late = 1 if by_capture else None
    found = placed(stream("bframes=2:b-pyramid=none"), late=late, lost=lost)
    assert {at - (place - (late or 0)) * STEP_US for place, at, _ in found} == {0}


@pytest.mark.parametrize("by_capture", [False, True])
def test_with_a_wrong_rate_the_order_comes_right(by_capture: bool) -> None:
    found = placed(stream("bframes=2:b-pyramid=none"), late=1 if by_capture else None, nominal_us=STEP_US // 2)
    shown = [at for _, at, _ in sorted(found[4:])]
    assert all(early < later for early, later in pairwise(shown))
