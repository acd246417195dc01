"""The README holds: its examples run and print what it says, and it leaves out no command and no exit code."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import NamedTuple

import pytest

from mscli.cli.exitcodes import MEANINGS
from mscli.cli.main import COMMANDS, COMPLETE_VARIABLE
from tests import terminal
from tests.conftest import ROOT, clean_environment, require

README = (ROOT / "README.md").read_text()
MOST_LINES = 250
ANY = "…"  # in what an example prints: anything; on a line of its own: any lines
REPORT = re.compile("^Saved ")  # begins a line with numbers that are measured, and with what a slow machine has lost


class Block(NamedTuple):
    """A fenced block of the README."""

    language: str
    text: str
    heading: str  # above it


class Command(NamedTuple):
    """A command line of an example, and what it prints."""

    line: str
    printed: str


def fenced_blocks() -> Iterator[Block]:
    heading = ""
    for part in re.finditer(
        r"^#+ (?P<heading>[^\n]+)|^```(?P<language>\w*)\n(?P<text>.*?)^```$", README, re.MULTILINE | re.DOTALL
    ):
        heading = part["heading"] or heading
        if part["heading"] is None:
            yield Block(part["language"], part["text"], heading)


def commands_of(text: str) -> Iterator[Command]:
    """The commands of a console block: ``$`` begins one, ``>`` goes on with it, the rest is what it prints."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        more = [line for line in lines[1:] if line.startswith("> ")]
        yield Command("\n".join([lines[0], *(line[2:] for line in more)]), "\n".join(lines[1 + len(more) :]))


def pattern(printed: str) -> str:
    """The regular expression for what an example prints."""
    return "\n".join(map(_line_pattern, printed.splitlines()))


def _line_pattern(line: str) -> str:
    if line == ANY:
        return "(?:.|\n)*"
    exact = re.escape(line).replace(ANY, ".*")
    if not REPORT.match(line):
        return exact
    return re.sub(r"\d+(\\\.\d+)?", r"[\\d.]+", exact).replace(r",\ ", "(, .*)?, ")


BLOCKS = list(fenced_blocks())
CONSOLE = [block for block in BLOCKS if block.language == "console"]
TOOLS = {"ffmpeg": ["ffmpeg"], "gst-launch": ["gst-launch-1.0", "libgstrawparse.so"]}  # what an example uses
NAMED = re.compile(r"# (\S+)\n")  # begins a block that is a file
FILES = {found[1]: block.text for block in BLOCKS if (found := NAMED.match(block.text))}
INSTALLED = "/opt/mscli/bin/mscli"  # the program in a unit and a crontab


def block_of(language: str) -> str:
    """Return the only block in a language that is not a file, or is one for the system."""
    (text,) = (block.text for block in BLOCKS if block.language == language and block.text not in programs())
    return text


def programs() -> dict[str, str]:
    """Return the files that an example uses, by text, with their names."""
    return {text: name for name, text in FILES.items() if not name.startswith("/")}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Where the program is called mscli, Python python3, and the devices are fake ones."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, arguments in {"mscli": "-m mscli", "python3": ""}.items():
        (folder / name).write_text(f'#!/bin/sh\nexec {sys.executable} {arguments} "$@"\n')
        (folder / name).chmod(0o755)
    clean = clean_environment()
    return clean | {"PATH": f"{folder}:{clean['PATH']}", "PYTHONPATH": str(ROOT), "MSCLI_FAKE_DEVICES": "1"}


def run(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    """What a command prints, to stdout and stderr. It must succeed."""
    out = subprocess.STDOUT
    done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=out, timeout=60, check=False)
    printed = "\n".join(line.rstrip() for line in done.stdout.decode().splitlines())
    assert done.returncode == 0, printed
    return printed


def files_of(line: str) -> list[str]:
    """The files that a command line names, if it succeeds. Those with a time in their names have other ones."""
    return [] if "exit code" in line or "%" in line else re.findall(r"[\w-]+\.(?:png|jpg|mp4|mkv|m4a|ogg|json)\b", line)


@pytest.mark.parametrize("block", CONSOLE, ids=lambda block: block.heading)
def test_an_example_runs_prints_what_it_says_and_leaves_its_files(
    block: Block, tmp_path: Path, environment: dict[str, str]
) -> None:
    require(*(tool for name, tools in TOOLS.items() if name in block.text for tool in tools))
    for text, name in programs().items():
        (tmp_path / name).write_text(text)
    for command in commands_of(block.text):
        printed = run(["bash", "-o", "pipefail", "-c", command.line], tmp_path, environment)
        assert re.fullmatch(pattern(command.printed), printed), f"$ {command.line}\n{printed}"
        written = {} if "--dry-run" in command.line else {name: tmp_path / name for name in files_of(command.line)}
        assert [name for name, path in written.items() if not path.exists() or not path.stat().st_size] == []


