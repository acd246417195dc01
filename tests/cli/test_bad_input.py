"""What people get wrong: each is told in one sentence, with what to do about it, before a device is opened."""

from __future__ import annotations

import json
import signal

import pytest

from tests.cli.program import FakeMachine, error_json, error_line


@pytest.mark.parametrize(
    ("command", "suffix"),
    [
        (("record", "folder"), "mkv"),
        (("record", "folder/"), "mkv"),
        (("record", "folder.mp4/"), "mkv"),
        (("record", "folder", "--format", "webm"), "webm"),
        (("snapshot", "folder"), "png"),
        (("snapshot", "folder", "--format", "jpeg"), "jpeg"),
    ],
)
def test_a_folder_is_told_to_be_one(command: tuple[str, ...], suffix: str, fake: FakeMachine) -> None:
    (fake.folder / "folder").mkdir()
    name = command[1]
    done = fake(*command, code=9)
    assert error_line(done) == f"mscli: error: cannot write {name}: it is a folder"
    assert done.stderr.decode().splitlines()[1] == f"  add a file name: {name.rstrip('/')}/NAME.{suffix}"
    assert fake.files == ["folder"]


def test_a_triggered_recording_that_nothing_triggers_says_so(fake: FakeMachine) -> None:
    with fake.running("record", "--trigger", "SIGUSR1", "x.mkv") as recording:
        recording.wait_for("start")
        recording.send(signal.SIGTERM)
        done = recording.end()
    assert (done.returncode, done.stderr.decode().splitlines()[-1]) == (0, "Nothing saved; no trigger came")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--max-size", "0"), "“0” is not a size"),
        (("--timeout", "0"), "a duration must be more than 0"),
        (("--reconnect", "-1"), "“-1” is not a duration"),
        (("--quality", "nan"), "“nan” is not a number from 0 to 1"),
        (("--video-bitrate", "0"), "a bit rate must be above zero"),
    ],
)
def test_odd_numbers_are_usage_errors(arguments: tuple[str, ...], said: str, fake: FakeMachine) -> None:
    assert said in error_line(fake("record", *arguments, "x.mkv", code=2))
    assert fake.files == []


def test_several_files_need_a_name(fake: FakeMachine) -> None:
    done = fake("record", "--segment-duration", "1", "-", code=7)
    assert "cannot write several files to an open output" in error_line(done)
    assert "clip-%03d.mkv" in done.stderr.decode()


def test_events_that_have_no_place_are_told_what_takes_them(fake: FakeMachine) -> None:
    done = fake("record", "--events", "nowhere/e", "x.mkv", code=9)
    assert "/dev/fd/3" in done.stderr.decode().splitlines()[1]


def test_a_machine_without_devices_is_not_told_that_the_picture_is_recorded(fake: FakeMachine) -> None:
    fake.plug()
    done = fake("record", "x.mkv", code=3)
    assert error_line(done) == "mscli: error: no camera found (NotFoundError)"
    assert b"only the picture" not in done.stderr


@pytest.mark.parametrize(
    ("option", "file"), [("--constraints", "constraints file"), ("--fake-devices-from", "description of fake devices")]
)
def test_a_file_without_an_end_is_refused(option: str, file: str, fake: FakeMachine) -> None:
    done = fake("record", option, "/dev/zero", "--dry-run", "x.mkv", code=2)
    assert f"the {file} /dev/zero is longer than 16 MiB" in error_line(done)


def test_of_many_unknown_names_some_are_told_and_the_rest_counted(fake: FakeMachine) -> None:
    (fake.folder / "many.json").write_text(json.dumps({"video": {f"n{number}": 1 for number in range(100_000)}}))
    done = fake("snapshot", "--dry-run", "--constraints", "many.json", "x.png", code=0)
    told = [line for line in done.stderr.decode().splitlines() if line.startswith("mscli: ")]
    assert told[0] == "mscli: warning: ignoring unknown constraint “n0”"
    assert told[20:] == ["mscli: warning: ignoring 99980 more unknown names"]


@pytest.mark.parametrize("arguments", [("--width", "1" * 5000), ("--size", f"{'1' * 5000}x1"), ("--frames", "1" * 5000)])
def test_numbers_without_an_end_are_usage_errors(arguments: tuple[str, ...], fake: FakeMachine) -> None:
    assert "sys." not in error_line(fake("record", *arguments, "x.mkv", code=2))


def test_python_s_own_hints_are_not_shown(fake: FakeMachine) -> None:
    page = f'{{"video": {{"width": {"1" * 5000}}}}}'
    done = fake("snapshot", "--json", "--constraints", page, "x.png", code=2)
    assert "too many digits" in error_json(done)["message"]


def test_with_json_warnings_are_json(fake: FakeMachine) -> None:
    done = fake("snapshot", "--dry-run", "--json", "-c", "widht=1", "-c", "heigth=1", "x.png", code=0)
    said = [json.loads(line)["warning"] for line in done.stderr.splitlines()]
    assert said == [
        "ignoring unknown constraint “widht” (did you mean “width”?)",
        "ignoring unknown constraint “heigth” (did you mean “height”?)",
    ]


@pytest.mark.parametrize("request_", ["bash", "foo_bar", "bash_complete"])
def test_what_no_shell_asks_for_is_a_usage_error(request_: str, fake: FakeMachine) -> None:
    done = fake("devices", env={"_MSCLI_COMPLETE": request_}, code=2)
    assert "_MSCLI_COMPLETE" in error_line(done)
    assert fake("devices", env={"_MSCLI_COMPLETE": ""}, code=0).stdout
