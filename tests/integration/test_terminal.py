"""The line and the keys of a recording, in a real terminal (tmux)."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.conftest import ROOT, Program, clean_environment, require
from tests.integration.running import SMALL, decode, frame_numbers

TIMEOUT_S = 30.0
KEYS = "p pause  q stop"
LOUDNESS = r"M -\d+ I -[\d.]+ TP -[\d.]+"
RECORDING = rf"^{KEYS}  ● recording 0:0\d  [\d.]+ k?B  [\d.]+ fps  [█▌·]{{8}} -\d+ dB  {LOUDNESS}  disk: (\d+ d|[\d:]+) left$"
SAVED = "^Saved out.mkv: "


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
        deadline = time.monotonic() + TIMEOUT_S
        while not (found := re.search(pattern, self.text, re.MULTILINE)):
            assert time.monotonic() < deadline, f"no {pattern} in\n{self.text}"
            time.sleep(0.05)
        return found[0]

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until it holds; fails if it never does."""
        deadline = time.monotonic() + TIMEOUT_S
        while not condition():
            assert time.monotonic() < deadline, self.text
            time.sleep(0.05)

    def check_modes(self) -> None:
        """The terminal is as it was: it echoes, and gives lines."""
        self.run("clear; stty -a | grep -ow '.\\?icanon\\|.\\?echo' | xargs echo modes:")
        # A recording in the background may have drawn its line since the screen was cleared; then this stands behind it.
        assert self.wait_for("modes: .+$") == "modes: icanon echo"

    @property
    def coloured(self) -> str:
        """What it shows, with escape codes for colours."""
        return self._tmux("capture-pane", "-p", "-e").rstrip()

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
    terminal.wait_for("● recording 0:02 ")
    terminal.press("q")
    terminal.wait_for("^code 0$")
    assert re.search(SAVED, terminal.text, re.MULTILINE)
    assert "●" not in terminal.text  # the line itself is gone
    decode(mscli.folder / "out.mkv")
    terminal.check_modes()


def test_a_delayed_picture_is_counted_down(terminal: Terminal, mscli: Program) -> None:
    terminal.mscli("snapshot", "--fake-devices", "--delay", "1h", "x.png")
    before = terminal.wait_for(r"0 pictures  first picture in \S+")
    terminal.wait_until(lambda: "first picture in" in terminal.text and before not in terminal.text)  # it goes on
    terminal.press("C-c")
    terminal.wait_for("^code 130$")
    assert "first picture" not in terminal.text  # the line itself is gone
    assert not (mscli.folder / "x.png").exists()


def test_p_pauses_and_goes_on_without_a_gap(terminal: Terminal, mscli: Program) -> None:
    terminal.record("out.mkv")
    terminal.wait_for("● recording 0:01 ")
    terminal.press("p")
    terminal.wait_for(r"‖ paused 0:0\d  [\d.]+ k?B")

    def rests() -> bool:
        shown = STATUS.findall(terminal.text)
        time.sleep(1.0)  # it stays so
        return STATUS.findall(terminal.text) == shown

    terminal.wait_until(rests)
    terminal.press("p")
    terminal.wait_for("● recording 0:0[23] ")
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
    terminal.wait_for(r"● recording 0:0\d ")
    terminal.press("q")
    terminal.wait_for(SAVED)
    terminal.check_modes()
    decode(mscli.folder / "out.mkv")


def test_in_the_background_it_leaves_the_terminal_alone(terminal: Terminal, mscli: Program) -> None:
    terminal.run("set -b")
    terminal.record("out.mkv")
    terminal.wait_for(RECORDING)
    terminal.press("C-z")
    terminal.wait_for("Stopped")
    terminal.run("clear; bg")
    terminal.wait_for(r"● recording 0:0\d ")
    terminal.check_modes()
    terminal.run("clear; fg")
    terminal.wait_for(r"● recording 0:0\d ")
    terminal.press("q")
    terminal.wait_for(SAVED)
    decode(mscli.folder / "out.mkv")


@pytest.mark.parametrize(("keys", "said"), [("C-c", SAVED), ("C-\\", "Quit")])
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
    assert "mscli: error: cannot write out.mkv: " in terminal.text
    terminal.check_modes()


STATUS = re.compile("^.*[●○‖].*$", re.MULTILINE)
ITEM = re.compile(
    r"p pause|q stop|Ctrl-C stop|● recording [\d:]+|‖ paused [\d:]+|[\d.]+ k?B|[\d.]+ fps|[█▌·]{8} -\d+ dB|disk: \S+( d)? left"
    rf"|{LOUDNESS}"
)


def is_whole(line: str) -> bool:
    """Whether the line has only whole items."""
    return all(ITEM.fullmatch(item) for item in re.split(" {2,}", line))


