"""Interfaces that the standard has replaced, with the behaviour that they had. Each use warns of what replaced it.

``NavigatorUserMedia``: ``getUserMedia`` with callbacks and with ``mandatory`` and ``optional`` constraints
(https://www.w3.org/TR/2013/WD-mediacapture-streams-20130903/). ``NavigatorUserMediaError``: what its error callback gets.
``MediaStreamEvent``: an event about a stream. The ``overconstrained`` event of tracks is ``mscli.OverconstrainedErrorEvent``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from mscli.api.mediastream import MediaStream
from mscli.core.errors import (
    ArgumentError,
    DOMException,
    NotAllowedError,
    NotReadableError,
    OverconstrainedError,
)
from mscli.core.events import Event, required_member
from mscli.core.properties import PROPERTIES
from mscli.core.readonly import ReadOnly

if TYPE_CHECKING:
    from mscli.api.mediadevices import MediaDevices

_NAMES = {  # error → its name before
    NotAllowedError: "PermissionDeniedError",
    OverconstrainedError: "ConstraintNotSatisfiedError",
    NotReadableError: "SourceUnavailableError",
}
_RENAMED = {"sourceId": "deviceId"}


def _warn(old: str, new: str) -> None:
    warnings.warn(f"{old} is deprecated; use {new}", DeprecationWarning, stacklevel=3)


class NavigatorUserMediaError:
    """An error of ``NavigatorUserMedia``: its old ``name``, ``message``, and the name of the constraint that failed, or ""."""

    name = ReadOnly[str]()
    message = ReadOnly[str]()
    constraint_name = ReadOnly[str]()

    def __init__(self, name: str, message: str = "", constraint_name: str = "") -> None:
        _warn("NavigatorUserMediaError", "DOMException and OverconstrainedError")
        self._fill(name, message, constraint_name)

    @classmethod
    def of(cls, failure: DOMException) -> NavigatorUserMediaError:
        """Return the old error for one of today. It does not warn, because the call that failed has."""
        name = next((old for kind, old in _NAMES.items() if isinstance(failure, kind)), failure.name)
        error = cls.__new__(cls)
        error._fill(name, failure.message, getattr(failure, "constraint", ""))
        return error

    def _fill(self, name: str, message: str, constraint_name: str) -> None:
        self._name, self._message, self._constraint_name = name, message, constraint_name

    def __repr__(self) -> str:
        return f"<NavigatorUserMediaError {self.name}: {self.message}>"


class MediaStreamEvent(Event):
    """An event about a ``stream``."""

    stream = ReadOnly[MediaStream | None]()

    def __init__(self, type: str, init: Mapping[str, Any]) -> None:  # noqa: A002 (the standard's name)
        _warn("MediaStreamEvent", "MediaStreamTrackEvent")
        self._stream: MediaStream = required_member("MediaStreamEvent", init, "stream")
        if not isinstance(self._stream, MediaStream):
            raise ArgumentError("MediaStreamEvent: the member “stream” of the init dictionary must be a MediaStream")
        super().__init__(type, init)


class NavigatorUserMedia:
    """The old ``getUserMedia`` of a navigator, on some devices."""

    def __init__(self, devices: MediaDevices) -> None:
        self._devices = devices

    def get_user_media(
        self,
        constraints: Mapping[str, Any],
        success: Callable[[MediaStream], object],
        error: Callable[[NavigatorUserMediaError], object],
    ) -> None:
        """Open devices, and call ``success`` with the stream or ``error``, on the thread that runs events.

        ``mandatory``: constraints such as ``minWidth`` that must hold; an unknown one fails. ``optional``: a list of further
        ones, tried in order. Raises TypeError if neither audio nor video is requested, or a callback is missing.
        """
        _warn("navigator.getUserMedia", "MediaDevices.get_user_media")
        if not callable(success) or not callable(error):
            raise ArgumentError("getUserMedia needs two callbacks: for success, and for an error")
        try:
            stream = self._devices.get_user_media(_translated(constraints))
        except DOMException as failure:
            self._devices.post(partial(_call, error, NavigatorUserMediaError.of(failure)))
        else:
            self._devices.post(partial(_call, success, stream))


def _call(callback: Callable[[Any], object], argument: Any) -> None:
    callback(argument)


def _translated(constraints: Any) -> Any:
    """Return the constraints as they are written today. Raises OverconstrainedError for an unknown mandatory one."""
    if not isinstance(constraints, Mapping):
        raise ArgumentError("getUserMedia needs an object of constraints")
    return {kind: _track(value) if isinstance(value, Mapping) else value for kind, value in constraints.items()}


def _track(given: Mapping[str, Any]) -> dict[str, Any]:
    mandatory, optional = given.get("mandatory", {}), given.get("optional", [])
    listed = isinstance(optional, Sequence) and all(isinstance(one, Mapping) for one in optional)
    if not isinstance(mandatory, Mapping) or not listed:
        raise ArgumentError("“mandatory” is an object of constraints, “optional” a list of them")
    found: dict[str, Any] = {}
    for name, value in mandatory.items():
        today = _today(name, value)
        if today is None:
            raise OverconstrainedError(name, f"unknown mandatory constraint “{name}”")
        for property_, rule in today.items():
            found[property_] = {**found.get(property_, {}), **rule}
    advanced = [today for one in optional for name, value in one.items() if (today := _today(name, value)) is not None]
    plain = {name: value for name, value in given.items() if name not in ("mandatory", "optional")}
    return {**plain, **found, **({"advanced": advanced} if advanced else {})}


def _today(name: str, value: Any) -> dict[str, dict[str, Any]] | None:
    """Return an old constraint, such as minWidth, as one of today, or None if it is unknown."""
    for prefix in ("min", "max"):
        rest = name.removeprefix(prefix)
        property_ = rest[:1].lower() + rest[1:]
        if rest != name and property_ in PROPERTIES and PROPERTIES[property_].numeric:
            return {property_: {prefix: value}}
    property_ = _RENAMED.get(name, name)
    return {property_: {"exact": value}} if property_ in PROPERTIES else None
