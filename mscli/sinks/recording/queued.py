"""An output with its own thread, so that a slow disk or a stalled reader delays no other output."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from math import inf
from threading import Condition

from mscli.core.limits import ASLEEP_S, SLEEPS_S
from mscli.core.threads import Thread
from mscli.sinks.files.output import Descriptor, Output

QUEUE_BYTES = 32 * 1024 * 1024  # half a minute of H.264 in 1080p; with more, the output is behind

Operation = Callable[[], object]


class Queued(Output):
    """An output that returns from writes immediately, and writes to another output on its own thread.

    Policy: nothing is dropped here. Bound: above QUEUE_BYTES the output is ``behind``, and the writer skips packets until it is
    not. Everything that is written anyway is kept. An error of the other output is raised by the next call, or by ``drain``.

    Two kinds of output make their writer wait instead. One that is ``alone`` does so until everything is written, up to
    ``expect_others``: a slow reader of the only output holds up the recording, and misses nothing that was recorded. One that
    ``waits`` does so above QUEUE_BYTES: a paced source goes on when there is room.
    """

    def __init__(self, output: Output, *, alone: bool = False) -> None:
        self.name = output.name
        self.waits = False  # whether the writer waits for room
        self._alone = alone
        self._deferred = not alone  # whether its thread waits for a reader
        self._output = output
        self._at = 0  # bytes from the start
        self._changed = Condition()
        self._steps: deque[tuple[int, Operation]] = deque()  # each with its size in bytes
        self._waiting = 0  # bytes
        self._ending = False  # whether no more steps follow
        self._asked = False  # whether to give up a stalled reader
        self._error: Exception | None = None
        self._thread: Thread | None = None
        if isinstance(output, Descriptor) and not output.seekable():
            output.may_wait = self._may_wait

    def expect_others(self) -> None:
        """Hold up the writer no longer for each write, because there are other outputs now. Safe from any thread."""
        with self._changed:
            self._alone = False
            self._changed.notify_all()

    def defer(self) -> None:
        """Let the thread wait for a reader, although the output is alone."""
        self._deferred = True

    def open(self) -> None:
        """Open the output. Waiting for a reader happens on the thread, unless the output is alone."""
        if isinstance(self._output, Descriptor) and self._output.opens_late and self._deferred:
            self._enqueue(0, self._output.open)
        else:
            self._output.open()

    def write_all(self, parts: Iterable[bytes | memoryview]) -> None:
        """Queue a copy of all parts. Raises an error of the output about earlier parts."""
        self._check()
        if not self.failed:
            data = b"".join(parts)
            self._enqueue(len(data), partial(self._output.write_all, (data,)))
            self._wait_for_room()
            self._at += len(data)
            self.size = max(self.size, self._at)

    def seekable(self) -> bool:
        """Return whether the output can seek."""
        return self._output.seekable()

    def seek(self, offset: int, whence: int = 0) -> int:
        """Seek, as in ``io``."""
        self._at = offset + (0, self._at, self.size)[whence]
        self._enqueue(0, partial(self._output.seek, self._at))  # type: ignore[attr-defined]  # it is seekable
        return self._at

    def tell(self) -> int:
        """Return the position, as in ``io``."""
        return self._at

    def mark(self) -> None:
        """Mark all data so far as readable."""
        self._enqueue(0, self._output.mark)

    def commit(self) -> None:
        """Tell the thread to write the rest and finish the output. ``drain`` waits for that."""
        self._enqueue(0, self._output.commit)
        with self._changed:
            self._ending = True
            self._changed.notify_all()

    def drain(self) -> None:
        """Wait until the output is finished. Raises its error, unless it was raised before."""
        if self._thread is not None and self._ending:
            self._thread.join()
        self._check()

    def wait(self, timeout_s: float) -> None:
        """Wait until the output is finished after ``commit``, but no longer than that."""
        if self._thread is not None and self._ending:
            self._thread.join(timeout_s)

    def discard(self) -> None:
        """Drop waiting data. Keep what was marked."""
        self.failed = self._asked = True
        with self._changed:
            if not self._ending:
                self._steps.clear()
                self._ending = True
                self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        self._output.discard()

    @property
    def done(self) -> bool:  # type: ignore[override]
        """Return whether the output is finished."""
        return self._thread is None or not self._thread.is_alive()

    @property
    def behind(self) -> bool:  # type: ignore[override]
        """Return whether more than QUEUE_BYTES are waiting."""
        return self._waiting > QUEUE_BYTES

    @property
    def taken(self) -> int:
        """Return how many bytes the other output has taken."""
        return self._output.taken

    @property
    def readable(self) -> bool:
        """Return whether the output can be read so far."""
        return self._output.readable

    @property
    def kept_bytes(self) -> int | None:
        """Return how many bytes stay of an output that has failed."""
        return self._output.kept_bytes

    @property
    def identity(self) -> tuple[int, int] | None:  # type: ignore[override]
        """Return the identity of the file."""
        return self._output.identity

    @property
    def free_bytes(self) -> int | None:
        """Return the free space in bytes."""
        return self._output.free_bytes

    def abandon_reader(self) -> bool:
        """Give up a stalled reader. The thread notices by itself and needs no signal."""
        self._asked = True
        return False

    def _put(self, parts: list[memoryview]) -> int:  # noqa: ARG002
        raise AssertionError("write_all takes all")

    def _check(self) -> None:
        """Raise the output's error, once."""
        if self._error is not None and not self.failed:
            self.failed = True
            raise self._error

    def _wait_for_room(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting <= self._most)
        self._check()

    @property
    def _most(self) -> float:
        """Return how many bytes may wait before the writer does."""
        return 0 if self._alone else QUEUE_BYTES if self.waits else inf

    def _enqueue(self, count: int, step: Operation) -> None:
        with self._changed:
            if self._error is not None or self._ending:
                return
            self._steps.append((count, step))
            self._waiting += count
            self._changed.notify_all()
        if self._thread is None:
            for name in ("since", "durable", "on_mark", "rearrange"):
                setattr(self._output, name, getattr(self, name))
            self._thread = Thread(target=self._run, name="mscli-output", daemon=True)
            self._thread.start()

    # On its own thread

    def _run(self) -> None:
        try:
            while (taken := self._next()) is not None:
                count, step = taken
                step()
                with self._changed:
                    self._waiting -= count
                    self._changed.notify_all()
        except Exception as error:  # the next call raises it for the writer
            with self._changed:
                self._error = error
                self._steps.clear()
                self._waiting = 0
                self._changed.notify_all()
            with suppress(Exception):  # the first error is the reason
                self._output.discard()

    def _next(self) -> tuple[int, Operation] | None:
        with self._changed:
            while not self._steps and not self._ending:
                self._changed.wait()
            return self._steps.popleft() if self._steps else None

    def _may_wait(self, waited_s: float) -> bool:
        """Return whether to wait longer for a reader that has taken nothing for ``waited_s``."""
        if self._asked:
            return waited_s < SLEEPS_S and not self.failed
        return self._alone or not self._ending or waited_s < ASLEEP_S
