"""A virtual camera on real drivers: what is shown on one side is seen on the other, by programs that are not ours, too.

vivid's HDMI output is looped to its HDMI input. v4l2loopback is what people have, with ``exclusive_caps`` and without.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TextIO

import pytest

from mscli.core.errors import OperationError
from mscli.core.frames import VideoFrame, frame_bytes, packed_planes, split_planes
from mscli.encode.options import SinkOptions, TrackFormat
from mscli.sinks import DEVICES, load_sink
from mscli.sources.base import Device
from mscli.v4l2 import abi
from tests.conftest import ROOT, VM_KERNEL, Program, demand
from tests.vm.guest.conftest import (
    DRIVER,
    PATIENCE_SECONDS,
    Receiver,
    cameras,
    control,
    load_vivid,
    open_camera,
    run,
    streaming,
    wait_until,
)
from tests.vm.guest.test_cli import error_line, running

HDMI_LOOP = "n_devs=1 node_types=0x101 num_inputs=1 input_types=3 num_outputs=1 output_types=1"
LOOPBACK = "devices=2 video_nr=20,21 card_label=Shared,Exclusive exclusive_caps=0,1"
RATE = 10.0


class Pair(NamedTuple):
    """The path that is written to, the one that is read, and the pictures: format, four-character code, size."""

    output: str
    camera: str
    form: str
    code: str
    size: tuple[int, int]

    @property
    def address(self) -> str:
        return f"v4l2:{self.output}"

    @property
    def picture(self) -> VideoFrame:
        """A picture in which no two rows are the same."""
        count = frame_bytes(self.form, *self.size)
        data = memoryview(bytes(16 + (7 * place + place // 640) % 219 for place in range(count)))
        return VideoFrame(self.form, *self.size, 0, *split_planes(self.form, *self.size, data))

    @property
    def device(self) -> Device:
        return next(device for device in cameras() if device.path == self.camera)

    @property
    def is_listed(self) -> bool:
        return any(device.path == self.camera for device in cameras())


SHARED = Pair("/dev/video20", "/dev/video20", "I420", "YU12", (64, 48))
EXCLUSIVE = Pair("/dev/video21", "/dev/video21", "YUYV", "YUYV", (64, 48))


@pytest.fixture
def vivid() -> Pair:
    load_vivid(HDMI_LOOP)
    run("v4l2-ctl", "-d", "/dev/video0", "--set-dv-bt-timings", "index=0")
    run("v4l2-ctl", "-d", "/dev/video1", "--set-dv-bt-timings", "index=0")
    control("/dev/video0", loop_video=1, osd_text_mode=2)
    return Pair("/dev/video1", "/dev/video0", "YUYV", "YUYV", (640, 480))


@pytest.fixture
def loopback() -> Iterator[None]:
    """Virtual cameras, which other tests do not see."""
    built = list((ROOT / VM_KERNEL).glob("lib/modules/*/updates/v4l2loopback.ko"))
    demand(["" if built else "the virtual machine has no v4l2loopback (tests/vm/rig/setup builds it)"])
    run("modprobe", "v4l2loopback", *LOOPBACK.split())
    yield
    wait_until(lambda: Path("/sys/module/v4l2loopback/refcnt").read_text() == "0\n", "it is closed")
    run("modprobe", "-r", "v4l2loopback")


@pytest.fixture(params=["vivid", "shared", "exclusive"])
def pair(request: pytest.FixtureRequest) -> Pair:
    name: str = request.param
    if name == "vivid":
        found: Pair = request.getfixturevalue("vivid")
        return found
    request.getfixturevalue("loopback")
    return SHARED if name == "shared" else EXCLUSIVE


@contextmanager
def showing(pair: Pair) -> Iterator[None]:
    """One picture is shown, again and again."""
    sink = load_sink(DEVICES[0], pair.address, SinkOptions())
    width, height = pair.size
    try:
        sink.open([TrackFormat("video", {"width": width, "height": height, "frameRate": RATE}, pair.form)])
        sink.write(0, pair.picture)
        yield
    finally:
        sink.close()


def test_every_program_sees_the_picture_bit_by_bit(pair: Pair, tmp_path: Path) -> None:
    data, got = b"".join(packed_planes(pair.picture)), tmp_path / "got"
    form = f"width={pair.size[0]},height={pair.size[1]},pixelformat={pair.code}"
    with showing(pair):
        assert run("v4l2-ctl", "-d", pair.camera, "-v", form) == ""
        run("v4l2-ctl", "-d", pair.camera, "--stream-mmap", "--stream-skip=3", "--stream-count=2", f"--stream-to={got}")
        assert got.read_bytes() == 2 * data
        with streaming(open_camera(pair.device, pair.form, *pair.size, rate=60), Receiver()) as receiver:
            receiver.wait(4)
        assert b"".join(packed_planes(receiver.frames[-1])) == data
        del receiver


def test_the_rate_of_the_track_is_announced(loopback: None) -> None:
    with showing(EXCLUSIVE):
        assert "10.000" in run("v4l2-ctl", "-d", EXCLUSIVE.camera, "--get-parm")


def test_a_device_that_another_program_writes_to_is_named_with_it(vivid: Pair) -> None:
    with subprocess.Popen(["v4l2-ctl", "-d", vivid.output, "--stream-out-mmap"], stderr=subprocess.PIPE) as other:
        assert other.stderr is not None
        other.stderr.read(1)  # a mark for its first frame
        try:
            with pytest.raises(OperationError, match=rf"is in use by v4l2-ctl \(pid {other.pid}\)"), showing(vivid):
                pass
        finally:
            other.kill()


def test_an_exclusive_device_that_is_written_to_is_in_use(loopback: None) -> None:
    """Without ``exclusive_caps``, v4l2loopback lets several programs write."""
    asked = abi.Format(type=abi.BUF_TYPE_OUTPUT)
    asked.pix.width, asked.pix.height, asked.pix.pixelformat = 64, 48, abi.fourcc_code("YUYV")
    writer = os.open(EXCLUSIVE.output, os.O_RDWR)
    try:
        abi.ioctl(writer, abi.S_FMT, asked)
        os.write(writer, bytes(64 * 48 * 2))
        with pytest.raises(OperationError, match=r"“Exclusive” .* is in use by this program"), showing(EXCLUSIVE):
            pass
    finally:
        os.close(writer)


def test_a_camera_is_no_virtual_camera(vivid: Pair, mscli: Program) -> None:
    done = mscli("capture", "--fake-devices", "-o", f"v4l2:{vivid.camera}", code=9)
    assert error_line(done.stderr) == "mscli: error: “vivid” (/dev/video0) is a camera, not a virtual camera"


def test_a_device_that_goes_ends_the_capture(vivid: Pair, mscli: Program) -> None:
    command = ["capture", "--fake-devices", "--size", "160x120", "--frame-rate", "5", "-o", vivid.address]
    try:
        with running(mscli, *command) as process:
            wait_until(lambda: holds(vivid.output, process.pid), "it is open")
            (DRIVER / "unbind").write_text("vivid.0")
            _, stderr = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 9
        assert "“vivid” (/dev/video1) is gone" in error_line(stderr)
    finally:
        if not (DRIVER / "vivid.0").exists():
            (DRIVER / "bind").write_text("vivid.0")


def holds(path: str, pid: int) -> bool:
    """Whether a process has a device open."""
    with suppress(OSError):
        return any(os.readlink(link) == path for link in Path(f"/proc/{pid}/fd").iterdir())
    return False


def obeyed(connection: TextIO, command: Mapping[str, object]) -> None:
    """Send a command of ``--control``, and wait until it is obeyed."""
    connection.write(json.dumps(command) + "\n")
    connection.flush()
    answer = json.loads(connection.readline())
    assert answer["ok"], answer


def test_an_output_comes_and_goes_and_is_free_after_a_signal(loopback: None, mscli: Program, tmp_path: Path) -> None:
    """With exclusive_caps, it is a camera exactly while it is written to."""
    place, raw = tmp_path / "control", tmp_path / "raw.yuv"
    command = ["capture", "--fake-devices", "--size", "160x120", "--frame-rate", "5", "--json", "--control", f"unix:{place}"]
    with running(mscli, *command, "-o", str(raw), "-o", SHARED.address) as process:
        wait_until(lambda: SHARED.is_listed and raw.exists(), "it runs")
        with socket.socket(socket.AF_UNIX) as connection, connection.makefile("rw") as told:
            connection.connect(str(place))
            obeyed(told, {"addOutput": EXCLUSIVE.address})
            wait_until(lambda: EXCLUSIVE.is_listed, "another camera")
            obeyed(told, {"pause": True})
            with streaming(open_camera(EXCLUSIVE.device, "I420", 160, 120, rate=5), Receiver()) as receiver:
                receiver.wait(5)
            del receiver
            obeyed(told, {"removeOutput": EXCLUSIVE.address})
            wait_until(lambda: not EXCLUSIVE.is_listed, "the camera is gone")
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0, stderr
    outputs = json.loads(stdout.splitlines()[-1])["outputs"]
    assert [one["name"] for one in outputs] == [str(raw), SHARED.address, EXCLUSIVE.address]
    assert all(one["tracks"][0]["frames"] and one["files"] == [] and not one.get("error") for one in outputs[1:])
