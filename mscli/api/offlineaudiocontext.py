"""OfflineAudioContext: an audio graph into memory. https://www.w3.org/TR/webaudio-1.0/#OfflineAudioContext"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from math import ceil
from threading import Condition
from typing import TYPE_CHECKING, Any

import numpy as np

from mscli.api.audiobuffer import AudioBuffer
from mscli.api.audiocontext import CLOSED, RUNNING, SUSPENDED, BaseAudioContext, ContextOwner
from mscli.api.audionode import AudioDestinationNode
from mscli.api.audiovalues import channel_number, not_negative, whole_number
from mscli.core.errors import InvalidStateError, NotSupportedError
from mscli.core.events import Event, Handler, required_member
from mscli.core.locks import shared_lock
from mscli.core.readonly import ReadOnly
from mscli.webaudio.processor import GraphSink

if TYPE_CHECKING:
    from mscli.webaudio.mixing import Block
    from mscli.webaudio.processor import AudioSpan

_SPAN_QUANTA = 32  # render quanta that are rendered at once


class OfflineAudioCompletionEvent(Event):
    """The event ``complete``, with what was rendered.

    See https://www.w3.org/TR/webaudio-1.0/#OfflineAudioCompletionEvent. Does not differ from the standard. The constructor
    raises TypeError without a ``renderedBuffer``.
    """

    rendered_buffer = ReadOnly[AudioBuffer]()

    def __init__(self, type: str, init: Mapping[str, Any] | None = None) -> None:  # noqa: A002 (the standard's name)
        super().__init__(type, init)
        self._rendered_buffer: AudioBuffer = required_member("OfflineAudioCompletionEvent", init, "renderedBuffer")


class OfflineAudioContext(BaseAudioContext):
    """A graph of audio nodes that is rendered into an ``AudioBuffer``, as fast as possible.

        import mscli

        context = mscli.OfflineAudioContext(number_of_channels=1, length=4800, sample_rate=48_000)
        tone = mscli.OscillatorNode(context, type="square", frequency=100)
        tone.connect(mscli.BiquadFilterNode(context, frequency=500)).connect(context.destination)
        tone.start()
        samples = context.start_rendering().get_channel_data(0)

    Events: ``complete``, ``statechange``.

    See https://www.w3.org/TR/webaudio-1.0/#OfflineAudioContext. Differs from the standard: ``start_rendering`` returns the
    buffer when it is complete. ``suspend`` returns a ``Future`` of ``concurrent.futures``: its callbacks run while the context
    stands still, on the thread that renders.
    """

    EVENTS = ("statechange", "complete")

    oncomplete: Handler

    length = ReadOnly[int]()

    def __init__(
        self, number_of_channels: int = 1, length: int = 0, sample_rate: float = 0, *, render_size_hint: str | int = "default"
    ) -> None:
        channels = channel_number(number_of_channels)
        self._length = whole_number(length, "length")
        if not self._length:
            raise NotSupportedError("an OfflineAudioContext has a length of at least one sample")
        super().__init__(sample_rate, render_size_hint, ContextOwner(self))
        self._block = np.zeros((channels, self._length), np.float32)
        self._started = False
        self._stops: dict[int, Future[None]] = {}  # number of a sample → what waits for it
        self._resumed = Condition(shared_lock())
        self._destination = AudioDestinationNode(self, GraphSink(self._take, lambda: True), channels, fixed=True)

    def start_rendering(self) -> AudioBuffer:
        """Render all, and return it. Raises InvalidStateError for a second call."""
        if self._started:
            raise InvalidStateError("an OfflineAudioContext renders only once")
        self._started = True
        self._set_state(RUNNING)
        most = _SPAN_QUANTA * self._render_quantum_size
        while self._graph.frame < self._length:
            self._stop_here()
            until = min([self._length, *(frame for frame in self._stops if frame > self._graph.frame)])
            left = until - self._graph.frame
            self._graph.render(min(most, ceil(left / self._render_quantum_size) * self._render_quantum_size))
        buffer = AudioBuffer.of_block(self._block, self._sample_rate)
        self._set_state(CLOSED)
        self._notify(self, OfflineAudioCompletionEvent("complete", {"renderedBuffer": buffer}))
        self._owner.close_events()
        return buffer

    def suspend(self, suspend_time: float) -> Future[None]:
        """Stand still at a time, rounded up to a render quantum, until ``resume``. The future is done then.

        Raises InvalidStateError if that time is over, after the end, or asked for already, ValueError, and TypeError.
        """
        quantum = self._render_quantum_size
        frame = ceil(not_negative(suspend_time, "suspend_time") * self._sample_rate / quantum - 1e-9) * quantum
        if frame < self._graph.frame or (self._started and frame == self._graph.frame) or frame >= self._length:
            raise InvalidStateError(f"{suspend_time:g} s is not in what is still to be rendered")
        if frame in self._stops:
            raise InvalidStateError(f"the context is suspended at {suspend_time:g} s already")
        self._stops[frame] = future = Future[None]()
        return future

    def resume(self) -> None:
        """Go on. Raises InvalidStateError if it was not started, or is closed."""
        if not self._started or self._state == CLOSED:
            raise InvalidStateError("there is nothing to resume")
        with self._resumed:
            self._set_state(RUNNING)
            self._resumed.notify_all()

    def _stop_here(self) -> None:
        """Stand still if that was asked for."""
        future = self._stops.pop(self._graph.frame, None)
        if future is not None:
            self._set_state(SUSPENDED)
            future.set_result(None)
            with self._resumed:
                self._resumed.wait_for(lambda: self._state != SUSPENDED)

    def _take(self, span: AudioSpan, block: Block | None) -> None:
        if block is not None:
            end = min(span.first + span.samples, self._length)
            self._block[:, span.first : end] = block[:, : end - span.first]
