"""The screen from the command line: what is recorded of it, how displays are listed, and what goes wrong."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.program import TIMEOUT_S
from tests.conftest import Program, require
from tests.screens import GREEN, GROUND, RED, SIZE, Screen, colour, screen


@dataclass(frozen=True)
class AtScreen(Program):
    """The program beside an X server."""

    display: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment, which names the display."""
        return super().environment | {"DISPLAY": self.display}


@pytest.fixture(scope="module")
def server() -> Iterator[Screen]:
    """An X server with a red window whose lower half a green one covers."""
    with screen() as started:
        started.window("Letter", RED, (40, 20, 100, 80))
        started.window("Cover", GREEN, (40, 60, 100, 80))
        yield started


@pytest.fixture
def program(server: Screen, tmp_path: Path) -> AtScreen:
    """The program beside that server."""
    return AtScreen(tmp_path, display=server.name)


def colours_of(file: Path, *places: tuple[int, int]) -> list[str]:
    """Return the colours at some places of a picture, as ImageMagick reads them."""
    require("convert")
    asked = "\n".join(f"%[pixel:p{{{x},{y}}}]" for x, y in places)
    return subprocess.check_output(["convert", file, "-format", asked, "info:"], text=True).splitlines()


def named(*pixels: int) -> list[str]:
    """Return colours as ImageMagick writes them."""
    return [f"srgb({red},{green},{blue})" for red, green, blue in map(colour, pixels)]


def test_pictures_have_the_colours_of_the_screen_and_of_a_covered_window(program: AtScreen) -> None:
    assert program("snapshot", "--screen", "-c", "cursor=never", "screen.png").returncode == 0
    assert colours_of(program.folder / "screen.png", (5, 5), (50, 30), (50, 70)) == named(GROUND, RED, GREEN)
    assert program("snapshot", "--camera", "window:letter", "window.png").returncode == 0
    assert colours_of(program.folder / "window.png", (0, 0), (99, 79)) == named(RED, RED)


def test_a_region_is_captured_raw(program: AtScreen) -> None:
    done = program("capture", "--camera", "region:4x2+138+58", "--format", "BGRX", "-c", "cursor=never", "--frames", "1")
    assert done.returncode == 0
    rows = [done.stdout[at : at + 16] for at in (0, 16)]
    pixels = [[int.from_bytes(row[at : at + 3], "little") for at in range(0, 16, 4)] for row in rows]
    assert pixels == [[RED, RED, GROUND, GROUND]] * 2


def test_the_picture_of_a_screen_is_scaled_but_never_cropped(program: AtScreen) -> None:
    done = program("snapshot", "--screen", "screen", "--size", "160x90", "-c", "cursor=never", "small.png")
    assert b"scaled from 320" in done.stderr
    assert b"cropped" not in done.stderr
    refused = program("snapshot", "--screen", "--width", "exact:160", "--height", "exact:160", "square.png")
    assert refused.returncode == 6


def test_a_recording_has_the_screen_and_says_which(program: AtScreen) -> None:
    done = program("record", "--screen", "--no-audio", "--frames", "3", "--json", "talk.mkv")
    (track,) = json.loads(done.stdout)["tracks"]
    assert {"displaySurface": "monitor", "logicalSurface": True, "cursor": "always"}.items() <= track["settings"].items()
    assert (track["settings"]["width"], track["settings"]["height"]) == SIZE
    assert (program.folder / "talk.mkv").exists()


def test_displays_are_listed_only_when_they_are_asked_for(program: AtScreen) -> None:
    listed = json.loads(program("devices", "--kind", "display", "--json").stdout)
    assert [(one["kind"], one["displaySurface"], one["label"]) for one in listed] == [
        ("display", "monitor", "screen"), ("display", "window", "Cover"), ("display", "window", "Letter"),
    ]  # fmt: skip
    assert (listed[0]["width"], listed[0]["height"], listed[0]["default"]) == (*SIZE, True)
    assert "display" not in {one["kind"] for one in json.loads(program("devices", "--json").stdout)}
    assert b"Letter" in program("devices", "--kind", "display").stdout
    assert program("devices", "--kind", "display", "--watch").returncode == 2


def test_what_a_monitor_is_called_cannot_write_to_the_terminal(program: AtScreen) -> None:
    name = "ev\x1b[31mil\x7f"
    subprocess.run(["xrandr", "--setmonitor", name, "160/40x90/20+0+0", "none"], env=program.environment, check=True)
    try:
        shown = program("devices", "--kind", "display").stdout
    finally:
        subprocess.run(["xrandr", "--delmonitor", name], env=program.environment, check=True)
    assert shown.count(b"[31mil") == 2
    assert not {b"\x1b", b"\x7f"} & {bytes([one]) for one in shown}


@pytest.mark.parametrize(
    ("address", "code", "remedy"),
    [
        ("window:leter", 3, "did you mean “Letter”"),
        ("window:e", 3, "use the whole address"),
        ("screen:HDMI-1", 3, "available: “screen”"),
        ("region:1x", 2, "region:640x480+100+50"),
        ("region:10x10+9999+0", 2, "which has 320×240 pixels"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(program: AtScreen, address: str, code: int, remedy: str) -> None:
    done = program("snapshot", "--camera", address, "x.png")
    assert (done.returncode, remedy in done.stderr.decode()) == (code, True), done.stderr.decode()


def test_without_an_x_server_the_exit_code_and_the_remedy_are_those_of_a_missing_device(tmp_path: Path) -> None:
    for display in ("", ":987"):
        done = AtScreen(tmp_path, display=display)("snapshot", "--screen", "x.png")
        assert done.returncode == 3
        assert b"set DISPLAY" in done.stderr
        listed = AtScreen(tmp_path, display=display)("devices", "--kind", "display")
        assert (listed.returncode, b"set DISPLAY" in listed.stderr) == (0, True)


def test_the_end_of_the_x_server_ends_the_capture_with_whole_pictures(tmp_path: Path) -> None:
    frame_bytes = SIZE[0] * SIZE[1] * 4
    with screen() as server:
        program, pipe = AtScreen(tmp_path, display=server.name), subprocess.PIPE
        with program.start("capture", "--screen", "--format", "BGRX", stdout=pipe, stderr=pipe) as running:
            try:
                assert running.stdout is not None
                first = running.stdout.read(frame_bytes)
                server.kill()
                rest, said = running.communicate(timeout=TIMEOUT_S)
            finally:
                running.kill()
    assert (running.returncode, len(first), len(rest) % frame_bytes) == (8, frame_bytes, 0), said.decode()
    assert b"is gone" in said
