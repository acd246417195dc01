"""The man pages: that they are current, say everything, and that man sets them without a warning."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest

from mscli.cli import manpage, manual
from mscli.cli.exitcodes import MEANINGS
from mscli.cli.main import COMMANDS, cli
from tests.conftest import ROOT, require

FOLDER = ROOT / "man"
PAGES = manpage.pages()
NAMES = {f"mscli-{name}.1" if name else "mscli.1": name for name in ("", *COMMANDS)}


def rendered(page: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """What man makes of a page, 80 columns wide."""
    env = os.environ | {"LC_ALL": "C.UTF-8", "MANWIDTH": "80", "MANROFFSEQ": "", "MAN_KEEP_FORMATTING": ""}
    command = ["man", "--warnings=w", "-E", "UTF-8", "-l", *options, str(page)]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True)


@pytest.mark.parametrize("page", PAGES)
def test_a_committed_man_page_is_what_the_generator_makes(page: str) -> None:
    message = "run: python -m mscli.cli.manpage man/"
    assert (FOLDER / page).read_text() == PAGES[page], message


def test_there_is_a_man_page_for_every_command_and_no_other() -> None:
    assert {path.name for path in FOLDER.iterdir()} == NAMES.keys() == PAGES.keys()


def test_the_generator_writes_every_page_into_a_folder(tmp_path: Path) -> None:
    manpage.main(str(tmp_path))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == PAGES


@pytest.mark.parametrize("page", PAGES)
def test_man_sets_a_page_without_warnings(page: str) -> None:
    require("man")
    done = rendered(FOLDER / page, "-Tutf8", "-Z")
    assert done.stderr == ""


@pytest.mark.parametrize("page", PAGES)
def test_a_set_page_has_every_option_and_every_exit_code(page: str) -> None:
    require("man")
    text = re.sub(".\b", "", rendered(FOLDER / page).stdout)
    options = [name for option in manpage.options(NAMES[page]) for name in (*option.opts, *option.secondary_opts)]
    assert [name for name in options if not re.search(rf"^ {{7}}(\S.*)?{name}\b", text, re.MULTILINE)] == []
    assert [int(code) for code in MEANINGS if not re.search(rf"^ {{7}}{int(code)} +\w", text, re.MULTILINE)] == []


def test_a_set_page_fits_a_terminal_of_80_columns() -> None:
    require("man")
    lines = [line for page in PAGES for line in re.sub(".\b", "", rendered(FOLDER / page).stdout).splitlines()]
    assert [line for line in lines if len(line) > 80] == []


def test_the_details_are_of_options_that_there_are() -> None:
    known = {name for command in COMMANDS for option in manpage.options(command) for name in option.opts}
    assert set(manual.OPTION_DETAILS) <= known


def examples(page: str) -> list[str]:
    """The command lines among a page's examples."""
    section = manual.MANUALS[NAMES[page]].partition("# EXAMPLES")[2]
    return [line.strip() for line in section.splitlines() if line.startswith("    ")]


@pytest.mark.parametrize("line", [line for page in PAGES for line in examples(page)])
def test_an_example_of_a_man_page_is_a_command_line_that_mscli_takes(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "constraints.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    words = shlex.split(re.split(r" [|>]| \d>", line)[0])
    assert words.pop(0) == "mscli"
    program = click.Context(cli, info_name="mscli")
    command = cli.get_command(program, words[0])
    assert command is not None
    assert command.make_context(words[0], words[1:], parent=program).params


def test_text_that_troff_would_take_for_commands_is_protected() -> None:
    assert manpage.sections_of("'quoted' at the start.\n\n    .dotted \\ code -x\n")["DESCRIPTION"] == [
        ".PP",
        "\\&'quoted' at the start.",
        ".PP",
        ".RS 4",
        ".EX",
        "\\&.dotted \\e code \\-x",
        ".EE",
        ".RE",
    ]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_no_marks_of_its_source(page: str) -> None:
    assert re.findall(r"\*\*\w+|\b_[A-Z]+_|_[A-Z]+_\b|`\w.*`", PAGES[page]) == []
