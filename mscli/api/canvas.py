"""Canvas and CanvasCaptureMediaStreamTrack: a stream of the pictures that a program draws.

https://www.w3.org/TR/mediacapture-fromelement/#html-canvas-element-media-capture-extensions
"""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from typing import Any
from weakref import WeakSet

from mscli.api.mediastream import MediaStream
from mscli.api.programs import ProgramSource, ProgramTrack, as_frame, program_track
from mscli.core.clock import MICROSECONDS, Clock, SystemClock
from mscli.core.errors import ArgumentError, InvalidStateError, NotSupportedError
from mscli.core.frames import VideoFrame
from mscli.core.locks import shared_lock

_EARLY = 8  # a picture may come this part of the interval before its time


class _Pace:
    """The rule that says which drawn pictures become frames.

    ``rate``: None for all, 0 for those requested, or the most a second. As in the standard, the first one is requested.
    """

    def __init__(self, rate: float | None, now_us: int) -> None:
        self._rate = rate
        self._requested = True
        self._due_us: float = now_us

    def request(self) -> None:
        """Let the next picture be a frame."""
        self._requested = True

    def takes(self, now_us: int) -> bool:
        """Return whether the picture that is drawn now becomes a frame."""
        if self._rate is None:
            return True
        if self._rate:
            interval_us = MICROSECONDS / self._rate
            if now_us >= self._due_us - interval_us / _EARLY:
                self._due_us = max(self._due_us, now_us - interval_us / _EARLY) + interval_us
                self._requested = True
        taken, self._requested = self._requested, False
        return taken


class _CanvasSource(ProgramSource):
    """The source of one ``capture_stream``."""

    def __init__(self, canvas: Canvas, rate: float | None, clock: Clock) -> None:
        super().__init__("video", "canvas")
        self.canvas = canvas
        self._pending: VideoFrame | None = None  # the latest picture, unless it became a frame
        self.resize(canvas.width, canvas.height)
        if rate:
            self.frame_rate = rate
            self._mode = self._mode._replace(frame_rate=rate)
        self._pace = _Pace(rate, clock.now_us())

    def resize(self, width: int, height: int) -> None:
        """Expect pictures of another size. The latest one no longer fits."""
        self._pending = None
        super().resize(width, height)

    def draw(self, frame: VideoFrame) -> None:
        """Deliver a drawn picture, if it is its turn."""
        if self.ended:
            return
        if self._pace.takes(frame.timestamp):
            self._pending = None
            self._put_if_live(frame.clone())
        else:
            self._pending = frame

    def request(self, at_us: int) -> None:
        """Deliver the latest picture, with this time, if nobody got it, or else the next one."""
        frame, self._pending = self._pending, None
        if frame is None:
            self._pace.request()
        else:
            self._put_if_live(replace(frame, timestamp=at_us))

    def _put_if_live(self, frame: VideoFrame) -> None:
        """Deliver a frame unless the source has ended, perhaps just now: whoever draws does not know of that."""
        try:
            self.put(frame)
        except InvalidStateError:
            if not self.ended:
                raise


class CanvasCaptureMediaStreamTrack(ProgramTrack):
    """A track of the pictures of a canvas: https://www.w3.org/TR/mediacapture-fromelement/#the-canvascapturemediastreamtrack.

    Does not differ from the standard.
    """

    source: _CanvasSource

    @property
    def canvas(self) -> Canvas:
        """Return the canvas."""
        return self._drawn.canvas

    def request_frame(self) -> None:
        """Make a frame of the latest picture if it was left out, or else of the next one."""
        if self.ready_state == "live":
            self.canvas.request(self._drawn)

    @property
    def _drawn(self) -> _CanvasSource:
        return self.source


