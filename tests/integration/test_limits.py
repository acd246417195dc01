"""A run in which a test hangs, or a worker dies, ends by itself, fails, and says which test it was."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, clean_environment

CONFTEST = """
import pytest

from tests import limits
from tests.plan import Groups

pytest_configure = limits.pytest_configure

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    limits.GRACE_S = 0 if "deaf" in item.name else 60  # before its timer is set
    return (yield)

def pytest_xdist_make_scheduler(config, log):
    return Groups(config, log)
"""
FEW = """
import pytest

@pytest.mark.parametrize("number", range(8))
def test_passes(number):
    pass
"""
TROUBLE = """
import ctypes, os, threading
import pytest

def test_dies():
    os._exit(7)

@pytest.mark.timeout(1)
def test_waits_for_ever():
    threading.Event().wait()

@pytest.mark.timeout(1)
def test_is_deaf():
    lock, libc = ctypes.create_string_buffer(64), ctypes.CDLL(None)
    libc.pthread_mutex_lock(lock)
    libc.pthread_mutex_lock(lock)
"""
WAITS = """
import sys, threading

def test_waits():
    print("waiting", file=sys.__stderr__, flush=True)
    threading.Event().wait()
"""


def run(folder: Path, *arguments: str, **files: str) -> subprocess.Popen[str]:
    """Start pytest over test files of this text."""
    (folder / "pytest.ini").write_text(
        "[pytest]\naddopts = -p no:cacheprovider -p no:hypothesispytest -rf --timeout-method=signal\n"
    )
    (folder / "conftest.py").write_text(CONFTEST)
    for name, text in files.items():
        (folder / f"test_{name}.py").write_text(text)
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=folder,
        env=clean_environment() | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_tests_that_hang_and_workers_that_die_are_failures_and_the_others_run(tmp_path: Path) -> None:
    with run(tmp_path, "-n2", a=FEW, b=TROUBLE, c=FEW) as run_:
        out, err = run_.communicate()
    assert run_.returncode == 1, out + err
    assert "3 failed, 16 passed" in out
    assert "crashed while running 'test_b.py::test_dies'" in out
    assert "FAILED test_b.py::test_waits_for_ever - Failed: Timeout" in out
    assert "crashed while running 'test_b.py::test_is_deaf'" in out
    assert " in test_is_deaf\n" in err


@pytest.mark.parametrize("workers", ["-n0", "-n1"])
def test_a_run_that_takes_too_long_says_what_runs(tmp_path: Path, workers: str) -> None:
    with run(tmp_path, workers, "-s", "-v", a=WAITS) as run_:
        for stream, text in ((run_.stdout, "test_a.py::test_waits"), (run_.stderr, "waiting")):
            assert stream is not None
            read = ""
            while text not in read:
                read += stream.read(1) or pytest.fail("it ended")
        run_.send_signal(signal.SIGTERM)
        out, err = run_.communicate()
    assert run_.returncode == 2, out + err
    assert "These tests run:\n  test_a.py::test_waits, for " in err
    assert " in test_waits\n" in err
    assert "the run takes too long; 1 test(s) still run" in out
