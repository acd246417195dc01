"""The import rules: cli → api → {sources, encode, sinks} → {media, v4l2} → core; backends and sinks by registry."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from mscli.sources import BACKENDS

ROOT = Path(__file__).parent.parent.parent
# What api and cli may import from the packages below. The rest is found through a registry, or through these modules.
DOORS = (
    "mscli.sources", "mscli.sources.base", "mscli.sources.track", "mscli.sources.device",
    "mscli.sources.reconnect", "mscli.sources.identity", "mscli.sinks", "mscli.sinks.base", "mscli.media",
    "mscli.media.chunkfilter", "mscli.encode.options",
)  # fmt: skip
GRAPH = ("mscli.webaudio", "mscli.webaudio.")  # what renders audio graphs
ROOMS_BEHIND_DOORS = ("mscli.sources", "mscli.media", "mscli.encode", "mscli.sinks")
LATE = {"av", "cv2", "numpy", "rich", "sounddevice"}

# Package → what it may import from mscli. A name that ends in a dot covers every module below it.
CORE = ("mscli.core", "mscli.core.")
MAY_IMPORT = {
    "mscli.core": CORE,
    "mscli.v4l2": (*CORE, "mscli.v4l2", "mscli.v4l2."),
    "mscli.media": (*CORE, "mscli.media", "mscli.media."),
    "mscli.webaudio": (*CORE, *GRAPH),
    "mscli.sources": (*CORE, "mscli.v4l2", "mscli.v4l2.", "mscli.media", "mscli.media.", "mscli.sources", "mscli.sources."),
    "mscli.encode": (*CORE, "mscli.media", "mscli.media.", "mscli.encode", "mscli.encode."),
    "mscli.sinks": (
        *CORE, "mscli.v4l2", "mscli.v4l2.", "mscli.media", "mscli.media.", "mscli.encode", "mscli.encode.", "mscli.sinks",
        "mscli.sinks.",
    ),
    "mscli.api": (*CORE, *DOORS, *GRAPH, "mscli.api", "mscli.api."),
    "mscli.cli": (*CORE, *DOORS, "mscli.api", "mscli.api.", "mscli.cli", "mscli.cli.", "mscli"),
}  # fmt: skip


class Import(NamedTuple):
    """An imported module and its place. ``late``: not imported together with the importer."""

    importer: str
    module: str
    place: str
    late: bool

    @property
    def layer(self) -> str:
        """Return the package of mscli that contains the importer, or mscli itself for a file at its top."""
        return ".".join(self.importer.split(".")[:2])

    @property
    def package(self) -> str:
        """Return the top-level package: mscli, av, os."""
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
    """Return the modules named by an import statement, also in ``from package import module``."""
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
    """Yield all nodes below, and whether each one runs after the module's import: in a function, or never (types only)."""
    for child in ast.iter_child_nodes(node):
        for_types = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
        inside = late or for_types or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield child, inside
        yield from walk(child, inside)


@cache
def all_imports() -> list[Import]:
    found = []
    for path in sorted((ROOT / "mscli").rglob("*.py")):
        place = path.relative_to(ROOT)
        for node, late in walk(ast.parse(path.read_text())):
            for module in dict.fromkeys(imported(node, path)):
                found.append(Import(module_name(path), module, f"{place}:{getattr(node, 'lineno', 0)}", late))
    return found


def is_allowed(module: str, allowed: tuple[str, ...]) -> bool:
    return any(module.startswith(rule) if rule.endswith(".") else module == rule for rule in allowed)


def report(violations: list[Import]) -> str:
    return "\n" + "\n".join(map(str, violations))


@pytest.mark.parametrize("layer", MAY_IMPORT)
def test_a_layer_imports_only_from_itself_and_below(layer: str) -> None:
    ours = [each for each in all_imports() if each.layer == layer and each.package == "mscli"]
    wrong = [each for each in ours if not is_allowed(each.module, MAY_IMPORT[layer])]
    assert not wrong, report(wrong)


def test_the_core_needs_nothing_but_the_standard_library() -> None:
    known = {"mscli", *sys.stdlib_module_names}
    wrong = [each for each in all_imports() if each.layer == "mscli.core" and each.package not in known]
    assert not wrong, report(wrong)


def test_click_and_rich_are_known_to_the_command_line_only() -> None:
    command_line = ("mscli.cli", "mscli.__main__")
    wrong = [each for each in all_imports() if each.package in ("click", "rich") and each.layer not in command_line]
    assert not wrong, report(wrong)


def test_heavy_libraries_are_imported_late_outside_backends_and_sinks() -> None:
    """They may be imported at the top of modules that are always imported late, and inside functions."""
    late_rooms = {each.module for each in all_imports() if each.late} - {each.module for each in all_imports() if not each.late}
    behind_doors = {each.importer for each in all_imports() if each.layer in ROOMS_BEHIND_DOORS} - set(DOORS)
    eager = [each for each in all_imports() if each.package in LATE and not each.late]
    wrong = [each for each in eager if each.importer not in late_rooms | behind_doors | graph_modules()]
    assert not wrong, report(wrong)


@cache
def graph_modules() -> set[str]:
    """Return the modules of audio graphs: those that render them, and those of the API that import these."""
    eager = [each for each in all_imports() if not each.late]
    return {each.importer for each in eager if is_allowed(each.module, GRAPH) or each.layer == "mscli.webaudio"}


def test_opencv_and_numpy_are_imported_late_everywhere_but_in_audio_graphs() -> None:
    eager = [each for each in all_imports() if each.package in ("cv2", "numpy") and not each.late]
    wrong = [each for each in eager if each.importer not in graph_modules() or each.package == "cv2"]
    assert not wrong, report(wrong)


def test_audio_graphs_are_imported_late() -> None:
    """So NumPy is not loaded before a program makes a graph."""
    eager = [each for each in all_imports() if each.module in graph_modules() and not each.late]
    wrong = [each for each in eager if each.importer not in graph_modules()]
    assert not wrong, report(wrong)


def test_nobody_reaches_through_a_track_into_its_source() -> None:
    """The track provides all that api and cli need from a source."""
    track = ROOT / "mscli" / "api" / "mediastreamtrack.py"
    others = [path for room in ("api", "cli") for path in (ROOT / "mscli" / room).rglob("*.py") if path != track]
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno} reaches into {ast.unparse(node)}"
        for path in others
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "source"
    ]
    assert wrong == []


def test_backends_do_not_know_each_other() -> None:
    backends = {row.module for row in BACKENDS.values()}
    wrong = [each for each in all_imports() if each.importer in backends and each.module in backends - {each.importer}]
    assert not wrong, report(wrong)


def test_families_of_sinks_do_not_know_each_other() -> None:
    """They share the base class, the registry and where bytes go."""
    shared = ("mscli.sinks.base", "mscli.sinks.files", "mscli.sinks.hosted")
    families = {each.module for each in all_imports() if each.layer == "mscli.sinks" and each.module.startswith("mscli.sinks.")}
    assert families
    wrong = [
        each
        for each in all_imports()
        if each.importer != "mscli.sinks" and each.layer == "mscli.sinks" and each.module in families
        if not each.module.startswith(shared) and family(each.module) != family(each.importer)
    ]
    assert not wrong, report(wrong)


def family(module: str) -> str:
    """Return the folder or the module below a layer: ``raw``, ``pictures``."""
    return module.split(".")[2]
