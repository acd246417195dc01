"""``--control``: a process that takes commands from stdin or through a socket while it captures."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from mscli.cli.control import LINE_BYTES, MOST_CLIENTS
from mscli.cli.manual import MANUALS
from mscli.core.limits import CLIENT_SLEEPS_S
from tests.cli.program import TIMEOUT_S, FakeMachine, camera, error_line, eventually, microphone, picture, streams
from tests.conftest import require
from tests.idle import idle_until_end
from tests.pattern import pictures

BLACK = 20  # luma up to which a picture is black


class Controlled:
    """A process that is controlled through its stdin or a socket. Events and answers are kept."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    def events(self, *types: str) -> list[dict[str, Any]]:
        """The events of these types so far, of all types if none is named."""
        lines = self._log.read_text().splitlines(keepends=True) if self._log.exists() else []
        told = [json.loads(line) for line in lines if line.endswith("\n")]
        return [event for event in told if not types or event["type"] in types]

    def answers(self) -> list[dict[str, Any]]:
        """The answers so far."""
        return [event for event in self.events() if "ok" in event]

    def send(self, *commands: Any) -> dict[str, Any]:
        """Send commands through stdin, and return the answer to the last one."""
        before = len(self.answers())
        self.write(*(json.dumps(command).encode() + b"\n" for command in commands))
        assert eventually(lambda: len(self.answers()) >= before + len(commands)), self.events()
        return self.answers()[before + len(commands) - 1]

    def write(self, *data: bytes) -> None:
        """Write bytes to stdin."""
        assert self.process.stdin is not None
        for part in data:
            self.process.stdin.write(part)
        self.process.stdin.flush()

    def end(self, code: int = 0) -> Any:
        """Wait for the end, and return the report."""
        out, err = self.process.communicate(timeout=TIMEOUT_S)
        assert self.process.returncode == code, err.decode()
        return json.loads(out) if out else None


