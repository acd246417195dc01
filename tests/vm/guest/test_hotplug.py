"""Devices that come and go, on the kernel's own drivers: USB devices of software, and vivid unbound and bound again."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from statistics import median
from threading import Thread
from typing import Any

import pytest

from mscli.api.devicechangeevent import DeviceChangeEvent
from mscli.api.mediadeviceinfo import MediaDeviceInfo
from mscli.api.mediadevices import MediaDevices
from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.eventloop import EventLoop
from mscli.sources.base import AUDIO_INPUT, VIDEO_INPUT, Device
from mscli.sources.sound.portaudio import PortAudioBackend
from mscli.sources.v4l2.backend import V4L2Backend
from tests.bench.measure import MODULE, cost
from tests.conftest import Program
from tests.starts import Forked
from tests.vm.guest.conftest import (
    PATIENCE_SECONDS,
    TWO_WEBCAMS,
    Receiver,
    cameras,
    load_vivid,
    open_camera,
    run,
    streaming,
    used_by_another,
    wait_until,
)

NODES = {"camera": 2, "microphone": 1, "webcam": 3}  # a camera has one for metadata beside its own
SOON_S = 1.0  # from what happens at the driver to the event
BUSY = 4  # times as long it may take once in a while: the machine is emulated, by one that may be busy
TRIES = 50
RATIO = 1.5  # of what sixteen cameras cost to what one does


@contextmanager
def plugged(kind: str, *options: str) -> Iterator[None]:
    """A USB device of software, plugged in once its nodes are there, and out at the end, once they are gone."""
    before = nodes()
    with Forked([sys.executable, "-m", "tests.vm.rig.usb", kind, *options]) as device:
        try:
            wait_until(lambda: len(nodes() - before) == NODES[kind], f"the nodes of a {kind}")
            yield
        finally:
            device.send_signal(signal.SIGTERM)
    wait_until(lambda: nodes() == before, f"the end of a {kind}'s nodes")


def nodes() -> set[str]:
    """The nodes of cameras and of PCM devices that record."""
    sound = os.listdir("/dev/snd") if os.path.isdir("/dev/snd") else []
    return {name for name in os.listdir("/dev") if name.startswith("video")} | {name for name in sound if name.endswith("c")}


def bind(driver: str, device: str, *, bound: bool) -> None:
    """Bind a driver to a device, or unbind it, as if the device came or went."""
    action = "bind" if bound else "unbind"
    with open(f"/sys/bus/platform/drivers/{driver}/{action}", "w") as file:
        file.write(device)


def fake_cameras() -> list[Device]:
    return [device for device in cameras() if "Test" in device.label]


def microphones() -> list[Device]:
    return [device for device in PortAudioBackend().devices([AUDIO_INPUT]) if "Test" in device.label]


class Listener:
    """Hears of devices that come and go."""

    def __init__(self) -> None:
        self.tasks = EventLoop()
        self.devices = MediaDevices(backends=[V4L2Backend(), PortAudioBackend()], tasks=self.tasks)
        self.events: list[DeviceChangeEvent] = []
        self.devices.ondevicechange = self.events.append

    def wait_for(self, happened: Callable[[Sequence[MediaDeviceInfo]], bool]) -> DeviceChangeEvent:
        """The first event after which the list of devices is so."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            self.tasks.wait(deadline - time.monotonic())
            while self.events:
                event = self.events.pop(0)
                if happened(event.devices):
                    return event
            assert time.monotonic() < deadline, "the event did not come"


@pytest.fixture
def listener() -> Iterator[Listener]:
    load_vivid(TWO_WEBCAMS)
    listener = Listener()
    listener.devices.enumerate_devices()  # what is imported at the first look delays no event
    yield listener
    listener.devices.close()


def has(part: str, kind: str = VIDEO_INPUT) -> Callable[[Sequence[MediaDeviceInfo]], bool]:
    return lambda infos: any(part in info.label and info.kind == kind for info in infos)


def has_none(part: str) -> Callable[[Sequence[MediaDeviceInfo]], bool]:
    return lambda infos: not any(part in info.label for info in infos)


def seconds_since(event: DeviceChangeEvent, at_us: int) -> float:
    return (event.time - at_us) / MICROSECONDS


# devicechange


