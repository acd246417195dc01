"""What all tests share: the program as a real process, tools that must be there, and a watch for threads left behind."""

from __future__ import annotations

import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ROOT / "tests/packages.txt"
RUN_IN_VM = ROOT / "tests/vm/rig/run-in-vm"
VM_KERNEL = Path(os.environ.get("MSCLI_VM_KERNEL", ROOT / ".rig/kernel-amd64"))
VM_TOOLS = ("qemu-system-x86_64", "busybox", "cpio", "modprobe")

Completed = subprocess.CompletedProcess[bytes]


def missing(tool: str) -> str:
    """Why ``tool``, a row of tests/packages.txt, cannot be used; empty if it can."""
    rows = (line.split() for line in PACKAGES.read_text().splitlines() if line and not line.startswith("#"))
    package = dict(row for row in rows if len(row) == 2)[tool]
    if ".so" in tool:
        there = any(glob.glob(f"/usr/lib*/{folder}{tool}") for folder in ("", "*/", "*/alsa-lib/"))
    else:
        there = shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is not None
    return "" if there else f"{tool} is missing (Debian package {package})"


def require(*tools: str) -> None:
    """Skip the test, saying why, unless every tool is here. Under CI=true a missing one is a failure."""
    demand([missing(tool) for tool in tools])


def require_root(why: str) -> None:
    """Skip the test, with the sentence ``why``, for everyone else. Under CI=true that is a failure."""
    demand([why if os.geteuid() else ""])


def require_vm() -> None:
    """Skip the test, saying why, unless ``RUN_IN_VM`` can run. Under CI=true that is a failure."""
    kernel = "" if VM_KERNEL.is_dir() else "the kernel of the virtual machine is missing (tests/run unpacks it)"
    demand([*map(missing, VM_TOOLS), kernel])


def demand(problems: list[str]) -> None:
    """Skip the test, saying why, if there are problems. Under CI=true that is a failure."""
    reason = "; ".join(filter(None, problems))
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    if reason:
        pytest.skip(reason)


def clean_environment() -> dict[str, str]:
    """This process's environment without what would change how mscli behaves or what it prints."""
    changing = ("MSCLI_", "PYTHONUNBUFFERED", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "TTY_")
    return {name: value for name, value in os.environ.items() if not name.startswith(changing)}


@dataclass(frozen=True)
class Program:
    """mscli as users run it: a process of its own, with a clean environment, in ``folder``."""

    folder: Path

    @property
    def argv(self) -> list[str]:
        """What to start; for tests that talk to the running process."""
        return [sys.executable, "-m", "mscli"]

    @property
    def environment(self) -> dict[str, str]:
        """What every process finds."""
        return clean_environment() | {"PYTHONPATH": str(ROOT)}

    def __call__(
        self,
        *arguments: str | Path,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        code: int | None = None,
        seconds: float = 60,
    ) -> Completed:
        """Run to the end; with ``code``, the exit code must be that. ``stdout`` and ``stderr`` are bytes."""
        done = subprocess.run(
            [*self.argv, *map(str, arguments)],
            input=stdin,
            capture_output=True,
            cwd=self.folder,
            env=self.environment | dict(env or {}),
            timeout=seconds,
            check=False,
        )
        assert code is None or done.returncode == code, f"exit code {done.returncode}\n{done.stderr.decode()}"
        return done

    def json(self, *arguments: str | Path, env: Mapping[str, str] | None = None) -> Any:
        """What a run that must succeed prints as JSON on stdout."""
        return json.loads(self(*arguments, env=env, code=0).stdout)


@pytest.fixture
def mscli(tmp_path: Path) -> Program:
    """The program, run in an empty folder."""
    return Program(tmp_path)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Fail the test if a thread that it started outlives it. One that is just ending gets a moment."""
    before = set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if thread not in before]
    for thread in left:
        thread.join(timeout=0.5)
    names = [thread.name for thread in left if thread.is_alive()]
    if names:
        pytest.fail(f"threads are left running: {', '.join(names)}", pytrace=False)


def pytest_configure() -> None:
    """Under nohup, or in the background of a script, the programs that are started here would not hear of some signals."""
    usual: dict[int, Any] = {
        signal.SIGHUP: signal.SIG_DFL,
        signal.SIGINT: signal.default_int_handler,
        signal.SIGQUIT: signal.SIG_DFL,
    }
    for number, handler in usual.items():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)
