"""ImageCapture: frames and photos of a live camera."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest

import mscli
from tests.unit.stage import Stage, camera, device, microphone, picture, push, silent

Setting = Callable[..., Stage]


def grab(track: mscli.MediaStreamTrack, use: Callable[[], Any], frame: Any = None) -> Any:
    """Return the result of ``use`` while a frame comes or the track ends."""
    got: list[Any] = []

    def run() -> None:
        try:
            got.append(use())
        except mscli.DOMException as error:
            got.append(error)

    thread = Thread(target=run)
    thread.start()
    while thread.is_alive():
        if frame is None:
            device(track).on_ended(mscli.NotReadableError("unplugged"))
        else:
            push(track, frame)
        thread.join(0.01)
    return got[0]


def test_the_next_frame_is_grabbed(stage: Setting) -> None:
    track = stage(silent(camera())).track(width=64)
    frame = picture()
    assert grab(track, mscli.ImageCapture(track).grab_frame, frame) is frame


def test_the_frame_of_a_disabled_track_is_black(stage: Setting) -> None:
    track = stage(silent(camera())).track(width=64)
    track.enabled = False
    frame = grab(track, mscli.ImageCapture(track).grab_frame, picture())
    assert frame.blank
    assert set(frame.planes[0]) == {0}


@pytest.mark.parametrize(("type_", "begin"), [("image/jpeg", b"\xff\xd8"), ("image/png", b"\x89PNG"), ("image/webp", b"RIFF")])
def test_a_photo_is_a_file_of_the_type_that_was_asked(stage: Setting, type_: str, begin: bytes) -> None:
    track = stage(silent(camera())).track()
    photo = grab(track, lambda: mscli.ImageCapture(track).take_photo(type=type_), picture())
    assert photo.type == type_
    assert photo.bytes().startswith(begin)
    assert photo.size == len(photo.bytes())


def test_an_unknown_type_of_photo_is_not_supported(stage: Setting) -> None:
    track = stage(silent(camera())).track()
    result = grab(track, lambda: mscli.ImageCapture(track).take_photo(type="image/nothing"), picture())
    assert isinstance(result, mscli.NotSupportedError)


def test_a_setting_that_the_camera_does_not_have_is_not_supported(stage: Setting) -> None:
    with pytest.raises(mscli.NotSupportedError, match="fillLightMode"):
        mscli.ImageCapture(stage(silent(camera())).track()).take_photo({"fillLightMode": "flash"})


def test_an_ended_track_is_an_invalid_state(stage: Setting) -> None:
    track = stage(camera()).track()
    capture = mscli.ImageCapture(track)
    track.stop()
    for use in (capture.grab_frame, capture.take_photo, capture.get_photo_capabilities, capture.get_photo_settings):
        with pytest.raises(mscli.InvalidStateError):
            use()


def test_a_device_that_fails_in_between_is_reported(stage: Setting) -> None:
    track = stage(silent(camera())).track()
    result = grab(track, mscli.ImageCapture(track).grab_frame)
    assert isinstance(result, mscli.NotReadableError)
    assert str(result) == "unplugged"


def test_pictures_of_sound_are_not_supported(stage: Setting) -> None:
    with pytest.raises(mscli.NotSupportedError):
        mscli.ImageCapture(stage(microphone()).track("audio"))


@pytest.mark.parametrize("track", [None, "x", 5])
def test_what_is_no_track_is_a_type_error(track: Any) -> None:
    with pytest.raises(TypeError):
        mscli.ImageCapture(track)


def test_photo_sizes_are_those_of_the_stream(stage: Setting) -> None:
    capture = mscli.ImageCapture(stage(camera()).track(width={"exact": 64}))
    assert capture.get_photo_settings() == {"redEyeReduction": False, "imageWidth": 64, "imageHeight": 48}
    able = capture.get_photo_capabilities()
    assert able["imageWidth"]["max"] == 128
    assert able["redEyeReduction"] == "never"


def test_grabbing_leaves_no_queue_behind(stage: Setting) -> None:
    track = stage(silent(camera())).track()
    grab(track, mscli.ImageCapture(track).grab_frame, picture())
    assert track._queues == {}
