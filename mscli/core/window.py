"""The part of a capture that was requested, by duration or by number of frames, exact to the frame and to the sample."""

from __future__ import annotations

from dataclasses import replace
from heapq import heappop, heappush
from threading import Lock

from mscli.core.clock import MICROSECONDS
from mscli.core.frames import AudioData, EncodedVideoChunk, Media, VideoMedia, clip
from mscli.core.limits import END_LATE_US

PAST_US = 1_000  # how long a picture lasts that is only in a file because others before the end need it
JITTER_US = 250_000  # the largest tolerance for a frame's timestamp, however long its duration


class Extent:
    """The part of time that the windows of one recording have in common. Safe from any thread."""

    def __init__(self) -> None:
        self.start_us: int | None = None  # the time of the earliest frame
        self.end_us: int | None = None  # where the last counted frame ends in the first window that has all, once known
        self._lock = Lock()

    def begin(self, at_us: int) -> None:
        """Move the start to an earlier frame."""
        with self._lock:
            self.start_us = at_us if self.start_us is None else min(self.start_us, at_us)

    def end(self, at_us: int) -> None:
        """End windows without counted frames here, unless the end is known already."""
        with self._lock:
            self.end_us = at_us if self.end_us is None else self.end_us


class Window:
    """A filter that admits frames until ``duration_s`` seconds or ``frames`` frames have passed.

    The duration is measured by the frames' own timestamps, from the earliest frame of any track. ``frames`` counts the frames
    of each camera, or the samples per channel of each microphone if there is only sound. Sound beside counted frames ends
    where the last of them does. Without either limit, it never ends.

    ``extent``: shared with the windows of other outputs. ``counts``: whether frames are counted here. If they are counted in
    another window only, this one ends with that.
    """

    def __init__(
        self,
        kinds: list[str],
        duration_s: float | None = None,
        frames: int | None = None,
        extent: Extent | None = None,
        *,
        counts: bool = True,
    ) -> None:
        self.start_us: int | None = None
        self._extent = extent or Extent()
        self._follows = frames is not None and not counts  # whether it ends with another one
        frames = frames if counts else None
        self.end_us: int | None = None  # the time from which no frames are admitted, once it is known
        self._duration_us = None if duration_s is None else round(duration_s * MICROSECONDS)
        self._counted = "video" if "video" in kinds else "audio"
        self._limited = frames is not None
        self._left = {track: frames or 0 for track, kind in enumerate(kinds) if self._limited and kind == self._counted}
        self._counting = frozenset(self._left)
        self._sound_end_us: int | None = None  # where the last counted frame ends, once all have come
        self._cut: set[int] = set()  # tracks that ended there
        self._open = set(range(len(kinds)))
        self._lasts_us: dict[int, int] = {}  # track → the end of its latest admitted frame
        self._ahead: dict[int, list[tuple[int, int]]] = {}  # track → when pictures are shown, and their ends, of those to count
        self._passed = False  # whether a track has passed the end of the duration
        self.over = self._is_over()  # whether no more frames will be admitted

    @property
    def reason(self) -> str:
        """Return "frames" or "duration" once a track has reached that limit, or "" before."""
        if (self._counted_out and self._left) or (self._follows and self._passed and self.end_us == self._extent.end_us):
            return "frames"
        return "duration" if self._passed else ""

    @property
    def _counted_out(self) -> bool:
        """Return whether frames are limited and every counted track has reached its limit or ended."""
        return self._limited and not any(self._left.values())

    def left(self, track: int) -> int | None:
        """Return how many frames of a track are still to come, or None if they are not counted."""
        return self._left.get(track)

    @property
    def limited(self) -> bool:
        """Return whether a duration or a number of frames was requested."""
        return self._limited or self._follows or self._duration_us is not None

    @property
    def last_us(self) -> int | None:
        """Return the time from which nothing is in the output, once it is known. A decoder may hold pictures behind it."""
        counted_us = self._sound_end_us if self._ahead else None
        if counted_us is None or self.end_us is None:
            return counted_us or self.end_us
        return min(counted_us, self.end_us)

    def counted_until(self, track: int) -> int | None:
        """Return where the last counted picture of a track ends if a decoder may hold others behind it, or else None."""
        return self._lasts_us.get(track) if track in self._ahead and not self._left[track] else None

    @property
    def complete(self) -> bool:
        """Return whether it ends with another window, whose end is known, and has everything up to there."""
        end_us = self._extent.end_us
        return self._follows and end_us is not None and all(self._lasts_us.get(track, 0) >= end_us for track in self._open)

    def overdue(self, at_us: int) -> str:
        """Return why no more frames can be expected at this time, or "" before.

        "frames": that many came; "duration": the latest frame of each track lasts until the end; "ended": a track stalls.
        """
        if self._sound_end_us is not None:
            return "frames" if at_us > self._sound_end_us + END_LATE_US else ""
        end_us = self.end_us
        if end_us is None or at_us <= end_us + END_LATE_US:
            return ""
        return "duration" if all(self._lasts_us.get(track, 0) >= end_us for track in self._open) else "ended"

    def admit(self, track: int, frame: Media, *, counted: bool = True, decoded: bool = False) -> Media | None:
        """Return the frame, or the part of the audio block inside the window, or None if it is outside.

        A picture that is decoded before the end and shown after it is inside: see ``is_past``. ``counted``: whether the frame
        reaches the output, so that it is one of those that are counted. ``decoded``: whether the sink decodes chunks, so that
        the first pictures in the order of display are counted.
        """
        extent = self._extent
        if extent.start_us is None or frame.timestamp < extent.start_us:
            extent.begin(frame.timestamp)  # a microphone's first block arrives when it is full, and then after later pictures
        if extent.start_us != self.start_us:
            self._begin(extent.start_us)
        if self._follows and extent.end_us is not None and (self.end_us is None or extent.end_us < self.end_us):
            self.end_us = extent.end_us
        left = self._left.get(track)
        if self._sound_end_us is not None and frame.order_us > self._sound_end_us + END_LATE_US:
            self.over = True  # the sound stalls
        if self.over or left == 0 or track not in self._open:
            return None
        inside = self._within_time(track, frame)
        if left is not None and decoded and isinstance(inside, EncodedVideoChunk) and (inside.reorder_us or self._ahead):
            return self._count_shown(track, inside, left)
        if inside is not None:
            lasts_us = inside.timestamp + (inside.duration or 0)
            self._lasts_us[track] = max(lasts_us, self._lasts_us.get(track, lasts_us))
        if inside is not None and left is not None and counted:
            inside = clip(inside, left) if isinstance(inside, AudioData) else inside
            self._left[track] = left - inside.count
            self.over = self._left[track] == 0 and self._is_over()
        elif self._sound_end_us is not None:
            self.over = self._is_over()
        return inside

    def _count_shown(self, track: int, chunk: EncodedVideoChunk, left: int) -> EncodedVideoChunk | None:
        """Count the pictures that are shown before this one and all that follow. Return None if no more are wanted."""
        ahead = self._ahead.setdefault(track, [])
        while ahead and ahead[0][0] <= chunk.order_us and left:
            at_us, ends_us = heappop(ahead)
            self._lasts_us[track] = ends_us
            left -= 1
        self._left[track] = left
        if not left:  # it ends where the next one is shown, but is not past by its tolerance itself
            next_us = min([chunk.timestamp, *(one for one, _ in ahead[:1])])
            self._lasts_us[track] = max(at_us + _tolerance_us(ends_us - at_us) + 1, min(ends_us, next_us))
            self.over = self._is_over()
            return None
        heappush(ahead, (chunk.timestamp, chunk.timestamp + (chunk.duration or 0)))
        return chunk

    def _begin(self, start_us: int | None) -> None:
        """Count the duration from ``start_us`` on."""
        self.start_us = start_us
        self.end_us = None if self._duration_us is None or start_us is None else start_us + self._duration_us

    def give_back(self, track: int, pictures: int) -> None:
        """Admit ``pictures`` more frames of a track, because that many admitted ones did not reach the output."""
        if track in self._left and self._counted == "video":
            self._left[track] += pictures
            if pictures:
                self._open |= self._cut
                self._cut.clear()
            self.over = self._is_over()

    def leave(self, track: int) -> bool:
        """Stop expecting frames of a track that has ended by itself. Return whether more were expected."""
        expected = track in self._open and self._left.get(track) != 0
        self._open.discard(track)
        self._left.pop(track, None)
        self.over = self._is_over()
        return expected

    def encloses(self, track: int, frame: Media) -> bool:
        """Return whether the frame would be admitted. If not, its track ends as if it had reached the limit."""
        if self.over or self._left.get(track) == 0 or track not in self._open:
            return False
        return self._within_time(track, frame) is not None

    def _within_time(self, track: int, frame: Media) -> Media | None:
        """Return the part of the frame before the end. Return None if there is none, which ends the track."""
        end_us = self.end_us
        if self._sound_end_us is not None and track not in self._counting:
            end_us = self._sound_end_us if end_us is None else min(end_us, self._sound_end_us)
        if end_us is None:
            return frame
        tolerance_us = frame_tolerance_us(frame) if frame.timestamp != self.start_us else 0
        if frame.order_us + tolerance_us >= end_us:
            self._finish(track, end_us)
            return None
        if isinstance(frame, AudioData) and frame.timestamp + frame.duration > end_us:
            self._finish(track, end_us)
            samples = round((end_us - frame.timestamp) * frame.sample_rate / MICROSECONDS)
            return clip(frame, samples) if samples else None
        return frame

    def _finish(self, track: int, end_us: int) -> None:
        self._open.discard(track)
        if end_us == self.end_us:
            self._passed = True
        else:
            self._cut.add(track)
        self.over = self._is_over()

    def _is_over(self) -> bool:
        if not self._counted_out:
            self._sound_end_us = None
            return not self._open
        end_us = self._sound_end_us = max((self._lasts_us.get(track, 0) for track in self._counting), default=0)
        self._extent.end(end_us)
        return all(self._lasts_us.get(track, 0) >= end_us for track in self._open - self._counting)


