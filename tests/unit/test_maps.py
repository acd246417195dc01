"""Names: the docstring of each package names its modules, ``mscli/README.md`` names the rest, and no two classes share one."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.trees import statements

MSCLI = Path(__file__).parent.parent.parent / "mscli"
PACKAGES = sorted(path.parent for path in MSCLI.glob("*/**/__init__.py"))
HOUSE = (MSCLI / "README.md").read_text(encoding="utf-8")


def named_in(package: Path) -> set[str]:
    """Return the names before the colon of each list item in a map."""
    text = ast.get_docstring(ast.parse((package / "__init__.py").read_text(encoding="utf-8"))) or ""
    items = re.findall(r"^- (``[^:]*``):", text, re.MULTILINE)
    return {name for item in items for name in re.findall(r"``(\w+)``", item)}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: str(package.relative_to(MSCLI)))
def test_a_package_names_each_of_its_modules(package: Path) -> None:
    modules = {path.stem for path in package.glob("*.py")} - {"__init__"}
    packages = {path.parent.name for path in package.glob("*/__init__.py")}
    assert named_in(package) == modules | packages


def test_the_whole_names_each_package() -> None:
    assert named_in(MSCLI) == {package.name for package in PACKAGES if package.parent == MSCLI}


def test_the_page_of_the_house_names_each_package() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \|", HOUSE, re.MULTILINE))
    assert rows == {package.name for package in PACKAGES if package.parent == MSCLI}


def test_the_page_of_the_house_names_each_thread() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in MSCLI.rglob("*.py"))
    started = set(re.findall(r"\"(mscli-[a-z0-9-]+)\"", source)) - {"mscli-preview"}  # the name of a file in memory
    assert started
    assert {name for name in started if f"`{name}" not in HOUSE} == set()


def test_the_page_of_the_house_names_only_files_that_exist() -> None:
    root = MSCLI.parent
    named = re.findall(r"`([\w./]+\.(?:py|md))`", HOUSE)
    assert named
    assert [name for name in named if not ((MSCLI / name).exists() or (root / name).exists())] == []


def test_no_two_classes_have_the_same_name() -> None:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in MSCLI.rglob("*.py")]
    names = Counter(node.name for tree in trees for node in statements(tree) if isinstance(node, ast.ClassDef))
    assert {name for name, count in names.items() if count > 1} == set()


ALIKE = {  # functions that mean the same in several modules
    "main", "run",  # programs and commands
    "set_mode",  # of the two kinds of cameras
    "copied_formats", "index_place", "lossless_audio", "next_mark_us",  # behind the registry of sinks
}  # fmt: skip


def test_no_two_functions_with_different_meanings_have_the_same_name() -> None:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in MSCLI.rglob("*.py") if path.parent.name != "surface"]
    names = Counter(node.name for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef))
    assert {name for name, count in names.items() if count > 1 and not name.startswith("_")} - ALIKE == set()
