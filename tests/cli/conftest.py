"""The program on a machine with fake devices."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.program import FakeMachine


@pytest.fixture
def fake(tmp_path: Path) -> FakeMachine:
    """Return the program, in an empty folder."""
    return FakeMachine(tmp_path)
