"""The base classes of backends. A backend lists devices, knows what each can do, and opens one as a source of frames.

A backend is one file in this package, one row in ``BACKENDS`` and one line in the contract suite (tests/backends). It knows
neither tracks nor sinks. It translates the errors of its library or driver into those of ``mscli.core.errors``; nothing else
does. Other packages can provide a backend as well: see ``.github/CONTRIBUTING.md``.

Times are microseconds. A frame's ``timestamp`` is its capture time on CLOCK_MONOTONIC (``time.monotonic_ns() // 1000``), or
for a source that is not ``live`` its time in the source, from 0 on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import Event, current_thread
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from mscli.core.addresses import scrubbed
from mscli.core.clock import Clock, SystemClock
from mscli.core.limits import USUAL_TIMEOUTS
from mscli.core.threads import Thread
from mscli.core.tuples import NamedTuple

if TYPE_CHECKING:
    from mscli.core.boxes import Mode, Scalar, Unusable, Values
    from mscli.core.controls import Control
    from mscli.core.errors import DOMException
    from mscli.core.frames import Media

VIDEO_INPUT = "videoinput"
AUDIO_INPUT = "audioinput"
AUDIO_OUTPUT = "audiooutput"
DEVICE_KINDS = (AUDIO_INPUT, VIDEO_INPUT, AUDIO_OUTPUT)
DISPLAY = "display"  # a monitor or a window, which is no device: the standard keeps them out of the list of devices
MONITOR, WINDOW = "monitor", "window"  # https://www.w3.org/TR/screen-capture/#dom-displaycapturesurfacetype
SWITCHED_OFF, NO_SIGNAL = "switched off", "no signal"  # why a device's frames should not be shown
MUTED_BY_SERVER = "muted by the server"  # the same for sound, by the sound server


class Surface(NamedTuple):
    """The surface of a display: MONITOR or WINDOW, its name or title, and its place among all monitors in pixels.

    ``ident``: the system's number for a window, 0 for what is no window.
    """

    kind: str
    name: str
    x: int
    y: int
    width: int
    height: int
    ident: int = 0


class Device(NamedTuple):
    """A device as a backend lists it: https://www.w3.org/TR/mediacapture-streams/#dom-mediadeviceinfo, and how to open it.

    ``device_id`` survives a reboot and a replug. ``path`` is the name that people know (/dev/video0), if there is one.
    ``handle`` belongs to the backend: it is what the backend opens. ``called``: what people call it, before its label, if it is
    no camera, microphone or speaker. ``monitor_of``: the deviceId of the speaker whose sound a microphone records.
    """

    device_id: str
    kind: str
    label: str
    group_id: str
    backend: str
    default: bool = False
    path: str | None = None
    handle: Any = None
    problem: str = ""  # why it cannot be used, in a sentence, if the backend knows
    remedy: str = ""  # a remedy for the problem
    busy: bool = False  # the problem is only that another process uses it
    names: tuple[str, ...] = ()  # its other names: device files, addresses
    surface: Surface | None = None  # of a display
    called: str = ""
    monitor_of: str = ""

    @property
    def input_name(self) -> str:
        """Return the name for messages of a file or a pipe, or "" for a device."""
        return device_name(self) if self.called else ""

    def troubled(self, error: DOMException, *, busy: bool = False) -> Device:
        """Return the device with a problem and its remedy."""
        return self._replace(problem=error.message, remedy="; ".join(error.hints), busy=busy)


NOTHING_COMES = ("no frames ", "no sound ")  # beginnings of a sentence about a device that sends nothing


CONTENTS = {VIDEO_INPUT: "video of", AUDIO_INPUT: "sound of"}  # what people call the tracks of a file or a pipe


def device_noun(kind: str) -> str:
    """Return the common name for a kind of device."""
    return {VIDEO_INPUT: "camera", AUDIO_INPUT: "microphone", DISPLAY: "display"}.get(kind, "speaker")


def noun_of(device: Device) -> str:
    """Return the common name for what a device is: camera, monitor, the video of a file."""
    return device.surface.kind if device.surface else device.called or device_noun(device.kind)


def device_name(device: Device) -> str:
    """Return the device's name for messages."""
    where = f" ({device.path})" if device.path and device.path != device.label else ""
    return f"{noun_of(device)} “{device.label}”{where}"


