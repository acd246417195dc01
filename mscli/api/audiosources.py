"""The nodes that make sound: https://www.w3.org/TR/webaudio-1.0/#AudioScheduledSourceNode."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

from mscli.api.audiobuffer import AudioBuffer
from mscli.api.audionode import LARGEST, AudioScheduledSourceNode
from mscli.api.audionodes import CENTS, param
from mscli.api.audioparam import AudioParam
from mscli.api.audiovalues import not_negative, number, one_of
from mscli.core.errors import ArgumentError, IndexSizeError, InvalidAccessError, InvalidStateError
from mscli.core.readonly import ReadOnly
from mscli.webaudio.buffersource import BufferSource
from mscli.webaudio.constant import Constant
from mscli.webaudio.oscillator import TYPES, Oscillator, Wave, built_in

if TYPE_CHECKING:
    from mscli.api.audiocontext import BaseAudioContext

_CUSTOM = "custom"


class ConstantSourceNode(AudioScheduledSourceNode):
    """A source of one value, ``offset``, which is 1 at first.

    See https://www.w3.org/TR/webaudio-1.0/#ConstantSourceNode. Does not differ from the standard.
    """

    offset = ReadOnly[AudioParam]()

    def __init__(self, context: BaseAudioContext, *, offset: float = 1.0, **channels: Any) -> None:
        level = param(1.0, -LARGEST, LARGEST, offset)
        super().__init__(context, Constant([level]), **channels)
        self._offset = self._own(level)


class PeriodicWave:
    """A wave for an ``OscillatorNode``, by its cosine (``real``) and sine (``imag``) terms. Without terms it is a sine.

    See https://www.w3.org/TR/webaudio-1.0/#PeriodicWave. Does not differ from the standard. The constructor raises
    IndexSizeError if there are fewer than two terms or not as many of both.
    """

    def __init__(
        self,
        context: BaseAudioContext,
        *,
        real: Sequence[float] | None = None,
        imag: Sequence[float] | None = None,
        disable_normalization: bool = False,
    ) -> None:
        given = [[number(value, "a term") for value in terms] for terms in (real, imag) if terms is not None]
        length = len(given[0]) if given else 2
        if length < 2 or any(len(terms) != length for terms in given):
            raise IndexSizeError("real and imag have the same number of terms, at least two")
        none = [0.0] * length
        cosines = given[0] if real is not None else none
        sines = given[-1] if imag is not None else none if real is not None else [0.0, 1.0]
        self.context = context
        self._wave = Wave(cosines, sines, normalized=not disable_normalization)


class OscillatorNode(AudioScheduledSourceNode):
    """A source of a periodic wave: "sine", "square", "sawtooth", "triangle", or one of its own ("custom").

        import mscli

        context = mscli.OfflineAudioContext(1, 48_000, 48_000)
        tone = mscli.OscillatorNode(context, frequency=1000)
        tone.connect(context.destination)
        tone.start()
        print(context.start_rendering().get_channel_data(0).max())

    See https://www.w3.org/TR/webaudio-1.0/#OscillatorNode. Does not differ from the standard.
    """

    frequency = ReadOnly[AudioParam]()
    detune = ReadOnly[AudioParam]()

    def __init__(
        self,
        context: BaseAudioContext,
        *,
        type: str = "sine",  # noqa: A002 (the standard's name)
        frequency: float = 440.0,
        detune: float = 0.0,
        periodic_wave: PeriodicWave | None = None,
        **channels: Any,
    ) -> None:
        nyquist = context.sample_rate / 2
        params = param(440.0, -nyquist, nyquist, frequency), param(0.0, -CENTS, CENTS, detune)
        one_of(type, TYPES, "type")
        if type == _CUSTOM and periodic_wave is None:
            raise InvalidStateError("an oscillator of type custom needs a periodic_wave")
        super().__init__(context, Oscillator(*params), **channels)
        self._frequency, self._detune = map(self._own, params)
        self._type = type
        if periodic_wave is not None:
            self.set_periodic_wave(periodic_wave)
        else:
            self._use(built_in(type))

    @property
    def type(self) -> str:
        """Return the kind of wave. Raises InvalidStateError for "custom", which ``set_periodic_wave`` sets, and TypeError."""
        return self._type

    @type.setter  # noqa: A003
    def type(self, kind: str) -> None:
        one_of(kind, TYPES, "type")
        if kind == self._type:
            return
        if kind == _CUSTOM:
            raise InvalidStateError("set_periodic_wave makes an oscillator custom")
        self._type = kind
        self._use(built_in(kind))

    def set_periodic_wave(self, periodic_wave: PeriodicWave) -> None:
        """Play another wave from now on. Raises InvalidAccessError for one of another context, and TypeError."""
        if not isinstance(periodic_wave, PeriodicWave):
            raise ArgumentError(f"an oscillator takes a PeriodicWave, not {periodic_wave!r}")
        if periodic_wave.context is not self._context:
            raise InvalidAccessError("this wave belongs to another context")
        self._type = _CUSTOM
        self._use(periodic_wave._wave)

    def _use(self, wave: Wave) -> None:
        self._post(partial(setattr, self._processor, "wave", wave))


class AudioBufferSourceNode(AudioScheduledSourceNode):
    """A source that plays an ``AudioBuffer``, also faster, backwards, or in a loop.

    See https://www.w3.org/TR/webaudio-1.0/#AudioBufferSourceNode. Does not differ from the standard. Between samples of the
    buffer, a straight line is played.
    """

    playback_rate = ReadOnly[AudioParam]()
    detune = ReadOnly[AudioParam]()

    _processor: BufferSource

    def __init__(
        self,
        context: BaseAudioContext,
        *,
        buffer: AudioBuffer | None = None,
        detune: float = 0.0,
        loop: bool = False,
        loop_end: float = 0.0,
        loop_start: float = 0.0,
        playback_rate: float = 1.0,
        **channels: Any,
    ) -> None:
        params = (
            param(1.0, -LARGEST, LARGEST, playback_rate, per_sample=False),
            param(0.0, -LARGEST, LARGEST, detune, per_sample=False),
        )
        super().__init__(context, BufferSource(*params), **channels)
        self._playback_rate, self._detune = (self._own(one, fixed_rate=True) for one in params)
        self._loop = bool(loop)
        self._loop_start, self._loop_end = number(loop_start, "loop_start"), number(loop_end, "loop_end")
        self._buffer: AudioBuffer | None = None
        if buffer is not None:
            self.buffer = buffer

    @property
    def buffer(self) -> AudioBuffer | None:
        """Return what is played. It can be set once. Raises InvalidStateError for a second buffer, and TypeError."""
        return self._buffer

    @buffer.setter
    def buffer(self, buffer: AudioBuffer | None) -> None:
        if buffer is not None and not isinstance(buffer, AudioBuffer):
            raise ArgumentError(f"buffer is an AudioBuffer or None, not {buffer!r}")
        if buffer is not None and self._buffer is not None:
            raise InvalidStateError("the buffer of a source can be set only once")
        self._buffer = buffer
        if self._started:
            self._acquire()

    @property
    def loop(self) -> bool:
        """Return whether it is repeated."""
        return self._loop

    @loop.setter
    def loop(self, loop: bool) -> None:
        self._loop = bool(loop)
        self._set_loop()

    @property
    def loop_start(self) -> float:
        """Return where the loop begins, in seconds of the buffer. Raises TypeError."""
        return self._loop_start

    @loop_start.setter
    def loop_start(self, seconds: float) -> None:
        self._loop_start = number(seconds, "loop_start")
        self._set_loop()

    @property
    def loop_end(self) -> float:
        """Return where the loop ends, in seconds of the buffer; 0 is its end. Raises TypeError."""
        return self._loop_end

    @loop_end.setter
    def loop_end(self, seconds: float) -> None:
        self._loop_end = number(seconds, "loop_end")
        self._set_loop()

    def start(self, when: float = 0, offset: float = 0, duration: float | None = None) -> None:
        """Play from a time on, from ``offset`` seconds of the buffer, for ``duration`` seconds of it.

        Raises InvalidStateError for a second call, ValueError for what is negative, and TypeError.
        """
        when, offset = not_negative(when, "when"), not_negative(offset, "offset")
        lasts = inf if duration is None else not_negative(duration, "duration")
        self._check_startable()
        self._post(lambda: self._begin_at(offset, lasts))
        self._acquire()
        self._start(when)

    def _begin_at(self, offset: float, lasts: float) -> None:
        self._processor.start_s, self._processor.lasts_s = offset, lasts

    def _acquire(self) -> None:
        """Give the other half a copy of the buffer: https://www.w3.org/TR/webaudio-1.0/#acquire-the-content."""
        self._set_loop()
        buffer = self._buffer
        contents = None if buffer is None else buffer.contents()
        rate = 1.0 if buffer is None else buffer.sample_rate
        self._post(lambda: self._processor.use(contents, rate))

    def _set_loop(self) -> None:
        loop = (self._loop_start, self._loop_end) if self._loop else None
        self._post(partial(setattr, self._processor, "loop_s", loop))
