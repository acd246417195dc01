"""Watch a camera for motion, on a thread of its own.

**Bound**: one frame, or two seconds of chunks that depend on each other. **Policy**: the oldest frames are dropped, and at most
PER_SECOND frames a second are looked at. So neither the camera nor any output waits.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import Any

from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.codecs import CAMERA_CODECS, VIDEO_CODECS
from mscli.core.errors import DOMException
from mscli.core.eventloop import DROP_OLDEST, EventLoop, QueueLimits
from mscli.core.frames import EncodedVideoChunk, VideoFrame
from mscli.core.limits import MOTION_CLOSED_S, MOTION_LOOKED_S
from mscli.core.log import Log
from mscli.core.motion import MotionState
from mscli.core.threads import Thread
from mscli.media import load_converter, load_motion_measure

PER_SECOND = 10
_NEWEST = QueueLimits(DROP_OLDEST, lasts_us=0)
_DEPENDENT = QueueLimits(DROP_OLDEST, lasts_us=2 * MICROSECONDS)

_log = Log("motion")

OnMotion = Callable[[MediaStreamTrack, bool, float, int], object]  # the track, whether it moves, the share, the time


class MotionWatch:
    """The motion before a camera. Its thread calls ``on_trigger``, and ``on_motion`` whenever motion begins or ends."""

    def __init__(
        self, track: MediaStreamTrack, state: MotionState, on_trigger: Callable[[], object], on_motion: OnMotion
    ) -> None:
        self._track, self._state = track, state
        self._on_trigger, self._on_motion = on_trigger, on_motion
        self._measure = load_motion_measure()
        self._decoder: Any = None  # of chunks that depend on each other
        self._due_us = 0  # of the next look
        self._event_loop = EventLoop()
        codec = CAMERA_CODECS.get(track.pixel_format)
        limits = _NEWEST if codec is None or codec.intra else _DEPENDENT
        self._queue = track.open_queue(self._event_loop, limits=limits)
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="mscli-motion", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Watch no longer."""
        self._stopping.set()
        self._track.close_queue(self._queue)
        self._thread.join(MOTION_CLOSED_S)

    def _run(self) -> None:
        try:
            while not (self._stopping.is_set() or self._event_loop.finished):
                taken = self._event_loop.take(MOTION_LOOKED_S)
                if taken is not None and isinstance(taken.frame, VideoFrame | EncodedVideoChunk):
                    self._look(taken.frame)
        except DOMException as error:
            _log.warning("no longer watched: %s", error)

    def _look(self, frame: VideoFrame | EncodedVideoChunk) -> None:
        whole: VideoFrame | EncodedVideoChunk | None = frame
        if isinstance(frame, EncodedVideoChunk) and not VIDEO_CODECS[frame.codec].intra:
            self._decoder = self._decoder or load_converter()
            whole = self._decoder.convert(frame)
        if frame.blank:
            self._measure.forget()
            return
        now = now_us()
        if whole is None or now < self._due_us:
            return
        self._due_us = max(self._due_us + MICROSECONDS // PER_SECOND, now - MICROSECONDS // PER_SECOND)
        moved, share = self._state.moving, self._measure.share(whole)
        if self._state.note(share, now):
            _log.info("“%s”: %.2f %% of the picture have changed", self._track.label, 100 * share)
            self._on_trigger()
        if self._state.moving != moved:
            self._on_motion(self._track, self._state.moving, share, frame.timestamp)
