"""Fake devices: cameras and microphones whose every frame tells which one it is and when it was captured.

They are described by the contract's JSON object (``fake_desc``), so that any machine can be played, failing ones too.

**Time.** All sources of one backend share an epoch, the first start of any of them. A camera of r frames per second captures
at the epoch plus k/r seconds, a microphone blocks of 10 ms at the epoch plus k/100 seconds, and a start waits for the next of
these. Timestamps are those instants exactly; frames are never early, and late only when the machine is.

**Flash and beep.** At every whole second after the epoch, but not at the epoch, a beep starts (``fake_sound``) and the first
picture captured then or later flashes (``fake_picture``): at integer rates both have the same instant. The first picture of a
camera never flashes, so that a snapshot shows the picture.

**Faults.** A microphone's frames are its blocks.

- ``busy``, ``denied``: opening raises NotReadableError, NotAllowedError. ``errorOnStart``: starting raises NotReadableError.
- ``vanishAfterFrames`` N: after N frames the source ends with NotReadableError and the device is no longer listed.
  ``returnAfterSeconds`` S: S seconds later it is listed again, and can be opened as if nothing had been.
- ``stallAfterFrames`` N, ``stallSeconds`` S: after N frames none is captured for S seconds (without S: for good). Nothing is
  lost: frame numbers go on where they stopped, and the timestamps show the gap.
- ``dropEvery`` N: every Nth frame is captured and lost before it arrives; sequence and frame number jump.
- ``jitterMs`` J: timestamps and deliveries are off by up to ±J ms (less than half a frame), the same on every run.
- ``appearAfterSeconds`` S: the device is listed only S seconds after the backend was made.
- ``changeAfterFrames`` N of a camera: after N frames it goes on in the size of the last of its modes, by itself.
- ``hangOnOpen``, ``hangAfterFrames`` N: opening, or delivering after N frames and so stopping, never returns, as with a
  driver that hangs.
- ``clockDriftPpm`` of a microphone, beside ``faults``: its clock is that many millionths fast.

A source that was held up by a busy machine catches up, with true timestamps. What it is more than a second behind with, it
leaves out and reports as lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count
from math import ceil, isfinite, isinf
from threading import Event, Lock, Thread
from typing import Any, NamedTuple, NoReturn, Protocol
from weakref import WeakValueDictionary

from mscli.core.boxes import Scalar, Span
from mscli.core.clock import MICROSECONDS, Clock, SystemClock
from mscli.core.errors import DOMException, NotAllowedError, NotReadableError, NotSupportedError
from mscli.core.frames import Frame
from mscli.sources.base import (
    AUDIO_OUTPUT,
    DEVICE_KINDS,
    VIDEO_INPUT,
    Abilities,
    Backend,
    Device,
    Receiver,
    Request,
    Source,
    Watching,
)
from mscli.sources.fake_desc import FakeDevice, parse

LATE_US = MICROSECONDS  # a source that is further behind leaves frames out


class Feed(Protocol):
    """What differs between a camera's frames and a microphone's blocks. Indexes count from the epoch."""

    @property
    def rate(self) -> float:
        """Frames per second."""

    @property
    def delay(self) -> int:
        """Durations of a frame from its timestamp to its delivery."""

    def first(self, since_epoch_us: int) -> int:
        """The index of the first frame that is captured at that instant or later."""

    def at_us(self, index: int) -> int:
        """The timestamp of that frame, in microseconds since the epoch."""

    def size(self, index: int) -> int:
        """What the frame counts for in sequence numbers and losses."""

    def frame(self, index: int, sequence: int, timestamp: int) -> Frame:
        """Make that frame."""


class Timeline:
    """The clock of a backend's sources, and the epoch that they share."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._epoch_us: int | None = None
        self._lock = Lock()

    def begin(self) -> tuple[int, int]:
        """The epoch, which is now if there was none, and how long ago it was, in microseconds."""
        with self._lock:
            now = self.clock.now_us()
            self._epoch_us = now if self._epoch_us is None else self._epoch_us
            return self._epoch_us, now - self._epoch_us


class Shot(NamedTuple):
    """A frame to capture: its number since the start, its place in the common grid, its sequence number."""

    number: int
    slot: int
    sequence: int


def jitter(number: int) -> float:
    """From -1 to 1, scattered as if by chance, but always the same for that frame; 0 for the first."""
    return number * 2654435761 % 2**32 / 2**31 - 1 if number else 0


