"""Frames from the kernel's own drivers: pictures, sizes, times, and the memory that they are lent in."""

from __future__ import annotations

import os
import threading
from itertools import pairwise

import pytest

from mscli.core.clock import now_us
from mscli.core.frames import frame_bytes
from mscli.sources.base import Device
from mscli.v4l2.buffers import BUFFERS, QUEUED_AT_LEAST
from tests.vm.guest.conftest import Receiver, cameras, control, load_vivid, open_camera, streaming
from tests.vm.guest.pictures import assert_colour_bars

SINGLE = ["YUYV", "UYVY", "NV12", "I420", "I422", "RGB24", "BGR24", "RGBX", "BGRX", "GREY"]
MULTI = [*SINGLE, "I444"]


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def capture(device: Device, pixel_format: str, width: int, height: int) -> None:
    """A few frames of the format: as many bytes as they must have, and the right colours."""
    source = open_camera(device, pixel_format, width, height)
    with streaming(source, Receiver()) as receiver:
        receiver.wait(3)
    frame = receiver.frames[0]
    assert (frame.format, frame.coded_width, frame.coded_height) == (pixel_format, width, height)
    assert frame.packed
    assert frame.nbytes == frame_bytes(pixel_format, width, height)
    assert_colour_bars(frame)


@pytest.mark.parametrize("pixel_format", SINGLE)
def test_a_picture_of_each_format_shows_the_colour_bars(webcam: Device, pixel_format: str) -> None:
    capture(webcam, pixel_format, 320, 180)


@pytest.mark.parametrize("pixel_format", MULTI)
def test_a_multi_planar_picture_shows_the_colour_bars(pixel_format: str) -> None:
    load_vivid("n_devs=1 node_types=0x1 multiplanar=2")
    control("/dev/video0", osd_text_mode=2)
    capture(cameras()[0], pixel_format, 320, 180)


@pytest.mark.parametrize("pixel_format", ["YUYV", "NV12", "I420", "RGB24"])
def test_a_scaled_picture_in_hd_colours_shows_the_colour_bars(pixel_format: str) -> None:
    load_vivid("n_devs=1 node_types=0x1 num_inputs=1 input_types=3")
    control("/dev/video0", osd_text_mode=2)
    capture(cameras()[0], pixel_format, 404, 228)


def test_an_hdmi_picture_says_that_its_matrix_is_bt709() -> None:
    load_vivid("n_devs=1 node_types=0x1 num_inputs=1 input_types=3")
    with streaming(open_camera(cameras()[0], "YUYV", 1280, 720, 60), Receiver()) as receiver:
        receiver.wait(1)
    assert receiver.frames[0].color_space == ("bt709", False)


def test_settings_say_what_the_driver_has_set(webcam: Device) -> None:
    controls = {"brightness": 128, "contrast": 128, "saturation": 128}  # vivid's defaults
    source = open_camera(webcam, "YUYV", 640, 480, 12.5)
    assert source.settings == {"width": 640, "height": 480, "frameRate": 12.5, **controls}
    source.stop()
    source = open_camera(webcam, "YUYV", 700, 500, 14)  # no mode of it, nor near one
    assert source.settings == {"width": 640, "height": 480, "frameRate": 15, **controls}
    source.stop()


def test_frames_carry_the_drivers_times_and_numbers(webcam: Device) -> None:
    before = now_us()
    with streaming(open_camera(webcam, rate=25), Receiver()) as receiver:
        receiver.wait(20)
    assert receiver.tells_every_loss
    steps = zip(pairwise(receiver.timestamps), pairwise(receiver.sequences), strict=True)
    assert all(abs((t2 - t1) - (n2 - n1) * 40_000) < 20_000 for (t1, t2), (n1, n2) in steps)
    assert before < receiver.timestamps[0] < receiver.timestamps[-1] < now_us() + 40_000
    assert receiver.frames[0].duration == 40_000


def test_frames_come_on_a_named_thread_that_stop_ends(webcam: Device) -> None:
    source, receiver = open_camera(webcam), Receiver()
    with streaming(source, receiver):
        receiver.wait(1)
    assert receiver.threads == {"mscli-v4l2-video0"}
    assert not any(thread.name.startswith("mscli-") for thread in threading.enumerate())
    source.stop()
    assert receiver.ended == []


def test_frames_cannot_be_written_to(webcam: Device) -> None:
    with streaming(open_camera(webcam), Receiver()) as receiver:
        receiver.wait(1)
    assert all(plane.readonly for plane in receiver.frames[0].planes)


def test_frames_that_are_kept_are_copied_before_the_driver_runs_short(webcam: Device) -> None:
    with streaming(open_camera(webcam), Receiver(keep=1_000_000)) as receiver:
        receiver.wait(3 * BUFFERS)
    lent = {type(frame.planes[0].obj) is not bytes for frame in receiver.frames}
    assert lent == {True, False}
    assert sum(type(frame.planes[0].obj) is not bytes for frame in receiver.frames) == BUFFERS - QUEUED_AT_LEAST
    for frame in receiver.frames:
        assert_colour_bars(frame)


def test_a_frame_that_is_kept_is_not_overwritten(webcam: Device) -> None:
    with streaming(open_camera(webcam), Receiver()) as receiver:
        receiver.wait(1)
        kept = receiver.frames[0]
        control(str(webcam.path), test_pattern=6)  # all red
        receiver.wait(2 * BUFFERS)
        assert_colour_bars(kept)
        with pytest.raises(AssertionError, match="expected"):
            assert_colour_bars(receiver.frames[0])


def test_frames_outlive_the_stream_and_the_next_one(webcam: Device) -> None:
    before = open_files()
    with streaming(open_camera(webcam), Receiver()) as receiver:
        receiver.wait(1)
    frame = receiver.frames.pop()
    with streaming(open_camera(webcam, "RGB24"), Receiver()) as other:
        other.wait(1)
    assert_colour_bars(frame)
    other.frames.clear()
    assert open_files() == before + 1  # the mapping holds its file
    del frame
    assert open_files() == before


def test_a_camera_is_opened_and_closed_without_leaving_anything(webcam: Device) -> None:
    before = open_files(), threading.active_count()
    for _ in range(20):
        with streaming(open_camera(webcam), Receiver()) as receiver:
            receiver.wait(1)
        receiver.frames.clear()
        open_camera(webcam).stop()
    assert (open_files(), threading.active_count()) == before
