"""What is asked is done or refused: in real runs, a request without effect is named, and names are filled in."""

from __future__ import annotations

import re
from datetime import datetime

import pytest

from tests.cli.program import FakeMachine, camera


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("snapshot", "--dry-run", "--quality", "0.5", "x.png"), "--quality has no effect: PNG is lossless"),
        (("record", "--dry-run", "--audio-bitrate", "64k", "x.flac"), "--audio-bitrate has no effect: FLAC is lossless"),
        (("record", "--dry-run", "--format", "mkv", "x.mp4"), "“x.mp4” will hold mkv"),
        (("snapshot", "--dry-run", "--format", "png", "x.jpg"), "“x.jpg” will hold png"),
    ],
)
def test_a_request_without_effect_is_a_warning_that_names_it(arguments: tuple[str, ...], said: str, fake: FakeMachine) -> None:
    assert said in fake(*arguments, code=0).stderr.decode()


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (("snapshot", "--sample-rate", "48000", "x.png"), "--sample-rate has no effect", 2),
        (("record", "--no-audio", "--sample-rate", "48000", "x.mp4"), "--sample-rate has no effect", 2),
        (("record", "--no-video", "--quality", "0.5", "x.mp4"), "--quality has no effect", 2),
        (("record", "--width", "min:1000,max:500", "x.mp4"), "min:1000 is above max:500", 2),
        (("record", "--facing-mode", "front", "x.mp4"), "user, environment, left, right", 2),
        (("record", "--video-bitrate", "8", "x.mp4"), "did you mean 8k or 8M", 2),
        (("capture", "--audio", "--no-video", "--preview", "window", "-o", "x.pcm"), "a preview window shows video", 7),
    ],
)
def test_a_contradiction_is_an_error_that_names_it(arguments: tuple[str, ...], said: str, code: int, fake: FakeMachine) -> None:
    assert said in fake(*arguments, code=code).stderr.decode()
    assert fake.files == []


def test_a_dry_run_says_what_comes_out_and_how_it_is_made(fake: FakeMachine) -> None:
    fake.plug(camera(modes=[{"width": 640, "height": 480, "frameRate": 30, "pixelFormat": "MJPEG"}]))
    said = fake("capture", "--dry-run", "--size", "320x240", code=0).stderr.decode().splitlines()
    assert said[0].endswith(", MJPEG, scaled from 640×480")
    assert said[1].startswith("stdout: I420 320×240")
    said = fake("record", "--dry-run", "--frame-rate", "15", "x.mp4", "x.webm", code=0).stderr.decode().splitlines()
    assert "cropped" not in said[-3]
    assert "scaled" not in said[-3]
    assert [line.partition(" 640×480")[0] for line in said[-2:]] == ["x.mp4: H.264", "x.webm: VP9"]


def test_the_time_and_a_number_mean_the_same_in_every_command(fake: FakeMachine) -> None:
    before = f"{datetime.now():%Y-%m-%d}"
    for _ in range(2):
        fake("snapshot", "--quiet", "shot-%03d.png", code=0)
        fake("capture", "--quiet", "--frames", "1", "-o", "raw-%03d", code=0)
    fake("snapshot", "--quiet", "%Y-%m-%d.png", code=0)
    fake("capture", "--quiet", "--frames", "1", "%Y-%m-%d.raw", code=0)
    days = {before, f"{datetime.now():%Y-%m-%d}"}
    counted = [name for name in fake.files if not re.match(r"\d", name)]
    assert counted == ["raw-001", "raw-002", "shot-001.png", "shot-002.png"]
    assert {name.partition(".")[0] for name in fake.files if name not in counted} <= days
    assert sum(name not in counted for name in fake.files) == 2


def test_an_output_can_be_named_with_an_option_in_every_command(fake: FakeMachine) -> None:
    fake("snapshot", "--quiet", "-o", "x.png", code=0)
    fake("capture", "--quiet", "--frames", "1", "x.raw", code=0)
    fake("record", "--quiet", "--no-audio", "--frames", "1", "-o", "x.mkv", code=0)
    assert fake.files == ["x.mkv", "x.png", "x.raw"]


def test_the_constraints_of_a_web_page_are_taken_as_they_are(fake: FakeMachine) -> None:
    page = "{ video: { width: 320, facingMode: 'user', }, /* no sound */ audio: false }"
    (track,) = fake.json("record", "--dry-run", "--json", "--constraints", page, "x.mkv")["tracks"]
    assert track["constraints"] == {"width": 320, "facingMode": "user"}


def test_the_report_of_a_series_says_how_many_files_are_kept(fake: FakeMachine) -> None:
    command = ("record", "--no-audio", "-t", "2", "--segment-duration", "0.4", "--keep", "2", "k.mkv")
    said = fake(*command, code=0).stderr.decode()
    assert len(fake.files) == 2
    assert re.search(r"kept 2 of \d+ files", said)