class Abilities(NamedTuple):
    """The abilities of a device. Cameras have ``modes``; ``values`` maps IDL properties to values that hold in every mode.

    Microphones only have ``values``: sampleRate, channelCount, sampleSize, latency (seconds), and the three kinds of
    processing. ``controls``: what can be set while the camera runs, by IDL name. ``resampled``: whether we derive other sample
    rates and channel counts.
    ``unusable``: formats and modes that the device lists but that cannot be used. ``settles``: whether exposure and white
    balance may take a moment after the start. ``maker``: who made the device, if known. ``channel_names``: the names of a
    microphone's channels, in order, if known: see ``mscli.core.channels``. ``floating``: whether its samples of 32 bits are
    floating-point numbers.
    """

    modes: Sequence[Mode] = ()
    values: Mapping[str, Values] = MappingProxyType({})
    controls: Mapping[str, Control] = MappingProxyType({})
    resampled: bool = False
    unusable: Sequence[Unusable] = ()
    settles: bool = False
    maker: str = ""
    channel_names: tuple[str, ...] = ()
    floating: bool = False

    def sensible(self) -> Abilities:
        """Return the abilities with impossible modes moved to the unusable ones."""
        from mscli.core.boxes import Unusable, mode_text, nonsense

        wrong = {mode: why for mode in self.modes if (why := nonsense(mode))}
        if not wrong:
            return self
        unusable = *self.unusable, *(Unusable(mode_text(mode), why) for mode, why in wrong.items())
        return self._replace(modes=[mode for mode in self.modes if mode not in wrong], unusable=unusable)


class Request(NamedTuple):
    """A request to open a device with settings by IDL name (width, height, frameRate; sampleRate, channelCount, ...).

    It only contains controls that somebody asked for; the others keep their values. ``pixel_format`` is that of the chosen
    mode. All values are single values within the device's abilities.
    """

    settings: Mapping[str, Scalar]
    pixel_format: str = ""


class InputOptions(NamedTuple):
    """The options for reading an address. Each kind of source uses those that apply to it.

    ``start_s``: where a file begins. ``loop``: whether it begins again at its end. ``paced``: whether it is played at its own
    pace; otherwise it waits for its readers, which get all of it as fast as they take it.

    ``format``: what comes through a pipe, if that is not to be found out: ``rawvideo``, a sample format, or FFmpeg's name of a
    container. ``size``, ``pixel_format``: of raw pictures. ``rate``: pictures, or samples per channel, per second.
    ``channels``: of raw sound. ``timeout_s``: how long to wait for the first bytes, and for a server.

    ``insecure``: whether a server is read whose certificate cannot be trusted.

    ``restored``: whether a display that the user of a desktop has chosen before may be captured without asking again, and the
    choice is kept. ``offered``: the kinds of surface among which the user chooses, by default that of the address.
    """

    start_s: float = 0.0
    loop: bool = False
    paced: bool = True
    format: str = ""
    size: tuple[int, int] | None = None
    pixel_format: str = ""
    rate: float | None = None
    channels: int = 1
    timeout_s: float = USUAL_TIMEOUTS.first_s
    insecure: bool = False
    restored: bool = False
    offered: tuple[str, ...] = ()


USUAL_INPUT = InputOptions()


class Receiver(Protocol):
    """The receiver of a source's output. All calls come on the source's own thread, return at once and never raise.

    Only ``on_frame`` may take long, and only if the source is not ``live``.
    """

    def on_frame(self, frame: Media) -> None:
        """Take a captured frame. If the source is not ``live``, wait until its readers have room for it."""

    def on_lost(self, count: int) -> None:
        """Note that ``count`` frames (samples per channel) were lost before they reached us: by driver, bus or hardware."""

    def on_retimed(self, count: int, off_us: int) -> None:
        """Note that ``count`` frames (samples per channel) had an impossible time, off by ``off_us``, which was replaced."""

    def on_muted(self, muted: bool, cause: str = SWITCHED_OFF) -> None:
        """Note that a privacy switch was turned on or off, or that the input lost its signal (NO_SIGNAL) or has it again.

        Frames in between are not shown. The device may stop delivering frames.
        """

    def on_changed(self, settings: Mapping[str, Scalar], abilities: Abilities | None = None) -> None:
        """Note new settings, by IDL name, which hold from the next frame on. The driver or another program changed them.

        ``abilities``: the new abilities of the device, if they have changed too.
        """

    def on_warned(self, reason: str) -> None:
        """Warn about something on the device that cannot be right, in one sentence. Called once."""

    def on_ended(self, error: DOMException | None) -> None:
        """Note that no more frames will come. ``error`` says why (unplugged, driver failure).

        Called at most once, and not after ``stop``.
        """


