"""The line and the keys of a recording, in a real terminal (tmux)."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.conftest import ROOT, Program, clean_environment, require
from tests.integration.running import SMALL, decode, frame_numbers

PATIENCE_S = 30.0
RECORDING = r"● 0:0\d  [\d.]+ k?B  [\d.]+ frames/s  [█▌·]{12} -\d+ dB  [\d:]+ left  p pause  q stop"


class Terminal:
    """A shell in a terminal of 120 × 24 characters."""

    def __init__(self, folder: Path, mscli: Program) -> None:
        self._socket = str(folder / "tmux")
        self._program = shlex.join(mscli.argv)
        environment = clean_environment() | {"PYTHONPATH": str(ROOT), "PS1": "> ", "LC_ALL": "C.UTF-8"}
        command = ["tmux", "-S", self._socket, "-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "24"]
        shell = ["env", "PS1=> ", "bash", "--norc", "--noprofile"]
        subprocess.run([*command, "-c", str(mscli.folder), *shell], check=True, env=environment)

    def record(self, *arguments: str) -> None:
        """Type a command line that records."""
        self.mscli("record", *SMALL, *arguments)

    def mscli(self, *arguments: str) -> None:
        """Type a command line of the program."""
        self.run(f"{self._program} {shlex.join(arguments)}; echo code $?")

    def press(self, *keys: str) -> None:
        """Press keys."""
        self._tmux("send-keys", *keys)

    def type(self, text: str) -> None:
        """Type text."""
        self._tmux("send-keys", "-l", text)

    def run(self, line: str) -> None:
        """Type a command line."""
        self.type(line)
        self.press("Enter")

    @property
    def text(self) -> str:
        """What it shows."""
        return self._tmux("capture-pane", "-p").rstrip()

    def wait_for(self, pattern: str) -> str:
        """Wait until what it shows has such a part; fails if it never does."""
        deadline = time.monotonic() + PATIENCE_S
        while not (found := re.search(pattern, self.text, re.MULTILINE)):
            assert time.monotonic() < deadline, f"no {pattern} in\n{self.text}"
            time.sleep(0.05)
        return found[0]

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until it holds; fails if it never does."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, self.text
            time.sleep(0.05)

    def check_modes(self) -> None:
        """The terminal is as it was: it echoes, and gives lines."""
        self.run("clear; stty -a | grep -ow '.\\?icanon\\|.\\?echo' | xargs echo modes:")
        assert self.wait_for("^modes:.*$") == "modes: icanon echo"

    @property
    def history(self) -> str:
        """What it shows, and what has gone above it."""
        return self._tmux("capture-pane", "-p", "-S", "-").rstrip()

    def resize(self, columns: int, lines: int = 24) -> None:
        """Make it so wide and high."""
        self._tmux("resize-window", "-x", str(columns), "-y", str(lines))

    def close(self) -> None:
        """End it."""
        self._tmux("kill-server")

    def _tmux(self, *arguments: str) -> str:
        command = ["tmux", "-S", self._socket, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def terminal(mscli: Program, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A terminal in the program's folder."""
    require("tmux", "ffmpeg", "ffprobe")
    terminal = Terminal(tmp_path_factory.mktemp("tmux"), mscli)
    yield terminal
    terminal.close()


def test_a_line_shows_how_it_goes_and_q_ends_it(terminal: Terminal, mscli: Program) -> None:
    terminal.record("out.mkv")
    terminal.wait_for(RECORDING)
    terminal.wait_for("● 0:02 ")
    terminal.press("q")
    terminal.wait_for("^code 0$")
    assert re.search(r"^out.mkv: .* \(signal\)$", terminal.text, re.MULTILINE)
    assert "frames/s  " not in terminal.text  # the line itself is gone
    decode(mscli.folder / "out.mkv")
    terminal.check_modes()


def test_p_pauses_and_goes_on_without_a_gap(terminal: Terminal, mscli: Program) -> None:
    terminal.record("out.mkv")
    terminal.wait_for("● 0:01 ")
    terminal.press("p")
    before = terminal.wait_for(r"‖ 0:0\d paused  [\d.]+ k?B")
    time.sleep(1.0)  # it stays so
    assert before in terminal.text
    terminal.press("p")
    terminal.wait_for("● 0:0[23] ")
    terminal.press("q")
    terminal.wait_for("^code 0$")
    numbers = frame_numbers(mscli.folder / "out.mkv")
    steps = [after - before for before, after in pairwise(numbers)]
    assert max(steps) > 25  # the pause
    assert sorted(steps)[-2] == 1


def test_the_terminal_is_given_back_while_it_is_stopped(terminal: Terminal, mscli: Program) -> None:
    terminal.record("out.mkv")
    terminal.wait_for(RECORDING)
    terminal.press("C-z")
    terminal.wait_for("Stopped")
    terminal.check_modes()
    terminal.run("clear; fg")
    terminal.wait_for(r"● 0:0\d ")
    terminal.press("q")
    terminal.wait_for(r"\(signal\)")
    terminal.check_modes()
    decode(mscli.folder / "out.mkv")


def test_in_the_background_it_leaves_the_terminal_alone(terminal: Terminal, mscli: Program) -> None:
    terminal.run("set -b")
    terminal.record("out.mkv")
    terminal.wait_for(RECORDING)
    terminal.press("C-z")
    terminal.wait_for("Stopped")
    terminal.run("clear; bg")
    terminal.wait_for(r"● 0:0\d ")
    terminal.check_modes()
    terminal.run("clear; fg")
    terminal.wait_for(r"● 0:0\d ")
    terminal.press("q")
    terminal.wait_for(r"\(signal\)")
    decode(mscli.folder / "out.mkv")


