"""Disks for tests: a small one in memory, and one whose power can be cut. Only root can mount file systems."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import demand


def _mount(*arguments: str | Path) -> None:
    """Mount, or skip the test with the reason. Under CI=true, fail instead."""
    command = ["mount", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False) if os.geteuid() == 0 else None
    if done is None or done.returncode:
        demand([done.stderr.strip() if done else "only root mounts file systems"])


@contextlib.contextmanager
def mounted(folder: Path, *arguments: str | Path) -> Iterator[None]:
    """Mount a file system in the folder, which is created."""
    folder.mkdir(exist_ok=True)
    _mount(*arguments, folder)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextlib.contextmanager
def tiny_disk(folder: Path, size: int) -> Iterator[None]:
    """Mount a file system of this size (bytes) in the folder."""
    with mounted(folder, "-t", "tmpfs", "-o", f"size={size}", "tmpfs"):
        yield


def ext4_image(path: Path, megabytes: int) -> Path:
    """Create a file with an empty ext4 file system."""
    with path.open("wb") as file:
        file.truncate(megabytes << 20)
    subprocess.run(["mkfs.ext4", "-q", str(path)], check=True, env={"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"})
    return path


@contextlib.contextmanager
def size_limit(size: int) -> Iterator[None]:
    """Limit the size of this process's files (bytes)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
