"""What a camera has for single photos, and its points of interest: on a fake one whose picture shows them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import av
import pytest

import mscli
from tests.conformance.checks.images import mean, picture_in

PHOTO = {"redEyeReduction": "controllable", "fillLightMode": ["auto", "off", "flash"]}
EXPOSURE = {
    "exposureMode": ["continuous", "manual"],
    "exposureTime": {"min": 1, "max": 1000, "default": 100},
    "exposureCompensation": {"min": -4, "max": 4},
}


@contextmanager
def capture_of(**camera: Any) -> Iterator[mscli.ImageCapture]:
    """An ImageCapture of a described camera."""
    modes = [{"width": 320, "height": 240, "frameRate": 100}]
    backend = mscli.FakeBackend({"devices": [{"kind": "videoinput", "modes": modes, **camera}]})
    with mscli.MediaDevices(backends=[backend]) as devices:
        (track,) = devices.get_user_media({"video": True}).get_tracks()
        yield mscli.ImageCapture(track)


def redness(photo: mscli.Blob) -> float:
    """How much more red than blue there is in a photo."""
    with av.open(io.BytesIO(photo.bytes()), "r") as file:
        pixels = next(file.decode(video=0)).to_ndarray(format="rgb24").reshape(-1, 3)
    red, _, blue = pixels.mean(axis=0)
    return float(red - blue)


def awaited(capture: mscli.ImageCapture, is_seen: Callable[[float], bool]) -> bool:
    """Whether a frame comes with such a mean, soon."""
    return any(is_seen(mean(picture_in(capture.take_photo()))) for _ in range(50))


def test_a_camera_says_what_it_has_for_photos() -> None:
    with capture_of(photo=PHOTO) as capture:
        able, now = capture.get_photo_capabilities(), capture.get_photo_settings()
        assert (able["redEyeReduction"], able["fillLightMode"]) == ("controllable", ["auto", "off", "flash"])
        assert (now["redEyeReduction"], now["fillLightMode"]) == (False, "auto")
        assert not [name for name in {**capture.track.get_settings(), **capture.track.get_capabilities()} if ":" in name]


@pytest.mark.parametrize(("has", "wrong"), [("never", True), ("always", False)])
def test_what_a_camera_cannot_change_is_refused(has: str, wrong: bool) -> None:
    with capture_of(photo={"redEyeReduction": has}) as capture:
        assert capture.get_photo_capabilities()["redEyeReduction"] == has
        assert capture.take_photo({"redEyeReduction": not wrong}).size
        with pytest.raises(mscli.NotSupportedError, match=f"is {has}"):
            capture.take_photo({"redEyeReduction": wrong})


def test_the_flash_and_less_red_eyes_are_for_one_photo_only() -> None:
    with capture_of(photo=PHOTO) as capture:
        usual = mean(picture_in(capture.take_photo()))
        flashed = capture.take_photo({"fillLightMode": "flash"})
        reduced = capture.take_photo({"fillLightMode": "flash", "redEyeReduction": True})
        assert mean(picture_in(flashed)) > usual + 20
        assert redness(flashed) > redness(reduced) + 20
        assert capture.get_photo_settings() == {
            "redEyeReduction": False, "fillLightMode": "auto", "imageWidth": 320, "imageHeight": 240,
        }  # fmt: skip
        assert awaited(capture, lambda now: abs(now - usual) < 3)


def test_the_flash_comes_by_itself_if_it_is_dark() -> None:
    with capture_of(photo=PHOTO, controls=EXPOSURE) as capture:
        usual = mean(picture_in(capture.take_photo({"fillLightMode": "off"})))
        capture.track.apply_constraints({"exposureCompensation": -4})
        assert awaited(capture, lambda now: now > 60)  # 64 more by the light
        assert mean(picture_in(capture.take_photo({"fillLightMode": "off"}))) < usual - 20


def test_exposure_is_metered_at_the_first_point_of_interest() -> None:
    with capture_of(controls={"pointsOfInterest": True}) as capture:
        track, usual = capture.track, mean(picture_in(capture.take_photo()))
        assert track.get_settings()["pointsOfInterest"] == []
        points: list[mscli.Point2D] = [{"x": 0.8, "y": 0.2}, {"x": 0.0, "y": 0.0}]
        track.apply_constraints({"advanced": [{"pointsOfInterest": points}]})
        assert track.get_settings()["pointsOfInterest"] == points
        assert awaited(capture, lambda now: now > usual + 20)  # the bar there is blue, and dark
        track.apply_constraints({"pointsOfInterest": [{"x": 0.05, "y": 0}]})
        assert awaited(capture, lambda now: now < usual - 10)  # the bar there is white


def test_points_of_interest_of_a_camera_without_are_ignored_or_overconstrained() -> None:
    with capture_of() as capture:
        capture.track.apply_constraints({"pointsOfInterest": [{"x": 0, "y": 0}]})
        assert "pointsOfInterest" not in capture.track.get_settings()
        with pytest.raises(mscli.OverconstrainedError) as raised:
            capture.track.apply_constraints({"pointsOfInterest": {"exact": [{"x": 0, "y": 0}]}})
        assert raised.value.constraint == "pointsOfInterest"


def test_the_background_is_blurred() -> None:
    with capture_of(controls={"backgroundBlur": [False, True]}) as capture:
        assert capture.track.get_capabilities()["backgroundBlur"] == [False, True]
        sharp = capture.take_photo(type="image/png").size
        capture.track.apply_constraints({"backgroundBlur": {"exact": True}})
        assert capture.track.get_settings()["backgroundBlur"] is True
        assert any(capture.take_photo(type="image/png").size > sharp * 1.02 for _ in range(50))
