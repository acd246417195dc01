"""The commands of --exec, without a camera."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mscli.cli import hooks
from mscli.cli.hooks import MOST_HOOKS, Hooks


def test_a_command_that_hangs_is_terminated_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "HOOK_S", 0.01)
    said: list[str] = []
    hanging = Hooks(["sleep", "1000{}"], said.append)  # with the name behind: 10001
    hanging.start("1")
    hanging.finish()
    assert hanging.failed == 1
    assert said == ["--exec did not end within 0.01 s for 1 and was terminated"]


def test_no_more_commands_run_at_once_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "HOOK_S", 0.01)
    said: list[str] = []
    slow = Hooks(["sleep", "1000{}"], said.append)  # with the name behind: 10001, 10002 ...
    for number in range(MOST_HOOKS + 1):
        slow.start(str(number))
    assert said == [f"--exec was skipped for {MOST_HOOKS}, because {MOST_HOOKS} commands are still running"]
    slow.finish()
    assert slow.failed == 1 + MOST_HOOKS


def test_arguments_are_a_list_and_no_shell_reads_them(tmp_path: Path) -> None:
    said: list[str] = []
    name = str(tmp_path / "a b; touch c")
    writing = Hooks(["cp", "/dev/null", "{}"], said.append)
    writing.start(name)
    writing.finish()
    assert (said, [path.name for path in tmp_path.iterdir()]) == ([], ["a b; touch c"])


def test_a_command_that_does_not_end_is_terminated_with_all_that_it_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "alive")
    said: list[str] = []
    commands = Hooks(["sh", "-c", f"sleep 600 >{tmp_path}/alive; true"], said.append)
    commands.start("x.png")
    with open(tmp_path / "alive", "rb") as alive:  # which is open as long as the sleep of the shell runs
        monkeypatch.setattr(hooks, "HOOK_S", 0)
        commands.finish()
        assert alive.read() == b""
    assert said == ["--exec did not end within 0 s for x.png and was terminated"]
    assert commands.failed == 1
