"""Sinks of other packages. Whatever they do, the run ends in time, and no other output is harmed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from threading import Condition
from time import monotonic
from types import NoneType
from typing import TYPE_CHECKING, Any, TypeVar

from mscli.core.calls import bounded
from mscli.core.errors import DOMException, OperationError
from mscli.core.limits import PLUGIN_S, SLEEPS_S
from mscli.core.log import Log
from mscli.core.plugins import failure_of
from mscli.core.threads import Thread
from mscli.encode.options import SinkOptions, TrackFormat
from mscli.media.chunkfilter import NO_FAULTS, Faults
from mscli.sinks.base import Sink
from mscli.sinks.files.hidden import identity_of

if TYPE_CHECKING:
    from mscli.sinks import SinkRow, Target

_POLL_S = 0.05  # the interval between checks whether to wait longer
_NUMBER = (int, float)
_WRITES = ("write", "put")  # the calls that may wait for a reader

_FACTS: Mapping[str, type | tuple[type, ...]] = {  # what a sink says of itself → its type
    "name": str,
    "ended": str,
    "bytes_written": int,
    "files": list,
    "finished": (list, tuple),
    "is_file": bool,
    "free_bytes": (int, NoneType),
    "expected_bits_per_second": _NUMBER,
    "gather_s": _NUMBER,
    "finish_s": _NUMBER,
    "missed": int,
}
_TOLD = ("paused_us", "end_us", "end_by_s", "track")  # attributes that a sink gets as they change

_log = Log("sinks")

T = TypeVar("T")


class Task:
    """A call on an object of another package. ``size``: the bytes that it holds while it waits."""

    def __init__(self, what: str, call: Callable[[], Any], size: int) -> None:
        self.what, self.call, self.size = what, call, size
        self.done = False
        self.error: BaseException | None = None


class PluginThread:
    """The thread on which an object of another package is called: one call after the other.

    A call that does not return within ``PLUGIN_S`` is abandoned with the thread. Every exception becomes an OperationError that
    names the package.
    """

    def __init__(self, row: SinkRow) -> None:
        self.asked = False  # whether to give up a stalled reader
        self.waiting = 0  # bytes of the calls that have not returned
        self.gone: DOMException | None = None  # why the object is not called any more
        self._row = row
        self._changed = Condition()
        self._tasks: deque[Task] = deque()  # the first one runs
        self._since_s = 0.0  # when it began
        self._thread: Thread | None = None

    @property
    def started(self) -> bool:
        """Return whether calls are possible, or were."""
        return self._thread is not None

    @property
    def hangs(self) -> bool:
        """Return whether no call is possible any more, because one takes too long or the thread has ended."""
        with self._changed, suppress(DOMException):
            self._check()
        return self.gone is not None

    def start(self) -> None:
        """Start the thread."""
        self._thread = Thread(target=self._run, name="mscli-plugin", daemon=True)
        self._thread.start()

    def post(self, what: str, call: Callable[[], Any], size: int = 0) -> Task:
        """Queue a call. Raises OperationError if the thread was abandoned or has ended."""
        task = Task(what, call, size)
        with self._changed:
            self._check()
            if not self._tasks:
                self._since_s = monotonic()
            self._tasks.append(task)
            self.waiting += size
            self._changed.notify_all()
        return task

    def ask(self, what: str, call: Callable[[], Any]) -> None:
        """Wait for a call. Raises the package's errors, and OperationError if it hangs."""
        task = self.post(what, call)
        self.wait(lambda: task.done)
        if task.error is not None:
            raise failure_of(self._row.package, task.error, OperationError)

    def wait(self, done: Callable[[], bool]) -> None:
        """Wait until ``done`` returns true after a call. Raises OperationError if a call hangs."""
        with self._changed:
            while not done():
                self._check()
                self._changed.wait(_POLL_S)

    def drop(self) -> None:
        """Forget the calls that have not begun."""
        with self._changed:
            while len(self._tasks) > 1:
                self.waiting -= self._tasks.pop().size

    def end(self, name: str) -> None:
        """End the thread, unless it hangs. ``name``: the output's."""
        with self._changed:
            hangs, self.gone = self.gone is not None, self.gone or OperationError(f"“{name}” is closed")
            self._changed.notify_all()
        if self._thread is not None and not hangs:
            self._thread.join()

    def waits_for_reader(self, waited_s: float) -> bool:
        """Return whether the object waits longer for a stalled reader. It stops before its call is abandoned."""
        return self.gone is None and waited_s < (SLEEPS_S if self.asked else PLUGIN_S) - 2 * _POLL_S

    def _check(self) -> None:
        """Raise OperationError if no call is possible, or if the running one takes too long."""
        if self.gone is None and self._tasks:
            what = self._tasks[0].what
            limit_s = SLEEPS_S if self.asked and what in _WRITES else PLUGIN_S
            if monotonic() - self._since_s >= limit_s:
                self.gone = _late(self._row, what, limit_s)
                self._changed.notify_all()
        if self.gone is not None:
            raise self.gone

    def _run(self) -> None:
        while (task := self._next()) is not None:
            try:
                task.call()
            except BaseException as error:  # raised for the caller
                task.error = error
            with self._changed:
                self._tasks.popleft()
                self.waiting -= task.size
                task.done = True
                self._changed.notify_all()

    def _next(self) -> Task | None:
        with self._changed:
            self._changed.wait_for(lambda: self._tasks or self.gone is not None)
            self._since_s = monotonic()
            return self._tasks[0] if self.gone is None else None


