"""MediaStreamTrackProcessor: read a track's frames one by one. https://www.w3.org/TR/mediacapture-transform/#track-processor"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, cast

from mscli.api.mediastreamtrack import MediaStreamTrack
from mscli.core.errors import ArgumentError, NotReadableError
from mscli.core.eventloop import VIDEO_QUEUE_BYTES, EventLoop
from mscli.core.frames import AudioMedia, EncodedVideoChunk, Media, VideoFrame
from mscli.core.webidl import to_number
from mscli.media import load_converter

MOST_DAMAGED = 30  # give up after this many damaged frames without a good one
_WAIT_S = 3600.0  # only bounds one wait: the end of the track wakes the reader


if TYPE_CHECKING:
    from typing_extensions import TypeVar  # which type checkers know without it being installed

    F = TypeVar("F", bound=Media, default=Media)
else:
    from typing import TypeVar

    F = TypeVar("F", bound=Media)


class FrameReader(Generic[F]):
    """A reader of a track's frames: an iterator that ends with the track, and a context manager that closes it.

    ``async for`` works as well: it waits without blocking the loop. Each reader has frames of its own. A reader that is no
    longer referenced is closed.

    Pictures are cropped and scaled as the track's settings require. A camera's chunks are decoded unless ``encoded`` is set.
    Damaged frames are skipped.
    """

    def __init__(
        self, track: MediaStreamTrack, limit_bytes: int, limit_frames: int | None = None, *, encoded: bool = False
    ) -> None:
        self._track = track
        self._encoded = encoded
        self._event_loop = EventLoop()
        self._queue = track.open_queue(self._event_loop, limit_bytes, limit_frames)
        self._converter: Any = None  # created on first use
        self._ready: deque[Any] = deque()  # decoded frames: few, as a reader takes one before the next is decoded
        self._shown = False  # whether there was a good picture

    @property
    def dropped(self) -> int:
        """Return how many frames (samples per channel) were dropped because they were not read in time."""
        return self._queue.dropped

    @property
    def received(self) -> int:
        """Return how many frames (samples per channel) have come, with those that were dropped."""
        return self._queue.received

    def __repr__(self) -> str:
        return f"<FrameReader of {self._track!r}{' closed' if self._queue.closed else ''}>"

    def read(self, timeout_s: float = _WAIT_S) -> F | None:
        """Return the next frame, or None if the track has ended or no frame came in time.

        Raises NotReadableError if the camera delivers nothing but damaged frames.
        """
        deadline = monotonic() + timeout_s
        while not self._ready:
            taken = self._event_loop.take(max(0.0, deadline - monotonic()))
            if taken is not None:
                self._ready += self._shown_of(taken.frame)
            elif self._queue.finished and self._converter is not None:
                self._ready += self._converter.rest()
                self._converter = None
            else:
                return None
        return cast(F, self._ready.popleft())

    def close(self) -> None:
        """Stop taking frames. So does a reader that is no longer referenced."""
        self._track.close_queue(self._queue)

    def __del__(self) -> None:
        self.close()

    def _shown_of(self, media: Media) -> Sequence[Media]:
        """Return what the reader gets of a frame or chunk: nothing if it is damaged or the decoder needs more."""
        if isinstance(media, AudioMedia) or (isinstance(media, EncodedVideoChunk) and self._encoded):
            return (media,)
        if isinstance(media, VideoFrame) and media.whole:
            return (media,)
        if self._converter is None:
            self._converter = load_converter()
        pictures: Sequence[VideoFrame] = self._converter.read(media)
        self._shown = self._shown or bool(pictures)
        if not self._shown and self._converter.faults.damaged >= MOST_DAMAGED:
            raise NotReadableError(f"{self._track.source_name} sends only damaged frames")
        return pictures

    def __aiter__(self) -> FrameReader[F]:
        return self

    async def __anext__(self) -> F:
        """Return the next frame, while other tasks of the running loop go on."""
        from asyncio import Event, get_running_loop

        came, loop = Event(), get_running_loop()
        bell = self._event_loop.changed

        def ring() -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(came.set)

        bell.on_ring = ring
        try:
            while True:
                came.clear()
                frame = self.read(0)
                if frame is not None:
                    return frame
                if self._queue.finished:
                    raise StopAsyncIteration
                await came.wait()
        finally:
            bell.on_ring = None

    def __iter__(self) -> Iterator[F]:
        return self

    def __next__(self) -> F:
        while (frame := self.read()) is None:
            if self._queue.finished:
                raise StopIteration
        return frame

    def __enter__(self) -> FrameReader[F]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class MediaStreamTrackProcessor(Generic[F]):
    """A source of the track's ``VideoFrame`` or ``AudioData`` objects, through ``readable``.

        import mscli

        with mscli.MediaDevices() as devices:
            (track,) = devices.get_user_media({"video": {"width": 640}})
            with mscli.MediaStreamTrackProcessor[mscli.VideoFrame]({"track": track}).readable as frames:
                picture = next(frames).to_ndarray("rgb24")  # (height, width, 3), uint8

    For a type checker, name what it reads: ``MediaStreamTrackProcessor[VideoFrame]({"track": track})``.

    The init dictionary has ``track`` and ``maxBufferSize``: how many frames wait for their reader. If they are not read in
    time, the oldest are dropped. By default one frame waits, so that the reader gets the newest. A track that waits for its
    readers (``paced``) loses none. Beyond the standard: ``maxBufferBytes`` bounds the waiting video by its size instead, and
    ``encoded`` passes on a camera's chunks without decoding; they depend on each other, so only their size is bounded.

    See https://www.w3.org/TR/mediacapture-transform/#track-processor. Differs from the standard: ``readable`` is a
    ``FrameReader``, an iterator, instead of a ReadableStream. Sound is read, too.
    """

    @property
    def readable(self) -> FrameReader[F]:
        """Return the reader of the frames."""
        return self._readable

    def __repr__(self) -> str:
        return f"<MediaStreamTrackProcessor of {self._readable._track!r}>"

    def __init__(self, init: Mapping[str, Any]) -> None:
        track = init.get("track") if isinstance(init, Mapping) else None
        if not isinstance(track, MediaStreamTrack):
            raise ArgumentError(
                "MediaStreamTrackProcessor: the member “track” of the init dictionary must be a MediaStreamTrack"
            )
        limit_bytes, encoded = int(init.get("maxBufferBytes", VIDEO_QUEUE_BYTES)), bool(init.get("encoded", False))
        usual = None if track.paced or encoded or "maxBufferBytes" in init else 1
        limit_frames = _frames(init["maxBufferSize"]) if init.get("maxBufferSize") is not None else usual
        self._readable: FrameReader[F] = FrameReader(track, limit_bytes, limit_frames, encoded=encoded)

    @property
    def total_frames(self) -> int:
        """Return how many frames (samples per channel) the track has delivered to the processor."""
        return self._readable.received

    @property
    def discarded_frames(self) -> int:
        """Return how many of them were dropped because they were not read in time."""
        return self._readable.dropped


def _frames(wanted: Any) -> int:
    """Return ``maxBufferSize`` as WebIDL's [EnforceRange] unsigned short. 0 is 1. Raises TypeError."""
    number = to_number(wanted)
    if not -1 < number < 2**16:  # also NaN
        raise ArgumentError(f"MediaStreamTrackProcessor: maxBufferSize must be from 0 to 65535, not {wanted!r}")
    return max(1, int(number))
