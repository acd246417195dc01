"""A camera's signal that changes, is lost and comes again: HDMI and television, of the kernel's test driver."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

import mscli
from mscli.core.errors import NotReadableError
from mscli.core.eventloop import EventLoop
from mscli.sources.base import NO_SIGNAL, Device, Source
from mscli.sources.v4l2.backend import V4L2Backend
from tests.vm.guest.conftest import (
    PATIENCE_SECONDS,
    Emulated,
    Receiver,
    cameras,
    control,
    load_vivid,
    open_camera,
    run,
    streaming,
    wait_until,
)
from tests.vm.guest.test_cli import picture_times, running, streams
from tests.vm.guest.test_lifecycle import frames_in, told

NODE, TELEVISION = "/dev/video0", "/dev/video1"
TWO_INPUTS = "n_devs=2 node_types=0x1,0x1 num_inputs=1,1 input_types=3,2"  # one with HDMI, and one with S-Video
UNSCALED = "ccs_cap_mode=0,0"  # what they give is as large as the signal
AS_SET, NONE, UNSTEADY, OUT_OF_RANGE, SELECTED = range(5)  # of its control for the signal mode
VGA, PAL = "640x480p", "720x576p"  # digital signals, as their names begin
NTSC = 0  # of its control for the standard of television; it has begun with PAL


class Cable:
    """What comes into the camera with HDMI."""

    def __init__(self) -> None:
        listed = run("v4l2-ctl", "-d", NODE, "-L").split(" dv_timings ")[1]
        found = re.findall(r"^\t+(\d+): (\d+x\d+p)", listed, re.MULTILINE)
        self._numbers = {name: int(number) for number, name in reversed(found)}  # in the driver's control

    def give(self, name: str) -> None:
        """Such a signal."""
        control(NODE, dv_timings_signal_mode=SELECTED, dv_timings=self._numbers[name])

    def pull(self) -> None:
        """None any more."""
        control(NODE, dv_timings_signal_mode=NONE)


@pytest.fixture(scope="module")
def plugged() -> Cable:
    load_vivid(f"{TWO_INPUTS} {UNSCALED}")
    return Cable()


@pytest.fixture
def cable(plugged: Cable) -> Cable:
    """The cable of the first camera; the signal is one of television's size."""
    plugged.give(PAL)
    return plugged


def camera(path: str = NODE) -> Device:
    return next(device for device in cameras() if device.path == path)


def size(receiver: Receiver) -> tuple[int, int]:
    """Of the last frame."""
    return receiver.frames[-1].coded_width, receiver.frames[-1].coded_height


def open_any() -> Source:
    """The camera, asked for the size of television."""
    return open_camera(camera(), width=720, height=576, rate=50)


def test_the_signal_that_comes_is_taken_when_modes_are_read_and_when_the_camera_is_opened(cable: Cable) -> None:
    assert {(mode.width, mode.height) for mode in V4L2Backend().abilities(camera()).modes} == {(720, 576)}
    cable.give(VGA)
    source = open_any()
    assert (source.settings["width"], source.settings["height"]) == (640, 480)


def test_a_camera_without_a_signal_is_not_opened_and_says_why(cable: Cable) -> None:
    reasons = {
        NONE: "has no signal",
        UNSTEADY: "has an unsteady signal",
        OUT_OF_RANGE: "has a signal that it does not support",
    }
    for mode, why in reasons.items():
        control(NODE, dv_timings_signal_mode=mode)
        with pytest.raises(NotReadableError) as caught:
            open_any()
        assert caught.value.message == f"camera “vivid” ({NODE}) {why}"
        assert caught.value.hints


def test_another_signal_is_taken_while_the_camera_streams(cable: Cable) -> None:
    with streaming(open_any(), Receiver()) as receiver:
        receiver.wait(2)
        cable.give(VGA)
        wait_until(lambda: receiver.changes, "the change")
        receiver.wait(2)
        assert (receiver.changes[0]["width"], size(receiver)) == (640, (640, 480))
        assert receiver.changes[0]["frameRate"] == pytest.approx(60, abs=0.1)
        cable.give(PAL)
        wait_until(lambda: len(receiver.changes) == 2, "the change back")
        receiver.wait(2)
    assert (receiver.changes[1], size(receiver)) == ({"width": 720, "height": 576, "frameRate": 50.0}, (720, 576))
    assert receiver.mutes == []


