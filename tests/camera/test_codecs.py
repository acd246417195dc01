"""Cameras that encode by themselves: every codec is decoded, from its first key frame on."""

from __future__ import annotations

import json
from collections.abc import Callable
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


def stream(
    encoder: str, slices: int = 1, key_every: int = KEY_EVERY, missed: int = MISSED, size: tuple[int, int] = (WIDTH, HEIGHT)
) -> list[bytes]:
    """The chunks of a stream of green pictures, without its first ones."""
    context = av.CodecContext.create(encoder, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = *size, "yuvj420p" if encoder == "mjpeg" else "yuv420p"
    context.framerate, context.gop_size, context.max_b_frames = Fraction(30), key_every, 0
    context.options = {
        "libx264": {"tune": "zerolatency", "forced-idr": "1", "x264-params": f"sliced-threads=0:slices={slices}:ctu=16"},
        "libx265": {
            "tune": "zerolatency",
            "x265-params": f"keyint={KEY_EVERY}:repeat-headers=1:log-level=none:slices={slices}",
        },
        "libvpx": {"deadline": "realtime", "lag-in-frames": "0"},
        "libvpx-vp9": {"deadline": "realtime", "lag-in-frames": "0"},
    }.get(encoder, {})
    pixels = np.full((size[1], size[0], 3), GREEN, np.uint8)
    packets = []
    for number in range(PICTURES):
        frame = av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format=context.pix_fmt)
        frame.pts = number
        packets += context.encode(frame)
    return [bytes(packet) for packet in packets + context.encode(None)][missed:]


