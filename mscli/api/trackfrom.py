"""track_from: a track of any iterable of frames."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from threading import Event, current_thread
from typing import Any

from mscli.api.programs import USUAL_RATE, ProgramSource, ProgramTrack, as_frame, program_track
from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.errors import ArgumentError, DOMException, NotReadableError
from mscli.core.frames import AudioData, VideoFrame
from mscli.core.limits import SOURCE_STOP_S
from mscli.core.threads import Thread

_Timed = Generator[VideoFrame | AudioData, None, None]


class _Frames(ProgramSource):
    """A source that takes frames from an iterator, on its own thread. It ends with the iterator."""

    def __init__(self, first: VideoFrame | AudioData, frames: _Timed, *, paced: bool) -> None:
        kind = "video" if isinstance(first, VideoFrame) else "audio"
        super().__init__(kind, "frames of a program", live=not paced, first=first)
        self._first: VideoFrame | AudioData | None = first
        self._frames = frames
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="mscli-frames", daemon=True)

    def start(self) -> None:
        """Start taking frames."""
        self._thread.start()

    def close(self) -> None:
        """Take no more frames, and join the thread. If the iterator gives nothing, it is abandoned, and closed when it does."""
        self._stopping.set()
        if self._thread is not current_thread():
            self._thread.join_or_abandon(SOURCE_STOP_S)

    def _run(self) -> None:
        error: DOMException | None = None
        try:
            with closing(self._frames):
                self._take_all()
        except BaseException as failure:  # no more frames come, whatever it is
            error = _as_ours(failure)
        if not self._stopping.is_set():
            self.end(error)

    def _take_all(self) -> None:
        frame, self._first = self._first, None
        while frame is not None and not self.ended and (not self.live or self._wait_until(frame.timestamp)):
            self.put(frame.clone())  # the program may use its own again, and close it
            frame = next(self._frames, None)

    def _wait_until(self, at_us: int) -> bool:
        """Wait until the time of a frame. Return whether the source still goes on."""
        return not self._stopping.wait(max(0.0, (at_us - now_us()) / MICROSECONDS))


def _as_ours(failure: BaseException) -> DOMException:
    text = f"{type(failure).__name__}: {failure}".removesuffix(": ")
    return failure if isinstance(failure, DOMException) else NotReadableError(f"the frames failed with {text}")


def track_from(frames: Iterable[Any], *, paced: bool = True, frame_rate: float = USUAL_RATE) -> ProgramTrack:
    """Return a track of an iterable of frames: ``VideoFrame`` or ``AudioData``, or pictures of NumPy, PyAV or Pillow.

    ``paced``: the iterable goes as fast as its readers take the frames, and nothing is lost, as for a file. Otherwise a frame
    comes at its time, and late readers lose it, as for a camera. Pictures without a time follow each other at ``frame_rate``,
    from 0 on or from now on.

    The track ends with the iterable, with an error if that raises one. An iterator that can be closed, such as a generator, is
    closed with the track. The first frame is taken at once: it says what the track is. Raises TypeError and ValueError for what
    is no frame, and ValueError if there is none.
    """
    if not frame_rate > 0:
        raise ValueError(f"a frame rate is above 0, not {frame_rate}")
    try:
        timed = _timed(iter(frames), frame_rate, 0 if paced else now_us())
    except TypeError:
        raise ArgumentError(f"frames come from an iterable, not {type(frames).__name__}") from None
    first = next(timed, None)
    if first is None:
        raise ValueError("there is no frame")
    source = _Frames(first, timed, paced=paced)
    source.frame_rate = frame_rate
    return program_track(source)


def _timed(frames: Iterator[Any], rate: float, from_us: int) -> _Timed:
    """Yield frames, and pictures as frames with times from ``from_us`` on. At the end, close the iterator if possible."""
    lasts_us = round(MICROSECONDS / rate)
    try:
        for number, item in enumerate(frames):
            at_us = from_us + round(number * MICROSECONDS / rate)
            yield item if isinstance(item, AudioData) else as_frame(item, at_us, lasts_us)
    finally:
        close = getattr(frames, "close", None)
        if close is not None:
            close()