class FakeSource(Source):
    """A fake device that was opened; see the module for its times and faults."""

    def __init__(
        self,
        device: FakeDevice,
        make_feed: Callable[[Mapping[str, Scalar]], Feed],
        settings: Mapping[str, Scalar],
        timeline: Timeline,
        vanish: Callable[[], None],
    ) -> None:
        self.released = False
        self._device, self._settings, self._timeline, self._vanish = device, settings, timeline, vanish
        self._make_feed, self._feed = make_feed, make_feed(settings)
        self._cancelled = Event()
        self._starting = Lock()  # of the thread: another one may stop it meanwhile
        self._thread: Thread | None = None

    @property
    def settings(self) -> Mapping[str, Scalar]:
        """What was asked, which a fake device always does."""
        return self._settings

    def start(self, receiver: Receiver) -> None:
        """Begin to stream on a thread of its own. Raises NotReadableError where a fault says so."""
        if self._device.faults.error_on_start:
            raise NotReadableError(f"“{self._device.label}” does not start: the driver reports an input/output error")
        epoch_us, since_us = self._timeline.begin()
        thread = Thread(
            target=self._run,
            args=(receiver, epoch_us, self._feed.first(since_us)),
            name=f"mscli-fake-{self._device.device_id}",
            daemon=True,
        )
        with self._starting:
            if not self._cancelled.is_set():
                thread.start()
                self._thread = thread

    def stop(self) -> None:
        """End the stream, join the thread and release the device."""
        self._cancelled.set()
        with self._starting:
            thread = self._thread
        if thread:
            thread.join()
        self.released = True

    def _run(self, receiver: Receiver, epoch_us: int, first: int) -> None:
        for shot in self._shots(first):
            if not self._deliver(receiver, epoch_us + self._off_us(shot.number), shot):
                return
        if not self._cancelled.is_set():
            self._vanish()
            receiver.on_ended(NotReadableError(f"“{self._device.label}” was unplugged"))

    def _shots(self, first: int) -> Iterator[Shot]:
        """The frames to capture, from that one of the common grid on, until the device vanishes."""
        faults, sequence = self._device.faults, 0
        for number in count():
            if number == faults.change_after_frames:
                self._feed = self._make_feed({**self._settings, **_last_size(self._device)})
            if number == faults.hang_after_frames:
                _hang()
            if number == faults.vanish_after_frames:
                return
            if number == faults.stall_after_frames:
                if isinf(faults.stall_seconds):
                    self._cancelled.wait()
                    return
                first += ceil(faults.stall_seconds * self._feed.rate)
            yield Shot(number, first + number, sequence)
            sequence += self._feed.size(first + number)

    def _deliver(self, receiver: Receiver, epoch_us: int, shot: Shot) -> bool:
        """Hand a frame over when it is due, or say that it is lost; False when the source was stopped before."""
        clock, feed, drop_every = self._timeline.clock, self._feed, self._device.faults.drop_every
        due_us = epoch_us + feed.at_us(shot.slot + feed.delay)
        if not clock.wait_until_us(due_us, self._cancelled):
            return False
        if clock.now_us() - due_us > LATE_US:
            receiver.on_lost(feed.size(shot.slot))
            return True
        frame = feed.frame(shot.slot, shot.sequence, epoch_us + feed.at_us(shot.slot))  # encoders see lost ones too
        if drop_every and (shot.number + 1) % drop_every == 0:
            receiver.on_lost(feed.size(shot.slot))
        else:
            receiver.on_frame(frame)
        return True

    def _off_us(self, number: int) -> int:
        """How far that frame is off its time."""
        return round(min(self._device.faults.jitter_ms * 1000, 0.45 * MICROSECONDS / self._feed.rate) * jitter(number))


class FakeWatch:
    """Calls ``notify`` when a device vanishes, and at those instants, each waited for by a thread of its own."""

    def __init__(
        self, notify: Callable[[], object], clock: Clock, times_us: Sequence[int], on_close: Callable[[FakeWatch], None]
    ) -> None:
        self.notify = notify
        self._clock, self._on_close = clock, on_close
        self._cancelled = Event()
        self._threads: list[Thread] = []
        for at_us in times_us:
            self.notify_at(at_us)

    def notify_at(self, at_us: int) -> None:
        """Call it at that instant, too."""
        thread = Thread(target=self._wait, args=(at_us,), name="mscli-fake-watch", daemon=True)
        thread.start()  # first: ``close``, which joins them, may come at any time
        self._threads.append(thread)

    def close(self) -> None:
        """Call it no more."""
        self._on_close(self)
        self._cancelled.set()
        for thread in self._threads:
            thread.join()

    def _wait(self, at_us: int) -> None:
        if self._clock.wait_until_us(at_us, self._cancelled):
            self.notify()


