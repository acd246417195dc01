"""AudioNode, AudioScheduledSourceNode and AudioDestinationNode. https://www.w3.org/TR/webaudio-1.0/#AudioNode"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, overload
from weakref import WeakMethod, finalize

from mscli.api.audioparam import AudioParam
from mscli.api.audiovalues import MOST_CHANNELS, channel_number, not_negative, one_of, whole_number
from mscli.core.errors import ArgumentError, IndexSizeError, InvalidAccessError, InvalidStateError, NotSupportedError
from mscli.core.events import Event, EventTarget, Handler
from mscli.core.readonly import ReadOnly
from mscli.webaudio.mixing import MixRule
from mscli.webaudio.param import Param
from mscli.webaudio.processor import NodeOutlet, Processor
from mscli.webaudio.scheduled import Scheduled

if TYPE_CHECKING:
    from mscli.api.audiocontext import BaseAudioContext

N = TypeVar("N", bound="AudioNode")

MODES = ("max", "clamped-max", "explicit")
INTERPRETATIONS = ("speakers", "discrete")
LARGEST = 3.4028234663852886e38  # the most positive single float


class AudioNode(EventTarget):
    """A node of an audio graph. What is common to all nodes; each kind is a class of its own.

    ``channel_count``, ``channel_count_mode`` ("max", "clamped-max" or "explicit") and ``channel_interpretation`` ("speakers" or
    "discrete") say how the connections of an input are mixed. Every constructor takes them.

    See https://www.w3.org/TR/webaudio-1.0/#AudioNode. Does not differ from the standard.
    """

    context: ReadOnly[BaseAudioContext] = ReadOnly()
    _usual: ClassVar[tuple[int, str, str]] = (2, "max", "speakers")  # channel count, mode, interpretation
    _fixed: ClassVar[frozenset[str]] = frozenset()  # of these three, those that cannot be changed
    _stereo: ClassVar[bool] = False  # whether more than two channels are not supported

    def __init__(
        self,
        context: BaseAudioContext,
        processor: Processor,
        *,
        channel_count: int | None = None,
        channel_count_mode: str | None = None,
        channel_interpretation: str | None = None,
    ) -> None:
        super().__init__()
        self._context, self._processor = context, processor
        self._connections: dict[tuple[AudioNode | AudioParam, int, int], None] = {}
        self._channel_count, self._channel_count_mode, self._channel_interpretation = self._usual
        if channel_count is not None:
            self._channel_count = self._checked_count(channel_count)
        if channel_count_mode is not None:
            self._channel_count_mode = self._checked_mode(channel_count_mode)
        if channel_interpretation is not None:
            self._channel_interpretation = self._checked_interpretation(channel_interpretation)
        processor.rule = self._rule()
        self._post(partial(context._graph.add, processor))
        finalize(self, context._graph.note_change).atexit = False
        context._begin()

    @property
    def number_of_inputs(self) -> int:
        """Return how many inputs it has."""
        return len(self._processor.feeds)

    @property
    def number_of_outputs(self) -> int:
        """Return how many outputs it has."""
        return len(self._processor.blocks)

    # Channels

    @property
    def channel_count(self) -> int:
        """Return the number of channels for the mixing of an input.

        Setting it raises NotSupportedError unless it is from 1 to 32 and possible for this node, InvalidStateError if it is
        fixed, IndexSizeError if it is more than a destination has, and TypeError.
        """
        return self._channel_count

    @channel_count.setter
    def channel_count(self, count: int) -> None:
        self._channel_count = self._checked_count(count)
        self._mix_again()

    @property
    def channel_count_mode(self) -> str:
        """Return how the number of channels is found. Raises NotSupportedError, InvalidStateError if fixed, and TypeError."""
        return self._channel_count_mode

    @channel_count_mode.setter
    def channel_count_mode(self, mode: str) -> None:
        self._channel_count_mode = self._checked_mode(mode)
        self._mix_again()

    @property
    def channel_interpretation(self) -> str:
        """Return whether channels belong to loudspeakers when they are mixed. Raises InvalidStateError, and TypeError."""
        return self._channel_interpretation

    @channel_interpretation.setter
    def channel_interpretation(self, interpretation: str) -> None:
        self._channel_interpretation = self._checked_interpretation(interpretation)
        self._mix_again()

    def _checked_count(self, count: int) -> int:
        count = channel_number(count, "channel_count")
        self._check_fixed("channel_count", self._channel_count, count)
        if self._stereo and count > 2:
            raise NotSupportedError(f"a {type(self).__name__} has 1 or 2 channels, not {count}")
        return count

    def _checked_mode(self, mode: str) -> str:
        one_of(mode, MODES, "channel_count_mode")
        self._check_fixed("channel_count_mode", self._channel_count_mode, mode)
        if self._stereo and mode == "max":
            raise NotSupportedError(f"the channel_count_mode of a {type(self).__name__} cannot be max")
        return mode

    def _checked_interpretation(self, interpretation: str) -> str:
        one_of(interpretation, INTERPRETATIONS, "channel_interpretation")
        self._check_fixed("channel_interpretation", self._channel_interpretation, interpretation)
        return interpretation

    def _check_fixed(self, name: str, now: Any, wanted: Any) -> None:
        if name in self._fixed and now != wanted:
            raise InvalidStateError(f"the {name} of a {type(self).__name__} is {now} and cannot be changed")

    def _rule(self) -> MixRule:
        return MixRule(self._channel_count, self._channel_count_mode, self._channel_interpretation == "speakers")

    def _mix_again(self) -> None:
        self._post(partial(setattr, self._processor, "rule", self._rule()))

    # Connections

    @overload
    def connect(self, destination: N, output: int = 0, input: int = 0) -> N: ...
    @overload
    def connect(self, destination: AudioParam, output: int = 0) -> None: ...
    def connect(self, destination: Any, output: int = 0, input: int = 0) -> Any:  # noqa: A002 (the standard's name)
        """Connect an output to an input of another node, which is returned, or to a parameter.

        Raises IndexSizeError for an output or input that is not there, InvalidAccessError for a node of another context, and
        TypeError.
        """
        if not isinstance(destination, AudioNode | AudioParam):
            raise ArgumentError(f"connect takes an AudioNode or an AudioParam, not {destination!r}")
        if destination.context is not self.context:
            raise InvalidAccessError("nodes of different contexts cannot be connected")
        self._check_output(output)
        place = 0
        if isinstance(destination, AudioNode):
            place = destination._checked_input(input)
        key = (destination, output, place)
        if key not in self._connections:
            self._connections[key] = None
            self._post(partial(self._join, *key))
        return destination if isinstance(destination, AudioNode) else None

    def disconnect(
        self,
        destination: AudioNode | AudioParam | int | None = None,
        output: int | None = None,
        input: int | None = None,  # noqa: A002 (the standard's name)
    ) -> None:
        """Remove all connections, those of an output (its number), or those to a node or a parameter.

        Raises InvalidAccessError if there is no such connection, IndexSizeError for an output or input that is not there, and
        TypeError.
        """
        if destination is None:
            self._part(list(self._connections))
        elif isinstance(destination, AudioNode | AudioParam):
            if output is not None:
                self._check_output(output)
            if input is not None and isinstance(destination, AudioNode):
                destination._checked_input(input)
            found = [
                key
                for key in self._connections
                if key[0] is destination and output in (None, key[1]) and input in (None, key[2])
            ]
            if not found:
                raise InvalidAccessError(f"this {type(self).__name__} is not connected to that {type(destination).__name__}")
            self._part(found)
        else:
            self._check_output(destination)
            self._part([key for key in self._connections if key[1] == destination])

    def _check_output(self, output: int) -> None:
        if whole_number(output, "output") >= self.number_of_outputs:
            raise IndexSizeError(f"this {type(self).__name__} has {self.number_of_outputs} output(s), and no output {output}")

    def _checked_input(self, place: int) -> int:
        if whole_number(place, "input") >= self.number_of_inputs:
            raise IndexSizeError(f"this {type(self).__name__} has {self.number_of_inputs} input(s), and no input {place}")
        return place

    def _join(self, destination: AudioNode | AudioParam, output: int, place: int) -> None:
        """Connect on the thread that renders."""
        _entrance(destination, place).append(NodeOutlet(self._processor, output))
        self._context._graph.note_change()

    def _part(self, connections: list[tuple[AudioNode | AudioParam, int, int]]) -> None:
        for key in connections:
            del self._connections[key]
            self._post(partial(self._separate, *key))

    def _separate(self, destination: AudioNode | AudioParam, output: int, place: int) -> None:
        _entrance(destination, place).remove(NodeOutlet(self._processor, output))
        self._context._graph.note_change()

    # For the kinds of nodes

    def _post(self, message: Any) -> None:
        self._context._graph.post(message)

    def _own(self, param: Param, *, fixed_rate: bool = False) -> AudioParam:
        """Return the control half of a parameter."""
        return AudioParam(self._context, param, fixed_rate=fixed_rate)


def _entrance(destination: AudioNode | AudioParam, place: int) -> Any:
    return destination._param.sources if isinstance(destination, AudioParam) else destination._processor.feeds[place]


def _weakly(method: WeakMethod[Callable[[], None]]) -> Callable[[], None]:
    """Return a function that calls a method if its object is still there."""

    def call() -> None:
        found = method()
        if found is not None:
            found()

    return call


class AudioScheduledSourceNode(AudioNode):
    """A source that is started, once, and stopped. Event: ``ended``, when it has stopped playing.

    A source that plays is heard until its end, whoever holds it. Whoever listens for ``ended`` before ``start`` gets it, too.

    See https://www.w3.org/TR/webaudio-1.0/#AudioScheduledSourceNode. Does not differ from the standard.
    """

    EVENTS = ("ended",)

    onended: Handler

    _processor: Scheduled
    _started = False

    def start(self, when: float = 0) -> None:
        """Play from a time on, or at once. Raises InvalidStateError for a second call, ValueError, and TypeError."""
        self._start(not_negative(when, "when"))

    def stop(self, when: float = 0) -> None:
        """Stop at a time, or at once. Raises InvalidStateError before ``start``, ValueError, TypeError."""
        if not self._started:
            raise InvalidStateError("a source that was not started cannot be stopped")
        time = max(not_negative(when, "when"), self._context.current_time)
        self._post(partial(setattr, self._processor, "end", time))

    def _check_startable(self) -> None:
        if self._started:
            raise InvalidStateError("a source can be started only once")

    def _start(self, when: float) -> None:
        self._check_startable()
        self._started = True
        time, graph, processor = max(when, self._context.current_time), self._context._graph, self._processor
        on_ended: Any = self._note_ended if self.listens("ended") else _weakly(WeakMethod(self._note_ended))

        def begin() -> None:
            processor.begin, processor.on_ended = time, on_ended
            graph.keep(processor)

        self._post(begin)

    def _note_ended(self) -> None:
        self._context._notify(self, Event("ended"))


class AudioDestinationNode(AudioNode):
    """The end of a context's graph: the speaker, or the buffer of an ``OfflineAudioContext``.

    See https://www.w3.org/TR/webaudio-1.0/#AudioDestinationNode. Does not differ from the standard.
    """

    _usual = (2, "explicit", "speakers")

    max_channel_count = ReadOnly[int]()

    def __init__(self, context: BaseAudioContext, processor: Processor, channels: int, *, fixed: bool = False) -> None:
        self._max_channel_count = channels if fixed else MOST_CHANNELS
        self._is_fixed = False
        super().__init__(context, processor, channel_count=channels)
        self._is_fixed = fixed
        self._post(partial(context._graph.keep, processor))

    @property
    def number_of_outputs(self) -> int:
        """Return 0: nothing follows."""
        return 0

    def _checked_count(self, count: int) -> int:
        count = channel_number(count, "channel_count")
        if self._is_fixed and count != self._channel_count:
            raise InvalidStateError("the channels of an OfflineAudioContext cannot be changed")
        if count > self._max_channel_count:
            raise IndexSizeError(f"this destination has {self._max_channel_count} channel(s), not {count}")
        return count

    def _checked_mode(self, mode: str) -> str:
        mode = super()._checked_mode(mode)
        if self._is_fixed and mode != self._channel_count_mode:
            raise InvalidStateError("the channel_count_mode of an OfflineAudioContext cannot be changed")
        return mode
