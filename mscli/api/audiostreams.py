"""The nodes that join an audio graph to streams: https://www.w3.org/TR/webaudio-1.0/#MediaStreamAudioSourceNode."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import finalize

import numpy as np

from mscli.api.audionode import AudioNode
from mscli.api.audiovalues import channel_number
from mscli.api.elementmedia import FrameDecoder
from mscli.api.mediastream import MediaStream
from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.api.programs import ProgramSource, program_track
from mscli.core.clock import MICROSECONDS
from mscli.core.errors import ArgumentError, InvalidStateError
from mscli.core.eventloop import EventLoop
from mscli.core.frames import AudioData, clip, without_first
from mscli.core.properties import AUDIO
from mscli.core.readonly import ReadOnly
from mscli.media import load_sound_converter, load_stretcher, load_timeline
from mscli.webaudio.line import Line
from mscli.webaudio.mixing import interleaved
from mscli.webaudio.processor import GraphSink, GraphSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from mscli.api.audiocontext import AudioContext
    from mscli.api.audiorender import Renderer
    from mscli.media import AudioTimeline
    from mscli.webaudio.mixing import Block
    from mscli.webaudio.processor import AudioSpan

_LAYOUTS = {4: "quad", 6: "5.1"}  # the loudspeakers of the specification's channels
_TYPES = {"u8": ("u1", 2.0**-7), "s16": ("i2", 2.0**-15), "s32": ("i4", 2.0**-31), "f32": ("f4", 1.0)}  # and the size of a step


class TrackReader:
    """A reader of a track for a graph, at the graph's rate and by its clock. Gaps are silent, and drift is corrected.

    All but ``close`` runs on the thread that renders, and never waits.
    """

    def __init__(self, track: MediaStreamTrack, renderer: Renderer) -> None:
        self._renderer, self._rate = renderer, round(renderer.graph.rate)
        self._paced = track.paced
        self._loop = EventLoop()
        self._decoder = FrameDecoder()
        self._convert: Callable[[AudioData], AudioData | None] | None = None
        self._shape: tuple[str, int, int] = ("", 0, 0)
        self._timelines = load_timeline()
        self._timeline: AudioTimeline | None = None  # since ``_origin_us``
        self._origin_us = self._end_us = 0  # the times of the first block, and of the end of the latest one
        self._last, self._next = -1, 0  # the number of the first sample of the latest block, and of the next one
        self._placed = 0  # the position of the next sample, from the origin
        self._before: AudioData | None = None  # the latest block, as long as nothing is stretched
        self._stretch: Callable[[AudioData, float], list[AudioData]] | None = None  # while drift is corrected
        self.line = Line(self._rate)
        self.close = finalize(self, track.close_queue, track.open_queue(self._loop))
        self.close.atexit = False

    def supply(self, span: AudioSpan) -> Block | None:
        """Return what is there for a span."""
        position = self._renderer.tick(span)
        self.line.turn_to(position)
        while not self._paced or self.line.end < position + span.samples:
            taken = self._loop.take(0)
            if taken is None:
                break
            for block in self._decoder.decoded(taken.frame):
                if isinstance(block, AudioData):
                    self._take(block)
        return self.line.take(position, span.samples)

    def _take(self, block: AudioData) -> None:
        sequence = self._number(block)
        shape = block.format, block.sample_rate, block.number_of_channels
        if shape != self._shape:
            self._shape, self._timeline = shape, None
            same = block.sample_rate == self._rate
            self._convert = None if same else load_sound_converter(self._rate, block.number_of_channels)
        if self._convert is not None:
            fitting = self._convert(replace(block, sequence=sequence))
            if fitting is None:
                return
            block, sequence = fitting, fitting.sequence
        if self._paced:
            self.line.put(self.line.end, _floats(block))
        else:
            self._place(block, sequence)

    def _number(self, block: AudioData) -> int:
        """Return the number of the first sample of a block. Programs number nothing."""
        sequence = block.sequence if block.sequence > self._last else self._next
        self._last, self._next = sequence, sequence + block.number_of_frames
        return sequence

    def _place(self, block: AudioData, sequence: int) -> None:
        """Put a block where it belongs by its time. If the track's clock drifts, stretch it, as in a recording."""
        if self._timeline is None or abs(block.timestamp - self._end_us) > MICROSECONDS:
            self._timeline, self._origin_us = self._timelines(self._rate, block.timestamp), block.timestamp
            self._stretch = self._before = None
        timeline, samples = self._timeline, block.number_of_frames
        self._end_us = block.timestamp + block.lasts_us
        silence, skip, position = timeline.place(block.timestamp, samples, sequence)
        begin = self._renderer.tick_of(self._origin_us)
        if silence or skip:
            self._stretch = self._before = None
        if not timeline.stretching:
            place = round(position)
            self.line.put(begin + place, _floats(block)[:, skip:])
            self._placed, self._before = place + samples - skip, block
            return
        if self._stretch is None:
            if silence or skip:
                self._placed = round(position)
            self._stretch = load_stretcher(block, self._before, self._placed)
        for part in self._stretch(without_first(block, skip) if skip < samples else clip(block, 0), position):
            self.line.put(begin + self._placed, _floats(part))
            self._placed += part.number_of_frames


def _floats(block: AudioData) -> Block:
    """Return the samples as (channels, samples), from −1 to 1."""
    kind, step = _TYPES[block.format]
    samples = np.frombuffer(block.data, kind).reshape(-1, block.number_of_channels).T
    if block.format == "u8":
        samples = samples.astype(np.float32) - 128
    return np.ascontiguousarray(samples, np.float32) if step == 1 else np.multiply(samples, np.float32(step), dtype=np.float32)


