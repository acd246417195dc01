"""What people get wrong: each is told in one sentence, with what to do about it, before a device is opened."""

from __future__ import annotations

import signal

import pytest

from tests.cli.program import FakeMachine, error_line


@pytest.mark.parametrize(
    ("command", "suffix"),
    [
        (("record", "folder"), "mkv"),
        (("record", "folder/"), "mkv"),
        (("record", "folder.mp4/"), "mkv"),
        (("snapshot", "folder"), "png"),
    ],
)
def test_a_folder_is_told_to_be_one(command: tuple[str, str], suffix: str, fake: FakeMachine) -> None:
    (fake.folder / "folder").mkdir()
    name = command[1]
    done = fake(*command, code=9)
    assert error_line(done) == f"mscli: OperationError: “{name}” cannot be written: it is a folder"
    assert done.stderr.decode().splitlines()[1] == f"  add a file name: {name.rstrip('/')}/NAME.{suffix}"
    assert fake.files == ["folder"]


def test_a_triggered_recording_that_nothing_triggers_says_so(fake: FakeMachine) -> None:
    with fake.running("record", "--trigger", "SIGUSR1", "x.mkv") as recording:
        recording.wait_for("start")
        recording.send(signal.SIGTERM)
        done = recording.end()
    assert (done.returncode, done.stderr.decode().splitlines()[-1]) == (0, "nothing was recorded (signal)")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--max-size", "0"), "“0” is not a size"),
        (("--timeout", "0"), "“0” is not a number of seconds above 0"),
        (("--reconnect", "-1"), "“-1” is not a number of seconds"),
        (("--quality", "nan"), "“nan” is not a number from 0 to 1"),
        (("--video-bitrate", "0"), "a bit rate has to be above zero"),
    ],
)
def test_odd_numbers_are_usage_errors(arguments: tuple[str, ...], said: str, fake: FakeMachine) -> None:
    assert said in error_line(fake("record", *arguments, "x.mkv", code=2))
    assert fake.files == []


def test_several_files_need_a_name(fake: FakeMachine) -> None:
    done = fake("record", "--segment-duration", "1", "-", code=7)
    assert "needs a name for them" in error_line(done)
    assert "clip-%03d.mkv" in done.stderr.decode()


def test_events_that_have_no_place_are_told_what_takes_them(fake: FakeMachine) -> None:
    done = fake("record", "--events", "nowhere/e", "x.mkv", code=9)
    assert "/dev/fd/3" in done.stderr.decode().splitlines()[1]


def test_a_machine_without_devices_is_not_told_that_the_picture_is_recorded(fake: FakeMachine) -> None:
    fake.plug()
    done = fake("record", "x.mkv", code=3)
    assert error_line(done) == "mscli: NotFoundError: there is no camera on this machine"
    assert b"only the picture" not in done.stderr