def test_the_example_of_the_library_runs_and_leaves_its_files(tmp_path: Path, environment: dict[str, str]) -> None:
    code = block_of("python")
    printed = run([sys.executable, "-W", "error", "-c", code], tmp_path, environment)
    assert "videoinput Fake camera fake-camera" in printed
    assert all((tmp_path / name).stat().st_size > 1000 for name in re.findall(r'"([\w-]+\.\w+)"', code))


def test_the_example_of_the_library_is_strictly_typed(tmp_path: Path, environment: dict[str, str]) -> None:
    code = block_of("python")
    (tmp_path / "example.py").write_text(code)
    found = {"MYPYPATH": str(ROOT), **environment}
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent", "example.py"]
    assert "no issues found" in run(command, tmp_path, found)


def test_the_unit_is_one_that_systemd_takes(tmp_path: Path, environment: dict[str, str]) -> None:
    require("systemd-analyze")
    unit = tmp_path / "camera.service"
    unit.write_text(block_of("ini").replace(INSTALLED, shlex.quote(sys.executable)))
    assert run(["systemd-analyze", "verify", "--man=no", str(unit)], tmp_path, environment) == ""


def test_the_service_records(tmp_path: Path, environment: dict[str, str]) -> None:
    command = re.findall("^ExecStart=(.*)", block_of("ini"), re.MULTILINE)[0].replace("%%", "%")
    command = command.replace(INSTALLED, "mscli").replace("/var/lib/camera", str(tmp_path))
    assert run([*shlex.split(command), "--duration", "0.2"], tmp_path, environment) == ""
    assert [path.stat().st_size > 0 for path in tmp_path.glob("*.mkv")] == [True]


def test_the_line_of_the_crontab_takes_a_picture(tmp_path: Path, environment: dict[str, str]) -> None:
    minute, hour, day, month, weekday, command = block_of("crontab").split(maxsplit=5)
    assert (minute, hour, day, month, weekday) == ("*/5", "*", "*", "*", "*")
    command = command.replace(INSTALLED, "mscli").replace(r"\%", "%")  # as cron gives it to the shell
    assert run(["sh", "-c", command], tmp_path, environment | {"HOME": str(tmp_path)}) == ""
    assert [path.stat().st_size > 0 for path in tmp_path.glob("garden-*.jpg")] == [True]


def test_the_picture_shows_what_the_program_prints() -> None:
    require("tmux")
    drawn, now = (_lines_of(picture) for picture in (terminal.PICTURE.read_text(), terminal.drawn(terminal.screen())))
    assert drawn == now, "draw it again: python -m tests.terminal"


def _lines_of(picture: str) -> list[str]:
    """Return the lines of a drawn terminal, without what is measured and differs from run to run."""
    rows: dict[str, str] = {}
    for row, text in re.findall(r'<text [^>]* y="([\d.]+)"[^>]*>(.*?)</text>', picture):
        rows[row] = rows.get(row, "") + unescape(text).replace("\N{NO-BREAK SPACE}", " ")
    return [re.sub(r"[\d.]+", "0", re.sub(r"(clip\.mp4:).*", r"\1", line)).rstrip() for line in rows.values()]


def test_the_two_commands_are_there_and_the_second_can_be_run() -> None:
    first, second = (block.text.strip() for block in BLOCKS if block.heading == "Two commands")
    assert first == ("python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/mscli snapshot --fake-devices hello.png")
    assert (ROOT / second).stat().st_mode & 0o111, f"{second} cannot be executed"


def test_every_command_stands_in_the_table_and_no_other() -> None:
    assert re.findall(r"^\| `mscli (\w+)", README, re.MULTILINE) == list(COMMANDS)


def test_every_command_is_shown_in_an_example() -> None:
    shown = set(re.findall(r"\bmscli (\w+)", "".join(block.text for block in CONSOLE)))
    assert shown == set(COMMANDS)


def test_the_exit_codes_are_the_programs() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", README, re.MULTILINE)
    assert rows == [(str(int(code)), meaning) for code, meaning in MEANINGS.items()]


def test_the_lines_that_set_completion_up_give_a_script(tmp_path: Path, environment: dict[str, str]) -> None:
    shells = re.findall(rf"{COMPLETE_VARIABLE}=(\w+_source) mscli", README)
    assert shells == ["bash_source", "zsh_source", "fish_source"]
    scripts = [run(["mscli"], tmp_path, environment | {COMPLETE_VARIABLE: shell}) for shell in shells]
    assert all("_mscli_completion" in script for script in scripts)


def test_the_readme_is_no_longer_than_a_person_reads() -> None:
    assert len(README.splitlines()) <= MOST_LINES


@pytest.mark.parametrize("link", re.findall(r"\]\((?!https?:)([^)#]+)", README))
def test_what_the_readme_links_to_is_there(link: str) -> None:
    assert (ROOT / link).exists()


def test_the_changelog_tells_every_command() -> None:
    unreleased = (ROOT / "CHANGELOG.md").read_text().partition("## Unreleased")[2].partition("\n## ")[0]
    assert [name for name in COMMANDS if f"`mscli {name}`" not in unreleased] == []