class FakeBackend(Backend):
    """Devices that exist only by description: the contract's JSON object as a dict, {} or None for the defaults.

    ``clock`` paces the sources; it is the system's unless told otherwise. Raises TypeError for a malformed description.
    """

    name = "fake"

    def __init__(self, desc: Mapping[str, Any] | None = None, *, clock: Clock | None = None) -> None:
        self._clock: Clock = clock or SystemClock()
        self._timeline = Timeline(self._clock)
        self._devices = parse({} if desc is None else desc)
        self._made_us = self._clock.now_us()
        self._back_us: dict[FakeDevice, float] = {}  # when those that have vanished return
        self._opened: WeakValueDictionary[FakeDevice, FakeSource] = WeakValueDictionary()
        self._watches: tuple[FakeWatch, ...] = ()
        self._replacing = Lock()  # of the watches

    def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
        """The devices of those kinds that have appeared and not vanished; the first of each kind is the default."""
        defaults: dict[str, FakeDevice] = {}
        there = [fake for fake in self._devices if fake.kind in kinds and self._present(fake)]
        return [self._listed(fake, default=defaults.setdefault(fake.kind, fake) is fake) for fake in there]

    def _listed(self, fake: FakeDevice, *, default: bool) -> Device:
        device = Device(fake.device_id, fake.kind, fake.label, fake.group_id, self.name, default, handle=fake)
        error = _fault(fake)
        return device.troubled(error, busy=isinstance(error, NotReadableError)) if error else device

    def abilities(self, device: Device) -> Abilities:
        """What the description gives the device. Raises NotReadableError if it has vanished."""
        return self._fake(device).abilities

    def open(self, device: Device, request: Request) -> Source:
        """Take the device. Raises NotReadableError or NotAllowedError where a fault says so, or the camera is already taken."""
        fake = self._fake(device)
        self._check(fake)
        settings = _settings(fake.abilities, request)
        source = FakeSource(
            fake, partial(_feed, fake, request.pixel_format), settings, self._timeline, lambda: self._vanish(fake)
        )
        self._opened[fake] = source
        return source

    def watch(self, notify: Callable[[], object]) -> Watching:
        """Of devices that appear or return, at their time, and of those that vanish."""
        due_us = {self._due_us(fake) for fake in self._devices if not self._present(fake)}
        times_us = [ceil(at_us) for at_us in sorted(due_us) if isfinite(at_us)]
        watch = FakeWatch(notify, self._clock, times_us, self._unwatch)
        with self._replacing:
            self._watches = (*self._watches, watch)
        return watch

    def _unwatch(self, watch: FakeWatch) -> None:
        with self._replacing:
            self._watches = tuple(other for other in self._watches if other is not watch)

    def _vanish(self, fake: FakeDevice) -> None:
        now_us, away_us = self._clock.now_us(), fake.faults.return_after_seconds * MICROSECONDS
        self._back_us[fake] = now_us + away_us
        for watch in self._watches:
            watch.notify()
            if isfinite(away_us):
                watch.notify_at(ceil(now_us + away_us))

    def _present(self, fake: FakeDevice) -> bool:
        return self._clock.now_us() >= self._due_us(fake)

    def _due_us(self, fake: FakeDevice) -> float:
        """From when on it is there, again or for the first time; infinite if never."""
        return max(self._made_us + fake.faults.appear_after_seconds * MICROSECONDS, self._back_us.get(fake, 0))

    def _fake(self, device: Device) -> FakeDevice:
        fake: FakeDevice = device.handle
        if not self._present(fake):
            raise NotReadableError(f"“{fake.label}” was unplugged")
        return fake

    def _check(self, fake: FakeDevice) -> None:
        """Raise what keeps the device from being opened."""
        if fake.kind == AUDIO_OUTPUT:
            raise NotSupportedError(f"“{fake.label}” plays sound and cannot be recorded from")
        if fake.faults.hang_on_open:
            _hang()
        error = _fault(fake)
        if error is not None:
            raise error
        opened = self._opened.get(fake)
        if fake.kind == VIDEO_INPUT and opened is not None and not opened.released:
            raise _busy(fake, "this program")


def _fault(fake: FakeDevice) -> DOMException | None:
    """What keeps everyone from opening the device."""
    if fake.faults.denied:
        return NotAllowedError(f"this user may not use “{fake.label}”", hints=["choose another device"])
    return _busy(fake, "another program") if fake.faults.busy else None


def _busy(fake: FakeDevice, by: str) -> NotReadableError:
    return NotReadableError(f"“{fake.label}” is in use by {by}", hints=["close what uses it, or choose another device"])


def _hang() -> NoReturn:
    while True:
        Event().wait()


def _settings(abilities: Abilities, request: Request) -> dict[str, Scalar]:
    """The request's settings, and the first value that the device has of every other property."""
    return {name: values[0] for name, values in abilities.values.items()} | dict(request.settings)


def _last_size(fake: FakeDevice) -> dict[str, Scalar]:
    """The size to which a camera changes by itself."""
    if not fake.abilities.modes:
        return {}
    last = fake.abilities.modes[-1]
    sizes = {"width": last.width, "height": last.height}
    return {name: size.max if isinstance(size, Span) else size for name, size in sizes.items()}


def _feed(fake: FakeDevice, pixel_format: str, settings: Mapping[str, Scalar]) -> Feed:
    if fake.kind == VIDEO_INPUT:
        from mscli.sources.fake_video import VideoFeed

        return VideoFeed(pixel_format, settings)
    from mscli.sources.fake_sound import AudioFeed

    return AudioFeed(settings, fake.clock_drift_ppm)
