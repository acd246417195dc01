"""BaseAudioContext and AudioContext: audio graphs. https://www.w3.org/TR/webaudio-1.0/#AudioContext"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakSet, ref

import numpy as np

from mscli.api.audiobuffer import AudioBuffer
from mscli.api.audionode import AudioDestinationNode
from mscli.api.audionodes import (
    AnalyserNode,
    BiquadFilterNode,
    ChannelMergerNode,
    ChannelSplitterNode,
    DelayNode,
    DynamicsCompressorNode,
    GainNode,
    StereoPannerNode,
)
from mscli.api.audiorender import Renderer
from mscli.api.audiosources import AudioBufferSourceNode, ConstantSourceNode, OscillatorNode, PeriodicWave
from mscli.api.audiostreams import (
    MediaStreamAudioDestinationNode,
    MediaStreamAudioSourceNode,
    MediaStreamTrackAudioSourceNode,
    TrackReader,
)
from mscli.api.audiovalues import number, sample_rate_of, whole_number
from mscli.api.mediadevices import MediaDevices
from mscli.api.programs import EventOwner
from mscli.api.soundoutput import SoundOutput
from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.errors import ArgumentError, InvalidStateError, NotSupportedError
from mscli.core.events import Event, EventTarget, Handler
from mscli.core.frames import AudioData
from mscli.core.locks import shared_lock
from mscli.core.readonly import ReadOnly
from mscli.webaudio.graph import Graph
from mscli.webaudio.mixing import interleaved
from mscli.webaudio.processor import QUANTUM, GraphSink

if TYPE_CHECKING:
    from mscli.api.machine import Machine
    from mscli.api.mediastream import MediaStream
    from mscli.api.mediastreamtrack import MediaStreamTrack
    from mscli.sources.base import Speaker
    from mscli.sources.track import TrackSource
    from mscli.webaudio.mixing import Block
    from mscli.webaudio.processor import AudioSpan

SUSPENDED, RUNNING, CLOSED = "suspended", "running", "closed"
USUAL_RATE = 48_000  # Hz
_LATENCIES_S = {"interactive": 0.04, "balanced": 0.08, "playback": 0.2}
_LEAST_S, _MOST_S = 0.01, 0.5  # of the latency that a program asks for
_SPAN = 0.75  # of the latency: what is rendered at once; longer spans cost less, and shorter ones answer sooner
_QUANTA = (32, 8192)  # the sizes of a render quantum
_SIZES = ("default", "hardware")


class BaseAudioContext(EventTarget):
    """A graph of audio nodes, with a clock of its own. What ``AudioContext`` and ``OfflineAudioContext`` share.

    ``state`` is "suspended", "running" or "closed". ``current_time``: of what is rendered next, in seconds. Event:
    ``statechange``.

    Nodes are made by their constructors, such as ``GainNode(context, gain=0.5)``, or by the methods here.

    See https://www.w3.org/TR/webaudio-1.0/#BaseAudioContext. Differs from the standard: there is no listener, no audio worklet,
    and no decoding.
    """

    EVENTS: tuple[str, ...] = ("statechange",)

    onstatechange: Handler

    destination = ReadOnly[AudioDestinationNode]()
    sample_rate = ReadOnly[float]()
    state = ReadOnly[str]()
    render_quantum_size = ReadOnly[int]()

    def __init__(self, sample_rate: float, render_size_hint: str | int, owner: EventOwner) -> None:
        super().__init__()
        self._sample_rate, self._render_quantum_size = sample_rate_of(sample_rate), _quantum(render_size_hint)
        self._graph = Graph(self._sample_rate, self._render_quantum_size)
        self._owner = owner
        self._state = SUSPENDED

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.state} at {self.current_time:.3f} s, {self.sample_rate:g} Hz>"

    def __del__(self) -> None:
        owner = getattr(self, "_owner", None)
        if owner is not None:
            owner.close_events()

    @property
    def current_time(self) -> float:
        """Return the time of what is rendered next, in seconds."""
        return self._graph.time

    def create_analyser(self) -> AnalyserNode:
        """Return a new ``AnalyserNode``."""
        return AnalyserNode(self)

    def create_biquad_filter(self) -> BiquadFilterNode:
        """Return a new ``BiquadFilterNode``."""
        return BiquadFilterNode(self)

    def create_buffer(self, number_of_channels: int, length: int, sample_rate: float) -> AudioBuffer:
        """Return a new, silent ``AudioBuffer``. Its constructor's errors are raised."""
        return AudioBuffer(number_of_channels, length=length, sample_rate=sample_rate)

    def create_buffer_source(self) -> AudioBufferSourceNode:
        """Return a new ``AudioBufferSourceNode``."""
        return AudioBufferSourceNode(self)

    def create_channel_merger(self, number_of_inputs: int = 6) -> ChannelMergerNode:
        """Return a new ``ChannelMergerNode``. Its constructor's errors are raised."""
        return ChannelMergerNode(self, number_of_inputs=number_of_inputs)

    def create_channel_splitter(self, number_of_outputs: int = 6) -> ChannelSplitterNode:
        """Return a new ``ChannelSplitterNode``. Its constructor's errors are raised."""
        return ChannelSplitterNode(self, number_of_outputs=number_of_outputs)

    def create_constant_source(self) -> ConstantSourceNode:
        """Return a new ``ConstantSourceNode``."""
        return ConstantSourceNode(self)

    def create_delay(self, max_delay_time: float = 1.0) -> DelayNode:
        """Return a new ``DelayNode``. Its constructor's errors are raised."""
        return DelayNode(self, max_delay_time=max_delay_time)

    def create_dynamics_compressor(self) -> DynamicsCompressorNode:
        """Return a new ``DynamicsCompressorNode``."""
        return DynamicsCompressorNode(self)

    def create_gain(self) -> GainNode:
        """Return a new ``GainNode``."""
        return GainNode(self)

    def create_oscillator(self) -> OscillatorNode:
        """Return a new ``OscillatorNode``."""
        return OscillatorNode(self)

    def create_periodic_wave(
        self, real: Sequence[float], imag: Sequence[float], *, disable_normalization: bool = False
    ) -> PeriodicWave:
        """Return a new ``PeriodicWave``. Its constructor's errors are raised."""
        return PeriodicWave(self, real=real, imag=imag, disable_normalization=disable_normalization)

    def create_stereo_panner(self) -> StereoPannerNode:
        """Return a new ``StereoPannerNode``."""
        return StereoPannerNode(self)

    # For nodes

    def _begin(self) -> None:
        """Note that there is a node."""

    def _set_state(self, state: str) -> None:
        if state != self._state:
            self._state = state
            self._notify(self, Event("statechange"))

    def _notify(self, target: EventTarget, event: Event) -> None:
        """Fire an event on the thread that runs events, if anybody listens."""
        if target.listens(event.type):
            self._owner.post(partial(target.fire, event))


