"""Docstrings: a function says what it does, in the imperative (ruff's D401 checks the verb); a class says what it is."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any

import pytest

MSCLI = Path(__file__).parent.parent.parent / "mscli"
MODULES = sorted(MSCLI.rglob("*.py"))
VAGUE = {"What", "How", "Where", "Why", "Who", "Something", "Everything", "All", "Also", "With", "While", "In"}


@cache
def statements(path: Path) -> list[Any]:
    """Return the module and its statements, also those within others. What has a docstring is never within an expression."""
    found: list[Any] = [ast.parse(path.read_text(encoding="utf-8"))]
    for node in found:
        inner = (child for name in ("body", "orelse", "finalbody", "handlers", "cases") for child in getattr(node, name, ()))
        found += inner
    return found


def beginnings(path: Path, *kinds: type[ast.AST]) -> list[str]:
    """Return the first word of each docstring, with the name that it belongs to."""
    nodes = [node for node in statements(path) if isinstance(node, kinds)]
    told = ((node, ast.get_docstring(node)) for node in nodes if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef))
    return [f"{text.split()[0]} ({getattr(node, 'name', 'module')})" for node, text in told if text]


def is_vague(beginning: str) -> bool:
    return beginning.split()[0] in VAGUE


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(MSCLI)))
def test_no_docstring_begins_vaguely(path: Path) -> None:
    assert [one for one in beginnings(path, ast.Module, ast.ClassDef, ast.FunctionDef) if is_vague(one)] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(MSCLI)))
def test_a_function_begins_with_a_verb(path: Path) -> None:
    """Not with an article, a literal or a number. The command's own help is the sentence of the program."""
    wrong = ("A ", "An ", "The ", "``", "One ", "Two ", "No ")
    assert [one for one in beginnings(path, ast.FunctionDef) if one.startswith(wrong)] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(MSCLI)))
def test_a_class_begins_with_a_noun(path: Path) -> None:
    """Neither in the imperative nor in the third person."""
    verbs = {"List", "Make", "Turn", "Read", "Write", "Asks", "Follows", "Holds", "Lists", "Logs", "Numbers", "Opens", "Takes"}
    assert [one for one in beginnings(path, ast.ClassDef) if one.split()[0] in verbs] == []


def test_every_public_function_and_class_has_a_docstring() -> None:
    lacking = [
        f"{path.relative_to(MSCLI)}:{node.lineno} {node.name}"
        for path in MODULES
        for node in statements(path)[0].body
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_") and not ast.get_docstring(node)
    ]
    assert lacking == []