def test_a_usb_camera_is_told_within_a_second_of_its_coming_and_going(listener: Listener) -> None:
    with plugged("camera"):
        there_us = now_us()
        came = listener.wait_for(has("Test camera"))
        assert has("Test camera")(came.user_inserted_devices)
        assert not any(info.problem for info in came.devices)
    gone_us = now_us()
    went = listener.wait_for(has_none("Test camera"))
    assert seconds_since(came, there_us) < BUSY * SOON_S
    assert seconds_since(went, gone_us) < BUSY * SOON_S


def test_a_usb_microphone_is_told_too(listener: Listener) -> None:
    with plugged("microphone"):
        there_us = now_us()
        came = listener.wait_for(has("Test microphone", AUDIO_INPUT))
    gone_us = now_us()
    went = listener.wait_for(has_none("Test microphone"))
    assert seconds_since(came, there_us) < BUSY * SOON_S
    assert seconds_since(went, gone_us) < BUSY * SOON_S


def test_a_driver_that_is_unbound_and_bound_is_told_every_time(listener: Listener) -> None:
    before = [info.device_id for info in listener.devices.enumerate_devices([VIDEO_INPUT])]
    late: list[float] = []
    for _ in range(TRIES):
        for bound in (False, True):
            began_us = now_us()
            bind("vivid", "vivid.0", bound=bound)
            done_us = now_us()
            event = listener.wait_for(has("vivid") if bound else has_none("vivid"))
            late.append(seconds_since(event, done_us if bound else began_us))
            wait_until(lambda: len(cameras()) == (2 if bound else 0), "the cameras")  # noqa: B023
    assert [info.device_id for info in listener.devices.enumerate_devices([VIDEO_INPUT])] == before
    assert median(late) < SOON_S, late
    assert max(late) < BUSY * SOON_S, late


def test_in_a_storm_of_cameras_only_those_are_told_that_there_are(listener: Listener) -> None:
    before = {device.device_id for device in cameras()}
    seen: set[str] = set()
    storm = Thread(target=storming)
    storm.start()
    while storm.is_alive():
        seen |= {device.device_id for device in cameras()}
    listener.tasks.run_tasks()
    told = [info for event in listener.events for info in event.devices if info.kind == VIDEO_INPUT]
    assert seen <= before
    assert {info.device_id for info in told} <= before
    bind("vivid", "vivid.0", bound=False)
    listener.wait_for(has_none("vivid"))
    bind("vivid", "vivid.0", bound=True)
    event = listener.wait_for(lambda infos: sum(info.kind == VIDEO_INPUT for info in infos) == len(before))
    assert {info.device_id for info in event.devices if info.kind == VIDEO_INPUT} == before


def storming() -> None:
    """Unbind and bind the cameras' driver as fast as the kernel does it."""
    for _ in range(TRIES):
        for bound in (False, True):
            bind("vivid", "vivid.0", bound=bound)


def test_a_stream_goes_on_while_devices_come_and_go_and_are_looked_at(listener: Listener) -> None:
    with streaming(open_camera(cameras()[0]), Receiver()) as receiver:
        with plugged("camera"):
            listener.wait_for(has("Test camera"))
            for _ in range(20):
                assert not any(info.problem for info in listener.devices.enumerate_devices())
        receiver.wait(5)
    assert receiver.tells_every_loss


def test_the_program_tells_what_is_plugged_in_and_out(mscli: Program) -> None:
    load_vivid(TWO_WEBCAMS)
    unbuffered = 0  # a buffer may hold lines that select() does not see
    watching = ("devices", "--watch", "--json", "--kind", VIDEO_INPUT)
    with mscli.start(*watching, stdout=subprocess.PIPE, bufsize=unbuffered) as watch:
        assert len(next_line(watch)["devices"]) == 2
        with plugged("camera"):
            added = next_line(watch)["added"]
        removed = next_line(watch)["removed"]
        watch.send_signal(signal.SIGTERM)
        assert watch.wait(PATIENCE_SECONDS) == 0
    assert [info["label"] for info in added] == ["Test camera: Test camera"]
    assert [info["deviceId"] for info in removed] == [info["deviceId"] for info in added]


def next_line(watch: subprocess.Popen[bytes]) -> Any:
    assert watch.stdout is not None
    assert select.select([watch.stdout], [], [], PATIENCE_SECONDS)[0], "no line came"
    return json.loads(watch.stdout.readline())


# Stable names


def test_a_camera_that_is_plugged_in_again_is_the_same() -> None:
    found = []
    for _ in range(2):
        with plugged("camera"):
            found += fake_cameras()
    first, again = found
    assert first.device_id == again.device_id
    assert first.group_id == again.group_id


