"""Cameras through OpenCV, with a video file in place of the camera."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from mscli.core.boxes import Mode
from mscli.core.errors import NotReadableError, NotSupportedError
from mscli.sources import load_backend
from mscli.sources.base import AUDIO_INPUT, Device, Request
from mscli.sources.opencv import OpenCVBackend
from tests.backends.clips import PICTURES, clip
from tests.backends.rig import Collector, first_request

pytestmark = pytest.mark.usefixtures("no_descriptor_is_left")


@pytest.fixture
def red(tmp_path: Path) -> Path:
    """Create a clip of red frames."""
    return clip(tmp_path)


def only_device(backend: OpenCVBackend) -> Device:
    """Return the only device."""
    (device,) = backend.devices()
    return device


def test_the_sizes_that_the_driver_accepts_are_its_modes_in_bgr24(red: Path) -> None:
    backend = OpenCVBackend([str(red)])
    assert backend.abilities(only_device(backend)).modes == (Mode("BGR24", 320, 240, PICTURES),)


def test_pictures_arrive_in_their_colour_with_their_number(red: Path) -> None:
    backend = OpenCVBackend([str(red)])
    device, got = only_device(backend), Collector()
    source = backend.open(device, first_request(backend, device))
    source.start(got)
    got.wait_for(frames=3)
    source.stop()
    blue, green, red_ = got.frames[0].planes[0][:3]
    assert (blue < 10, green < 10, red_ > 240) == (True, True, True)
    assert [frame.sequence for frame in got.frames[:3]] == [0, 1, 2]


def test_a_camera_that_gives_no_more_ends_with_the_reason(red: Path) -> None:
    backend = OpenCVBackend([str(red)])
    device, got = only_device(backend), Collector()
    source = backend.open(device, first_request(backend, device))
    source.start(got)
    got.wait_for(frames=PICTURES, ends=1)
    source.stop()
    assert isinstance(got.ends[0], NotReadableError)
    assert "“red.avi” was unplugged, or its driver failed" in got.ends[0].message


def test_the_settings_are_what_the_driver_set_not_what_was_asked(red: Path) -> None:
    backend = OpenCVBackend([str(red)])
    source = backend.open(only_device(backend), Request({"width": 640, "height": 480, "frameRate": 30}, "BGR24"))
    source.stop()
    assert source.settings == {"width": 320, "height": 240, "frameRate": PICTURES}


def test_a_camera_is_opened_once_at_a_time_and_listed_meanwhile(red: Path) -> None:
    backend = OpenCVBackend([str(red)])
    device = only_device(backend)
    source = backend.open(device, Request({}, "BGR24"))
    with pytest.raises(NotReadableError, match=re.escape("cannot open “red.avi”: it is in use")):
        backend.open(device, Request({}, "BGR24"))
    assert backend.devices() == [device]
    source.stop()


def test_a_gap_of_one_number_is_passed_over_and_a_gap_of_two_ends_the_search(red: Path) -> None:
    clip_, none = str(red), "missing.avi"
    assert len(OpenCVBackend([none, clip_, none, none, clip_]).devices()) == 1


def test_cameras_that_are_not_there_make_no_noise(capfd: pytest.CaptureFixture[str]) -> None:
    load_backend("opencv").devices()
    OpenCVBackend(["missing.avi"]).devices()
    assert capfd.readouterr().err == ""


def test_microphones_are_none_of_its_business() -> None:
    assert load_backend("opencv").devices([AUDIO_INPUT]) == []


def test_without_opencv_the_packages_to_install_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(NotSupportedError, match="OpenCV cannot be loaded") as raised:
        load_backend("opencv").devices()
    assert "libgl1" in raised.value.hints[0]


def test_a_camera_that_is_gone_says_so(tmp_path: Path) -> None:
    path = clip(tmp_path)
    backend = OpenCVBackend([str(path)])
    device = only_device(backend)
    path.unlink()
    with pytest.raises(NotReadableError, match=re.escape("cannot open “red.avi”: it is in use, unplugged or not permitted")):
        backend.open(device, Request({}, "BGR24"))
