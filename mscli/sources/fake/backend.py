"""Fake devices: cameras, microphones and displays whose every frame shows its number and its capture time.

The contract's JSON object (``fake_desc``) describes them, so tests can simulate any machine, including failing ones.

**Time.** All sources of a backend share an epoch: the first start of any of them. A camera with r frames per second captures at
the epoch plus k/r seconds, a microphone captures blocks of 10 ms at the epoch plus k/100 seconds, and a start waits for the
next of these times. Timestamps are exactly these times. Frames are never early, and only late if the machine is.

**Flash and beep.** At every whole second after the epoch, but not at the epoch, a beep starts, and the first
frame captured then or later flashes. At integer rates both happen at the same time. The first frame of a
camera never flashes, so that a snapshot shows the picture.

**Controls.** They take their values at once, in the order of ``mscli.core.controls.plan``, and keep them when the camera is
closed. Most can be seen in the bars and greys: brightness, contrast, saturation, exposureTime, exposureCompensation, iso,
torch and colorTemperature change their colours; zoom, pan and tilt, what part of them is shown; focusDistance and
backgroundBlur, how sharp they are. With pointsOfInterest the bar at the first point becomes half as bright as white, while
exposure is automatic.

**Photos.** fillLightMode lights the picture: "flash" always, "auto" if exposure is less than half of the usual. The light is
reddish unless redEyeReduction is on.

**Faults.** A microphone's frames are its blocks, and so are a speaker's, of 10 ms.

- ``busy``, ``denied``: opening raises NotReadableError, NotAllowedError. ``errorOnStart``: starting raises NotReadableError.
- ``vanishAfterFrames`` N: after N frames the source ends with NotReadableError and the device is no longer listed.
  ``returnAfterSeconds`` S: S seconds later it is listed again, and can be opened normally.
- ``stallAfterFrames`` N, ``stallSeconds`` S: after N frames none is captured for S seconds (without S: for good). Nothing is
  lost: frame numbers continue where they stopped, and the timestamps show the gap.
- ``dropEvery`` N: every Nth frame is captured and lost before it arrives; sequence and frame numbers jump.
- ``jitterMs`` J: timestamps and deliveries are off by up to ±J ms (less than half a frame), the same on every run.
- ``appearAfterSeconds`` S: the device is not listed until S seconds after the backend was created.
- ``settleFrames`` N of a camera: exposure and white balance take N frames from each start to settle.
- ``blackFrames``, ``frozenFrames``, ``tornFrames`` N of a camera: the first N frames after each start are black, are the first
  one again, or break off in the middle (of chunks only).
- ``changeAfterFrames`` N of a camera: after N frames it changes to the size of its last mode, by itself.
- ``hangOnOpen``, ``hangAfterFrames`` N: opening, or delivering after N frames and so stopping, never returns, like
  a driver that hangs.
- ``clockDriftPpm`` of a microphone, beside ``faults``: its clock is too fast by this many millionths.

A source that a busy machine delays catches up, with true timestamps. Frames that are more than a second late are dropped and
reported as lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from math import ceil, isfinite, isinf
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, NoReturn, Protocol
from weakref import WeakValueDictionary

from mscli.core.addresses import scheme_of
from mscli.core.boxes import Scalar, Span, Values
from mscli.core.clock import MICROSECONDS, Clock, SystemClock
from mscli.core.controls import NO_POINTS, Control, controls_in, mode_in, plan
from mscli.core.errors import DOMException, NotAllowedError, NotReadableError, NotSupportedError
from mscli.core.frames import EncodedVideoChunk, Media, VideoFrame
from mscli.core.properties import DISPLAY_SURFACE, FILL_LIGHT, MANUAL, POINTS, PROPERTIES, RED_EYE
from mscli.core.threads import Thread
from mscli.core.tuples import NamedTuple
from mscli.sources.base import (
    AUDIO_INPUT,
    AUDIO_OUTPUT,
    DEVICE_KINDS,
    DISPLAY,
    VIDEO_INPUT,
    Abilities,
    Backend,
    Device,
    Receiver,
    Request,
    Source,
    Speaker,
    Watching,
)
from mscli.sources.fake.description import FakeDevice, FakeFaults, monitor_of, parse_description
from mscli.sources.fake.video import BARS, PLAIN, Appearance

if TYPE_CHECKING:
    from mscli.sources.fake.speaker import FakeSpeaker

DARK = 0.5  # with less light than this share of the usual, a camera flashes by itself
LATE_US = MICROSECONDS  # a source that is later than this drops frames


class Feed(Protocol):
    """A generator of a camera's frames or a microphone's blocks. Indexes count from the epoch."""

    @property
    def rate(self) -> float:
        """Return the frames per second."""

    @property
    def delay(self) -> int:
        """Return the time from a frame's timestamp to its delivery, in frame durations."""

    def first(self, since_epoch_us: int) -> int:
        """Return the index of the first frame captured at this time or later."""

    def at_us(self, index: int) -> int:
        """Return the timestamp of a frame, in microseconds since the epoch."""

    def size(self, index: int) -> int:
        """Return what a frame counts for in sequence numbers and losses."""

    def frame(self, index: int, sequence: int, timestamp: int) -> Media: ...


