"""A defect, as programs read it."""

from __future__ import annotations

import json

import pytest

from mscli.cli.exitcodes import ExitCode
from mscli.cli.failure import report_error


def test_a_defect_is_json_too_and_has_its_traceback_with_debug(capsys: pytest.CaptureFixture[str]) -> None:
    assert report_error(RuntimeError("odd"), ["--json", "--debug"]) == ExitCode.DEFECT
    error = json.loads(capsys.readouterr().err)["error"]
    assert (error["name"], error["message"], bool(error["traceback"])) == ("Defect", "internal error: RuntimeError: odd", True)
