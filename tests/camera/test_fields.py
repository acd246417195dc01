"""Interlaced pictures: what the driver says of their fields is in y4m and in containers, unless they are made whole."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from tests.camera.driver import Camera, Shot
from tests.camera.rig import cameras

PROGRESSIVE, INTERLACED, TOP_BOTTOM, BOTTOM_TOP = 1, 4, 8, 9  # V4L2_FIELD_…


@pytest.mark.parametrize(
    ("field", "height", "letter", "order"),
    [
        (PROGRESSIVE, 32, b"Ip", 1),
        (INTERLACED, 576, b"It", 2),
        (INTERLACED, 480, b"Ib", 3),
        (TOP_BOTTOM, 32, b"It", 2),
        (BOTTOM_TOP, 32, b"Ib", 3),
    ],
)
def test_interlaced_pictures_are_called_so(field: int, height: int, letter: bytes, order: int, tmp_path: Path) -> None:
    shots = [Shot(bytes([128]) * (64 * height * 2), 0.005, field=field)] * 60
    with cameras(tmp_path, Camera(shots, "YUYV", 64, height, said={"field": field}, patient=True)) as machine:
        done = machine.each(
            [
                ["capture", "--frames", "1", "--format", "y4m", "-o", "a.y4m"],
                ["record", "--no-audio", "--frames", "3", "a.mkv"],
            ]
        )
    assert [one.stderr for one in done if one.returncode] == []
    assert letter in (tmp_path / "a.y4m").read_bytes().split(b"\n")[0].split()
    with av.open(str(tmp_path / "a.mkv")) as container:
        assert container.streams.video[0].codec_context.field_order == order


def test_interlaced_pictures_are_made_whole_on_request(tmp_path: Path) -> None:
    comb = (bytes([200, 128]) * 64 + bytes([20, 128]) * 64) * 16  # one field is light and one is dark
    shots = [Shot(comb, 0.005, field=TOP_BOTTOM)] * 300
    with cameras(tmp_path, Camera(shots, "YUYV", 64, 32, said={"field": TOP_BOTTOM}, patient=True)) as machine:
        done = machine.each(
            [
                ["capture", "--deinterlace", "--frames", "3", "--format", "y4m", "-o", "a.y4m"],
                ["record", "--deinterlace", "--no-audio", "--frames", "3", "a.mkv"],
                ["snapshot", "--deinterlace", "a.png"],
            ]
        )
    assert [one.stderr for one in done if one.returncode] == []
    with av.open(str(tmp_path / "a.mkv"), "r") as container:
        assert container.streams.video[0].codec_context.field_order == 1
    for name, count in (("a.y4m", 3), ("a.mkv", 3), ("a.png", 1)):
        with av.open(str(tmp_path / name), "r") as container:
            pictures = [picture.to_ndarray(format="gray") for picture in container.decode(video=0)]
        assert len(pictures) == count
        dark, light = int(pictures[0][8:24].min()), int(pictures[0][8:24].max())
        assert light - dark < 10, name  # only the second one knows that nothing moves
    assert b"Ip" in (tmp_path / "a.y4m").read_bytes().split(b"\n")[0].split()
