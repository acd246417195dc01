"""Cameras that encode by themselves: every codec is decoded, from its first key frame on."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from tests.camera.driver import Camera, Shot
from tests.camera.rig import cameras

ENCODERS = {"H264": "libx264", "HEVC": "libx265", "VP80": "libvpx", "VP90": "libvpx-vp9", "MJPG": "mjpeg"}
WIDTH, HEIGHT, PICTURES, KEY_EVERY, MISSED = 64, 48, 40, 10, 3
GREEN = (0, 200, 0)


def stream(encoder: str) -> list[bytes]:
    """The chunks of a stream of green pictures, without its first ones."""
    context = av.CodecContext.create(encoder, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, "yuvj420p" if encoder == "mjpeg" else "yuv420p"
    context.framerate, context.gop_size, context.max_b_frames = Fraction(30), KEY_EVERY, 0
    context.options = {
        "libx264": {"tune": "zerolatency", "forced-idr": "1"},
        "libx265": {"tune": "zerolatency", "x265-params": f"keyint={KEY_EVERY}:repeat-headers=1:log-level=none"},
        "libvpx": {"deadline": "realtime", "lag-in-frames": "0"},
        "libvpx-vp9": {"deadline": "realtime", "lag-in-frames": "0"},
    }.get(encoder, {})
    pixels = np.full((HEIGHT, WIDTH, 3), GREEN, np.uint8)
    packets = []
    for number in range(PICTURES):
        frame = av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format=context.pix_fmt)
        frame.pts = number
        packets += context.encode(frame)
    return [bytes(packet) for packet in packets + context.encode(None)][MISSED:]


@pytest.mark.parametrize("fourcc", ENCODERS)
def test_a_camera_that_encodes_is_decoded(fourcc: str, tmp_path: Path) -> None:
    shots = [Shot(data, 0.01) for data in stream(ENCODERS[fourcc])] * 30
    with cameras(tmp_path, Camera(shots, fourcc, WIDTH, HEIGHT, patient=True)) as machine:
        snapped, recorded = machine.each([["snapshot", "a.png"], ["record", "--no-audio", "--frames", "5", "b.mkv"]])
    assert (snapped.returncode, recorded.returncode) == (0, 0), (snapped.stderr, recorded.stderr)
    picture = cv2.imread(str(tmp_path / "a.png"))
    assert picture is not None
    assert np.abs(picture[HEIGHT // 2, WIDTH // 2, ::-1].astype(int) - GREEN).max() < 12
