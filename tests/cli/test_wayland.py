"""The screen of a Wayland desktop from the command line: the dialogue, what is kept of it, and what goes wrong."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cli.program import TIMEOUT_S
from tests.conftest import Program, require
from tests.screens import GREEN, RED
from tests.waylands import CANCELLED, FAILED, SILENT, SIZE, Desktop, desktop

FRAME_BYTES = SIZE[0] * SIZE[1] * 4


@dataclass(frozen=True)
class OnDesktop(Program):
    """The program in the session of a desktop."""

    session: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment, which names the session bus and has a folder for the state of programs."""
        return super().environment | self.session | {"XDG_STATE_HOME": str(self.folder / "state")}


@pytest.fixture(scope="module")
def started() -> Iterator[Desktop]:
    """A desktop for all tests."""
    with desktop() as one:
        yield one


@pytest.fixture
def session(started: Desktop) -> Iterator[Desktop]:
    """The desktop with a portal of which nobody has asked anything yet."""
    started.portal.close()
    started.portal = started.new_portal()
    yield started
    started.portal.close()


@pytest.fixture
def program(session: Desktop, tmp_path: Path) -> OnDesktop:
    """The program in its session."""
    return OnDesktop(tmp_path, session=session.environment)


def test_the_choice_of_the_first_time_holds_for_the_next_ones(session: Desktop, program: OnDesktop) -> None:
    require("convert")
    with session.node(first=RED):
        for _ in range(2):
            assert program("snapshot", "--screen", "-c", "cursor=never", "screen.png", code=0).returncode == 0
        pixel = ["convert", str(program.folder / "screen.png"), "-format", "%w %h %[pixel:p{5,5}]", "info:"]
        assert subprocess.check_output(pixel, text=True) == f"{SIZE[0]} {SIZE[1]} srgb(192,32,16)"
        assert session.portal.dialogues == 1
        program("snapshot", "--camera", "window:mail", "window.png", code=0)
    assert (session.portal.dialogues, [asked["types"] for asked in session.portal.asked]) == (2, [1, 1, 2])
    kept = program.folder / "state/mscli/screens.json"
    assert json.loads(kept.read_text()) == {"screen:": "token2", "window:mail": "token3"}


def test_a_recording_says_what_was_chosen(session: Desktop, program: OnDesktop) -> None:
    with session.node(first=RED):
        done = program("record", "--screen", "--no-audio", "--frames", "3", "--json", "talk.mkv", code=0)
    (track,) = json.loads(done.stdout)["tracks"]
    assert {"displaySurface": "monitor", "cursor": "always", "width": SIZE[0], "height": SIZE[1]}.items() <= track[
        "settings"
    ].items()


@pytest.mark.parametrize(
    ("answer", "code", "said"), [(CANCELLED, 4, "refused in the dialogue"), (FAILED, 5, "cannot let the screen be captured")]
)
def test_a_refusal_has_its_exit_code(session: Desktop, program: OnDesktop, answer: int, code: int, said: str) -> None:
    session.portal.answer = answer
    done = program("snapshot", "--screen", "x.png")
    assert (done.returncode, said in done.stderr.decode()) == (code, True), done.stderr.decode()


def test_a_region_and_a_desktop_without_a_portal_have_theirs(session: Desktop, program: OnDesktop) -> None:
    done = program("snapshot", "--camera", "region:10x10+0+0", "x.png")
    assert (done.returncode, b"unset WAYLAND_DISPLAY" in done.stderr) == (7, True)
    session.portal.close()
    done = program("snapshot", "--screen", "x.png")
    assert (done.returncode, b"install xdg-desktop-portal" in done.stderr) == (3, True)


def test_displays_are_not_listed_which_is_said(program: OnDesktop) -> None:
    done = program("devices", "--kind", "display")
    assert (done.returncode, b"--screen asks which one to capture" in done.stdout + done.stderr) == (0, True)


def test_a_signal_ends_the_program_while_the_dialogue_is_open(session: Desktop, program: OnDesktop) -> None:
    session.portal.answer = SILENT
    pipe = subprocess.PIPE
    with program.start("snapshot", "--screen", "x.png", stdout=pipe, stderr=pipe) as running:
        try:
            session.portal.wait_until(lambda: session.portal.open_dialogues == 1, "the dialogue")
            running.send_signal(signal.SIGINT)
            _, said = running.communicate(timeout=TIMEOUT_S)
        finally:
            running.kill()
    assert (running.returncode, b"Traceback" in said) == (130, False), said.decode()


def test_sharing_that_the_user_stops_ends_the_capture_with_whole_pictures(session: Desktop, program: OnDesktop) -> None:
    pipe = subprocess.PIPE
    with (
        session.node(first=RED),
        program.start("capture", "--screen", "--format", "BGRX", "--reconnect", "60", stdout=pipe, stderr=pipe) as running,
    ):
        try:
            assert running.stdout is not None
            first = running.stdout.read(FRAME_BYTES)
            session.portal.stop_sharing()
            rest, said = running.communicate(timeout=TIMEOUT_S)
        finally:
            running.kill()
    assert (len(first), len(rest) % FRAME_BYTES, len(session.portal.asked)) == (FRAME_BYTES, 0, 1), said.decode()
    assert running.returncode == 8, said.decode()


def test_a_stream_that_breaks_off_is_reconnected_by_the_token(session: Desktop, program: OnDesktop) -> None:
    pipe = subprocess.PIPE
    arguments = ("capture", "--screen", "--format", "BGRX", "-c", "cursor=never", "--reconnect", "60")
    red, green = (pixel.to_bytes(3, "little") for pixel in (RED, GREEN))
    with session.node(first=RED) as node, program.start(*arguments, stdout=pipe, stderr=pipe) as running:
        try:
            assert running.stdout is not None
            assert running.stdout.read(FRAME_BYTES)[:3] == red
            with session.node(first=GREEN):
                node.close()
                while running.stdout.read(FRAME_BYTES)[:3] != green:
                    assert running.poll() is None
                running.send_signal(signal.SIGINT)
                running.communicate(timeout=TIMEOUT_S)
        finally:
            running.kill()
    assert (running.returncode, session.portal.dialogues, len(session.portal.asked)) == (0, 1, 2)
