"""What is said, where, and how much of it: people's text on stderr, results on stdout, one document of JSON."""

from __future__ import annotations

import json

import pytest

from tests.cli.program import Described, FakeMachine, camera, full_pipe, microphone

COMMANDS = [
    ("snapshot", "x.png"),
    ("record", "--force", "--no-audio", "--frames", "3", "x.mkv"),
    ("capture", "--frames", "3", "-o", "x.raw"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_people_are_told_on_stderr_and_programs_on_stdout(command: tuple[str, ...], fake: FakeMachine) -> None:
    usual = fake(*command, code=0)
    first, *output, last = usual.stderr.decode().splitlines()
    assert [line.partition(": ")[0] for line in output] == ([] if command[0] == "snapshot" else [command[-1]])
    assert first.startswith("camera “Fake camera”: 640×480 at 30 fps")
    assert last.startswith(f"Saved {command[-1]}")
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
    assert done.stderr.startswith(b"mscli: error: ")


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


@pytest.mark.parametrize("command", [*COMMANDS, ("capture", "--json", "-v", "--frames", "3", "-")], ids=" ".join)
def test_a_reader_of_stderr_that_does_not_read_holds_up_nothing(command: tuple[str, ...], fake: FakeMachine) -> None:
    *before, name = command
    output = ["-o", "-"] if name == "-" else [name]
    with full_pipe() as stderr, fake.running(*before, *output, events=False, stderr=stderr) as running:
        if name == "-":
            assert running.process.stdout is not None
            assert len(running.process.stdout.read(3 * 640 * 480)) == 3 * 640 * 480
            return  # its report, which nobody reads, is for programs, and waits for one
        assert running.end().returncode == 0
    assert fake.files == [name]


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


STEERS = "\x1b[5m\x07\t\n\x7f\x85\x9b31m\u061c\u200e\u202d\u202e\u2067\u2068\u2028\u2029"

SHOWS_NAMES = {  # of every way to show them to people: the command and its exit code
    "devices": (("devices",), 0),
    "devices-all": (("devices", "--verbose"), 0),
    "capabilities": (("capabilities", "picture"), 0),
    "choice": (("snapshot", "--dry-run", "x.png"), 0),
    "candidates": (("snapshot", "--explain", "--dry-run", "x.png"), 0),
    "nearest": (("snapshot", "-c", "facingMode=exact:left", "x.png"), 6),
    "no-such": (("snapshot", "--camera", f"{STEERS}!", "x.png"), 3),
    "several": (("snapshot", "--camera", "e", "x.png"), 3),
    "busy": (("snapshot", "--camera", "taken", "x.png"), 5),
    "unknown": (("snapshot", "-c", f"{STEERS}=1", "--strict", "x.png"), 10),
    "usage": (("snapshot", f"--{STEERS}", "x.png"), 2),
    "command": ((STEERS,), 2),
    "report": (("snapshot", f"{STEERS}.png"), 0),
    "container": (("record", f"x.{STEERS}"), 7),
    "log": (("snapshot", "--debug", "x.png"), 0),
}
SHOWS_JSON = {
    "devices": (("devices", "--json"), 0),
    "capabilities": (("capabilities", "--json", "picture"), 0),
    "choice": (("snapshot", "--json", "--explain", "--dry-run", "x.png"), 0),
    "error": (("snapshot", "--json", "--camera", f"{STEERS}!", "x.png"), 3),
    "log": (("snapshot", "--json", "--debug", f"{STEERS}.png"), 0),
    "record": (("record", "--json", "-v", "--no-audio", "--frames", "3", f"{STEERS}.mkv"), 0),
    "events": (("record", "--events", "-", "-q", "--no-audio", "--frames", "3", "x.mkv"), 0),
    "control": (("record", "--control", "-", "-q", "--no-audio", "--frames", "3", "x.mkv"), 0),
}


@pytest.fixture
def steering(fake: FakeMachine) -> FakeMachine:
    """A machine whose devices have names that would steer a terminal."""
    taken: Described = {"faults": {"busy": True}, "deviceId": "other"}
    fake.plug(
        camera(label=f"Picture {STEERS}", deviceId=STEERS, groupId=STEERS, facingMode=STEERS),
        camera(label=f"Taken {STEERS}", **taken),
        microphone(label=f"Sound {STEERS}"),
    )
    return fake


def unprintable(text: str) -> list[str]:
    """The characters that steer a terminal, or that none shows."""
    return [character for character in text if not character.isprintable() and character != "\n"]


@pytest.mark.parametrize(("command", "code"), SHOWS_NAMES.values(), ids=SHOWS_NAMES)
def test_no_name_steers_what_people_read(command: tuple[str, ...], code: int, steering: FakeMachine) -> None:
    done = steering(*command, code=code)
    said = (done.stdout + done.stderr).decode()
    assert unprintable(said) == []
    assert "\\u202e" in said, said


@pytest.mark.parametrize(("command", "code"), SHOWS_JSON.values(), ids=SHOWS_JSON)
def test_no_name_steers_a_terminal_that_shows_json(command: tuple[str, ...], code: int, steering: FakeMachine) -> None:
    done = steering(*command, stdin=json.dumps({"enabled": {"video": True}, "id": STEERS}).encode(), code=code)
    said = (done.stdout + done.stderr).decode()
    assert unprintable(said) == []
    assert "\\u202e" in said, said


def test_json_says_names_as_they_are(steering: FakeMachine) -> None:
    told = json.loads(steering("devices", "--json", code=0).stdout)
    assert {info["label"] for info in told} == {f"{name} {STEERS}" for name in ("Picture", "Taken", "Sound")}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_are_offered_no_name_that_steers(shell: str, steering: FakeMachine) -> None:
    for typed, offered in {"": ["other"], "pict": [], "ta": ["other"]}.items():
        env = {"_MSCLI_COMPLETE": f"{shell}_complete", "COMP_LINE": f"mscli snapshot --camera {typed}"}
        lines = steering(env=steering.environment | env, code=0).stdout.decode().split("\n")[:-1]
        assert [line.split("\t")[:2] for line in lines if line] == [["plain", value] for value in offered]
        assert unprintable("".join(lines).replace("\t", "")) == []