class MediaStreamAudioSourceNode(AudioNode):
    """A source with the sound of a stream: of its first audio track by ``id``.

        import mscli

        with mscli.MediaDevices() as devices, mscli.AudioContext() as context:
            with devices.get_user_media({"audio": True}) as microphone:
                voice = mscli.MediaStreamAudioSourceNode(context, media_stream=microphone)
                warmer = voice.connect(mscli.BiquadFilterNode(context, type="lowshelf", frequency=200, gain=3))
                mixed = warmer.connect(mscli.MediaStreamAudioDestinationNode(context))
                with mscli.MediaRecorder(mixed.stream, file="voice.wav"):
                    pass

    A track that stalls, is muted or has ended is silent, and never holds up the graph.

    See https://www.w3.org/TR/webaudio-1.0/#MediaStreamAudioSourceNode. Does not differ from the standard. The constructor
    raises InvalidStateError if the stream has no audio track, and TypeError.
    """

    media_stream = ReadOnly[MediaStream]()

    def __init__(self, context: AudioContext, *, media_stream: MediaStream, **channels: Any) -> None:
        if not isinstance(media_stream, MediaStream):
            raise ArgumentError(f"media_stream is a MediaStream, not {media_stream!r}")
        tracks = sorted(media_stream.get_audio_tracks(), key=lambda track: track.id)
        if not tracks:
            raise InvalidStateError("the stream has no audio track")
        super().__init__(context, _source(context, tracks[0]), **channels)
        self._media_stream = media_stream


class MediaStreamTrackAudioSourceNode(AudioNode):
    """A source with the sound of a track. It behaves as a ``MediaStreamAudioSourceNode``.

    See https://www.w3.org/TR/webaudio-1.0/#MediaStreamTrackAudioSourceNode. Does not differ from the standard. The constructor
    raises InvalidStateError if the track is not one of sound, and TypeError.
    """

    def __init__(self, context: AudioContext, *, media_stream_track: MediaStreamTrack, **channels: Any) -> None:
        if not isinstance(media_stream_track, MediaStreamTrack):
            raise ArgumentError(f"media_stream_track is a MediaStreamTrack, not {media_stream_track!r}")
        if media_stream_track.kind != AUDIO:
            raise InvalidStateError(f"a track of {media_stream_track.kind} has no sound")
        super().__init__(context, _source(context, media_stream_track), **channels)


def _source(context: AudioContext, track: MediaStreamTrack) -> GraphSource:
    """Return a source of a track's sound, whose reader ends with the context."""
    context._check_open()
    reader = TrackReader(track, context._renderer)
    context._readers.add(reader)
    return GraphSource(reader.supply)


class _ExitSource(ProgramSource):
    """The source of the track of a destination. It holds the context: the graph goes on while somebody has the track."""

    def __init__(self, context: AudioContext, channels: int) -> None:
        rate = round(context.sample_rate)
        super().__init__(AUDIO, "audio graph", first=AudioData("f32", rate, 0, channels, 0, memoryview(b"")))
        self.context: AudioContext | None = context
        self._rate, self._next = rate, 0

    def close(self) -> None:
        """Let the context go."""
        super().close()
        self.context = None

    def show(self, block: Block, at_us: int) -> None:
        """Deliver a block. It may end at any time."""
        channels, samples = block.shape
        at_us = max(at_us, self.newest_us + 1)
        frame = AudioData(
            "f32", self._rate, samples, channels, at_us, interleaved(block), self._next, layout=_LAYOUTS.get(channels, "")
        )  # fmt: skip
        self._next += samples
        with suppress(InvalidStateError):
            self.put(frame)


class _StreamExit:
    """The exit of a graph into a track. Silence has as many channels as what was before."""

    def __init__(self, track_source: _ExitSource, renderer: Renderer, channels: int) -> None:
        self._to, self._renderer, self._channels = track_source, renderer, channels

    def take(self, span: AudioSpan, block: Block | None) -> None:
        """Deliver a span."""
        if block is None:
            block = np.zeros((self._channels, span.samples), np.float32)
        self._channels = len(block)
        self._to.show(block, self._renderer.captured_us(span))

    def wanted(self) -> bool:
        """Return whether the track has not ended."""
        if self._to.ended and self in self._renderer.exits:
            self._renderer.exits.remove(self)
        return not self._to.ended


class MediaStreamAudioDestinationNode(AudioNode):
    """An end of the graph: ``stream`` has one audio track with what is connected to the node. It is like any other track.

    The track ends with the context. Times are those of the capture: sound of a microphone is in step with a camera's pictures.

    See https://www.w3.org/TR/webaudio-1.0/#MediaStreamAudioDestinationNode. Does not differ from the standard.
    """

    _usual = (2, "explicit", "speakers")

    stream = ReadOnly[MediaStream]()

    def __init__(self, context: AudioContext, **channels: Any) -> None:
        context._check_open()
        count = channel_number(channels.get("channel_count") or self._usual[0], "channel_count")
        source = _ExitSource(context, count)
        leaving = _StreamExit(source, context._renderer, count)
        sink = GraphSink(leaving.take, leaving.wanted)
        super().__init__(context, sink, **channels)
        self._stream = MediaStream([program_track(source, owner=context._owner)])
        context._sources.add(source)
        context._renderer.exits.append(leaving)
        self._post(lambda: context._graph.keep(sink))

    @property
    def number_of_outputs(self) -> int:
        """Return 0: the stream follows."""
        return 0
