"""The interface between a track and its source, seen from both sides.

A device is a ``TrackSource``, and so is anything else that produces frames: a program, a file, a screen.
https://www.w3.org/TR/mediacapture-streams/#the-model-sources-sinks-constraints-and-settings
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from threading import Condition, RLock
from typing import TYPE_CHECKING, Protocol
from weakref import ref

from mscli.core.boxes import Span, values_of
from mscli.core.errors import DOMException, NotReadableError, NotSupportedError
from mscli.core.flaws import flaw_of
from mscli.core.frames import own_copy
from mscli.core.limits import USUAL_TIMEOUTS
from mscli.core.locks import shared_lock
from mscli.core.properties import KINDS
from mscli.core.tuples import NamedTuple
from mscli.sources.base import device_noun

if TYPE_CHECKING:
    from mscli.core.boxes import Box, Mode, Scalar, Values
    from mscli.core.constraints import Rule
    from mscli.core.frames import Media
    from mscli.core.selection import Settings
    from mscli.sources.base import Abilities


class Consumer(Protocol):
    """A consumer of a source's frames: a track.

    A source calls ``deliver`` and the ``source_...`` methods from any thread. None of them raises. ``deliver`` may wait if the
    source is paced; no other call waits.
    """

    settings: Settings

    @property
    def is_read(self) -> bool:
        """Return whether anybody takes the track's frames now."""

    def accepts(self, boxes: Sequence[Box]) -> bool:
        """Return whether settings in these boxes could satisfy the required constraints."""

    @property
    def required(self) -> Sequence[Rule]:
        """Return the required constraints."""

    def forbids(self, resize_mode: str) -> bool:
        """Return whether the constraints exclude this resizeMode."""

    def remember(self) -> Callable[[], None]:
        """Return a function that restores the current settings and constraints."""

    def reshape(self) -> None:
        """Derive the track's frames from what the source delivers now."""

    def follow(self) -> None:
        """Try the constraints again, because the source was changed for another track."""

    def regain(self) -> None:
        """Try to return to the size and rate that were chosen for the constraints, because another track has left."""

    def stop(self) -> None:
        """End. Whoever uses the sources closes them."""

    def deliver(self, frame: Media) -> None:
        """Take a frame or chunk. A frame without planes or data stands for black or silence."""

    def close_queues(self) -> None:
        """Close the queues, because no frame will follow."""

    def source_muted(self, source: TrackSource, muted: bool, reason: str) -> None:
        """Note that frames of this source have stopped and why, or that they come again."""

    def source_changed(self, source: TrackSource) -> None:
        """Note that this source has changed its settings by itself."""

    def source_warned(self, source: TrackSource, reason: str) -> None:
        """Note something about this source that cannot be right, and how it is handled."""

    def source_ended(self, source: TrackSource) -> None:
        """Note that this source delivers no more frames."""


class SettingsChange(NamedTuple):
    """A change to other settings of a source."""

    settings: Settings
    mode: Mode | None
    adopt: Callable[[], None]  # called before the first frame with the new settings
    restore: Callable[[], None]  # called if the source continues with the old settings


