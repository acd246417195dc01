"""``mscli record --time-lapse``: films whose frames are an interval apart in life, and a thirtieth of a second when played."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.cli.program import FakeMachine, camera, error_line, eventually, output_of
from tests.conftest import require


@pytest.fixture(autouse=True)
def ffprobe() -> None:
    """What reads the files back."""
    require("ffprobe")


def times(path: Path) -> list[float]:
    """Return the times of the frames in a file, as ffprobe reads them, in milliseconds."""
    printed = output_of("ffprobe", "-v", "error", "-show_entries", "packet=pts_time", "-of", "json", path)
    return sorted(round(1000 * float(one["pts_time"])) for one in json.loads(printed)["packets"])


@pytest.mark.parametrize("pixel_format", ["I420", "MJPEG", "H264"])
def test_a_film_has_one_frame_each_interval(pixel_format: str, fake: FakeMachine) -> None:
    fake.plug(camera(modes=[{"width": 320, "height": 240, "frameRate": 100, "pixelFormat": pixel_format}]))
    report = fake.json("record", "--json", "--time-lapse", "0.1", "--frames", "6", "x.mp4")
    (track,) = report["tracks"]
    assert (track["frames"], report["reason"]) == (6, "frames")
    shown = times(fake.folder / "x.mp4")
    assert len(shown) == 6
    assert {at - round(1000 * round(0.03 * at) / 30) for at in shown} == {0}  # each at a thirtieth of a second


def test_a_duration_is_that_of_life(fake: FakeMachine) -> None:
    report = fake.json("record", "--json", "--time-lapse", "0.2", "--duration", "1", "x.mkv")
    assert 1 <= report["tracks"][0]["frames"] <= 5
    assert report["reason"] == "duration"


def test_a_signal_ends_a_film(fake: FakeMachine) -> None:
    with fake.running("record", "--json", "--time-lapse", "0.1", "x.mp4") as run:
        run.wait_for("start")
        assert eventually(lambda: fake.files)
        run.send(signal.SIGINT)
        done = run.end()
    (track,) = json.loads(done.stdout)["tracks"]
    assert len(times(fake.folder / "x.mp4")) == track["frames"] > 0


def test_an_interval_longer_than_the_recording_is_one_frame(fake: FakeMachine) -> None:
    fake("record", "--time-lapse", "1h", "--duration", "0.3", "x.mp4", code=0)
    assert times(fake.folder / "x.mp4") == [0]


def test_the_jpegs_of_a_camera_are_copied(fake: FakeMachine) -> None:
    fake.plug(camera(modes=[{"width": 320, "height": 240, "frameRate": 50, "pixelFormat": "MJPEG"}]))
    fake("record", "--time-lapse", "0.1", "--frames", "3", "--video-codec", "copy", "x.mkv", code=0)
    assert len(times(fake.folder / "x.mkv")) == 3
    assert "copied into .webm" in error_line(fake("record", "--time-lapse", "1s", "--video-codec", "copy", "x.webm", code=7))


def test_a_camera_that_sends_nothing_for_a_while_leaves_a_gap_which_is_said(fake: FakeMachine) -> None:
    fake.plug(camera(faults={"stallAfterFrames": 10, "stallSeconds": 1}))
    done = fake("record", "--json", "--time-lapse", "0.2", "--frames", "4", "x.mkv", code=0)
    (warning,) = json.loads(done.stdout)["warnings"]
    assert warning.startswith("the time-lapse of camera “Camera” lacks ")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--audio"], "records no sound"),
        (["--no-video"], "needs video"),
        (["--segment-duration", "1m"], "--segment-… or --trigger cannot be combined"),
        (["--deinterlace"], "--deinterlace cannot be combined"),
        (["--time-lapse", "0.01"], "at least 0.1s"),
    ],
)
def test_what_it_cannot_have_is_refused(flags: list[str], said: str, fake: FakeMachine) -> None:
    assert said in fake("record", "--time-lapse", "10s", *flags, "x.mp4", code=2).stderr.decode()
    assert fake.files == []
