"""The API's errors, named as in WebIDL and Media Capture and Streams.

    DOMException                     https://webidl.spec.whatwg.org/#idl-DOMException
    ├── AbortError                   starting a device was abandoned
    ├── IndexSizeError               a number is not in the range that is allowed
    ├── InvalidAccessError           the constraint may not be required
    ├── InvalidModificationError     a track was added to or removed from a stream during its recording
    ├── InvalidStateError            the object is in the wrong state for the call
    ├── NotAllowedError              the system denies this user access to the device
    ├── NotFoundError                no device of the requested kind exists
    ├── NotReadableError             the device is busy, or its driver or hardware failed
    ├── NotSupportedError            the codec, container or format is not available
    ├── OperationError               the output could not be written
    ├── OverconstrainedError         no device satisfies a required constraint
    └── SecurityError                a policy forbids the use of the device

A malformed argument raises ``TypeError``, as in JavaScript. ``ArgumentError`` is a TypeError caused by the caller, not by a
defect of the program. Errors of libraries and drivers are translated into these classes once, where the library is called.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from mscli.core.readonly import ReadOnly


class ArgumentError(TypeError):
    """A ``TypeError`` in the caller's input (constraints, a description), as opposed to a defect of the program."""

    name = "TypeError"
    hints: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the error for scripts."""
        return {"name": self.name, "message": str(self)}


class DOMException(Exception):
    """An error of the API: ``name`` for programs, ``message`` and ``hints`` (possible remedies) for people.

    ``code``: the number that older texts have for the name, or 0 (https://webidl.spec.whatwg.org/#dfn-error-names-table).

    See https://webidl.spec.whatwg.org/#idl-DOMException. Differs from the standard: ``hints`` are remedies for people.
    """

    code = ReadOnly[int]()
    _code: ClassVar[int] = 0

    def __init__(self, message: str = "", *, hints: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hints = tuple(hints)

    @property
    def name(self) -> str:
        """Return the WebIDL error name, which is the name of the class."""
        return type(self).__name__

    def to_json(self) -> dict[str, Any]:
        """Return the error for scripts."""
        hints = {"hints": list(self.hints)} if self.hints else {}
        return {"name": self.name, "message": self.message, **hints}


class AbortError(DOMException):
    """The operation was abandoned before it was complete."""

    _code = 20


class IndexSizeError(DOMException):
    """A number is not in the range that is allowed, such as that of the outputs of a node."""

    _code = 1


class InvalidAccessError(DOMException):
    """The object does not support this kind of access."""

    _code = 15


class InvalidModificationError(DOMException):
    """The object cannot be changed in this way now."""

    _code = 13


class InvalidStateError(DOMException):
    """The object is in a state in which the call is not allowed."""

    _code = 11


class NotAllowedError(DOMException):
    """The user or the system does not permit the use of the device."""


class NotFoundError(DOMException):
    """An error: no device, or no track, of the requested kind exists."""

    _code = 8


class NotReadableError(DOMException):
    """The device exists and is permitted, but it is busy, or its hardware or driver failed."""


class SourceFailedError(NotReadableError):
    """A device failed after the output had begun. Everything captured before the failure is kept."""

    @property
    def name(self) -> str:
        """Return the standard's name for the error."""
        return NotReadableError.__name__


class NotSupportedError(DOMException):
    """The codec, container, format or feature is not available."""

    _code = 9


class OperationError(DOMException):
    """The output failed: the disk is full, the folder does not exist, or a write failed."""


class DisplacedError(OperationError):
    """The output is complete, but its name now refers to something else, or to nothing."""

    @property
    def name(self) -> str:
        """Return the standard's name."""
        return OperationError.__name__


class SecurityError(DOMException):
    """A policy forbids the use of the feature."""

    _code = 18


class OverconstrainedError(DOMException):
    """An error: no candidate satisfies the required constraints.

    https://www.w3.org/TR/mediacapture-streams/#overconstrainederror-interface. Beyond the standard: ``conflict`` is a minimal
    set of constraint names that cannot be satisfied together. ``nearest`` is the closest settings (IDL keys) that the device
    can deliver, or None.

    Differs from the standard: ``conflict`` and ``nearest`` say which constraints cannot hold together, and what comes closest.
    """

    constraint = ReadOnly[str]()

    def __init__(
        self,
        constraint: str | None,
        message: str = "",
        *,
        conflict: Iterable[str] = (),
        nearest: Mapping[str, Any] | None = None,
        hints: Iterable[str] = (),
    ) -> None:
        super().__init__(message, hints=hints)
        self._constraint = "null" if constraint is None else constraint  # as WebIDL converts it
        self.conflict = tuple(conflict) or ((constraint,) if constraint else ())
        self.nearest = dict(nearest) if nearest is not None else None
        self.nearest_label = ""  # of the device that can deliver it, if there are several
        self.candidates: tuple[Any, ...] = ()  # every candidate and why it was excluded, for an explanation
        self.explanation: Mapping[str, Any] = {}  # the explanation in JSON, if it was requested

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the error without the candidates, which hold open devices."""
        return type(self), (self.constraint, self.message), {**vars(self), "candidates": ()}

    def to_json(self) -> dict[str, Any]:
        """Return the error for scripts, with the conflict and the closest settings."""
        more = {"constraint": self.constraint, "conflict": list(self.conflict), "nearest": self.nearest}
        return {**super().to_json(), **more, **self.explanation}
