"""Between the threads of devices and the one thread that consumes: bounded lanes of frames, and a queue of events.

A device's thread puts and never waits. The consumer takes the earliest frame of all its lanes and runs queued events between
frames. Bounds and policies stand where the lanes are made: see ``Lane``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Condition, RLock
from time import monotonic
from typing import NamedTuple

from mscli.core.frames import Frame, VideoFrame, frame_size, is_light

VIDEO_LANE_BYTES = 64 * 1024 * 1024  # ten frames of 1080p BGRX, or a second of 720p I420 and more
VIDEO_LANE_SECONDS = 2
OVERLOAD_SECONDS = 0.25
AUDIO_LANE_SECONDS = 30

Task = Callable[[], None]


class Lane:
    """A bounded queue of frames from one track to one consumer: what an overload costs is decided here.

    Bound: VIDEO_LANE_SECONDS and ``limit_bytes`` of picture, AUDIO_LANE_SECONDS of sound. What is above it, the oldest frames
    first, is dropped and counted; the consumer sees the gap in the timestamps. One frame is always kept, whatever its size.
    Of a camera's H.264 the frames that cannot be decoded without a dropped one go with it.

    A consumer that is late for once finds all that came meanwhile. One that is overloaded is brought near to the present, so
    that little is lost with the power: once a picture was dropped, and until the lane has been empty, the oldest goes for each
    that comes if it has waited for more than OVERLOAD_SECONDS and the next can be decoded without it. That costs only what
    would have waited at the overload's end, for the consumer is never without work.

    A consumer takes the earliest frame of all its lanes. So sound waits behind the pictures that an encoder is slow with, but
    not longer than these may wait, and the time that one of them takes: an overload drops pictures, never sound. When the
    lanes are closed the pictures' time runs on, so that what is left to do has a bound, too.
    """

    def __init__(self, mailbox: Mailbox, limit_bytes: int = VIDEO_LANE_BYTES) -> None:
        self.dropped = 0  # frames, or samples per channel
        self._end_us: int | None = None
        self._past_end = False  # whether a frame has come that is not wanted any more
        self.closed = False
        self._limit = limit_bytes
        self._held = 0
        self._frames: deque[_Waiting] = deque()
        self._broken = False  # whether the frame before the next one was dropped
        self._overloaded = False  # whether one was dropped since the lane was empty
        self._mailbox = mailbox

    def put(self, frame: Frame) -> None:
        """Hand a frame over; never waits. Called on the device's thread. After close: nothing."""
        with self._mailbox.lock:
            if self.closed or self._is_past_end(frame):
                return
            waiting = _Waiting(frame, monotonic(), frame.nbytes)
            self._frames.append(waiting)
            self._held += waiting.nbytes
            if self._overloaded and self._waits_longer(OVERLOAD_SECONDS) and self._frames[1].whole:
                self._drop_oldest()
            self._drop_above(self._bound(frame))
            if not (self._mailbox.gathers and is_light(frame)) or self._past_end:
                self._mailbox.changed.notify_all()

    def end_at(self, end_us: int | None) -> None:
        """Take no frames of that instant or later, but for the first, by which the consumer sees that it is over."""
        with self._mailbox.lock:
            if end_us != self._end_us:
                self._end_us, self._past_end = end_us, False

    def close(self) -> None:
        """No more frames will come; those that wait can still be taken."""
        with self._mailbox.lock:
            self.closed = True
            self._mailbox.changed.notify_all()

    @property
    def finished(self) -> bool:
        """Whether the lane is closed and drained."""
        return self.closed and not self._frames

    def head(self) -> Frame | None:
        """The frame that would be taken next. The caller holds the mailbox's lock."""
        self._drop_above(self._held)
        return self._frames[0].frame if self._frames else None

    def pop(self) -> Frame:
        """Take the oldest frame. The caller holds the mailbox's lock."""
        waiting = self._frames.popleft()
        self._held -= waiting.nbytes
        self._overloaded = self._overloaded and bool(self._frames)
        return waiting.frame

    def _is_past_end(self, frame: Frame) -> bool:
        if self._end_us is None or frame.timestamp < self._end_us:
            return False
        seen, self._past_end = self._past_end, True
        return seen

    def _bound(self, frame: Frame) -> int:
        if isinstance(frame, VideoFrame):
            return self._limit
        return AUDIO_LANE_SECONDS * frame.sample_rate * frame.nbytes // max(1, frame.number_of_frames)

    def _drop_above(self, limit: int) -> None:
        """Drop what is more than ``limit`` bytes, or a picture that has waited too long, and what is of no use without it."""
        while (len(self._frames) > 1 and self._held > limit) or self._waits_longer(VIDEO_LANE_SECONDS):
            self._drop_oldest()
        while self._broken and self._frames and not self._frames[0].whole:
            self._drop_oldest()
        self._broken = self._broken and not self._frames

    def _waits_longer(self, seconds: float) -> bool:
        """Whether the oldest frame is a picture that has waited for longer, and not the only one."""
        return len(self._frames) > 1 and self._frames[0].is_picture_of(monotonic() - seconds)

    def _drop_oldest(self) -> None:
        self.dropped += frame_size(self.pop())
        self._broken = self._overloaded = True


