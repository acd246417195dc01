"""Cameras that give what nobody can use: no command that wrote nothing ends well, and what is damaged is said."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import hostile
from tests.cli.program import FakeMachine, error_json, microphone, packets, picture, streams
from tests.conftest import Completed, require

FAILED, ENDED, LOSS = 5, 8, 10

COMMANDS = {
    "record": ("record", "--no-audio", "--duration", "0.5", "out.mkv"),
    "copy": ("record", "--no-audio", "--duration", "0.5", "--video-codec", "copy", "out.mp4"),
    "segments": ("record", "--no-audio", "--duration", "0.5", "--segment-duration", "0.2", "out-%d.mkv"),
    "trigger": ("record", "--no-audio", "--trigger", "stdin", "--duration", "0.2", "out-%d.mkv"),
    "pipe": ("record", "--no-audio", "--duration", "0.5", "-"),
    "capture": ("capture", "--duration", "0.5", "-o", "out.raw"),
    "capture-pipe": ("capture", "--duration", "0.5"),
    "native": ("capture", "--duration", "0.5", "--format", "native", "-o", "out.raw"),
    "jpg": ("snapshot", "--timeout", "2", "out.jpg"),
    "png": ("snapshot", "--timeout", "2", "out.png"),
}

USELESS = [  # modes in which no chunk can be made a picture of
    *("jpeg-zero", "jpeg-two-bytes", "jpeg-zeros", "jpeg-ones", "jpeg-garbage", "jpeg-head-only", "jpeg-size-0x0"),
    *("jpeg-size-65535x65535", "jpeg-size-16000x16000", "jpeg-segments", "h264-no-start-codes", "h264-no-parameter-sets"),
    *("h264-no-key-frames", "h264-start-codes-only", "h264-sets-only", "h264-slices-only", "h264-zero", "h264-garbage"),
]


@dataclass(frozen=True)
class HostileMachine(FakeMachine):
    """A machine whose cameras may be hostile."""

    @property
    def argv(self) -> list[str]:
        """The program that knows them."""
        return [sys.executable, "-m", "tests.hostile"]


@pytest.fixture
def machine(tmp_path: Path) -> HostileMachine:
    """A machine without devices yet, and an empty folder."""
    folder = tmp_path / "folder"
    folder.mkdir()
    return HostileMachine(folder)


def report(done: Completed) -> dict[str, Any]:
    """What a command says with --json on stdout."""
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def errors(done: Completed) -> list[str]:
    """The names of the errors that are told."""
    return ["NotReadableError" for line in done.stderr.decode().splitlines() if line.endswith("(NotReadableError)")]


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize("mode", ["jpeg-zero", "h264-no-parameter-sets"])
def test_a_run_that_wrote_nothing_fails_and_leaves_nothing(
    mode: str, command: tuple[str, ...], machine: HostileMachine
) -> None:
    machine.plug(hostile.camera(mode))
    done = machine(*command, stdin=b"\n", code=FAILED)
    assert errors(done) == ["NotReadableError"]
    assert b"could be used; the last one " in done.stderr
    assert (done.stdout, machine.files) == (b"", [])


@pytest.mark.parametrize("mode", USELESS)
def test_no_way_of_giving_nothing_is_a_success(mode: str, machine: HostileMachine) -> None:
    machine.plug(hostile.camera(mode))
    error = error_json(machine("capture", "--json", "-q", "--duration", "0.3", "-o", "out.raw", code=FAILED))
    assert "none of the " in error["message"]
    assert "could be used; the last one " in error["message"]
    assert machine.files == []


@pytest.mark.parametrize("mode", ["jpeg-zero", "h264-no-key-frames"])
def test_sound_beside_no_picture_is_kept_and_no_success(mode: str, machine: HostileMachine) -> None:
    machine.plug(hostile.camera(mode), microphone())
    done = machine("record", "--json", "-q", "--duration", "0.5", "out.mkv", code=ENDED)
    told = report(done)
    frames = {track["kind"]: track["frames"] for track in told["tracks"]}
    assert (told["reason"], frames["video"]) == ("error", 0)
    assert frames["audio"] > 20_000
    assert errors(machine("record", "--duration", "0.5", "again.mkv", code=ENDED)) == ["NotReadableError"]
    assert packets(machine.folder / "out.mkv", "audio") > 20


def test_a_camera_that_gives_nothing_beside_sound_is_no_success(machine: HostileMachine) -> None:
    machine.plug(hostile.camera("jpeg-whole") | {"faults": {"stallAfterFrames": 0}}, microphone())
    done = machine("record", "--duration", "0.5", "out.mkv", code=ENDED)
    assert "no frames from camera “Hostile”" in done.stderr.decode()


def test_a_run_without_an_end_is_given_up(machine: HostileMachine) -> None:
    machine.plug(hostile.camera("jpeg-zero"), microphone())
    done = machine("record", "--no-audio", "--timeout", "2", "--frames", "3", "out.mkv", code=FAILED, seconds=30)
    assert "none of the last " in done.stderr.decode()


@pytest.mark.parametrize("command", ["record", "copy", "capture"])
def test_so_many_frames_are_so_many_good_ones(command: str, machine: HostileMachine) -> None:
    machine.plug(hostile.camera("jpeg-half-of-every-fourth"))
    arguments = [argument for argument in COMMANDS[command] if argument not in ("--duration", "0.5")]
    done = machine(*arguments, "--json", "--frames", "20", code=0)
    told = report(done)
    (track,) = told["tracks"]
    assert (told["reason"], track["frames"], track["damaged"], track["lost"]) == ("frames", 20, 7, 7)
    if command == "capture":
        assert (machine.folder / "out.raw").stat().st_size == 20 * 320 * 240 * 3 // 2
    else:
        assert packets(machine.folder / told["files"][0], "video") == 20
    assert told["warnings"] == ["7 of 27 frames from camera “Hostile” are damaged; " + told["warnings"][0].split("; ")[1]]
    assert b"5 of 17 frames" in done.stderr  # while it ran


def test_torn_pictures_of_a_camera_that_gives_no_others_are_shown_and_said(machine: HostileMachine) -> None:
    machine.plug(hostile.camera("jpeg-half"))
    told = report(machine("record", "--json", "--no-audio", "--frames", "20", "out.mkv", code=0))
    (track,) = told["tracks"]
    assert (track["frames"], track["damaged"], track["lost"]) == (20, 25, 5)


def test_whole_pictures_are_not_said_to_be_damaged(machine: HostileMachine) -> None:
    machine.plug(hostile.camera("jpeg-whole"))
    done = machine("capture", "--json", "--frames", "10", "-o", "out.raw", code=0)
    assert report(done)["tracks"][0]["damaged"] == 0
    assert ("warnings" in report(done), done.stderr) == (False, b"")


def test_the_share_of_damaged_frames_is_that_of_all_that_came(machine: HostileMachine) -> None:
    machine.plug(hostile.camera("jpeg-half-of-every-fourth") | {"faults": {"settleFrames": 12}})
    told = report(machine("snapshot", "--json", "out.png", code=0))
    (track,), (warning,), skipped = told["tracks"], told["warnings"], told["skipped"]
    whole = sum(count for why, count in skipped.items() if why != "damaged") + 1
    assert warning.startswith(f"{track['damaged']} of {track['damaged'] + whole} frames from camera “Hostile” are damaged; ")
    assert whole > 5


def test_a_silent_camera_is_told_of_once(machine: HostileMachine) -> None:
    machine.plug(hostile.camera("jpeg-whole") | {"faults": {"stallAfterFrames": 0}})
    for command in ("record", "capture", "png"):
        said = machine(COMMANDS[command][0], "--timeout", "1", *COMMANDS[command][1:]).stderr.decode()
        assert said.count("no frames from") == 1, said


@pytest.mark.parametrize("mode", ["jpeg-fill", "jpeg-junk-before", "jpeg-padded"])
def test_what_stands_around_a_jpeg_does_no_harm(mode: str, machine: HostileMachine) -> None:
    require("identify")
    machine.plug(hostile.camera(mode))
    machine(*COMMANDS["copy"], "--strict", code=0)
    assert (streams(machine.folder / "out.mp4")["video"]["width"], packets(machine.folder / "out.mp4", "video")) == (320, 15)
    machine(*COMMANDS["jpg"], code=0)
    assert picture(machine.folder / "out.jpg") == "JPEG 320x240"
    assert (machine.folder / "out.jpg").read_bytes()[:2] == b"\xff\xd8"
