"""Derived settings: their native mode, what is cropped, and which frames remain."""

from __future__ import annotations

from itertools import pairwise

import pytest

from mscli.core.boxes import Mode, Span
from mscli.core.derived import backing_mode, native_of, twins
from mscli.core.frames import Rect, VideoFrame
from mscli.core.shaping import Decimator, Shaper, central_crop

VGA, HD, FAST = Mode("YUYV", 640, 480, 30), Mode("MJPEG", 1920, 1080, 30), Mode("MJPEG", 640, 480, 60)
MODES = (VGA, HD, FAST)


@pytest.mark.parametrize(
    ("size", "mode"),
    [
        ((320, 240, 30), VGA),
        ((320, 240, 31), FAST),
        ((1280, 720, 10), HD),
        ((641, 100, 5), HD),
        ((640, 360, 30), HD),
        ((640, 480, 60), FAST),
        ((1920, 1080, 31), None),
    ],
)
def test_a_setting_is_made_of_a_mode_that_holds_it_and_loses_least(size: tuple[int, int, float], mode: Mode | None) -> None:
    assert backing_mode(MODES, *size) == mode


def test_a_mode_inside_another_has_no_twin_of_its_own() -> None:
    found = twins((VGA, HD, FAST, Mode("YUYV", 320, 240, 5)), {}, None, 0)
    assert {(box.values["width"], box.values["frameRate"]) for box in found} == {
        (Span(1, 1920, 1), Span(1e-6, 30)),
        (Span(1, 640, 1), Span(1e-6, 60)),
    }


def test_a_stepwise_mode_is_set_no_larger_than_is_needed() -> None:
    (box,) = twins((Mode("YUYV", Span(16, 640, 16), Span(16, 480, 16), Span(1, 30)),), {}, None, 0)
    native, _ = native_of(box, {"width": 100, "height": 99, "frameRate": 12.5, "resizeMode": "crop-and-scale"})
    assert native == {"width": 112, "height": 112, "frameRate": 12.5, "resizeMode": "none", "aspectRatio": 1.0}


@pytest.mark.parametrize(
    ("native", "size", "crop"),
    [
        ((640, 480), (320, 240), Rect(0, 0, 640, 480)),
        ((1920, 1080), (640, 480), Rect(240, 0, 1440, 1080)),
        ((640, 480), (640, 360), Rect(0, 60, 640, 360)),
        ((640, 480), (1, 480), Rect(318, 0, 2, 480)),
        ((96, 96), (96, 1), Rect(0, 46, 96, 2)),
    ],
)
def test_the_middle_is_cropped_to_the_shape_on_even_pixels(native: tuple[int, int], size: tuple[int, int], crop: Rect) -> None:
    assert central_crop(*native, *size) == crop


def test_a_rate_is_made_of_one_that_leaves_frames_out_evenly() -> None:
    modes = [Mode("YUYV", 320, 180, rate) for rate in (10, 15, 30)]
    chosen = [backing_mode(modes, 320, 180, rate) for rate in (7.5, 5, 7, 20)]
    assert [mode.frame_rate if mode else None for mode in chosen] == [15, 10, 10, 30]


@pytest.mark.parametrize("native", [(640, 480), (641, 479), (97, 31), (2, 2), (1, 1)])
def test_a_crop_lies_inside_and_is_no_smaller_than_what_is_made_of_it(native: tuple[int, int]) -> None:
    for width in range(1, native[0] + 1, 7):
        for height in range(1, native[1] + 1, 5):
            crop = central_crop(*native, width, height)
            assert 0 <= crop.x <= crop.x + crop.width <= native[0]
            assert 0 <= crop.y <= crop.y + crop.height <= native[1]
            assert (crop.width >= width, crop.height >= height) == (True, True)


def kept(native: float, wanted: float, seconds: float = 10, jitter_us: int = 0) -> list[int]:
    """Return the timestamps that a decimator keeps."""
    decimator, interval = Decimator(wanted), 1e6 / native
    times = [round(n * interval) + (jitter_us if n % 3 == 1 else 0) for n in range(round(seconds * native))]
    return [at for at in times if decimator.keeps(at, round(interval))]


@pytest.mark.parametrize(
    ("native", "wanted"), [(30, 10), (30, 20), (30, 29.97), (60, 24), (30, 7.5), (30, 1), (29.97, 25), (30, 0.3)]
)
@pytest.mark.parametrize("jitter_us", [0, -6_000, 6_000])
def test_frames_are_left_out_evenly(native: float, wanted: float, jitter_us: int) -> None:
    times = kept(native, wanted, jitter_us=jitter_us)
    assert len(times) == pytest.approx(10 * wanted, abs=1.01)
    steps = [late - early for early, late in pairwise(times)]
    assert all(abs(step - 1e6 / wanted) <= 1e6 / native + 2 * abs(jitter_us) + 2 for step in steps)


def test_after_a_gap_frames_come_at_the_same_pace_and_not_all_at_once() -> None:
    decimator = Decimator(10)
    times = [n * 33_333 for n in range(30)] + [5_000_000 + n * 33_333 for n in range(30)]
    after = [at for at in times if decimator.keeps(at, 33_333) and at >= 5_000_000]
    assert len(after) == 10


def test_native_frames_pass_unchanged_and_others_get_a_crop() -> None:
    native = {"width": 64, "height": 48, "frameRate": 30.0}
    frame = VideoFrame("GREY", 64, 48, 0, (memoryview(bytes(64 * 48)),), (64,), 33_333)
    assert Shaper(native, native).shape(frame) is frame
    shown = Shaper({"width": 32, "height": 12, "frameRate": 10.0}, native).shape(frame)
    assert shown is not None
    assert (shown.display_size, shown.visible_rect, shown.duration) == ((32, 12), Rect(0, 12, 64, 24), 100_000)
    assert shown.planes is frame.planes
