"""An opened device that streams, shared by every track on it, and the watch that notices when its frames stop coming."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Event as Flag
from threading import Lock, RLock, Thread
from typing import Protocol

from mscli.api.mediadeviceinfo import device_noun
from mscli.core.boxes import Mode, Scalar
from mscli.core.clock import MICROSECONDS, now_us
from mscli.core.errors import DOMException, NotReadableError
from mscli.core.frames import Frame
from mscli.core.mailbox import Task
from mscli.core.selection import Settings
from mscli.sources.base import VIDEO_INPUT, Abilities, Backend, Device, Request, Source

STALL_S = 1.0  # without frames for so long a track is muted
GIVE_UP_S = 5.0  # and so long, also before the first frame, its device counts as failed
LOOK_S = 0.25  # between two looks of the watch


class Consumer(Protocol):
    """What a live source hands its frames to: a track. ``deliver`` comes on the device's thread, the rest as posted tasks."""

    settings: Settings

    def forbids(self, resize_mode: str) -> bool:
        """Whether its constraints rule that resizeMode out."""

    def reshape(self) -> None:
        """The device gives something else now: derive the track's frames from that."""

    def deliver(self, frame: Frame) -> None:
        """Take a frame."""

    def close_lanes(self) -> None:
        """No frame will follow."""

    def source_ended(self) -> None:
        """The device is gone."""

    def source_muted(self, muted: bool) -> None:
        """Frames stopped coming, or come again."""