def _quantum(hint: str | int) -> int:
    """Return a size of a render quantum. Raises NotSupportedError, and TypeError."""
    if hint in _SIZES:
        return QUANTUM
    size = whole_number(hint, "render_size_hint")
    if not _QUANTA[0] <= size <= _QUANTA[1]:
        raise NotSupportedError(f"a render quantum has {_QUANTA[0]} to {_QUANTA[1]} samples, not {size}")
    return size


class AudioSinkInfo:
    """The kind of output that is no speaker: ``type`` is "none".

    See https://www.w3.org/TR/webaudio-1.0/#AudioSinkInfo. Does not differ from the standard.
    """

    type = ReadOnly[str]()

    def __init__(self) -> None:
        self._type = "none"


class ContextOwner(EventOwner):
    """The owner of a context's events and of its tracks. It does not hold the context."""

    def __init__(self, context: BaseAudioContext) -> None:
        self._context = ref(context)
        super().__init__()

    def forget(self, source: TrackSource) -> None:
        """Do nothing: the context goes on."""

    def end(self) -> None:
        """Close the context."""
        context = self._context()
        if isinstance(context, AudioContext):
            context._close()


class AudioContext(BaseAudioContext):
    """A graph of audio nodes in real time, from microphones and other tracks into streams and a speaker. A context manager.

        import mscli

        with mscli.MediaDevices() as devices, mscli.AudioContext(sink_id={"type": "none"}) as context:
            microphone = devices.get_user_media({"audio": True})
            mix = context.create_media_stream_destination()
            context.create_media_stream_source(microphone).connect(mscli.GainNode(context, gain=0.5)).connect(mix)
            tone = mscli.OscillatorNode(context, frequency=1000)
            tone.connect(mix)
            tone.start()
            recorder = mscli.MediaRecorder(mix.stream, file="mix.wav", window=(0.2, None))
            recorder.start()
            recorder.join()

    ``latency_hint``: "interactive" (40 ms), "balanced" (80 ms), "playback" (200 ms), or seconds. What is captured is rendered
    that much later, so that it has come by then. What comes later is silence.

    ``sink_id``: the deviceId of a speaker, "" for the default one, or ``{"type": "none"}``. It is opened when something is
    connected to ``destination``. ``devices``: whose speakers, by default this machine's.

    A context begins to run with its first node, or with ``resume``. One thread renders all of its nodes. It runs until
    ``close``, or until nobody has the context, its nodes and its tracks. Events: ``statechange``, ``sinkchange``, ``error``.

    See https://www.w3.org/TR/webaudio-1.0/#AudioContext. Differs from the standard: ``resume``, ``suspend``, ``close`` and
    ``set_sink_id`` are done when they return; there is no promise.
    """

    EVENTS = ("statechange", "sinkchange", "error")

    onsinkchange: Handler
    onerror: Handler

    base_latency = ReadOnly[float]()
    _made = False

    def __init__(
        self,
        *,
        latency_hint: str | float = "interactive",
        sample_rate: float = USUAL_RATE,
        sink_id: str | Mapping[str, str] = "",
        render_size_hint: str | int = "default",
        devices: MediaDevices | None = None,
    ) -> None:
        latency_s, speaker = _latency_s(latency_hint), _speaker_of(sink_id)
        super().__init__(sample_rate, render_size_hint, ContextOwner(self))
        quanta = max(1, round(_SPAN * latency_s * self._sample_rate / self._render_quantum_size))
        samples = quanta * self._render_quantum_size
        self._base_latency = samples / self._sample_rate
        self._renderer = Renderer(self._graph, samples, round(latency_s * MICROSECONDS))
        self._readers: WeakSet[TrackReader] = WeakSet()
        self._sources: WeakSet[Any] = WeakSet()  # of the tracks of its destinations
        self._speakers = _Speakers(devices)
        self._turn = shared_lock()  # held to change what it does; the thread that renders never takes it
        self._sound = SoundOutput(self._speakers.open)
        self._sound.sink_id = speaker or ""
        self._sink_id: str | AudioSinkInfo = AudioSinkInfo() if speaker is None else speaker
        self._speaker = _SpeakerExit(self._sound, round(self._sample_rate), heard=speaker is not None)
        sink = GraphSink(self._speaker.take, lambda: True)
        self._destination = AudioDestinationNode(self, sink, 2)
        self._suspended_by_user = False
        self._made = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def __del__(self) -> None:
        if self._made:
            self._close()
        super().__del__()

    @property
    def output_latency(self) -> float:
        """Return how much later than it is rendered sound is heard, in seconds, or 0 if there is no speaker."""
        return self._sound.delay_us / MICROSECONDS

    @property
    def sink_id(self) -> str | AudioSinkInfo:
        """Return the deviceId of the speaker, "" for the default one, or an ``AudioSinkInfo`` if nothing is to be heard."""
        return self._sink_id

    def set_sink_id(self, sink_id: str | Mapping[str, str]) -> None:
        """Play on another speaker from now on, or on none: ``{"type": "none"}``. ``sinkchange`` fires.

        Raises NotFoundError if there is no such speaker, InvalidStateError after ``close``, and TypeError.
        """
        speaker = _speaker_of(sink_id)
        with self._turn:
            self._check_open()
            if speaker is None:
                if isinstance(self._sink_id, AudioSinkInfo):
                    return
                self._speaker.heard = False
                self._sound.release()
                self._sink_id = AudioSinkInfo()
            else:
                if speaker == self._sink_id:
                    return
                if speaker:
                    self._speakers.machine.find_speaker(speaker)
                self._sound.switch(speaker, now=False)
                self._sink_id = speaker
                self._speaker.heard = True
            self._notify(self, Event("sinkchange"))

    def get_output_timestamp(self) -> dict[str, float]:
        """Return what is heard now: ``contextTime`` in seconds, and ``performanceTime`` in milliseconds of the clock."""
        if not self._graph.frame:
            return {"contextTime": 0.0, "performanceTime": 0.0}
        return {"contextTime": max(0.0, self.current_time - self.output_latency - self.base_latency),
                "performanceTime": now_us() / 1000}  # fmt: skip

    def resume(self) -> None:
        """Run, or run again. Raises InvalidStateError after ``close``."""
        with self._turn:
            self._check_open()
            self._suspended_by_user = False
            self._run()

    def suspend(self) -> None:
        """Stand still until ``resume``, and give the speaker back. Raises InvalidStateError after ``close``."""
        with self._turn:
            self._check_open()
            self._suspended_by_user = True
            self._renderer.pause()
            self._sound.release()
            self._set_state(SUSPENDED)

    def close(self) -> None:
        """End the graph and the tracks of its destinations, and give the speaker back. Raises InvalidStateError if closed."""
        self._check_open()
        self._close()

    def create_media_stream_source(self, media_stream: MediaStream) -> MediaStreamAudioSourceNode:
        """Return a new ``MediaStreamAudioSourceNode``. Its constructor's errors are raised."""
        return MediaStreamAudioSourceNode(self, media_stream=media_stream)

    def create_media_stream_track_source(self, media_stream_track: MediaStreamTrack) -> MediaStreamTrackAudioSourceNode:
        """Return a new ``MediaStreamTrackAudioSourceNode``. Its constructor's errors are raised."""
        return MediaStreamTrackAudioSourceNode(self, media_stream_track=media_stream_track)

    def create_media_stream_destination(self) -> MediaStreamAudioDestinationNode:
        """Return a new ``MediaStreamAudioDestinationNode``. Raises InvalidStateError after ``close``."""
        return MediaStreamAudioDestinationNode(self)

    def _close(self) -> None:
        with self._turn:
            if self._state == CLOSED:
                return
            self._set_state(CLOSED)
            self._renderer.close()
            for source in list(self._sources):
                source.end()
            for reader in list(self._readers):
                reader.close()
            self._sound.release()
            self._speakers.close()
        self._owner.stop_events()  # without the lock, which a listener may wait for

    def _check_open(self) -> None:
        if self._state == CLOSED:
            raise InvalidStateError("the audio context is closed")

    def _begin(self) -> None:
        if self._made and not self._suspended_by_user and self._state == SUSPENDED:
            with self._turn:
                self._run()

    def _run(self) -> None:
        self._renderer.start()
        self._set_state(RUNNING)


