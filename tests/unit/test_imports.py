"""No command imports what it does not need, so that it starts fast and a missing library does not matter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, clean_environment

MEDIA = {"av", "cv2", "numpy", "sounddevice"}
LATE = MEDIA | {"logging"}  # av needs it

# Arguments → the packages that this run does not need.
UNUSED = {
    "--version": LATE | {"rich", "click", "json", "asyncio"},
    "": LATE | {"rich", "json", "asyncio"},
    "--help": LATE | {"rich", "click", "json", "asyncio"},
    "help record": LATE | {"rich", "click", "json", "asyncio"},
    "record -h": LATE | {"rich", "click", "json", "asyncio"},
    "devices --help": LATE | {"rich", "click", "json", "asyncio"},
    "devices --fake-devices --json": LATE | {"rich", "asyncio"},
    "devices --kind videoinput --json": LATE | {"rich", "asyncio"},
    "capabilities --fake-devices --json": LATE | {"rich", "asyncio"},
    "snapshot --fake-devices --dry-run --json picture.png": LATE | {"rich", "asyncio"},
    "snapshot --fake-devices picture.png": MEDIA - {"av"} | {"rich", "asyncio"},
    "capture --fake-devices --frames 1 -o /dev/null": LATE | {"rich", "asyncio"},
    "record --fake-devices --duration 0.2 film.mkv": MEDIA - {"av"} | {"asyncio"},
}


FAILING = {"record --size x film.mkv": 2, "snapshot nodir/picture.png": 9, "record film.xyz": 7, "devices --nothing": 2}


def imports_of(arguments: list[str], folder: Path, code: int = 0) -> set[str]:
    """Return the modules that a run of mscli imports. It must end with this exit code."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "mscli", *arguments],
        capture_output=True,
        cwd=folder,
        env=clean_environment() | {"PYTHONPATH": str(ROOT)},
        timeout=60,
        check=False,
    )
    lines = done.stderr.decode().splitlines()
    said = [line for line in lines if not line.startswith("import time:")]
    assert done.returncode == code, "\n".join(said)
    return {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}


@pytest.mark.parametrize("command", UNUSED)
def test_a_command_imports_only_what_it_uses(command: str, tmp_path: Path) -> None:
    packages = {module.partition(".")[0] for module in imports_of(command.split(), tmp_path)}
    assert packages & UNUSED[command] == set()


@pytest.mark.parametrize("command", FAILING)
def test_an_error_imports_only_what_reports_it(command: str, tmp_path: Path) -> None:
    modules = imports_of(command.split(), tmp_path, FAILING[command])
    assert modules & (LATE | {"rich", "asyncio", "traceback", "resource"}) == set()


def test_a_picture_is_taken_without_what_encodes_recordings_or_runs_programs(tmp_path: Path) -> None:
    modules = imports_of(["snapshot", "--fake-devices", "picture.png"], tmp_path)
    assert modules & {"mscli.encode.encoding", "mscli.encode.codecs", "subprocess"} == set()


def test_frames_are_written_to_a_pipe_without_what_hides_files(tmp_path: Path) -> None:
    modules = imports_of(["capture", "--fake-devices", "--frames", "1", "--no-audio"], tmp_path)
    assert modules & {"mscli.sinks.files.hidden", "mscli.core.folders", "mscli.sources.displays", "zlib"} == set()


def test_the_library_is_imported_without_any_dependency(tmp_path: Path) -> None:
    code = "import sys, mscli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, check=True)
    assert {name.partition(".")[0] for name in done.stdout.decode().split()} & (MEDIA | {"rich", "click"}) == set()
