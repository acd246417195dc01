"""What is said of one output out of several that has failed, or has nothing."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from mscli.cli.report import Report
from mscli.core.errors import OperationError
from mscli.sinks.files.output import output_error


def failed(**given: Any) -> Report:
    error = OperationError("cannot write p: its reader does not read")
    return Report(["p"], "error", [], [], name="p", error=error, one_of_several=True, **given)


def test_the_line_of_an_output_that_has_failed_says_why() -> None:
    assert failed().line().endswith("; stopped by an error: cannot write p: its reader does not read")


def test_the_json_of_an_output_has_its_exit_code() -> None:
    assert failed().output_json()["exitCode"] == 9
    assert failed()._replace(error=BrokenPipeError(), reason="pipe").output_json()["exitCode"] == 0
    assert failed()._replace(error=None, reason="duration").output_json()["exitCode"] == 0


@pytest.mark.parametrize(("several", "line"), [(True, "Nothing saved in p"), (False, "Nothing saved")])
def test_an_output_out_of_several_that_has_nothing_is_named(several: bool, line: str) -> None:
    assert Report([], "duration", [], [], name="p", one_of_several=several).line() == line


def test_a_folder_that_takes_no_file_is_not_said_to_be_missing() -> None:
    missing = OSError(errno.ENOENT, "No such file or directory")
    assert "no file can be created in its folder" in str(output_error("/proc/x.mkv", missing))
    assert "its folder does not exist" in str(output_error("/nowhere/x.mkv", missing))
