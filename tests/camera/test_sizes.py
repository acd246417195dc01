"""Pictures of another size than the driver says: their own header counts, and the constraints are held to that."""

from __future__ import annotations

import json
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from tests.camera.driver import Camera, Shot
from tests.camera.rig import CameraMachine, cameras
from tests.camera.test_codecs import ENCODERS, stream

PICTURES = 160  # long enough that a still scene is told from a camera that has frozen


def jpeg(width: int, height: int) -> bytes:
    """A grey JPEG of that size."""
    done, data = cv2.imencode(".jpg", np.full((height, width, 3), 128, np.uint8))
    assert done
    return bytes(data)


SMALL, LARGE = jpeg(160, 120), jpeg(320, 240)
OTHER = Camera([Shot(SMALL, 0.01)] * PICTURES, "MJPG", 320, 240, patient=True)
SHRINKING = Camera([Shot(LARGE, 0.01)] * 10 + [Shot(SMALL, 0.01)] * PICTURES, "MJPG", 320, 240, patient=True)
TORN_HEADER = SMALL[: len(SMALL) // 2]  # of another size, and not whole
TORN = Camera([Shot(data, 0.01) for _ in range(PICTURES) for data in (LARGE, TORN_HEADER)], "MJPG", 320, 240, patient=True)


SAID_SMALL = Camera([Shot(LARGE, 0.01)] * PICTURES, "MJPG", 160, 120, patient=True)
GROWING = Camera([Shot(SMALL, 0.01)] * 30 + [Shot(LARGE, 0.01)] * PICTURES, "MJPG", 160, 120, patient=True)


def flipped(data: bytes) -> bytes:
    """A JPEG whose header has another height: one bit of it is wrong."""
    at = data.index(b"\xff\xc0") + 6
    return data[:at] + bytes([data[at] ^ 64]) + data[at + 1 :]


FLIPPED = Camera([Shot(flipped(LARGE) if n % 8 == 5 else LARGE, 0.01) for n in range(120)], "MJPG", 320, 240, patient=True)


def widths_in(path: Path) -> list[int]:
    """The widths that the settings had, from the events in a file."""
    events = [json.loads(line) for line in path.read_text().splitlines()]
    return [event["settings"]["width"] for event in events if event["type"] == "settings"]


def size_in(path: Path) -> tuple[int, int]:
    """The size that a file says."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return stream.width, stream.height


def shaped(machine: CameraMachine, *commands: str) -> list[tuple[int, str]]:
    """The exit codes of commands, and what they said."""
    done = machine.each([command.split() for command in commands])
    return [(one.returncode, one.stderr.decode()) for one in done]


def test_a_jpeg_of_another_size_than_the_mode_has_its_own(tmp_path: Path) -> None:
    with cameras(tmp_path, OTHER) as machine:
        native, copied, encoded, cropped, told = shaped(
            machine,
            "snapshot --no-metadata a.jpg",
            "record --no-audio --frames 5 --video-codec copy b.mkv",
            "record --no-audio --frames 5 c.mkv",
            "snapshot --size exact:100x100 d.png",
            "snapshot --json --events e.events e.png",
        )
    assert [one[0] for one in (native, copied, encoded, cropped, told)] == [0] * 5, (native, copied, encoded, cropped)
    assert (tmp_path / "a.jpg").read_bytes() == SMALL
    assert size_in(tmp_path / "b.mkv") == size_in(tmp_path / "c.mkv") == (160, 120)
    assert size_in(tmp_path / "d.png") == (100, 100)
    assert widths_in(tmp_path / "e.events") == [320, 160]


def test_a_jpeg_larger_than_the_mode_has_its_own_size(tmp_path: Path) -> None:
    with cameras(tmp_path, SAID_SMALL) as machine:
        done = shaped(
            machine,
            "snapshot --no-metadata a.jpg",
            "record --no-audio --frames 5 --video-codec copy b.mkv",
            "record --no-audio --frames 5 c.mkv",
            "record --no-audio --frames 5 --size exact:100x100 d.mkv",
            "capture --format native --frames 5 -o e.mjpeg",
            "record --no-audio --frames 5 --video-codec copy --events f.events --size 160x120 f.mkv",
            "record --no-audio --frames 5 --video-codec copy --size exact:160x120 g.mkv",
        )
    assert [code for code, _ in done] == [0, 0, 0, 0, 0, 0, 6], done
    assert (tmp_path / "a.jpg").read_bytes() == LARGE
    assert [size_in(tmp_path / f"{name}.mkv") for name in "bcdf"] == [(320, 240), (320, 240), (100, 100), (320, 240)]
    assert (tmp_path / "e.mjpeg").read_bytes() == LARGE * 5
    assert widths_in(tmp_path / "f.events") == [160, 320]
    assert "changed to 320×240 at 30 fps, which breaks width = 160 px" in done[-1][1]
    assert not (tmp_path / "g.mkv").exists()


def test_copied_pictures_that_become_larger_are_followed(tmp_path: Path) -> None:
    with cameras(tmp_path, GROWING) as machine:
        copied, exact = shaped(
            machine,
            "record --no-audio --frames 50 --video-codec copy --events a.events a.mkv",
            "record --no-audio --frames 50 --video-codec copy --events b.events --size exact:160x120 b.mkv",
        )
    assert (copied[0], widths_in(tmp_path / "a.events")) == (0, [160, 320]), copied
    assert "changed to 320×240 at 30 fps, which breaks width = 160 px" in exact[1]
    assert widths_in(tmp_path / "b.events") == [160]


def test_one_header_of_another_size_between_two_that_agree_is_damage(tmp_path: Path) -> None:
    with cameras(tmp_path, FLIPPED) as machine:
        done = machine.each(
            [
                ["record", "--no-audio", "--frames", "40", "--json", "--video-codec", "copy", "a.mkv"],
                ["record", "--no-audio", "--frames", "40", "--json", "b.mkv"],
            ]
        )
    for name, one in zip("ab", done, strict=True):
        assert one.returncode == 0, one.stderr.decode()
        (track,) = json.loads(one.stdout)["tracks"]
        assert (track["settings"]["height"], track["frames"], track["damaged"]) == (240, 40, 5), name
        with av.open(str(tmp_path / f"{name}.mkv")) as container:
            assert [(picture.width, picture.height) for picture in container.decode(video=0)] == [(320, 240)] * 40


def test_frames_that_come_before_their_track_has_followed_are_counted(tmp_path: Path) -> None:
    with cameras(tmp_path, OTHER) as machine:
        (done,) = machine.each([["record", "--no-audio", "--frames", "5", "--json", "a.mkv"]])
    (track,) = json.loads(done.stdout)["tracks"]
    assert track["frames"] == 5
    assert track["dropped"] > 0


def test_an_exact_size_that_the_pictures_do_not_have_is_an_error(tmp_path: Path) -> None:
    wanted = "--size exact:320x240 -c resizeMode=exact:none"
    with cameras(tmp_path, OTHER) as machine:
        done = shaped(
            machine,
            f"snapshot {wanted} a.png",
            f"record --no-audio {wanted} --frames 5 b.mkv",
            f"capture {wanted} --frames 5 -o c.raw",
            "snapshot --size exact:300x200 d.png",
        )
    assert [code for code, _ in done] == [6] * 4
    assert all("changed to 160×120" in said for _, said in done)
    assert list(tmp_path.iterdir()) == []


def test_a_size_that_changes_while_it_runs_fires_overconstrained_and_no_picture_is_made_larger(tmp_path: Path) -> None:
    with cameras(tmp_path, SHRINKING) as machine:
        ((code, said),) = shaped(machine, "capture --size exact:320x240 --format GREY --frames 20 -o a.grey")
    pictures = np.frombuffer((tmp_path / "a.grey").read_bytes(), np.uint8).reshape(-1, 320 * 240)
    assert (code, said.count("changed to 160×120 at 30 fps, which breaks width = 320 px")) == (0, 1)
    shown = [int(picture.max()) for picture in pictures]
    whole = shown.count(128)
    assert (shown, 0 < whole <= 10) == ([128] * whole + [0] * (20 - whole), True), "black, in the size that was asked for"


def test_the_header_of_a_torn_jpeg_says_nothing(tmp_path: Path) -> None:
    with cameras(tmp_path, TORN) as machine:
        ((code, said),) = shaped(machine, "record --no-audio --frames 5 a.mkv")
    assert (code, "now:" in said) == (0, False)
    assert size_in(tmp_path / "a.mkv") == (320, 240)


@pytest.mark.parametrize("fourcc", [fourcc for fourcc in ENCODERS if fourcc != "MJPG"])
def test_an_encoded_stream_of_another_size_than_the_mode_has_its_own(fourcc: str, tmp_path: Path) -> None:
    shots = [Shot(data, 0.01) for data in stream(ENCODERS[fourcc]) * 3]  # of 64 × 48 pixels
    with cameras(tmp_path, Camera(shots, fourcc, 320, 240, patient=True)) as machine:
        copied, encoded, told = machine.each(
            [
                ["record", "--no-audio", "--frames", "5", "--video-codec", "copy", "a.mkv"],
                ["record", "--no-audio", "--frames", "5", "b.mkv"],
                ["record", "--no-audio", "--frames", "5", "--json", "--events", "c.events", "c.mkv"],
            ]
        )
    assert [one.stderr for one in (copied, encoded, told) if one.returncode] == []
    assert [size_in(tmp_path / name) for name in ("a.mkv", "b.mkv", "c.mkv")] == [(64, 48)] * 3
    events = [json.loads(line) for line in (tmp_path / "c.events").read_text().splitlines()]
    assert [event["settings"]["width"] for event in events if event["type"] == "settings"] == [320, 64]
    assert json.loads(told.stdout)["tracks"][0]["settings"]["width"] == 64


@pytest.mark.parametrize("fourcc", ["H264", "HEVC"])
def test_an_encoded_stream_that_becomes_smaller_loses_no_picture(fourcc: str, tmp_path: Path) -> None:
    large, small = (stream(ENCODERS[fourcc], missed=0, size=size) for size in ((128, 96), (64, 48)))
    shots = [Shot(data, 0.01) for data in (*large[:12], *small * 3)]
    command = ["record", "--no-audio", "--json", "--frames"]
    with cameras(tmp_path, Camera(shots, fourcc, 128, 96, patient=True)) as machine:
        done = machine.each([[*command, "40", "a.mkv"], [*command, "12", "--frame-rate", "20", "b.mkv"]])
    assert [one.stderr for one in done if one.returncode] == []
    tracks = [json.loads(one.stdout)["tracks"][0] for one in done]
    assert [[track[name] for name in ("frames", "dropped", "lost", "damaged")] for track in tracks] == [
        [40, 0, 0, 0],
        [12, 0, 0, 0],
    ]
    assert tracks[0]["settings"]["width"] == 64
