"""ErrorEvent: a failure that no call was waiting for. https://html.spec.whatwg.org/multipage/webappapis.html#errorevent"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mscli.core.events import Event
from mscli.core.readonly import ReadOnly


class ErrorEvent(Event):
    """An event about a failure. ``error``: the exception, or None. ``message``: its text."""

    error = ReadOnly[Exception | None]()
    message = ReadOnly[str]()

    def __init__(self, type: str, init: Mapping[str, Any] | None = None) -> None:  # noqa: A002 (the standard's name)
        given = init or {}
        self._error: Exception | None = given.get("error")
        self._message = str(given.get("message", ""))
        super().__init__(type, init)
