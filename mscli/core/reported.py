"""A context manager for loops that must keep running when one step fails unexpectedly.

https://html.spec.whatwg.org/#report-the-exception
"""

from __future__ import annotations

import sys
from types import TracebackType


class Reported:
    """A context manager that suppresses exceptions and reports them as uncaught ones, through ``sys.excepthook``.

    If consecutive uses fail, only the first failure is reported, so a step that is retried forever does not flood the output.
    """

    def __init__(self) -> None:
        self._failing = False

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        again, self._failing = self._failing, error is not None
        if kind is None or not isinstance(error, Exception):
            return False
        if not again:
            sys.excepthook(kind, error, trace)
        return True
