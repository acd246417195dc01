"""A virtual camera: other programs see the pictures of a track as those of a camera.

Frames are shown as they come, in their own format if the device and most programs take it. Between them the rate is held: if no
frame comes in time, the last one is shown again, because programs take a camera without pictures for broken. A source that
waits for its readers is held to its own times.

**Bound**: the driver's buffers. **Policy**: if the driver holds all of them, the new frame is left out, and counted.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from threading import Condition
from time import monotonic
from typing import TYPE_CHECKING

from mscli.core.addresses import scheme_of
from mscli.core.clock import MICROSECONDS
from mscli.core.codecs import CAMERA_CODECS
from mscli.core.errors import NotSupportedError, OperationError
from mscli.core.frames import BT601, FORMATS, LIMITED_RGB, Rect, VideoColorSpace, VideoFrame, is_yuv, pixel_format
from mscli.core.limits import CAMERA_CLOSED_S, CAMERA_REPEATS_S, CAMERA_WAITS_S
from mscli.core.outputformats import NATIVE, OUTPUT_FORMATS
from mscli.core.selection import picture_in_words
from mscli.core.threads import Thread
from mscli.encode.options import DECODED, SinkOptions, TrackFormat
from mscli.media.chunkfilter import NO_FAULTS, Faults
from mscli.sinks.base import Sink

if TYPE_CHECKING:
    from mscli.media.pictures import Converter
    from mscli.sinks import SinkRow, Target
    from mscli.v4l2.output import Agreed, VideoOutput

READ_BY_ALL = ("I420", "YUYV", "NV12", "UYVY")  # what browsers and conference programs read of a camera
_PIXELS = OUTPUT_FORMATS["rawvideo"]
_USUAL_RATE = 30.0  # of a track that has none
_LEAST_RATE = Fraction(1, 1000)
_SLOWER = 1.01  # how many times as long a device shows a picture that has another rate; 29.97 is no other one than 30


class CameraSink(Sink):
    """A virtual camera. It has the size and the rate of the track, and shows its first picture with the first frame."""

    def __init__(self, row: SinkRow, target: Target, options: SinkOptions) -> None:
        super().__init__(row, target, options)
        self.name = str(target)
        self._path = self.name[len(scheme_of(self.name)) + 1 :]
        self._track = TrackFormat("video")
        self._device: VideoOutput | None = None
        self._thread: Thread | None = None
        self._agreed: Agreed | None = None  # once it shows pictures
        self._converter: Converter | None = None
        self._turn = Condition()  # held to use the device, once it shows pictures
        self._over = False
        self._failure: OperationError | None = None  # of the thread
        self._period_s = 0.0
        self._due_s = 0.0  # when to show the next picture, on the monotonic clock
        self._origin_s: float | None = None  # the time of the clock at which a paced track has time 0
        self._bytes = 0
        self._left_out = 0
        if not self._path:
            raise NotSupportedError(f"{self.name} names no device", hints=["name one, as in v4l2:/dev/video20"])
        _check(options)

    @classmethod
    def check(cls, row: SinkRow, options: SinkOptions, kinds: Sequence[str]) -> None:
        """Check that there is one track of pictures, in a format that cameras have."""
        super().check(row, options, kinds)
        if len(kinds) != 1:
            raise NotSupportedError(f"a virtual camera shows one track, not {len(kinds)}", hints=["choose one camera"])
        _check(options)

    @classmethod
    def describe(cls, row: SinkRow, options: SinkOptions, tracks: Sequence[TrackFormat]) -> str:  # noqa: ARG003
        """Return the size and the rate."""
        return f"virtual camera, {picture_in_words(tracks[0].settings)}"

    def open(self, tracks: list[TrackFormat]) -> None:
        """Open the device and check that it takes such pictures. It shows none yet."""
        from mscli.v4l2.output import VideoOutput

        self.check(self.row, self.options, [track.kind for track in tracks])
        (self._track,) = tracks
        self._device = VideoOutput(self._path)
        settings, form = self._track.settings, self._track.pixel_format
        if "width" in settings and "height" in settings:
            self._agree(form, int(settings["width"]), int(settings["height"]), BT601)

    def _agree(self, form: str, width: int, height: int, color: VideoColorSpace) -> Agreed:
        assert self._device is not None, "it was opened"
        own = DECODED if form in CAMERA_CODECS else form
        return self._device.agree(_wanted(own, _asked(self.options)), width, height, color)

    def write(self, track: int, frame: VideoFrame) -> None:  # noqa: ARG002
        """Show the frame. A source that waits for its readers waits here until the frame is due."""
        if self._agreed is None:
            self._begin(frame)
        for shown in self._converted(self._fitted(frame)):
            with self._turn:
                self._await(frame.timestamp)
                if self._failure is not None:
                    raise self._failure
                self._show(shown)

    def _begin(self, first: VideoFrame) -> None:
        """Set the device to pictures like the first one."""
        assert self._device is not None, "it was opened"
        color = first.color_space if is_yuv(first.format) else BT601
        self._agreed = self._agree(first.format, first.display_width, first.display_height, color)
        rate = max(Fraction(float(self._track.settings.get("frameRate") or _USUAL_RATE)).limit_denominator(1001), _LEAST_RATE)
        set_s = float(self._device.begin(self._agreed, 1 / rate))
        self._period_s = min(max(set_s, float(1 / rate)), CAMERA_REPEATS_S)  # a faster device repeats pictures itself
        if set_s * rate > _SLOWER and self.options.on_note is not None:
            self.options.on_note(f"“{self.name}” shows {1 / set_s:.4g} frames per second; the others are left out")
        self._thread = Thread(target=self._hold_rate, name="mscli-camera", daemon=True)

    def _fitted(self, frame: VideoFrame) -> VideoFrame:
        """Return the frame in the size of the device: without an odd last column or row, or else scaled."""
        assert self._agreed is not None, "it has begun"
        width, height = self._agreed.width, self._agreed.height
        if (frame.display_width, frame.display_height) == (width, height):
            return frame
        seen = frame.visible_rect or Rect(0, 0, frame.coded_width, frame.coded_height)
        is_scaled = (frame.display_width, frame.display_height) != (seen.width, seen.height)
        if not is_scaled and seen.width - width in (0, 1) and seen.height - height in (0, 1):
            return replace(frame, visible_rect=seen._replace(width=width, height=height), display_size=None)
        return replace(frame, display_size=(width, height))

    def _converted(self, frame: VideoFrame) -> Sequence[VideoFrame]:
        """Return the frame in the device's format and colour. Nothing if it is damaged."""
        assert self._agreed is not None, "it has begun"
        name, color = self._agreed.format, self._agreed.color_space
        fits = frame.color_space == color if is_yuv(name) else frame.color_space != LIMITED_RGB
        if frame.format == name and frame.whole and fits:
            return (frame,)
        if self._converter is None:
            from mscli.media.pictures import Converter

            self._converter = Converter(name, color if is_yuv(name) else None)
        return self._converter.read(frame)

    def _await(self, at_us: int) -> None:
        """Wait until a frame of a paced track is due. A long gap in its times is cut short."""
        if not self._track.paced:
            return
        now_s, at_s = monotonic(), at_us / MICROSECONDS
        if self._origin_s is None or abs(self._origin_s + at_s - now_s) > CAMERA_WAITS_S:
            self._origin_s = now_s - at_s
        while not self._over and (wait_s := self._origin_s + at_s - monotonic()) > 0:
            self._turn.wait(wait_s)

    def _show(self, frame: VideoFrame) -> None:
        assert self._device is not None, "it was opened"
        if self._device.put(frame.planes, frame.strides):
            self._bytes += frame.nbytes
        else:
            self._left_out += 1
        if not self._due_s and self._thread is not None:
            self._due_s = monotonic()
            self._thread.start()
        self._plan_next()

    def _plan_next(self) -> None:
        """Plan the next picture a period after this one was due. So the rate holds if frames are early, late or too few."""
        now_s = monotonic()
        self._due_s = min(max(self._due_s, now_s - self._period_s) + self._period_s, now_s + 2 * self._period_s)

    def _hold_rate(self) -> None:
        """Show the last picture again when no frame has come in time, with half a period to spare."""
        device = self._device
        assert device is not None, "it was opened"
        with self._turn:
            while not self._over:
                wait_s = self._due_s + self._period_s / 2 - monotonic()
                if wait_s > 0:
                    self._turn.wait(wait_s)
                    continue
                try:
                    device.repeat()
                except OperationError as error:
                    self._failure = error
                    return
                self._plan_next()

    def close(self) -> None:
        """End. The device is free for others."""
        with self._turn:
            self._over = True
            self._turn.notify_all()
        if self._thread is not None:
            self._thread.join_or_abandon(CAMERA_CLOSED_S)
        if self._device is not None:
            self._device.close()

    def abort(self) -> None:
        """End after a failure."""
        self.close()

    @property
    def bytes_written(self) -> int:
        """Return the size of the frames that were shown, in bytes."""
        return self._bytes

    def faults(self, track: int) -> Faults:  # noqa: ARG002
        """Return the faults of frames that could not be converted."""
        return NO_FAULTS if self._converter is None else self._converter.faults

    def corrections(self, track: int) -> Mapping[str, int]:
        """Return the counts of frames that could not be converted, and that the driver had no room for."""
        done = {**self.faults(track).corrections, "behind": self._left_out}
        return {name: count for name, count in done.items() if count}


