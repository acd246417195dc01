"""Sources and sinks from other packages, found through entry points.

https://packaging.python.org/en/latest/specifications/entry-points/. An entry point in the group ``mscli.sources`` or
``mscli.sinks`` is named after the URL scheme or suffix that it serves. It refers to a row of the registry:

    [project.entry-points."mscli.sinks"]
    thing = "mscli_thing:SINK"

Entry points are read only if no built-in row serves a name. Only the package with a matching entry point is imported, so a
broken package affects only its own users. Built-in rows take precedence. If two packages serve the same name, both are refused
and the user has to choose.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

from mscli.core.errors import ArgumentError, DOMException, NotSupportedError
from mscli.core.tuples import NamedTuple

SOURCES, SINKS = "mscli.sources", "mscli.sinks"

R = TypeVar("R")


class Plugin(NamedTuple):
    """An entry point: the name that it serves, its package, and its loader."""

    name: str
    package: str
    load: Callable[[], Any]


def plugins(group: str) -> list[Plugin]:
    """Return all entry points of a group. Packages with unreadable metadata are skipped."""
    from importlib.metadata import distributions

    found: dict[str, list[Plugin]] = {}
    for distribution in distributions():
        try:
            entries = distribution.entry_points.select(group=group)
            if entries:  # reading every package's name would dominate the run time
                package = distribution.name
                found.setdefault(package.lower(), [Plugin(one.name.lower(), package, one.load) for one in entries])
        except Exception:
            continue
    return [plugin for entries in found.values() for plugin in entries]  # the first of duplicate distributions


def load_row(group: str, name: str, kind: type[R]) -> tuple[R, str] | None:
    """Return the row and the package's name for a scheme or suffix, or None if no package serves it.

    Raises NotSupportedError if several packages serve it, or if the package is broken.
    """
    fits = [plugin for plugin in plugins(group) if plugin.name == name.lower()]
    if not fits:
        return None
    plugin, *others = fits
    if others:
        packages = " and ".join(sorted(one.package for one in fits))
        raise NotSupportedError(f"several packages provide “{name}”: {packages}", hints=["uninstall all but one of them"])
    try:
        row = plugin.load()
    except (Exception, SystemExit) as error:
        raise _broken(plugin, f"it failed with {_error_text(error)}") from error
    if not isinstance(row, kind):
        raise _broken(plugin, f"its entry point is a {type(row).__name__}, not a {kind.__name__}")
    return row, plugin.package


def describe_plugins(group: str) -> list[str]:
    """Return a line that lists what other packages provide, or no line if there are none."""
    names = ", ".join(f"{plugin.name} ({plugin.package})" for plugin in plugins(group))
    return [f"from other packages: {names}"] if names else []


def _broken(plugin: Plugin, why: str) -> NotSupportedError:
    hints = [f"update or remove the package: pip uninstall {plugin.package}"]
    return NotSupportedError(f"cannot use the package {plugin.package} for “{plugin.name}”: {why}", hints=hints)


def _error_text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def failure_of(package: str, error: BaseException, kind: type[DOMException]) -> BaseException:
    """Return the error for people about an exception in another package. Errors that the base classes document stay."""
    if isinstance(error, DOMException | ArgumentError | BrokenPipeError):
        return error
    hints = [] if isinstance(error, OSError) else [f"this is a bug in {package}, not in mscli"]
    failure = kind(f"the package {package} failed with {_error_text(error)}", hints=hints)
    failure.__cause__ = error
    return failure


class Guarded:
    """A proxy for an object of another package, or for the class that creates it.

    An unexpected exception becomes ``failure``, with a message that names the package. Errors that the base classes document
    pass through. Returned objects of ``kinds`` are wrapped as well.
    """

    __slots__ = ("_failure", "_inner", "_kinds", "_package")

    def __init__(self, inner: Any, package: str, failure: type[DOMException], kinds: tuple[type, ...]) -> None:
        for name, value in zip(("_inner", "_package", "_failure", "_kinds"), (inner, package, failure, kinds), strict=True):
            object.__setattr__(self, name, value)

    def __call__(self, *arguments: Any) -> Any:
        return self._call(self._inner, *arguments)

    def __getattr__(self, name: str) -> Any:
        value = self._call(getattr, self._inner, name)
        return (lambda *arguments, **named: self._call(value, *arguments, **named)) if callable(value) else value

    def __setattr__(self, name: str, value: Any) -> None:
        self._call(setattr, self._inner, name, value)

    def _call(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        try:
            result = function(*arguments, **named)
        except (Exception, SystemExit) as error:
            raise failure_of(self._package, error, self._failure) from None
        return Guarded(result, self._package, self._failure, self._kinds) if isinstance(result, self._kinds) else result


def guarded_class(module: str, cls: str, package: str, failure: type[DOMException], kinds: tuple[type, ...]) -> Any:
    """Import a class from another package and return it guarded. Raises ``failure`` if it cannot be imported."""
    load = Guarded(lambda: getattr(import_module(module), cls), package, failure, kinds)
    return Guarded(load(), package, failure, kinds)
