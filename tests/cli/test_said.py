"""What is said, where, and how much of it: people's text on stderr, results on stdout, one document of JSON."""

from __future__ import annotations

import json

import pytest

from tests.cli.program import FakeMachine, camera, microphone

COMMANDS = [
    ("snapshot", "x.png"),
    ("record", "--force", "--no-audio", "--frames", "3", "x.mkv"),
    ("capture", "--frames", "3", "-o", "x.raw"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_people_are_told_on_stderr_and_programs_on_stdout(command: tuple[str, ...], fake: FakeMachine) -> None:
    usual = fake(*command, code=0)
    first, last = usual.stderr.decode().splitlines()
    assert first.startswith("camera “Fake camera”: 640×480 at 30 frames/s")
    assert last.startswith(f"{command[-1]}: ")
    assert usual.stdout == b""
    quiet = fake(*command, "--quiet", "-c", "widht=3", code=0)
    assert (quiet.stdout, quiet.stderr) == (b"", b"")
    as_json = fake(*command, "--json", code=0)
    assert as_json.stderr == b""
    report = json.loads(as_json.stdout)
    assert set(report) >= {"files", "duration", "reason", "tracks"}
    assert (report["files"], report["reason"]) == ([command[-1]], "frames")


def test_quiet_is_not_silent_about_errors(fake: FakeMachine) -> None:
    done = fake("snapshot", "--quiet", "x.bmp", code=7)
    assert done.stderr.startswith(b"mscli: NotSupportedError: ")


def test_a_busy_device_is_passed_over_with_a_warning(fake: FakeMachine) -> None:
    fake.plug(camera(label="Taken", faults={"busy": True}), camera(label="Free", deviceId="free"))
    done = fake("snapshot", "x.png", code=0)
    assert [line for line in done.stderr.decode().splitlines() if "“Taken”" in line and "“Free”" in line]
    assert fake("snapshot", "--quiet", "x.png", code=0).stderr == b""


@pytest.mark.parametrize("command", ["devices", "capabilities", "snapshot --explain x.png", "record --frames 480 x.wav"])
def test_a_pipe_gets_no_escape_codes(command: str, fake: FakeMachine) -> None:
    done = fake.shell(f"TERM=xterm-256color mscli {command}")
    assert done.returncode == 0
    assert b"\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize("where", ["/dev/full", "&-", " >(exit)"])
def test_a_stderr_that_takes_nothing_ends_no_command(where: str, fake: FakeMachine) -> None:
    fake.plug(camera(), microphone(), microphone(label="Taken", deviceId="taken", faults={"busy": True}))
    for command, code in {
        "capture --frames 3 -o x.raw": 0,
        "devices": 0,
        "snapshot --explain x.png": 0,
        "snapshot --explain --dry-run x.png": 0,
        "record --frames 480 --force x.wav": 0,
        "snapshot x.png": 0,
        "snapshot --width exact:5000 x.png": 6,
        "snapsot": 2,
    }.items():
        assert fake.shell(f"mscli {command} 2>{where}").returncode == code, command
    assert (fake.folder / "x.raw").stat().st_size == 3 * 320 * 240 * 3 // 2


def test_all_streams_may_be_closed(fake: FakeMachine) -> None:
    assert fake.shell("mscli snapshot x.png <&- >&- 2>&-").returncode == 0
    assert fake.shell("mscli record --frames 480 x.wav <&- >&- 2>&-").returncode == 0
    assert fake.shell("mscli capture --frames 1 <&- >&- 2>&-").returncode == 9
    assert fake.files == ["x.png", "x.wav"]
    assert {(fake.folder / name).read_bytes()[:4] for name in fake.files} == {b"\x89PNG", b"RIFF"}


def test_control_characters_of_names_do_not_reach_the_terminal(fake: FakeMachine) -> None:
    name = "\x1b[31mred\x07\n[/bold] :cat: \x9b0m"
    busy = microphone(label=f"Sound {name}", faults={"busy": True})
    fake.plug(camera(label=f"Picture {name}", deviceId=name, groupId=name), busy)
    for command, code in (
        (("devices", "--verbose"), 0),
        (("capabilities", "picture"), 0),
        (("snapshot", "--explain", "--events", "e", "x\x1b]0;title\x07.png"), 0),
        (("snapshot", "--dry-run", "x.png"), 0),
        (("capture", "--microphone", "sound", "-o", "x"), 5),
        (("snapshot", "--camera", "\x1b[5m", "x.png"), 3),
        (("snapshot", "-c", "\x1b[5m=3", "x.png", "--strict"), 10),
        (("record", "x.\x1b[5m"), 7),
    ):
        done = fake(*command, code=code)
        said = (done.stdout + done.stderr).decode()
        assert [character for character in said if not character.isprintable() and character != "\n"] == []
        assert code != 0 or "\\x1b[31mred\\x07\\x0a[/bold] :cat: \\x9b0m" in said, said
