"""The part of a capture that was asked for: so many seconds or so many frames, exact to the frame and to the sample."""

from __future__ import annotations

from mscli.core.clock import MICROSECONDS
from mscli.core.frames import AudioData, Frame, VideoFrame, clip

LATE_US = MICROSECONDS  # a track that stalls may hold a capture of fixed duration so long past its end


class Window:
    """Admits frames from the first one on, until ``duration_s`` seconds or ``frames`` of them have passed.

    The duration counts in the frames' own timestamps, for all tracks from the earliest. ``frames`` counts pictures, or samples
    per channel where there is only sound. Without either it is never over.
    """

    def __init__(self, kinds: list[str], duration_s: float | None = None, frames: int | None = None) -> None:
        self.start_us: int | None = None
        self.reason = ""  # "duration" or "frames" once a track is through
        self._duration_us = None if duration_s is None else round(duration_s * MICROSECONDS)
        self._frames = frames
        self._counted = VideoFrame if "video" in kinds else AudioData
        self._open = set(range(len(kinds)))

    @property
    def over(self) -> bool:
        """Whether nothing more will be admitted."""
        return not self._open or self._frames == 0

    @property
    def end_us(self) -> int | None:
        """The instant from which frames are no longer admitted, once it is known."""
        if self.start_us is None or self._duration_us is None:
            return None
        return self.start_us + self._duration_us

    def overdue(self, at_us: int) -> bool:
        """Whether that instant is so long past the end that nothing more is waited for."""
        return self.end_us is not None and at_us > self.end_us + LATE_US

    def admit(self, track: int, frame: Frame) -> Frame | None:
        """The frame, or what of the sound lies inside; None when nothing does."""
        if self.start_us is None:
            self.start_us = frame.timestamp
        inside = self._within_time(track, frame)
        return self._within_count(inside) if isinstance(inside, self._counted) and self._frames is not None else inside

    def encloses(self, track: int, frame: Frame) -> bool:
        """Whether the frame would be admitted. One that would not ends its track as if it had been asked for."""
        return self._within_time(track, frame) is not None

    def _within_time(self, track: int, frame: Frame) -> Frame | None:
        if track not in self._open or self.over:
            return None
        end_us = self.end_us
        if end_us is None:
            return frame
        tolerance_us = frame_tolerance_us(frame) if frame.timestamp != self.start_us else 0
        if frame.timestamp + tolerance_us >= end_us:
            self._finish(track, "duration")
            return None
        if isinstance(frame, AudioData) and frame.timestamp + frame.duration > end_us:
            self._finish(track, "duration")
            samples = round((end_us - frame.timestamp) * frame.sample_rate / MICROSECONDS)
            return clip(frame, samples) if samples else None
        return frame

    def _within_count(self, frame: Frame) -> Frame | None:
        assert self._frames is not None, "there is a limit"
        if isinstance(frame, AudioData):
            frame = clip(frame, self._frames)
            self._frames -= frame.number_of_frames
        else:
            self._frames -= 1
        if self._frames == 0:
            self.reason = "frames"
            self._open.clear()
        return frame

    def _finish(self, track: int, reason: str) -> None:
        self._open.discard(track)
        self.reason = reason


def frame_tolerance_us(frame: Frame) -> int:
    """How far before the end a picture may be stamped and still belong to what follows: a quarter of its duration (jitter)."""
    return (frame.duration or 0) // 4 if isinstance(frame, VideoFrame) else 0


class Pauses:
    """The stretches of time that are left out of a recording, and where they leave what comes after them."""

    def __init__(self) -> None:
        self._closed: list[tuple[int, int]] = []
        self._open_us: int | None = None

    def begin(self, at_us: int) -> None:
        """Leave out everything from that instant on."""
        self._open_us = at_us

    def end(self, at_us: int) -> None:
        """Take in everything from that instant on."""
        if self._open_us is not None:
            self._closed.append((self._open_us, at_us))
            self._open_us = None

    @property
    def passed_us(self) -> int | None:
        """How long they were, together; None while one goes on."""
        return None if self._open_us is not None else sum(end - begin for begin, end in self._closed)

    def place(self, timestamp: int) -> int | None:
        """Where a frame of that time stands in the recording: its time less the pauses before it; None inside one."""
        open_us = self._open_us  # another thread may end the pause meanwhile
        if open_us is not None and timestamp >= open_us:
            return None
        if any(begin <= timestamp < end for begin, end in self._closed):
            return None
        return timestamp - sum(end - begin for begin, end in self._closed if end <= timestamp)
