"""JPEGs without an end marker: they are used if their data is complete, and refused if it is cut off."""

from __future__ import annotations

import json
import re
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from tests.camera.driver import Camera, Shot
from tests.camera.rig import cameras

SIZE = (160, 120)
END = b"\xff\xd9"
PIXELS = np.random.default_rng(1).integers(0, 255, (SIZE[1], SIZE[0], 3), np.uint8)


def jpeg(interval: int = 0) -> bytes:
    """A JPEG of noise, with a restart marker after so many blocks."""
    done, data = cv2.imencode(".jpg", PIXELS, [cv2.IMWRITE_JPEG_RST_INTERVAL, interval])
    assert done
    return bytes(data)


def camera(*buffers: bytes) -> Camera:
    """A camera that gives these buffers over and over."""
    return Camera([Shot(data, 0.01) for data in buffers * 60], "MJPG", *SIZE, patient=True)


def packets_in(path: Path) -> list[bytes]:
    """The packets of the picture in a file."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


@pytest.mark.parametrize("interval", [0, 4])
@pytest.mark.parametrize("padding", [0, 1, 100])
def test_complete_jpegs_without_an_end_are_used_and_get_one(interval: int, padding: int, tmp_path: Path) -> None:
    whole = jpeg(interval)
    with cameras(tmp_path, camera(whole.removesuffix(END) + bytes(padding))) as machine:
        done = machine.each(
            [
                ["snapshot", "--settle", "off", "--strict", "--no-metadata", "a.jpg"],
                ["snapshot", "--settle", "off", "--strict", "b.png"],
                ["record", "--no-audio", "--frames", "5", "--json", "--video-codec", "copy", "c.mkv"],
                ["record", "--no-audio", "--frames", "5", "--json", "d.mkv"],
                ["capture", "--frames", "5", "--json", "--format", "native", "-o", "e.mjpeg"],
            ]
        )
    assert [one.stderr for one in done if one.returncode] == []
    assert (tmp_path / "a.jpg").read_bytes() == whole
    assert packets_in(tmp_path / "c.mkv") == [whole] * 5
    assert (tmp_path / "e.mjpeg").read_bytes() == whole * 5
    shown, meant = cv2.imread(str(tmp_path / "b.png")), cv2.imdecode(np.frombuffer(whole, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert np.abs(shown.astype(int) - meant).mean() < 3
    tracks = [json.loads(one.stdout)["tracks"][0] for one in done[2:]]
    assert [(track["frames"], track["damaged"]) for track in tracks] == [(5, 0)] * 3


@pytest.mark.parametrize("missing", [3, 20, 2000])
@pytest.mark.parametrize("padding", [0, 100])
def test_jpegs_that_are_cut_off_are_damaged_however_little_is_missing(missing: int, padding: int, tmp_path: Path) -> None:
    whole = jpeg()
    data = whole.removesuffix(END)
    with cameras(tmp_path, camera(data, data[:-missing] + bytes(padding))) as machine:
        done = machine.each(
            [
                ["record", "--no-audio", "--frames", "10", "--json", "--video-codec", "copy", "a.mkv"],
                ["record", "--no-audio", "--frames", "10", "--json", "b.mkv"],
            ]
        )
    tracks = [json.loads(one.stdout)["tracks"][0] for one in done]
    assert [(track["frames"], track["damaged"]) for track in tracks] == [(10, 9)] * 2
    assert packets_in(tmp_path / "a.mkv") == [whole] * 10


HEADER = re.compile(rb"\xff\xc0.{3}", re.DOTALL)  # of a baseline JPEG, up to its height


def of_wrong_sizes(count: int) -> list[bytes]:
    """JPEGs in whose headers a bit of the size is wrong, of each image another."""
    whole, images = jpeg(), []
    found = HEADER.search(whole)
    assert found is not None
    for number in range(count):
        data, bit = bytearray(whole), number * 7 % 32
        data[found.end() + bit // 8] ^= 1 << bit % 8
        images.append(bytes(data))
    return images


@pytest.mark.parametrize("size", [[], ["--size", "exact:160x120"]])
def test_no_size_in_a_damaged_header_is_believed(size: list[str], tmp_path: Path) -> None:
    rows = [of_wrong_sizes(32), [image[:-9] for image in of_wrong_sizes(32)], [image[:40] for image in of_wrong_sizes(32)]]
    with cameras(tmp_path, *(camera(*images) for images in rows)) as machine:
        record = ["record", "--no-audio", "--duration", "1", "--timeout", "1", "--video-codec", "copy", *size]
        done = machine.each([[*record, "--camera", f"/dev/video{at}", f"{at}.mkv"] for at in range(len(rows))])
    for one in done:
        said = re.search(rb"none of the (\d+) frames from .* could be used", one.stderr)
        assert (one.returncode, said is not None) == (5, True), one.stderr.decode()
    assert not list(tmp_path.glob("*.mkv"))