def test_a_camera_whose_signal_is_lost_goes_on_when_it_is_there_again(cable: Cable) -> None:
    with streaming(open_any(), Receiver()) as receiver:
        receiver.wait(2)
        cable.pull()
        wait_until(lambda: receiver.mutes == [True], "the loss")
        came = len(receiver.sequences)
        cable.give(PAL)
        wait_until(lambda: receiver.mutes == [True, False], "the return")
        receiver.wait(2)
    assert receiver.causes == {NO_SIGNAL}
    assert receiver.timestamps[came] > receiver.timestamps[came - 1]
    assert receiver.changes == []


def test_a_camera_that_waits_for_its_signal_stops_at_once(cable: Cable) -> None:
    source, receiver = open_any(), Receiver()
    with streaming(source, receiver):
        receiver.wait(1)
        cable.pull()
        wait_until(lambda: receiver.mutes, "the loss")
        before = time.monotonic()
    assert time.monotonic() - before < 1
    assert not receiver.ended


def test_television_is_followed_too(cable: Cable) -> None:
    with streaming(open_camera(camera(TELEVISION), width=720, height=576, rate=25), Receiver()) as receiver:
        receiver.wait(1)
        for mode in (NONE, AS_SET):
            control(TELEVISION, standard_signal_mode=mode)
            wait_until(lambda: receiver.mutes[-1:] == [mode == NONE], "what is told of it")  # noqa: B023
        control(TELEVISION, standard_signal_mode=SELECTED, standard=NTSC)
        wait_until(lambda: receiver.changes, "the other standard")
        receiver.wait(1)
    assert (receiver.mutes, receiver.causes) == ([True, False], {NO_SIGNAL})
    assert receiver.changes == [{"width": 720, "height": 480, "frameRate": 30000 / 1001}]
    assert size(receiver) == (720, 480)


def test_constraints_that_a_signal_breaks_hold_again_with_the_next(cable: Cable) -> None:
    tasks = EventLoop()
    heard: list[str] = []
    with mscli.MediaDevices(tasks=tasks) as devices:
        (track,) = devices.get_user_media({"video": {"width": {"exact": 720}}}).get_tracks()
        for name in track.EVENTS:
            track.add_event_listener(name, lambda event: heard.append(event.type))
        for given, expected in ((VGA, ["overconstrained", "mute"]), (PAL, ["configurationchange", "unmute"])):
            heard.clear()
            cable.give(given)
            while len(heard) < len(expected):
                tasks.wait(PATIENCE_SECONDS)
            assert heard == expected
            assert track.get_capabilities()["width"]["max"] == {VGA: 640, PAL: 720}[given]


def test_a_recording_goes_on_through_another_signal_and_none(cable: Cable, tmp_path: Path) -> None:
    program, file = Emulated(tmp_path), tmp_path / "x.mkv"
    light = ("--frame-rate", "10", "--video-codec", "mjpeg", "--no-audio")
    arguments = ("record", "--camera", NODE, *light, "--events", "events", "x.mkv")
    with running(program, *arguments) as process:
        wait_until(lambda: told(tmp_path, "start") and frames_in(file), "frames")
        cable.give(VGA)
        wait_until(lambda: len(told(tmp_path, "settings")) == 2, "the new settings")
        cable.pull()
        wait_until(lambda: lost_signal(tmp_path), "the mute")
        cable.give(VGA)
        (lost,) = lost_signal(tmp_path)
        wait_until(lambda: any(event["time"] > lost["time"] for event in told(tmp_path, "unmute")), "the unmute")
        size = file.stat().st_size
        wait_until(lambda: file.stat().st_size > size, "more of the file")
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, stderr.decode()
    assert [event["settings"]["width"] for event in told(tmp_path, "settings")] == [720, 640]
    assert not told(tmp_path, "ended")
    assert picture_times(file)[-1] > lost["time"] - told(tmp_path, "start")[0]["time"]
    assert (streams(file)["video"]["width"], streams(file)["video"]["height"]) == (720, 576)


def lost_signal(folder: Path) -> list[dict[str, Any]]:
    """The mutes for want of a signal. An emulated camera may also be muted because its next frame takes long."""
    return [event for event in told(folder, "mute") if "has no signal" in event["reason"]]
