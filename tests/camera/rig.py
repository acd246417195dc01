"""The unmodified program on a machine whose cameras are data."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.camera.driver import Camera, Driver
from tests.conftest import ROOT, Completed, Program, demand, require

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mscli-tests"
NAMESPACE = () if os.geteuid() == 0 else ("unshare", "--map-root-user")


@dataclass(frozen=True)
class CameraMachine(Program):
    """The program where /dev/video0 and on are the cameras of ``driver``."""

    driver: Driver

    @property
    def argv(self) -> list[str]:
        """What to start."""
        return self._here(*super().argv)

    def _here(self, *command: str) -> list[str]:
        labels = (camera.label for camera in self.driver.cameras.values())
        bridge = f"LD_PRELOAD={built_library(HERE / 'bridge.c')}", f"CAMERA_DRIVER={self.driver.address}"
        return [*NAMESPACE, sys.executable, str(HERE / "nodes.py"), *labels, "--", "env", *bridge, *command]

    def run(self, module: str, *arguments: str, stdin: bytes = b"", seconds: float = 120) -> bytes:
        """Run a module of this folder where the cameras are. Return what it prints."""
        done = subprocess.run(
            self._here(sys.executable, "-m", f"tests.camera.{module}", *arguments),
            input=stdin,
            capture_output=True,
            cwd=self.folder,
            env=self.environment,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0, (done.returncode, done.stderr.decode())
        return done.stdout

    def each(self, commands: Sequence[Sequence[str]], seconds: float = 120) -> list[Completed]:
        """Run the commands in one process, one after the other."""
        with TemporaryDirectory() as folder:
            try:
                codes = json.loads(self.run("several", folder, stdin=json.dumps(commands).encode(), seconds=seconds))
            except (AssertionError, subprocess.TimeoutExpired) as error:
                last = max(Path(folder).glob("*.stderr"), key=lambda path: int(path.stem), default=None)
                raise AssertionError(f"{error}, in command {last.stem}: {last.read_text()}" if last else error) from error
            said = [[Path(folder, f"{n}.{stream}").read_bytes() for stream in ("stdout", "stderr")] for n in range(len(codes))]
        return [
            subprocess.CompletedProcess(command, code, *both) for command, code, both in zip(commands, codes, said, strict=True)
        ]


@contextmanager
def cameras(folder: Path, *described: Camera) -> Iterator[CameraMachine]:
    """The program with these cameras. Skips the test, or fails it under CI, if they cannot be had here."""
    require("gcc", "stdlib.h", "unshare")
    demand([_no_namespace()])
    with Driver(*described) as driver:
        yield CameraMachine(folder, driver)


@cache
def built_library(source: Path) -> Path:
    """A file of C as a library that can be preloaded, built once for each of its texts."""
    library = CACHE / f"{source.stem}-{hashlib.sha256(source.read_bytes()).hexdigest()[:16]}.so"
    if not library.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        made = library.with_suffix(f".{os.getpid()}")
        _run("gcc", "-O1", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-o", made, source, "-ldl", "-lpthread")
        made.replace(library)
    return library


@cache
def _no_namespace() -> str:
    """Why there can be no mount namespace; empty if there can."""
    command = [*NAMESPACE, "unshare", "--mount", "true"]
    done = subprocess.run(command, capture_output=True, check=False)
    return f"a mount namespace cannot be made: {done.stderr.decode().strip()}" if done.returncode else ""


def _run(*command: str | Path) -> None:
    done = subprocess.run(list(map(str, command)), capture_output=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr.decode()
