"""The reference of the library: what the docstrings of exported names say, and the HTML that is made of them."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import mscli
from tests.conformance.test_idl import OURS, members
from tests.conftest import ROOT, clean_environment, demand

EXPORTED: dict[str, Any] = {name: getattr(mscli, name) for name in mscli.__all__}
CLASSES = {name: one for name, one in EXPORTED.items() if inspect.isclass(one)}
DEFINED = {OURS.get(name, name) for name in (path.partition(".")[0] for _, path in members())} & CLASSES.keys()
BESIDE = {  # interfaces of the standards that media capture is built on
    "AudioData", "Blob", "DOMException", "EncodedAudioChunk", "EncodedVideoChunk", "ErrorEvent", "Event", "EventTarget",
    "MediaError", "OverconstrainedErrorEvent", "URL", "VideoColorSpace", "VideoFrame",
}  # fmt: skip
INTERFACES = sorted(DEFINED | BESIDE)
ADDRESS = re.compile(r"https://(www\.w3\.org|w3c\.github\.io|html\.spec|dom\.spec|webidl\.spec)\S+#\w")
DIFFERS = re.compile(r"(Differs|Does not differ)\s+from\s+the\s+standard|Unlike\s+in\s+WebCodecs")


def is_dictionary(one: Any) -> bool:
    return hasattr(one, "__total__")


def text_of(one: Any) -> str:
    return inspect.cleandoc(one.__doc__ or "")


@pytest.mark.parametrize("name", CLASSES)
def test_an_exported_class_has_a_docstring_of_its_own(name: str) -> None:
    assert "__doc__" in vars(CLASSES[name])
    assert len(text_of(CLASSES[name]).split()) >= 4


@pytest.mark.parametrize("name", INTERFACES)
def test_an_interface_names_its_section_of_the_standard(name: str) -> None:
    assert ADDRESS.search(text_of(CLASSES[name]))


@pytest.mark.parametrize("name", [name for name in INTERFACES if not is_dictionary(CLASSES[name])])
def test_an_interface_says_how_it_differs_from_the_standard(name: str) -> None:
    assert DIFFERS.search(text_of(CLASSES[name]))


def raised(function: Any) -> set[str]:
    """Return the names of the errors that the body of a function raises itself. ArgumentError is a TypeError."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    calls = (node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise))
    names = {call.func.id for call in calls if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)}
    return {{"ArgumentError": "TypeError"}.get(name, name) for name in names}


def functions_of(one: type) -> list[Any]:
    """Return the public functions and properties that a class defines."""
    found = [value for name, value in vars(one).items() if not name.startswith("_")]
    functions = (
        value.fget if isinstance(value, property) else inspect.unwrap(getattr(value, "__func__", value)) for value in found
    )
    return [value for value in functions if inspect.isfunction(value) and value.__module__.startswith("mscli.")]


@pytest.mark.parametrize("name", INTERFACES)
def test_public_methods_say_what_they_do_and_what_they_raise(name: str) -> None:
    functions = [] if is_dictionary(CLASSES[name]) else functions_of(CLASSES[name])
    assert [one.__qualname__ for one in functions if not one.__doc__] == []
    whole = text_of(CLASSES[name])
    unsaid = [(one.__qualname__, error) for one in functions for error in raised(one) if error not in text_of(one) + whole]
    assert unsaid == []


SHOWN = ("Canvas", "ImageCapture", "MediaRecorder", "MediaStream", "MediaStreamTrack", "MediaStreamTrackProcessor",
         "VideoTrackGenerator")  # fmt: skip


@pytest.mark.parametrize("name", SHOWN)
def test_the_interfaces_that_programs_begin_with_have_an_example(name: str) -> None:
    """``tests/integration/test_examples.py`` runs it."""
    assert re.search(r"^    import mscli$", text_of(CLASSES[name]), re.MULTILINE)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the reference, made as CONTRIBUTING says."""
    demand(["" if find_spec("pdoc") else "pdoc is missing (pip install 'mscli[docs]')"])
    folder = tmp_path_factory.mktemp("reference")
    command = [sys.executable, "-W", "error", "-m", "mscli.cli.reference", str(folder)]
    subprocess.run(command, env=clean_environment() | {"PYTHONPATH": str(ROOT)}, check=True, timeout=120)
    return folder


def test_every_interface_has_a_page_with_a_link_to_the_standard(reference: Path) -> None:
    for name in INTERFACES:
        page = (reference / "mscli" / f"{name}.html").read_text(encoding="utf-8")
        assert ADDRESS.search(" ".join(re.findall('href="(.*?)"', page))), name


def test_the_first_page_leads_to_all_others(reference: Path) -> None:
    first = (reference / "mscli.html").read_text(encoding="utf-8")
    linked = set(re.findall(r'href="mscli/(\w+)\.html"', first))
    assert linked == {path.stem for path in (reference / "mscli").iterdir()}
    assert CLASSES.keys() <= linked


def test_without_pdoc_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "pdoc.py").write_text("raise ModuleNotFoundError")
    environment = clean_environment() | {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    command = [sys.executable, "-m", "mscli.cli.reference", str(tmp_path / "out")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'mscli[docs]'" in done.stderr
    assert not (tmp_path / "out").exists()
