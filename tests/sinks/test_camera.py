"""A virtual camera with a driver in this process: what is shown, how the rate is held, and what is said when it cannot be.

Real drivers are in tests/vm/guest/test_virtual_camera.py.
"""

from __future__ import annotations

import errno
import gc
import json
import threading
from dataclasses import replace
from pathlib import Path
from time import monotonic

import pytest

from mscli.cli import main as mscli_main
from mscli.core.errors import NotSupportedError, OperationError
from mscli.core.frames import BT709, JPEG_COLOR, VideoColorSpace, VideoFrame, packed_planes
from mscli.encode.options import SinkOptions, TrackFormat
from mscli.sinks import DEVICES, address_row, load_sink, sink_row
from mscli.sinks.base import Sink
from mscli.v4l2 import abi
from tests.sinks.outputs import PATIENCE_S, OutputDriver
from tests.sinks.synth import BLUE, GREEN, RED, T0, picture

(CAMERA,) = DEVICES
SLOW = 0.1  # frames per second: no frame is late in a test


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OutputDriver:
    return OutputDriver(tmp_path / "video9", monkeypatch)


def opened(driver: OutputDriver, form: str = "", *, rate: float = SLOW, paced: bool = False, own: str = "I420") -> Sink:
    sink = load_sink(CAMERA, driver.address, SinkOptions(format=form))
    sink.open([TrackFormat("video", {"width": 64, "height": 48, "frameRate": rate}, own, paced=paced)])
    return sink


def packed(frame: VideoFrame) -> bytes:
    return b"".join(packed_planes(frame))


def shown(driver: OutputDriver, frame: VideoFrame, form: str = "", own: str = "I420") -> bytes:
    """What a camera shows of one frame."""
    sink = opened(driver, form, own=own)
    sink.write(0, frame)
    sink.close()
    return driver.shown[0]


@pytest.mark.parametrize("own", ["I420", "YUYV"])
def test_a_frame_is_shown_in_its_own_format_bit_by_bit(driver: OutputDriver, own: str) -> None:
    frame = picture(own, padding=16)
    assert shown(driver, frame, own=own) == packed(frame)
    assert abi.fourcc_text(driver.pix.pixelformat) == {"I420": "YU12", "YUYV": "YUYV"}[own]
    assert (driver.pix.width, driver.pix.height) == (64, 48)


def test_a_format_that_few_programs_read_is_converted(driver: OutputDriver) -> None:
    frame = replace(picture("RGB24"), color_space=JPEG_COLOR)  # RGB has the full range, and what it becomes has not
    assert shown(driver, frame, own="RGB24") == packed(picture("I420"))
    assert driver.pix.quantization == abi.QUANTIZATION_LIMITED


def test_a_device_that_takes_no_other_shows_any_format(driver: OutputDriver) -> None:
    driver.formats = ("RGB3",)
    assert [*shown(driver, picture("I420"))[:3]] == pytest.approx(RED, abs=2)


def test_the_format_that_was_asked_for_is_shown(driver: OutputDriver) -> None:
    assert [*shown(driver, picture("I420"), "RGB24")[:3]] == pytest.approx(RED, abs=2)


def test_the_rows_of_the_device_may_be_longer(driver: OutputDriver) -> None:
    driver.stride = 80
    got = shown(driver, picture("I420"))
    y = [got[row * 80 : row * 80 + 64] for row in range(48)]
    u = [got[80 * 48 + row * 40 : 80 * 48 + row * 40 + 32] for row in range(24)]
    assert b"".join([*y, *u]) == packed(picture("I420"))[: 64 * 48 + 32 * 24]


def test_an_odd_column_and_row_are_left_out(driver: OutputDriver) -> None:
    grey = VideoFrame("GREY", 5, 3, T0, (memoryview(bytes(range(0, 150, 10))),), (5,))
    sink = load_sink(CAMERA, driver.address, SinkOptions())
    sink.open([TrackFormat("video", {"width": 5, "height": 3, "frameRate": SLOW}, "GREY")])
    sink.write(0, grey)
    sink.close()
    assert (driver.pix.width, driver.pix.height) == (4, 2)
    assert [*driver.shown[0][:8]] == [round(16 + value * 219 / 255) for value in (0, 10, 20, 30, 50, 60, 70, 80)]


