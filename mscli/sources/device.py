"""A device as a source of tracks: opening, starting, changing, losing and regaining it; and a watchdog over its frames.

- ``Port``: everything that a driver reports. It corrects impossible times and numbers.
- ``Handle``: every call to a driver, with a time limit. No lock is held during the call, so another thread can release the
  device in the meantime.
- ``DeviceSource``: the life of a device. ``mscli.core.device_state`` has the table of its states. This module feeds the table
  with events from the driver and the clock, and performs the actions.

A device that delivers no frame for ``MUTE_S`` is muted. Its tracks get filler frames (black or silence), until real frames come
again or a timeout ends. https://www.w3.org/TR/mediacapture-streams/#track-muted. Nothing here waits for a driver without a time
limit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from threading import Event as Flag
from threading import Lock, RLock
from time import monotonic
from typing import Protocol, TypeVar

from mscli.core.boxes import Mode, Scalar
from mscli.core.calls import Call, Partner, bounded, drop
from mscli.core.clock import MICROSECONDS, Clock, now_us, time_text
from mscli.core.controls import controls_in, plan
from mscli.core.device_state import STALLED, Action, Causes, DeviceEvent, DeviceState, Life
from mscli.core.errors import DOMException, NotReadableError
from mscli.core.frames import AudioMedia, EncodedVideoChunk, Media, VideoFrame, VideoMedia
from mscli.core.limits import CALM_S, FILL_BEHIND_US, STOOD_S, STOP_S, USUAL_TIMEOUTS, WATCH_S, FrameTimeouts, Timeouts
from mscli.core.locks import shared_lock
from mscli.core.log import INFO, Burst, Log
from mscli.core.properties import TRACK_KINDS
from mscli.core.reported import Reported
from mscli.core.selection import Settings, describe_settings
from mscli.core.threads import Thread
from mscli.core.timing import EARLY_US, Filler, Gaps, Stamps, can_be_lost
from mscli.media.chunkfilter import OwnSizes
from mscli.sources.base import (
    MUTED_BY_SERVER,
    NO_SIGNAL,
    SWITCHED_OFF,
    VIDEO_INPUT,
    Abilities,
    Backend,
    Device,
    Receiver,
    Request,
    Source,
    device_name,
    noun_of,
)
from mscli.sources.track import SettingsChange, TrackSource, Worker

_log = Log("device")

# Calls to a driver, and what it reports.

HINTS = ("another program may use it, or it may be asleep or badly connected; replug it and try again",)

T = TypeVar("T")
Ask = Callable[[Callable[[], T], float, str, Callable[[T], object]], T]


def answer(
    call: Callable[[], T], timeout_s: float, name: str, doing: str, release: Callable[[T], object] = drop, ask: Ask[T] = bounded
) -> T:
    """Return the result of a call to the driver of device ``name``. Raises NotReadableError if it does not return in time.

    A later result goes to ``release``.
    """
    _log.debug("%s: call the driver: %s", name, doing)
    try:
        result = ask(call, timeout_s, f"mscli-{doing}", release)
    except DOMException as error:
        _log.debug("%s: %s failed: %s", name, doing, error)
        raise
    except TimeoutError:
        _log.warning("%s: %s did not return within %g s: abandoned", name, doing, timeout_s)
        raise NotReadableError(
            f"{name} did not {doing} within {timeout_s:g} s, because its driver hangs", hints=HINTS
        ) from None
    _log.debug("%s: %s returned", name, doing)
    return result


def stop_source(source: Source) -> None:
    """Release a device. Exceptions are only reported, because the program must continue without the device anyway."""
    with Reported():
        source.stop()


class Stopping:
    """The release of a device, on its own thread. ``on_left_behind`` is called if it takes too long."""

    def __init__(self, stop: Callable[[], None], on_left_behind: Callable[[], None]) -> None:
        self._until_s = monotonic() + STOP_S
        self._on_left_behind = on_left_behind
        self._stop = stop
        self._call = Call(self._run, "mscli-stop")  # which keeps this object alive until then

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until the device is released. Without a timeout, wait until ``STOP_S`` after the start, then abandon it."""
        stopped = self._call.wait(max(0.0, self._until_s - monotonic()) if timeout_s is None else timeout_s)
        if not stopped and timeout_s is None:
            self._on_left_behind()
        return stopped

    def _run(self) -> None:
        self._stop()


ARRIVAL, EXPECTED = "arrival times", "the times that its pace expects"  # what replaces impossible ones


