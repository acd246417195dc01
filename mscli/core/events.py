"""Events and event targets: https://dom.spec.whatwg.org/#interface-eventtarget, the part that media capture needs.

Events are dispatched on the consumer's thread, never on a device's thread. Other threads post a task that dispatches the event.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from threading import current_thread, main_thread
from typing import Any

from mscli.core.clock import now_us
from mscli.core.errors import ArgumentError
from mscli.core.readonly import ReadOnly
from mscli.core.tuples import NamedTuple


class Event:
    """An event with its ``type``, ``target`` and ``time`` (microseconds on CLOCK_MONOTONIC).

    ``init``: an ``EventInit`` dictionary with ``bubbles`` and ``cancelable``. ``is_trusted``: whether the library fired the
    event, not the program.

    See https://dom.spec.whatwg.org/#interface-event. Differs from the standard: events do not propagate: there is no tree of
    targets.
    """

    is_trusted = ReadOnly[bool]()

    def __init__(
        self,
        type: str,  # noqa: A002 (the standard's name)
        init: Mapping[str, Any] | None = None,
        **detail: Any,
    ) -> None:
        self.type = type
        self.bubbles = bool((init or {}).get("bubbles", False))
        self.cancelable = bool((init or {}).get("cancelable", False))
        self._is_trusted = False
        self.target: EventTarget | None = None
        self.time = now_us()
        self.detail = detail

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.type!r})"


Listener = Callable[[Any], object]
Handler = Listener | None  # the value of an ``on…`` attribute


class _Registration(NamedTuple):
    listener: Listener
    once: bool  # whether it is removed before its first call


class EventTarget:
    """An object that fires events. Every name in ``EVENTS`` has an ``on…`` attribute, which is None at first.

    See https://dom.spec.whatwg.org/#interface-eventtarget. Differs from the standard: listeners are called on the thread that
    runs events; an exception in one is reported by ``sys.excepthook``.
    """

    EVENTS: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._listeners: dict[str, list[_Registration]] = {}
        for name in self.EVENTS:
            setattr(self, "on" + name, None)

    def add_event_listener(self, type: str, listener: Listener, *, once: bool = False) -> None:  # noqa: A002
        """Call ``listener(event)`` whenever an event of this type fires. Adding a listener again changes nothing.

        ``once``: remove the listener before its first call.
        """
        listening = self._listeners.setdefault(type, [])
        if all(one.listener != listener for one in listening):
            listening.append(_Registration(listener, once))

    def remove_event_listener(self, type: str, listener: Listener) -> None:  # noqa: A002
        """Stop calling ``listener``. Unknown listeners are ignored."""
        listening = self._listeners.get(type, [])
        listening[:] = [one for one in listening if one.listener != listener]

    def listens(self, type: str) -> bool:  # noqa: A002
        """Return whether anybody listens for events of this type (beyond the standard)."""
        return getattr(self, "on" + type, None) is not None or bool(self._listeners.get(type))

    def dispatch_event(self, event: Event) -> None:
        """Call the handler and then the listeners of the event's type, on the calling thread.

        An exception in one of them is reported as uncaught (``sys.excepthook``), and the others still run. On the main thread,
        SystemExit and KeyboardInterrupt propagate as usual. The event is not trusted, because a program dispatches it.
        """
        event._is_trusted = False
        self._dispatch(event)

    def fire(self, event: Event) -> None:
        """Dispatch an event of the library itself, which is trusted."""
        event._is_trusted = True
        self._dispatch(event)

    def _dispatch(self, event: Event) -> None:
        event.target = self
        handler: Listener | None = getattr(self, "on" + event.type, None)
        if handler is not None:
            _call(handler, event)
        for one in tuple(self._listeners.get(event.type, ())):
            if one in self._listeners[event.type]:  # skip it if an earlier listener has removed it
                if one.once:
                    self._listeners[event.type].remove(one)
                _call(one.listener, event)


def _call(listener: Listener, event: Event) -> None:
    try:
        listener(event)
    except BaseException as error:
        if not isinstance(error, Exception) and current_thread() is main_thread():
            raise
        sys.excepthook(*sys.exc_info())


def required_member(interface: str, init: Mapping[str, Any] | None, member: str) -> Any:
    """Return a required member of an event's init dictionary. Raises TypeError if it is missing, as in WebIDL."""
    if not isinstance(init, Mapping) or init.get(member) is None:
        raise ArgumentError(f"{interface}: the init dictionary needs the member “{member}”")
    return init[member]
