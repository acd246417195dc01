"""The thread that runs event listeners for a program without a loop of its own."""

from __future__ import annotations

import sys
from threading import current_thread

from mscli.core.eventloop import EventLoop
from mscli.core.locks import shared_lock
from mscli.core.threads import Thread

_LOOK_AGAIN_S = 3600.0  # only bounds one wait: everything that matters wakes the loop


class EventThread:
    """A thread that runs the tasks of an event loop, in order, from ``start`` to ``stop``. It can be started again."""

    def __init__(self, event_loop: EventLoop) -> None:
        self._event_loop = event_loop
        self._stopping = False
        self._thread: Thread | None = None
        self._starting = shared_lock()

    def start(self) -> None:
        """Start running tasks. Safe to call again, from any thread. While the interpreter ends, no thread can start."""
        with self._starting:
            if self._thread is None and not sys.is_finalizing():
                self._thread = Thread(target=self._run, name="mscli-events", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Run the tasks posted so far, then end the thread, and wait for that. A listener may call this."""
        thread = self._thread
        if thread is None:
            return
        self.end()
        if thread is not current_thread():
            thread.join()

    def end(self) -> None:
        """Run the tasks posted so far, then end the thread, if it runs."""
        if self._thread is not None:
            self._event_loop.post(self._stop)

    def _stop(self) -> None:
        self._stopping = True

    def _goes_on(self) -> bool:
        """Return whether the thread goes on: until it is stopped and no task is left. After that, it can be started again."""
        with self._starting:
            over = self._stopping and self._event_loop.idle
            if over:
                self._stopping, self._thread = False, None
            return not over

    def _run(self) -> None:
        while self._goes_on():
            try:
                self._event_loop.wait(_LOOK_AGAIN_S)
            except BaseException:  # from a task: report it as from a listener, and run the others
                sys.excepthook(*sys.exc_info())
