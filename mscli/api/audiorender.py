"""The thread that renders the graph of an ``AudioContext``, and the clock by which it does."""

from __future__ import annotations

from threading import Condition, current_thread
from typing import TYPE_CHECKING, Protocol

from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.limits import MAX_LAG_US, SOURCE_STOP_S
from mscli.core.locks import shared_lock
from mscli.core.log import Log
from mscli.core.threads import Thread
from mscli.webaudio.graph import Graph
from mscli.webaudio.processor import AudioSpan

if TYPE_CHECKING:
    from mscli.webaudio.mixing import Block

_log = Log("sound")


class Exit(Protocol):
    """An exit of a graph that gets silence while the context is suspended."""

    def take(self, span: AudioSpan, block: Block | None) -> None:
        """Take a span."""


class Renderer:
    """The rendering of a graph in real time, by the system's clock, on a thread of its own.

    A tick is a sample of time. Ticks go on while the context is suspended; the samples of the graph do not. Sound that was
    captured at a time is rendered ``latency_us`` later, so that it has come by then. Nothing here ever waits for a source.
    """

    def __init__(self, graph: Graph, samples: int, latency_us: int) -> None:
        self.graph, self.latency_us = graph, latency_us
        self.exits: list[Exit] = []  # of streams
        self.running = False  # whether the graph is rendered
        self._samples = samples
        self._ticks = 0
        self._origin_us = 0  # the time of tick 0
        self._ahead = 0  # by how many ticks the samples of the graph are behind
        self._changed = Condition(shared_lock())
        self._closed = False
        self._thread: Thread | None = None

    def start(self) -> None:
        """Render from now on."""
        with self._changed:
            self.running = not self._closed
            self._changed.notify_all()
            if self._thread is None and self.running:
                self._thread = Thread(target=self._run, name="mscli-audio", daemon=True)
                self._thread.start()

    def pause(self) -> None:
        """Render nothing until it is started again. The exits get silence."""
        with self._changed:
            self.running = False

    def close(self) -> None:
        """End for good, and wait for the thread."""
        with self._changed:
            self._closed, self.running = True, False
            thread, self._thread = self._thread, None
            self._changed.notify_all()
        if thread is not None and thread is not current_thread():
            thread.join_or_abandon(SOURCE_STOP_S)

    # On the thread

    def tick_of(self, captured_us: int) -> int:
        """Return the tick at which sound that was captured at a time is rendered."""
        return round((captured_us + self.latency_us - self._origin_us) * self.graph.rate / MICROSECONDS)

    def tick(self, span: AudioSpan) -> int:
        """Return the tick of the first sample of a span."""
        return span.first + self._ahead

    def captured_us(self, span: AudioSpan) -> int:
        """Return when the sound of a span was captured."""
        return self._time_us(self.tick(span)) - self.latency_us

    def _time_us(self, tick: int) -> int:
        return self._origin_us + round(tick * MICROSECONDS / self.graph.rate)

    def _run(self) -> None:
        self._origin_us = now_us()
        while self._wait():
            self._ahead = self._ticks - self.graph.frame
            if self.running:
                self.graph.render(self._samples)
            else:
                span = AudioSpan(self.graph.frame, self._samples, self.graph.rate, self.graph.quantum)
                for exit_ in list(self.exits):
                    exit_.take(span, None)
            self._ticks += self._samples

    def _wait(self) -> bool:
        """Wait until the next span is over by the clock, so that its sound has come. Return False at the end."""
        with self._changed:
            while not self._closed:
                late_us = now_us() - self._time_us(self._ticks + self._samples)
                if late_us > MAX_LAG_US:
                    _log.warning("an audio graph is %.1f s late, which is left out", late_us / MICROSECONDS)
                    self._origin_us += late_us
                elif late_us >= 0:
                    return True
                else:
                    self._changed.wait(-late_us / MICROSECONDS)
        return False
