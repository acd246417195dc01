"""Controls set while a camera runs: vivid, whose picture shows them, and a USB camera whose automatics hold others."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest

import mscli
from mscli.core.boxes import Scalar, Span
from mscli.core.controls import Control
from mscli.core.eventloop import EventLoop
from mscli.core.frames import VideoFrame
from mscli.sources.base import Device
from mscli.sources.v4l2.backend import V4L2Backend
from tests.untyped import untyped
from tests.vm.guest.conftest import Receiver, control, open_camera, run, streaming, wait_until
from tests.vm.guest.test_hotplug import fake_cameras, plugged

SLOW = 2.0  # frames per second: vivid itself is late for some if the machine is emulated


def read(path: str, *names: str) -> list[int]:
    """What v4l2-ctl says that controls are set to."""
    printed = run("v4l2-ctl", "-d", path, "-C", ",".join(names))
    return [int(number) for number in re.findall(r"^\w+: (-?\d+)", printed, re.MULTILINE)]


def luma(frame: VideoFrame) -> float:
    """The mean of a YUYV picture's first row."""
    row = bytes(frame.planes[0][: frame.strides[0]])[::2]
    return sum(row) / len(row)


def test_vivids_controls_are_found_as_v4l2_ctl_lists_them(webcam: Device) -> None:
    found = V4L2Backend().abilities(webcam).controls
    standard = {name: one for name, one in found.items() if not name.startswith("v4l2:")}
    assert standard == {name: Control(Span(0, 255, 1), 128, 128) for name in ("brightness", "contrast", "saturation")}


def test_the_driver_s_own_controls_have_the_names_of_v4l2_ctl(webcam: Device) -> None:
    listed = run("v4l2-ctl", "-d", str(webcam.path), "-l")
    numbers = {
        name for name, kind, rest in re.findall(r"^ +(\w+) 0x\w+ \((\w+)\) *: (.*)$", listed, re.MULTILINE)
        if kind in ("int", "int64", "bool", "menu", "intmenu") and "dims" not in rest
    }  # fmt: skip
    controls = V4L2Backend().abilities(webcam).controls
    found = {name.removeprefix("v4l2:") for name in controls if name.startswith("v4l2:")}
    assert [name for name, one in controls.items() if one.read_only] == ["v4l2:read_only_integer_32_bits"]
    assert found == numbers - {"brightness", "contrast", "saturation"}
    assert {"hue", "gain_automatic", "vertical_flip"} <= found


def test_a_control_of_the_driver_is_set_by_its_name(webcam: Device) -> None:
    with mscli.MediaDevices(backends=[V4L2Backend()], tasks=EventLoop()) as devices:
        (track,) = devices.get_user_media(untyped({"video": {"v4l2:hue": 50, "frameRate": SLOW}})).get_video_tracks()
        assert track.current_settings["v4l2:hue"] == 50
        assert untyped(track.get_capabilities())["v4l2:hue"] == {"min": -128, "max": 128, "step": 1}
        track.apply_constraints(untyped({"v4l2:vertical_flip": {"exact": 1}}))
        assert read(str(webcam.path), "hue", "vertical_flip") == [50, 1]
        with pytest.raises(mscli.OverconstrainedError) as raised:
            track.apply_constraints(untyped({"v4l2:hue": {"exact": 500}}))
    assert raised.value.constraint == "v4l2:hue"
    control(str(webcam.path), hue=0, vertical_flip=0)


def test_the_driver_s_automatic_is_off_before_its_value_is_set(webcam: Device) -> None:
    path, source = str(webcam.path), open_camera(webcam, rate=SLOW)
    control(path, gain_automatic=1)
    with streaming(source, Receiver()):
        taken = source.set({"v4l2:gain": 44, "v4l2:gain_automatic": 0})
        assert (taken["v4l2:gain"], read(path, "gain", "gain_automatic")) == (44, [44, 0])
        assert source.set({"v4l2:gain_automatic": 1})["v4l2:gain_automatic"] == 1