@contextmanager
def controlled(
    fake: FakeMachine, *arguments: str, address: str = "-", events: bool = True, log: str = "", as_json: bool = True
) -> Iterator[Controlled]:
    """A command that captures and can be controlled, once it has begun."""
    file = fake.folder / "events.jsonl"
    told = ["--events", str(file)] if events else []
    command = [*fake.argv, *arguments, *(["--json"] if as_json else []), "--control", address, *told]
    pipe = subprocess.PIPE
    env = fake.environment | {"MSCLI_LOG": log}
    with subprocess.Popen(command, cwd=fake.folder, env=env, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        running = Controlled(process, file)
        try:
            if events:
                begun = "start" if arguments[0] == "record" else "settings"
                assert eventually(lambda: running.events(begun) or process.poll() is not None)
            yield running
        finally:
            process.kill()


def connected(path: Path) -> socket.socket:
    """A client of a socket, once that is there."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(TIMEOUT_S)

    def connects() -> bool:
        with suppress(OSError):
            client.connect(str(path))
            return True
        return False

    assert eventually(connects)
    return client


def ask(client: socket.socket, command: Any) -> dict[str, Any]:
    """What a client is answered."""
    client.sendall(json.dumps(command).encode() + b"\n")
    with client.makefile("rb") as answers:
        answer: dict[str, Any] = json.loads(answers.readline())
    return answer


# stdin


def test_a_capture_takes_one_more_output_and_finishes_it(fake: FakeMachine) -> None:
    with controlled(fake, "capture", "-o", "first.raw") as running:
        assert running.send({"addOutput": "n-%02d.raw"})["file"] == "n-01.raw"
        assert eventually(lambda: (fake.folder / "n-01.raw").exists())
        assert running.send({"removeOutput": "n-01.raw"})["ok"]
        assert running.send({"stop": True})["ok"]
        report = running.end()
    assert {one["name"]: one["error"] for one in report["outputs"]} == {"first.raw": None, "n-01.raw": None}


ADDED = [  # what is added, and why it is refused
    ("{first}", "{first} and {first} are the same output; name each output once"),
    ("./{first}", "{first} and ./{first} are the same output; name each output once"),
    ("log", "--events and the output are the same file, {log}; use different files"),
    ("-", "-: stdout is only an output if it is named at the start"),
    ("/dev/stdout", "/dev/stdout: stdout is only an output if it is named at the start"),
    ("folder", "cannot write folder: it is a folder"),
]


@pytest.mark.parametrize(("command", "first"), [(["capture"], "first.raw"), (["record", "--no-audio"], "first.mkv")])
def test_what_is_added_is_checked_as_at_the_start(command: list[str], first: str, fake: FakeMachine) -> None:
    log = fake.folder / "events.jsonl"
    for name in ("log.png", "log.mkv", "log"):
        (fake.folder / name).symlink_to(log.name)
    (fake.folder / "first.png").symlink_to(first)
    (fake.folder / "folder").mkdir()
    with controlled(fake, *command, "-o", first) as run:
        for name, sentence in ADDED:
            name, sentence = name.format(first=first), sentence.format(first=first, log=log)
            if name == "log" and command[0] == "record":
                name = "log.mkv"
            error = run.send({"addOutput": name})["error"]
            assert (error["message"], error["name"]) == (sentence, "OperationError" if name == "folder" else "TypeError")
        assert eventually(lambda: (fake.folder / first).exists())
        error = run.send({"snapshot": "log.png"})["error"]
        assert error["message"] == f"--events and the output are the same file, {log}; use different files"
        error = run.send({"snapshot": "first.png"})["error"]
        assert error["message"] == f"{first} and first.png are the same output; name each output once"
        assert run.send({"snapshot": "folder"})["error"]["message"] == "cannot write folder: it is a folder"
        assert run.send({"snapshot": "-"})["error"]["name"] == "NotSupportedError"
        assert run.send({"stop": True})["ok"]
        assert run.end()["files"] == [first]
    assert fake.files == sorted(["events.jsonl", first, "first.png", "folder", "log", "log.mkv", "log.png"])


def test_an_output_that_a_series_may_contain_is_not_added(fake: FakeMachine) -> None:
    with controlled(fake, "record", "--no-audio", "--segment-duration", "60", "film-%03d.mkv") as run:
        error = run.send({"addOutput": "film-007.mkv"})["error"]
        assert error["message"] == "film-%03d.mkv and film-007.mkv may name the same file; use different names"
        assert run.send({"stop": True})["ok"]
        run.end()


def test_the_format_of_the_command_line_is_that_of_what_is_added(fake: FakeMachine) -> None:
    with controlled(fake, "record", "--no-audio", "--format", "webm", "-o", "film") as run:
        assert run.send({"addOutput": "more"})["file"] == "more"
        assert run.send({"addOutput": "odd.xyz"})["ok"]
        assert eventually(lambda: {"film", "more", "odd.xyz"} <= set(fake.files))
        run.send({"stop": True})
        run.end()
    for name in ("more", "odd.xyz"):
        assert streams(fake.folder / name)["video"]["codec_name"] == "vp9"


def test_a_pipe_that_nobody_reads_can_be_removed(fake: FakeMachine) -> None:
    os.mkfifo(fake.folder / "pipe")
    with controlled(fake, "capture", "-o", "a.yuv") as run:
        assert run.send({"addOutput": "pipe"})["ok"]
        assert run.send({"removeOutput": "pipe"})["ok"]
        assert run.send({"addOutput": "b.yuv"})["ok"]
        assert eventually(lambda: (fake.folder / "b.yuv").exists())
        assert run.send({"stop": True})["ok"]
        report = json.loads(run.process.communicate(timeout=TIMEOUT_S)[0])
        assert run.process.returncode in (0, 9)  # whether a frame had come for the pipe
    assert [(one["name"], one["files"]) for one in report["outputs"]] == [
        ("a.yuv", ["a.yuv"]),
        ("pipe", []),
        ("b.yuv", ["b.yuv"]),
    ]


def lines_of(run: Controlled) -> list[str]:
    """What people are told at the end."""
    assert run.send({"stop": True})["ok"]
    err = run.process.communicate(timeout=TIMEOUT_S)[1].decode()
    assert run.process.returncode == 0, err
    return [line for line in err.splitlines() if line.startswith(("Saved", "Nothing", "Wrote", "b."))]


@pytest.mark.parametrize("command", ["capture", "record"])
def test_an_output_that_was_removed_can_be_added_again(command: str, fake: FakeMachine) -> None:
    fake.plug(camera())
    names = ("a.yuv", "b.yuv") if command == "capture" else ("a.mkv", "b.mkv")
    force = [] if command == "capture" else ["--force", "--video-codec", "mjpeg"]
    with controlled(fake, command, *force, "-o", names[0], as_json=False) as run:
        file = fake.folder / names[1]
        for _ in range(2):
            before = file.stat().st_ino if file.exists() else 0
            assert run.send({"addOutput": names[1]})["file"] == names[1]
            assert eventually(lambda: file.exists() and file.stat().st_ino != before)  # noqa: B023 (called here)
            assert run.send({"removeOutput": names[1]})["ok"]
        first, *others = lines_of(run)
    assert first.startswith(f"Saved {names[0]}: ")
    assert others[0] == f"{names[1]}: replaced by the output of this name that was added later"
    assert others[1].startswith(f"Saved {names[1]}: ")
    assert len(others) == 2


def test_a_file_that_a_removed_output_has_left_is_not_overwritten(fake: FakeMachine) -> None:
    fake.plug(camera())
    with controlled(fake, "record", "--video-codec", "mjpeg", "-o", "a.mkv", as_json=False) as run:
        assert run.send({"addOutput": "b.mkv"})["ok"]
        assert eventually(lambda: (fake.folder / "b.mkv").exists())
        assert run.send({"removeOutput": "b.mkv"})["ok"]
        error = run.send({"addOutput": "b.mkv"})["error"]
        assert error["message"] == "b.mkv already exists; use --force to overwrite it"
        assert run.send({"removeOutput": "b.mkv"})["error"]["message"] == "no output is called b.mkv; outputs: “a.mkv”"
        assert [line.partition(":")[0] for line in lines_of(run)] == ["Saved a.mkv", "Saved b.mkv"]


@pytest.mark.parametrize("command", [["record", "a.mkv"], ["capture", "--format", "I420", "-o", "a.raw"]], ids=lambda c: c[0])
def test_an_output_ends_when_it_is_removed(command: list[str], fake: FakeMachine) -> None:
    fake.plug(camera())
    added = "b" + command[-1][1:]
    with controlled(fake, *command) as run:
        assert run.send({"addOutput": added})["ok"]
        assert eventually(lambda: (fake.folder / added).exists())
        assert run.send({"removeOutput": added})["ok"]
        assert eventually(lambda: run.events("stop"))
        assert run.send({"stop": True})["ok"]
        assert run.end()["reason"] == "signal"
    assert [(one["file"], one["reason"]) for one in run.events("stop")] == [(added, "removed"), (command[-1], "signal")]


def test_an_added_output_that_fails_is_reported_once(fake: FakeMachine) -> None:
    with controlled(fake, "record", "a.mkv") as run:
        assert run.send({"addOutput": "/dev/full"})["ok"]
        assert eventually(lambda: run.events("error"))
        assert run.send({"stop": True})["ok"]
        assert run.end(code=9)["outputs"][0]["exitCode"] == 0
    assert [one["file"] for one in run.events("error")] == ["/dev/full"]


@pytest.mark.parametrize(
    "command", [["capture", "-o"], ["record", "--no-audio", "--format", "mkv", "-o"]], ids=lambda command: command[0]
)
@pytest.mark.parametrize("first", [True, False])
def test_a_pipe_without_a_reader_holds_up_neither_commands_nor_outputs(
    command: list[str], first: bool, fake: FakeMachine
) -> None:
    os.mkfifo(fake.folder / "pipe")
    names = ["pipe", "whole.mkv"] if first else ["whole.mkv", "pipe"]
    with controlled(fake, *command, names[0]) as run:
        assert run.send({"addOutput": names[1]})["ok"]
        assert eventually(lambda: (fake.folder / "whole.mkv").exists())
        assert run.send({"snapshot": "still.png"})["ok"]
        assert run.send({"stop": True})["ok"]
        report = run.end(code=9)
    found = {one["name"]: one for one in report["outputs"]}
    assert (found["whole.mkv"]["error"], found["whole.mkv"]["files"]) == (None, ["whole.mkv"])
    assert "nobody has opened the pipe for reading" in found["pipe"]["error"]["message"]
    assert (found["pipe"]["bytes"], found["pipe"]["files"], found["pipe"]["tracks"][0]["frames"]) == (0, [], 0)


@pytest.mark.parametrize(
    "command", [["record", "film.mkv"], ["capture", "--format", "I420", "-o", "film.yuv"]], ids=lambda c: c[0]
)
def test_a_pause_is_left_out(command: list[str], fake: FakeMachine) -> None:
    fake.plug(camera())
    with controlled(fake, *command) as run:
        time.sleep(0.5)  # the part before the pause has to last
        assert run.send({"pause": True, "id": 1}) | {"time": 0, "wallTime": ""} == {
            "type": "answer", "time": 0, "wallTime": "", "id": 1, "command": "pause", "ok": True,
        }  # fmt: skip
        time.sleep(2)  # the pause has to last
        run.send({"resume": True})
        time.sleep(0.5)  # and the part after it
        assert run.send({"stop": True})["ok"]
        report = run.end()
    (pause,), (resume,), (stop,) = (run.events(name) for name in ("pause", "resume", "stop"))
    assert resume["time"] - pause["time"] > 1.9
    whole_s = stop["time"] - run.events("settings")[0]["time"]
    assert report["duration"] < whole_s - 1.8
    assert report["reason"] == "signal"
    (track,) = report["tracks"]
    assert (track["dropped"], track["lost"]) == (0, 0)
    assert track["frames"] == pytest.approx(report["duration"] * 30, abs=3)
    if command[0] == "capture":
        assert (fake.folder / "film.yuv").stat().st_size == track["frames"] * 320 * 240 * 3 // 2


def test_a_track_that_is_switched_off_is_black_and_comes_back(fake: FakeMachine) -> None:
    fake.plug(camera())
    with controlled(fake, "record", "film.mkv") as run:
        for shown in (False, True):
            time.sleep(0.7)  # each part of the film has to last
            assert run.send({"enabled": {"video": shown}})["ok"]
        time.sleep(0.7)  # and so has the last one
        run.send({"stop": True})
        run.end()
    dark = [picture.luma.max() < BLACK for picture in pictures(fake.folder / "film.mkv")]
    changes = [dark[0], *(after for before, after in pairwise(dark) if before != after)]
    assert changes == [False, True, False]
    assert sum(dark) > 10


def test_changed_constraints_are_answered_and_told(fake: FakeMachine) -> None:
    with controlled(fake, "record", "--no-audio", "film.mkv") as run:
        answer = run.send({"id": "small", "applyConstraints": {"video": {"width": {"exact": 320}, "heigth": 1}}})
        assert (answer["id"], answer["settings"]["video"]["width"], answer["ignored"]) == ("small", 320, ["video.heigth"])
        assert eventually(lambda: len(run.events("settings")) == 2)
        assert [event["settings"]["width"] for event in run.events("settings")] == [640, 320]
        answer = run.send({"id": "vast", "applyConstraints": {"video": {"width": {"exact": 99999}}}})
        assert (answer["type"], answer["id"], answer["ok"]) == ("error", "vast", False)
        assert {"name": "OverconstrainedError", "constraint": "width", "conflict": ["width"]}.items() <= answer["error"].items()
        assert answer["error"]["nearest"]["width"] == 1920
        run.send({"stop": True})
        report = run.end()
    assert report["tracks"][0]["settings"]["width"] == 320
    assert streams(fake.folder / "film.mkv")["video"]["width"] == 640  # a file keeps the size that it began with


@pytest.mark.parametrize("output", ["x.y4m", "x.i420", "x.npy"])
def test_the_size_of_raw_pictures_is_not_changed(output: str, fake: FakeMachine) -> None:
    with controlled(fake, "capture", "-o", output, "-o", "x.mjpeg") as run:
        small = {"applyConstraints": {"video": {"width": {"exact": 320}, "height": {"exact": 240}}}}
        error = run.send(small)["error"]
        assert error["name"] == "NotSupportedError"
        assert error["message"].startswith(f"{output} holds raw pictures, which cannot change their size")
        assert run.send({"applyConstraints": {"video": {"frameRate": 15}}})["settings"]["video"]["width"] == 640
        assert run.send({"removeOutput": output})["ok"]
        assert run.send(small)["settings"]["video"]["width"] == 320
        assert run.send({"addOutput": "y.y4m"})["ok"]
        assert not run.send({"applyConstraints": {"video": {"width": {"exact": 640}}}})["ok"]
        assert eventually(lambda: "y.y4m" in fake.files)
        run.send({"stop": True})
        run.end()
    assert b" W320 H240 " in (fake.folder / "y.y4m").read_bytes()[:80]


def manual_example(first: str) -> str:
    """The example in the manual that begins with these words."""
    found = re.search(rf"(?m)^    {re.escape(first)}.*(?:\n    .*)+", MANUALS[""])
    assert found is not None
    return textwrap.dedent(found[0])


def test_the_manuals_example_for_a_shell_works(fake: FakeMachine) -> None:
    require("socat")
    done = fake.shell(manual_example("mscli record --control unix:camera.sock"))
    assert done.returncode == 0, done.stderr.decode()
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["command"] for answer in answers] == [
        "snapshot", "applyConstraints", "addOutput", "pause", "resume", "removeOutput", "stop"
    ]  # fmt: skip
    assert all(answer["ok"] for answer in answers), answers
    assert picture(fake.folder / "now.png") == "PNG 640x480"
    assert streams(fake.folder / "film.mkv")["video"]


def test_the_manuals_example_for_python_works(fake: FakeMachine) -> None:
    with controlled(fake, "record", "film.mkv", address="unix:camera.sock") as run:
        program = manual_example("import json, socket")
        told = subprocess.run(
            [sys.executable, "-I", "-c", program], cwd=fake.folder, check=True, capture_output=True, timeout=TIMEOUT_S
        )
        assert run.end()["files"] == ["film.mkv"]
    name, enabled, message, stopped = told.stdout.decode().splitlines()
    assert (name, enabled, stopped) == ("then.png", "True", "True")
    assert message.startswith("unknown command “zoom”")


def test_a_snapshot_is_taken_while_it_records(fake: FakeMachine) -> None:
    with controlled(fake, "record", "--no-audio", "film.mkv") as run:
        assert run.send({"snapshot": "still.png"})["file"] == "still.png"
        assert picture(fake.folder / "still.png") == "PNG 640x480"
        assert run.send({"snapshot": "still.mkv"})["error"]["name"] == "NotSupportedError"
        run.send({"stop": True})
        assert run.end()["files"] == ["film.mkv"]


def test_a_trigger_begins_a_file_beside_signals(fake: FakeMachine) -> None:
    arguments = ["--no-audio", "--trigger", "SIGUSR1", "--duration", "0.3", "--pre-roll", "0.5", "film.mkv"]
    with controlled(fake, "record", *arguments) as run:
        time.sleep(0.5)  # what comes before the trigger is in the file
        assert run.send({"trigger": True})["ok"]
        assert eventually(lambda: len(run.events("segment")) == 1)
        run.process.send_signal(signal.SIGUSR1)
        assert eventually(lambda: len(run.events("segment")) == 2)
        run.send({"stop": True})
        assert run.end()["files"] == ["film-001.mkv", "film-002.mkv"]


def test_bad_lines_are_answered_and_the_run_goes_on(fake: FakeMachine) -> None:
    fake.plug(microphone())
    lines = [
        b"not JSON\n", b"\n", b"  \n", b'{"pause": 1}\n', b'{"puase": true, "id": 4}\n', b"[]\n", b"\xff\xfe\n",
        b"x" * (LINE_BYTES + 1) + b"\n", b'{"trigger": true}\n', b'{"addOutput": "more.xyz"}\n',
        b'{"enabled": {"video": true}}\n', b'{"snapshot": "no.png"}\n',
    ]  # fmt: skip
    with controlled(fake, "record", "--no-video", "sound.wav") as run:
        run.write(*lines)
        assert eventually(lambda: len(run.answers()) == len(lines) - 2)
        assert {event["type"] for event in run.answers()} == {"error"}
        names = [event["error"]["name"] for event in run.answers()]
        assert names == ["TypeError"] * 6 + ["InvalidStateError", "NotSupportedError", "TypeError", "NotSupportedError"]
        assert [event.get("id") for event in run.answers()].index(4) == 2
        run.send({"stop": True})
        assert run.end()["files"] == ["sound.wav"]


def test_the_end_of_stdin_is_not_the_end_of_the_run(fake: FakeMachine) -> None:
    stdin = b'{"pause": true}\n{"resume": true}'
    done = fake("record", "--no-audio", "--duration", "1", "--control", "-", "film.mkv", stdin=stdin, code=0)
    assert [json.loads(line)["command"] for line in done.stdout.splitlines()] == ["pause", "resume"]
    assert b"\nSaved film.mkv: " in done.stderr


def test_commands_may_come_from_a_file(fake: FakeMachine) -> None:
    (fake.folder / "commands").write_text('{"enabled": {"video": false}}\n{"stop": true}\n')
    done = fake.shell("mscli record --no-audio --json --control - film.mkv < commands")
    assert done.returncode in (0, 130)  # if no picture had come yet
    assert [json.loads(line)["command"] for line in done.stdout.splitlines()[:2]] == ["enabled", "stop"]


def test_answers_come_before_the_report_on_stdout(fake: FakeMachine) -> None:
    with controlled(fake, "record", "--no-audio", "--duration", "1", "film.mkv", events=False) as run:
        run.write(b'{"enabled": {"video": true}, "id": 1}\n')
        out, _ = run.process.communicate(timeout=TIMEOUT_S)
    answer, report = map(json.loads, out.splitlines())
    assert (answer["id"], answer["ok"], report["reason"]) == (1, True, "duration")


def test_answers_go_to_stderr_if_stdout_carries_the_recording(fake: FakeMachine) -> None:
    with controlled(fake, "record", "--no-audio", "--duration", "1", "-", events=False) as run:
        run.write(b'{"enabled": {"video": true}, "id": 1}\n')
        out, err = run.process.communicate(timeout=TIMEOUT_S)
    answer, report = map(json.loads, err.splitlines())
    assert (answer["id"], report["reason"]) == (1, "duration")
    assert out[:4] == b"\x1aE\xdf\xa3"  # Matroska


def test_a_reader_of_the_answers_that_sleeps_holds_up_no_end(fake: FakeMachine) -> None:
    with controlled(fake, "record", "--no-audio", "film.mkv", events=False) as run:
        assert run.process.stdin is not None
        stdin = run.process.stdin.fileno()
        os.set_blocking(stdin, False)
        for _ in range(1000):
            with suppress(BlockingIOError):
                os.write(stdin, b'{"enabled": {"video": true}, "id": "%s"}\n' % (b"x" * 1000))
        assert eventually(lambda: (fake.folder / "film.mkv").exists())
        run.process.send_signal(signal.SIGTERM)
        assert eventually(lambda: run.process.poll() is not None)
        assert run.process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--control", "-", "--trigger", "stdin"], "--control - and --trigger stdin cannot both read stdin"),
        (["--trigger", "stdin", "--control", "-"], "--control - and --trigger stdin cannot both read stdin"),
        (["--constraints", "-", "--control", "-"], "--control - and --constraints - cannot both read stdin"),
        (["--constraints", "-", "--trigger", "stdin"], "--constraints - and --trigger stdin cannot both read stdin"),
        (["--control", "pipe"], "“pipe” is neither - (for stdin) nor unix:PATH"),
        (["--control", "unix:"], "“unix:” is neither - (for stdin) nor unix:PATH"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_is_a_usage_error(arguments: list[str], sentence: str, fake: FakeMachine) -> None:
    done = fake("record", *arguments, "film.mkv", stdin=b"{}", code=2)
    assert sentence in error_line(done)
    assert fake.files == []


# A socket


def test_a_socket_takes_commands_of_its_owner_from_several_clients(fake: FakeMachine) -> None:
    path = fake.folder / "control"
    with controlled(fake, "record", "--no-audio", "film.mkv", address=f"unix:{path}") as run:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with connected(path) as one, connected(path) as other:
            assert ask(one, {"pause": True, "id": 1})["id"] == 1
            assert ask(other, {"resume": True, "id": 2})["id"] == 2
            assert ask(one, {"oops": True})["type"] == "error"
        with connected(path) as later:
            later.sendall(b'{"enabled": {"video": true}}\n{"stop": true}')
            later.shutdown(socket.SHUT_WR)
            with later.makefile("rb") as answers:
                assert [json.loads(line)["command"] for line in answers] == ["enabled", "stop"]
        run.end()
        assert not path.exists()
        assert [event["type"] for event in run.events("pause", "resume", "answer")] == ["pause", "resume"]


def test_a_client_that_leaves_or_sleeps_harms_nobody(fake: FakeMachine) -> None:
    path = fake.folder / "control"
    with controlled(fake, "record", "--no-audio", "film.mkv", address="unix:control", log="warning") as run:
        for _ in range(3):
            with connected(path) as leaving:
                leaving.sendall(b'{"enabled": {"video": true}}\n' * 100 + b"half a li")
        with connected(path) as asleep, connected(path) as awake:
            asleep.settimeout(1)
            with suppress(TimeoutError):  # by then nothing more of it is read
                while True:
                    asleep.send(b'{"enabled": {"video": true}, "id": "%s"}\n' % (b"x" * 500))
            assert ask(awake, {"pause": True})["ok"]
            time.sleep(CLIENT_SLEEPS_S + 2)  # longer than a client may sleep
            asleep.settimeout(TIMEOUT_S)
            with suppress(OSError):  # dropped
                while asleep.recv(1 << 16):
                    pass
            assert ask(awake, {"stop": True})["ok"]
        assert b"disconnected: it does not read its answers" in run.process.communicate(timeout=TIMEOUT_S)[1]
        assert run.process.returncode == 0


def test_more_clients_than_there_may_be_wait(fake: FakeMachine) -> None:
    path = fake.folder / "control"
    with controlled(fake, "record", "--no-audio", "film.mkv", address="unix:control") as run:
        clients = [connected(path) for _ in range(MOST_CLIENTS + 1)]
        assert ask(clients[0], {"pause": True})["ok"]
        clients[-1].sendall(b'{"resume": true}\n')
        clients[0].close()
        with clients[-1].makefile("rb") as answers:
            assert json.loads(answers.readline())["ok"]
        for client in clients:
            client.close()
        run.process.send_signal(signal.SIGTERM)
        run.end()


def test_a_socket_that_nobody_listens_to_is_replaced(fake: FakeMachine) -> None:
    path = fake.folder / "control"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    with controlled(fake, "record", "--no-audio", "film.mkv", address="unix:control") as run, connected(path) as client:
        assert ask(client, {"stop": True})["ok"]
        run.end()
    assert not path.exists()


def test_what_is_there_is_not_replaced(fake: FakeMachine) -> None:
    path = fake.folder / "control"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        done = fake("record", "--control", "unix:control", "film.mkv", code=9)
        assert "control: another program listens on it" in error_line(done)
    path.unlink()
    for make in (lambda: path.write_text("mine"), path.mkdir, lambda: path.symlink_to("nowhere"), lambda: os.mkfifo(path)):
        make()
        done = fake("record", "--control", "unix:control", "film.mkv", code=9)
        assert "control: the name belongs to something that is not a socket" in error_line(done)
        path.rmdir() if path.is_dir() else path.unlink()
    for name, why in (("no/control", "No such file or directory"), ("x" * 200, "too long")):
        assert why in error_line(fake("record", "--control", f"unix:{name}", "film.mkv", code=9))
    assert fake.files == []


def test_a_socket_that_another_has_taken_the_place_of_stays(fake: FakeMachine) -> None:
    path = fake.folder / "control"
    with controlled(fake, "record", "--no-audio", "film.mkv", address="unix:control") as run:
        path.unlink()
        path.write_text("another's")
        run.process.send_signal(signal.SIGTERM)
        run.end()
    assert path.read_text() == "another's"


def test_a_command_that_a_driver_hangs_in_holds_up_no_end(fake: FakeMachine) -> None:
    modes = [{"width": width, "height": 240, "frameRate": 30} for width in (320, 640)]
    fake.plug(camera(modes=modes, faults={"hangAfterFrames": 30}))
    path = fake.folder / "control"
    arguments = ["--timeout", "60", "--width", "320", "film.mkv"]
    with controlled(fake, "record", *arguments, address="unix:control") as run, connected(path) as client:
        time.sleep(1.5)  # the camera hangs after a second, which nothing says
        client.sendall(b'{"applyConstraints": {"video": {"width": {"exact": 640}}}}\n')
        time.sleep(0.3)  # the command is with the driver by then
        run.process.send_signal(signal.SIGINT)
        assert idle_until_end(run.process) < 3
        run.process.communicate()
        assert run.process.returncode == 0
