"""An opened device that streams, shared by every track on it: its start and end, and what it gives while no frames come.

A device that gives no frame for ``MUTE_S`` is muted: its tracks are black or silent, in frames made here, until frames come
again or ``Patience`` ends. https://www.w3.org/TR/mediacapture-streams/#track-muted. Nothing here waits for a driver without
a bound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from threading import Lock, RLock

from mscli.api.care import USUAL, Patience
from mscli.api.consumer import Consumer, Worker
from mscli.api.driver import HINTS
from mscli.api.hold import Hold, Opened
from mscli.api.mediadeviceinfo import device_name
from mscli.api.stopgap import BEHIND_US, Stopgap
from mscli.core.boxes import Mode, Scalar
from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.errors import DOMException, NotReadableError
from mscli.core.frames import Frame, VideoFrame
from mscli.core.holes import Holes
from mscli.core.mailbox import Task
from mscli.core.selection import Settings
from mscli.sources.base import NO_SIGNAL, SWITCHED_OFF, VIDEO_INPUT, Abilities, Backend, Device, Request

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
        self.last_frame_us = 0
        self.newest_us = 0  # the timestamp of the newest frame
        self.lost_us = 0  # when the device was gone, until it gives a frame again
        self.rescue: Callable[[LiveSource], None] | None = None  # what begins to look for it, or for another
        self._away = False  # until it streams again: it is gone, or being set otherwise
        self.patience = patience
        self.post = post  # runs a task on the thread that runs events
        self.keep = keep  # has a worker waited for when all devices are closed
        self.hold = Hold(backend, self, keep)
        self._consumers: tuple[Consumer, ...] = ()  # replaced as a whole: the device's thread reads it without a lock
        self._mutes: dict[str, str] = {}  # cause → the reason for people, while the device is muted
        self._stopgap = Stopgap()
        self._sequence = 0  # of the last frame
        self._size = (0, 0)  # of pictures
        self.turn = RLock()  # of who opens the device again, or chooses what it is set to
        self._lock = Lock()  # of who its tracks are
        self._flow = RLock()  # of frames and what is said of them: from the device's thread and the watch's

    # Opening, and opening again: who does takes turns; who stops the device, or its last track, waits for none of it

    def open(self, settings: Mapping[str, Scalar], mode: Mode | None) -> None:
        """Take the device and set it to native settings. Raises NotReadableError, NotAllowedError."""
        opened = self._open(self.device, settings, mode)
        self.hold.take(opened)
        self._note_set(opened, settings, mode)

    def _open(self, device: Device, settings: Mapping[str, Scalar], mode: Mode | None) -> Opened:
        return self.hold.open(device, Request(settings, mode.pixel_format if mode else ""), self.patience.first_s)

    def _note_set(self, opened: Opened, settings: Mapping[str, Scalar], mode: Mode | None) -> None:
        self._asked, self.mode = dict(settings), mode
        self._note_native(opened.source.settings)

    def _note_native(self, given: Mapping[str, Scalar]) -> None:
        self.native = {**self._asked, **given}
        if "width" in self.native:
            self._size = int(self.native["width"]), int(self.native["height"])
            self.native["aspectRatio"] = float(self.native["width"]) / float(self.native["height"])

    def start(self) -> None:
        """Begin to stream, unless its tracks were stopped meanwhile. Raises NotReadableError."""
        opened = self.hold.opened
        if opened is None:
            return
        self._holes = Holes()
        for error in self._start(opened):
            self.on_ended(error)
        self.hold.stop_if_let_go(opened)

    def _start(self, opened: Opened) -> tuple[DOMException | None, ...]:
        """Have it stream; why it has ended meanwhile, if it has. Raises NotReadableError."""
        self.last_frame_us = now_us()
        self.had_frame = False
        self.hold.start(opened, self.patience.first_s)
        with self._flow:
            self.started = True
            ended = opened.port.started()
            if not ended:
                self._away, self.error = False, None
            return ended

    def resume(self, device: Device) -> None:
        """Go on with the device that has returned, set as it was, if there is still a track. Raises NotReadableError."""
        with self.turn:
            before = self.native
            self._go_on(device, self._asked, self.mode, lambda: self._return(before))

    def _return(self, before: Settings) -> None:
        if self.native != before:
            self._reconsider()
        with self._flow:
            for cause in TOLD:
                self._set_mute(cause, "")  # its driver will tell

    def change(
        self, settings: Mapping[str, Scalar], mode: Mode | None, adopt: Callable[[], None], restore: Callable[[], None]
    ) -> None:
        """Go on with other native settings: the stream is interrupted. ``adopt`` is called between the two.

        On failure the device goes on as before, after ``restore``, and it is raised. It is gone if it cannot, or if its driver
        hangs, which is not asked again. Raises NotReadableError, for one that is gone already, too.
        """
        with self.turn:
            if not self._interrupt():
                return
            before = self._asked, self.mode, self.native
            self.hold.stop()
            self._holes = Holes()
            try:
                self._go_on(self.device, settings, mode, adopt)
            except DOMException as error:
                self._asked, self.mode, self.native = before
                restore()
                self._go_back(error)
                raise

    def _interrupt(self) -> bool:
        """Expect no frames of it until it is started again; whether it streamed. Raises NotReadableError if it is gone."""
        with self._flow:
            if self.ended:
                return False
            if self._away:
                raise NotReadableError(str(self.error))
            self._away = True
            return True

    def _go_back(self, error: DOMException) -> None:
        """After that error: go on as before, if anybody wants it, or without the device."""
        try:
            if self.hold.silent:
                raise error
            if self.wanted:
                self.resume(self.device)
        except DOMException as failure:
            with self._flow:
                self._away = False
                self.on_ended(failure)

    def _go_on(self, device: Device, settings: Mapping[str, Scalar], mode: Mode | None, adopt: Callable[[], None]) -> None:
        """Open the device again and stream, after ``adopt``, if there is still a track."""
        opened = self._open(device, settings, mode)
        with self._lock:
            wanted = self.wanted
            if wanted:
                self.hold.take(opened)
        if wanted:
            self.device = device
            self._note_set(opened, settings, mode)
            adopt()
            self._start_again(opened)
        self.hold.stop_if_let_go(opened)

    def _start_again(self, opened: Opened) -> None:
        try:
            for error in self._start(opened):
                raise error or NotReadableError(f"{self.name} gives {self._no_frame}")
        except BaseException:
            self.hold.release()
            raise

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
            last = not self._consumers
            self.ended = self.ended or last
        if last:
            self.hold.release()
        return last

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
            placed = self._stopgap.place(frame)
            if placed is not None:
                self._deliver(placed)

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
            elif not self._away:
                at_us = now_us()
                self._away, self.error = True, error
                self.lost_us = self.lost_us or at_us
                self.rescue(self)  # before it is told: who closes all devices then waits for it
                self._mute_for_lack(at_us, str(error))

    def give_up(self, error: DOMException | None = None) -> None:
        """The device was waited for in vain, or cannot take another's place that is gone for that reason: end its tracks."""
        with self._flow:
            if not self.ended:
                self._end(error or self.error)

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
            if silent_s > self._limit_s and not self._mutes.keys() & TOLD and not self._away:
                self.hold.hangs = True
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