def test_another_size_is_scaled(driver: OutputDriver) -> None:
    driver.size = 32, 24
    assert shown(driver, picture("I420")) == packed(picture("I420", 32, 24))


@pytest.mark.parametrize(("color", "asked"), [(BT709, (3, 2, 2)), (JPEG_COLOR, (8, 1, 1))])
def test_the_colour_of_the_frames_is_announced(driver: OutputDriver, color: VideoColorSpace, asked: tuple[int, ...]) -> None:
    frame = replace(picture("I420"), color_space=color)
    assert shown(driver, frame) == packed(frame)
    assert (driver.pix.colorspace, driver.pix.ycbcr_enc, driver.pix.quantization) == asked


# The rate


def test_the_last_picture_is_shown_again_while_there_is_no_other(driver: OutputDriver) -> None:
    sink = opened(driver, rate=100)
    sink.write(0, picture(rgb=RED))
    driver.wait(lambda: len(driver.shown) >= 5)
    sink.write(0, picture(rgb=BLUE))
    driver.wait(lambda: driver.shown[-3:] == [packed(picture(rgb=BLUE))] * 3)
    sink.close()
    assert set(driver.shown) == {packed(picture(rgb=RED)), packed(picture(rgb=BLUE))}
    assert driver.parm == (1, 100)
    assert sink.bytes_written == 2 * len(driver.shown[0])
    assert not driver.streams


def test_nothing_is_shown_again_faster_than_the_track(driver: OutputDriver) -> None:
    driver.interval = 1, 1000
    sink = opened(driver)
    sink.write(0, picture())
    sink.close()
    assert len(driver.shown) == 1


def test_a_device_that_is_slower_than_the_track_says_so(driver: OutputDriver) -> None:
    driver.interval = 1, 25
    notes: list[str] = []
    sink = load_sink(CAMERA, driver.address, SinkOptions(on_note=notes.append))
    sink.open([TrackFormat("video", {"frameRate": 60})])
    sink.write(0, picture())
    sink.close()
    assert notes == [f"“{driver.address}” shows 25 frames per second; the others are left out"]


def test_a_source_that_waits_for_its_readers_is_held_to_its_times(driver: OutputDriver) -> None:
    sink = opened(driver, paced=True)
    began = monotonic()
    for number in range(4):
        sink.write(0, picture(at_us=number * 50_000))
    assert monotonic() - began >= 0.15
    sink.close()
    assert len(driver.shown) == 4


def test_a_gap_in_the_times_of_such_a_source_is_cut_short(driver: OutputDriver) -> None:
    sink = opened(driver, paced=True)
    sink.write(0, picture(at_us=0))
    sink.write(0, picture(at_us=3600 * 1_000_000))  # does not wait for an hour
    sink.close()


def test_a_frame_that_the_driver_has_no_room_for_is_left_out_and_counted(driver: OutputDriver) -> None:
    driver.holds = True
    sink = opened(driver)
    for rgb in (RED, GREEN, BLUE, RED, GREEN):
        sink.write(0, picture(rgb=rgb))
    assert sink.corrections(0) == {"behind": 2}
    driver.release()
    sink.write(0, picture(rgb=BLUE))
    sink.close()
    assert len(driver.shown) == 4
    assert sink.corrections(0) == {"behind": 2}


# The end, and failures


def test_without_a_frame_nothing_is_shown(driver: OutputDriver) -> None:
    sink = opened(driver)
    sink.close()
    sink.abort()
    assert (driver.shown, sink.bytes_written, sink.files) == ([], 0, [])


def test_a_device_that_goes_is_said_in_a_sentence(driver: OutputDriver) -> None:
    sink = opened(driver)
    sink.write(0, picture())
    driver.fail(errno.ENODEV)
    with pytest.raises(OperationError, match=r"“Fake output” \(.*\) is gone"):
        sink.write(0, picture())
    sink.abort()


