"""What goes on although a step of it failed in a way that nobody foresaw, and says so.

https://html.spec.whatwg.org/#report-the-exception
"""

from __future__ import annotations

import sys
from types import TracebackType


class Reported:
    """A context manager that ends what raises in it: the exception is reported as an uncaught one (``sys.excepthook``).

    Only the first of a row is reported: a step that is tried again and again may fail as often.
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
