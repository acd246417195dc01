"""Cameras that encode, each with a habit or a fault of its own: what is used, and what counts as damaged, decoded or copied."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
import pytest

from mscli.v4l2 import abi
from tests.camera.driver import Camera, Shot
from tests.camera.rig import cameras
from tests.camera.test_reordered import KEY_EVERY, stream

SIZE = (64, 48)
FRAMES = 24  # of a recording; 40 pictures come, of which every 20th is a key frame
PARTS = 4  # of the cameras
START = b"\0\0\0\1"
FILLER, DELIMITER, MESSAGE = (
    START + b"\x0c" + b"\xff" * 9 + b"\x80",
    START + b"\x09\xf0",
    START + b"\x06\x05\x11" + bytes(range(1, 18)) + b"\x80",
)
H265_DELIMITER, H265_MESSAGE = START + b"\x46\x01\x50", START + b"\x50\x01\x05\x11" + bytes(range(1, 18)) + b"\x80"
BAD_MESSAGE = START + b"\x06\x05\x01\x00\x80"
ERROR = abi.FLAG_TIMESTAMP_MONOTONIC | abi.FLAG_ERROR
IN_ORDER = {"H264": "bframes=0", "HEVC": "bframes=0", "VP80": "", "VP90": ""}
WITH_B = {"H264": "bframes=2:b-pyramid=none", "HEVC": "bframes=2:b-pyramid=0:open-gop=0"}


@cache
def chunks(fourcc: str, parameters: str | None = None) -> list[bytes]:
    """The chunks of a camera in the order in which they come."""
    if fourcc in ("H264", "HEVC"):
        made = stream(parameters or IN_ORDER[fourcc], {"H264": "libx264", "HEVC": "libx265"}[fourcc])
        return [data for data, _ in made]
    context = av.CodecContext.create({"VP80": "libvpx", "VP90": "libvpx-vp9"}[fourcc], "w")
    assert isinstance(context, av.VideoCodecContext)
    (context.width, context.height), context.pix_fmt, context.gop_size = SIZE, "yuv420p", KEY_EVERY
    context.options = {"deadline": "realtime", "lag-in-frames": "0"}
    packets = []
    for number in range(60):
        frame = av.VideoFrame.from_ndarray(np.full((SIZE[1] * 3 // 2, SIZE[0]), number * 4, np.uint8), "yuv420p")
        frame.pts = number
        packets += context.encode(frame)
    return [bytes(packet) for packet in packets + context.encode(None)]


def jpeg(gray: bool = False, *flags: int) -> bytes:
    """A JPEG of noise."""
    shape = (SIZE[1], SIZE[0]) if gray else (SIZE[1], SIZE[0], 3)
    done, data = cv2.imencode(".jpg", np.random.default_rng(1).integers(0, 255, shape, np.uint8), flags)
    assert done
    return bytes(data)


class Row(NamedTuple):
    """A camera. ``copied``, ``decoded``: how many of its pictures are damaged in a recording of FRAMES."""

    name: str
    fourcc: str
    shots: Callable[[], Sequence[Shot]]
    copied: int = 0
    decoded: int | None = -1  # -1: as many; None: more, as FFmpeg misses the numbers that a key frame sets


def each(fourcc: str, change: Callable[[int, bytes], bytes | Sequence[bytes]], parameters: str | None = None) -> list[Shot]:
    """A camera's pictures, each changed so, or in several buffers."""
    shots = []
    for number, data in enumerate(chunks(fourcc, parameters)):
        changed = change(number, data)
        shots += [Shot(part, 0.004) for part in ([changed] if isinstance(changed, bytes) else changed)]
    return shots


def without(fourcc: str, *lost: int, parameters: str | None = None) -> list[Shot]:
    """A camera that loses these pictures, which its driver numbers."""
    found = enumerate(chunks(fourcc, parameters))
    return [Shot(data, 0.004, sequence=number) for number, data in found if number not in lost]


def at(number: int, fourcc: str, **how: int) -> list[Shot]:
    """A camera whose driver says that of one picture."""
    return [Shot(data, 0.004, **(how if n == number else {})) for n, data in enumerate(chunks(fourcc))]  # type: ignore[arg-type]


def images(*made: bytes) -> list[Shot]:
    """JPEGs in turn."""
    return [Shot(data, 0.004) for _ in range(60) for data in made]


def short_codes(_: int, data: bytes) -> bytes:
    """The chunk with start codes of three bytes only."""
    return data.replace(START, START[1:])


def b_pictures(fourcc: str) -> int:
    """A picture in the first half on which no other depends."""
    return {"H264": 3, "HEVC": 3}[fourcc]


