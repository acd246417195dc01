"""Finding a device by what people call it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mscli.api.mediadeviceinfo import MediaDeviceInfo
from mscli.cli import resolve
from mscli.cli.resolve import device_line, resolve_device
from mscli.core.errors import NotFoundError
from mscli.sources.base import AUDIO_INPUT, VIDEO_INPUT, Device


def info(device_id: str, label: str, path: str | None = None) -> MediaDeviceInfo:
    """Return a camera."""
    return MediaDeviceInfo(Device(device_id, VIDEO_INPUT, label, "g", "fake", path=path))


CAMERAS = [
    info("a1", "HD Pro Webcam C920", "/dev/video0"),
    info("b2", "HD Pro Webcam C930e", "/dev/video2"),
    info("c3", "Integrated Camera"),
    info("camera", "Straße"),
]


@pytest.mark.parametrize(
    ("name", "device_id"),
    [
        ("a1", "a1"),
        ("/dev/video2", "b2"),
        ("HD Pro Webcam C920", "a1"),
        ("integrated camera", "c3"),
        ("c920", "a1"),
        ("INTEGRATED", "c3"),
        ("camera", "camera"),
        ("STRASSE", "camera"),
    ],
)
def test_a_device_is_known_by_id_path_name_and_part_of_its_name(name: str, device_id: str) -> None:
    assert resolve_device(name, CAMERAS).device_id == device_id


def test_a_whole_name_wins_over_a_part_of_another() -> None:
    assert resolve_device("camera", [info("1", "Camera"), info("2", "Camera 2")]).device_id == "1"


def test_a_link_to_the_node_is_the_node(tmp_path: Path) -> None:
    node = tmp_path / "video0"
    node.touch()
    link = tmp_path / "by-id"
    os.symlink(node, link)
    assert resolve_device(str(link), [info("a", "A", str(node)), info("b", "B")]).device_id == "a"


def test_a_path_that_is_no_file_is_compared_as_it_stands() -> None:
    assert resolve_device("hw:0,1", [info("a", "A", "hw:0,0"), info("b", "B", "hw:0,1")]).device_id == "b"


@pytest.mark.parametrize("name", ["usb-Maker_Camera_A1-video-index0", "video0"])
def test_udevs_names_and_those_of_nodes_need_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    node, by_id = tmp_path / "video0", tmp_path / "by-id"
    node.touch()
    by_id.mkdir()
    os.symlink("../video0", by_id / "usb-Maker_Camera_A1-video-index0")
    monkeypatch.setattr(resolve, "FOLDERS", ("", str(tmp_path), str(by_id)))
    assert resolve_device(name, [info("a", "A", str(node)), info("b", "B")]).device_id == "a"


def test_another_file_that_stands_for_a_device_is_the_device(tmp_path: Path) -> None:
    control, link = tmp_path / "controlC1", tmp_path / "usb-Maker_Microphone-00"
    control.touch()
    os.symlink(control, link)
    microphone = MediaDeviceInfo(Device("m", AUDIO_INPUT, "M", "g", "fake", path="hw:1,0", names=(str(control),)))
    assert resolve_device(str(link), [*CAMERAS, microphone]).device_id == "m"


def test_a_node_that_is_no_camera_says_so(tmp_path: Path) -> None:
    metadata = tmp_path / "video1"
    metadata.touch()
    with pytest.raises(NotFoundError) as caught:
        resolve_device(str(metadata), CAMERAS, VIDEO_INPUT)
    assert caught.value.hints[0] == f"{metadata} is not such a device, or only carries other data"


def test_a_folder_is_called_one(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        resolve_device(str(tmp_path), CAMERAS, VIDEO_INPUT)
    assert caught.value.hints[0] == f"{tmp_path} is a folder; name a file in it"


def test_a_path_to_nothing_says_so() -> None:
    with pytest.raises(NotFoundError) as caught:
        resolve_device("/dev/video99", [], VIDEO_INPUT)
    assert caught.value.hints == ("/dev/video99 does not exist",)


def test_several_matches_are_listed() -> None:
    with pytest.raises(NotFoundError, match="“webcam” matches 2 devices") as caught:
        resolve_device("webcam", CAMERAS)
    assert caught.value.hints[1:] == (device_line(CAMERAS[0]), device_line(CAMERAS[1]))


def test_devices_with_the_same_name_need_more_of_it() -> None:
    with pytest.raises(NotFoundError) as caught:
        resolve_device("Same", [info("1", "Same", "/dev/video0"), info("2", "Same", "/dev/video2")])
    assert "/dev/video2" in caught.value.hints[2]


def test_a_near_miss_is_asked_back() -> None:
    with pytest.raises(NotFoundError, match=r"no camera matches “Intergrated Camera” \(did you mean “Integrated Camera”\?\)"):
        resolve_device("Intergrated Camera", CAMERAS, VIDEO_INPUT)


def test_what_is_there_is_listed_when_nothing_is_near() -> None:
    with pytest.raises(NotFoundError, match=r"no device matches “zzz”$") as caught:
        resolve_device("zzz", CAMERAS)
    assert len(caught.value.hints) == 4


def test_a_machine_without_devices_says_so() -> None:
    with pytest.raises(NotFoundError, match="no camera found"):
        resolve_device("x", [], VIDEO_INPUT)


def test_no_name_is_no_device() -> None:
    with pytest.raises(NotFoundError):
        resolve_device("", CAMERAS)


def test_a_device_without_a_path_is_described_by_its_kind() -> None:
    assert device_line(CAMERAS[2]) == "camera “Integrated Camera”, c3"