@pytest.mark.parametrize(("keys", "said"), [("C-c", r"\(signal\)"), ("C-\\", "Quit")])
def test_the_keys_of_signals_give_the_terminal_back(terminal: Terminal, keys: str, said: str) -> None:
    terminal.run("ulimit -c 0")
    terminal.record("out.mkv")
    terminal.wait_for(RECORDING)
    terminal.press(keys)
    terminal.wait_for(said)
    terminal.check_modes()


def test_a_failure_gives_the_terminal_back(terminal: Terminal) -> None:
    terminal.run("ulimit -f 25")
    terminal.record("out.mkv")
    terminal.wait_for("^code 9$")
    assert "OperationError" in terminal.text
    terminal.check_modes()


def test_a_narrow_terminal_shows_the_beginning_of_the_line(terminal: Terminal) -> None:
    terminal.resize(30)
    terminal.record("out.mkv")
    terminal.wait_for(r"^● 0:0\d  .*…$")
    terminal.press("q")
    terminal.wait_for("^code 0$")


def test_a_line_stays_one_line_when_the_terminal_is_resized(terminal: Terminal) -> None:
    terminal.record("out.mkv")
    terminal.wait_for(RECORDING)
    for columns in (70, 110, 50, 100):
        terminal.resize(columns)
        terminal.wait_for(rf"^● .{{{min(columns, 80) - 9}}}.*(…|q stop)$")
        assert terminal.text.count("●") == 1, terminal.text  # what a terminal pushes above its top is out of anybody's reach
    terminal.press("q")
    terminal.wait_for("^code 0$")


def test_a_tiny_terminal_has_one_line_and_nothing_at_the_end(terminal: Terminal) -> None:
    terminal.resize(20, 5)
    terminal.record("out.mkv")
    terminal.wait_for("^● 0:01 .*…$")
    assert terminal.text.count("●") == 1, terminal.text
    terminal.press("q")
    terminal.wait_for("^code 0$")
    assert "●" not in terminal.history


DEVICES = [{"kind": "videoinput", "label": f"Camera in the hall {number}"} for number in range(9)]


def is_neat_table(text: str, rows: int) -> bool:
    """Whether one table is shown, a line for each of so many devices, and nothing else of it."""
    lines = text.splitlines()
    heads = [line for line in lines if re.match(r" k\S* +name", line)]
    cameras = [line for line in lines if re.match(r" c\S*  +Cam", line)]
    folded = [line for line in lines if re.match(r"\S", line) and not line.startswith((">", "/"))]
    return (len(heads), len(cameras), folded) == (1, rows, [])


def test_the_table_of_a_watch_fits_any_terminal(terminal: Terminal, mscli: Program) -> None:
    (mscli.folder / "devices.json").write_text(json.dumps({"devices": DEVICES}))
    terminal.mscli("devices", "--watch", "--fake-devices-from", "devices.json")
    terminal.wait_for("hall 8")
    for columns, lines in ((50, 24), (20, 5), (120, 24), (30, 12), (80, 24)):
        terminal.resize(columns, lines)
        terminal.wait_until(lambda: is_neat_table(terminal.text, min(9, lines - 4)))  # noqa: B023 (it is called at once)
    terminal.press("C-c")
    terminal.wait_for("^code 0$")
    terminal.wait_until(lambda: terminal.text.count(" name ") == 1)


@pytest.mark.parametrize("option", ["-q", "--json"])
def test_keys_do_nothing_where_no_line_is_shown(terminal: Terminal, option: str, mscli: Program) -> None:
    terminal.record(option, "--duration", "2", "out.mkv")
    deadline = time.monotonic() + PATIENCE_S
    while not (mscli.folder / "out.mkv").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    terminal.type("q")
    terminal.wait_for("code 0$")
    assert "●" not in terminal.text
    assert frame_numbers(mscli.folder / "out.mkv")[-1] >= 58


def test_nothing_of_it_is_in_a_pipe(mscli: Program) -> None:
    require("ffmpeg", "ffprobe")
    done = mscli("record", *SMALL, "--duration", "1", "out.mkv", stdin=b"qqq", code=0)
    assert done.stdout == b""
    assert b"\x1b" not in done.stderr
    assert "●" not in done.stderr.decode()
    assert len(done.stderr.splitlines()) == 3
    assert len(frame_numbers(mscli.folder / "out.mkv")) == 30


def test_a_recording_whose_terminal_is_closed_is_finished(tmp_path: Path) -> None:
    require("ffprobe")
    terminal, inside = pty.openpty()
    command = [sys.executable, "-m", "mscli", "record", "--fake-devices", "--events", "e", "x.mp4"]
    environment = clean_environment() | {"PYTHONPATH": str(ROOT)}
    recording = subprocess.Popen(
        ["setsid", "--ctty", "--wait", *command], cwd=tmp_path, env=environment, stdin=inside, stdout=inside, stderr=inside
    )
    os.close(inside)
    deadline = time.monotonic() + 30
    while not ((tmp_path / "e").exists() and '"start"' in (tmp_path / "e").read_text() and (tmp_path / "x.mp4").exists()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.close(terminal)
    assert recording.wait(30) == 0
    told = [json.loads(line) for line in (tmp_path / "e").read_text().splitlines()]
    assert (told[-1]["type"], told[-1]["reason"]) == ("stop", "signal")
    subprocess.run(["ffprobe", "-v", "error", tmp_path / "x.mp4"], check=True)
