"""Tracks whose frames a program makes: their source, their events, and what every such track shares.

A canvas, a generator and an iterable of frames are such sources. No ``MediaDevices`` owns them: a source runs its own events,
on a thread that exists from the first event until the source is closed.
"""

from __future__ import annotations

import atexit
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from threading import RLock
from typing import Any
from weakref import WeakSet

from mscli.api.eventthread import EventThread
from mscli.api.getusermedia import Workers
from mscli.api.mediadevices import close_left_open
from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.api.sharing import boxes_beside, settings_of
from mscli.core.boxes import Mode, Scalar
from mscli.core.constraints import Constraints, parse_constraints
from mscli.core.errors import ArgumentError, InvalidStateError
from mscli.core.eventloop import EventLoop, Task
from mscli.core.flaws import flaw_of
from mscli.core.frames import SAMPLE_FORMATS, AudioData, Media, VideoFrame, VideoMedia
from mscli.core.select import select_settings
from mscli.core.webidl import track_constraints
from mscli.sources.base import Abilities
from mscli.sources.track import TrackSource, Worker

USUAL_RATE = 30.0  # frames per second, as far as a program does not say
_USUAL_VIDEO = Mode("I420", 640, 480, USUAL_RATE)  # before the first frame
_USUAL_AUDIO: Mapping[str, Scalar] = {"sampleRate": 48_000, "channelCount": 1, "sampleSize": 16}
_KINDS = {"video": VideoFrame, "audio": AudioData}


class ProgramSource(TrackSource):
    """A source whose frames a program puts in. Its settings are those of the latest frame.

    ``live``: whether late readers lose frames. If not, ``put`` waits for them.
    """

    def __init__(self, kind: str, label: str, *, live: bool = True, first: Media | None = None) -> None:
        super().__init__(kind, label)
        self.live = live
        self.frame_rate = USUAL_RATE
        self._mode = _USUAL_VIDEO
        self._sound = dict(_USUAL_AUDIO)
        self._muted = False
        self._putting = RLock()
        self.on_close: Callable[[], None] = lambda: None
        if first is not None:
            self._describe(first)

    def capabilities(self) -> Abilities:
        """Return the settings of the latest frame as the only ones."""
        if self.kind == "video":
            return Abilities([self._mode])
        return Abilities(values={name: (value,) for name, value in self._sound.items()})

    @property
    def muted(self) -> bool:
        """Return whether frames are left out."""
        return self._muted

    @muted.setter
    def muted(self, muted: bool) -> None:
        if muted != self._muted:
            self._muted = muted
            for consumer in self.consumers:
                consumer.source_muted(self, muted, "")

    def resize(self, width: int, height: int) -> None:
        """Expect frames of another size."""
        self._change(self._mode._replace(width=width, height=height))

    def put(self, frame: Media) -> None:
        """Deliver a frame. While muted, drop it.

        Raises TypeError for the wrong kind of frame, ValueError for one that is not what it says or whose timestamp does not
        rise, and InvalidStateError after the end.
        """
        if not isinstance(frame, VideoFrame | AudioData) or not isinstance(frame, _KINDS[self.kind]):
            raise ArgumentError(f"a track of {self.kind} takes {_KINDS[self.kind].__name__}, not {type(frame).__name__}")
        if frame.closed:
            raise InvalidStateError("the frame is closed")
        flaw = flaw_of(frame)
        if flaw:
            raise ValueError(flaw)
        with self._putting:
            if self.ended:
                raise InvalidStateError("the track has ended")
            if frame.timestamp <= self.newest_us:
                raise ValueError(f"timestamps must rise: {frame.timestamp} µs comes after {self.newest_us} µs")
            if self._muted:
                return
            self._describe(frame)
            self._spread(frame)

    def close(self) -> None:
        """Tell the program that nobody reads any more."""
        self.on_close()

    def _describe(self, frame: Media) -> None:
        if isinstance(frame, VideoMedia):
            form = frame.format if isinstance(frame, VideoFrame) else ""
            self._change(Mode(form, frame.display_width, frame.display_height, self.frame_rate))
        elif isinstance(frame, AudioData):
            bits = SAMPLE_FORMATS[frame.format].bits
            found = {"sampleRate": frame.sample_rate, "channelCount": frame.number_of_channels, "sampleSize": bits}
            changed, self._sound = found != self._sound, dict(found)
            self._notify(changed)

    def _change(self, mode: Mode) -> None:
        changed, self._mode = mode != self._mode, mode
        self._notify(changed)

    def _notify(self, changed: bool) -> None:
        for consumer in self.consumers if changed else ():
            consumer.source_changed(self)


