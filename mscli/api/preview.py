"""Show the tracks of a run on a screen, on a thread of its own.

**Bound**: one frame, or two seconds of chunks that depend on each other; one second of sound. **Policy**: the oldest frames are
dropped. So neither a device, nor a file, nor any output waits for a preview. A screen says what share of
a core its pictures may take.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event
from time import monotonic, thread_time
from typing import TYPE_CHECKING, Any

from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.core.clock import MICROSECONDS
from mscli.core.codecs import CAMERA_CODECS, VIDEO_CODECS
from mscli.core.errors import DOMException
from mscli.core.eventloop import DROP_OLDEST, EventLoop, FrameQueue, QueueLimits
from mscli.core.frames import AudioData, EncodedVideoChunk, VideoFrame
from mscli.core.level import PeakHold, peak
from mscli.core.limits import PREVIEW_CLOSED_S
from mscli.core.log import Log
from mscli.core.screens import PreviewFacts, Screen
from mscli.core.threads import Thread
from mscli.media import load_converter, load_filter

if TYPE_CHECKING:
    from mscli.core.orientation import PictureFilters

_TOLD_S = 0.25  # the interval of facts
_GATHER_S = 0.05  # how long blocks of sound wait for each other
_NEWEST = QueueLimits(DROP_OLDEST, lasts_us=0)
_DEPENDENT = QueueLimits(DROP_OLDEST, lasts_us=2 * MICROSECONDS)
_SOUND = QueueLimits(DROP_OLDEST, lasts_us=MICROSECONDS)

_log = Log("preview")


class PreviewRun:
    """The newest frames of the first camera among some tracks, and the level of their sound, on a screen."""

    def __init__(self, screen: Screen, tracks: Sequence[MediaStreamTrack], filters: PictureFilters | None = None) -> None:
        """Begin. ``filters``: what is done to pictures before they are shown. Raises NotSupportedError for an unusable font."""
        self._screen = screen
        self._event_loop = EventLoop(_GATHER_S)
        self._track = next((track for track in tracks if track.kind == "video"), None)
        self._filter = load_filter(filters, self._track.label) if filters is not None and self._track is not None else None
        self._decoder: Any = None  # of chunks that depend on each other
        self._queues: list[tuple[MediaStreamTrack, FrameQueue]] = []
        self._pictures: FrameQueue | None = None
        for track in tracks:
            if track is self._track or track.kind == "audio":
                self._open_queue(track)
        self._label = (self._track or tracks[0]).label
        self._orientation = filters.orientation if filters is not None else None
        self._size: tuple[int, int] | None = None
        self._peak: float | None = None
        self._peaks = PeakHold()
        self._counted = 0, monotonic()  # frames, and when
        self._rate = 0.0
        self._due_s = 0.0  # of the next picture
        self._told_s = 0.0
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="mscli-preview", daemon=True)
        self._thread.start()

    def _open_queue(self, track: MediaStreamTrack) -> None:
        codec = CAMERA_CODECS.get(track.pixel_format)
        limits = _SOUND if track.kind == "audio" else _NEWEST if codec is None or codec.intra else _DEPENDENT
        queue = track.open_queue(self._event_loop, limits=limits)
        self._queues.append((track, queue))
        if track is self._track:
            self._pictures = queue

    def close(self) -> None:
        """Stop. The screen stays as it is. A screen that does not return in time is left to itself."""
        self._stopping.set()
        for track, queue in self._queues:
            track.close_queue(queue)
        self._thread.join(PREVIEW_CLOSED_S)

    def _run(self) -> None:
        try:
            while not (self._stopping.is_set() or self._screen.closed):
                taken = self._event_loop.take(_TOLD_S)
                if taken is None and self._event_loop.finished:
                    self._stopping.wait(_TOLD_S)
                elif taken is not None and isinstance(taken.frame, AudioData):
                    self._peak = max(self._peak or 0.0, peak(taken.frame))
                elif taken is not None and isinstance(taken.frame, VideoFrame | EncodedVideoChunk):
                    self._show(taken.frame)
                self._tell()
        except DOMException as error:  # the output fails for the same reason
            _log.warning("ended: %s", error)

    def _show(self, frame: VideoFrame | EncodedVideoChunk) -> None:
        """Show the frame if the screen has time for it."""
        size = frame.display_width, frame.display_height
        self._size = size if self._orientation is None else self._orientation.size_of(*size)
        begun_s, spent_s = monotonic(), thread_time()
        due = begun_s >= self._due_s and self._screen.ready
        shown = self._made(frame, due=due)
        if shown is None or not due:
            return
        self._screen.show(shown)
        self._due_s = begun_s + max(self._screen.rest_s, (thread_time() - spent_s) / self._screen.share)

    def _made(self, frame: VideoFrame | EncodedVideoChunk, *, due: bool) -> VideoFrame | EncodedVideoChunk | None:
        """Return what is shown of a frame. Chunks that depend on each other are all decoded, whether they are shown or not."""
        made: VideoFrame | EncodedVideoChunk | None = frame
        if isinstance(frame, EncodedVideoChunk) and not VIDEO_CODECS[frame.codec].intra:
            self._decoder = self._decoder or load_converter()
            made = self._decoder.convert(frame)
        if made is not None and due and self._filter is not None:
            made = next(iter(self._filter.read(made, frame.timestamp)), None)
        return made

    def _tell(self) -> None:
        """Show the facts, if it is time."""
        now_s = monotonic()
        if now_s < self._told_s + _TOLD_S:
            return
        self._told_s = now_s
        if self._pictures is not None:
            count, since_s = self._counted
            if now_s >= since_s + 1:
                self._rate = (self._pictures.received - count) / (now_s - since_s)
                self._counted = self._pictures.received, now_s
        sound, self._peak = self._peaks.read(self._peak), None
        self._screen.tell(PreviewFacts(self._label, self._size, self._rate, sound))
