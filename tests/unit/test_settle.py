"""When the picture of a camera that was just started is worth keeping: on simulated curves of luma and chroma."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from mscli.media.warmup import WINDOW, PictureMeans, Settling

CAP = 90  # frames
RATE = 30


def settled_at(curve: Callable[[int], PictureMeans], noise: float = 0.05) -> int | None:
    """The first frame of a curve that counts as settled, or None if there is none before the cap."""
    chance, settling = random.Random(1), Settling()
    for number in range(CAP):
        look = curve(number)
        noisy = PictureMeans(look.luma + chance.gauss(0, noise), look.cb, look.cr, number if look.digest == 0 else look.digest)
        if settling.is_settled(noisy, number / RATE):
            assert sum(settling.skipped.values()) == number
            return number
    return None


CURVES: dict[str, Callable[[int], PictureMeans]] = {
    "exponential": lambda n: PictureMeans(110 * (1 - math.exp(-n / 6)) + 4),
    "slow": lambda n: PictureMeans(110 * (1 - math.exp(-n / 12)) + 4),
    "steps every 6 frames": lambda n: PictureMeans(16 + 94 * min(1, (n // 6) / 5)),
    "dark, then a jump": lambda n: PictureMeans(16 if n < 8 else 110),
    "overshoot": lambda n: PictureMeans(110 + 90 * math.exp(-n / 8) * math.cos(n / 5) if n else 4),
    "too bright first": lambda n: PictureMeans(110 + 140 * math.exp(-n / 6)),
    "ramp": lambda n: PictureMeans(min(110, 10 + 4 * n)),
}


@pytest.mark.parametrize("name", CURVES)
def test_what_is_kept_differs_little_from_the_end(name: str) -> None:
    curve = CURVES[name]
    at = settled_at(curve)
    assert at is not None
    assert abs(curve(at).luma - curve(10_000).luma) < 2


def test_white_balance_counts_as_well() -> None:
    at = settled_at(lambda n: PictureMeans(110, 128 - 30 * math.exp(-n / 8), 128 + 20 * math.exp(-n / 8)))
    assert at is not None
    assert 30 * math.exp(-at / 8) < 1.7


def test_a_steady_picture_is_kept_after_three_frames() -> None:
    assert settled_at(lambda _: PictureMeans(110)) == 2


def test_a_steady_dark_picture_takes_the_whole_window() -> None:
    assert settled_at(lambda _: PictureMeans(20)) == WINDOW - 1


def test_flicker_does_not_keep_the_picture_from_settling() -> None:
    assert settled_at(lambda n: PictureMeans(110 + 4 * (n % 2))) == WINDOW - 1


def test_a_picture_that_keeps_changing_never_settles() -> None:
    assert settled_at(lambda n: PictureMeans(80 + 60 * math.cos(n / 3))) is None


@pytest.mark.parametrize(
    ("look", "why"), [(PictureMeans(0), "black"), (PictureMeans(2.5), "black"), (PictureMeans(45, 0, 0), "green")]
)
def test_nothing_is_never_a_picture(look: PictureMeans, why: str) -> None:
    settling = Settling()
    assert not any(settling.is_settled(look, number / RATE) for number in range(CAP))
    assert settling.skipped == {why: CAP}


STUCK = PictureMeans(110, digest=7)


@pytest.mark.parametrize("before", [[], [PictureMeans(0)] * 3, [PictureMeans(100 + n, digest=n) for n in range(4)]])
def test_the_same_picture_again_and_again_is_frozen_until_it_must_be_the_scene(before: list[PictureMeans]) -> None:
    settling = Settling(1.0)
    looks = [*before, *[STUCK] * CAP]
    kept = next(number for number, look in enumerate(looks) if settling.is_settled(look, number / RATE))
    assert kept == len(before) + RATE
    assert settling.skipped["frozen"] == RATE - 1


def test_a_frozen_picture_is_not_kept_once_the_camera_goes_on() -> None:
    settling = Settling(1.0)
    looks = [STUCK] * (RATE - 2) + [PictureMeans(110, digest=100 + number) for number in range(WINDOW)]
    kept = [settling.is_settled(look, number / RATE) for number, look in enumerate(looks)]
    assert kept.index(True) >= RATE - 2


def test_a_frame_that_comes_twice_does_not_keep_the_picture_from_settling() -> None:
    """As from a camera that exposes longer than its frame rate allows."""
    settling = Settling()
    kept = [settling.is_settled(PictureMeans(110, digest=number // 2), number / RATE) for number in range(WINDOW)]
    assert kept.index(True) == 4
