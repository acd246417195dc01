"""The errors of the API, as WebIDL and Media Capture and Streams name them.

    DOMException                     https://webidl.spec.whatwg.org/#idl-DOMException
    ├── AbortError                   the start of a device was given up
    ├── InvalidAccessError           a required constraint name that may not be required
    ├── InvalidModificationError     a track joined or left a stream while it was recorded
    ├── InvalidStateError            the object is not in the state that the call needs
    ├── NotAllowedError              the system does not let this user use the device
    ├── NotFoundError                no device of the kind that was asked for
    ├── NotReadableError             the device is busy, or its driver or hardware failed
    ├── NotSupportedError            no such codec, container or format here
    ├── OperationError               the output could not be written
    ├── OverconstrainedError         no device can satisfy a required constraint
    └── SecurityError                the use of the device is forbidden by policy

A malformed argument is a ``TypeError``, Python's own as it is JavaScript's;
``ArgumentError`` is one that the caller made. Errors of libraries and drivers are
translated into these once, where the library is called.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mscli.core.readonly import ReadOnly


class ArgumentError(TypeError):
    """A ``TypeError`` in what the caller gave (constraints, a description), as against a defect of the program."""

    name = "TypeError"
    hints: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The error as scripts read it."""
        return {"name": self.name, "message": str(self)}


class DOMException(Exception):
    """An error of the API: ``name`` for programs, ``message`` and ``hints`` (what to do about it) for people."""

    def __init__(self, message: str = "", *, hints: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hints = tuple(hints)

    @property
    def name(self) -> str:
        """The WebIDL error name, which is the class's."""
        return type(self).__name__

    def to_json(self) -> dict[str, Any]:
        """The error as scripts read it."""
        hints = {"hints": list(self.hints)} if self.hints else {}
        return {"name": self.name, "message": self.message, **hints}


class AbortError(DOMException):
    """The operation was given up before it was complete."""


class InvalidAccessError(DOMException):
    """The object does not take that kind of access."""


class InvalidModificationError(DOMException):
    """The object may not be changed in this way now."""


class InvalidStateError(DOMException):
    """The object is in a state in which the call has no meaning."""


class NotAllowedError(DOMException):
    """The user or the system does not permit the use of the device."""


class NotFoundError(DOMException):
    """There is no device, or no track, of the kind that was asked for."""


class NotReadableError(DOMException):
    """The device exists and is permitted, but it is busy, or hardware or driver failed."""


class NotSupportedError(DOMException):
    """The codec, container, format or feature does not exist here."""


class OperationError(DOMException):
    """The output failed: disk full, no such folder, write error."""


class SecurityError(DOMException):
    """The use of the feature is forbidden by policy."""


class OverconstrainedError(DOMException):
    """No candidate satisfies the required constraints.

    https://www.w3.org/TR/mediacapture-streams/#overconstrainederror-interface. Beyond the standard: ``conflict``, a
    minimal set of constraint names that cannot hold together, and ``nearest``, the closest settings (IDL keys) that
    the device can give, or None.
    """

    constraint = ReadOnly[str]()

    def __init__(
        self,
        constraint: str,
        message: str = "",
        *,
        conflict: Iterable[str] = (),
        nearest: Mapping[str, Any] | None = None,
        hints: Iterable[str] = (),
    ) -> None:
        super().__init__(message, hints=hints)
        self._constraint = constraint
        self.conflict = tuple(conflict) or ((constraint,) if constraint else ())
        self.nearest = dict(nearest) if nearest is not None else None
        self.candidates: tuple[Any, ...] = ()  # what became of each possibility, for an explanation
        self.explanation: Mapping[str, Any] = {}  # that, where it is asked for as JSON

    def to_json(self) -> dict[str, Any]:
        """The error as scripts read it, with what failed and what would work."""
        more = {"constraint": self.constraint, "conflict": list(self.conflict), "nearest": self.nearest}
        return {**super().to_json(), **more, **self.explanation}