class EventOwner(ABC):
    """An owner of tracks that runs their events on a thread of its own, until it is over."""

    def __init__(self) -> None:
        self._event_loop = EventLoop()
        self._events = EventThread(self._event_loop)
        self._workers = Workers()
        self._closed = False
        _OWNERS.add(self)

    def post(self, task: Task) -> None:
        """Run a task on the thread that runs events. Those of a recording that ends after the source start it again."""
        self._event_loop.post(task)
        self._events.start()
        if self._closed:
            self._events.end()

    def keep(self, worker: Worker) -> None:
        """Wait for a worker at the end of the program."""
        self._workers.keep(worker)

    @abstractmethod
    def forget(self, source: TrackSource) -> None:
        """Note that a source was closed with its last track."""

    @abstractmethod
    def end(self) -> None:
        """End the sources: no more frames come."""

    def close_events(self) -> None:
        """End the thread after the events that were posted so far."""
        if not self._closed:
            self._closed = True
            self._events.end()

    def stop_events(self) -> None:
        """End the thread, and wait for the events that were posted so far. A listener may call this."""
        self._closed = True
        self._events.stop()

    def wait(self) -> None:
        """Wait for the workers, and for the listeners of their events."""
        self._workers.join()
        self._events.stop()


class ProgramOwner(EventOwner):
    """The owner of the tracks of one source, which ends with it."""

    def __init__(self, source: ProgramSource) -> None:
        self._source = source
        super().__init__()

    def forget(self, source: TrackSource) -> None:  # noqa: ARG002 (there is only one)
        """End the thread."""
        self.close_events()

    def end(self) -> None:
        """End the source."""
        self._source.end()


class ProgramTrack(MediaStreamTrack):
    """A track of a program's frames. Without constraints of its own it has the size of the frames, also if that changes."""

    source: ProgramSource

    @property
    def constraints_to_stay(self) -> Constraints:
        """Return the constraints, followed by the wish to have what the source delivers."""
        return self._staying(self._constraints, dict(self._program.settings()))

    @property
    def constraints_to_follow(self) -> Constraints:
        """Return the same: a program's frames are followed from the first one on."""
        return self.constraints_to_stay

    @property
    def _program(self) -> ProgramSource:
        return self.source

    def source_changed(self, source: TrackSource) -> None:
        """Adapt at once, on the thread that puts frames in, because the very next frame is different."""
        if self.source is source and self.ready_state == "live":
            before = self._overconstrained
            event = self._follow()
            if event is not None or self._overconstrained is not before:
                self.post(partial(self._notify_followed, event))


_OWNERS: WeakSet[EventOwner] = WeakSet()
os.register_at_fork(after_in_child=_OWNERS.clear)  # their threads are the parent's: the child must not wait for them


def program_track(
    source: ProgramSource,
    constraints: Mapping[str, Any] | None = None,
    kind: type[ProgramTrack] = ProgramTrack,
    owner: EventOwner | None = None,
    **more: Any,
) -> ProgramTrack:
    """Return a started track of a source. Raises TypeError and OverconstrainedError for its constraints."""
    asked = parse_constraints(track_constraints(constraints), source.kind)
    selection = select_settings(boxes_beside(source, (), source), asked)
    track = kind(source, owner or ProgramOwner(source), settings_of(source, selection), asked, **more)
    source.start()
    return track


def as_frame(picture: Any, timestamp: int, duration: int | None = None) -> VideoFrame:
    """Return a picture of NumPy, PyAV or Pillow as a frame of this time. A frame, and a picture of PyAV, keeps its own.

    Raises TypeError for anything else, and ValueError for a wrong shape.
    """
    if isinstance(picture, VideoFrame):
        return picture
    if hasattr(picture, "to_ndarray") and hasattr(picture, "planes"):
        return _of_av(picture, timestamp, duration)
    if hasattr(picture, "getbands") and hasattr(picture, "convert"):
        return _of_pillow(picture, timestamp, duration)
    return VideoFrame.from_ndarray(picture, timestamp=timestamp, duration=duration)


def _of_av(picture: Any, timestamp: int, duration: int | None) -> VideoFrame:
    """Return a picture of PyAV as a frame with its own time and duration, or with these as far as it has none."""
    frame = VideoFrame.from_av(picture)
    timed = picture.pts is not None and picture.time_base is not None
    return replace(
        frame,
        timestamp=frame.timestamp if timed else timestamp,
        duration=duration if frame.duration is None else frame.duration,
    )


def _of_pillow(image: Any, timestamp: int, duration: int | None) -> VideoFrame:
    """Return an image of Pillow as a frame. Its modes with other components are converted."""
    from mscli.core.frames import BT601, split_planes

    mode = image.mode if image.mode in _PILLOW else "RGBA" if "A" in image.getbands() else "RGB"
    form, (width, height) = _PILLOW[mode], image.size
    planes, strides = split_planes(form, width, height, memoryview(image.convert(mode).tobytes()))
    color = BT601._replace(full_range=True)
    return VideoFrame(form, width, height, timestamp, planes, strides, duration, color_space=color)


_PILLOW = {"L": "GREY", "RGB": "RGB24", "RGBA": "RGBA"}


@atexit.register
def _finish_at_exit() -> None:
    """Finish the recordings of a program that has ended without waiting for them."""
    owners = list(_OWNERS)
    for owner in owners:
        owner.end()
    close_left_open()  # a recording may also have tracks of devices
    for owner in owners:
        owner.wait()
