"""The examples in docstrings: each runs, with fake devices in place of this machine's."""

from __future__ import annotations

import ast
import re
import textwrap
from pathlib import Path

import pytest

import mscli
from tests.conftest import ROOT

EXAMPLE = re.compile(r"(?:^ {4,}.*\n|^\n(?= {4}))+", re.MULTILINE)


def examples() -> list[tuple[str, str]]:
    """Return every indented block of a docstring that imports mscli, with its file."""
    paths = sorted((ROOT / "mscli").rglob("*.py"))
    texts = ((path, text) for path in paths if "import mscli" in (text := path.read_text()))  # to parse all takes seconds
    nodes = ((path, node) for path, text in texts for node in ast.walk(ast.parse(text)))
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = [(path, ast.get_docstring(node) or "") for path, node in nodes if isinstance(node, kinds)]
    found = ((path, textwrap.dedent(block)) for path, text in docstrings for block in EXAMPLE.findall(f"{text}\n"))
    return [(str(path.relative_to(ROOT)), code) for path, code in found if "import mscli" in code]


EXAMPLES = examples()


def test_there_are_examples() -> None:
    assert "mscli/__init__.py" in dict(EXAMPLES)


@pytest.mark.parametrize(("path", "code"), EXAMPLES, ids=[path for path, _ in EXAMPLES])
def test_an_example_runs(path: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    hardware = mscli.MediaDevices
    monkeypatch.setattr(mscli, "MediaDevices", lambda backends=None: hardware(backends=backends or [mscli.FakeBackend({})]))
    exec(compile(code, path, "exec"), {"__name__": "example"})
