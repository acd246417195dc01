"""Watch sound devices: a sound server's events for its sources and sinks, the kernel's for sound cards.

https://www.freedesktop.org/software/pulseaudio/doxygen/subscribe.html
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from mscli.core.limits import SERVER_CLOSED_S, SERVER_S
from mscli.core.threads import Thread
from mscli.sources.base import Watching
from mscli.sources.sound import pulse
from mscli.sources.uevents import UeventWatch

SUBSYSTEM = "sound"
# delays between attempts; after the last one, a server that went away is not expected back
RETRIES_S = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)

# pa_subscription_mask and pa_subscription_event_type
_SINKS, _SOURCES, _SERVER = 0x01, 0x02, 0x80
_FACILITY, _OF_SERVER = 0x0F, 0x07
_KIND, _CHANGED = 0x30, 0x10


def concerns_us(event: int) -> bool:
    """Return whether an event is about a new or removed source or sink, or about the default. Ignore volume and state."""
    return event & _KIND != _CHANGED or event & _FACILITY == _OF_SERVER


class ServerWatch:
    """A watch on the sound server. It calls ``notify`` on a thread of its own for each event, until ``close``.

    If the server goes away, reconnect after each of ``RETRIES_S``, and whenever ``try_again`` is called.
    """

    def __init__(self, notify: Callable[[], object]) -> None:
        self._notify = notify
        self._lock = threading.Lock()
        self._closing = False
        self._loop: int | None = None  # of the current connection
        self._tries = threading.Event()
        self._thread = Thread(target=self._run, name="mscli-sound-server", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and join the thread, unless libpulse hangs."""
        with self._lock:
            self._closing = True
            if self._loop is not None:
                pulse.library().pa_mainloop_wakeup(self._loop)
        self._tries.set()
        self._thread.join_or_abandon(SERVER_CLOSED_S)

    def try_again(self) -> None:
        """Try to reconnect, because a server may be there now."""
        self._tries.set()

    def _run(self) -> None:
        pauses: list[float] = []
        while True:
            self._tries.clear()
            followed = self._follow()
            if self._closing:
                return
            if followed:
                self._notify()  # all its devices are gone
                pauses = list(RETRIES_S)
            self._tries.wait(pauses.pop(0) if pauses else None)

    def _follow(self) -> bool:
        """Listen to the server until it goes away. Return False if there is none."""
        try:
            library = pulse.library()
            with pulse.connected(library, time.monotonic() + SERVER_S) as connection:
                self._listen(library, connection)
        except (pulse.NoServer, pulse.SilentServer):
            return False
        return True

    def _listen(self, library: Any, connection: pulse.Connection) -> None:
        callback = pulse.EVENT_CALLBACK(self._on_event)
        library.pa_context_set_subscribe_callback(connection.context, callback, None)
        asked = library.pa_context_subscribe(connection.context, _SINKS | _SOURCES | _SERVER, None, None)
        library.pa_operation_unref(pulse.not_null(asked))
        with self._lock:
            self._loop = connection.loop
        try:
            self._notify()  # about changes before this
            self._iterate(library, connection)
        finally:
            with self._lock:
                self._loop = None

    def _iterate(self, library: Any, connection: pulse.Connection) -> None:
        """Run the loop, which waits without a limit. ``close`` wakes it."""
        while library.pa_context_get_state(connection.context) == pulse.READY:
            library.pa_mainloop_prepare(connection.loop, -1)
            if self._closing:  # checked after ``prepare``, which swallows earlier wake-ups
                return
            library.pa_mainloop_poll(connection.loop)
            library.pa_mainloop_dispatch(connection.loop)

    def _on_event(self, _context: int, event: int, _index: int, _data: int) -> None:
        if concerns_us(event):
            self._notify()


class SoundWatch:
    """A watch on both the sound server and the cards: a card that appears may also bring a server back."""

    def __init__(self, notify: Callable[[], object]) -> None:
        self._notify = notify
        self._server = ServerWatch(notify)
        try:
            self._cards = UeventWatch([SUBSYSTEM], self._on_card)
        except OSError:
            self._server.close()
            raise

    def close(self) -> None:
        """Stop listening."""
        self._cards.close()
        self._server.close()

    def _on_card(self) -> None:
        self._server.try_again()
        self._notify()


def watch_sound(notify: Callable[[], object]) -> Watching | None:
    """Return a watch on sound devices, or None if kernel events are not available."""
    try:
        return SoundWatch(notify)
    except OSError:
        return None
