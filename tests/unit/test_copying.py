"""The mode of a camera whose encoded video is copied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

import mscli
from mscli.api.nativeformats import CopiedFormats, NativeFormats, formats_to_follow
from tests.untyped import untyped

COPIED = CopiedFormats(("H264", "MJPEG"))
RAW = {"width": 640, "height": 480, "frameRate": 30, "pixelFormat": "YUYV"}
JPEG = {"width": 1280, "height": 720, "frameRate": 30, "pixelFormat": "MJPEG"}
SMALL = {"width": 320, "height": 240, "frameRate": 60, "pixelFormat": "MJPEG"}
STREAM = {"width": 1280, "height": 720, "frameRate": 30, "pixelFormat": "H264"}


def chosen(*modes: dict[str, Any], **constraints: Any) -> dict[str, Any]:
    """Return the settings and native mode chosen for a camera with these modes."""
    description = {"devices": [{"kind": "videoinput", "label": "Cam", "deviceId": "c", "modes": list(modes)}]}
    with mscli.MediaDevices(backends=[mscli.FakeBackend(description)]) as devices:
        (choice,) = devices.negotiate(untyped({"video": constraints or True}), pixel_formats=COPIED)
    mode = choice.selection.box.mode
    assert mode is not None
    return {**choice.selection.settings, "pixelFormat": mode.pixel_format}


def test_a_mode_that_can_be_copied_is_taken_where_a_raw_one_would_fit_better() -> None:
    assert chosen(RAW, JPEG)["pixelFormat"] == "MJPEG"


def test_of_two_that_can_be_copied_the_smaller_stream_is_taken() -> None:
    assert chosen(JPEG, STREAM)["pixelFormat"] == "H264"


def test_a_size_that_the_camera_lacks_becomes_the_nearest_that_it_has() -> None:
    size = chosen(RAW, JPEG, SMALL, width=400, height=300)
    assert (size["width"], size["height"], size["resizeMode"]) == (320, 240, "none")


def test_frames_are_left_out_of_mjpeg_for_a_lower_rate() -> None:
    settings = chosen(RAW, JPEG, frameRate={"exact": 10})
    assert (settings["frameRate"], settings["width"], settings["resizeMode"]) == (10, 1280, "crop-and-scale")


def test_no_frames_are_left_out_of_h264() -> None:
    with pytest.raises(mscli.OverconstrainedError) as caught:
        chosen(RAW, STREAM, frameRate={"exact": 10})
    assert caught.value.constraint == "frameRate"


def test_a_size_is_not_made_by_scaling() -> None:
    with pytest.raises(mscli.OverconstrainedError) as caught:
        chosen(RAW, JPEG, width={"exact": 800})
    assert caught.value.constraint == "width"


def test_a_camera_with_only_raw_modes_is_refused_with_its_formats() -> None:
    with pytest.raises(mscli.NotSupportedError, match="cannot copy YUYV from “Cam”; only H264 and MJPEG can be copied"):
        chosen(RAW)


def test_another_camera_is_taken_if_the_first_cannot_be_copied() -> None:
    cameras = [{"kind": "videoinput", "deviceId": name, "modes": [mode]} for name, mode in (("a", RAW), ("b", JPEG))]
    with mscli.MediaDevices(backends=[mscli.FakeBackend({"devices": cameras})]) as devices:
        (choice,) = devices.negotiate({"video": True}, pixel_formats=COPIED)
    assert choice.device.device_id == "b"


@pytest.mark.parametrize(("asked", "pixel_format", "whole", "copied"), [
    (COPIED, "MJPEG", True, True),
    (NativeFormats(), "MJPEG", True, True),
    (NativeFormats(), "MJPEG", False, False),
    (NativeFormats(), "YUYV", True, False),
    ((), "MJPEG", True, False),
])  # fmt: skip
def test_what_is_taken_as_it_is_is_gone_on_with_in_its_format(
    asked: Sequence[str], pixel_format: str, whole: bool, copied: bool
) -> None:
    follow = formats_to_follow(asked, pixel_format, whole=whole)
    assert (list(follow), isinstance(follow, CopiedFormats)) == ([pixel_format], copied)


@pytest.mark.parametrize("asked", [(), NativeFormats()])
def test_a_microphone_that_replaces_another_has_no_pixel_format(asked: Sequence[str]) -> None:
    assert list(formats_to_follow(asked, "", whole=True)) == []
