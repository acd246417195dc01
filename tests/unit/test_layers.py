"""The house's import rules: cli → api → bases and registries of sources and sinks → core; backends and sinks by registry."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from mscli.sources import BACKENDS

ROOT = Path(__file__).parent.parent.parent
DOORS = ("mscli.sources", "mscli.sources.base", "mscli.sources.identity", "mscli.sinks", "mscli.sinks.base")
LATE = {"av", "cv2", "numpy", "rich", "sounddevice"}

# Layer → what of mscli it may import. A name that ends in a dot: every module below it.
CORE = ("mscli.core", "mscli.core.")
MAY_IMPORT = {
    "mscli.core": CORE,
    "mscli.sources": (*CORE, "mscli.sources", "mscli.sources."),
    "mscli.sinks": (*CORE, "mscli.sinks", "mscli.sinks."),
    "mscli.api": (*CORE, *DOORS, "mscli.api", "mscli.api."),
    "mscli.cli": (*CORE, *DOORS, "mscli.api", "mscli.api.", "mscli.cli", "mscli.cli.", "mscli"),
}


class Import(NamedTuple):
    """One imported module, and where; ``late``: not when the importer is imported."""

    importer: str
    module: str
    place: str
    late: bool

    @property
    def layer(self) -> str:
        """The folder of mscli that the importer stands in; the package itself for a file at its top."""
        return ".".join(self.importer.split(".")[:2])

    @property
    def package(self) -> str:
        """The distribution-level name: mscli, av, os."""
        return self.module.partition(".")[0]

    def __str__(self) -> str:
        return f"{self.place} imports {self.module}"


def module_name(path: Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


def is_module(name: str) -> bool:
    path = ROOT / Path(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").exists()


def imported(node: ast.AST, importer: Path) -> list[str]:
    """The modules that an import statement names; ``from package import module`` names the module."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    folder = list(importer.relative_to(ROOT).parent.parts)
    above = folder[: len(folder) - node.level + 1] if node.level else []
    base = ".".join([*above, *filter(None, [node.module])])
    below = [f"{base}.{alias.name}" for alias in node.names]
    return [name if name.startswith("mscli.") and is_module(name) else base for name in below]


def walk(node: ast.AST, late: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    """All nodes below, each with whether it runs later than the module's import: in a function, or never (for types only)."""
    for child in ast.iter_child_nodes(node):
        for_types = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
        inside = late or for_types or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield child, inside
        yield from walk(child, inside)


def all_imports() -> list[Import]:
    found = []
    for path in sorted((ROOT / "mscli").rglob("*.py")):
        place = path.relative_to(ROOT)
        for node, late in walk(ast.parse(path.read_text())):
            for module in dict.fromkeys(imported(node, path)):
                found.append(Import(module_name(path), module, f"{place}:{getattr(node, 'lineno', 0)}", late))
    return found


IMPORTS = all_imports()


def is_allowed(module: str, allowed: tuple[str, ...]) -> bool:
    return any(module.startswith(rule) if rule.endswith(".") else module == rule for rule in allowed)


def report(violations: list[Import]) -> str:
    return "\n" + "\n".join(map(str, violations))


@pytest.mark.parametrize("layer", MAY_IMPORT)
def test_a_layer_imports_only_from_itself_and_below(layer: str) -> None:
    ours = [each for each in IMPORTS if each.layer == layer and each.package == "mscli"]
    wrong = [each for each in ours if not is_allowed(each.module, MAY_IMPORT[layer])]
    assert not wrong, report(wrong)


def test_the_core_needs_nothing_but_the_standard_library() -> None:
    known = {"mscli", *sys.stdlib_module_names}
    wrong = [each for each in IMPORTS if each.layer == "mscli.core" and each.package not in known]
    assert not wrong, report(wrong)


def test_click_and_rich_are_known_to_the_command_line_only() -> None:
    command_line = ("mscli.cli", "mscli.__main__")
    wrong = [each for each in IMPORTS if each.package in ("click", "rich") and each.layer not in command_line]
    assert not wrong, report(wrong)


def test_heavy_libraries_are_imported_late_outside_backends_and_sinks() -> None:
    """At the top only of a room of its own that is always entered late: imported inside functions and nowhere else."""
    late_rooms = {each.module for each in IMPORTS if each.late} - {each.module for each in IMPORTS if not each.late}
    behind_doors = {each.importer for each in IMPORTS if each.layer in ("mscli.sources", "mscli.sinks")} - set(DOORS)
    eager = [each for each in IMPORTS if each.package in LATE and not each.late]
    wrong = [each for each in eager if each.importer not in late_rooms | behind_doors]
    assert not wrong, report(wrong)


def test_opencv_and_numpy_are_imported_late_everywhere() -> None:
    wrong = [each for each in IMPORTS if each.package in ("cv2", "numpy") and not each.late]
    assert not wrong, report(wrong)


def test_backends_do_not_know_each_other() -> None:
    backends = {row.module for row in BACKENDS.values()}
    wrong = [each for each in IMPORTS if each.importer in backends and each.module in backends - {each.importer}]
    assert not wrong, report(wrong)