class Source(ABC):
    """An open device. It owns one named thread (or its library's callback thread) from ``start`` to ``stop``.

    A ``live`` source, such as a camera, delivers at its own pace. A reader that is late loses frames. Impossible timestamps are
    corrected by when frames arrive, and black or silence fills in for missing frames.

    A source that is not ``live`` (``live = False``), such as a file or a pipe, is paced by its readers. ``on_frame`` returns
    once they have room, and nothing is lost or filled in. Timestamps are taken as they are: they begin at 0 and rise. The time
    that ``on_frame`` takes does not count against the source's timeouts. ``stop`` may come while ``on_frame`` waits, which then
    returns.

    A ``finite`` source, such as a file or a pipe, has an end, which is no failure. An ``irregular`` one, such as a film, may go
    without a frame for any time. It is not muted for that, and reports losses itself: a distance between frames is none.

    One of several tracks of one input, such as the sound of a film, is not muted as long as ``heard_us`` moves on.
    """

    live = True
    finite = False
    irregular = False
    together: object = None  # what it shares with the sources whose frames come from the same thread, all in order of time

    @property
    def heard_us(self) -> int:
        """Return when a frame of any track of its input last came, in microseconds on CLOCK_MONOTONIC, or 0."""
        return 0

    @property
    @abstractmethod
    def settings(self) -> Mapping[str, Scalar]:
        """Return the driver's actual settings, by IDL name, which may differ from the request, with every control."""

    def set(self, controls: Mapping[str, Scalar]) -> Mapping[str, Scalar]:  # noqa: ARG002 (most have none)
        """Set controls, by IDL name, and return the resulting value of every control. Frames continue without a gap.

        A driver may choose a value nearby or refuse; the result shows that. Safe from any thread, before and after ``start``.
        Raises NotReadableError if the device is gone.
        """
        return {}

    @abstractmethod
    def start(self, receiver: Receiver) -> None:
        """Start streaming. Raises NotReadableError if the device does not start."""

    @abstractmethod
    def stop(self) -> None:
        """Stop streaming, release the device and join the thread. Safe to call twice, and after ``start`` failed."""