def frame_tolerance_us(frame: Media) -> int:
    """Return how long before the end a video frame may be stamped and still count as after it: a quarter of its duration."""
    return _tolerance_us(frame.duration or 0) if isinstance(frame, VideoMedia) else 0


def _tolerance_us(lasts_us: int) -> int:
    return min(lasts_us // 4, JITTER_US)


def is_past(frame: Media, end_us: int | None) -> bool:
    """Return whether a picture is shown after the end, although it is decoded before it: others before the end may need it."""
    if end_us is None or not isinstance(frame, EncodedVideoChunk) or not frame.reorder_us:
        return False
    return frame.timestamp + frame_tolerance_us(frame) >= end_us


class PausedTrack:
    """One track of a recording with pauses. It shifts timestamps, and finds frames that a pause made undecodable.

    A ``paced`` source waits during a pause, so its timestamps go on without a gap.
    """

    def __init__(self, pauses: Pauses, *, paced: bool = False) -> None:
        self._pauses = pauses
        self._paced = paced
        self.broken = False  # whether a frame was dropped in a pause and no key frame has followed

    def place(self, frame: Media) -> Media | None:
        """Return the frame with the earlier pauses subtracted from its timestamp, or None if it is in a pause."""
        if self._pauses.passed_us == 0 or self._paced:  # there was none yet, or none for this track
            return frame
        placed_us = self._pauses.place(frame.timestamp)
        if placed_us is None:
            self.broken = True
            return None
        return frame if placed_us == frame.timestamp else replace(frame, timestamp=placed_us)

    def decodes(self, frame: Media) -> bool:
        """Return whether no frame on which this one depends was dropped in a pause. Ask while the track is ``broken``.

        A blank frame depends on no other, and no other depends on it.
        """
        if not isinstance(frame, EncodedVideoChunk):
            return True
        self.broken = self.broken and not frame.key
        return not self.broken


class Pauses:
    """The time spans that are left out of a recording, and how they shift what follows."""

    def __init__(self) -> None:
        self._closed: list[tuple[int, int]] = []
        self._open_us: int | None = None
        self.passed_us: int | None = 0  # the total length of the pauses, or None during one

    @property
    def lasting(self) -> bool:
        """Return whether there is a pause now."""
        return self.passed_us is None

    def begin(self, at_us: int) -> None:
        """Begin a pause at ``at_us``."""
        self._open_us, self.passed_us = at_us, None

    def end(self, at_us: int) -> None:
        """End the pause at ``at_us``."""
        if self._open_us is not None:
            self._closed.append((self._open_us, at_us))
            self._open_us = None
            self.passed_us = sum(end - begin for begin, end in self._closed)

    def place(self, timestamp: int) -> int | None:
        """Return a timestamp's position in the recording, with the earlier pauses subtracted, or None inside a pause."""
        open_us = self._open_us  # another thread may end the pause at any time
        if open_us is not None and timestamp >= open_us:
            return None
        passed_us = 0
        for begin_us, end_us in self._closed:
            if begin_us <= timestamp < end_us:
                return None
            passed_us += end_us - begin_us if end_us <= timestamp else 0
        return timestamp - passed_us