def _check(options: SinkOptions) -> None:
    """Raise NotSupportedError if a virtual camera cannot show pictures as these options have them, or there can be none."""
    if not sys.platform.startswith("linux"):
        raise NotSupportedError("virtual cameras are written on Linux only", hints=["use --preview, or publish a stream"])
    if OUTPUT_FORMATS.get(options.format, _PIXELS) is not _PIXELS or NATIVE in (options.format, options.pixel_format):
        hints = ["leave --format out, or choose a pixel format"]
        raise NotSupportedError(f"a virtual camera shows pictures, not {options.format or NATIVE}", hints=hints)
    if options.frame_log is not None:
        raise NotSupportedError("--frame-log has no effect on a virtual camera", hints=["name another output first"])
    _asked(options)


def _asked(options: SinkOptions) -> str:
    """Return the pixel format that was asked for, or "". Raises NotSupportedError for an unknown one."""
    name = options.pixel_format if options.format in OUTPUT_FORMATS else options.format
    return pixel_format(name).name if name else ""


def _wanted(own: str, asked: str) -> Sequence[str]:
    """Return the pixel formats to try on a device, the best first, given that of the frames."""
    if asked:
        return (asked,)
    every = (name for name, row in FORMATS.items() if row.ffmpeg)
    return tuple(dict.fromkeys([*[own] * (own in READ_BY_ALL), *READ_BY_ALL, *[own] * bool(own), *every]))