class HostedSink(Sink):
    """A sink of another package, on a thread of its own from ``open`` to ``close`` or ``abort``.

    Other threads see what the sink said of itself after its last call. If a call hangs, the output has failed.
    """

    def __init__(self, row: SinkRow, target: Target, options: SinkOptions) -> None:
        super().__init__(row, target, options)
        self._target = target
        self._facts: dict[str, Any] = {}
        self._track_facts: dict[int, tuple[int, Faults, Mapping[str, int]]] = {}
        self._tracks = 0
        self._host = PluginThread(row)
        self._deferred = False  # whether the first write waits for a reader
        self._may_wait: Callable[[float], bool] = lambda _: True
        self._inner: Sink = once(row, "its constructor", lambda: self._made(row, target, options))
        self.codecs = self._inner.codecs

    @classmethod
    def check(cls, row: SinkRow, options: SinkOptions, kinds: Sequence[str]) -> None:
        """Let the package check the tracks."""
        once(row, "check", lambda: plugin_class(row).check(row, options, kinds))

    def open(self, tracks: list[TrackFormat]) -> None:
        """Start the thread and open the sink."""
        self._tracks = len(tracks)
        self._host.start()

        def begin() -> None:
            self._inner.give_up_readers(self._waits_for_reader)
            if self._deferred:
                self._inner.defer()
            self._inner.open(tracks)

        self._ask("open", begin)

    def write(self, track: int, frame: Any) -> None:
        """Let the sink take a frame."""
        self._ask("write", lambda: self._inner.write(track, frame), (track,))

    def close(self) -> None:
        """Let the sink finish."""
        self._ask("close", self._inner.close, range(self._tracks))
        self._host.end(self.name)

    def abort(self) -> None:
        """Give up. Errors are only logged."""
        if self._host.started and self._host.gone is None:
            try:
                self._ask("abort", self._inner.abort, range(self._tracks))
            except (DOMException, BrokenPipeError) as error:
                _log.warning("%s: abort: %s", self.row.package, error)
        self._host.end(self.name)

    def abandon_reader(self) -> bool:
        """Give up a write that has taken ``SLEEPS_S``."""
        self._host.asked = True
        return False

    def give_up_readers(self, may_wait: Callable[[float], bool]) -> None:
        """Let ``may_wait`` decide how long to wait for a stalled reader."""
        self._may_wait = may_wait

    def defer(self) -> None:
        """Let the first write wait for a reader."""
        self._deferred = True

    @property
    def name(self) -> str:  # type: ignore[override]
        """Return the sink's name of the output."""
        return str(self._facts["name"])

    @property
    def identity(self) -> tuple[int, int] | None:  # type: ignore[override]
        """Return the device and inode of the file with the target's name."""
        return identity_of(self._target)

    @property
    def bytes_written(self) -> int:
        """Return the bytes that the output has taken."""
        return int(self._facts["bytes_written"])

    @property
    def files(self) -> list[str]:
        """Return the names of the files."""
        return [str(name) for name in self._facts["files"]]

    @property
    def finished(self) -> Sequence[str]:
        """Return the finished files of a series."""
        return [str(name) for name in self._facts["finished"]]

    @property
    def is_file(self) -> bool:
        """Return whether it is a regular file."""
        return bool(self._facts["is_file"])

    @property
    def free_bytes(self) -> int | None:
        """Return the free space in bytes, or None."""
        free: int | None = self._facts["free_bytes"]
        return free

    @property
    def expected_bits_per_second(self) -> float:
        """Return the expected bit rate, or 0."""
        return float(self._facts["expected_bits_per_second"])

    @property
    def gather_s(self) -> float:  # type: ignore[override]
        """Return how long audio and encoded video may wait for each other."""
        return float(self._facts["gather_s"])

    @property
    def finish_s(self) -> float:  # type: ignore[override]
        """Return how long it may take at the end to write waiting packets."""
        return float(self._facts["finish_s"])

    @property
    def missed(self) -> int:  # type: ignore[override]
        """Return the triggers without a file."""
        return int(self._facts["missed"])

    def track_bytes(self, track: int) -> int:
        """Return the size of the track."""
        return self._track_facts[track][0] if track in self._track_facts else 0

    def faults(self, track: int) -> Faults:
        """Return the faults of the track's frames."""
        return self._track_facts[track][1] if track in self._track_facts else NO_FAULTS

    def corrections(self, track: int) -> Mapping[str, int]:
        """Return the corrections of the track's frames."""
        return self._track_facts[track][2] if track in self._track_facts else {}

    def _waits_for_reader(self, waited_s: float) -> bool:
        return self._host.waits_for_reader(waited_s) and self._may_wait(waited_s)

    def _made(self, row: SinkRow, target: Target, options: SinkOptions) -> Sink:
        made: Sink = checked("the class", plugin_class(row)(row, target, options), Sink)
        self._look(made, ())
        return made

    def _ask(self, what: str, call: Callable[[], Any], tracks: Sequence[int] = ()) -> None:
        self._host.ask(what, lambda: self._perform(call, tracks))

    def _perform(self, call: Callable[[], Any], tracks: Sequence[int]) -> None:
        for name in _TOLD:
            if getattr(self._inner, name) != getattr(self, name):
                setattr(self._inner, name, getattr(self, name))
        call()
        self._look(self._inner, tracks)

    def _look(self, inner: Sink, tracks: Sequence[int]) -> None:
        """Note what the sink says of itself. Raises TypeError for a wrong type."""
        self._facts = {name: checked(name, getattr(inner, name), kind) for name, kind in _FACTS.items()}
        self.ended = self._facts["ended"]
        for track in tracks:
            size = checked("track_bytes", inner.track_bytes(track), int)
            faults = checked("faults", inner.faults(track), Faults)
            self._track_facts[track] = size, faults, checked("corrections", inner.corrections(track), Mapping)


def plugin_class(row: SinkRow) -> Any:
    """Import and return the class of a row."""
    return getattr(import_module(row.module), row.cls)


def once(row: SinkRow, what: str, call: Callable[[], T]) -> T:
    """Return the result of a call before there is a thread. Raises OperationError, NotSupportedError, ArgumentError."""
    try:
        return bounded(call, PLUGIN_S, "mscli-plugin")
    except TimeoutError:
        raise _late(row, what, PLUGIN_S) from None
    except BaseException as error:
        raise failure_of(row.package, error, OperationError) from None


def _late(row: SinkRow, what: str, limit_s: float) -> OperationError:
    sentence = f"the package {row.package} did not return from {what} within {limit_s:g} s: it was abandoned"
    _log.warning("%s", sentence)
    return OperationError(sentence, hints=[f"this is a bug in {row.package}, not in mscli"])


def checked(name: str, given: Any, kind: type | tuple[type, ...]) -> Any:
    """Return what a sink gave. Raises TypeError for a wrong type."""
    if not isinstance(given, kind):
        raise TypeError(f"{name} is a {type(given).__name__}")
    return given