class _Waiting(NamedTuple):
    """A frame in a lane."""

    frame: Frame
    since_s: float  # on the monotonic clock
    nbytes: int

    @property
    def whole(self) -> bool:
        """Whether it can be decoded without the frames before it."""
        return not isinstance(self.frame, VideoFrame) or self.frame.key

    def is_picture_of(self, before_s: float) -> bool:
        """Whether it is a picture that came before that instant."""
        return isinstance(self.frame, VideoFrame) and self.since_s < before_s


class Taken(NamedTuple):
    """A frame and the lane that it came by."""

    lane: Lane
    frame: Frame


class Mailbox:
    """Everything that one consumer waits for: its lanes, and tasks (events to fire, signals) to run on its thread.

    The queue of tasks has no bound: what is posted are state changes of a device, a few in its life, never frames.

    ``gather_s``: for so long, at most, sound and encoded pictures wait for one another. They come up to a hundred times a
    second, and to write one is less work than to wake a thread for it. All else wakes the consumer at once: raw pictures are
    too large to be kept waiting.
    """

    def __init__(self, gather_s: float = 0.0) -> None:
        self.lock = RLock()  # taken for each frame by itself: as a part of the condition it would take twice as long
        self.changed = Condition(self.lock)
        self.gathers = gather_s > 0
        self._gather_s = gather_s
        self._lanes: list[Lane] = []
        self._tasks: deque[Task] = deque()

    def lane(self, limit_bytes: int = VIDEO_LANE_BYTES) -> Lane:
        """A new lane into this mailbox."""
        lane = Lane(self, limit_bytes)
        with self.lock:
            self._lanes.append(lane)
        return lane

    def remove(self, lane: Lane) -> None:
        """Forget a lane, and what still waits in it."""
        with self.lock:
            lane.closed = True
            if lane in self._lanes:
                self._lanes.remove(lane)

    def post(self, task: Task) -> None:
        """Have ``task`` run on the consumer's thread, before the next frame. Safe from any thread."""
        with self.lock:
            self._tasks.append(task)
            self.changed.notify_all()

    @property
    def finished(self) -> bool:
        """Whether every lane is closed and drained."""
        with self.lock:
            return all(lane.finished for lane in self._lanes)

    def run_tasks(self) -> None:
        """Run what was posted up to now, in order, on the calling thread."""
        while True:
            with self.lock:
                if not self._tasks:
                    return
                task = self._tasks.popleft()
            task()

    def wait(self, timeout_s: float) -> None:
        """Wait until something is posted or put, or the time is over; then run the tasks."""
        with self.lock:
            if not self._tasks and self._earliest() is None:
                self.changed.wait(timeout_s)
        self.run_tasks()

    def take(self, timeout_s: float) -> Taken | None:
        """The earliest frame that waits, after the tasks before it; None when none came in time or all lanes are finished."""
        deadline = monotonic() + timeout_s
        while True:
            if self._tasks:
                self.run_tasks()
            with self.lock:
                if self._tasks:
                    continue
                lane = self._earliest()
                if lane is not None:
                    return Taken(lane, lane.pop())
                left = deadline - monotonic()
                if left <= 0 or all(lane.finished for lane in self._lanes):
                    return None
                self.changed.wait(min(left, self._gather_s) if self.gathers else left)

    def _earliest(self) -> Lane | None:
        best: Lane | None = None
        best_us = 0
        for lane in self._lanes:
            head = lane.head()
            if head is not None and (best is None or head.timestamp < best_us):
                best, best_us = lane, head.timestamp
        return best
