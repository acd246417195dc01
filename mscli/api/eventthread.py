"""The thread that runs event listeners when the program has no loop of its own: a library's caller who only adds listeners."""

from __future__ import annotations

import sys
from threading import Lock, Thread, current_thread

from mscli.core.mailbox import Mailbox

_LOOK_AGAIN_S = 3600.0  # a wake-up is posted for whatever matters; this only bounds the wait


class EventThread:
    """Runs the tasks of a mailbox, in order, on one named thread from ``start`` to ``stop``."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._stopping = False
        self._thread: Thread | None = None
        self._starting = Lock()

    def start(self) -> None:
        """Begin to run tasks; safe to call again, from any thread."""
        with self._starting:
            if self._thread is None:
                self._thread = Thread(target=self._run, name="mscli-events", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Run what was posted up to now, then end. Callable from a listener, too."""
        if self._thread is None:
            return
        self._mailbox.post(self._stop)
        if self._thread is not current_thread():
            self._thread.join()

    def _stop(self) -> None:
        self._stopping = True

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._mailbox.wait(_LOOK_AGAIN_S)
            except BaseException:  # of one task: it is reported as of a listener, and the others run
                sys.excepthook(*sys.exc_info())
