"""``--trigger motion`` of commands, with films of things that move as cameras."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import FakeMachine, output_of, picture, streams
from tests.conftest import require

STILL_S = 1.3  # before a square moves through the picture, and after it


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film in which a square crosses a grey picture with noise."""
    require("ffmpeg")
    path = tmp_path_factory.mktemp("film") / "film.mkv"
    moves = f"between(t,{STILL_S},{STILL_S}+0.7)"
    graph = (
        "color=gray:size=320x240:rate=30:duration=3[back];color=white:size=40x40:rate=30:duration=3[box];"
        f"[back][box]overlay=x=(t-{STILL_S})*400:y=100:enable='{moves}',noise=alls=8:allf=t"
    )
    output_of("ffmpeg", "-v", "error", "-filter_complex", graph, "-c:v", "mjpeg", "-q:v", "2", path)
    return path


def events(fake: FakeMachine, name: str) -> list[dict[str, Any]]:
    """The events of a type."""
    told = [json.loads(line) for line in (fake.folder / "log").read_text().splitlines()]
    return [event for event in told if event["type"] == name]


def test_motion_begins_a_file_with_what_was_before(fake: FakeMachine, film: Path) -> None:
    report = fake.json(
        "record", "-i", str(film), "--trigger", "motion", "--pre-roll", "0.5", "-t", "0.5", "--json", "--events", "log", "x.mkv"
    )
    assert report["triggers"]["missed"] == 0
    assert report["triggers"]["counted"] in (1, 2), "once, and again if it lasts for longer than the file"
    assert report["files"][0] == "x-001.mkv"
    assert float(output_of("ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0",
                           fake.folder / "x-001.mkv")) >= 0.8  # fmt: skip
    assert streams(fake.folder / "x-001.mkv")["video"]["width"] == 320
    begun = events(fake, "motion")[0]
    assert begun["active"] is True
    assert 0.01 < begun["share"] < 0.2


def test_motion_takes_a_picture(fake: FakeMachine, film: Path) -> None:
    report = fake.json(
        "snapshot", "-i", str(film), "--trigger", "motion:0.6", "--settle", "off", "--json", "--events", "log", "x.png"
    )
    assert report["files"] == ["x-001.png"]
    assert picture(fake.folder / "x-001.png") == "PNG 320x240"
    assert len(events(fake, "motion")) == 1


def test_a_low_sensitivity_misses_small_things(fake: FakeMachine, film: Path) -> None:
    report = fake.json("record", "-i", str(film), "--trigger", "motion:0", "-t", "0.5", "--json", "--events", "log", "x.mkv")
    assert report["files"] == []
    assert events(fake, "motion") == []


@pytest.mark.parametrize(
    ("command", "flags", "said"),
    [
        ("record", ("--trigger", "motion:2"), "a number from 0 to 1"),
        ("record", ("--trigger", "motion:"), "a number from 0 to 1"),
        ("record", ("--trigger", "moves"), "SIGUSR1, stdin, motion"),
        ("record", ("--trigger", "motion", "--no-video"), "--trigger motion has no effect without video"),
        ("snapshot", ("--trigger", "motion", "--close-between"), "a closed camera sees no motion"),
        ("snapshot", ("--trigger", "motion", "--interval", "1"), "cannot be combined"),
    ],
)
def test_what_makes_no_sense_is_refused(command: str, flags: tuple[str, ...], said: str, fake: FakeMachine) -> None:
    file = "x.mkv" if command == "record" else "x.png"
    assert said in fake(command, *flags, file, code=2).stderr.decode()
    assert fake.files == []
