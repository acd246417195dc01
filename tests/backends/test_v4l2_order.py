"""When pictures are shown that a camera encodes in another order."""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise
from random import Random

import pytest

from mscli.core.codecs import VIDEO_CODECS
from mscli.core.frames import EncodedVideoChunk
from mscli.sources.v4l2.order import DisplayOrder
from tests.camera.test_reordered import STEP_US, stream
from tests.unit import test_hevc

SHAPES = {
    "bframes=0": 0,
    "bframes=1": 1,
    "bframes=2:b-pyramid=none": 1,
    "bframes=3": 2,
    "bframes=3:open-gop=1": 2,
    "bframes=2:interlaced=1": 2,
}

OF_HEVC = {
    "bframes=0": 0,
    "bframes=1:b-adapt=0:open-gop=0": 1,
    "bframes=2:b-adapt=0:b-pyramid=0": 1,
    "bframes=3:b-adapt=0:open-gop=1": 2,
    "bframes=4:b-adapt=0:b-pyramid=1:ref=5:open-gop=0": 2,
}


def placed(
    chunks: list[tuple[bytes, int]],
    *,
    late: int | None,
    nominal_us: int = STEP_US,
    jitter_us: int = 0,
    lost: Collection[int] = (),
    codec: str = "h264",
) -> list[tuple[int, int, int]]:
    """The place of each chunk in the order of display, when it is shown and when decoded."""
    headers, chance, found = VIDEO_CODECS[codec].headers, Random(1), []
    assert headers is not None
    order = DisplayOrder(headers())
    for number, (data, place) in enumerate(chunks):
        if number in lost:
            continue
        at_us = (number if late is None else place - late) * STEP_US + chance.randrange(jitter_us + 1)
        chunk = order.place(EncodedVideoChunk("delta", at_us, memoryview(data), codec, 64, 48, nominal_us, number))
        found.append((place, chunk.timestamp, chunk.order_us))
    return found


@pytest.mark.parametrize(("codec", "shape"), [*(("h264", shape) for shape in SHAPES), *(("hevc", shape) for shape in OF_HEVC)])
@pytest.mark.parametrize("by_capture", [False, True])
@pytest.mark.parametrize("jitter_us", [0, 3000])
def test_every_picture_is_shown_at_its_place(codec: str, shape: str, by_capture: bool, jitter_us: int) -> None:
    late = (SHAPES if codec == "h264" else OF_HEVC)[shape] if by_capture else None
    chunks = stream(shape) if codec == "h264" else test_hevc.stream(shape)
    found = placed(chunks, late=late, jitter_us=jitter_us, codec=codec)
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
