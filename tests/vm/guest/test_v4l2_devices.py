"""Cameras listed and described by the V4L2 backend, on the kernel's own drivers."""

from __future__ import annotations

import grp  # noqa: F401 (the program imports it late, which nobody may not where Python is in root's home)
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mscli.core.boxes import Mode
from mscli.core.errors import NotAllowedError, NotReadableError
from mscli.sources.base import AUDIO_INPUT, Device
from mscli.sources.v4l2.backend import V4L2Backend
from tests.vm.guest.conftest import TWO_WEBCAMS, cameras, control, load_vivid, run, used_by_another
from tests.vm.guest.v4l2_ctl import Listed, listed_modes

NOBODY = 65534


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's rights, as far as files go."""
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def ids(devices: list[Device]) -> list[str]:
    return [device.device_id for device in devices]


def as_listed(mode: Mode) -> Listed:
    return Listed.of(mode.to_json())


def test_two_cameras_are_listed_in_the_order_of_their_nodes() -> None:
    load_vivid(TWO_WEBCAMS)
    found = cameras()
    assert [device.path for device in found] == ["/dev/video0", "/dev/video1"]
    assert [device.label for device in found] == ["vivid", "vivid"]
    assert [device.default for device in found] == [True, False]
    assert not any(device.problem for device in found)


def test_equal_cameras_have_different_ids() -> None:
    load_vivid("n_devs=4 node_types=0x1,0x1,0x1,0x1")
    assert len(set(ids(cameras()))) == 4


def test_ids_stay_when_the_driver_comes_back() -> None:
    load_vivid(TWO_WEBCAMS)
    before = ids(cameras())
    run("sh", "-c", "cd /sys/bus/platform/drivers/vivid && echo vivid.0 > unbind")
    assert cameras() == []
    run("sh", "-c", "cd /sys/bus/platform/drivers/vivid && echo vivid.0 > bind")
    assert ids(cameras()) == before


def test_no_camera_is_listed_where_no_driver_is_loaded() -> None:
    run("modprobe", "-r", "vivid")
    assert cameras() == []
    load_vivid(TWO_WEBCAMS)


def test_cameras_are_no_microphones() -> None:
    assert V4L2Backend().devices([AUDIO_INPUT]) == []


def test_nodes_that_capture_no_pictures_are_hidden() -> None:
    load_vivid("n_devs=1")  # output, metadata, teletext, radio, touch, and one camera among them
    assert len(run("sh", "-c", "echo /dev/video*").split()) > 3
    assert [device.path for device in cameras()] == ["/dev/video0"]


def test_a_camera_without_permission_is_listed_with_its_id_and_the_reason() -> None:
    load_vivid(TWO_WEBCAMS)
    before = cameras()
    os.chmod("/dev/video0", 0o600)
    os.chmod("/dev/video1", 0o666)
    with as_nobody():
        found = cameras()
    assert ids(found) == ids(before)
    assert "/dev/video0" in found[0].problem
    assert "no permission to use" in found[0].problem
    assert found[1] == before[1]


def test_a_camera_that_does_not_answer_hides_no_other() -> None:
    load_vivid(TWO_WEBCAMS)
    before = cameras()
    with open("/dev/video0"):  # vivid connects itself again when nobody has it open
        control("/dev/video0", disconnect=1)
        found = cameras()
        with pytest.raises(NotReadableError, match=r"/dev/video0.* was unplugged"):
            V4L2Backend().abilities(found[0])
    assert ids(found) == ids(before)
    assert "unplugged" in found[0].problem
    assert found[1] == before[1]


def test_the_hint_for_a_forbidden_camera_names_the_group_that_may() -> None:
    load_vivid(TWO_WEBCAMS)
    device = cameras()[0]
    assert device.path
    run("chgrp", "video", device.path)
    os.chmod(device.path, 0o660)
    with as_nobody(), pytest.raises(NotAllowedError) as caught:
        V4L2Backend().abilities(device)
    assert "usermod -aG video" in caught.value.hints[0]


@pytest.mark.parametrize("planes", ["single", "multi"])
def test_modes_are_those_that_v4l2_ctl_lists(planes: str) -> None:
    load_vivid(f"n_devs=1 node_types=0x1 multiplanar={2 if planes == 'multi' else 1}")
    modes = V4L2Backend().abilities(cameras()[0]).modes
    assert len(modes) == len(set(modes)) > 100
    assert {as_listed(mode) for mode in modes} == listed_modes("/dev/video0")


def test_modes_with_a_range_of_sizes_are_spans() -> None:
    load_vivid("n_devs=1 node_types=0x1 num_inputs=1 input_types=3")  # HDMI through a scaler
    modes = V4L2Backend().abilities(cameras()[0]).modes
    assert {as_listed(mode) for mode in modes} == listed_modes("/dev/video0")
    assert {mode.frame_rate for mode in modes} == {60.0}


def test_modes_are_read_while_the_camera_streams_elsewhere(webcam: Device) -> None:
    with used_by_another(str(webcam.path)):
        assert len(V4L2Backend().abilities(webcam).modes) > 100
