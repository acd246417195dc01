"""Two users in a folder in which everybody may make names, as /tmp, on a kernel that does not protect them from each other.

https://docs.kernel.org/admin-guide/sysctl/fs.html: with protected_symlinks and protected_fifos the kernel refuses the same.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Program

OTHER = 65534  # a user that owns nothing here
PROTECTIONS = [Path("/proc/sys/fs", name) for name in ("protected_symlinks", "protected_fifos", "protected_regular")]


@pytest.fixture
def shared() -> Iterator[Path]:
    """The folder, with nothing in it."""
    before = [protection.read_text() for protection in PROTECTIONS]
    for protection in PROTECTIONS:
        protection.write_text("0")
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o1777)
        yield Path(folder)
    for protection, value in zip(PROTECTIONS, before, strict=True):
        protection.write_text(value)


def put(shared: Path, *command: str) -> None:
    """Run a command in the folder as the other user."""
    subprocess.run(command, cwd=shared, user=OTHER, group=OTHER, check=True)


FILES = [
    ("record", "--force", "--frames", "2", "x.mkv"),
    ("capture", "--force", "--frames", "1", "-o", "x.raw"),
    ("snapshot", "--force", "x.png"),
    ("capture", "--frames", "1", "-o", "own.raw", "--events", "x.log"),
]
WAYS = [("link", command) for command in FILES] + [("pipe", command) for command in FILES]
WAYS.append(("folder", ("capture", "--frames", "1", "-o", "own.raw", "--control", "unix:folder/x.sock")))


@pytest.mark.parametrize(("way", "command"), WAYS)
def test_root_writes_nothing_through_what_another_user_has_put_there(
    way: str, command: tuple[str, ...], mscli: Program, shared: Path
) -> None:
    victim, name = mscli.folder / "victim", command[-1].removeprefix("unix:")
    victim.mkdir()
    (victim / "file").write_text("kept")
    if way == "pipe":
        put(shared, "mkfifo", name)
    else:
        put(shared, "ln", "-s", *((str(victim), "folder") if way == "folder" else (str(victim / "file"), name)))
    where = [part.replace(name, str(shared / name)) for part in command]
    done = mscli(*where, env={"MSCLI_FAKE_DEVICES": "1"}, code=9)
    assert b"another user" in done.stderr
    assert [(path.name, path.read_text()) for path in victim.iterdir()] == [("file", "kept")]
    assert len(list(shared.iterdir())) == 1
