"""Runs the tests of tests/vm/guest in a virtual machine with real drivers, one boot for all, each with a result of its own.

Here they are collected and chosen (-k, -x and so on work); there they run, under a pytest that sends every report back as a
line of JSON; here the reports are told as if the tests had run in place.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import IO, Any

import pytest

from tests.conftest import ROOT, RUN_IN_VM, VM_KERNEL, require_vm

GUEST = Path(__file__).parent / "guest"
REPORTS = "MSCLI_VM_REPORTS"  # in the guest: the file descriptor for the reports
TEST_SECONDS = 600  # for one test, emulated
MACHINE_SECONDS = 3600  # for all of them

# The guest's pytest prints for people on stderr; stdout is for the reports.
IN_GUEST = ["sh", "-c", '"$@" 3>&1 >&2', "sh", sys.executable, "-m", "pytest", "-n0", "-q", "-p", "no:cacheprovider"]
TIMEOUTS = [f"--timeout={TEST_SECONDS}"]


def pytest_configure(config: pytest.Config) -> None:
    descriptor = os.environ.get(REPORTS)
    config.pluginmanager.register(Guest(config, int(descriptor)) if descriptor else Host(config))


def is_for_guest(item: pytest.Item) -> bool:
    return item.path.is_relative_to(GUEST)


@cache
def machine_is_here() -> bool:
    try:
        require_vm()
    except (pytest.skip.Exception, pytest.fail.Exception):
        return False
    return True


class Guest:
    """In the guest: tells the host of every report."""

    def __init__(self, config: pytest.Config, descriptor: int) -> None:
        self._config = config
        self._out = os.fdopen(descriptor, "w")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        print(json.dumps(data), file=self._out, flush=True)


class Host:
    """On the host: boots the machine at the first test for it, and tells the reports that come from there."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._nodes: list[str] = []
        self._machine: subprocess.Popen[str] | None = None
        self._log: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._folder = tempfile.TemporaryDirectory()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in filter(is_for_guest, items):
            item.add_marker(pytest.mark.timeout(0))  # the guest's pytest and the machine have their own
        self._nodes = [item.nodeid for item in items if is_for_guest(item)]

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if is_for_guest(item):
            require_vm()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        if not is_for_guest(item) or not machine_is_here():
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in self._reports(item):
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def pytest_sessionfinish(self) -> None:
        if self._machine is not None:
            self._machine.terminate()
            self._machine.communicate()
        self._log.close()
        self._folder.cleanup()

    def _boot(self) -> subprocess.Popen[str]:
        there = {REPORTS: "3", "VM_TIMEOUT": str(MACHINE_SECONDS), "MSCLI_VM_KERNEL": str(VM_KERNEL.absolute())}
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", RUN_IN_VM, "--out", self._folder.name, "--", *IN_GUEST, *TIMEOUTS, *self._nodes],
            cwd=ROOT,
            env=os.environ | there,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def _reports(self, item: pytest.Item) -> Iterator[pytest.TestReport]:
        """The reports of one test as they come in: its setup, call and teardown."""
        self._machine = self._machine or self._boot()
        assert self._machine.stdout is not None
        for line in self._machine.stdout:
            report = self._report(json.loads(line))
            if report.nodeid == item.nodeid:
                yield report
                if report.when == "teardown":
                    return
        yield self._silence(item)

    def _report(self, data: dict[str, Any]) -> pytest.TestReport:
        report = self._config.hook.pytest_report_from_serializable(config=self._config, data=data)
        assert isinstance(report, pytest.TestReport)
        if report.skipped:  # where and why: a tuple before it was JSON
            report.longrepr = tuple(data["longrepr"])
        return report

    def _silence(self, item: pytest.Item) -> pytest.TestReport:
        """The report of a test that the guest said nothing of: a failure, with the end of what it printed."""
        self._log.seek(0)
        end = "".join(self._log.readlines()[-40:])
        why = f"the virtual machine ended without a result of this test; the end of its log:\n{end}"
        return pytest.TestReport(item.nodeid, item.location, {}, "failed", why, "call")
