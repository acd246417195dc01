"""Generate the reference of the library as HTML with pdoc: ``python -m mscli.cli.reference FOLDER``.

It needs ``mscli[docs]``. Each exported class and function has a page, made from its docstring. The types that are words or
unions have one together. https://pdoc.dev/docs/pdoc.html
"""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import mscli

_OTHERS = "types"  # the page of names that are neither classes nor functions


def modules() -> Iterator[ModuleType]:
    """Yield a module for each page: the package with its docstring first, then one for each name."""
    exported = {name: getattr(mscli, name) for name in mscli.__all__}
    own = {name: value for name, value in exported.items() if inspect.isclass(value) or inspect.isfunction(value)}
    own |= vars_of(exported["legacy"])
    others = {name: value for name, value in exported.items() if name not in own and not inspect.ismodule(value)}
    yield page_of("mscli", f"{mscli.__doc__}\n\n{contents([_OTHERS, *own])}", {})
    yield page_of(f"mscli.{_OTHERS}", "Words of the standard's enumerations, and unions of types.", others)
    for name, value in own.items():
        yield page_of(f"mscli.{name}", "", {name: value})


def contents(names: Sequence[str]) -> str:
    """Return the list of all pages, as Markdown."""
    return "\n".join(["## Pages", "", *(f"- [{name}](mscli/{name}.html)" for name in names)])


def vars_of(module: ModuleType) -> dict[str, Any]:
    """Return the classes that a module defines."""
    return {name: one for name, one in vars(module).items() if inspect.isclass(one) and one.__module__ == module.__name__}


def page_of(name: str, text: str, values: dict[str, Any]) -> ModuleType:
    """Return a module that has only these values."""
    page = ModuleType(name, text)
    vars(page).update(values, __all__=list(values))
    return page


def main(folder: str = "reference") -> None:
    """Write all pages and their index into a folder."""
    try:
        doc, render = import_module("pdoc.doc"), import_module("pdoc.render")
    except ModuleNotFoundError:
        sys.exit("mscli: error: the reference needs pdoc (pip install 'mscli[docs]')")
    made = {page.__name__: doc.Module(page) for page in modules()}
    render.configure(footer_text=f"mscli {mscli.__version__}", show_source=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Cannot determine where", UserWarning)  # of inherited members of a TypedDict
        for name, page in made.items():
            write(Path(folder, *f"{name}.html".split(".", name.count("."))), render.html_module(page, made))
        write(Path(folder, "index.html"), render.html_index(made))
        write(Path(folder, "search.js"), render.search_index(made))


def write(path: Path, text: str) -> None:
    """Write a file, and make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:2])
