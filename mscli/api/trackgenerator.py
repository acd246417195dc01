"""VideoTrackGenerator, AudioTrackGenerator and MediaStreamTrackGenerator: tracks of the frames that a program writes.

https://www.w3.org/TR/mediacapture-transform/#video-track-generator. The standard has none for sound. Chromium had a
MediaStreamTrackGenerator for both before.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from mscli.api.programs import ProgramOwner, ProgramSource, ProgramTrack, program_track
from mscli.core.constraints import parse_constraints
from mscli.core.errors import ArgumentError, DOMException, OperationError
from mscli.core.frames import AudioData, VideoFrame
from mscli.core.readonly import ReadOnly

W = TypeVar("W", VideoFrame, AudioData, VideoFrame | AudioData)


class FrameWriter(Generic[W]):
    """The input of a generator. A context manager that closes it at the end."""

    def __init__(self, source: ProgramSource) -> None:
        self._source = source

    @property
    def closed(self) -> bool:
        """Return whether no more frames are taken: it was closed, or the tracks were stopped."""
        return self._source.ended

    def write(self, frame: W) -> None:
        """Pass on a frame, and close it. If the generator is paced, wait until its readers have room.

        Raises TypeError for the wrong kind of frame, ValueError if its timestamp does not rise, InvalidStateError if closed.
        """
        if not isinstance(frame, VideoFrame | AudioData):
            raise ArgumentError(f"a track takes frames, not {type(frame).__name__}")
        self._source.put(frame.clone())
        frame.close()

    def close(self) -> None:
        """End the track after the frames so far. Safe to call again."""
        self._source.end()

    def abort(self, reason: str = "") -> None:
        """End the track with an error."""
        self._source.end(OperationError(reason or "the generator was aborted"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self.close()
        else:
            self.abort(str(error) if isinstance(error, DOMException) else f"{type(error).__name__}: {error}")


class _WrittenSource(ProgramSource):
    """The source of a generator that is a track."""

    def __init__(self, kind: str, label: str) -> None:
        super().__init__(kind, label)
        self.writer: FrameWriter[VideoFrame | AudioData] = FrameWriter(self)


class TrackGenerator(Generic[W]):
    """The common base of both generators. ``paced``: whether ``write`` waits for readers, so that nothing is lost."""

    track = ReadOnly[ProgramTrack]()
    writable: ReadOnly[FrameWriter[W]] = ReadOnly()
    kind = ""

    def __init__(self, *, paced: bool = False) -> None:
        self._source = ProgramSource(self.kind, f"{self.kind} of a program", live=not paced)
        self._track = program_track(self._source)
        self._writable: FrameWriter[W] = FrameWriter(self._source)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.track!r}>"

    @property
    def muted(self) -> bool:
        """Return whether frames are dropped, and the track is muted. Can be set."""
        return self._source.muted

    @muted.setter
    def muted(self, muted: bool) -> None:
        self._source.muted = bool(muted)


class VideoTrackGenerator(TrackGenerator[VideoFrame]):
    """A ``track`` of the frames that go into ``writable``, with size and timestamp unchanged.

        import mscli
        import numpy

        generator = mscli.VideoTrackGenerator()
        generator.writable.write(mscli.VideoFrame.from_ndarray(numpy.zeros((48, 64, 3), numpy.uint8)))
        generator.track.stop()

    The track loses frames that its readers do not take in time, as one of a camera does. With ``paced`` (beyond the standard)
    ``write`` waits for them.

    See https://www.w3.org/TR/mediacapture-transform/#video-track-generator. Differs from the standard: ``writable`` is a
    ``FrameWriter`` instead of a WritableStream.
    """

    kind = "video"


class AudioTrackGenerator(TrackGenerator[AudioData]):
    """The same for sound (beyond the standard).

    See https://www.w3.org/TR/mediacapture-transform/#video-track-generator. Differs from the standard: the standard has a
    generator of video only.
    """

    kind = "audio"


class MediaStreamTrackGenerator(ProgramTrack):
    """A track that is its own generator, as in Chromium. The init dictionary has ``kind``, "audio" or "video".

    See https://www.w3.org/TR/2021/WD-mediacapture-transform-20211021/#track-generator. Differs from the standard: the standard
    has replaced it with VideoTrackGenerator.
    """

    source: _WrittenSource

    @property
    def writable(self) -> FrameWriter[VideoFrame | AudioData]:
        """Return where frames go in, also for a clone."""
        source = self.source
        return source.writer

    def __init__(self, init: Mapping[str, Any]) -> None:
        kind = init.get("kind") if isinstance(init, Mapping) else None
        if kind not in ("audio", "video"):
            raise ArgumentError("MediaStreamTrackGenerator: the member “kind” must be “audio” or “video”")
        source = _WrittenSource(str(kind), f"{kind} of a program")
        super().__init__(source, ProgramOwner(source), dict(source.settings()), parse_constraints({}, source.kind))
