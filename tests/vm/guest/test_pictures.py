"""Saved pictures of the kernel's own drivers: right colours whatever the driver says of them, and series with controls."""

from __future__ import annotations

import re
from pathlib import Path

import av

from mscli.encode.options import SinkOptions, TrackFormat
from mscli.sinks import SINKS, load_sink
from mscli.sources.base import Device
from tests.conftest import Program
from tests.vm.guest.conftest import Receiver, control, open_camera, run, streaming

RGB = tuple[float, ...]

FULL, LIMITED = 1, 2
SRGB = 2  # in the driver's menu of colour spaces
CONSTANT_LUMINANCE = 7  # of BT.2020, which no converter here knows
TOLERANCE = 6  # for 8 bits in YUV, and back


def menu(path: str, name: str) -> list[int]:
    """The items of a driver's menu, as v4l2-ctl lists them."""
    printed = run("v4l2-ctl", "-d", path, "-L")
    items = re.search(rf"^ *{name} 0x\w+ \(menu\).*\n((?:\s+\d+: .*\n)+)", printed, re.MULTILINE)
    assert items is not None, printed
    return [int(number) for number in re.findall(r"^\s+(\d+): ", items[1], re.MULTILINE)]


def bars(device: Device, pixel_format: str, folder: Path) -> list[RGB]:
    """The colours of the eight bars in a saved picture."""
    source = open_camera(device, pixel_format, rate=5)
    with streaming(source, Receiver()) as receiver:
        receiver.wait(1)
    sink = load_sink(SINKS["png"], str(folder / "x.png"), SinkOptions(metadata=False))
    sink.open([TrackFormat("video", source.settings, pixel_format)])
    sink.write(0, receiver.frames[0])
    sink.close()
    with av.open(folder / "x.png", "r") as file:
        pixels = next(file.decode(video=0)).to_ndarray(format="rgb24")
    height, width = pixels.shape[:2]
    return [tuple(map(float, pixels[height // 2, (2 * number + 1) * width // 16])) for number in range(8)]


def distance(one: list[RGB], other: list[RGB]) -> float:
    return max(abs(a - b) for left, right in zip(one, other, strict=True) for a, b in zip(left, right, strict=True))


def test_the_bars_are_right_in_every_colour_space_encoding_and_range(webcam: Device, tmp_path: Path) -> None:
    """The driver makes the same colours as RGB, and as YUV in any way that it offers."""
    path = str(webcam.path)
    spaces, encodings, ranges = (menu(path, name) for name in ("colorspace", "y_cbcr_encoding", "quantization"))
    assert (len(spaces) > 5, len(encodings) > 5, ranges) == (True, True, [0, FULL, LIMITED])
    ways = [("YUYV", space, 0, one) for space in spaces for one in ranges]
    ways += [("YUYV", SRGB, one, full) for one in encodings if one not in (0, CONSTANT_LUMINANCE) for full in (FULL, LIMITED)]
    ways += [("RGB24", SRGB, 0, one) for one in ranges]
    expected: dict[int, list[RGB]] = {}
    wrong = []
    for pixel_format, space, encoding, quantization in ways:
        if space not in expected:
            control(path, colorspace=space, y_cbcr_encoding=0, quantization=FULL)
            expected[space] = bars(webcam, "RGB24", tmp_path)
        control(path, colorspace=space, y_cbcr_encoding=encoding, quantization=quantization)
        found = bars(webcam, pixel_format, tmp_path)
        if distance(found, expected[space]) > TOLERANCE:
            wrong.append((pixel_format, space, encoding, quantization, found, expected[space]))
    control(path, colorspace=SRGB, y_cbcr_encoding=0, quantization=0)
    assert wrong == []


def test_what_a_series_changed_is_put_back_after_a_signal(mscli: Program, webcam: Device) -> None:
    path = str(webcam.path)
    flags = ("--camera", path, "--size", "320x180", "--frame-rate", "5", "--timeout", "60", "--brightness", "90", "--restore")
    with mscli.start("snapshot", *flags, "--interval", "1s", "--latest", "now.png", "x.png") as process:
        while not (mscli.folder / "now.png").exists():
            assert process.poll() is None
        assert run("v4l2-ctl", "-d", path, "-C", "brightness").split() == ["brightness:", "90"]
        process.terminate()
        process.wait(60)
    assert run("v4l2-ctl", "-d", path, "-C", "brightness").split() == ["brightness:", "128"]
