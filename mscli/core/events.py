"""Events and their targets: https://dom.spec.whatwg.org/#interface-eventtarget, as far as media capture needs them.

Events are dispatched on the thread that consumes, never on a device's: whoever learns of something posts a task that
dispatches it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from threading import current_thread, main_thread
from typing import Any

from mscli.core.clock import now_us
from mscli.core.errors import ArgumentError


class Event:
    """Something that happened: ``type``, ``target`` and ``time`` (microseconds on CLOCK_MONOTONIC)."""

    def __init__(self, type: str, **detail: Any) -> None:  # noqa: A002 (the standard's name)
        self.type = type
        self.target: EventTarget | None = None
        self.time = now_us()
        self.detail = detail

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.type!r})"


Listener = Callable[[Any], object]


class EventTarget:
    """An object that fires events. Every name in ``EVENTS`` has an ``on…`` attribute, None at first."""

    EVENTS: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._listeners: dict[str, list[Listener]] = {}
        for name in self.EVENTS:
            setattr(self, "on" + name, None)

    def add_event_listener(self, type: str, listener: Listener) -> None:  # noqa: A002
        """Call ``listener(event)`` whenever such an event fires; adding the same one twice changes nothing."""
        listeners = self._listeners.setdefault(type, [])
        if listener not in listeners:
            listeners.append(listener)

    def remove_event_listener(self, type: str, listener: Listener) -> None:  # noqa: A002
        """Stop calling ``listener``; unknown listeners are ignored."""
        listeners = self._listeners.get(type, [])
        if listener in listeners:
            listeners.remove(listener)

    def dispatch_event(self, event: Event) -> None:
        """Call the handler and the listeners of the event's type, in that order, on the calling thread.

        An exception in one is reported as an uncaught one (``sys.excepthook``) and does not keep the others from running;
        but on the main thread SystemExit and KeyboardInterrupt end the program, as ever.
        """
        event.target = self
        handler: Listener | None = getattr(self, "on" + event.type, None)
        if handler is not None:
            _call(handler, event)
        for listener in tuple(self._listeners.get(event.type, ())):
            if listener in self._listeners[event.type]:  # not if another one has removed it meanwhile
                _call(listener, event)


def _call(listener: Listener, event: Event) -> None:
    try:
        listener(event)
    except BaseException as error:
        if not isinstance(error, Exception) and current_thread() is main_thread():
            raise
        sys.excepthook(*sys.exc_info())


def required_member(interface: str, init: Mapping[str, Any] | None, member: str) -> Any:
    """The required member of an event's init dictionary. Raises TypeError as WebIDL has it."""
    if not isinstance(init, Mapping) or init.get(member) is None:
        raise ArgumentError(f"{interface}: the member “{member}” of its init dictionary is required")
    return init[member]
