"""MediaStreamTrackProcessor: the frames of a track, one by one. https://www.w3.org/TR/mediacapture-transform/#track-processor"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.core.errors import ArgumentError
from mscli.core.frames import Frame, VideoFrame
from mscli.core.mailbox import VIDEO_LANE_BYTES, Mailbox
from mscli.sinks import show

_WAIT_S = 3600.0  # the end of the track wakes the reader; this only bounds one wait


class FrameReader:
    """A readable of frames: an iterator that ends with the track, and a context manager that lets go of it."""

    def __init__(self, track: MediaStreamTrack, limit_bytes: int) -> None:
        self._track = track
        self._mailbox = Mailbox()
        self._lane = track.open_lane(self._mailbox, limit_bytes)

    @property
    def dropped(self) -> int:
        """Frames (samples per channel) dropped because they were not read in time."""
        return self._lane.dropped

    def read(self, timeout_s: float = _WAIT_S) -> Frame | None:
        """The next frame; None when the track has ended or none came in time."""
        taken = self._mailbox.take(timeout_s)
        frame = taken.frame if taken else None
        return show(frame) if isinstance(frame, VideoFrame) else frame

    def close(self) -> None:
        """Take no more frames."""
        self._track.close_lane(self._lane)

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        while (frame := self.read()) is None:
            if self._lane.finished:
                raise StopIteration
        return frame

    def __enter__(self) -> FrameReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class MediaStreamTrackProcessor:
    """``readable`` gives the track's ``VideoFrame`` or ``AudioData`` objects; the oldest are dropped if not read in time.

    The init dictionary has ``track`` and, beyond the standard, ``maxBufferBytes``, the bound of the lane for pictures.
    """

    def __init__(self, init: Mapping[str, Any]) -> None:
        track = init.get("track") if isinstance(init, Mapping) else None
        if not isinstance(track, MediaStreamTrack):
            raise ArgumentError(
                "MediaStreamTrackProcessor: the member “track” of its init dictionary must be a MediaStreamTrack"
            )
        self.readable = FrameReader(track, int(init.get("maxBufferBytes", VIDEO_LANE_BYTES)))
