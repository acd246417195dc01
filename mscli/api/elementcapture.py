"""Tracks of what a media element plays: they begin and end with its playback.

https://www.w3.org/TR/mediacapture-fromelement/#html-media-element-media-capture-extensions
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any
from weakref import ref

from mscli.api.mediastream import MediaStream
from mscli.api.mediastreamtrack import MediaStreamTrackEvent
from mscli.api.programs import EventOwner, ProgramSource, program_track
from mscli.core.boxes import Mode, Scalar
from mscli.core.clock import MICROSECONDS
from mscli.core.errors import InvalidStateError
from mscli.core.frames import SAMPLE_FORMATS, AudioData, VideoFrame
from mscli.core.properties import AUDIO
from mscli.core.tuples import NamedTuple

_MOST_SILENCE_US = MICROSECONDS  # what is filled in at once


class TrackShape(NamedTuple):
    """The shape of what an element plays: the mode of its pictures, or the settings of its sound."""

    mode: Mode | None = None
    sound: Mapping[str, Scalar] | None = None


class ElementSource(ProgramSource):
    """The source of a captured track. While it is muted, pictures stand still, and sound is silent."""

    finite = True

    def __init__(self, kind: str, label: str, shape: TrackShape) -> None:
        super().__init__(kind, label)
        if shape.mode is not None:
            self._mode = shape.mode
            self.frame_rate = float(self.settings()["frameRate"])
        self._sound |= shape.sound or {}
        self._muted = True
        self._next = 0  # the number of the next frame, or sample
        rate, channels = int(self._sound["sampleRate"]), int(self._sound["channelCount"])
        self._latest = AudioData("s16", rate, 0, channels, 0, memoryview(b""))  # the block whose shape silence has
        self._end_us: int | None = None  # when the latest block ends

    def show(self, frame: VideoFrame | AudioData) -> None:
        """Deliver a frame that is played. Whoever plays does not know whether the source has just ended."""
        frame = replace(frame, timestamp=max(frame.timestamp, self.newest_us + 1), sequence=self._next)
        try:
            self.put(frame)
        except InvalidStateError:
            if not self.ended:
                raise
            return
        self._next += frame.count
        if isinstance(frame, AudioData):
            self._latest, self._end_us = frame, frame.timestamp + frame.lasts_us

    def fill(self, until_us: int) -> None:
        """Deliver silence up to a time if the track is muted."""
        if not self._muted:
            return
        like = self._latest
        from_us = until_us if self._end_us is None else max(self._end_us, until_us - _MOST_SILENCE_US)
        self._end_us = from_us
        samples = (until_us - from_us) * like.sample_rate // MICROSECONDS
        if samples <= 0:
            return
        data = memoryview(SAMPLE_FORMATS[like.format].silence * (samples * like.number_of_channels))
        at_us = max(from_us, self.newest_us + 1)
        block = replace(like, number_of_frames=samples, timestamp=at_us, data=data, sequence=self._next)
        with self._putting:
            if not self.ended:
                self._spread(block)
        self._next += samples
        self._end_us = at_us + block.lasts_us


class ElementCapture:
    """One captured stream: the sources of its tracks. It does not hold the stream.

    ``owner``: runs the events.
    """

    def __init__(self, stream: MediaStream, owner: EventOwner) -> None:
        self._stream = ref(stream)
        self._owner = owner
        self._sources: dict[str, ElementSource] = {}

    @property
    def dropped(self) -> bool:
        """Return whether nobody has the stream or one of its tracks any more."""
        return self._stream() is None and not any(source.consumers for source in self._sources.values())

    def begin(self, label: str, shapes: Mapping[str, TrackShape], *, announced: bool) -> None:
        """Add a track for each kind, unless there are some. ``announced``: whether ``addtrack`` fires."""
        stream = self._stream()
        if self._sources or stream is None:
            return
        for kind, shape in shapes.items():
            self._sources[kind] = source = ElementSource(kind, label, shape)
            track = program_track(source, owner=self._owner)
            stream.add_track(track)
            if announced:
                self._fire(stream, "addtrack", track)

    def end(self) -> None:
        """End the tracks, and take them out of the stream after their ``ended`` events."""
        sources, self._sources = self._sources, {}
        for source in sources.values():
            source.end()
        stream = self._stream()
        if stream is not None and sources:
            self._owner.post(partial(self._take_out, stream, list(sources.values())))

    def _take_out(self, stream: MediaStream, sources: list[ElementSource]) -> None:
        for track in [track for track in stream.get_tracks() if track.source in sources]:
            stream.remove_track(track)
            stream.fire(MediaStreamTrackEvent("removetrack", {"track": track}))

    def _fire(self, stream: MediaStream, name: str, track: Any) -> None:
        self._owner.post(lambda: stream.fire(MediaStreamTrackEvent(name, {"track": track})))

    def show(self, kind: str, frame: VideoFrame | AudioData) -> None:
        """Deliver what is played."""
        source = self._sources.get(kind)
        if source is not None and not source.ended:
            source.show(frame)

    def mute(self, muted: Mapping[str, bool]) -> None:
        """Mute or unmute the tracks by their kinds, with silence in between from now on."""
        for kind, source in list(self._sources.items()):
            source.muted = muted[kind]

    def fill(self, now_us: int) -> None:
        """Deliver silence as long as the sound is muted."""
        source = self._sources.get(AUDIO)
        if source is not None and not source.ended:
            source.fill(now_us)
