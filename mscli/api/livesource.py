"""An opened device that streams, shared by every track on it: its start and end, and what it gives while no frames come.

A device that gives no frame for ``MUTE_S`` is muted: its tracks are black or silent, in frames made here, until frames come
again or ``Patience`` ends. https://www.w3.org/TR/mediacapture-streams/#track-muted. Nothing here waits for a driver without
a bound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from threading import RLock

from mscli.api.care import USUAL, Patience
from mscli.api.consumer import Consumer, Worker
from mscli.api.driver import HINTS, Driver, Port, Stopping, stop_source
from mscli.api.mediadeviceinfo import device_name
from mscli.api.stopgap import BEHIND_US, Stopgap
from mscli.core.boxes import Mode, Scalar
from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.errors import DOMException, NotReadableError
from mscli.core.frames import Frame, VideoFrame
from mscli.core.holes import Holes
from mscli.core.mailbox import Task
from mscli.core.selection import Settings
from mscli.sources.base import NO_SIGNAL, SWITCHED_OFF, VIDEO_INPUT, Abilities, Backend, Device, Request, Source

MUTE_S = 0.8  # without frames for so long, or for SLOW_FRAMES of its own, a device is muted
SLOW_FRAMES = 3
USUAL_RATE = 30.0  # frames per second, of what does not tell
STALLED = "stalled"  # a cause of being muted, beside those that a driver tells, of which the reasons are:
TOLD = {SWITCHED_OFF: "the privacy switch of {} is on", NO_SIGNAL: "{} gets no signal"}


class LiveSource:
    """A device from ``open`` to the end of its last track."""

    def __init__(
        self,
        device: Device,
        backend: Backend,
        abilities: Abilities,
        post: Callable[[Task], None],
        keep: Callable[[Worker], None],
        patience: Patience = USUAL,
    ) -> None:
        self.device = device
        self.abilities = abilities
        self.native: Settings = {}  # what the device gives; its tracks may give something derived from it
        self._asked: Settings = {}  # what it was set to; the driver may have set something near it
        self.mode: Mode | None = None
        self.lost = 0  # frames, or samples per channel, before us: as the device says, and in holes of its flow
        self._holes = Holes()
        self.started = self.ended = self.had_frame = False
        self.error: DOMException | None = None  # why it ended, or is gone
        self.left_behind = ""  # the sentence for people, if its driver never gave the device back
        self.last_frame_us = 0
        self.newest_us = 0  # the timestamp of the newest frame
        self.lost_us = 0  # when the device was gone, until it gives a frame again
        self.rescue: Callable[[LiveSource], None] | None = None  # what begins to look for it, or for another
        self._rescuing = False
        self._backend = backend
        self.patience = patience
        self.post = post  # runs a task on the thread that runs events
        self.keep = keep  # has a worker waited for when all devices are closed
        self._source: Source | None = None
        self._hangs = False  # whether its driver was waited for in vain
        self.driver = Driver()
        self._port: Port | None = None
        self._consumers: tuple[Consumer, ...] = ()  # replaced as a whole: the device's thread reads it without a lock
        self._mutes: dict[str, str] = {}  # cause → the reason for people, while the device is muted
        self._stopgap = Stopgap()
        self._sequence = 0  # of the last frame
        self._size = (0, 0)  # of pictures
        self._lock = RLock()  # of what opens and closes the device
        self._flow = RLock()  # of frames and what is said of them: from the device's thread and the watch's

    # Opening and closing, each answer of the driver waited for with a bound

    def open(self, settings: Mapping[str, Scalar], mode: Mode | None) -> None:
        """Take the device and set it to native settings. Raises NotReadableError, NotAllowedError."""
        self._source = self._take(self.device, settings, mode)
        self._asked, self.mode = dict(settings), mode
        self._note_native(self._source.settings)

    def _take(self, device: Device, settings: Mapping[str, Scalar], mode: Mode | None) -> Source:
        request = Request(settings, mode.pixel_format if mode else "")
        call = partial(self._backend.open, device, request)
        return self.driver.answer(call, self.patience.first_s, self.name, "open", stop_source)

    def _note_native(self, given: Mapping[str, Scalar]) -> None:
        self.native = {**self._asked, **given}
        if "width" in self.native:
            self._size = int(self.native["width"]), int(self.native["height"])
            self.native["aspectRatio"] = float(self.native["width"]) / float(self.native["height"])

    def start(self) -> None:
        """Begin to stream, unless its tracks were stopped meanwhile. Raises NotReadableError."""
        source = self._source
        if source is None:
            return
        self._holes = Holes()
        for error in self._start(source):
            self.on_ended(error)
        self._give_back_if_stopped(source)

    def _start(self, source: Source) -> tuple[DOMException | None, ...]:
        """Why it has ended meanwhile, if it has. Raises NotReadableError."""
        self.last_frame_us = now_us()
        self.had_frame = False
        port = self._port = Port(self)
        self._hangs = True  # until it answers

        def begin() -> None:
            try:
                source.start(port)
            finally:
                self._hangs = False

        self.driver.answer(begin, self.patience.first_s, self.name, "start", lambda _: stop_source(source))
        self.started = True
        return port.started()

    def resume(self, device: Device) -> None:
        """Go on with the device that has returned, set as it was, if there is still a track. Raises NotReadableError.

        No lock is held while the driver is asked, so that the tracks can be stopped meanwhile.
        """
        source = self._take(device, self._asked, self.mode)
        with self._lock:
            wanted = self.wanted
            self._source = source if wanted else None
        if wanted:
            self._resume(source, device)
        self._give_back_if_stopped(source)

    def _give_back_if_stopped(self, source: Source) -> None:
        """Stop it again if it was stopped while it was started: that may have come first."""
        if self._source is not source:
            self._stopping(source).join()

    def _resume(self, source: Source, device: Device) -> None:
        before, self.device = self.native, device
        self._note_native(source.settings)
        if self.native != before:
            self._reconsider()
        with self._flow:
            self._rescuing, self.last_frame_us = False, now_us()
            error, self.error = self.error, None
            for cause in TOLD:
                self._set_mute(cause, "")  # its driver will tell
        try:
            for ended in self._start(source):
                raise ended or NotReadableError(f"{self.name} gives {self._no_frame}")
        except BaseException:
            self._rescuing, self.error = True, error
            self.release()
            raise

    def change(self, settings: Mapping[str, Scalar], mode: Mode | None) -> None:
        """Go on with other native settings: the stream is interrupted. On failure the old ones run again, and it is raised."""
        with self._lock:
            if self.ended:
                return
            before = self._asked, self.mode
            self.stop()
            try:
                self.open(settings, mode)
                self.start()
            except DOMException:
                self.stop()
                self.open(*before)
                self.start()
                raise

    def stop(self) -> None:
        """Give the device back. One whose driver does not answer within ``STOP_S`` is left behind."""
        stopping = self.let_go()
        if stopping is not None:
            stopping.join()

    def release(self) -> None:
        """Give the device back. If its driver hangs, that goes on behind: it is waited for when all devices are closed."""
        stopping = self.let_go()
        if stopping is not None:
            self.keep(stopping) if self._hangs else stopping.join()

    def let_go(self) -> Stopping | None:
        """Take no more frames and begin to give the device back; None if that was done."""
        with self._lock:
            source, self._source = self._source, None
            if self._port is not None:
                self._port.closed = True
            return self._stopping(source) if source is not None else None

    def _stopping(self, source: Source) -> Stopping:
        return Stopping(source, self._leave_behind)

    def _leave_behind(self) -> None:
        self.left_behind = f"{self.name} did not stop: its driver hangs and was left behind"

    @property
    def name(self) -> str:
        """The device as messages name it."""
        return device_name(self.device)

    # Its tracks

    def runs(self, settings: Mapping[str, Scalar], mode: Mode | None) -> bool:
        """Whether the device is set to that already, or gives just that."""
        return mode == self.mode and any(settings.items() <= one.items() for one in (self._asked, self.native))

    def attach(self, consumer: Consumer) -> None:
        """Hand frames to ``consumer`` too."""
        with self._lock:
            self._consumers = (*self._consumers, consumer)

    def detach(self, consumer: Consumer) -> bool:
        """Hand it no more frames. Gives the device back with the last consumer; True then."""
        with self._lock:
            self._consumers = tuple(other for other in self._consumers if other is not consumer)
            if not self._consumers:
                self.ended = True
                self.release()
            return not self._consumers

    @property
    def wanted(self) -> bool:
        """Whether a track lives on it."""
        return bool(self._consumers) and not self.ended

    @property
    def consumers(self) -> tuple[Consumer, ...]:
        """The tracks on it."""
        return self._consumers

    # What the device says, on its thread

    def on_frame(self, frame: Frame) -> None:
        """Pass a frame to every track, after the black up to it; not one in whose place that stands already."""
        with self._flow:
            self.last_frame_us = now_us()
            self._sequence = frame.sequence
            if isinstance(frame, VideoFrame) and (frame.coded_width, frame.coded_height) != self._size:
                self.on_changed({"width": frame.coded_width, "height": frame.coded_height})
                self._stopgap.imitate(frame)
            if not self.had_frame:
                self.had_frame, self.lost_us = True, 0
                self._stopgap.imitate(frame)
            if STALLED in self._mutes:
                self._fill(min(frame.timestamp, self.last_frame_us))
                self._set_mute(STALLED, "")
            if self._stopgap.covers(frame.timestamp):
                return
            self._stopgap.last_us = frame.timestamp
            self._deliver(frame)

    def on_lost(self, count: int) -> None:
        """Count what was lost before us."""
        with self._flow:
            self.lost += count

    def on_changed(self, settings: Mapping[str, Scalar], abilities: Abilities | None = None) -> None:
        """The device is set otherwise: derive all tracks' frames from that at once, and have their constraints tried again."""
        with self._flow:
            self.abilities = abilities or self.abilities
            self._note_native({**self.native, **settings})
            if self.mode is not None:
                width, height, rate = (float(self.native[name]) for name in ("width", "height", "frameRate"))
                self.mode = self.mode._replace(width=width, height=height, frame_rate=rate)
            self._reconsider()

    def _reconsider(self) -> None:
        for consumer in self._consumers:
            consumer.reshape()
        self.post(self._tell_changed)

    def _tell_changed(self) -> None:
        for consumer in self._consumers:
            consumer.source_changed()

    def on_muted(self, muted: bool, cause: str = SWITCHED_OFF) -> None:
        """The driver says that the camera's or microphone's own switch has shut it off, or on again, or so of its signal."""
        with self._flow:
            self.last_frame_us = now_us()  # it gets its time anew
            self._set_mute(cause, TOLD[cause].format(self.name) if muted else "")

    def on_ended(self, error: DOMException | None) -> None:
        """The device will give no more frames: have the tracks rescued, or told."""
        with self._flow:
            if self.ended:
                return
            if error is None or self.rescue is None:
                self._end(error)
            elif not self._rescuing:
                at_us = now_us()
                self._rescuing, self.error = True, error
                self.lost_us = self.lost_us or at_us
                self._mute_for_lack(at_us, str(error))
                self.rescue(self)

    def give_up(self) -> None:
        """The device was waited for in vain: end its tracks."""
        with self._flow:
            if not self.ended:
                self._end(self.error)

    def _end(self, error: DOMException | None) -> None:
        """Close the lanes behind the last frame, and have the tracks told."""
        self.ended, self.error = True, error
        for consumer in self._consumers:
            consumer.close_lanes()
        self.post(self._tell_ended)

    def _deliver(self, frame: Frame) -> None:
        self.newest_us = frame.timestamp
        self.lost += self._holes.note(frame, self._rate)
        for consumer in self._consumers:
            consumer.deliver(frame)

    def _tell_ended(self) -> None:
        for consumer in self._consumers:
            consumer.source_ended()

    # What is noticed when it says nothing

    @property
    def muted(self) -> bool:
        """Whether its tracks are black or silent."""
        return bool(self._mutes)

    def look(self, at_us: int) -> float:
        """Called by the watch: mute the tracks when frames stopped coming, end them when they do not come again.

        Answers for how many seconds there is nothing to do, even if no frame comes.
        """
        with self._flow:
            if not self.started or self.ended:
                return 0.0
            silent_s = (at_us - self.last_frame_us) / MICROSECONDS
            if silent_s > self._limit_s and not self._mutes.keys() & TOLD and not self._rescuing:
                self._hangs = True
                self.on_ended(NotReadableError(f"{self.name} gave {self._no_frame} within {self._limit_s:g} s", hints=HINTS))
            elif silent_s > self._at_least(MUTE_S) and self.had_frame:
                self._mute_for_lack(at_us, f"{self.name} gives {self._no_frame}")
            if STALLED in self._mutes and not self.ended:
                self._fill(at_us - BEHIND_US)
            return min(self._at_least(MUTE_S), self._limit_s) - silent_s

    def excuse(self, at_us: int) -> None:
        """Nothing could be taken before that instant: it gets its time anew."""
        with self._flow:
            self.last_frame_us = max(self.last_frame_us, at_us)

    def _fill(self, until_us: int) -> None:
        """Show black, or silence, up to that instant."""
        for frame in self._stopgap.frames(until_us, self._rate, self._sequence):
            self._deliver(frame)

    def _mute_for_lack(self, at_us: int, reason: str) -> None:
        if STALLED not in self._mutes:
            self._stopgap.begin(at_us)
            self._set_mute(STALLED, reason)

    def succeed(self, other: LiveSource) -> None:
        """Take the place of a device that is gone: black or silent, as that would be, until the first frame."""
        with other._flow:  # not both at once: it may be about to succeed this one
            newest_us, before = other.newest_us, (other._stopgap, other._mutes, other.lost_us)
        with self._flow:
            self.newest_us = max(self.newest_us, newest_us)
            if not self.started:
                self._stopgap, self._mutes, self.lost_us = before

    @property
    def _limit_s(self) -> float:
        """How long it may be without frames."""
        first_s, then_s = map(self._at_least, self.patience)
        return self._at_least(MUTE_S) + then_s if self.had_frame else first_s

    def _at_least(self, seconds: float) -> float:
        """Seconds, long enough for ``SLOW_FRAMES`` of the device."""
        return max(seconds, SLOW_FRAMES / self._rate)

    @property
    def _rate(self) -> float:
        """Frames per second."""
        return float(self.native.get("frameRate", 0) or USUAL_RATE)

    @property
    def _no_frame(self) -> str:
        what = "frame" if self.device.kind == VIDEO_INPUT else "sound"
        return f"no more {what}" if self.had_frame else f"no {what}"

    def _set_mute(self, cause: str, reason: str) -> None:
        """Note why the device is muted, or with "" that it is so no longer, and have the tracks told what is new."""
        before = self.muted
        self._mutes = {name: why for name, why in {**self._mutes, cause: reason}.items() if why}
        if self.muted != before:
            self.post(partial(self._tell_muted, self.muted, reason))

    def _tell_muted(self, muted: bool, reason: str) -> None:
        for consumer in self._consumers:
            consumer.source_muted(muted, reason)
