"""Docstrings: a function says what it does, in the imperative (ruff's D401 checks the verb); a class says what it is."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.trees import statements

MSCLI = Path(__file__).parent.parent.parent / "mscli"
MODULES = sorted(MSCLI.rglob("*.py"))
VAGUE = {"What", "How", "Where", "Why", "Who", "Something", "Everything", "All", "Also", "With", "While", "In"}


class Documented(NamedTuple):
    """A module, class or function, and its docstring."""

    kind: type[ast.AST]
    name: str
    line: int
    outermost: bool
    text: str | None


@cache
def documented(path: Path) -> list[Documented]:
    """Return the module with its classes and functions."""
    module = ast.parse(path.read_text(encoding="utf-8"))
    kept = (one for one in statements(module) if isinstance(one, ast.ClassDef | ast.FunctionDef))
    own = (Documented(type(one), one.name, one.lineno, one in module.body, ast.get_docstring(one)) for one in kept)
    return [Documented(ast.Module, "module", 1, False, ast.get_docstring(module)), *own]


def beginnings(path: Path, *kinds: type[ast.AST]) -> list[str]:
    """Return the first word of each docstring, with the name that it belongs to."""
    return [f"{one.text.split()[0]} ({one.name})" for one in documented(path) if one.kind in kinds and one.text]


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
        f"{path.relative_to(MSCLI)}:{one.line} {one.name}"
        for path in MODULES
        for one in documented(path)
        if one.outermost and not one.name.startswith("_") and not one.text
    ]
    assert lacking == []