class ThreadedSource(Source):
    """A source whose frames come from a loop on its own thread. A subclass defines ``settings`` and ``frames``.

    If the class has ``live = False``, the loop waits in ``yield`` until the readers have room.

    An exception in ``frames`` ends the source with an error that names the class.
    """

    stopping: Event  # set when the source must stop: ``self.stopping.wait(seconds)`` is a pause that ends then
    _thread: Thread | None = None

    @abstractmethod
    def frames(self) -> Iterator[Media]:
        """Yield each frame as it is captured. The source ends if this generator returns."""

    def start(self, receiver: Receiver) -> None:
        """Start passing on the frames."""
        self.stopping = Event()
        self._thread = Thread(target=self._run, args=(receiver,), name=f"mscli-{type(self).__name__}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the loop and join its thread."""
        if self._thread is not None:
            self.stopping.set()
            if self._thread is not current_thread():
                self._thread.join()

    def _run(self, receiver: Receiver) -> None:
        error: DOMException | None = None
        try:
            for frame in self.frames():
                if self.stopping.is_set():
                    return
                receiver.on_frame(frame)
        except BaseException as failure:  # no more frames come, whatever it is
            error = as_ours(failure, type(self))
        if not self.stopping.is_set():
            receiver.on_ended(error)


class SoundSupply(Protocol):
    """The sound for a speaker. It may be asked on a thread that must not wait, so both calls return at once and never raise."""

    def take(self, samples: int) -> bytes:
        """Return this number of 16-bit samples of every channel, interleaved."""

    def on_speaker_ended(self, error: DOMException) -> None:
        """Note that the speaker plays no more, and why: it was unplugged, or its driver failed. Called at most once."""


class Speaker(ABC):
    """An open speaker. It owns one named thread (or its library's callback thread) from ``start`` to ``stop``.

    It plays 16-bit samples, which it asks for when it needs them.
    """

    @property
    @abstractmethod
    def settings(self) -> Mapping[str, Scalar]:
        """Return its sampleRate (Hz) and channelCount, and as latency how many seconds later a sample is heard."""

    @abstractmethod
    def start(self, supply: SoundSupply) -> None:
        """Start playing. Raises NotReadableError if the device does not start."""

    @abstractmethod
    def stop(self) -> None:
        """Stop playing at once, release the device and join the thread. Safe to call twice, and after ``start`` failed."""


def as_ours(failure: BaseException, cls: type) -> DOMException:
    """Return the error for people about an exception in a source class."""
    from mscli.core.errors import DOMException, NotReadableError

    if isinstance(failure, DOMException):
        return failure
    text = scrubbed(f"{type(failure).__name__}: {failure}".removesuffix(": "))
    return NotReadableError(f"the source {cls.__module__}.{cls.__qualname__} failed with {text}")


def doubling(first_s: float, longest_s: float) -> Iterator[float]:
    """Yield times without end, each twice as long as the one before, up to the longest."""
    while True:
        yield first_s
        first_s = min(longest_s, 2 * first_s)


class Watching(Protocol):
    """A running watch of a backend on its devices."""

    def close(self) -> None:
        """Stop watching and join the thread, if any. No notification comes after that. Safe to call twice."""


class Backend(ABC):
    """A family of devices behind one library or kernel interface."""

    name: str = ""
    clock: Clock = SystemClock()  # the clock of its sources' timestamps
    silent: bool = False  # whether it lists nothing because nobody answered, so there may be devices
    problem: str = ""  # why it lists nothing and what to do, in a sentence, if known
    unknown: Sequence[str] = ()  # the paths of unknown members in its description
    duration_us: int | None = None  # how long what is at its address lasts, if that has an end and is known
    seekable: bool = False  # whether ``begin_at`` works

    @abstractmethod
    def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
        """Return the current devices of these kinds, without starting one (no LED). A failing device hides no other."""

    @abstractmethod
    def abilities(self, device: Device) -> Abilities:
        """Return what the device can do, without starting a stream. Raises NotReadableError, NotAllowedError."""

    @abstractmethod
    def open(self, device: Device, request: Request) -> Source:
        """Open the device, set the mode and then the controls.

        Raises NotReadableError (busy, gone) or NotAllowedError. Never hangs.
        """

    def open_speaker(self, device: Device, request: Request) -> Speaker:  # noqa: ARG002 (most have none)
        """Open a speaker with settings near the requested ones: sampleRate and channelCount.

        Raises NotFoundError (gone), NotReadableError (busy), NotAllowedError, NotSupportedError. Never hangs.
        """
        from mscli.core.errors import NotSupportedError

        raise NotSupportedError(f"“{device.label}” plays no sound")

    def begin_at(self, at_us: int) -> None:
        """Let the sources that are started next begin at this time of a file. Nothing is open, and ``seekable`` is True."""
        from mscli.core.errors import NotSupportedError

        raise NotSupportedError(f"{self.name} cannot begin at {at_us} µs")

    def watch(self, notify: Callable[[], object]) -> Watching | None:  # noqa: ARG002 (most have no use for it)
        """Call ``notify``, on any thread, whenever ``devices`` may have changed. Return None without events; then poll."""
        return None

    def at(self, address: str) -> Backend | None:  # noqa: ARG002 (only fake devices have them)
        """Return what an address of a display or of system audio means among these devices, or None if they have none of these.

        Raises NotFoundError.
        """
        return None

    def retries(self) -> Iterator[float] | None:
        """Return the pauses between attempts to open a listed device again, in seconds. Return None for the usual ones."""
        return None

    def close(self) -> None:  # noqa: B027 (most backends hold nothing between calls)
        """Release what the backend itself holds. Its sources were stopped before."""