class PortOwner(Receiver, Protocol):
    """The owner of a port, which receives everything that comes through it."""

    def on_paced_frame(self, frame: Media) -> None:
        """Take a frame of a source that is not live, and wait until its readers have room. The caller holds no lock."""

    def on_retimed(self, count: int, off_us: int, slow: float = 0, *, instead: str = ARRIVAL) -> None:
        """Note that ``count`` frames (samples per channel) had an impossible timestamp, off by ``off_us``.

        ``slow``: by which share of the time the source's clock is slow, if it runs at another rate; fast if that is negative.
        ``instead``: what they have now.
        """

    def on_leap(self) -> None:
        """Note that the next frame's time says nothing of its distance to the one before, whose time was wrong."""


LONG_STEPS = 4  # a frame duration longer than this many recent distances is replaced by one of those
EARLY_SOUND_US = 500_000  # PortAudio counts samples from the first block, which may have been late
USUAL_RATE = 30.0  # frames per second, of a device that does not report its rate


class Port:
    """The entry point for everything that a driver reports after a device was opened. A closed port passes on nothing.

    Impossible times and numbers are corrected here. ``clock`` is the clock of the source's timestamps.

    A port holds its owner's lock while it passes something on. So once a thread that holds this lock has closed the port,
    nothing more comes in, even if the source was abandoned and continues. An end that comes before the driver has confirmed the
    start is kept until then, because the device is still in use.
    """

    __slots__ = (
        "_clock", "_early", "_last_us", "_lock", "_lost", "_owner", "_per_second", "_stamps", "_started", "_step_us",
        "closed", "gave",
    )  # fmt: skip

    def __init__(self, owner: PortOwner, lock: RLock, clock: Clock, settings: Mapping[str, Scalar]) -> None:
        self._owner, self._lock, self._clock = owner, lock, clock
        self._last_us = clock.now_us()  # the capture time of the last frame
        self._lost = 0  # since then
        self._step_us = MICROSECONDS  # the longest recent distance between frames
        self._per_second = 0.0
        self._note_rate(settings)
        self._stamps = Stamps(self._last_us, EARLY_SOUND_US if "sampleRate" in settings else EARLY_US)
        self.closed = False
        self.gave = False  # whether a frame has arrived
        self._started = False
        self._early: tuple[DOMException | None, ...] = ()  # ends that came before the driver's confirmation

    def started(self) -> tuple[DOMException | None, ...]:
        """Pass on the end from now on, because the driver has confirmed the start. Return an earlier end, if there was one."""
        with self._lock:
            self._started = True
            return self._early

    def on_frame(self, frame: Media) -> None:
        """Pass on a frame, with a plausible timestamp."""
        with self._lock:
            if not self.closed:
                self.gave = True
                self._owner.on_frame(self._timed(frame))

    def _timed(self, frame: Media) -> Media:
        """Return the frame with a plausible timestamp and duration."""
        lasts_us = frame.duration or round(MICROSECONDS / self._per_second)
        arrival_us = self._clock.now_us() - (lasts_us if isinstance(frame, AudioMedia) else 0)
        order_us = frame.order_us
        at_us = self._stamps.place(order_us, arrival_us, lasts_us)
        self._step_us = max(at_us - self._last_us, self._step_us * 9 // 10)
        self._last_us, self._lost = at_us, 0
        if isinstance(frame, VideoMedia) and (frame.duration or 0) > LONG_STEPS * self._step_us:
            frame = replace(frame, duration=self._step_us)
        off_us = order_us - at_us
        if self._stamps.leapt:
            self._owner.on_leap()
        if off_us:
            self._owner.on_retimed(frame.count, off_us, self._stamps.slow)
            frame = replace(frame, timestamp=frame.timestamp - off_us)
        return frame

    def on_lost(self, count: int) -> None:
        """Pass on a loss, unless there was no time to lose this much: then the source has restarted its numbering."""
        with self._lock:
            per_second = max(self._per_second, MICROSECONDS / self._step_us)
            if self.closed or not can_be_lost(self._lost + count, self._clock.now_us() - self._last_us, per_second):
                return
            self._lost += count
            self._owner.on_lost(count)

    def on_retimed(self, count: int, off_us: int) -> None:
        """Pass on a count of timestamps that the source itself has replaced."""
        with self._lock:
            if not self.closed:
                self._owner.on_retimed(count, off_us, instead=EXPECTED)

    def on_muted(self, muted: bool, cause: str = SWITCHED_OFF) -> None:
        """Pass on the driver's report about its switch or signal."""
        with self._lock:
            if not self.closed:
                self._owner.on_muted(muted, cause)

    def on_changed(self, settings: Mapping[str, Scalar], abilities: Abilities | None = None) -> None:
        """Pass on changed settings."""
        with self._lock:
            self._note_rate(settings)
            if not self.closed:
                self._owner.on_changed(settings, abilities and abilities.sensible())

    def on_warned(self, reason: str) -> None:
        """Pass on a warning about something that cannot be right."""
        with self._lock:
            if not self.closed:
                self._owner.on_warned(reason)

    def _note_rate(self, settings: Mapping[str, Scalar]) -> None:
        """Note how many frames, or samples per channel, the source delivers per second."""
        self._per_second = float(settings.get("sampleRate") or settings.get("frameRate") or self._per_second or USUAL_RATE)

    def on_ended(self, error: DOMException | None) -> None:
        """Pass on the end, once the driver has confirmed the start."""
        with self._lock:
            if not self._started:
                self._early = (error,)
            elif not self.closed:
                self._owner.on_ended(error)


class PacedPort(Port):
    """The port of a source that is not live. Its frames wait for readers, so it holds no lock while it passes one on.

    Timestamps are unrelated to the clock. They are only corrected if they do not rise.
    """

    __slots__ = ("_newest_us",)

    def __init__(self, owner: PortOwner, lock: RLock, clock: Clock, settings: Mapping[str, Scalar]) -> None:
        super().__init__(owner, lock, clock, settings)
        self._newest_us: int | None = None

    def on_frame(self, frame: Media) -> None:
        """Pass on a frame, and wait until the readers have room."""
        with self._lock:
            if self.closed:
                return
            self.gave = True
            risen_us = frame.order_us if self._newest_us is None else max(frame.order_us, self._newest_us + 1)
            off_us = frame.order_us - risen_us
            if off_us:
                self._owner.on_retimed(frame.count, off_us, instead=EXPECTED)
                frame = replace(frame, timestamp=frame.timestamp - off_us)
            self._newest_us = risen_us
        self._owner.on_paced_frame(frame)

    def on_lost(self, count: int) -> None:
        """Pass on a loss."""
        with self._lock:
            if not self.closed:
                self._owner.on_lost(count)


class Opened:
    """A device that was opened once by its driver. ``name``: its name for messages."""

    def __init__(self, source: Source, port: Port, name: str) -> None:
        self.source, self.port, self.name = source, port, name
        self._stopping = Lock()

    def stop(self) -> None:
        """Release the device. Concurrent calls run one after the other."""
        with self._stopping:
            stop_source(self.source)


class Handle:
    """The handle of one device. ``lock`` is its owner's. ``keep`` registers a worker to wait for when closing all devices."""

    def __init__(self, backend: Backend, owner: PortOwner, lock: RLock, keep: Callable[[Worker], None]) -> None:
        self.hangs = False  # whether the driver did not answer in time
        self.left_behind = ""  # a sentence for people, if the driver never released the device
        self._backend, self._owner, self._lock, self._keep = backend, owner, lock, keep
        self._driver = Partner()
        self._opened: Opened | None = None
        self._release: Stopping | None = None  # of the device that was held last

    @property
    def owes(self) -> bool:
        """Return whether a call to the driver is still pending. Another call would block another thread."""
        return self._driver.owes

    @property
    def opened(self) -> Opened | None:
        """Return the device that is held, or None."""
        return self._opened

    def open(self, device: Device, request: Request, timeout_s: float) -> Opened:
        """Open the device. The caller must take the result or stop it. Raises NotReadableError, NotAllowedError."""
        name = device_name(device)
        call = partial(self._backend.open, device, request)
        source = answer(call, timeout_s, name, "open", stop_source, self._driver.ask)
        port = Port if source.live else PacedPort
        return Opened(source, port(self._owner, self._lock, self._backend.clock, source.settings), name)

    def take(self, opened: Opened) -> None:
        """Hold this opened device from now on."""
        self._opened = opened

    def start(self, opened: Opened, timeout_s: float) -> None:
        """Start the stream. Raises NotReadableError."""
        self.hangs = True  # until it answers

        def begin() -> None:
            try:
                opened.source.start(opened.port)
            finally:
                self.hangs = False

        answer(begin, timeout_s, opened.name, "start", lambda _: opened.stop(), self._driver.ask)

    def set(self, opened: Opened, controls: Mapping[str, Scalar], timeout_s: float) -> Mapping[str, Scalar]:
        """Set controls and return the resulting value of every control. Raises NotReadableError."""
        call = partial(opened.source.set, controls)
        return answer(call, timeout_s, opened.name, "obey", lambda _: None, self._driver.ask)

    def stop_if_let_go(self, opened: Opened) -> None:
        """Stop the device unless it is held, because it may have been let go before it was started."""
        if self._opened is not opened:
            self._stopping(opened).join()

    def stop(self) -> None:
        """Release the device. It is abandoned if its driver does not answer within ``STOP_S``."""
        stopping = self.let_go()
        if stopping is not None:
            stopping.join()

    def release(self) -> None:
        """Release the device. If its driver hangs, continue in the background until all devices are closed."""
        stopping = self.let_go()
        if stopping is not None:
            self._keep(stopping) if self.hangs else stopping.join()

    def wait_released(self, timeout_s: float) -> None:
        """Wait until the device is released, also if somebody else releases it."""
        self.let_go()
        release = self._release
        if release is not None:
            release.join(timeout_s)

    def let_go(self) -> Stopping | None:
        """Close the port and start releasing the device. Return None if that was done before."""
        with self._lock:
            opened, self._opened = self._opened, None
            if opened is None:
                return None
            self._release = self._stopping(opened)
            return self._release

    def _stopping(self, opened: Opened) -> Stopping:
        with self._lock:
            opened.port.closed = True
        _log.debug("%s: release", opened.name)
        return Stopping(opened.stop, partial(self._leave_behind, opened.name))

    def _leave_behind(self, name: str) -> None:
        self.left_behind = f"{name} did not stop, because its driver hangs; it was left behind"
        _log.warning("%s", self.left_behind)


# The life of a device.


# A driver's report about its switch or signal → the event, and the reason for people
_REPORTS = {
    (SWITCHED_OFF, True): (DeviceEvent.SWITCHED_OFF, "the privacy switch of {} is on"),
    (SWITCHED_OFF, False): (DeviceEvent.SWITCHED_ON, ""),
    (MUTED_BY_SERVER, True): (DeviceEvent.SWITCHED_OFF, "{} is muted in the sound server"),
    (MUTED_BY_SERVER, False): (DeviceEvent.SWITCHED_ON, ""),
    (NO_SIGNAL, True): (DeviceEvent.SIGNAL_LOST, "{} has no signal"),
    (NO_SIGNAL, False): (DeviceEvent.SIGNAL_FOUND, ""),
}


class DeviceSource(TrackSource):
    """A device from ``open`` to the end of its last track. ``keep`` registers a worker to wait for when closing all devices."""

    def __init__(
        self,
        device: Device,
        backend: Backend,
        abilities: Abilities,
        keep: Callable[[Worker], None],
        timeouts: Timeouts = USUAL_TIMEOUTS,
    ) -> None:
        super().__init__(TRACK_KINDS[device.kind], device.label)
        self.device = device
        self.timeouts = timeouts
        self.lost_us = 0  # when the device was lost; 0 once it delivers a frame again
        self.reconnection: Callable[[DeviceSource], None] | None = None  # starts looking for the device, or for another one
        self.handle = Handle(backend, self, self._lock, keep)
        self._abilities = abilities
        self._native: Settings = {}  # the device's settings; its tracks may derive others
        self._asked: Settings = {}  # the requested settings; the driver may have chosen others nearby
        self._mode: Mode | None = None
        self._life = Life()
        self._sizes = OwnSizes()
        self._gaps = Gaps()  # among its frames
        self._losing = Burst(_log, f"{self.name}: %d frame(s) or sample(s) lost before they reached us")
        self._filler = Filler()
        self._last_frame_us = 0  # the arrival of the last frame
        self._waits = False  # whether a frame of a paced source waits for readers
        self._irregular = False  # whether it may go without a frame for any time
        self._sequence = 0  # of the last frame
        self._size = (0, 0)  # of video frames
        self._said = (0, 0)  # the same by the driver, as it was opened
        self._own_sizes: dict[tuple[int, int], tuple[int, int]] = {}  # by the driver → in truth
        self._rate = USUAL_RATE  # frames per second

    # Properties

    @property
    def name(self) -> str:
        """Return the device's name for messages."""
        return device_name(self.device)

    @property
    def noun(self) -> str:
        """Return what the device is, before its label."""
        return noun_of(self.device)

    @property
    def input_name(self) -> str:
        """Return the name for messages of a file or a pipe, or "" for a device."""
        return self.device.input_name

    def capabilities(self) -> Abilities:
        """Return what the device can do, with its ids."""
        identity = {"deviceId": (self.device.device_id,), "groupId": (self.device.group_id,)}
        return self._abilities._replace(values={**identity, **self._abilities.values})

    def settings(self) -> Settings:
        """Return the device's actual settings."""
        return self._native

    @property
    def mode(self) -> Mode | None:
        """Return the camera's native mode."""
        return self._mode

    @property
    def started(self) -> bool:
        """Return whether the device was started, or ended before that."""
        return self._life.state is not DeviceState.OPENED

    @property
    def had_frame(self) -> bool:
        """Return whether the device has delivered a frame since its start."""
        return self._life.state in (DeviceState.FLOWING, DeviceState.MUTED)

    @property
    def muted(self) -> bool:
        """Return whether its tracks are black or silent."""
        return bool(self._life.causes)

    @property
    def ended(self) -> bool:
        """Return whether no more frames will come."""
        return self._life.state is DeviceState.ENDED

    @property
    def left_behind(self) -> str:
        """Return a sentence for people if the driver never released the device, or ""."""
        return self.handle.left_behind

    # Opening and reopening. These take turns. Stopping the device or its last track does not wait for them.

    def open(self, settings: Mapping[str, Scalar], mode: Mode | None) -> None:
        """Open the device with native settings. Raises NotReadableError, NotAllowedError."""
        opened = self._open(self.device, settings, mode)
        self.handle.take(opened)
        self._note_set(opened, settings, mode)

    def _open(self, device: Device, settings: Mapping[str, Scalar], mode: Mode | None) -> Opened:
        return self.handle.open(device, Request(settings, mode.pixel_format if mode else ""), self.timeouts.first_s)

    def _note_set(self, opened: Opened, settings: Mapping[str, Scalar], mode: Mode | None) -> None:
        self.live, self.finite = bool(opened.source.live), bool(opened.source.finite)
        self._irregular = bool(opened.source.irregular)
        self.together = opened.source.together
        self._asked, self._mode = {**controls_in(self._asked), **settings}, mode
        self._note_native(opened.source.settings)
        self._said = self._size
        if self._said in self._own_sizes:
            width, height = self._own_sizes[self._said]
            self._note_native({**self._native, "width": width, "height": height})
        asked, native = describe_settings(self._asked), describe_settings(self._native)
        _log.info("%s: opened: requested %s, got %s", self.name, asked, native)

    def _note_native(self, given: Mapping[str, Scalar]) -> None:
        native = {**self._asked, **given}
        if "width" in native:
            self._size = int(native["width"]), int(native["height"])
            native["aspectRatio"] = float(native["width"]) / float(native["height"])
        self._native = native
        self._rate = float(native.get("frameRate", 0) or USUAL_RATE)

    def start(self) -> None:
        """Start the stream, unless it runs or its tracks were stopped in the meantime. Raises NotReadableError."""
        opened = self.handle.opened
        if opened is None or self.started:
            return
        self._gaps = Gaps()
        for error in self._start(opened, DeviceEvent.STARTED):
            self.on_ended(error)
        self.handle.stop_if_let_go(opened)

    def _start(self, opened: Opened, event: DeviceEvent) -> tuple[DOMException | None, ...]:
        """Start the stream. Return the error if it has ended in the meantime. Raises NotReadableError."""
        self._last_frame_us = now_us()
        self.handle.start(opened, self.timeouts.first_s)
        with self._lock:
            ended = opened.port.started()
            if not ended:
                self.error = None
                self._happens(event)
                if opened.port.gave:  # before the driver has confirmed
                    self._happens(DeviceEvent.FRAME)
            return ended

    def resume(self, device: Device) -> None:
        """Continue with the device that has returned, with its old settings, if a track is left. Raises NotReadableError."""
        with self.turn:
            before = self._native
            self._go_on(device, self._asked, self._mode, lambda: self._adapt(before), DeviceEvent.RETURNED)

    def _adapt(self, before: Settings) -> None:
        if self._native != before:
            self._reconsider()

    def apply(self, change: SettingsChange) -> None:
        """Change the native settings. This interrupts the stream.

        On failure, ``change.restore`` is called and the device continues with the old settings. If it cannot, it is gone. A
        driver that hangs is not called again. Raises NotReadableError, also if the device is gone already.
        """
        with self.turn:
            with self._lock:
                if self.ended:
                    return
                if self._life.state is DeviceState.AWAY:
                    raise NotReadableError(str(self.error))
                self._happens(DeviceEvent.CHANGE_ASKED)
                stopping = self.handle.let_go()  # now, because nothing that the driver still reports matters
            before = self._asked, self._mode, self._native
            if stopping is not None:
                stopping.join()
            self._gaps = Gaps()
            try:
                self._go_on(self.device, change.settings, change.mode, change.adopt, DeviceEvent.CHANGED)
            except DOMException as error:
                self._asked, self._mode, native = before
                self._note_native(native)
                change.restore()
                self._go_back(error)
                raise

    def set_controls(self, controls: Mapping[str, Scalar]) -> bool:
        """Set controls while the device runs, without interrupting frames. Return whether there was anything to set.

        ``settings`` then contains the resulting values. Raises NotReadableError, also if the device is gone.
        """
        with self.turn:
            opened = self.handle.opened
            is_new = not controls.keys() <= self._native.keys()  # a driver's own control is a setting once it was set
            if self.ended or not (is_new or plan(controls, self._native)):
                return False
            if opened is None or self._life.state is DeviceState.AWAY:
                raise NotReadableError(str(self.error))
            taken = self.handle.set(opened, controls, self.timeouts.first_s)
            with self._lock:
                self._asked |= controls
                self._note_native({**self._native, **taken})
            return True

    def _go_back(self, error: DOMException) -> None:
        """Continue with the old settings after an error if anybody needs the device, or give it up."""
        try:
            if self.handle.owes:
                raise error
            if self.wanted:
                self.resume(self.device)
        except DOMException as failure:
            self.on_ended(failure)

    def _go_on(
        self, device: Device, settings: Mapping[str, Scalar], mode: Mode | None, adopt: Callable[[], None], event: DeviceEvent
    ) -> None:
        """Reopen the device, call ``adopt`` and start the device, if a track is left."""
        opened = self._open(device, settings, mode)
        with self._lock:
            wanted = self.wanted
            if wanted:
                self.handle.take(opened)
        if wanted:
            self.device = device
            self._note_set(opened, settings, mode)
            adopt()
            self._start_again(opened, event)
        self.handle.stop_if_let_go(opened)

    def _start_again(self, opened: Opened, event: DeviceEvent) -> None:
        try:
            for error in self._start(opened, event):
                raise error or NotReadableError(self._nothing_comes())
        except BaseException:
            self.handle.release()
            raise

    def runs(self, settings: Mapping[str, Scalar], mode: Mode | None) -> bool:
        """Return whether the device was set to these settings already, or happens to have them."""
        return mode == self._mode and any(settings.items() <= one.items() for one in (self._asked, self._native))

    def close(self) -> None:
        """Release the device."""
        self.handle.release()

    def _lose_last_track(self) -> None:
        self._happens(DeviceEvent.LAST_TRACK)

    # Called on the driver's thread

    def on_frame(self, frame: Media) -> None:
        """Deliver a frame to every track, after filler frames up to it. Drop it if filler frames already cover its time."""
        with self._lock:
            state = self._life.state
            if state is DeviceState.ENDED:
                return
            self._last_frame_us = now_us()
            self._sequence = frame.sequence
            if isinstance(frame, EncodedVideoChunk):
                frame = self._sizes.in_its_own(frame, self._size)
            if isinstance(frame, VideoFrame | EncodedVideoChunk):
                self._follow_size(frame)
            if state is not DeviceState.FLOWING:
                self.lost_us = 0
                self._filler.imitate(frame)
                self._happens(DeviceEvent.FRAME, min(frame.order_us, self._last_frame_us))
            placed = self._filler.place(frame)
            if placed is not None:
                self._hand_on(placed)

    def on_paced_frame(self, frame: Media) -> None:
        """Deliver a frame to every track once all have room. Until then, the device's timeout rests."""
        with self._lock:
            if self.ended:
                return
            if isinstance(frame, EncodedVideoChunk):
                frame = self._sizes.in_its_own(frame, self._size)
            if isinstance(frame, VideoFrame | EncodedVideoChunk):
                self._follow_size(frame)
            self._happens(DeviceEvent.FRAME)
            self._waits = True
        try:
            self._spread(frame)
        finally:
            with self._lock:
                self._last_frame_us, self._waits = now_us(), False

    def _follow_size(self, frame: VideoFrame | EncodedVideoChunk) -> None:
        """Adapt the settings and the mode to the actual size of pictures, whatever the driver reports."""
        size = frame.coded_width, frame.coded_height
        if size == self._size:
            return
        self._own_sizes[self._said] = width, height = size
        said, modes = self._mode, self._abilities.modes
        if said is not None and said in modes:
            true = said._replace(width=width, height=height)
            modes = list(dict.fromkeys(true if mode == said else mode for mode in modes))
        self.on_changed({"width": width, "height": height}, self._abilities._replace(modes=modes))
        if self.live:
            self._filler.imitate(frame)

    def _hand_on(self, frame: Media) -> None:
        missing = 0 if self._irregular else self._gaps.note(frame, self._rate)
        if missing:
            self.lost += missing
            self._losing.note(missing)
        self._spread(frame)

    def on_lost(self, count: int) -> None:
        """Count frames that did not reach us."""
        with self._lock:
            self.lost += count
            self._losing.note(count)

    def on_retimed(self, count: int, off_us: int, slow: float = 0, *, instead: str = ARRIVAL) -> None:
        """Count frames with an impossible timestamp, and warn once."""
        with self._lock:
            if not self.retimed:
                self.on_warned(self._wrong_times(off_us, slow, instead))
            self.retimed += count

    def on_leap(self) -> None:
        """Take no frames for lost between the last one and the next."""
        with self._lock:
            self._gaps.leap()

    def on_warned(self, reason: str) -> None:
        """Warn the tracks about something that cannot be right."""
        with self._lock:
            _log.warning("%s", reason)
            for consumer in self.consumers:
                consumer.source_warned(self, reason)

    def _wrong_times(self, off_us: int, slow: float, instead: str) -> str:
        if slow:
            return (
                f"{self.name} has a clock that is {abs(slow):.2%} {'slow' if slow > 0 else 'fast'}; correcting its timestamps"
            )
        off = f"{time_text(abs(off_us))} {'ahead' if off_us > 0 else 'behind'}"
        return f"{self.name} sends impossible timestamps, the first {off}; using {instead} instead"

    def on_changed(self, settings: Mapping[str, Scalar], abilities: Abilities | None = None) -> None:
        """Adapt all tracks' frames to new settings at once, and let the tracks try their constraints again."""
        with self._lock:
            _log.info("%s: settings changed by themselves: %s", self.name, dict(settings))
            self._abilities = abilities or self._abilities
            self._note_native({**self._native, **settings})
            if self._mode is not None:
                width, height, rate = (float(self._native[name]) for name in ("width", "height", "frameRate"))
                self._mode = self._mode._replace(width=width, height=height, frame_rate=rate)
            self._reconsider()

    def _reconsider(self) -> None:
        for consumer in self.consumers:
            consumer.reshape()
            consumer.source_changed(self)

    def on_muted(self, muted: bool, cause: str = SWITCHED_OFF) -> None:
        """Handle a report about the device's privacy switch or signal."""
        with self._lock:
            self._last_frame_us = now_us()  # restart its timeout
            event, reason = _REPORTS[cause, muted]
            self._happens(event, self._last_frame_us, reason.format(self.name))

    def on_ended(self, error: DOMException | None) -> None:
        """Reconnect the device, or end the tracks, because no more frames will come."""
        with self._lock:
            if self.ended:
                return
            if error is None or self.reconnection is None:
                self._give_up(error)
            elif self._life.state is not DeviceState.AWAY:
                at_us = now_us()
                self.error, self.lost_us = error, self.lost_us or at_us
                self._happens(DeviceEvent.LOST, at_us, str(error))

    def give_up(self, error: DOMException | None = None) -> None:
        """End the tracks: waiting for the device was in vain, or it could not replace another one."""
        with self._lock:
            self._give_up(error or self.error)

    def _give_up(self, error: DOMException | None) -> None:
        if not self.ended:
            self.error = error
            self._happens(DeviceEvent.GIVEN_UP)

    # Checks while the device is silent

    def check_silence(self, at_us: int) -> float:
        """Mute the tracks if frames have stopped, and end them if frames do not come again. Called by the watchdog.

        Return for how many seconds there is nothing to check, even if no frame comes.
        """
        with self._lock:
            if not self.started or self.ended or self._waits:
                return 0.0
            calm_s = 0.0 if self._irregular else self._limit_silence(at_us)
            if self._life.causes & STALLED and not self.ended:
                self._fill(at_us - FILL_BEHIND_US)
            return calm_s

    def _limit_silence(self, at_us: int) -> float:
        """Mute or end the tracks if frames have stopped. Return for how many seconds there is nothing to check."""
        opened = self.handle.opened
        heard_us = 0 if opened is None else opened.source.heard_us
        silent_s = (at_us - max(self._last_frame_us, heard_us)) / MICROSECONDS
        timeouts = FrameTimeouts.of(self._rate, self.timeouts)
        limit_s = timeouts.then_s if self.had_frame else timeouts.first_s
        if silent_s > limit_s and self._life.is_due:
            self.handle.hangs = True
            self.on_ended(NotReadableError(self._nothing_comes(f" within {limit_s:g} s"), hints=HINTS))
        elif silent_s > timeouts.mute_s and self._filler.has_shape:
            self._happens(DeviceEvent.SILENT, at_us, self._nothing_comes())
        return min(timeouts.mute_s, limit_s) - silent_s

    def excuse(self, at_us: int) -> None:
        """Restart the timeout, because no frame could be received before ``at_us``."""
        with self._lock:
            self._last_frame_us = max(self._last_frame_us, at_us)

    def succeed(self, other: DeviceSource) -> None:
        """Replace a device that is gone. If that one was muted, this one is until its first frame."""
        with other._lock:  # not both locks at once: the other device may be about to succeed this one
            newest_us, filler, life, lost_us = other.newest_us, other._filler, other._life, other.lost_us
        with self._lock:
            self.newest_us = max(self.newest_us, newest_us)
            if not self.started:
                self._filler, self.lost_us = filler, lost_us
                self._life.inherit(life)

    def _nothing_comes(self, within: str = "") -> str:
        """Return the sentence about a device that sends nothing. It begins like one of ``NOTHING_COMES``."""
        what = "frames" if self.device.kind == VIDEO_INPUT else "sound"
        useless = f" ({self.lost} were lost, damaged or too short)" if self.lost and not self.had_frame else ""
        return f"no {what} from “{self.device.label}”{within}{useless}"

    # Actions of the state table

    def _happens(self, event: DeviceEvent, at_us: int = 0, reason: str = "") -> None:
        """Feed an event to the state table and perform the actions. The caller holds the lock.

        ``reason``: why the tracks are muted, for people.
        """
        before = self._life.state, self._life.causes
        actions = self._life.feed(event)
        if (self._life.state, self._life.causes) != before and _log.hears(INFO):
            self._log_step(event, *before, reason)
        if self.ended:
            self._losing.end()
        for action in actions:
            if action is Action.FILL:
                self._filler.begin(at_us)
            elif action is Action.FLOW:
                self._fill(at_us)
            elif action is Action.RECONNECT:
                assert self.reconnection is not None, "it would have been given up"
                self.reconnection(self)  # before the tracks are notified, so that whoever closes all devices then waits for it
            elif action is Action.END:
                self._end_tracks()
            else:
                self._notify_muted(action is Action.MUTE, reason)

    def _log_step(self, event: DeviceEvent, state: DeviceState, causes: Causes, reason: str) -> None:
        def describe(state: DeviceState, causes: Causes) -> str:
            why = ", ".join(sorted(cause.value for cause in causes))
            return f"{state.name} ({why})" if why else state.name

        after = describe(self._life.state, self._life.causes)
        why = reason or (str(self.error) if self.error is not None else "")
        _log.info("%s: %s: %s → %s%s", self.name, event.name, describe(state, causes), after, f": {why}" if why else "")

    def _fill(self, until_us: int) -> None:
        """Deliver filler frames up to ``until_us``."""
        for frame in self._filler.frames(until_us, self._rate, self._sequence):
            self._hand_on(frame)

    def _notify_muted(self, muted: bool, reason: str) -> None:
        for consumer in self.consumers:
            consumer.source_muted(self, muted, reason)


class Watchdog:
    """A thread that checks every device several times a second. It runs while there are devices."""

    def __init__(self) -> None:
        self._devices: dict[DeviceSource, None] = {}
        self._thread: Thread | None = None
        self._wake = Flag()  # one for each thread, so that a thread that must end cannot miss it
        self._lock = shared_lock()

    def add(self, device: DeviceSource) -> None:
        """Watch another device, once it is started."""
        with self._lock:
            self._devices[device] = None
            if self._thread is None:
                self._wake = Flag()
                self._thread = Thread(target=self._run, args=(self._wake,), name="mscli-watch", daemon=True)
                self._thread.start()

    def remove(self, device: DeviceSource) -> None:
        """Stop watching a device. The thread ends with the last one."""
        with self._lock:
            self._devices.pop(device, None)
            if self._devices or self._thread is None:
                return
            thread, self._thread = self._thread, None
            self._wake.set()
        thread.join()

    def _run(self, wake: Flag) -> None:
        pause_s, asleep_us = WATCH_S, now_us()
        while not wake.wait(pause_s):
            at_us = now_us()
            if at_us - asleep_us > (pause_s + STOOD_S) * MICROSECONDS:
                for device in tuple(self._devices):
                    device.excuse(at_us)
            asleep_us = at_us
            calm_s = min((device.check_silence(at_us) for device in tuple(self._devices)), default=0.0)
            pause_s = max(WATCH_S, min(calm_s, CALM_S))