class _Speakers:
    """The devices whose speakers a context uses: those that it was given, or this machine's, looked at when they are needed."""

    def __init__(self, devices: MediaDevices | None) -> None:
        self._devices, self._owned = devices, devices is None
        self._making = shared_lock()

    @property
    def machine(self) -> Machine:
        """Return the machine."""
        with self._making:
            if self._devices is None:
                self._devices = MediaDevices()
            return self._devices.machine

    def open(self, device_id: str) -> Speaker:
        """Open a speaker, on the thread of its output."""
        return self.machine.open_speaker(device_id)

    def close(self) -> None:
        """Close the devices, unless they are the program's."""
        if self._owned and self._devices is not None:
            self._devices.close()


class _SpeakerExit:
    """The exit of a graph to a speaker. It begins with the first sound. ``heard``: whether there is to be a speaker."""

    def __init__(self, sound: SoundOutput, rate: int, *, heard: bool) -> None:
        self._sound, self._rate, self.heard = sound, rate, heard
        self._begun = False

    def take(self, span: AudioSpan, block: Block | None) -> None:
        """Let a span be heard."""
        self._begun = self.heard and (self._begun or block is not None)
        if not self._begun:
            return
        shown = np.zeros((1, span.samples), np.float32) if block is None else block
        channels, samples = shown.shape
        self._sound.put(AudioData("f32", self._rate, samples, channels, 0, interleaved(shown), span.first), 1)


def _latency_s(hint: str | float) -> float:
    if isinstance(hint, str):
        if hint not in _LATENCIES_S:
            raise ArgumentError(f"latency_hint is one of {', '.join(_LATENCIES_S)}, or seconds, not {hint!r}")
        return _LATENCIES_S[hint]
    return min(max(number(hint, "latency_hint"), _LEAST_S), _MOST_S)


def _speaker_of(sink_id: str | Mapping[str, str]) -> str | None:
    """Return the deviceId of a speaker, or None for no speaker."""
    if isinstance(sink_id, Mapping) and sink_id.get("type") == "none":
        return None
    if not isinstance(sink_id, str):
        raise ArgumentError(f"sink_id is a deviceId or {{'type': 'none'}}, not {sink_id!r}")
    return sink_id
