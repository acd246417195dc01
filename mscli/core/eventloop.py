"""The connection between source threads and the consumer's thread: bounded queues of frames, and a queue of tasks.

The consumer takes the earliest frame of all its queues and runs queued tasks between frames. ``FrameQueue`` documents the
bounds and policies.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Condition
from time import monotonic
from typing import TYPE_CHECKING

from mscli.core.frames import EncodedVideoChunk, Media, VideoMedia, is_light
from mscli.core.limits import AUDIO_QUEUE_SECONDS, OVERLOAD_SECONDS, PACED_LEAD_US, VIDEO_QUEUE_SECONDS
from mscli.core.locks import shared_lock
from mscli.core.log import Burst, Log
from mscli.core.tuples import NamedTuple

if TYPE_CHECKING:
    from mscli.core.window import Pauses

VIDEO_QUEUE_BYTES = 64 * 1024 * 1024  # ten frames of 1080p BGRX, or a second of 720p I420 and more
PACED_FRAMES = 16  # enough to keep both sides busy, and quickly written when a recording ends

Task = Callable[[], None]

_log = Log("queue")


DROP_OLDEST, DROP_NEWEST, BLOCK = WHEN_FULL = ("drop-oldest", "drop-newest", "block")


class QueueLimits(NamedTuple):
    """The bound and the policy of a queue, if they differ from the usual ones that ``FrameQueue`` describes.

    ``when_full``: one of WHEN_FULL, or "" for the usual one of the source. BLOCK for a live source, which cannot wait, is
    DROP_NEWEST: that is also what a driver does whose buffers are all in use. ``nbytes``, ``lasts_us``: the bound, in bytes, or
    in time from the oldest frame to the newest (microseconds).
    """

    when_full: str = ""
    nbytes: int | None = None
    lasts_us: int | None = None

    @property
    def bounded(self) -> bool:
        """Return whether there is a bound."""
        return self.nbytes is not None or self.lasts_us is not None

    def waits(self, *, paced: bool) -> bool:
        """Return whether the source waits for room. ``paced``: whether it can."""
        return paced and self.when_full in ("", BLOCK)


USUAL_LIMITS = QueueLimits()


class FrameQueue:
    """A bounded queue of frames from one track to one consumer. The queue sets the bound, the source sets the policy.

    **Bound**: ``limit_bytes`` of video, AUDIO_QUEUE_SECONDS of sound. At least one frame is always kept, whatever its size.
    ``limit_frames``: the most frames or blocks, besides; encoded pictures do not count, because they depend on each other.

    **Paced** (a file, a program): ``put`` waits until there is room, for PACED_FRAMES frames at most. Nothing is dropped. The
    wait ends when either side closes the queue. No frame is taken during a pause, so the source waits, too. Several paced
    queues are read in step: none is more than PACED_LEAD_US ahead of one that is empty, whose source is slower.

    **Live** (a device): ``put`` never waits. Frames above the bound and video frames older than VIDEO_QUEUE_SECONDS are dropped
    and counted, oldest first. The consumer sees the gap in the timestamps. Delta chunks that depend on a dropped chunk are
    dropped too.

    A live consumer that is late once finds everything that arrived in the meantime. A consumer that is overloaded is kept close
    to the present, so that little is lost if the power fails. From the first dropped video frame until the queue is empty, each
    new frame displaces the oldest one, if that has waited for more than OVERLOAD_SECONDS and the next frame can be decoded
    without it. This only loses frames that would have been dropped at the end of the overload anyway, because the consumer
    always has work.

    ``limits`` replaces the bound, the policy, or both. With a bound of its own, a queue has no other: neither by age nor during
    an overload.

    A consumer takes the earliest frame of all its queues. So live sound waits behind the video frames of a slow encoder, but
    not for longer than these may wait plus the time that one of them takes. An overload drops video, never sound. After the
    queues are closed, the limit for video frames still applies, so the remaining work is bounded as well.
    """

    def __init__(
        self,
        event_loop: EventLoop,
        limit_bytes: int = VIDEO_QUEUE_BYTES,
        limit_frames: int | None = None,
        *,
        paced: bool = False,
        together: object = None,
        label: str = "frames",
        limits: QueueLimits = USUAL_LIMITS,
    ) -> None:
        self._limits = limits
        self._bounded = limits.bounded
        self._keeps_old = limits.when_full == DROP_NEWEST or (limits.when_full == BLOCK and not paced)
        self._dropping = Burst(_log, f"{label}: %d frame(s) or sample(s) dropped: the reader is too slow (%d bytes waiting)")
        self.dropped = 0  # frames, or samples per channel
        self._end_us: int | None = None
        self._past_end = False  # whether a frame has arrived that is past the end
        self.closed = False
        self.paced = paced = limits.waits(paced=paced)  # whether ``put`` waits for room
        self.newest_us = 0  # the timestamp of the latest frame
        self._together = together  # what its source shares with those whose frames come from the same thread, in order of time
        self.received = 0  # frames, or samples per channel
        self._limit = limit_bytes
        self._limit_frames = limit_frames
        self._held = 0
        self.first_sequence: int | None = None  # the number of the first frame that came
        self.lost = 0  # how many frames are missing in the numbering of those that came, up to the latest one that was taken
        self.omitted = 0  # how many the reader never asked for, up to the same frame
        self._next_sequence = 0  # the number of the next frame, if none is missing
        self._omitting = 0  # frames that were omitted since the latest one came
        self._refusing = False  # whether the latest frame was dropped as it came
        self._unseen = (0, 0)  # ``lost`` and ``omitted`` before the frames that were dropped as they came
        self._gone = (0, 0)  # ``lost`` and ``omitted`` before the frames that were dropped since the latest one was taken
        self.waiting: deque[_Waiting] = deque()  # the oldest first
        self._broken = False  # whether the frame before the next one was dropped
        self._overloaded = False  # whether a frame was dropped since the queue was empty
        self._event_loop = event_loop
        self._room = Condition(event_loop.lock) if paced else None  # notified when a frame was taken or the queue was closed

    def put(self, frame: Media) -> None:
        """Add a frame, on the source's thread. A paced queue waits for room. After ``close``, do nothing."""
        with self._event_loop.lock:
            if self._room is not None:
                self._wait_for(self._room, frame)
            if self.closed or (self._end_us is not None and self._is_past_end(frame, self._end_us)):
                return
            if self._keeps_old and self._is_refused(frame):
                return
            waiting = _Waiting(frame, monotonic(), frame.nbytes, *self._missing_before(frame))
            self.waiting.append(waiting)
            self.received += frame.count
            self.newest_us = frame.order_us
            self._held += waiting.nbytes
            if self._room is None and (len(self.waiting) > 1 or self._broken):  # a single frame is kept
                self._drop_for(frame)
            if not (self._event_loop.gathers and is_light(frame)) or self._past_end:
                self._event_loop.changed.notify_all()

    def skip(self, count: int) -> None:
        """Count frames as dropped that their track could not pass on."""
        with self._event_loop.lock:
            self.dropped += 0 if self.closed else count

    def omit(self, count: int) -> None:
        """Note that the source numbered frames which the reader has not asked for, because its frame rate is lower."""
        self._omitting += count

    def end_at(self, end_us: int | None) -> None:
        """Ignore frames from ``end_us`` on, except the first, which shows the consumer that the end has passed."""
        with self._event_loop.lock:
            if end_us != self._end_us:
                self._end_us, self._past_end = end_us, False

    def close(self) -> None:
        """Accept no more frames. Waiting frames can still be taken."""
        with self._event_loop.lock:
            self.closed = True
            self._event_loop.going.discard(self)
            self._dropping.end()
            self._event_loop.changed.notify_all()
            if self._room is not None:
                self._room.notify_all()

    def clear(self) -> None:
        """Drop and count all waiting frames."""
        with self._event_loop.lock:
            while self.waiting:
                self._drop_oldest()

    def is_left_behind(self, other: FrameQueue, at_us: int) -> bool:
        """Return whether this queue, which is empty, must get a frame before the frame at ``at_us`` of another queue is taken.

        It need not if one thread puts frames into both, because that thread waits for room in the other queue. A thread is as
        far as the newest frame that it has put into any queue, so a track that has ended or has a gap holds nothing back.
        """
        return not self.is_with(other) and at_us > self._event_loop.newest_us_with(self) + PACED_LEAD_US

    def is_with(self, other: FrameQueue) -> bool:
        """Return whether this is the same queue, or one thread puts frames into both."""
        return self is other or (self._together is not None and self._together is other._together)

    @property
    def finished(self) -> bool:
        """Return whether the queue is closed and empty."""
        return self.closed and not self.waiting

    def head(self) -> Media | None:
        """Return the next frame without taking it. The caller holds the event loop's lock."""
        if self._keeps_old or self._bounded:
            return self.waiting[0].frame if self.waiting else None
        if self._room is None and (len(self.waiting) > 1 or self._broken):  # a single frame is kept
            self._drop_above(self._held)
        return self.waiting[0].frame if self.waiting else None

    def pop(self) -> Media:
        """Take the next frame. The caller holds the event loop's lock."""
        waiting = self.waiting.popleft()
        (lost, omitted), self._gone = self._gone, (0, 0)
        self.lost += lost + waiting.lost
        self.omitted += omitted + waiting.omitted
        self._held -= waiting.nbytes
        if self._overloaded and not self.waiting:
            self._overloaded = False
            self._dropping.end()
        if self._room is not None:
            self._room.notify_all()
        return waiting.frame

    def _is_refused(self, frame: Media) -> bool:
        """Drop a frame that has come to a full queue, or depends on one that was dropped. Return whether it was."""
        whole = not isinstance(frame, EncodedVideoChunk) or frame.key
        full = bool(self.waiting) and self._is_full_with(frame)
        self._refusing = full or (self._refusing and not whole)
        if self._refusing:
            self._unseen = self._missing_before(frame)
            self.dropped += frame.count
            self._dropping.note(frame.count, self._held)
        return self._refusing

    def _is_full_with(self, frame: Media) -> bool:
        """Return whether a frame would be too much. There is at least one already."""
        if self._held + frame.nbytes > self._bound(frame):
            return True
        most = self._limits.lasts_us
        if most is not None and self._spans_us(frame) > most:
            return True
        if self._bounded:
            return False
        return self._limit_frames is not None and len(self.waiting) >= self._limit_frames

    def _spans_us(self, newest: Media) -> int:
        """Return the time from the oldest frame to the end of the newest one, in microseconds."""
        return newest.order_us + (newest.duration or 0) - self.waiting[0].frame.order_us

    def _missing_before(self, frame: Media) -> tuple[int, int]:
        """Return how many frames are missing in the numbering before a frame that has come, and how many were omitted."""
        if self.first_sequence is None:
            self.first_sequence = self._next_sequence = frame.sequence
        missing = frame.sequence - self._next_sequence - self._omitting
        self._next_sequence = frame.sequence + frame.count
        omitted, self._omitting = self._omitting, 0
        (lost_before, omitted_before), self._unseen = self._unseen, (0, 0)
        return max(0, missing) + lost_before, omitted + omitted_before

    def _is_past_end(self, frame: Media, end_us: int) -> bool:
        if frame.order_us < end_us:
            return False
        seen, self._past_end = self._past_end, True
        return seen

    def _bound(self, frame: Media) -> int:
        if self._bounded:
            return 1 << 62 if self._limits.nbytes is None else self._limits.nbytes
        if isinstance(frame, VideoMedia):
            return self._limit
        return AUDIO_QUEUE_SECONDS * frame.sample_rate * frame.nbytes // max(1, frame.count)

    def _wait_for(self, room: Condition, frame: Media) -> None:
        """Wait until the frame fits or the queue is closed."""
        most = PACED_FRAMES if self._limit_frames is None else min(PACED_FRAMES, self._limit_frames)
        while (
            self.waiting
            and not self.closed
            and (self._is_full_with(frame) or (not self._bounded and len(self.waiting) >= most))
        ):
            self._event_loop.changed.notify_all()  # the consumer may be gathering
            room.wait()

    def _drop_for(self, frame: Media) -> None:
        """Drop frames to make room for the newest one."""
        if self._keeps_old:
            return
        if self._bounded:
            self._drop_to_limits(frame)
            return
        if self._limit_frames is not None and not isinstance(frame, EncodedVideoChunk):
            while len(self.waiting) > self._limit_frames:
                self._drop_oldest()
        if self._overloaded and self._waits_longer(OVERLOAD_SECONDS) and self.waiting[1].whole:
            self._drop_oldest()
        self._drop_above(self._bound(frame))

    def _drop_to_limits(self, frame: Media) -> None:
        """Drop the oldest frames above the bound, and frames that depend on them. Nothing else bounds the queue."""
        most_us, most = self._limits.lasts_us, self._bound(frame)
        while len(self.waiting) > 1 and (self._held > most or (most_us is not None and self._spans_us(frame) > most_us)):
            self._drop_oldest()
        self._drop_dependent()

    def _drop_above(self, limit: int) -> None:
        """Drop frames until at most ``limit`` bytes are left and none has waited too long, and frames that depend on them."""
        while (len(self.waiting) > 1 and self._held > limit) or self._waits_longer(VIDEO_QUEUE_SECONDS):
            self._drop_oldest()
        self._drop_dependent()

    def _drop_dependent(self) -> None:
        """Drop the frames that depend on a dropped one."""
        while self._broken and self.waiting and not self.waiting[0].whole:
            self._drop_oldest()
        self._broken = self._broken and not self.waiting

    def _waits_longer(self, seconds: float) -> bool:
        """Return whether the oldest frame is a video frame that has waited for longer, and not the only frame."""
        return len(self.waiting) > 1 and self.waiting[0].is_video_before(monotonic() - seconds)

    def _drop_oldest(self) -> None:
        held, lost, omitted = self._held, self.lost, self.omitted
        size = self.pop().count
        self._gone, self.lost, self.omitted = (self.lost - lost, self.omitted - omitted), lost, omitted  # no frame was taken
        self.dropped += size
        self._dropping.note(size, held)
        self._broken = self._overloaded = True


