"""No command imports what it does not use: start-up time is what people wait for, and a missing library must not matter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, clean_environment

MEDIA = {"av", "cv2", "numpy", "sounddevice"}

# Arguments → the packages that this run has no use for.
UNUSED = {
    "--version": MEDIA | {"rich", "click", "json", "asyncio"},
    "--help": MEDIA | {"rich", "asyncio"},
    "devices --help": MEDIA | {"rich", "asyncio"},
    "devices --fake-devices --json": MEDIA | {"rich", "asyncio"},
    "devices --kind videoinput --json": MEDIA | {"rich", "asyncio"},
    "capabilities --fake-devices --json": MEDIA | {"rich", "asyncio"},
    "snapshot --fake-devices --dry-run --json picture.png": MEDIA | {"rich", "asyncio"},
    "snapshot --fake-devices picture.png": MEDIA - {"av"} | {"rich", "asyncio"},
    "capture --fake-devices --frames 1 -o /dev/null": MEDIA | {"rich", "asyncio"},
    "record --fake-devices --duration 0.2 film.mkv": MEDIA - {"av"} | {"asyncio"},
}


def imports_of(arguments: list[str], folder: Path) -> set[str]:
    """The top-level packages that a run of mscli imports, at start or later. The run must succeed."""
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
    assert done.returncode == 0, "\n".join(said)
    modules = (line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:"))
    return {module.partition(".")[0] for module in modules}


@pytest.mark.parametrize("command", UNUSED)
def test_a_command_imports_only_what_it_uses(command: str, tmp_path: Path) -> None:
    assert imports_of(command.split(), tmp_path) & UNUSED[command] == set()


def test_the_library_is_imported_without_any_dependency(tmp_path: Path) -> None:
    code = "import sys, mscli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, check=True)
    assert {name.partition(".")[0] for name in done.stdout.decode().split()} & (MEDIA | {"rich", "click"}) == set()
