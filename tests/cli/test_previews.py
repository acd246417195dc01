"""``--preview`` of commands: in a terminal (tmux), in a window (Xvfb), and as a page."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import FakeMachine, camera, error_line, eventually, microphone, streams
from tests.conftest import require
from tests.screens import Screen, screen

BARS = (
    (191, 191, 191),
    (191, 191, 0),
    (0, 191, 191),
    (0, 191, 0),
    (191, 0, 191),
    (191, 0, 0),
    (0, 0, 191),
)  # of the fake camera
CUBE = (0, 95, 135, 175, 215, 255)
Colour = tuple[int, int, int]

_COLOUR = re.compile(r"\x1b\[([\d;]*)m|(.)")


class Terminal:
    """A terminal of tmux in which a command runs."""

    def __init__(self, fake: FakeMachine, command: str, *, columns: int = 80, rows: int = 24, **environment: str) -> None:
        require("tmux")
        self._tmux = ["tmux", "-S", str(fake.folder / "tmux"), "-f", "/dev/null"]
        script = f"echo before; {command}; echo ended with $?; exec sleep 60"
        size = ["-x", str(columns), "-y", str(rows)]
        env = (
            {name: value for name, value in fake.environment.items() if name != "DISPLAY"} | {"LC_ALL": "C.UTF-8"} | environment
        )
        given = [word for name, value in environment.items() for word in ("-e", f"{name}={value}")]
        subprocess.run(
            [*self._tmux, "new-session", "-d", "-c", str(fake.folder), *size, *given, "bash", "-c", script], check=True, env=env
        )

    def do(self, *words: str) -> str:
        """Run a command of tmux."""
        return subprocess.run([*self._tmux, *words], check=True, capture_output=True).stdout.decode()

    def text(self) -> list[str]:
        """The lines, without colours."""
        return self.do("capture-pane", "-p").splitlines()

    def shows(self, pattern: str) -> bool:
        """Whether this appears anywhere on the terminal."""
        return eventually(lambda: re.search(pattern, "\n".join(self.text())))

    def colours(self, row: int) -> list[Colour | None]:
        """The colour of the text in each cell of a row."""
        line = self.do("capture-pane", "-p", "-e").splitlines()[row]
        now: Colour | None = None
        found = []
        for codes, character in _COLOUR.findall(line):
            if character:
                found.append(now)
            elif codes.startswith("38;2;"):
                red, green, blue = map(int, codes.split(";")[2:5])
                now = red, green, blue
            elif codes.startswith("38;5;"):
                now = _of_palette(int(codes.split(";")[2]))
        return found

    def end(self) -> None:
        """End tmux and what runs in it."""
        subprocess.run([*self._tmux, "kill-server"], check=False, capture_output=True)


def _of_palette(index: int) -> Colour:
    """The colour behind a number of the palette of 256."""
    if index >= 232:
        grey = 8 + 10 * (index - 232)
        return grey, grey, grey
    cube = index - 16
    return CUBE[cube // 36], CUBE[cube // 6 % 6], CUBE[cube % 6]


def mscli(fake: FakeMachine, *arguments: str) -> str:
    """The command line, for a shell."""
    return shlex.join([*fake.argv, *arguments])


@contextmanager
def terminal(fake: FakeMachine, *arguments: str, **how: Any) -> Iterator[Terminal]:
    """Run the program in a terminal."""
    running = Terminal(fake, mscli(fake, *arguments), **({"COLORTERM": "truecolor"} | how))
    try:
        yield running
    finally:
        running.end()


def bars_are_right(running: Terminal, tolerance: int) -> bool:
    """Whether the colour bars are on the terminal: each seven cells wide in a picture of 56."""
    cells = running.colours(3)
    if len(cells) < 56:
        return False
    shown = [cells[7 * number + 3] for number in range(len(BARS))]
    return all(
        one is not None and max(abs(a - b) for a, b in zip(one, bar, strict=True)) <= tolerance
        for one, bar in zip(shown, BARS, strict=True)
    )


def succeeds(command: list[str], display: str) -> bool:
    """Run a command on a display. xdotool finds no window while its title changes."""
    return subprocess.run(command, check=False, env={**os.environ, "DISPLAY": display}, capture_output=True).returncode == 0


@pytest.mark.parametrize(("colours", "tolerance"), [("truecolor", 6), ("", 45)])
def test_the_terminal_shows_the_colours_of_the_picture(colours: str, tolerance: int, fake: FakeMachine) -> None:
    with terminal(fake, "capture", "--preview", "terminal", COLORTERM=colours) as running:
        assert eventually(lambda: bars_are_right(running, tolerance)), running.do("capture-pane", "-p", "-e")
        assert running.shows(r"Fake camera  640×480  \d+\.\d fps")
        assert running.text()[-1].startswith("p pause  q stop  ● recording 0:")


def test_a_terminal_without_colours_shows_characters(fake: FakeMachine) -> None:
    with terminal(fake, "capture", "--preview", "terminal", NO_COLOR="1") as running:
        assert running.shows(r"(?m)^#{7}\*{7}\+{7}")
        assert "38;" not in running.do("capture-pane", "-p", "-e")


def test_the_picture_follows_the_size_of_the_terminal(fake: FakeMachine) -> None:
    with terminal(fake, "capture", "--preview", "terminal") as running:
        assert eventually(lambda: bars_are_right(running, 6))
        running.do("resize-window", "-x", "40", "-y", "12")
        assert eventually(lambda: [len(line) for line in running.text()[:9]] == [24] * 9), running.text()
        assert eventually(lambda: running.text()[-1].startswith("p pause  q stop"))


def test_q_ends_it_and_the_terminal_is_as_before(fake: FakeMachine) -> None:
    with terminal(fake, "capture", "--preview", "terminal") as running:
        assert running.shows("▀▀▀▀")
        running.do("send-keys", "q")
        assert running.shows("ended with 0")
        assert running.text()[0] == "before"
        assert "▀" not in "".join(running.text())
        assert running.shows(r"Wrote to the preview: .* frames")


def test_escape_ends_a_capture_without_output(fake: FakeMachine) -> None:
    with terminal(fake, "capture", "--preview", "terminal") as running:
        assert running.shows("▀▀▀▀")
        running.do("send-keys", "Escape")
        assert running.shows("ended with 0")


def test_escape_closes_the_preview_of_a_recording_that_goes_on(fake: FakeMachine) -> None:
    with terminal(fake, "record", "--preview", "terminal", "x.mkv") as running:
        assert running.shows("▀▀▀▀")
        running.do("send-keys", "Escape")
        assert running.shows("(?s)before.*● recording")
        running.do("send-keys", "q")
        assert running.shows("Saved x.mkv")
        assert running.shows("ended with 0")
    assert streams(fake.folder / "x.mkv")["video"]


def test_arrow_keys_end_nothing(fake: FakeMachine) -> None:
    with terminal(fake, "capture", "--preview", "terminal") as running:
        assert running.shows("▀▀▀▀")
        running.do("send-keys", "Up", "Left", "x")
        running.do("send-keys", "p")
        assert running.shows("‖ paused")


def test_sound_alone_has_a_meter(fake: FakeMachine) -> None:
    with terminal(fake, "capture", "--no-video", "--audio", "--preview") as running:
        assert running.shows(r"Fake microphone  -\d+ dB")
        assert running.shows("█████")
        assert running.shows("-60 +-40 +-20")
        running.do("send-keys", "q")
        assert running.shows("ended with 0")


def test_messages_appear_below_the_picture_and_after_it(fake: FakeMachine) -> None:
    fake.plug(camera(faults={"stallAfterFrames": 20, "stallSeconds": 3}))
    with terminal(fake, "capture", "--preview", "terminal") as running:
        assert running.shows("delivers|black|nothing")
        running.do("send-keys", "q")
        assert running.shows("ended with 0")
        assert any("Camera" in line and "×" not in line for line in running.text())


def test_a_stopped_terminal_slows_no_recording(fake: FakeMachine) -> None:
    with terminal(fake, "record", "--preview", "terminal", "-t", "2", "--events", "log", "x.mkv") as running:
        assert running.shows("▀▀▀▀")
        running.do("send-keys", "C-s")  # XOFF: nothing is drawn from now on
        assert eventually(lambda: (fake.folder / "log").exists() and '"stop"' in (fake.folder / "log").read_text())
        running.do("send-keys", "C-q")
        assert running.shows("ended with 0")
    assert int(streams(fake.folder / "x.mkv")["video"]["nb_read_packets"]) == 60


def test_frames_go_to_a_pipe_while_the_terminal_shows_them(fake: FakeMachine) -> None:
    command = mscli(fake, "capture", "--preview", "terminal", "--frames", "40", "--format", "I420", "-o", "-")
    running = Terminal(fake, f"{command} | wc -c", COLORTERM="truecolor")
    try:
        assert running.shows("▀▀▀▀")
        assert running.shows(str(40 * 640 * 480 * 3 // 2))
    finally:
        running.end()


def test_a_series_of_pictures_shows_what_comes(fake: FakeMachine) -> None:
    with terminal(fake, "snapshot", "--preview", "terminal", "--count", "100", "--interval", "1", "x.png") as running:
        assert running.shows("▀▀▀▀")
        assert running.shows(r"\d+ pictures?")
        running.do("send-keys", "q")
        assert running.shows("ended with 0")


def test_the_preview_shows_what_the_filters_make(fake: FakeMachine) -> None:
    with terminal(fake, "record", "--rotate", "90", "--preview", "terminal", "x.mkv") as running:
        assert running.shows("480×640")


@pytest.mark.parametrize(
    ("flags", "said", "code"),
    [
        (("--preview",), "neither DISPLAY nor WAYLAND_DISPLAY is set, and stderr is no terminal", 7),
        (("--preview", "terminal"), "stderr is no terminal", 7),
        (("--preview", "window"), "neither DISPLAY nor WAYLAND_DISPLAY is set", 7),
        (("--preview=nowhere",), "“nowhere” is not one of window, terminal, web", 2),
        (("--listen", "127.0.0.1:0"), "--listen needs --preview web", 2),
        (("--preview", "web", "--listen", "somewhere"), "such as 127.0.0.1:8000", 2),
        (("--preview", "web", "--listen", "127.0.0.1:70000"), "such as 127.0.0.1:8000", 2),
        (("--preview", "web", "--listen", "192.0.2.1:0"), "this machine does not have that address", 9),
        (("--no-video", "--audio", "--preview", "window"), "a preview window shows video", 7),
    ],
)
def test_a_preview_that_is_impossible_is_refused(flags: tuple[str, ...], said: str, code: int, fake: FakeMachine) -> None:
    assert said in fake("capture", *flags, "-o", "x", code=code).stderr.decode()
    assert fake.files == []


def test_a_dumb_terminal_is_refused(fake: FakeMachine) -> None:
    running = Terminal(fake, f"TERM=dumb {mscli(fake, 'capture', '--preview', 'terminal')}", columns=200)
    try:
        assert running.shows("the terminal is “dumb”, which cannot draw")
        assert running.shows("ended with 7")
    finally:
        running.end()


@contextmanager
def page(fake: FakeMachine, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Run a command with a page. Yield it and the address of the page."""
    command = [*fake.argv, *arguments, "--preview", "web"]
    with subprocess.Popen(command, cwd=fake.folder, env=fake.environment, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        try:
            address = re.search(rb"http://\S+", process.stderr.readline())
            assert address is not None
            yield process, address[0].decode()
        finally:
            process.kill()


def fetched(address: str) -> bytes:
    """What is at an address."""
    with urllib.request.urlopen(address, timeout=20) as answer:
        found: bytes = answer.read()
    return found


def test_a_page_shows_the_picture_and_the_level(fake: FakeMachine) -> None:
    with page(fake, "record", "x.mkv") as (process, address):
        assert re.match(r"http://127\.0\.0\.1:\d+/[\w-]{16}/$", address)
        assert fetched(address + "snapshot.jpg").startswith(b"\xff\xd8")

        def facts() -> dict[str, Any]:
            found: dict[str, Any] = json.loads(fetched(address + "status.json"))
            return found

        assert eventually(lambda: facts()["sound"] and facts()["width"])
        assert [facts()[name] for name in ("label", "width", "height")] == ["Fake camera", 640, 480]
        assert b"Snapshot" in fetched(address)
        with pytest.raises(urllib.error.HTTPError):
            fetched(address[:-2] + "/")
        process.terminate()
        assert process.wait(20) == 0


def test_programs_learn_the_address_of_a_page(fake: FakeMachine) -> None:
    command = [*fake.argv, "record", "--json", "--quiet", "--preview", "web", "x.mkv"]
    with subprocess.Popen(command, cwd=fake.folder, env=fake.environment, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        try:
            assert fetched(json.loads(process.stderr.readline())["preview"]).startswith(b"<!")
        finally:
            process.kill()


def test_a_page_listens_where_it_should(fake: FakeMachine) -> None:
    with page(fake, "capture", "-o", "x.y4m", "--listen", "[::1]:0") as (process, address):
        assert address.startswith("http://[::1]:")
        assert fetched(address + "snapshot.jpg")
        port = re.findall(r":(\d+)/", address)[0]
        done = fake("capture", "--preview", "web", "--listen", f"[::1]:{port}", "-o", "y", code=9)
        assert "it is in use" in error_line(done)
        process.terminate()
        process.wait(20)


def titles(shown: Screen) -> str:
    """The titles of the windows."""
    environment = {**os.environ, "DISPLAY": shown.name}
    found = subprocess.run(
        ["xdotool", "search", "--name", "fps", "getwindowname"], env=environment, capture_output=True, check=False
    )
    return found.stdout.decode()


def test_a_window_names_what_it_shows_and_ends_its_capture(fake: FakeMachine, tmp_path: Path) -> None:
    require("xdotool")
    fake.plug(camera(), microphone())
    with screen((800, 600)) as shown:
        command = [*fake.argv, "record", "--preview", "window", "x.mkv"]
        environment = fake.environment | {"DISPLAY": shown.name}
        with subprocess.Popen(command, cwd=fake.folder, env=environment, stderr=subprocess.PIPE) as process:
            try:
                assert eventually(lambda: re.search(r"Camera 320×240 \d+\.\d fps -\d+ dB", titles(shown)))
                search = ["xdotool", "search", "--name", "fps", "windowfocus", "--sync", "key", "q"]
                assert eventually(lambda: succeeds(search, shown.name))
                assert eventually(lambda: not titles(shown))
                assert process.poll() is None, "the recording goes on"
                process.terminate()
                assert process.wait(20) == 0
            finally:
                process.kill()
    assert streams(fake.folder / "x.mkv")["video"]


def test_closing_the_window_ends_a_capture_without_output(fake: FakeMachine) -> None:
    require("xdotool")
    with screen((800, 600)) as shown, terminal(fake, "capture", "--preview", DISPLAY=shown.name, columns=120) as running:
        assert eventually(lambda: "fps" in titles(shown))
        search = ["xdotool", "search", "--name", "fps", "windowfocus", "--sync", "key", "Escape"]
        assert eventually(lambda: succeeds(search, shown.name))
        assert running.shows("ended with 0")
        assert running.shows("Wrote to the preview: ")
