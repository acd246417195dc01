"""Motion in pictures: how much of them has changed, and when that is a trigger."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mscli.core.frames import VideoFrame
from mscli.core.motion import STILL_US, MotionState, least_share
from mscli.media.motion import FIRST, MotionMeasure
from tests.sinks.synth import jpeg, picture

WIDTH, HEIGHT = 320, 240


def grey(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> VideoFrame:
    """A frame of these pixels."""
    return replace(picture("GREY", WIDTH, HEIGHT), planes=(memoryview(pixels.tobytes()),))


def scene(level: int = 100, box: tuple[int, int] | None = None, size: int = 24) -> VideoFrame:
    """A grey picture with a bright square at a place."""
    pixels = np.full((HEIGHT, WIDTH), level, np.uint8)
    if box is not None:
        pixels[box[1] : box[1] + size, box[0] : box[0] + size] = 250
    return grey(pixels)


def settled() -> MotionMeasure:
    """A measure that knows the background."""
    measure = MotionMeasure()
    assert [measure.share(scene()) for _ in range(FIRST + 1)] == [0.0] * (FIRST + 1)
    return measure


def test_the_share_is_that_of_the_pixels_that_have_changed() -> None:
    share = settled().share(scene(box=(100, 100)))
    assert share == pytest.approx(24 * 24 / (WIDTH * HEIGHT), rel=0.35)


def test_something_that_moves_on_keeps_moving() -> None:
    measure = settled()
    shares = [measure.share(scene(box=(20 + 10 * step, 100))) for step in range(20)]
    assert all(share > 0.004 for share in shares)


def test_noise_is_no_motion() -> None:
    measure, random = MotionMeasure(), np.random.default_rng(1)
    for _ in range(30):
        noise = random.normal(100, 12, (HEIGHT, WIDTH)).clip(0, 255).astype(np.uint8)
        assert measure.share(grey(noise)) < least_share(1)


def test_light_is_no_motion() -> None:
    measure = settled()
    assert [measure.share(scene(level=200)) for _ in range(10)] == [0.0] * 10


def test_slow_changes_are_no_motion() -> None:
    measure = settled()
    assert all(measure.share(scene(level=100 + step)) == 0 for step in range(60))


def test_what_stays_becomes_the_background() -> None:
    measure = settled()
    shares = [measure.share(scene(box=(100, 100))) for _ in range(60)]
    assert shares[0] > 0
    assert shares[-1] == 0


def test_other_sizes_and_chunks_are_measured_too() -> None:
    measure = settled()
    assert measure.share(picture("I420", 64, 48)) == 0.0
    assert measure.share(jpeg()) == 0.0


def test_after_black_the_background_begins_anew() -> None:
    measure = settled()
    measure.forget()
    assert [measure.share(scene(box=(100, 100))) for _ in range(10)] == [0.0] * 10


@pytest.mark.parametrize(("sensitivity", "share"), [(0, 0.1), (0.5, 0.01), (1, 0.001)])
def test_the_sensitivity_is_the_share_that_counts(sensitivity: float, share: float) -> None:
    assert least_share(sensitivity) == pytest.approx(share)
    state = MotionState(sensitivity)
    assert not state.note(share * 0.99, 0)
    assert state.note(share * 1.01, 1)


def test_motion_triggers_once_until_it_has_ended() -> None:
    state = MotionState(0.5)
    assert [state.note(0.5, at_us) for at_us in (0, 1, 2)] == [True, False, False]
    seen = [(state.note(share, at_us + STILL_US), state.moving) for share, at_us in ((0, 2), (0, 3), (0.5, 4))]
    assert seen == [(False, True), (False, False), (True, True)]


def test_motion_that_lasts_triggers_again() -> None:
    state = MotionState(0.5, again_us=10)
    assert [state.note(0.5, at_us) for at_us in range(0, 25, 5)] == [True, False, True, False, True]
    assert not state.note(0, 40)
