"""``capture --frame-log``: the facts about each frame, for the program that reads the frames."""

from __future__ import annotations

import json
import os
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.program import FakeMachine, camera, microphone
from tests.pattern import read_code

KEYS = ["index", "sequence", "timestamp", "wallTime", "width", "height", "bytes", "lost", "dropped"]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("size", ["322x242", "321x241"])
def test_the_log_agrees_with_the_bytes(size: str, fake: FakeMachine) -> None:
    width, height = map(int, size.split("x"))
    fake.plug(camera(modes=[{"width": width, "height": height, "frameRate": 30, "pixelFormat": "I420"}]))
    fake("capture", "--quiet", "--frames", "5", "-o", "x.raw", "--frame-log", "x.jsonl", code=0)
    data, at = (fake.folder / "x.raw").read_bytes(), 0
    for index, line in enumerate(lines(fake.folder / "x.jsonl")):
        assert list(line) == KEYS
        assert (line["index"], line["width"], line["height"]) == (index, width, height)
        code = read_code(np.frombuffer(data[at : at + width * height], np.uint8).reshape(height, width))
        assert code is not None
        assert code.number == line["sequence"]
        at += line["bytes"]
    assert at == len(data)


def test_times_rise_and_are_of_one_instant(fake: FakeMachine) -> None:
    fake("capture", "--quiet", "--frames", "5", "-o", "x.raw", "--frame-log", "x.jsonl", code=0)
    found = lines(fake.folder / "x.jsonl")
    walls = [datetime.fromisoformat(line["wallTime"]).timestamp() for line in found]
    for line, wall in zip(found, walls, strict=True):
        assert wall - walls[0] == pytest.approx((line["timestamp"] - found[0]["timestamp"]) / 1e6, abs=0.05)
        assert line["wallTime"].endswith("Z")
    assert all(one["timestamp"] < other["timestamp"] for one, other in pairwise(found))


def test_what_a_camera_loses_is_in_the_log(fake: FakeMachine) -> None:
    fake.plug(camera(faults={"dropEvery": 5}))
    report = fake.json("capture", "--json", "--frames", "20", "-o", "x.raw", "--frame-log", "x.jsonl")
    found = lines(fake.folder / "x.jsonl")
    for before, line in pairwise(found):
        assert line["lost"] + line["dropped"] == line["sequence"] - before["sequence"] - 1
    assert 0 < sum(line["lost"] for line in found) <= report["tracks"][0]["lost"]  # some may be lost after the last one
    assert sum(line["dropped"] for line in found) <= report["tracks"][0]["dropped"]


def test_a_lower_frame_rate_loses_nothing(fake: FakeMachine) -> None:
    fake("capture", "--quiet", "--frames", "4", "--frame-rate", "exact:10", "-o", "x.raw", "--frame-log", "x.jsonl", code=0)
    found = lines(fake.folder / "x.jsonl")
    for before, line in pairwise(found):
        assert line["sequence"] >= before["sequence"] + 3
        assert line["lost"] + line["dropped"] == line["sequence"] - before["sequence"] - 3


def test_a_descriptor_takes_the_log_of_a_pipe(fake: FakeMachine) -> None:
    done = fake.shell("mscli capture --quiet --frames 3 --size 64x48 --frame-log /dev/fd/3 3> x.jsonl | wc -c")
    assert (done.stdout.strip(), done.stderr) == (b"13824", b"")
    assert [line["bytes"] for line in lines(fake.folder / "x.jsonl")] == [4608] * 3


def test_a_named_pipe_takes_the_log(fake: FakeMachine) -> None:
    os.mkfifo(fake.folder / "log")
    done = fake.shell("cat log & mscli capture --quiet --frames 3 -o x.raw --frame-log log; wait")
    assert [json.loads(line)["index"] for line in done.stdout.splitlines()] == [0, 1, 2]


def test_sound_has_a_log_too(fake: FakeMachine) -> None:
    fake.plug(microphone())
    fake("capture", "--quiet", "--audio", "--no-video", "--frames", "1000", "-o", "x", "--frame-log", "x.jsonl", code=0)
    found = lines(fake.folder / "x.jsonl")
    assert [line["index"] for line in found] == [sum(one["bytes"] for one in found[:n]) // 2 for n in range(len(found))]
    assert sum(line["bytes"] for line in found) == 2000 == (fake.folder / "x").stat().st_size


def test_of_several_outputs_the_first_has_the_log(fake: FakeMachine) -> None:
    outputs = ("-o", "x.raw", "-o", "y.raw")
    fake("capture", "--quiet", "--frames", "4", *outputs, "--frame-log", "x.jsonl", code=0)
    assert [line["index"] for line in lines(fake.folder / "x.jsonl")] == [0, 1, 2, 3]
    assert fake.files == ["x.jsonl", "x.raw", "y.raw"]


def test_a_log_whose_reader_leaves_ends_the_capture_and_keeps_the_frames(fake: FakeMachine) -> None:
    script = "mscli capture --size 64x48 -o x.raw --frame-log >(head -n 3 > x.jsonl)"
    done = fake.shell(script)
    assert done.returncode == 9
    assert b"cannot write the frame log" in done.stderr
    assert b"its reader has left" in done.stderr
    size = (fake.folder / "x.raw").stat().st_size
    assert size >= 3 * 4608
    assert size % 4608 == 0


@pytest.mark.parametrize("where", ["nowhere/x.jsonl", ".", "/dev/fd/77", "/dev/full"])
def test_a_log_without_a_place_is_an_error(where: str, fake: FakeMachine) -> None:
    done = fake("capture", "--frames", "3", "-o", "x.raw", "--frame-log", where, code=9)
    assert b"mscli: error: cannot write " in done.stderr
    assert fake.files == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-o", "x.raw", "--frame-log", "./x.raw"), b"--frame-log and the output are the same file"),
        (("-o", "x.raw", "--frame-log", "l", "--events", "l"), b"--events and --frame-log are the same file"),
        (("--frame-log", "-"), b"--frame-log and the output are the same file"),
    ],
)
def test_a_log_has_a_file_of_its_own(arguments: tuple[str, ...], said: bytes, fake: FakeMachine) -> None:
    done = fake("capture", "--frames", "3", *arguments, code=2)
    assert said in done.stderr
    assert fake.files == []