@pytest.mark.parametrize("fourcc", ENCODERS)
def test_a_camera_that_encodes_is_decoded(fourcc: str, tmp_path: Path) -> None:
    shots = [Shot(data, 0.01) for data in stream(ENCODERS[fourcc])] * 30
    with cameras(tmp_path, Camera(shots, fourcc, WIDTH, HEIGHT, patient=True)) as machine:
        snapped, recorded = machine.each([["snapshot", "a.png"], ["record", "--no-audio", "--frames", "5", "b.mkv"]])
    assert (snapped.returncode, recorded.returncode) == (0, 0), (snapped.stderr, recorded.stderr)
    picture = cv2.imread(str(tmp_path / "a.png"))
    assert picture is not None
    assert np.abs(picture[HEIGHT // 2, WIDTH // 2, ::-1].astype(int) - GREEN).max() < 12


def test_one_key_frame_is_enough_for_the_whole_of_a_shot(tmp_path: Path) -> None:
    shots = [Shot(data) for data in stream("libx264", key_every=1000, missed=0)]
    with cameras(tmp_path, Camera(shots, "H264", WIDTH, HEIGHT, patient=True)) as machine:
        commands = [["a.png"], ["--burst", "3", "b.png"], ["--count", "3", "--interval", "0.1", "c.png"]]
        done = machine.each([["snapshot", "--json", "--strict", "--settle", "off", *command] for command in commands])
    for one, count in zip(done, (1, 3, 3), strict=True):
        assert one.returncode == 0, one.stderr.decode()
        (track,) = json.loads(one.stdout)["tracks"]
        assert (track["frames"], track["lost"], track["damaged"]) == (count, 0, 0)


def in_buffers(chunk: bytes, slices: range, shift: int) -> list[bytes]:
    """The chunk as a camera gives it that puts each slice into a buffer of its own, the first with what comes before it."""
    units = [b"\0\0\0\1" + unit.rstrip(b"\0") for unit in chunk.split(b"\0\0\1")[1:]]
    first = next(at for at, unit in enumerate(units) if (unit[4] >> shift) & (31 | shift << 5) in slices)
    return [b"".join(units[: first + 1]), *units[first + 1 :]]


SLICED = [("H264", 1), ("H264", 2), ("H264", 3), ("HEVC", 1), ("HEVC", 2)]


@pytest.mark.parametrize(("fourcc", "slices"), SLICED)
def test_slices_in_buffers_of_their_own_are_joined_to_pictures(fourcc: str, slices: int, tmp_path: Path) -> None:
    kinds = range(1, 6) if fourcc == "H264" else range(32)
    buffers = [in_buffers(chunk, kinds, int(fourcc == "HEVC")) for chunk in stream(ENCODERS[fourcc], slices)]
    assert {len(parts) for parts in buffers} == {slices}
    shots = [Shot(part, 0.03 / slices) for parts in buffers for part in parts]
    with cameras(tmp_path, Camera(shots, fourcc, WIDTH, HEIGHT, patient=True)) as machine:
        commands = [
            ["capture", "--frames", "20", "--json", "--format", "native", "-o", "a.raw"],
            ["record", "--no-audio", "--frames", "20", "--json", "--video-codec", "copy", "a.mkv"],
            ["record", "--no-audio", "--frames", "20", "--json", "b.mkv"],
        ]
        done = machine.each(commands if fourcc == "H264" else commands[:2])  # FFmpeg does not decode what x265 makes
    tracks = [json.loads(one.stdout)["tracks"][0] for one in done]
    assert [(track["frames"], track["damaged"]) for track in tracks] == [(20, 0)] * len(done)
    begin = KEY_EVERY - MISSED
    assert (tmp_path / "a.raw").read_bytes() == b"".join(b"".join(parts) for parts in buffers[begin : begin + 20])
    with av.open(str(tmp_path / "a.mkv")) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    times = [packet.pts for packet in packets]
    assert (len(times), times) == (20, sorted(set(times), key=lambda pts: pts or 0))
    if fourcc == "H264":
        for name in ("a.mkv", "b.mkv"):
            with av.open(str(tmp_path / name)) as container:
                shown = [picture.to_ndarray(format="rgb24") for picture in container.decode(video=0)]
            assert len(shown) == 20
            assert all(np.abs(pixels.astype(int) - GREEN).max() < 12 for pixels in shown)


@pytest.mark.parametrize("fourcc", ["H264", "HEVC", "VP80", "VP90"])
def test_pictures_that_depend_on_a_lost_one_are_damaged_decoded_or_not(fourcc: str, tmp_path: Path) -> None:
    chunks = stream(ENCODERS[fourcc])
    begin = KEY_EVERY - MISSED  # the first key frame
    shots = [Shot(data, 0.01, sequence=at) for at, data in enumerate(chunks) if at != begin + 4]
    with cameras(tmp_path, Camera(shots, fourcc, WIDTH, HEIGHT, patient=True)) as machine:
        frames = ["--frames", "12", "--json"]
        done = machine.each(
            [
                ["record", "--no-audio", *frames, "a.mkv"],
                ["record", "--no-audio", *frames, "--video-codec", "copy", "b.mkv"],
                ["capture", *frames, "--format", "native", "-o", "c.raw"],
            ]
        )
    tracks = [json.loads(one.stdout)["tracks"][0] for one in done]
    after = KEY_EVERY - 5
    assert [track["damaged"] for track in tracks] == [after] * 3
    assert [track["frames"] for track in tracks] == [12] * 3
    if fourcc != "HEVC":
        assert b"are damaged; the last one depends on a frame that was lost" in done[0].stderr
    assert all(b"are damaged; the last one depends on a frame that was lost" in one.stderr for one in done[1:])


@pytest.mark.parametrize("sequence", [lambda _: 0, lambda n: 1_000_000 - n, lambda n: n + 200_000 * (n // 5)])
def test_numbers_that_mean_nothing_tear_no_picture(sequence: Callable[[int], int], tmp_path: Path) -> None:
    shots = [Shot(data, 0.01, sequence=sequence(at)) for at, data in enumerate(stream(ENCODERS["VP80"]))]
    with cameras(tmp_path, Camera(shots, "VP80", WIDTH, HEIGHT, patient=True)) as machine:
        record = ["record", "--no-audio", "--frames", "12", "--json"]
        done = machine.each([[*record, "a.mkv"], [*record, "--video-codec", "copy", "b.mkv"]])
    assert [json.loads(one.stdout)["tracks"][0]["damaged"] for one in done] == [0, 0]