def test_a_device_that_goes_meanwhile_is_noticed_by_the_next_frame(driver: OutputDriver) -> None:
    sink = opened(driver, rate=100)
    sink.write(0, picture())
    driver.errors[abi.DQBUF] = errno.EIO
    for thread in threading.enumerate():
        if thread.name == "mscli-camera":
            thread.join(PATIENCE_S)
    with pytest.raises(OperationError, match="cannot show pictures: Input/output error"):
        sink.write(0, picture())
    sink.abort()


def test_only_one_program_shows_pictures(driver: OutputDriver) -> None:
    sink = opened(driver)
    with pytest.raises(OperationError, match="in use by this program"):
        opened(driver)
    sink.close()
    opened(driver).close()


@pytest.mark.parametrize(
    ("caps", "why"),
    [
        (abi.CAP_CAPTURE, "is a camera, not a virtual camera"),
        (abi.CAP_OUTPUT_MPLANE, "takes its pictures in several buffers"),
        (0, "takes no pictures"),
    ],
)
def test_what_takes_no_pictures_is_refused(driver: OutputDriver, caps: int, why: str) -> None:
    driver.caps = caps
    with pytest.raises(OperationError, match=why) as caught:
        opened(driver)
    assert any("v4l2loopback" in hint for hint in caught.value.hints)


def test_a_format_that_the_device_does_not_take_is_refused_with_those_that_it_takes(driver: OutputDriver) -> None:
    with pytest.raises(NotSupportedError, match="takes no NV12 pictures") as caught:
        opened(driver, "NV12")
    assert caught.value.hints == ("it takes RGB24, YUYV and I420",)


def test_without_such_a_device_the_package_is_named() -> None:
    sink = load_sink(CAMERA, "v4l2:/dev/video77", SinkOptions())
    with pytest.raises(OperationError, match="there is no virtual camera /dev/video77") as caught:
        sink.open([TrackFormat("video")])
    assert "package v4l2loopback-dkms" in caught.value.hints[0]
    assert "modprobe v4l2loopback video_nr=77 " in caught.value.hints[1]


@pytest.mark.parametrize(("path", "why"), [("/dev/null", "is not a video device"), ("/dev", "Is a directory")])
def test_another_file_is_refused(path: str, why: str) -> None:
    sink = load_sink(CAMERA, f"v4l2:{path}", SinkOptions())
    with pytest.raises(OperationError, match=why):
        sink.open([TrackFormat("video")])


def test_an_address_without_a_device_is_refused() -> None:
    with pytest.raises(NotSupportedError, match="v4l2: names no device"):
        load_sink(CAMERA, "v4l2:", SinkOptions())


@pytest.mark.parametrize("form", ["y4m", "mjpeg", "native"])
def test_only_pictures_are_shown(form: str) -> None:
    with pytest.raises(NotSupportedError, match=f"a virtual camera shows pictures, not {form}"):
        load_sink(CAMERA, "v4l2:/dev/video77", SinkOptions(format=form))


def test_the_address_has_a_row() -> None:
    assert address_row("v4l2:/dev/video9") is CAMERA
    assert sink_row("v4l2:/dev/video9", "audio", "video") is CAMERA
    with pytest.raises(NotSupportedError, match="cannot write pictures to v4l2: addresses"):
        sink_row("v4l2:/dev/video9", "still")


def test_a_recording_is_shown_too(driver: OutputDriver, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    options = ["--fake-devices", "--no-audio", "--size", "64x48", "--frame-rate", "10", "--frames", "3", "--json"]
    try:
        assert mscli_main.run(["record", *options, str(tmp_path / "talk.mkv"), driver.address]) == 0
    finally:
        gc.unfreeze()  # the program has frozen what there was
    outputs = json.loads(capfd.readouterr().out)["outputs"]
    assert [(one["name"], one["tracks"][0]["frames"]) for one in outputs] == [
        (str(tmp_path / "talk.mkv"), 3),
        (driver.address, 3),
    ]
    assert len(driver.shown) >= 3