ROWS = (
    *(Row(f"{name}: {what}", fourcc, lambda f=fourcc, c=change: each(f, c))  # type: ignore[misc]
      for name, fourcc, delimiter, message in (
          ("H.264", "H264", DELIMITER, MESSAGE), ("HEVC", "HEVC", H265_DELIMITER, H265_MESSAGE))
      for what, change in (
          ("a delimiter before each", lambda _, data, d=delimiter: d + data),
          ("a delimiter in a buffer of its own", lambda _, data, d=delimiter: [d, data]),
          ("bytes of 0 behind each", lambda _, data: data + bytes(100)),
          ("short start codes", short_codes),
          ("a message behind each", lambda _, data, m=message: data + m),
      )),
    Row("H.264: a message behind each that cannot be read", "H264", lambda: each("H264", lambda _, data: data + BAD_MESSAGE)),
    Row("H.264: a message before each that cannot be read", "H264", lambda: each("H264", lambda _, data: BAD_MESSAGE + data)),
    Row("H.264: filler behind each", "H264", lambda: each("H264", lambda _, data: data + FILLER)),
    *(Row(f"{fourcc}: one lost", fourcc, lambda f=fourcc: without(f, 5), KEY_EVERY - 6)  # type: ignore[misc]
      for fourcc in IN_ORDER),
    *(Row(f"{fourcc}: two lost of one group", fourcc, lambda f=fourcc: without(f, 5, 9), KEY_EVERY - 7)  # type: ignore[misc]
      for fourcc in IN_ORDER),
    *(Row(f"{fourcc}: the last before a key frame lost", fourcc, lambda f=fourcc: without(f, KEY_EVERY - 1))  # type: ignore[misc]
      for fourcc in IN_ORDER),
    *(Row(f"{fourcc}: the second key frame lost", fourcc, lambda f=fourcc: without(f, KEY_EVERY), FRAMES - KEY_EVERY,  # type: ignore[misc]
          None if fourcc == "H264" else -1) for fourcc in IN_ORDER),
    *(Row(f"{fourcc}: one marked as an error", fourcc, lambda f=fourcc: at(5, f, flags=ERROR), KEY_EVERY - 6)  # type: ignore[misc]
      for fourcc in IN_ORDER),
    *(Row(f"{fourcc}: one that cannot be handed over", fourcc, lambda f=fourcc: at(5, f, error=errno.EIO),  # type: ignore[misc]
          KEY_EVERY - 6) for fourcc in IN_ORDER),
    *(Row(f"{fourcc}: a picture lost on which none depends", fourcc,
          lambda f=fourcc: without(f, b_pictures(f), parameters=WITH_B[f]))  # type: ignore[misc]
      for fourcc in WITH_B),
    *(Row(f"{fourcc}: junk in place of one", fourcc,
          lambda f=fourcc: each(f, lambda n, data: bytes(range(1, 60)) if n == 5 else data), KEY_EVERY - 5)  # type: ignore[misc]
      for fourcc in ("H264", "HEVC")),
    *(Row(f"{fourcc}: an empty buffer between", fourcc,
          lambda f=fourcc: each(f, lambda n, data: [b"", data] if n == 5 else data))  # type: ignore[misc]
      for fourcc in ("H264", "HEVC")),
    Row("JPEG: a comment", "MJPG", lambda: images(jpeg()[:2] + b"\xff\xfe\0\x05abc" + jpeg()[2:])),
    Row("JPEG: fill bytes before a segment", "MJPG", lambda: images(jpeg()[:2] + b"\xff\xff" + jpeg()[2:])),
    Row("JPEG: a thumbnail", "MJPG", lambda: images(jpeg()[:2] + b"\xff\xe1\x08\x02" + jpeg(True)[:2048] + jpeg()[2:])),
    Row("JPEG: two in a buffer", "MJPG", lambda: images(jpeg() + jpeg())),
    Row("JPEG: progressive", "MJPG", lambda: images(jpeg(False, cv2.IMWRITE_JPEG_PROGRESSIVE, 1))),
    Row("JPEG: grey", "MJPG", lambda: images(jpeg(True))),
    Row("JPEG: 4:1:1", "MJPG", lambda: images(jpeg(False, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x411111))),
    Row("JPEG: 4:4:4", "MJPG", lambda: images(jpeg(False, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111))),
    Row("JPEG: restart markers", "MJPG", lambda: images(jpeg(False, cv2.IMWRITE_JPEG_RST_INTERVAL, 1))),
    Row("JPEG: every other without an end", "MJPG", lambda: images(jpeg(), jpeg()[:-2])),
    Row("JPEG: every other lacks a byte", "MJPG", lambda: images(jpeg(), jpeg()[:-5]), FRAMES - 1),
    Row("JPEG: every other lacks its last interval", "MJPG",
        lambda: images(jpeg(False, cv2.IMWRITE_JPEG_RST_INTERVAL, 4), jpeg(False, cv2.IMWRITE_JPEG_RST_INTERVAL, 4)[:-400]),
        FRAMES - 1),
)  # fmt: skip


@pytest.mark.parametrize("part", range(PARTS))
def test_a_camera_of_any_habit_is_used_and_only_what_is_damaged_counts(part: int, tmp_path: Path) -> None:
    rows = ROWS[part::PARTS]
    described = [Camera([*row.shots()] * 2, row.fourcc, *SIZE, patient=True) for row in rows]
    with cameras(tmp_path, *described) as machine:
        record = ["record", "--no-audio", "--frames", str(FRAMES), "--json"]
        commands = [
            [*record, *how, "--camera", f"/dev/video{number}", f"{number}{name}.mkv"]
            for number in range(len(rows))
            for name, how in (("copied", ["--video-codec", "copy"]), ("decoded", []))
        ]
        done = machine.each(commands, seconds=110)
    assert [one.stderr.decode() for one in done if one.returncode] == []
    tracks = [json.loads(one.stdout.splitlines()[-1])["tracks"][0] for one in done]
    found = {
        row.name: (copied["frames"], copied["damaged"], decoded["frames"], row.decoded and decoded["damaged"])
        for row, copied, decoded in zip(rows, tracks[::2], tracks[1::2], strict=True)
    }
    meant = {row.name: (FRAMES, row.copied, FRAMES, row.copied if row.decoded == -1 else row.decoded) for row in rows}
    wrong = {name: (found[name], meant[name]) for name in meant if found[name] != meant[name]}
    assert not wrong, "found, and meant"