class Worker(Protocol):
    """A worker on tracks' frames, or after their end, on its own thread: a recording, or a driver that stops.

    The thread keeps the worker alive while it works.
    """

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait for the work to end, which it does after its tracks have ended. Return False if it does not, in time or ever."""


class TrackSource(ABC):
    """A source of frames for tracks.

    ``kind`` is "video" or "audio". A ``live`` source delivers frames at its own pace, so a late reader loses the oldest. A
    paced source (``live`` is False) waits for its readers and loses nothing: ``deliver`` returns once all have room.

    A subclass defines what the source can do, and its current settings if there are several. It calls ``deliver`` for each
    frame, with rising timestamps in microseconds, from 0 on, and ``end`` if there are no more. A frame that is not what it says
    ends the source with an error. Between ``start`` and ``close`` it may own threads, each with a name.
    """

    live = True
    finite = False  # whether it has an end, as a file has, although it may be live
    together: object = None  # what it shares with the sources whose frames come from the same thread, all in order of time

    def __init__(self, kind: str, label: str) -> None:
        self.kind, self.label = kind, label
        self.error: DOMException | None = None  # why it ended by itself or is gone
        self.lost = 0  # frames, or samples per channel, that did not reach us
        self.retimed = 0  # frames, or samples per channel, with an impossible timestamp
        self.timeouts = USUAL_TIMEOUTS  # how long it may go without a frame or an answer
        self.newest_us = -1  # the timestamp of the newest frame
        self.turn = RLock()  # held to choose its settings; nothing else waits for it
        # By ``id``, and weak, so that an unreferenced track ends. Needs no lock: every access is atomic in Python.
        self._consumers: dict[int, ref[Consumer]] = {}
        self._ended = self._closed = False
        self._lock = shared_lock()  # of everything that several threads change
        self._read = Condition(self._lock)  # notified when somebody starts reading, or at the end

    # Properties

    @abstractmethod
    def capabilities(self) -> Abilities:
        """Return what the source can be set to: modes for video, values for sound."""

    def settings(self) -> Mapping[str, Scalar]:
        """Return the current settings, by IDL name. By default: the first values and the current mode."""
        fixed: dict[str, Scalar] = {name: _first(values) for name, values in self.capabilities().values.items()}
        if self.mode is None:
            return fixed
        width, height, rate = (_first(values_of(side)) for side in self.mode[1:])
        return {**fixed, "width": width, "height": height, "aspectRatio": float(width) / float(height), "frameRate": rate}

    @property
    def mode(self) -> Mode | None:
        """Return the current mode, by default the first one, or None for sound."""
        return next(iter(self.capabilities().modes), None)

    @property
    def name(self) -> str:
        """Return the source's name for messages."""
        return f"“{self.label}”"

    @property
    def noun(self) -> str:
        """Return what it is, before its label."""
        return device_noun(KINDS[self.kind])

    @property
    def input_name(self) -> str:
        """Return the name for messages of a file or a pipe, or "" for anything else."""
        return ""

    @property
    def muted(self) -> bool:
        """Return whether its tracks are black or silent."""
        return False

    @property
    def ended(self) -> bool:
        """Return whether no more frames will come."""
        return self._ended

    @property
    def at_its_end(self) -> bool:
        """Return whether it has ended as it had to. A device never has to."""
        return self.ended and self.error is None and (self.finite or not self.live)

    @property
    def left_behind(self) -> str:
        """Return a sentence for people about something that could not be closed, or ""."""
        return ""

    # Operations

    def start(self) -> None:  # noqa: B027 (some sources begin with their first reader)
        """Start delivering frames. Called once, after the first track was created. Raises NotReadableError."""

    def close(self) -> None:  # noqa: B027 (some sources hold nothing)
        """Stop delivering frames. Called once, after the last track has left, without holding a lock."""

    def runs(self, settings: Mapping[str, Scalar], mode: Mode | None) -> bool:
        """Return whether the source has these settings already."""
        return mode == self.mode and all(settings.get(name, now) == now for name, now in self.settings().items())

    def apply(self, change: SettingsChange) -> None:  # noqa: ARG002 (most have one mode)
        """Change to other settings within the capabilities. Never called for a source with a single mode.

        If that fails, call ``change.restore`` and raise NotReadableError.
        """
        raise NotSupportedError(f"{self.name} has no other settings")

    def set_controls(self, controls: Mapping[str, Scalar]) -> bool:  # noqa: ARG002 (most have no controls)
        """Set controls while the source runs, without interrupting frames. Return whether there was anything to set.

        ``settings`` then contains the resulting values. Raises NotReadableError, also if the source is gone.
        """
        return False

    # Its tracks

    @property
    def consumers(self) -> tuple[Consumer, ...]:
        """Return the tracks of this source."""
        known = list(self._consumers.values())  # not tuple(): that may run the collector first
        return tuple([consumer for reference in known if (consumer := reference()) is not None])

    @property
    def wanted(self) -> bool:
        """Return whether a track uses the source."""
        return bool(self._consumers) and not self.ended

    def attach(self, consumer: Consumer) -> None:
        """Deliver frames to another consumer, as long as somebody holds it. When it is freed, it calls ``leave``."""
        self._consumers[id(consumer)] = ref(consumer)

    def leave(self, consumer: Consumer) -> None:
        """Stop delivering to a consumer. Takes no lock, as a destructor needs it."""
        self._consumers.pop(id(consumer), None)

    def detach(self, consumer: Consumer) -> bool:
        """Stop delivering to a consumer, and close the source if it was the last. Return whether it was."""
        self.leave(consumer)
        return self.close_if_unused()

    def close_if_unused(self) -> bool:
        """Close the source if it has no consumer. Return whether it has none."""
        with self._lock:
            if self._consumers:
                return False
            closed, self._closed = self._closed, True
            self._lose_last_track()
            self._read.notify_all()
        if not closed:
            self.close()
        return True

    def _lose_last_track(self) -> None:
        self._ended = True

    def note_reader(self) -> None:
        """Note that somebody has started reading one of the tracks."""
        with self._lock:
            self._read.notify_all()

    # What its tracks get

    def deliver(self, frame: Media) -> None:
        """Deliver a frame to every track. If the source is paced, wait until somebody reads and has room."""
        flaw = flaw_of(frame, self.kind)
        if flaw:
            self.end(NotReadableError(f"{self.name} is broken: {flaw}"))
        else:
            self._spread(frame)

    def _spread(self, frame: Media) -> None:
        """Deliver a frame that is known to be what it says."""
        if not self.live:
            self._wait_for_reader()
        self.newest_us = frame.timestamp
        consumers = self.consumers
        for consumer in consumers[1:]:
            consumer.deliver(own_copy(frame))
        if consumers:
            consumers[0].deliver(frame)  # last: it may close the frame at once

    def end(self, error: DOMException | None = None) -> None:
        """Close the queues after the last frame and notify the tracks. ``error``: why, if the end is unexpected."""
        with self._lock:
            if not self._ended:
                self._ended, self.error = True, error
                self._read.notify_all()
                self._end_tracks()

    def _end_tracks(self) -> None:
        for consumer in self.consumers:
            consumer.close_queues()
            consumer.source_ended(self)

    def _wait_for_reader(self) -> None:
        with self._lock:
            while not self.ended and not any(consumer.is_read for consumer in self.consumers):
                self._read.wait()


def _first(values: Values) -> Scalar:
    return values.min if isinstance(values, Span) else values[0]
