"""``--debug`` and MSCLI_LOG: the log on stderr, as lines for people or JSON, in nobody's way."""

from __future__ import annotations

import json
import re
import signal

import pytest

from tests.cli.program import FakeMachine, camera, full_pipe

LINE = re.compile(r"\[ *\d+\.\d{6}\] (mscli\.\w+) (debug|info|warning): (.+)")
RECORD = ("record", "--no-audio", "--duration", "0.3", "film.mkv")


def rooms(stderr: bytes) -> set[str]:
    """The rooms that have logged something."""
    return {found[1] for found in map(LINE.fullmatch, stderr.decode().splitlines()) if found}


def test_nothing_is_logged_unless_asked_for(fake: FakeMachine) -> None:
    assert rooms(fake(*RECORD, code=0).stderr) == set()
    assert rooms(fake(*RECORD, "--force", env={"MSCLI_LOG": ""}, code=0).stderr) == set()


@pytest.mark.parametrize("place", ["before", "after"])
def test_debug_tells_of_every_room_that_a_recording_goes_through(place: str, fake: FakeMachine) -> None:
    done = fake(*(["--debug", *RECORD] if place == "before" else [*RECORD, "--debug"]), code=0)
    there = {"mscli.cli", "mscli.negotiate", "mscli.device", "mscli.record", "mscli.encode", "mscli.sinks"}
    assert there <= rooms(done.stderr)
    assert b"film.mkv: 0.30 s" in done.stderr


def test_a_raw_capture_tells_of_its_rooms_too(fake: FakeMachine) -> None:
    done = fake("capture", "--debug", "--no-audio", "--frames", "3", "-o", "out.raw", code=0)
    assert {"mscli.raw", "mscli.record", "mscli.device"} <= rooms(done.stderr)
    assert b"mscli.record info: ended: frames" in done.stderr


def test_the_end_after_a_signal_has_its_reason(fake: FakeMachine) -> None:
    with fake.running("record", "--debug", "--no-audio", "film.mkv") as running:
        running.wait_for("start")
        running.process.send_signal(signal.SIGINT)
        done = running.end()
    assert done.returncode == 0
    assert "mscli.record info: ended: signal" in done.stderr.decode()


def test_a_pipe_tells_what_comes_through_it(fake: FakeMachine) -> None:
    feed = "printf 'P5 4 2 255\\nabcdefgh' | mscli capture --debug --camera - -o out.raw"
    told = fake.shell(feed).stderr.decode()
    assert "mscli.pipe debug: stdin: opened" in told
    assert "mscli.pipe info: stdin: its writer has ended" in told


def test_the_variable_says_how_much_is_logged(fake: FakeMachine) -> None:
    told = fake(*RECORD, env={"MSCLI_LOG": "INFO"}, code=0).stderr.decode()
    assert {"info"} <= {found[2] for found in map(LINE.fullmatch, told.splitlines()) if found} <= {"info", "warning"}
    assert not rooms(fake(*RECORD, "--force", "--video", env={"MSCLI_LOG": "warning"}, code=0).stderr)


def test_a_value_that_is_no_level_is_one_warning(fake: FakeMachine) -> None:
    told = fake(*RECORD, "--json", env={"MSCLI_LOG": "loud"}, code=0).stderr.decode().splitlines()
    assert len(told) == 1
    assert json.loads(told[0])["log"] == "MSCLI_LOG is “loud”, not one of debug, info, warning; logging nothing"
    (line, *_) = fake(*RECORD, "--force", env={"MSCLI_LOG": "loud"}, code=0).stderr.decode().splitlines()
    assert line == "mscli: warning: MSCLI_LOG is “loud”, not one of debug, info, warning; logging nothing"
    assert fake(*RECORD, "--force", "--quiet", env={"MSCLI_LOG": "loud"}, code=0).stderr == b""


def test_with_json_every_line_of_the_log_is_an_object(fake: FakeMachine) -> None:
    done = fake(*RECORD, "--json", "--debug", code=0)
    lines = [json.loads(line) for line in done.stderr.decode().splitlines()]
    assert len(lines) > 5
    assert {frozenset(line) for line in lines} == {frozenset({"log", "logger", "level", "time"})}
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)
    assert json.loads(done.stdout)["reason"] == "duration"


def test_names_cannot_steer_a_terminal_through_the_log(fake: FakeMachine) -> None:
    fake.plug(camera(label="Evil \x1b]0;title\x07\n[1.0] mscli.cli info: forged \x9b31m"))
    told = fake(*RECORD, "--quiet", "--debug", code=0).stderr
    assert b"Evil" in told
    lines = told.decode().splitlines()
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", "".join(lines))
    assert all(map(LINE.fullmatch, lines))


def test_a_long_line_is_cut_and_stays_whole_json(fake: FakeMachine) -> None:
    fake.plug(camera(label="\U0001f4f7" * 5000))
    for line in fake(*RECORD, "--json", "--debug", code=0).stderr.splitlines():
        assert json.loads(line)
        assert len(line) <= 4000


def test_a_reader_of_stderr_that_sleeps_holds_up_nothing(fake: FakeMachine) -> None:
    with full_pipe() as stderr, fake.running(*RECORD, "--json", "--debug", events=False, stderr=stderr) as running:
        done = running.end()
    assert done.returncode == 0
    assert json.loads(done.stdout)["files"] == ["film.mkv"]


def test_an_overload_is_a_line_a_second_at_most(fake: FakeMachine) -> None:
    """A reader that takes nothing for a second costs many frames, and a line or two."""
    fake.plug(camera(modes=[{"width": 1920, "height": 1080, "frameRate": 30, "pixelFormat": "RGB24"}]))
    reader = "(head -c 1; sleep 2.5; cat) > /dev/null"
    done = fake.shell(f"mscli capture --quiet --debug --duration 3 --format native | {reader}")
    dropped = [line for line in done.stderr.decode().splitlines() if "dropped: the reader is too slow" in line]
    assert 1 <= len(dropped) <= 4
