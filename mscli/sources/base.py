"""What every device backend is: it lists devices, says what each can do, and opens one as a source of frames.

A backend is one file in this folder, one row in ``BACKENDS`` and one line in the contract suite (tests/backends). It knows no
track and no sink. It translates the errors of its library or driver into those of ``mscli.core.errors``, here and nowhere else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from mscli.core.boxes import Mode, Scalar, Values
    from mscli.core.errors import DOMException
    from mscli.core.frames import Frame

VIDEO_INPUT = "videoinput"
AUDIO_INPUT = "audioinput"
AUDIO_OUTPUT = "audiooutput"
DEVICE_KINDS = (AUDIO_INPUT, VIDEO_INPUT, AUDIO_OUTPUT)
SWITCHED_OFF, NO_SIGNAL = "switched off", "no signal"  # why a device may say that what it gives is not to be shown


class Device(NamedTuple):
    """A device as a backend lists it: https://www.w3.org/TR/mediacapture-streams/#dom-mediadeviceinfo, and how to reach it.

    ``device_id`` survives a reboot and a replug; ``path`` is a name that people know it by (/dev/video0), if there is one.
    ``handle`` is the backend's own: what it opens.
    """

    device_id: str
    kind: str
    label: str
    group_id: str
    backend: str
    default: bool = False
    path: str | None = None
    handle: Any = None
    problem: str = ""  # why it cannot be used, in a sentence, where the backend knows already
    remedy: str = ""  # what to do about that
    busy: bool = False  # the problem is only that someone uses it, which passes
    names: tuple[str, ...] = ()  # what else it is known by: device files, addresses

    def troubled(self, error: DOMException, *, busy: bool = False) -> Device:
        """The device with what is wrong with it."""
        return self._replace(problem=error.message, remedy="; ".join(error.hints), busy=busy)


class Abilities(NamedTuple):
    """What a device can do. Cameras have ``modes``; ``values`` are sets for the IDL properties that hold in every mode.

    Microphones have only ``values``: sampleRate, channelCount, sampleSize, latency (seconds), and the three processings.
    ``resampled``: other sample rates and channel counts are made of what it gives.
    """

    modes: Sequence[Mode] = ()
    values: Mapping[str, Values] = MappingProxyType({})
    controls: Mapping[str, Any] = MappingProxyType({})
    resampled: bool = False


class Request(NamedTuple):
    """What to open: chosen settings by IDL name (width, height, frameRate; sampleRate, channelCount, sampleSize, latency).

    ``pixel_format`` is the chosen mode's. All are single values that the device's abilities contain.
    """

    settings: Mapping[str, Scalar]
    pixel_format: str = ""


class Receiver(Protocol):
    """Who takes what a source gives. Every call comes on the source's own thread and returns at once, without raising."""

    def on_frame(self, frame: Frame) -> None:
        """A frame was captured."""

    def on_lost(self, count: int) -> None:
        """``count`` frames (samples per channel for sound) were lost before us: by driver, bus or hardware."""

    def on_muted(self, muted: bool, cause: str = SWITCHED_OFF) -> None:
        """The driver says that a switch on the device shuts it off, or on again; or that there is NO_SIGNAL at its input, or
        one again. What it gives meanwhile is not shown, and it may give nothing."""

    def on_changed(self, settings: Mapping[str, Scalar], abilities: Abilities | None = None) -> None:
        """Frames have these settings from now on, by IDL name: the driver by itself, or another program, has set them.

        ``abilities``: what the device can do now, if that is something else, too.
        """

    def on_ended(self, error: DOMException | None) -> None:
        """No more frames will ever come; ``error`` says why (unplugged, driver failure). At most once, not after stop."""


class Source(ABC):
    """One opened device. It owns one named thread (or its library's callback) from ``start`` to ``stop``."""

    @property
    @abstractmethod
    def settings(self) -> Mapping[str, Scalar]:
        """What the driver really set, by IDL name, which may differ from what was asked."""

    @abstractmethod
    def start(self, receiver: Receiver) -> None:
        """Begin to stream. Raises NotReadableError when the device does not start."""

    @abstractmethod
    def stop(self) -> None:
        """End the stream, give the device back and join the thread. Safe to call twice, and when start failed."""


class Watching(Protocol):
    """What a backend does to follow its devices."""

    def close(self) -> None:
        """Follow them no more, and join what thread there is. After that no notice comes; safe to call twice."""


class Backend(ABC):
    """A family of devices behind one library or kernel interface."""

    name: str = ""
    silent: bool = False  # whether that is because nobody answered, so that there may be devices all the same
    problem: str = ""  # why it lists nothing, in a sentence with the remedy, where the backend knows

    @abstractmethod
    def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
        """The devices of those kinds that are there now. Starts no stream (no LED); one that fails hides no other."""

    @abstractmethod
    def abilities(self, device: Device) -> Abilities:
        """What the device can do, read without starting a stream. Raises NotReadableError, NotAllowedError."""

    @abstractmethod
    def open(self, device: Device, request: Request) -> Source:
        """Take the device and set the mode. Raises NotReadableError (busy, gone), NotAllowedError, never hangs."""

    def watch(self, notify: Callable[[], object]) -> Watching | None:  # noqa: ARG002 (most have no use for it)
        """Call ``notify``, on any thread, whenever ``devices`` may have changed. None: there are no events, so it is asked."""
        return None

    def close(self) -> None:  # noqa: B027 (most backends hold nothing between calls)
        """Give back what the backend itself holds. Its sources are stopped before."""
