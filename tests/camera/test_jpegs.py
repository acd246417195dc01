"""JPEGs without an end marker: they are used if their data is complete, and refused if it is cut off."""

from __future__ import annotations

import json
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