class Timeline:
    """The clock of a backend's sources, and their common epoch."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._epoch_us: int | None = None
        self._lock = Lock()

    def begin(self) -> tuple[int, int]:
        """Return the epoch, which is now on the first call, and the time since then, in microseconds."""
        with self._lock:
            now = self.clock.now_us()
            self._epoch_us = now if self._epoch_us is None else self._epoch_us
            return self._epoch_us, now - self._epoch_us


class Shot(NamedTuple):
    """A frame to capture: its number since the start, its index in the common grid, its sequence number."""

    number: int
    slot: int
    sequence: int


def jitter(number: int) -> float:
    """Return a pseudo-random number from -1 to 1 that is always the same for a frame; 0 for the first."""
    return number * 2654435761 % 2**32 / 2**31 - 1 if number else 0


class Panel:
    """The controls of a fake camera and their values, which persist while it is closed."""

    def __init__(self, controls: Mapping[str, Control]) -> None:
        self._controls = controls
        self.now: Mapping[str, Scalar] = {name: control.value for name, control in controls.items()}  # replaced as a whole
        self._settled: tuple[Mapping[str, Scalar], Appearance] | None = None  # how the picture appears with these values

    @property
    def controls(self) -> dict[str, Control]:
        """Return the controls as they are now."""
        return {
            name: control._replace(value=self.now[name], inactive=not self._is_free(name))
            for name, control in self._controls.items()
        }

    def _is_free(self, name: str) -> bool:
        """Return whether the camera's modes let a control have an effect."""
        held = PROPERTIES[name].only_while
        return held is None or self.now.get(held[0]) in (None, *held[1])

    def set(self, wanted: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        """Set controls as a driver would. Return the resulting value of every control."""
        taken = {name: self._taken(name, value) for name, value in plan(wanted, self.now)}
        self.now = {**self.now, **{name: value for name, value in taken.items() if value is not None}}
        return self.now

    def _taken(self, name: str, value: Scalar) -> Scalar | None:
        """Return the value that a control takes for a request, or None if it refuses. Any points are taken."""
        return value if PROPERTIES[name].idl == POINTS else _nearest(self._controls[name].values, value)

    def appearance(self, number: int, faults: FakeFaults) -> Appearance:
        """Return how the controls and some faults make the picture appear in frame ``number``."""
        if number < faults.black_frames:
            return Appearance(covered=True)
        if number < faults.settle_frames:
            return self._seen(self.now, 1 - number / faults.settle_frames, number)
        settled, now = self._settled, self.now
        if settled is None or settled[0] is not now:
            settled = self._settled = (now, self._seen(now) if now else PLAIN)
        return settled[1]

    def _seen(self, now: Mapping[str, Scalar], unsettled: float = 0.0, number: int = 0) -> Appearance:
        """Return how the picture appears with these values. ``unsettled``: how far exposure is from settled, from 0 to 1."""
        gain = self._times("exposureTime") * self._times("iso") * 2 ** self._effective("exposureCompensation")
        light = now.get(FILL_LIGHT)
        flashes = light == "flash" or (light == "auto" and gain < DARK)
        settling = unsettled if now.get("exposureMode") != MANUAL else 0.0
        return Appearance(
            gain=gain * self._metered() * (1 - settling * (0.6 + 0.3 * (number % 2))),
            lighter=255 * self._share("brightness") + 64 * (now.get("torch") is True or flashes),
            contrast=1 + self._share("contrast"),
            saturation=1 + self._share("saturation"),
            warmth=64 * (self._share("colorTemperature") + settling) + 32 * (flashes and now.get(RED_EYE) is not True),
            zoom=self._times("zoom"),
            shift=self._share("pan"),
            blur=abs(self._share("focusDistance")) / 4 + (now.get("backgroundBlur") is True) / 16,
            drop=self._share("tilt"),
        )

    def _metered(self) -> float:
        """Return the gain that makes the bar at the first point of interest half as bright as white."""
        text = str(self.now.get("pointsOfInterest", NO_POINTS))
        if text == NO_POINTS or self.now.get("exposureMode") == MANUAL:
            return 1.0
        import json

        points = json.loads(text)
        bar = BARS[min(len(BARS) - 1, int(max(0.0, points[0]["x"]) * len(BARS)))]
        return min(2.0, 127.5 / max(1.0, sum(bar) / 3))

    def _effective(self, name: str) -> float:
        """Return how far a control is from its default, or 0 without one or if a mode keeps it from having an effect."""
        control = self._controls.get(name)
        if control is None or not isinstance(control.values, Span) or control.default is None:
            return 0
        return float(self.now[name]) - float(control.default) if self._is_free(name) else 0

    def _share(self, name: str) -> float:
        """Return the same as a share of the control's range."""
        values = self._controls[name].values if name in self._controls else None
        return self._effective(name) / ((values.max - values.min) or 1) if isinstance(values, Span) else 0

    def _times(self, name: str) -> float:
        """Return a control's value as a multiple of its default."""
        control = self._controls.get(name)
        default = float(control.default) if control is not None and control.default is not None else 0.0
        return max(0.01, 1 + self._effective(name) / default) if default > 0 else 1


def _nearest(values: Values, wanted: Scalar) -> Scalar | None:
    """Return the value that a control takes for a request, or None if it refuses."""
    if isinstance(values, Span):
        return values.nearest(min(max(float(wanted), values.min), values.max))
    return wanted if wanted in values else None


class FakeSource(Source):
    """An open fake device. The module's docstring describes its timing and faults."""

    def __init__(
        self,
        device: FakeDevice,
        make_feed: Callable[[Mapping[str, Scalar]], Feed],
        settings: Mapping[str, Scalar],
        timeline: Timeline,
        vanish: Callable[[], None],
        panel: Panel,
    ) -> None:
        self.released = False
        self._panel = panel
        self._device, self._settings, self._timeline, self._vanish = device, settings, timeline, vanish
        self._make_feed, self._feed = make_feed, make_feed(settings)
        self._cancelled = Event()
        self._starting = Lock()  # of the thread, because another thread may stop the source in the meantime
        self._thread: Thread | None = None
        self._first: Media | None = None  # the first frame since the start

    @property
    def settings(self) -> Mapping[str, Scalar]:
        """Return the requested settings, which a fake device always accepts, and the value of every control."""
        return {**self._settings, **self._panel.now}

    def set(self, controls: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        """Set controls, each to its nearest possible value."""
        return self._panel.set(controls)

    def start(self, receiver: Receiver) -> None:
        """Start streaming on a separate thread. Raises NotReadableError if a fault says so."""
        if self._device.faults.error_on_start:
            raise NotReadableError(f"cannot start “{self._device.label}”: the driver reports an input/output error")
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
        """Stop streaming, join the thread and release the device."""
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
        """Yield the frames to capture, from index ``first`` of the common grid on, until the device vanishes."""
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
        """Deliver a frame when it is due, or report it lost. Return False if the source was stopped before."""
        clock, feed, drop_every = self._timeline.clock, self._feed, self._device.faults.drop_every
        due_us = epoch_us + feed.at_us(shot.slot + feed.delay)
        if not clock.wait_until_us(due_us, self._cancelled):
            return False
        if clock.now_us() - due_us > LATE_US:
            receiver.on_lost(feed.size(shot.slot))
            return True
        frame = feed.frame(shot.slot, shot.sequence, epoch_us + feed.at_us(shot.slot))  # encoders see lost frames too
        frame = self._spoilt(shot.number, frame)
        if drop_every and (shot.number + 1) % drop_every == 0:
            receiver.on_lost(feed.size(shot.slot))
        else:
            receiver.on_frame(frame)
        return True

    def _spoilt(self, number: int, frame: Media) -> Media:
        """Return a frame as a camera that has just been started may send it: again, or half of it."""
        faults = self._device.faults
        if number == 0:
            self._first = frame
        if isinstance(frame, EncodedVideoChunk) and number < faults.torn_frames:
            frame = replace(frame, data=frame.data[: len(frame.data) // 2])
        if isinstance(self._first, VideoFrame | EncodedVideoChunk) and number < faults.frozen_frames:
            frame = replace(self._first, timestamp=frame.timestamp, sequence=frame.sequence)
        return frame

    def _off_us(self, number: int) -> int:
        """Return the timing error of a frame, in microseconds."""
        return round(min(self._device.faults.jitter_ms * 1000, 0.45 * MICROSECONDS / self._feed.rate) * jitter(number))


class FakeWatch:
    """A watch that calls ``notify`` when a device vanishes and at given times. Each time is awaited on its own thread."""

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
        """Call ``notify`` at ``at_us``, too."""
        thread = Thread(target=self._wait, args=(at_us,), name="mscli-fake-watch", daemon=True)
        thread.start()  # started first, because ``close``, which joins the threads, may come at any time
        self._threads.append(thread)

    def close(self) -> None:
        """Stop calling ``notify`` and join the threads."""
        self._on_close(self)
        self._cancelled.set()
        for thread in self._threads:
            thread.join()

    def _wait(self, at_us: int) -> None:
        if self._clock.wait_until_us(at_us, self._cancelled):
            self.notify()


class FakeBackend(Backend):
    """A backend whose devices exist only by description: a JSON object as a dict; {} or None for the defaults.

    ``clock`` paces the sources; the default is the system's. Raises TypeError for a malformed description.
    """

    name = "fake"

    def __init__(self, desc: Mapping[str, Any] | None = None, *, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self._timeline = Timeline(self.clock)
        self._devices, self.unknown = parse_description({} if desc is None else desc)
        self._panels = {fake: Panel(fake.abilities.controls) for fake in self._devices}
        self._made_us = self.clock.now_us()
        self._back_us: dict[FakeDevice, float] = {}  # when vanished devices return
        self._monitors: dict[FakeDevice, FakeDevice] = {}  # speaker → what records it
        self._opened: WeakValueDictionary[FakeDevice, FakeSource] = WeakValueDictionary()
        self.speakers: dict[str, FakeSpeaker] = {}  # by deviceId: the one that was opened last
        self._watches: tuple[FakeWatch, ...] = ()
        self._replacing = Lock()  # of the watches

    def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
        """Return the present devices of these kinds. The first of each kind is the default."""
        defaults: dict[str, FakeDevice] = {}
        there = [fake for fake in self._devices if fake.kind in kinds and self._present(fake)]
        return [self._listed(fake, default=defaults.setdefault(fake.kind, fake) is fake) for fake in there]

    def _listed(self, fake: FakeDevice, *, default: bool) -> Device:
        address = None
        if fake.surface is not None:
            from mscli.sources.displays import scheme_for

            address = f"{scheme_for(fake.surface)}:{fake.label}"
        device = Device(
            fake.device_id, fake.kind, fake.label, fake.group_id, self.name, default, address, fake, surface=fake.surface
        )
        error = _fault(fake)
        return device.troubled(error, busy=isinstance(error, NotReadableError)) if error else device

    def abilities(self, device: Device) -> Abilities:
        """Return the device's described abilities with the current values of its controls. Raises NotReadableError if it is
        gone.
        """
        fake = self._fake(device)
        return fake.abilities._replace(controls=self._panels[fake].controls)

    def open(self, device: Device, request: Request) -> Source:
        """Open the device. Raises NotReadableError or NotAllowedError if a fault says so or the camera is in use."""
        fake = self._fake(device)
        self._check(fake)
        panel = self._panels[fake]
        panel.set(controls_in(request.settings))
        settings = _settings(fake.abilities, request)
        feed = partial(_feed, fake, request.pixel_format, partial(panel.appearance, faults=fake.faults))
        source = FakeSource(fake, feed, settings, self._timeline, lambda: self._vanish(fake), panel)
        self._opened[fake] = source
        return source

    def open_speaker(self, device: Device, request: Request) -> Speaker:
        """Open a speaker. ``speakers`` has it from then on. Raises NotReadableError or NotAllowedError if a fault says so."""
        from mscli.sources.fake.speaker import FakeSpeaker

        fake = self._fake(device)
        if fake.kind != AUDIO_OUTPUT:
            raise NotSupportedError(f"“{fake.label}” plays no sound")
        self._check_faults(fake)
        settings = {"sampleRate": 48_000, "channelCount": 2, **request.settings}
        speaker = FakeSpeaker(fake, settings, self.clock, lambda: self._vanish(fake))
        self.speakers[fake.device_id] = speaker
        return speaker

    def at(self, address: str) -> Backend:
        """Return the display at an address, or what a speaker plays."""
        return _FakeAddress(self, address)

    def find(self, address: str) -> FakeDevice:
        """Return the device at an address. Raises NotFoundError."""
        from mscli.sources.displays import SYSTEM_SOUND, find_display, find_speaker

        is_sound = scheme_of(address) == SYSTEM_SOUND
        among = self.devices([AUDIO_OUTPUT if is_sound else DISPLAY])
        found: FakeDevice = (find_speaker if is_sound else find_display)(address, among).handle
        if not is_sound:
            return found
        monitor = self._monitors.setdefault(found, monitor_of(found))
        self._panels.setdefault(monitor, Panel({}))
        return monitor

    def watch(self, notify: Callable[[], object]) -> Watching:
        """Call ``notify`` when a device appears, returns or vanishes."""
        due_us = {self._due_us(fake) for fake in self._devices if not self._present(fake)}
        times_us = [ceil(at_us) for at_us in sorted(due_us) if isfinite(at_us)]
        watch = FakeWatch(notify, self.clock, times_us, self._unwatch)
        with self._replacing:
            self._watches = (*self._watches, watch)
        return watch

    def _unwatch(self, watch: FakeWatch) -> None:
        with self._replacing:
            self._watches = tuple(other for other in self._watches if other is not watch)

    def _vanish(self, fake: FakeDevice) -> None:
        now_us, away_us = self.clock.now_us(), fake.faults.return_after_seconds * MICROSECONDS
        self._back_us[fake] = now_us + away_us
        for watch in self._watches:
            watch.notify()
            if isfinite(away_us):
                watch.notify_at(ceil(now_us + away_us))

    def _present(self, fake: FakeDevice) -> bool:
        return self.clock.now_us() >= self._due_us(fake)

    def _due_us(self, fake: FakeDevice) -> float:
        """Return when the device is present, for the first time or again; infinite if never."""
        return max(self._made_us + fake.faults.appear_after_seconds * MICROSECONDS, self._back_us.get(fake, 0))

    def _fake(self, device: Device) -> FakeDevice:
        fake: FakeDevice = device.handle
        if not self._present(fake):
            raise NotReadableError(f"“{fake.label}” was unplugged")
        return fake

    def _check(self, fake: FakeDevice) -> None:
        """Raise the error that prevents opening the device, if any."""
        if fake.kind == AUDIO_OUTPUT:
            raise NotSupportedError(f"“{fake.label}” is a speaker, which cannot be captured")
        self._check_faults(fake)
        opened = self._opened.get(fake)
        if fake.kind == VIDEO_INPUT and opened is not None and not opened.released:
            raise _busy(fake, "this program")

    def _check_faults(self, fake: FakeDevice) -> None:
        if fake.faults.hang_on_open:
            _hang()
        error = _fault(fake)
        if error is not None:
            raise error


class _FakeAddress(Backend):
    """The fake display or speaker at an address, as a camera or a microphone."""

    def __init__(self, backend: FakeBackend, address: str) -> None:
        self.name, self.clock = backend.name, backend.clock
        self._backend, self._address = backend, address
        self._fake = backend.find(address)

    def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
        """Return the device."""
        fake = self._fake
        kind = VIDEO_INPUT if fake.surface else AUDIO_INPUT
        listed = Device(self._address, kind, fake.label, fake.group_id, self.name, handle=fake, surface=fake.surface)
        return [listed] if kind in kinds else []

    def abilities(self, device: Device) -> Abilities:
        """Return what the device can do."""
        return self._backend.abilities(device)

    def open(self, device: Device, request: Request) -> Source:
        """Open the device."""
        return self._backend.open(device, request)


def _fault(fake: FakeDevice) -> DOMException | None:
    """Return the fault that prevents anyone from opening the device, or None."""
    if fake.faults.denied:
        return NotAllowedError(f"no permission to use “{fake.label}”", hints=["choose another device"])
    return _busy(fake, "another program") if fake.faults.busy else None


def _busy(fake: FakeDevice, by: str) -> NotReadableError:
    return NotReadableError(f"“{fake.label}” is in use by {by}", hints=["close that program, or choose another device"])


def _hang() -> NoReturn:
    while True:
        Event().wait()


def _settings(abilities: Abilities, request: Request) -> dict[str, Scalar]:
    """Return the request's settings without controls, and the device's first value of every other property."""
    ratio: dict[str, Scalar] = {"screenPixelRatio": 1.0} if DISPLAY_SURFACE in abilities.values else {}
    return ratio | {name: values[0] for name, values in abilities.values.items()} | mode_in(request.settings)


def _last_size(fake: FakeDevice) -> dict[str, Scalar]:
    """Return the size to which a camera changes by itself."""
    if not fake.abilities.modes:
        return {}
    last = fake.abilities.modes[-1]
    sizes = {"width": last.width, "height": last.height}
    return {name: size.max if isinstance(size, Span) else size for name, size in sizes.items()}


def _feed(fake: FakeDevice, pixel_format: str, appearance: Callable[[int], Appearance], settings: Mapping[str, Scalar]) -> Feed:
    if fake.kind in (VIDEO_INPUT, DISPLAY):
        from mscli.sources.fake.video import VideoFeed

        return VideoFeed(pixel_format, settings, appearance)
    from mscli.sources.fake.sound import AudioFeed

    return AudioFeed(settings, fake.clock_drift_ppm)