class _Waiting(NamedTuple):
    """A frame in a queue."""

    frame: Media
    since_s: float  # on the monotonic clock
    nbytes: int
    lost: int = 0  # frames missing in the numbering before it
    omitted: int = 0  # frames before it that were not asked for

    @property
    def whole(self) -> bool:
        """Return whether the frame can be decoded without earlier frames."""
        return not isinstance(self.frame, EncodedVideoChunk) or self.frame.key

    def is_video_before(self, before_s: float) -> bool:
        """Return whether this is a video frame that arrived before ``before_s``."""
        return isinstance(self.frame, VideoMedia) and self.since_s < before_s


class _RingingCondition(Condition):
    """A condition that also calls ``on_ring``, from any thread, for a consumer that waits in another way."""

    on_ring: Callable[[], object] | None = None

    def notify_all(self) -> None:
        super().notify_all()
        ring = self.on_ring
        if ring is not None:
            ring()


class Taken(NamedTuple):
    """A frame and the queue from which it was taken."""

    queue: FrameQueue
    frame: Media


class EventLoop:
    """A loop over all that one consumer waits for: its frame queues, and tasks (events, signals) to run on its thread.

    The queue of tasks is unbounded. Tasks are state changes of a source, a few in its lifetime, never frames.

    ``gather_s``: how long audio blocks and encoded frames may wait for each other. They arrive up to a hundred times a second,
    and writing one takes less work than waking a thread. Everything else wakes the consumer at once, because raw frames are too
    large to pile up.

    ``pauses``: of the recording, if the consumer is one. During a pause, paced queues hand out nothing.
    """

    def __init__(self, gather_s: float = 0.0, pauses: Pauses | None = None) -> None:
        self.lock = shared_lock()  # taken for each frame: going through the condition would take twice as long
        self.changed = _RingingCondition(self.lock)
        self.gathers = gather_s > 0
        self.pauses = pauses
        self._gather_s = gather_s
        self._queues: list[FrameQueue] = []
        self._any_paced = False
        self.going: set[FrameQueue] = set()  # queues that are not closed
        self._tasks: deque[Task] = deque()

    def queue(
        self,
        limit_bytes: int = VIDEO_QUEUE_BYTES,
        limit_frames: int | None = None,
        *,
        paced: bool = False,
        together: object = None,
        label: str = "frames",
        limits: QueueLimits = USUAL_LIMITS,
    ) -> FrameQueue:
        """Create a queue that delivers to this event loop. ``label``: its content, for the log."""
        queue = FrameQueue(self, limit_bytes, limit_frames, paced=paced, together=together, label=label, limits=limits)
        with self.lock:
            self._queues.append(queue)
            self._any_paced = self._any_paced or queue.paced
            self.going.add(queue)
        return queue

    def gather(self, seconds: float) -> None:
        """Let encoded frames wait for each other for this long, as with ``gather_s``."""
        self.gathers, self._gather_s = seconds > 0, seconds

    def remove(self, queue: FrameQueue) -> None:
        """Close and forget a queue, with the frames in it."""
        with self.lock:
            queue.close()
            if queue in self._queues:
                self._queues.remove(queue)

    def post(self, task: Task) -> None:
        """Run ``task`` on the consumer's thread, before the next frame. Safe from any thread."""
        with self.lock:
            self._tasks.append(task)
            self.changed.notify_all()

    @property
    def idle(self) -> bool:
        """Return whether no task waits. Takes no lock."""
        return not self._tasks

    @property
    def finished(self) -> bool:
        """Return whether all queues are closed and empty."""
        with self.lock:
            return all(queue.finished for queue in self._queues)

    def run_tasks(self) -> None:
        """Run the posted tasks in order, on the calling thread."""
        while True:
            with self.lock:
                if not self._tasks:
                    return
                task = self._tasks.popleft()
            task()

    def wait(self, timeout_s: float) -> None:
        """Wait until a task or a frame arrives or the time is up. Then run the tasks."""
        with self.lock:
            if not self._tasks and self._earliest() is None:
                self.changed.wait(timeout_s)
        self.run_tasks()

    def take(self, timeout_s: float) -> Taken | None:
        """Run the pending tasks and take the earliest frame.

        Return None if no frame comes in time or all queues are finished.
        """
        deadline = monotonic() + timeout_s
        while True:
            if self._tasks:
                self.run_tasks()
            with self.lock:
                if self._tasks:
                    continue
                queue = self._earliest()
                if queue is not None:
                    return Taken(queue, queue.pop())
                left = deadline - monotonic()
                if left <= 0 or (not self.going and self.finished):
                    return None
                self.changed.wait(min(left, self._gather_s) if self.gathers else left)

    def _earliest(self) -> FrameQueue | None:
        best: FrameQueue | None = None
        best_us = 0
        paused = self._any_paced and self.pauses is not None and self.pauses.lasting
        late = self._late() if self._any_paced else []
        for queue in self._queues:
            head = queue.head() if queue.waiting else None
            if head is not None and (best is None or head.order_us < best_us):
                if queue.paced and (paused or any(one.is_left_behind(queue, head.order_us) for one in late)):
                    continue
                best, best_us = queue, head.order_us
        return best

    def newest_us_with(self, queue: FrameQueue) -> int:
        """Return the time of the newest frame of a queue and those that get frames from the same thread."""
        return max(one.newest_us for one in self._queues if one.is_with(queue))

    def _late(self) -> list[FrameQueue]:
        """Return the paced queues whose sources are slower than the consumer."""
        return [queue for queue in self._queues if queue.paced and not (queue.waiting or queue.closed)]