def test_brightness_is_changed_while_frames_come_and_none_is_missing(webcam: Device) -> None:
    path, source = str(webcam.path), open_camera(webcam, rate=SLOW)
    with streaming(source, Receiver()) as receiver:
        seen = []
        for value in (128, 255, 0):
            assert source.set({"brightness": value})["brightness"] == value
            assert read(path, "brightness") == [value]
            receiver.wait(4)
            seen.append(luma(receiver.frames[-1]))
    assert seen[2] < seen[0] - 20 < seen[0] + 20 < seen[1]
    assert all(after - before == 1 for before, after in pairwise(receiver.sequences))
    assert receiver.lost == 0


def test_brightness_is_changed_while_the_camera_is_recorded(webcam: Device, tmp_path: Path) -> None:
    with mscli.MediaDevices(backends=[V4L2Backend()], tasks=EventLoop()) as devices:
        stream = devices.get_user_media({"video": {"width": 320, "height": 180, "frameRate": SLOW, "contrast": 100}})
        (track,) = stream.get_video_tracks()
        recorder = mscli.MediaRecorder(stream, file=str(tmp_path / "a.mkv"))
        with mscli.MediaStreamTrackProcessor({"track": track}).readable as frames:
            recorder.start()
            wait_until(lambda: recorder.recording and recorder.recording.recorded_s > 0, "the first frames in the file")
            while frames.read(0):  # those of the time in which the encoder was loaded
                pass
            lost, numbers = track.lost, []
            for value in (200, 50, 9999):
                track.apply_constraints({"brightness": value})
                numbers += [frame.sequence for _ in range(3) if (frame := frames.read(60)) is not None]
            assert track.get_settings()["brightness"] == 255
            assert read(str(webcam.path), "brightness", "contrast") == [255, 100]
            recorder.stop()
            assert recorder.join(60)
        assert track.lost == lost
    assert numbers == list(range(numbers[0], numbers[0] + 9))


def test_what_another_program_sets_is_followed(webcam: Device) -> None:
    with streaming(open_camera(webcam, rate=SLOW), Receiver()) as receiver:
        receiver.wait(2)
        control(str(webcam.path), brightness=77)
        wait_until(lambda: receiver.changes, "the change")
        receiver.wait(2)
    assert receiver.changes == [{"brightness": 77}]


def test_automatics_of_a_usb_camera_are_off_before_values_are_set() -> None:
    with plugged("camera"):
        (usb_camera,) = fake_cameras()
        set_what_automatics_hold(usb_camera)


def set_what_automatics_hold(usb_camera: Device) -> None:
    """Set a camera whose exposure, focus and white balance are automatic."""
    found = V4L2Backend().abilities(usb_camera).controls
    assert found["exposureMode"].values == ("manual", "continuous")
    assert found["exposureTime"] == Control(Span(3, 2047, 1), 250, 250, inactive=True)
    assert found["colorTemperature"].values == Span(2800, 6500, 10)
    assert (found["pan"].values, found["zoom"].values) == (Span(-36000, 36000, 3600), Span(100, 500, 1))

    path, source = str(usb_camera.path), open_camera(usb_camera, "YUYV", rate=5)
    assert source.settings["exposureTime"] == 250
    with streaming(source, Receiver()) as receiver:
        receiver.wait(2)
        assert source.set({"exposureTime": 100})["exposureTime"] == 250  # held by the automatic
        asked: dict[str, Scalar] = {
            "exposureTime": 100, "exposureMode": "manual", "colorTemperature": 5000, "whiteBalanceMode": "manual",
            "focusDistance": 60, "focusMode": "manual", "zoom": 9999, "pan": 5000, "tilt": -3600,
        }  # fmt: skip
        taken = source.set(asked)
        receiver.wait(2)
        again = source.set({"exposureMode": "continuous", "exposureTime": 50})
    assert taken == {**asked, "zoom": 500, "pan": 3600, "brightness": 128, "contrast": 32}
    assert (again["exposureMode"], again["exposureTime"]) == ("continuous", 50)
    assert read(path, "white_balance_temperature", "zoom_absolute", "pan_absolute") == [5000, 500, 3600]