class Worker(Protocol):
    """What goes on with the frames of tracks on a thread of its own: a recording."""

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait until it has ended, as it does when its tracks have; False if it does not in time, or ever."""


class LiveSource:
    """A device from ``open`` to the end of its last track. It is the ``Receiver`` of the backend's source."""

    def __init__(
        self,
        device: Device,
        backend: Backend,
        abilities: Abilities,
        post: Callable[[Task], None],
        keep: Callable[[Worker], None],
    ) -> None:
        self.device = device
        self.abilities = abilities
        self.native: Settings = {}  # what the device gives; its tracks may give something derived from it
        self._asked: Settings = {}  # what it was set to; the driver may have set something near it
        self.mode: Mode | None = None
        self.lost = 0  # frames, or samples per channel, before us
        self.started = False
        self.ended = False
        self.error: DOMException | None = None  # why it ended
        self.muted = False
        self.last_frame_us = 0
        self.had_frame = False
        self.newest_us = 0  # the timestamp of the newest frame
        self._backend = backend
        self.post = post  # runs a task on the thread that runs events
        self.keep = keep  # has a worker waited for when all devices are closed
        self._source: Source | None = None
        self._consumers: tuple[Consumer, ...] = ()  # replaced as a whole: the device's thread reads it without a lock
        self._lock = RLock()

    def open(self, settings: Mapping[str, Scalar], mode: Mode | None) -> None:
        """Take the device and set it to native settings. Raises NotReadableError, NotAllowedError."""
        self._source = self._backend.open(self.device, Request(settings, mode.pixel_format if mode else ""))
        self._asked = dict(settings)
        self.native = {**settings, **self._source.settings}
        if "width" in self.native:
            self.native["aspectRatio"] = float(self.native["width"]) / float(self.native["height"])
        self.mode = mode

    def start(self) -> None:
        """Begin to stream. Raises NotReadableError."""
        assert self._source is not None, "open comes before start"
        self.last_frame_us = now_us()
        self.had_frame = False
        self._source.start(self)
        self.started = True

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

    def runs(self, settings: Mapping[str, Scalar], mode: Mode | None) -> bool:
        """Whether the device is set to that already, or gives just that."""
        known = (self._asked, self.native)
        return mode == self.mode and any(all(one.get(name) == value for name, value in settings.items()) for one in known)

    def attach(self, consumer: Consumer) -> None:
        """Hand frames to ``consumer`` too."""
        with self._lock:
            self._consumers = (*self._consumers, consumer)

    def detach(self, consumer: Consumer) -> bool:
        """Hand it no more frames. Gives the device back with the last consumer; True then."""
        with self._lock:
            self._consumers = tuple(other for other in self._consumers if other is not consumer)
            if not self._consumers:
                self.stop()
            return not self._consumers

    @property
    def consumers(self) -> tuple[Consumer, ...]:
        """The tracks on it."""
        return self._consumers

    def stop(self) -> None:
        """Give the device back."""
        with self._lock:
            source, self._source = self._source, None
            if source is not None:
                source.stop()

    def on_frame(self, frame: Frame) -> None:
        """Take a frame from the device's thread and pass it to every track."""
        self.last_frame_us = now_us()
        self.newest_us = frame.timestamp
        self.had_frame = True
        if self.muted:
            self._set_muted(False)
        for consumer in self._consumers:
            consumer.deliver(frame)

    def on_lost(self, count: int) -> None:
        """Count what was lost before us."""
        self.lost += count

    def on_ended(self, error: DOMException | None) -> None:
        """The device will give no more frames: close the lanes behind the last one, and have the tracks told."""
        if self.ended:
            return
        self.ended, self.error = True, error
        for consumer in self._consumers:
            consumer.close_lanes()
        self.post(self._tell_ended)

    def _tell_ended(self) -> None:
        for consumer in self._consumers:
            consumer.source_ended()

    def look(self, at_us: int) -> None:
        """Called by the watch: mute the tracks when frames stopped coming, end them when they do not come again."""
        waited_s = (at_us - self.last_frame_us) / MICROSECONDS
        patience = max(1.0, 3 * self._frame_s())
        if waited_s > GIVE_UP_S * patience:
            self.on_ended(self._gave_no_frame(GIVE_UP_S * patience))
        elif waited_s > STALL_S * patience and self.had_frame and not self.muted:
            self._set_muted(True)

    def _frame_s(self) -> float:
        rate = float(self.native.get("frameRate", 0) or 0)
        return 1 / rate if rate else 0.0

    def _gave_no_frame(self, seconds: float) -> NotReadableError:
        noun, what = device_noun(self.device.kind), "frame" if self.device.kind == VIDEO_INPUT else "sound"
        where = f" ({self.device.path})" if self.device.path else ""
        more = " more" if self.had_frame else ""
        return NotReadableError(
            f"the {noun} “{self.device.label}”{where} gave no{more} {what} within {seconds:g} s",
            hints=["it may be used by another program, asleep or badly connected: replug it and try again"],
        )

    def _set_muted(self, muted: bool) -> None:
        self.muted = muted
        self.post(lambda: self._tell_muted(muted))

    def _tell_muted(self, muted: bool) -> None:
        for consumer in self._consumers:
            consumer.source_muted(muted)


class Watch:
    """Looks at every live source a few times a second, on one named thread that lives while there is one."""

    def __init__(self) -> None:
        self._sources: tuple[LiveSource, ...] = ()
        self._thread: Thread | None = None
        self._wake = Flag()  # the running thread's own: one that was told to end stays told
        self._lock = Lock()

    def add(self, source: LiveSource) -> None:
        """Watch that source too, from when it is started."""
        with self._lock:
            self._sources = (*self._sources, source)
            if self._thread is None:
                self._wake = Flag()
                self._thread = Thread(target=self._run, args=(self._wake,), name="mscli-watch", daemon=True)
                self._thread.start()

    def remove(self, source: LiveSource) -> None:
        """Watch it no more; the thread ends with the last one."""
        with self._lock:
            self._sources = tuple(other for other in self._sources if other is not source)
            if self._sources or self._thread is None:
                return
            thread, self._thread = self._thread, None
            self._wake.set()
        thread.join()

    def _run(self, wake: Flag) -> None:
        while not wake.wait(LOOK_S):
            at_us = now_us()
            for source in self._sources:
                if source.started and not source.ended:
                    source.look(at_us)
