"""``--events``: a line of JSON for whatever happens."""

from __future__ import annotations

import datetime
import errno
import json
import os
import resource
from pathlib import Path
from typing import Any

import pytest

from mscli.cli.eventlog import EventLog
from mscli.core.errors import OperationError
from tests.cli.program import FakeMachine, camera, eventually, full_pipe, handles_signals, microphone
from tests.unit.test_folders import OTHER, sticky

__all__ = ["sticky"]  # a fixture


def lines(path: Path) -> list[dict[str, Any]]:
    """The events of a file; what holds of every one is checked."""
    events: list[dict[str, Any]] = [json.loads(line) for line in path.read_text().splitlines()]
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)
    walls = [datetime.datetime.fromisoformat(event["wallTime"]) for event in events]
    assert {wall.utcoffset() for wall in walls} == {datetime.timedelta(0)}
    for event, wall in zip(events, walls, strict=True):
        apart = (wall - walls[0]).total_seconds()
        assert apart == pytest.approx(event["time"] - events[0]["time"], abs=0.05)
    return events


def test_a_recording_tells_its_settings_start_and_stop(fake: FakeMachine) -> None:
    fake("record", "--quiet", "--frames", "5", "--events", "events.jsonl", "x.mkv", code=0)
    events = lines(fake.folder / "events.jsonl")
    assert {event["type"] for event in events} >= {"settings", "start", "stop"}
    settings = {event["kind"]: event for event in events if event["type"] == "settings"}
    assert (settings["video"]["label"], settings["video"]["settings"]["width"]) == ("Fake camera", 640)
    assert settings["audio"]["settings"]["sampleRate"] == 48000
    assert settings["audio"]["track"] != settings["video"]["track"]
    assert (events[-1]["type"], events[-1]["reason"], events[-1]["file"]) == ("stop", "frames", "x.mkv")


def test_a_stall_mutes_and_an_unplugged_camera_ends_the_track(fake: FakeMachine) -> None:
    fake.plug(camera(faults={"stallAfterFrames": 5, "stallSeconds": 1.5, "vanishAfterFrames": 10}))
    fake("capture", "--quiet", "--events", "events.jsonl", "-o", "x.raw", code=8)
    events = lines(fake.folder / "events.jsonl")
    assert [event["type"] for event in events] == ["settings", "mute", "unmute", "ended", "stop"]
    assert len({event["track"] for event in events}) == 1
    assert {event["kind"] for event in events} == {"video"}
    mute, unmute, ended = (event["time"] - events[0]["time"] for event in events[1:4])
    assert mute < unmute < ended
    assert "unplugged" in events[3]["reason"]


LATER = camera(deviceId="later", label="Later", faults={"appearAfterSeconds": 1.5})


@pytest.mark.parametrize("command", [("record", "x.mkv"), ("capture", "-o", "x.raw")])
def test_a_device_that_comes_meanwhile_is_told(command: tuple[str, ...], fake: FakeMachine) -> None:
    fake.plug(camera(deviceId="first", faults={"vanishAfterFrames": 90}), LATER)
    fake(*command, "--quiet", "--events", "events.jsonl", code=8)
    (change,) = (event for event in lines(fake.folder / "events.jsonl") if event["type"] == "devicechange")
    assert [device["deviceId"] for device in change["added"]] == ["later"]
    assert [device["deviceId"] for device in change["devices"]] == ["first", "later"]
    assert (change["removed"], "track" in change) == ([], False)


def test_a_device_that_goes_is_told_also_when_another_takes_its_place(fake: FakeMachine) -> None:
    fake.plug(camera(deviceId="first", faults={"vanishAfterFrames": 15}), camera(deviceId="second"))
    done = fake("record", "--quiet", "--fallback", "--duration", "3", "--events", "events.jsonl", "x.mkv", code=0)
    assert done.stderr == b""
    events = lines(fake.folder / "events.jsonl")
    (change,) = (event for event in events if event["type"] == "devicechange")
    assert [device["deviceId"] for device in change["removed"]] == ["first"]
    assert events[-1]["type"] == "stop"


def test_a_descriptor_of_the_caller_takes_events(fake: FakeMachine) -> None:
    done = fake.shell("mscli record --quiet --frames 480 --events /dev/fd/3 x.wav 3> events.jsonl")
    assert (done.returncode, lines(fake.folder / "events.jsonl")[-1]["type"]) == (0, "stop")


@pytest.mark.parametrize("where", ["", "nowhere/events.jsonl", ".", "/dev/fd/77"])
def test_events_that_have_no_place_are_an_error_before_anything_starts(where: str, fake: FakeMachine) -> None:
    done = fake("record", "--events", where, "--frames", "3", "x.mkv", code=9)
    assert done.stderr.decode().startswith(f"mscli: error: cannot write events to {where}: ")
    assert fake.files == []


@pytest.mark.parametrize("where", ["/dev/full", "/dev/fd/9 9> >(exit)"])
def test_events_that_cannot_be_written_later_do_not_end_a_recording(where: str, fake: FakeMachine) -> None:
    done = fake.shell(f"mscli record --frames 20 --no-audio --json x.mkv --events {where}")
    assert (done.returncode, json.loads(done.stdout)["tracks"][0]["frames"]) == (0, 20)


def test_a_disk_that_is_full_in_the_middle_of_an_event_is_named(tmp_path: Path) -> None:
    said: list[str] = []
    log = EventLog(str(tmp_path / "events.jsonl"), said.append)
    log.open(lambda: None)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        log.emit("stop")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert said == [f"writing no more events: {os.strerror(errno.EFBIG)}"]


