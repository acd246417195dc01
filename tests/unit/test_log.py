"""The log: silent and free while unused, one line per burst, and a driver's requests and answers in words."""

from __future__ import annotations

import ctypes
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mscli.core import log
from mscli.core.errors import NotReadableError
from mscli.v4l2 import abi
from mscli.v4l2.describe import NAMES, describe, request_name
from mscli.v4l2.node import Node
from tests.conftest import ROOT

CODE = "import sys, mscli; from mscli.core.log import Log; room = Log('device'); room.warning('lost'); "


def run(code: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-c", CODE + code], capture_output=True, cwd=ROOT, check=True)


def test_a_program_that_does_not_listen_imports_no_logging_and_sees_nothing() -> None:
    done = run("sys.exit('logging' in sys.modules)")
    assert done.stderr == b""


def test_a_program_that_logs_by_itself_does_not_see_our_warnings_on_stderr() -> None:
    """Python prints warnings that no handler takes: https://docs.python.org/3/library/logging.html#logging.lastResort"""
    assert run("import logging; room.warning('lost')").stderr == b""


def test_a_program_sees_the_log_by_the_usual_means() -> None:
    done = run("import logging; logging.basicConfig(level=10, format='%(name)s %(filename)s %(message)s'); room.debug('%d', 5)")
    assert done.stderr == b"mscli.device <string> 5\n"


def test_a_room_is_asked_whether_it_is_heard(caplog: pytest.LogCaptureFixture) -> None:
    room = log.Log("device")
    assert [room.debugs for room in (room, log.Log("sinks"))] == [False, False]
    with caplog.at_level(logging.DEBUG, "mscli.device"):
        assert [room.debugs for room in (room, log.Log("sinks"))] == [True, False]


def test_a_burst_is_one_line_with_its_count(caplog: pytest.LogCaptureFixture) -> None:
    burst = log.Burst(log.Log("queue"), "%d dropped, %s waited")
    for waited in range(100):
        burst.note(2, waited)
    burst.end()
    burst.end()
    assert caplog.messages == ["200 dropped, 99 waited"]


def test_a_long_burst_is_one_line_per_second(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100))
    monkeypatch.setattr(log, "monotonic", lambda: next(clock) / 4)
    burst = log.Burst(log.Log("queue"), "%d dropped")
    for _ in range(12):
        burst.note(1)
    burst.end()
    assert caplog.messages == ["5 dropped", "5 dropped", "2 dropped"]


def test_a_burst_of_nothing_is_no_line(caplog: pytest.LogCaptureFixture) -> None:
    burst = log.Burst(log.Log("queue"), "%d dropped")
    burst.note(0)
    burst.end()
    assert caplog.messages == []


def test_the_manual_names_every_logger() -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "mscli").rglob("*.py"))
    rooms = {f"mscli.{room}" for room in re.findall(r"\bLog\(\"(\w+)\"\)", sources)}
    section = (ROOT / "mscli/cli/manual.py").read_text(encoding="utf-8").partition("# LOG\n")[2].partition("\n# ")[0]
    named = re.findall(r"`(mscli\.\w+)`", section)
    assert named == sorted(rooms)


def test_packets_that_a_slow_output_misses_are_a_line(caplog: pytest.LogCaptureFixture) -> None:
    from mscli.core.frames import EncodedVideoChunk
    from mscli.sinks.recording.onefile import Skips

    skips = Skips("slow.mkv")
    skips.lead = 0
    delta, key = (EncodedVideoChunk(kind, 0, memoryview(b"x"), "h264", 64, 48) for kind in ("delta", "key"))
    left_out = [skips.leaves_out(0, chunk, behind=behind) for chunk, behind in ((key, True), (delta, False), (key, False))]
    assert left_out == [True, True, False]
    assert caplog.messages == ["“slow.mkv”: 2 frame(s) or sample(s) left out: the output is too slow"]


# Requests to V4L2 drivers


def test_requests_have_the_kernels_names() -> None:
    assert request_name(abi.S_FMT) == "VIDIOC_S_FMT"
    assert request_name(0xC0DE) == "ioctl 0xc0de"
    assert "CAP_DEVICE_CAPS" not in NAMES.values()


def test_arguments_are_described_by_their_content() -> None:
    found = abi.Format(type=abi.BUF_TYPE_CAPTURE)
    found.pix.width, found.pix.height, found.pix.pixelformat = 640, 480, abi.fourcc_code("YUYV")
    assert describe(found) == "type=1 width=640 height=480 pixelformat=YUYV"
    planar = abi.Format(type=abi.BUF_TYPE_CAPTURE_MPLANE)
    planar.pix_mp.width, planar.pix_mp.num_planes = 640, 2
    assert describe(planar) == "type=9 width=640 num_planes=2"
    size = abi.FrameSize(index=2, pixel_format=abi.fourcc_code("MJPG"), type=2)
    size.stepwise.min_width, size.stepwise.max_height = 16, 1080
    assert describe(size) == "index=2 pixel_format=MJPG type=2 min_width=16 max_height=1080"
    parm = abi.StreamParm(type=1)
    parm.capture.timeperframe = abi.Fract(1, 30)
    assert describe(parm) == "type=1 timeperframe=(numerator=1 denominator=30)"
    assert describe(abi.Capability(card=b"vivid", device_caps=0x4200001)) == "card=“vivid” device_caps=0x4200001"
    assert describe(ctypes.c_int(3)) == "3"
    assert describe(abi.DvTimings(1, 2)) == "[1, 2, 0, 0, 0, 0, 0, 0, …]"


def test_what_a_driver_is_asked_and_answers_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "video0"
    path.touch()  # a file answers like a driver without this request
    with caplog.at_level(logging.DEBUG, "mscli.v4l2"), Node(str(path)) as node:
        with pytest.raises(NotReadableError):
            node.call(abi.STREAMON, ctypes.c_int(1), "start")
        with pytest.raises(OSError, match="ioctl"):
            node.ioctl(abi.DQBUF, abi.Buffer())
        for kind in (1, 1, 2):  # asked twice a second, the driver gives the same answer
            assert not node.ask(abi.G_PARM, abi.StreamParm(type=kind))
    inappropriate = "ENOTTY, Inappropriate ioctl for device"
    assert caplog.messages == [
        f"{path}: opened",
        f"{path}: VIDIOC_STREAMON 1",
        f"{path}: VIDIOC_STREAMON failed: {inappropriate}",
        f"{path}: VIDIOC_DQBUF failed: {inappropriate}",
        f"{path}: VIDIOC_G_PARM type=1",
        f"{path}: VIDIOC_G_PARM failed: {inappropriate}",
        f"{path}: VIDIOC_G_PARM type=2",
        f"{path}: VIDIOC_G_PARM failed: {inappropriate}",
        f"{path}: closed",
    ]


def test_frames_that_a_slow_reader_costs_are_logged_with_their_number(caplog: pytest.LogCaptureFixture) -> None:
    from mscli.core.eventloop import EventLoop
    from tests.unit.stage import picture

    loop = EventLoop()
    queue = loop.queue(1, label="video “Camera”")
    for _ in range(5):
        queue.put(picture())
    while loop.take(0) is not None:
        pass
    assert [message.partition(" (6144")[0] for message in caplog.messages] == [
        "video “Camera”: 4 frame(s) or sample(s) dropped: the reader is too slow"
    ]
    assert queue.dropped == 4
