"""The watch over live sources: a thread that notices when frames stop coming, and fills the time without them."""

from __future__ import annotations

from threading import Event as Flag
from threading import Lock, Thread

from mscli.api.livesource import LiveSource
from mscli.core.clock import MICROSECONDS, now_us

LOOK_S = 0.1  # between two looks at a source that gives nothing: the pace in which black frames come
STOOD_S = 0.5  # a look that comes so late: the whole program stood still (SIGSTOP), and no device is to blame for it
CALM_S = 0.3  # at most, while there are frames: a source that is added waits so long for its first look


class Watch:
    """Looks at every live source a few times a second, on one named thread that lives while there is one."""

    def __init__(self) -> None:
        self._sources: tuple[LiveSource, ...] = ()
        self._thread: Thread | None = None
        self._wake = Flag()  # the running thread's own: one that was told to end stays told
        self._lock = Lock()

    def add(self, source: LiveSource) -> None:
        """Watch that source too, from when it is started."""
        with self._lock:
            self._sources = (*self._sources, source)
            if self._thread is None:
                self._wake = Flag()
                self._thread = Thread(target=self._run, args=(self._wake,), name="mscli-watch", daemon=True)
                self._thread.start()

    def remove(self, source: LiveSource) -> None:
        """Watch it no more; the thread ends with the last one."""
        with self._lock:
            self._sources = tuple(other for other in self._sources if other is not source)
            if self._sources or self._thread is None:
                return
            thread, self._thread = self._thread, None
            self._wake.set()
        thread.join()

    def _run(self, wake: Flag) -> None:
        pause_s, asleep_us = LOOK_S, now_us()
        while not wake.wait(pause_s):
            at_us = now_us()
            if at_us - asleep_us > (pause_s + STOOD_S) * MICROSECONDS:
                for source in self._sources:
                    source.excuse(at_us)
            asleep_us = at_us
            calm_s = min((source.look(at_us) for source in self._sources), default=0.0)
            pause_s = max(LOOK_S, min(calm_s, CALM_S))