def test_a_camera_is_the_same_after_its_controllers_driver_was_loaded_anew() -> None:
    found = []
    for _ in range(2):
        with plugged("camera"):
            found += fake_cameras()
        run("modprobe", "-r", "vhci-hcd")
    assert len({device.device_id for device in found}) == len({device.group_id for device in found}) == 1


def test_two_equal_cameras_differ_and_each_stays_what_it_is() -> None:
    with plugged("camera"), plugged("camera"):
        two = fake_cameras()
    assert len({device.device_id for device in two}) == len({device.group_id for device in two}) == 2
    with plugged("camera"):
        (first,) = fake_cameras()
    assert first.device_id in {device.device_id for device in two}


def test_a_webcams_camera_and_microphone_are_one_group_and_an_equal_one_is_another() -> None:
    with plugged("webcam"):
        first = {device.group_id for device in (*fake_cameras(), *microphones())}
        with plugged("webcam"):
            both = {device.group_id for device in (*fake_cameras(), *microphones())}
            assert len({device.device_id for device in microphones()}) == 2
    assert len(first) == 1
    assert len(both) == 2


def test_udevs_names_of_nodes_are_those_of_cameras(mscli: Program) -> None:
    load_vivid(TWO_WEBCAMS)
    os.makedirs("/dev/v4l/by-id", exist_ok=True)
    link = "usb-Maker_Camera_A1-video-index0"
    with ExitStack() as links:
        os.symlink("../../video1", f"/dev/v4l/by-id/{link}")
        links.callback(os.unlink, f"/dev/v4l/by-id/{link}")
        for name in (link, f"/dev/v4l/by-id/{link}", "video1"):
            assert mscli.json("capabilities", name, "--json")["deviceId"] == cameras()[1].device_id


# Who and why


def test_a_camera_in_use_is_listed_with_who_holds_it(webcam: Device) -> None:
    with used_by_another(str(webcam.path)) as pid:
        first, second = cameras()
    assert first.problem == f"camera “vivid” (/dev/video0) is in use by v4l2-ctl (pid {pid})"
    assert first.remedy
    assert first.busy
    assert second.problem == cameras()[0].problem == ""


def test_a_microphone_in_use_is_listed_with_who_holds_it() -> None:
    with recorded_by_another() as first, recorded_by_another() as second:
        wait_until(lambda: loopback().problem, "the microphone in use")
        problem = loopback().problem
    assert f"arecord (pid {first})" in problem
    assert f"arecord (pid {second})" in problem
    assert loopback().problem == ""


@contextmanager
def recorded_by_another() -> Iterator[int]:
    """Another process records from one of the two parts of the loopback card's microphone; its pid."""
    with subprocess.Popen(["arecord", "-q", "-D", "hw:0,1", "-f", "S16_LE", "-t", "raw", "/dev/null"]) as other:
        yield other.pid
        other.kill()


def loopback() -> Device:
    return next(device for device in PortAudioBackend().devices([AUDIO_INPUT]) if device.path == "hw:0,1")


def test_a_machine_whose_nodes_capture_nothing_says_so() -> None:
    load_vivid("n_devs=1 node_types=0x100")
    backend = V4L2Backend()
    assert backend.devices() == []
    assert "no video device is a camera" in backend.problem
    load_vivid(TWO_WEBCAMS)


# Speed


def test_sixteen_cameras_cost_little_more_than_one() -> None:
    """The least of several runs each: a machine that is emulated takes the time that others have taken from it for its own."""
    spent_ms = {}
    for number in (1, 16):
        load_vivid(f"n_devs={number} node_types={','.join(['0x1'] * number)}")
        assert len(cameras()) == number
        spent_ms[number] = min(cost([*MODULE, "devices", "--json"]).cpu_ms for _ in range(3))
    assert spent_ms[16] < RATIO * spent_ms[1], spent_ms


def test_watching_costs_nothing_while_nothing_happens(mscli: Program) -> None:
    with mscli.start("devices", "--watch", "--json", stdout=subprocess.PIPE) as watch:
        next_line(watch)
        wait_until(lambda: spends_nothing(watch.pid, 5), "the end of its start")
        idle = spends_nothing(watch.pid, 10)
        watch.kill()
    assert idle


def spends_nothing(pid: int, seconds: float) -> bool:
    before = ticks(pid)
    time.sleep(seconds)
    return ticks(pid) == before


def ticks(pid: int) -> int:
    """The CPU time of a process, in clock ticks of 10 ms."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
