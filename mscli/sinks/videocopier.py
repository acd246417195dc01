"""A camera's own MJPEG or H.264 on its way into files: uncopied, undecoded, every chunk at the time of its capture."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

import av

from mscli.core.clock import MICROSECONDS
from mscli.core.errors import NotReadableError
from mscli.core.frames import PIXEL_FORMATS, VideoFrame, outline
from mscli.sinks.base import TrackFormat
from mscli.sinks.copying import check_copied, check_whole
from mscli.sinks.filetracks import Chunk, PictureTrack
from mscli.sinks.jpeg import START
from mscli.sinks.muxer import TICKS
from mscli.sinks.pictures import Pictures
from mscli.sinks.videosetup import DEFAULT_RATE

if TYPE_CHECKING:
    from mscli.sinks.muxer import Muxer


class VideoCopier(Pictures):
    """A video track whose chunks go into files as they come. ``formats``: those that the container takes."""

    forces_keys = False
    patience_us = 10 * MICROSECONDS  # a camera may be slow to begin, and a file needs its first picture

    def __init__(self, formats: Sequence[str], track: TrackFormat) -> None:
        super().__init__()
        if track.pixel_format:
            check_copied(track.pixel_format, formats)
        self._formats = formats
        self._duration_us = MICROSECONDS / float(track.settings.get("frameRate") or DEFAULT_RATE)
        self._first: VideoFrame | None = None  # without its memory, which is the driver's
        self._pattern: av.VideoStream | None = None  # of H.264: its first key frame, as FFmpeg reads it
        self._damaged = 0  # chunks with which nothing can begin
        self._hidden = 0  # pictures that were black because the track was muted
        self._key: Chunk | None = None  # the last one with which decoding can start
        self._repeated = 0

    @property
    def waiting(self) -> int:
        """Pictures that are held back: none."""
        return 0

    def start(self, origin_us: int, now_us: int) -> None:
        """The recording begins. Raises NotReadableError if the camera has given nothing that a file could begin with."""
        if self._first is None:
            waited_s = (now_us - origin_us) / MICROSECONDS
            raise NotReadableError(f"the camera gave no picture to begin with within {waited_s:.3g} s")

    def shows(self, frame: VideoFrame) -> bool:
        """All but a muted track's black."""
        return PIXEL_FORMATS[frame.format].encoded

    def encode(self, frame: VideoFrame) -> list[Chunk]:
        """The chunk. Raises NotSupportedError if it would have to be decoded."""
        if not self.shows(frame):
            self._check_hidden(frame)
            return []
        check_copied(frame.format, self._formats)
        check_whole(frame)
        if self._first is None and not self._can_begin(frame):
            self._damaged += 1
            return []
        return [self._chunk(frame)]

    def keep_up(self, until_us: int) -> list[Chunk]:  # noqa: ARG002
        """Nothing: the last picture stands longer."""
        return []

    def repeat(self, at_us: int, after_us: int = 0) -> list[Chunk]:  # noqa: ARG002
        """The last key frame once more at that instant, to begin a file. Only with another one it goes on there."""
        if self._key is None:
            return []
        self._repeated += 1
        ticks = self._ticks_at(at_us)
        self._ticks = max(self._ticks, ticks)
        return [self._key._replace(pts=ticks, dts=ticks, at_us=at_us)]

    def finish(self) -> list[Chunk]:
        """Nothing is held back."""
        return []

    def track_in(self, muxer: Muxer, begin_us: int) -> PictureTrack:
        """A place for the chunks in a file that begins at that instant."""
        assert self._first is not None, "started"
        codec = PIXEL_FORMATS[self._first.format].ffmpeg
        if self._pattern is not None:
            return PictureTrack(muxer, muxer.add_video(self._pattern, codec), begin_us)
        return PictureTrack(muxer, muxer.add_copied(codec, self._first.coded_width, self._first.coded_height), begin_us)

    def corrections(self) -> Mapping[str, int]:
        """For the report."""
        return {"decodeErrors": self._damaged, "hidden": self._hidden, "duplicated": self._repeated}

    def _check_hidden(self, frame: VideoFrame) -> None:
        """A muted track's black is no picture of the camera's and is left out; a raw one before all others is a wrong mode."""
        if self._first is None:
            check_copied(frame.format, self._formats)
        self._hidden += 1

    def _can_begin(self, frame: VideoFrame) -> bool:
        data = frame.planes[0]
        if frame.format == "MJPEG":
            return bytes(data[:2]) == START
        self._pattern = _read_head(data, PIXEL_FORMATS[frame.format].ffmpeg) if frame.key else None
        return self._pattern is not None

    def _chunk(self, frame: VideoFrame) -> Chunk:
        if self._first is None:
            self._first, self.first_us = outline(frame), frame.timestamp
        ticks = self._next_ticks(frame.timestamp)
        packet = av.Packet(cast(bytes, frame.planes[0]))
        packet.is_keyframe = frame.key
        duration = round((frame.duration or self._duration_us) * TICKS / MICROSECONDS)
        chunk = Chunk(packet, ticks, ticks, duration, self._first.timestamp, frame.timestamp, frame.key)
        self._key = chunk if frame.key else self._key
        return chunk


def _read_head(data: memoryview, codec: str) -> av.VideoStream | None:
    """What a key frame tells of its stream: a file's header needs the parameter sets that it begins with. None if damaged."""
    try:
        return av.open(io.BytesIO(data), format=codec).streams.video[0]
    except (av.FFmpegError, IndexError):
        return None
