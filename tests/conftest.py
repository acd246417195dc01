"""Shared by all tests: the program as a real process, required tools, and a check for leftover threads."""

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
from typing import Any, ClassVar

import pytest
from xdist.remote import Producer

from tests.plan import MAKES_WAY, PARTS, Groups, is_computing, number_of_workers, turn
from tests.starts import SERVER, Forked, can_be_forked

pytest_plugins = ["tests.limits"]

ROOT = Path(__file__).parent.parent
PACKAGES = ROOT / "tests/packages.txt"
RUN_IN_VM = ROOT / "tests/vm/rig/run-in-vm"
VM_KERNEL = Path(os.environ.get("MSCLI_VM_KERNEL", ROOT / ".rig/kernel-amd64"))
VM_TOOLS = ("qemu-system-x86_64", "busybox", "cpio", "modprobe")

Completed = subprocess.CompletedProcess[bytes]


def missing(tool: str) -> str:
    """Return why ``tool``, a row of tests/packages.txt, cannot be used, or "" if it can."""
    rows = (line.split() for line in PACKAGES.read_text().splitlines() if line and not line.startswith("#"))
    package = dict(row for row in rows if len(row) == 2)[tool]
    if ".so" in tool:
        folders = "", "*/", "*/alsa-lib/", "*/gstreamer-1.0/", "nginx/modules/"
        there = any(glob.glob(f"/usr/lib*/{folder}{tool}") for folder in folders)
    elif tool.endswith(".py"):
        there = Path("/usr/lib/python3/dist-packages", tool).exists()
    elif tool.endswith(".h"):
        there = Path("/usr/include", tool).exists()
    else:
        there = shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is not None
    return "" if there else f"{tool} is missing (Debian package {package})"


def require(*tools: str) -> None:
    """Skip the test, with the reason, unless every tool is available. Under CI=true, fail instead."""
    demand([missing(tool) for tool in tools])


def require_root(why: str) -> None:
    """Skip the test, with the sentence ``why``, unless it runs as root. Under CI=true, fail instead."""
    demand([why if os.geteuid() else ""])


def require_vm() -> None:
    """Skip the test, with the reason, unless ``RUN_IN_VM`` can run. Under CI=true, fail instead."""
    kernel = "" if VM_KERNEL.is_dir() else "the kernel of the virtual machine is missing (tests/run unpacks it)"
    demand([*map(missing, VM_TOOLS), kernel])


def demand(problems: list[str]) -> None:
    """Skip the test, with the reason, if there are problems. Under CI=true, fail instead."""
    reason = "; ".join(filter(None, problems))
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    if reason:
        pytest.skip(reason)


def clean_environment() -> dict[str, str]:
    """Return this process's environment without variables that change mscli's behaviour or output."""
    changing = ("MSCLI_", "PYTHONUNBUFFERED", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "TTY_")
    return {name: value for name, value in os.environ.items() if not name.startswith(changing)}


@dataclass(frozen=True)
class Program:
    """mscli as users run it: a separate process with a clean environment, in ``folder``."""

    folder: Path
    popen: ClassVar[type[subprocess.Popen[bytes]]] = subprocess.Popen  # starts it for a test that looks on
    called: ClassVar[type[subprocess.Popen[bytes]]] = Forked  # starts it for a test that wants only its end

    @property
    def argv(self) -> list[str]:
        """Return the command line, for tests that talk to the running process."""
        return [sys.executable, "-m", "mscli"]

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of every process."""
        return clean_environment() | {"PYTHONPATH": str(ROOT)}

    def __call__(
        self,
        *arguments: str | Path,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        code: int | None = None,
        seconds: float = 60,
    ) -> Completed:
        """Run to the end. ``code``: the required exit code. ``stdout`` and ``stderr`` are bytes."""
        pipe = subprocess.PIPE
        with self.start(*arguments, env=env, stdin=pipe, stdout=pipe, stderr=pipe, popen=self.called) as process:
            try:
                stdout, stderr = process.communicate(stdin, timeout=seconds)
            finally:
                process.kill()
        done = Completed(process.args, process.returncode, stdout, stderr)
        assert code is None or done.returncode == code, f"exit code {done.returncode}\n{done.stderr.decode()}"
        return done

    def start(
        self,
        *arguments: str | Path,
        env: Mapping[str, str] | None = None,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        bufsize: int = -1,
        popen: type[subprocess.Popen[bytes]] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start it, and return while it runs. The streams are those of ``Popen``."""
        command, environment = [*self.argv, *map(str, arguments)], self.environment | dict(env or {})
        popen = popen or self.popen
        if popen is Forked and not can_be_forked(command, environment):
            popen = subprocess.Popen
        return popen(command, bufsize, stdin=stdin, stdout=stdout, stderr=stderr, cwd=self.folder, env=environment)

    def json(self, *arguments: str | Path, env: Mapping[str, str] | None = None) -> Any:
        """Return the JSON on stdout of a run that must succeed."""
        return json.loads(self(*arguments, env=env, code=0).stdout)


@pytest.fixture
def mscli(tmp_path: Path) -> Program:
    """Return the program, run in an empty folder."""
    return Program(tmp_path)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Fail the test if a thread that it started outlives it. A thread that is just ending gets a moment."""
    before = set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if thread not in before]
    left = [thread for thread in left if not isinstance(thread, threading._DummyThread)]  # a library's own: PortAudio's
    for thread in left:
        thread.join(timeout=0.5)
    names = [thread.name for thread in left if thread.is_alive()]
    if names:
        pytest.fail(f"threads are left running: {', '.join(names)}", pytrace=False)


PATIENT_S = 900  # what a test may take that makes way for the virtual machine's


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--part", choices=PARTS, help="only the test files of this part (tests/plan.py)")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out files of other parts."""
    part = config.getoption("part")
    is_test = collection_path.name.startswith("test_") and collection_path.suffix == ".py"
    return True if part and is_test and not PARTS[part](str(collection_path.relative_to(ROOT))) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("part") == "patient":
        for item in items:
            item.add_marker(pytest.mark.timeout(PATIENT_S), append=False)  # others may have the processors meanwhile
    items.sort(key=lambda item: turn(item.nodeid))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let a worker that has reached the computing tests yield to the others. These tests are its last."""
    if hasattr(item.config, "workerinput") and is_computing(item.nodeid) and not os.nice(0):
        os.nice(MAKES_WAY)


def pytest_xdist_auto_num_workers() -> int:
    return number_of_workers()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Groups:
    return Groups(config, log)


def pytest_unconfigure() -> None:
    SERVER.close()


def pytest_configure() -> None:
    """Restore signals that nohup or a background script ignores, because the programs started here need them.

    Tests bring their own window systems.
    """
    os.environ.pop("WAYLAND_DISPLAY", None)
    usual: dict[int, Any] = {
        signal.SIGHUP: signal.SIG_DFL,
        signal.SIGINT: signal.default_int_handler,
        signal.SIGQUIT: signal.SIG_DFL,
    }
    for number, handler in usual.items():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)