class Canvas:
    """A surface that a program draws whole pictures on, and a stream of them: the library's HTMLCanvasElement.

        import mscli
        import numpy

        canvas = mscli.Canvas(640, 480)
        with mscli.MediaRecorder(canvas.capture_stream(), file="clip.mp4"):
            for level in range(10):
                canvas.draw(numpy.full((480, 640, 3), level, numpy.uint8))  # RGB

    Each picture is a frame at the moment in which it is drawn. For pictures that are made faster or slower than they are shown,
    see ``track_from``. Setting ``width`` or ``height`` changes the size of the frames to come.

    See https://www.w3.org/TR/mediacapture-fromelement/#html-canvas-element-media-capture-extensions. Differs from the standard:
    a program draws whole pictures; there is no drawing context.
    """

    def __init__(self, width: int, height: int, *, clock: Clock | None = None) -> None:
        self._width, self._height = _side(width), _side(height)
        self._clock = clock or SystemClock()
        self._drawing = shared_lock()
        self._sources: WeakSet[_CanvasSource] = WeakSet()
        self._latest_us = -1

    def __repr__(self) -> str:
        return f"<Canvas {self.width}×{self.height}>"

    @property
    def width(self) -> int:
        """Return the width in pixels."""
        return self._width

    @width.setter
    def width(self, width: int) -> None:
        self._resize(_side(width), self._height)

    @property
    def height(self) -> int:
        """Return the height in pixels."""
        return self._height

    @height.setter
    def height(self, height: int) -> None:
        self._resize(self._width, _side(height))

    def _resize(self, width: int, height: int) -> None:
        with self._drawing:
            self._width, self._height = width, height
            for source in list(self._sources):
                source.resize(width, height)

    def draw(self, picture: Any) -> None:
        """Show a picture of the canvas's size: an array of NumPy, a ``VideoFrame``, or an image of PyAV or Pillow.

        An array is copied. Raises TypeError for what is no picture, and ValueError, with both sizes, for another size.
        """
        now_us = self._clock.now_us()
        frame = as_frame(picture, now_us)
        size = frame.display_width, frame.display_height
        with self._drawing:
            if size != (self._width, self._height):
                raise ValueError(f"a picture of {size[0]}×{size[1]} is no picture of a canvas of {self._width}×{self._height}")
            drawn = replace(frame, timestamp=self._time_after_latest(now_us))
            for source in list(self._sources):
                source.draw(drawn)

    def capture_stream(self, frame_rate: float | None = None) -> MediaStream:
        """Return a stream of one track with what is drawn from now on.

        ``frame_rate``: None makes a frame of each picture, 0 of the first one and of those that ``request_frame`` asks for. Any
        other number limits the frames per second. Raises TypeError unless it is a number, and NotSupportedError if it is
        negative.
        """
        if frame_rate is not None and (not isinstance(frame_rate, int | float) or not isfinite(frame_rate)):
            raise ArgumentError(f"a frame rate is a number, not {frame_rate!r}")
        if frame_rate is not None and frame_rate < 0:
            raise NotSupportedError(f"a frame rate is not negative, as {frame_rate:g} is")
        source = _CanvasSource(self, frame_rate, self._clock)
        track = program_track(source, kind=CanvasCaptureMediaStreamTrack)
        with self._drawing:
            self._sources.add(source)
        return MediaStream([track])

    def request(self, source: _CanvasSource) -> None:
        """Do what ``request_frame`` of a track of this source asks for."""
        with self._drawing:
            source.request(self._time_after_latest(self._clock.now_us()))

    def _time_after_latest(self, now_us: int) -> int:
        """Return the time of a frame that is made now. Times rise, also at the same moment."""
        self._latest_us = max(self._latest_us + 1, now_us)
        return self._latest_us


def _side(pixels: int) -> int:
    if not isinstance(pixels, int) or isinstance(pixels, bool):
        raise ArgumentError(f"a canvas has whole pixels, not {pixels!r}")
    if pixels < 1:
        raise ValueError(f"a canvas has at least 1 pixel, not {pixels}")
    return pixels