def test_the_line_fits_any_terminal_and_resizing_leaves_no_rubbish(terminal: Terminal) -> None:
    terminal.resize(80)
    terminal.record("out.mkv")
    terminal.wait_for("fps")
    widths: dict[int, int] = {}
    for columns in (120, 40, 80, 60, 100, 30):
        terminal.resize(columns)

        def neat(columns: int = columns) -> bool:
            lines = STATUS.findall(terminal.text)
            widths[columns] = len(lines[0]) if lines else 0
            return len(lines) == 1 and is_whole(lines[0]) and min(columns, 90) - 30 < widths[columns] < columns

        terminal.wait_until(neat)
        assert terminal.text.count("q stop") <= 1, terminal.text
    terminal.press("q")
    terminal.wait_for("^code 0$")
    assert not STATUS.search(terminal.text)  # what a terminal pushes above its top is out of anybody's reach


def test_a_tiny_terminal_has_one_line_and_nothing_at_the_end(terminal: Terminal) -> None:
    terminal.resize(20, 5)
    terminal.record("out.mkv")
    terminal.wait_for("^● recording 0:01$")
    assert terminal.text.count("●") == 1, terminal.text
    terminal.press("q")
    terminal.wait_for("^code 0$")
    assert "●" not in terminal.history


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_a_message_never_lands_on_the_line(columns: int, terminal: Terminal, mscli: Program) -> None:
    camera = {"kind": "videoinput", "label": "Stall cam", "faults": {"stallAfterFrames": 20, "stallSeconds": 1.5}}
    (mscli.folder / "devices.json").write_text(json.dumps({"devices": [camera]}))
    terminal.resize(columns)
    terminal.mscli("record", "--fake-devices-from", "devices.json", "--no-audio", "out.mkv")
    terminal.wait_for("is back: ")
    terminal.wait_for("[●] recording")
    shown = terminal.text
    assert not STATUS.findall(shown)[:-1], shown  # only below all messages
    assert "no frames from “Stall cam”; recording black until they return“Stall cam” is back: " in shown.replace("\n", "")
    terminal.press("q")
    terminal.wait_for("^code 0$")


def test_a_triggered_recording_says_what_the_trigger_is_and_which_file_it_writes(terminal: Terminal) -> None:
    terminal.record("--trigger", "SIGUSR1", "--duration", "60", "out.mkv")
    pid = terminal.wait_for(r"○ armed  trigger: kill -USR1 \d+").rpartition(" ")[2]
    os.kill(int(pid), signal.SIGUSR1)
    terminal.wait_for(rf"● recording 0:\d\d  file 1  trigger: kill -USR1 {pid}")
    os.kill(int(pid), signal.SIGUSR1)
    terminal.wait_for("● recording 0:\\d\\d  file 2  ")
    terminal.press("q")
    terminal.wait_for("^code 0$")


def test_a_recording_that_lines_trigger_names_enter(terminal: Terminal) -> None:
    terminal.record("--trigger", "stdin", "out.mkv")
    terminal.wait_for("^Ctrl-C stop  ○ armed  trigger: Enter  ")
    terminal.press("Enter")
    terminal.wait_for("● recording .*  file 1  trigger: Enter  ")
    terminal.press("C-c")
    terminal.wait_for("^code 0$")


def test_a_capture_into_a_file_has_the_line_and_the_keys(terminal: Terminal) -> None:
    terminal.mscli("capture", "--fake-devices", "-o", "out.raw")
    terminal.wait_for(rf"^{KEYS}  ● recording 0:0\d  [\d.]+ [kMG]?B  [\d.]+ fps")
    terminal.press("p")
    terminal.wait_for(r"‖ paused 0:0\d")
    terminal.press("p")
    terminal.wait_for(r"● recording 0:0\d")
    terminal.press("q")
    terminal.wait_for("^code 0$")
    assert re.search("^Saved out.raw: ", terminal.text, re.MULTILINE)
    terminal.check_modes()


@pytest.mark.parametrize(("setting", "coloured"), [("TERM=screen", True), ("NO_COLOR=1", False), ("TERM=dumb", False)])
def test_errors_and_warnings_are_coloured_where_they_may_be(setting: str, coloured: bool, terminal: Terminal) -> None:
    terminal.run(f"export {setting}")
    terminal.mscli("snapshot", "--fake-devices", "-c", "widht=3", "--width", "exact:9000", "x.png")
    terminal.wait_for("^code 6$")
    shown = terminal.coloured
    assert ("\x1b[" in shown) == coloured
    assert "mscli: warning: ignoring" in terminal.text
    assert "mscli: error: no camera offers width = 9000 px (OverconstrainedError)" in terminal.text
    if coloured:
        assert re.search(r"mscli: \x1b\[1m\x1b\[33mwarning:\x1b\[0m\S* ignoring", shown)
        assert re.search(r"mscli: \x1b\[1m\x1b\[31merror:\x1b\[0m\S* no camera offers width = 9000 px \x1b\[2m\(Over", shown)


def test_a_dumb_terminal_gets_no_line(terminal: Terminal, mscli: Program) -> None:
    terminal.run("export TERM=dumb")
    terminal.record("--duration", "1", "out.mkv")
    terminal.wait_for("^code 0$")
    assert not STATUS.search(terminal.history)
    assert (mscli.folder / "out.mkv").exists()


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
    deadline = time.monotonic() + TIMEOUT_S
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
    assert re.fullmatch("microphone “.*\ncamera “.*\nout.mkv: .*\nSaved out.mkv: .*\n", done.stderr.decode())
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
