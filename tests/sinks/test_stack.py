"""One picture made of several, and the first good one of a camera."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Literal

import pytest

from mscli.core.errors import NotReadableError
from mscli.core.frames import VideoFrame
from mscli.media.stack import mean_of, sharpest
from mscli.media.warmup import Settle, Warmup
from tests.sinks.synth import RED, halves, jpeg, picture

SIZE = 64 * 48


def grey(values: bytes, at_us: int = 0) -> VideoFrame:
    return VideoFrame("GREY", 64, 48, at_us, (memoryview(values),), (64,))


def test_the_mean_has_less_noise() -> None:
    chance = random.Random(1)
    frames = [grey(bytes(min(255, max(0, round(chance.gauss(100, 8)))) for _ in range(SIZE)), n) for n in range(16)]
    mean = mean_of(frames)
    levels = bytes(mean.planes[0])
    middle = sum(levels) / SIZE
    deviation = (sum((level - middle) ** 2 for level in levels) / SIZE) ** 0.5
    assert abs(middle - 100) < 0.5
    assert deviation < 8 / 16**0.5 + 0.2
    assert mean.timestamp == 15


@pytest.mark.parametrize(("name", "bits"), [("GREY", 8), ("Y10", 10), ("Y12", 12), ("Y14", 14), ("Y16", 16), ("Y16BE", 16)])
def test_the_mean_of_grey_is_as_deep_as_its_frames(name: str, bits: int) -> None:
    """Full scale in the first and last sample, and halves between two frames."""
    deep = bits > 8
    order: Literal["big", "little"] = "big" if name.endswith("BE") else "little"
    top = 2**bits - 1
    frames = []
    for step in (0, 1):
        samples = [0, 1, 2 + step, top - 2 - 3 * step, top]
        plane = b"".join(sample.to_bytes(2 if deep else 1, order) for sample in samples)
        frames.append(VideoFrame(name, 5, 1, step, (memoryview(plane),), (len(plane),)))
    mean = mean_of(frames)
    assert mean.format == ("Y16" if deep else "GREY")
    width = 2 if deep else 1
    found = [int.from_bytes(mean.planes[0][at : at + width], "little") for at in range(0, 5 * width, width)]
    scale = (65_535 if deep else 255) / top
    assert found == pytest.approx([scale * sample for sample in (0, 1, 2.5, top - 3.5, top)], abs=1)


def test_the_sharpest_frame_is_kept_as_it_came() -> None:
    sharp = halves("I420", (0, 0, 0), (255, 255, 255))
    blurred = grey(bytes(min(255, 4 * (at % 64)) for at in range(SIZE)))
    flat = picture("I420", 64, 48, RED)
    assert sharpest([flat, blurred, sharp, blurred]) is sharp


def test_damaged_frames_are_left_out() -> None:
    chunk = jpeg(64, 48)
    damaged = chunk.__class__("key", 0, chunk.data[:60], "mjpeg", 64, 48)
    assert sharpest([damaged, chunk]) is chunk
    for make in (sharpest, mean_of):
        with pytest.raises(NotReadableError):
            make([damaged])


def frame(level: int, number: int) -> VideoFrame:
    """A frame of one grey, which is not quite the same as the one before."""
    return grey(bytes([level]) * (SIZE - 1) + bytes([number % 250]), number * 33_333)


def first_good(warmup: Warmup, levels: list[int]) -> int | None:
    return next((number for number, level in enumerate(levels) if warmup.is_good(frame(level, number))), None)


def test_a_camera_that_settles_is_waited_for() -> None:
    warmup = Warmup(Settle(2.0))
    at = first_good(warmup, [min(110, 10 + 5 * n) for n in range(90)])
    assert at is not None
    assert 20 <= at < 40
    assert warmup.skipped == {"unsettled": at}
    assert not warmup.is_capped


def test_one_that_never_settles_ends_at_the_cap() -> None:
    warmup = Warmup(Settle(1.0))
    assert first_good(warmup, [60 + 100 * (n % 7 in (1, 2, 3)) for n in range(90)]) == 31  # at 30 frames a second
    assert warmup.is_capped


def test_one_that_is_not_judged_gives_its_first_picture_that_is_not_black() -> None:
    warmup = Warmup(Settle(1.0, judged=False))
    assert first_good(warmup, [0, 0, 90]) == 2
    assert warmup.skipped == {"black": 2}
    assert not warmup.is_hopeless


@pytest.mark.parametrize("judged", [True, False])
def test_only_black_is_hopeless_when_the_time_is_over(judged: bool) -> None:
    warmup = Warmup(Settle(1.0, judged=judged))
    assert first_good(warmup, [0] * 30) is None
    assert not warmup.is_hopeless
    assert first_good(warmup, [0] * 60) is None
    assert warmup.is_hopeless


def test_a_black_frame_at_the_end_of_the_time_is_not_all_that_there_is() -> None:
    warmup = Warmup(Settle(1.0))
    assert first_good(warmup, [0, 90] * 15 + [0] * 5 + [90]) == 35
    assert warmup.is_capped
    warmup = Warmup(Settle(1.0))
    assert first_good(warmup, [0, 90] * 15 + [0] * 28) is None
    assert not warmup.is_hopeless
    assert first_good(warmup, [0] * 62) is None
    assert warmup.is_hopeless


def test_a_camera_that_freezes_is_waited_for_also_at_the_end_of_the_time() -> None:
    moving, stuck = [frame(60 + 100 * (n % 2), n) for n in range(50)], grey(bytes([102]) * SIZE)
    frozen = [replace(stuck, timestamp=n * 33_333) for n in range(50, 90)]
    again = [frame(104, n) for n in range(75, 90)]
    for frames, kept in (([*moving, *frozen[:25], *again], again[0]), ([*moving, *frozen], frozen[31])):
        warmup = Warmup(Settle(2.0))
        assert next(one for one in frames if warmup.is_good(one)) is kept
        assert not warmup.is_capped


def test_a_number_of_frames_is_skipped_unseen_and_black_ones_after_them() -> None:
    warmup = Warmup(Settle(frames=5, judged=False))
    assert first_good(warmup, [90] * 5 + [0] * 2 + [90] * 3) == 7
    assert warmup.skipped == {"asked": 5, "black": 2}
