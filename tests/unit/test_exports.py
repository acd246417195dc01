"""What another package needs: every type in a public signature of the exported base classes is exported by ``mscli``, too."""

from __future__ import annotations

import ast
import builtins
import inspect
import sys
import typing
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import mscli
from tests.conftest import ROOT

EXPORTED: dict[str, Any] = {name: getattr(mscli, name) for name in mscli.__all__}
OURS = {name: value for name, value in EXPORTED.items() if getattr(value, "__module__", "").startswith("mscli.")}
BELOW_API = sorted(
    name for name, value in OURS.items() if inspect.isclass(value) and not value.__module__.startswith("mscli.api.")
)


@cache
def tree_of(module: str) -> ast.Module:
    path = sys.modules[module].__file__
    assert path is not None
    return ast.parse(Path(path).read_text(encoding="utf-8"))


MADE_BY_US = {"EncodedTrack"}  # classes that other packages do not create


def known_in(module: str) -> set[str]:
    """Return the names of mscli that a module imports or defines at its top, also for type checkers only."""
    found: set[str] = set()
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mscli"):
            found |= {alias.asname or alias.name for alias in node.names}
    for node in tree_of(module).body:
        if isinstance(node, ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


def annotated(cls: ast.ClassDef) -> Iterator[ast.expr]:
    """Yield the annotations of public attributes, and of what public methods take and return."""
    for node in cls.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and not node.target.id.startswith("_"):
            yield node.annotation
        is_init = node.name == "__init__" and cls.name not in MADE_BY_US if isinstance(node, ast.FunctionDef) else False
        if isinstance(node, ast.FunctionDef) and (is_init or not node.name.startswith("_")):
            given = node.args
            for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg):
                if argument is not None and argument.annotation is not None:
                    yield argument.annotation
            if node.returns is not None:
                yield node.returns


def types_of(cls: type) -> set[str]:
    """Return the types of mscli in the public signatures of a class."""
    known = known_in(cls.__module__)
    (found,) = (node for node in tree_of(cls.__module__).body if isinstance(node, ast.ClassDef) and node.name == cls.__name__)
    names = (node.id for one in annotated(found) for node in ast.walk(one) if isinstance(node, ast.Name))
    return {name for name in names if name in known and not hasattr(builtins, name)}


@pytest.mark.parametrize("name", BELOW_API)
def test_what_a_public_signature_names_is_exported(name: str) -> None:
    assert types_of(OURS[name]) - set(mscli.__all__) == set()


ALIASES = ("Chunk", "Frame", "Media", "Piece", "Scalar", "Settings", "Target", "Values")  # unions, which have no module


def test_what_an_exported_union_names_is_exported() -> None:
    for name in ALIASES:
        parts = [part.__name__ for part in typing.get_args(getattr(mscli, name)) if part.__module__.startswith("mscli.")]
        assert set(parts) <= set(mscli.__all__), name


def test_all_that_packages_need_is_described_for_them() -> None:
    text = (ROOT / ".github/CONTRIBUTING.md").read_text(encoding="utf-8")
    errors = {name for name in BELOW_API if issubclass(OURS[name], Exception)}
    assert {name for name in (*BELOW_API, *ALIASES) if f"`{name}`" not in text} - errors == set()
