"""The worked examples in CONTRIBUTING: put into a copy of the program, they work."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.program import FakeMachine, camera, streams
from tests.conftest import ROOT, clean_environment, require

GUIDE = (ROOT / ".github" / "CONTRIBUTING.md").read_text()
EXAMPLE = re.compile(
    r"^```python\n# (?P<file>mscli/[\w/]+\.py)(?:, in (?P<table>\w+))?\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)
TABLE = r"^{} ?[:=].*\n( +(\(?row\.|for row in ).*\n)*"  # the lines above the first row of a table
EDITS = {  # what the guide says in words: file → text, and the same with what is added
    "mscli/v4l2/abi.py": ("CID_SHARPNESS =", "CID_GAMMA = 0x00980910\nCID_SHARPNESS ="),
    "mscli/encode/codecs.py": ('"ffv1")', '"ffv1", "prores")'),
}


@dataclass(frozen=True)
class Copy(FakeMachine):
    """A copy of the program with the examples, on a machine with fake devices."""

    source: Path = ROOT

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"PYTHONPATH": str(self.source)}


def edit(path: Path, pattern: str, added: str) -> None:
    """Insert text after the only place that matches."""
    text, count = re.subn(pattern, lambda found: found[0] + added, path.read_text(), flags=re.MULTILINE)
    assert count == 1, path
    path.write_text(text)


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a copy of the program with every example in it."""
    folder = tmp_path_factory.mktemp("extended")
    shutil.copytree(ROOT / "mscli", folder / "mscli", ignore=shutil.ignore_patterns("__pycache__"))
    for example in EXAMPLE.finditer(GUIDE):
        path = folder / example["file"]
        if example["table"]:
            edit(path, TABLE.format(example["table"]), f"{example['code'].rstrip()},\n")
        else:
            path.write_text(example["code"])
    for name, (text, more) in EDITS.items():
        path = folder / name
        assert path.read_text().count(text) == 1
        path.write_text(path.read_text().replace(text, more))
    write = "from mscli.cli import manpage; manpage.write_help_texts()"
    subprocess.run([sys.executable, "-c", write], cwd=folder, env=clean_environment() | {"PYTHONPATH": str(folder)}, check=True)
    return folder


@pytest.fixture
def program(extended: Path, tmp_path: Path) -> Copy:
    """Return the program with the examples, in an empty folder."""
    return Copy(tmp_path, source=extended)


def test_the_control_can_be_set(program: Copy) -> None:
    program.plug(camera(controls={"gamma": {"min": 0, "max": 10}}))
    (track,) = program.json("snapshot", "--gamma", "3", "--json", "x.png")["tracks"]
    assert track["settings"]["gamma"] == 3


def test_the_command_prints_what_it_says(program: Copy) -> None:
    program.plug(camera(label="Front"), camera(label="Back", deviceId="b"))
    assert program("labels", code=0).stdout == b"Front\nBack\n"
    assert b"labels" in program("--help", code=0).stdout
    assert program("help", "labels", code=0).stdout.startswith(b"Usage: mscli labels")


def test_the_codec_records(program: Copy) -> None:
    require("ffprobe")
    program("record", "--no-audio", "--frames", "3", "--video-codec", "prores", "x.mkv", code=0)
    assert streams(program.folder / "x.mkv")["video"]["codec_name"] == "prores"


def test_every_file_that_the_guide_names_exists() -> None:
    named = set(re.findall(r"`((?:mscli|tests|man|\.github)/[\w./*]+)`", GUIDE))
    assert {name for name in named if not list(ROOT.glob(name))} == set()