def test_events_are_added_to_those_that_are_there(fake: FakeMachine) -> None:
    path = fake.folder / "events.jsonl"
    for _ in range(2):
        fake("capture", "--frames", "1", "-o", "x.raw", "--events", "events.jsonl", code=0)
    assert [event["type"] for event in lines(path)] == ["settings", "stop"] * 2


def test_events_go_to_nothing_that_another_user_has_put_there(sticky: Path) -> None:
    os.mkfifo(sticky / "fifo")
    (sticky / "file").touch()
    (sticky / "link").symlink_to(sticky.parent / "victim")
    thing = "a file, pipe or device"
    for name, found in (("fifo", thing), ("file", thing), ("link", "a link")):
        os.lchown(sticky / name, OTHER, OTHER)
        with pytest.raises(
            OperationError, match=f": {found} of another user has this name, in a folder in which everyone may create files$"
        ):
            EventLog(str(sticky / name), print).open(lambda: None)
    os.mknod(sticky / "disk", 0o644 | 0o060000, os.makedev(7, 250))
    with pytest.raises(OperationError, match="it is a block device"):
        EventLog(str(sticky / "disk"), print).open(lambda: None)
    assert not (sticky.parent / "victim").exists()


def test_a_descriptor_of_a_file_that_was_removed_takes_events(tmp_path: Path) -> None:
    with (tmp_path / "x").open("w+b") as file:
        (tmp_path / "x").unlink()
        log = EventLog(f"/dev/fd/{file.fileno()}", print)
        log.open(lambda: None)
        log.emit("stop")
        log.close()
        assert b'"stop"' in file.read()
    assert list(tmp_path.iterdir()) == []


def test_sound_has_events_too(fake: FakeMachine) -> None:
    fake.plug(microphone(faults={"vanishAfterFrames": 10}))
    fake("record", "--quiet", "--events", "events.jsonl", "x.wav", code=8)
    assert "ended" in {event["type"] for event in lines(fake.folder / "events.jsonl")}


def test_a_reader_of_events_that_does_not_read_holds_up_no_recording(fake: FakeMachine) -> None:
    with full_pipe() as writing:
        done = fake.shell(f"mscli record --frames 5 --no-audio --events /proc/{os.getpid()}/fd/{writing} x.mkv")
    assert done.returncode == 0
    assert b"writing no more events: the reader has stopped reading" in done.stderr


def test_a_reader_that_opens_a_named_pipe_later_gets_all_events(fake: FakeMachine) -> None:
    pipe = fake.folder / "events"
    os.mkfifo(pipe)
    with fake.running("record", "--frames", "5", "--no-audio", "--events", "events", "x.mkv", events=False) as recording:
        assert eventually(lambda: handles_signals(recording.process.pid))
        types = [event["type"] for event in lines(pipe)]
        assert recording.end().returncode == 0
    assert (types[0], types[-1]) == ("settings", "stop")


@pytest.mark.parametrize("there", [False, True], ids=["a new file", "a file that is there"])
@pytest.mark.parametrize("events", ["same.mkv", "./same.mkv", "link", "folder/../same.mkv"])
@pytest.mark.parametrize("command", [("record",), ("capture", "-o"), ("snapshot",)])
def test_events_have_no_place_in_the_output(command: tuple[str, ...], events: str, there: bool, fake: FakeMachine) -> None:
    output = "same.png" if command == ("snapshot",) else "same.mkv"
    (fake.folder / "folder").mkdir()
    (fake.folder / "link").symlink_to(output)
    if there:
        (fake.folder / output).write_text("kept")
    done = fake(*command, output, "--events", events.replace("same.mkv", output), code=2)
    assert b"mscli: error: --events and the output are the same file" in done.stderr
    assert fake.files == ["folder", "link", *([output] if there else [])]
    assert not there or (fake.folder / output).read_text() == "kept"


@pytest.mark.parametrize("option", ["-i", "--camera"])
def test_events_have_no_place_in_the_input(option: str, fake: FakeMachine) -> None:
    (fake.folder / "in.mkv").write_bytes(b"kept")
    done = fake("record", option, "in.mkv", "x.mkv", "--events", "./in.mkv", code=2)
    assert b"mscli: error: --events and the input are the same file, ./in.mkv" in done.stderr
    assert (fake.folder / "in.mkv").read_bytes() == b"kept"


@pytest.mark.parametrize(
    "line",
    [
        "mscli capture --frames 2 --events - | cat",
        "mscli capture --frames 2 --events - > /dev/null",
        "mscli record --frames 2 - --events /dev/stdout | cat",
        "mscli record --frames 2 - --events both > both",
        "mscli snapshot - --events /dev/fd/3 3>&1 | cat",
    ],
)
def test_events_have_no_place_among_frames_on_stdout(line: str, fake: FakeMachine) -> None:
    done = fake.shell(f"set -o pipefail; {line}")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"mscli: error: --events and the output are the same file" in done.stderr


@pytest.mark.parametrize("onto", ["> told", "| cat > told"])
def test_a_dash_for_events_is_stdout_before_the_report(onto: str, fake: FakeMachine) -> None:
    done = fake.shell(f"mscli record --frames 2 --no-audio --json --events - x.mkv {onto}")
    *events, report = [json.loads(line) for line in (fake.folder / "told").read_text().splitlines()]
    assert (done.returncode, [event["type"] for event in events], report["reason"]) == (
        0,
        ["settings", "start", "stop"],
        "frames",
    )
    assert fake.files == ["told", "x.mkv"]


def test_a_device_may_take_output_and_events(fake: FakeMachine) -> None:
    fake("capture", "--frames", "2", "-o", "/dev/null", "--events", "/dev/null", code=0)
