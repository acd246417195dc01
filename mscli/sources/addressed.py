"""Present the source at an address as the devices of a backend. Their deviceIds are the address without its secrets.

The source may belong to another package, so whatever it gives is checked. A mistake is a NotReadableError that names the
address.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import inf
from typing import Any

from mscli.core.addresses import masked
from mscli.core.boxes import Mode, Scalar, Span
from mscli.core.calls import bounded
from mscli.core.codecs import CAMERA_CODECS
from mscli.core.errors import DOMException, NotReadableError
from mscli.core.flaws import flaw_of
from mscli.core.frames import FORMATS, Media
from mscli.core.limits import STOP_S
from mscli.core.plugins import Guarded
from mscli.core.reported import Reported
from mscli.sources.base import (
    AUDIO_INPUT,
    DEVICE_KINDS,
    SWITCHED_OFF,
    VIDEO_INPUT,
    Abilities,
    Backend,
    Device,
    Receiver,
    Request,
    Source,
    Watching,
)

_NUMBER = (int, float)
_NEEDED = {VIDEO_INPUT: ("width", "height", "frameRate"), AUDIO_INPUT: ("sampleRate", "channelCount")}
_NUMBERS = {name for names in _NEEDED.values() for name in names}
_NAMED = ("device_id", "kind", "label", "group_id")  # the members of a device that are text
_CONTENTS = {VIDEO_INPUT: "video", AUDIO_INPUT: "audio"}  # what a device of this kind delivers


class Addressed(Backend):
    """A wrapper for the backend of an address. ``name``: the address for messages."""

    def __init__(self, backend: Backend, address: str) -> None:
        self.name = masked(address)
        self.clock, self.duration_us, self.seekable = backend.clock, backend.duration_us, backend.seekable
        self._backend = backend
        self._address = address

    def devices(self, kinds: Sequence[str] = DEVICE_KINDS) -> list[Device]:
        """Return what is at the address, with ids that no other address has."""
        listed = self._checked(self._backend.devices(kinds), list)
        found = [self._named(self._checked_device(device)) for device in listed]
        self.silent, self.problem = self._backend.silent, self._backend.problem
        return [device for device in found if device.kind in kinds]

    def broken(self, why: str) -> NotReadableError:
        """Return the error about a mistake of what reads the address."""
        return NotReadableError(f"the source that reads {self.name} is broken: {why}")

    def _checked(self, given: Any, kind: type | tuple[type, ...], name: str = "") -> Any:
        """Return the backend's result. Raises NotReadableError if it has the wrong type."""
        if not isinstance(given, kind) or (isinstance(given, bool) and kind in (int, _NUMBER)):
            raise self.broken(f"it returned a {type(given).__name__}{f' as {name}' if name else ''}")
        return given

    def _checked_device(self, given: Any) -> Device:
        device: Device = self._checked(given, Device)
        for name in _NAMED:
            self._checked(getattr(device, name), str, name)
        return device

    def _checked_modes(self, given: Any) -> None:
        for mode in self._checked(given, Sequence, "modes"):
            self._checked(mode, Mode, "a mode")
            if mode.pixel_format not in FORMATS and mode.pixel_format not in CAMERA_CODECS:
                raise self.broken(f"it returned “{mode.pixel_format}” as a pixel format")
            for value in mode[1:]:
                for end in (value.min, value.max) if isinstance(value, Span) else (value,):
                    self._checked(end, _NUMBER, "a size or a rate")

    def checked_settings(self, given: Any, kind: str) -> Mapping[str, Scalar]:
        """Return the settings of an open source. Raises NotReadableError if they have the wrong type or one is missing."""
        settings: Mapping[str, Scalar] = self._checked(given, Mapping, "settings")
        for name in _NEEDED.get(kind, ()):
            value = self._checked(settings.get(name), _NUMBER, name)
            if not 0 < value < inf:
                raise self.broken(f"it returned {value} as {name}")
        return dict(settings)

    def check_frame(self, frame: Any, kind: str) -> None:
        """Raise NotReadableError for what is no frame of this kind."""
        flaw = flaw_of(frame, kind)
        if flaw:
            raise self.broken(flaw)

    def check_loss(self, count: Any) -> None:
        """Raise NotReadableError for what is no number of lost frames."""
        if self._checked(count, int, "a number of lost frames") < 0:
            raise self.broken(f"it reported {count} lost frames")

    def check_change(self, settings: Any, abilities: Any) -> None:
        """Raise NotReadableError for what are no settings and abilities."""
        for name, value in self._checked(settings, Mapping, "settings").items():
            if name in _NUMBERS and not 0 < self._checked(value, _NUMBER, name) < inf:
                raise self.broken(f"it returned {value} as {name}")
        if abilities is not None:
            self._check_abilities(abilities)

    def _named(self, device: Device) -> Device:
        further = "" if device.device_id in ("", self._address) else f"#{masked(device.device_id)}"
        return device._replace(
            device_id=self.name + further,
            label=masked(device.label) or self.name,
            backend=self._address,
            default=False,
            path=None,
            handle=device,
        )

    def abilities(self, device: Device) -> Abilities:
        """Return what the device can do, according to the backend."""
        return self._check_abilities(self._backend.abilities(device.handle))

    def _check_abilities(self, given: Any) -> Abilities:
        abilities: Abilities = self._checked(given, Abilities)
        self._checked_modes(abilities.modes)
        self._checked(abilities.values, Mapping, "values")
        self._checked(abilities.controls, Mapping, "controls")
        return abilities

    def open(self, device: Device, request: Request) -> Source:
        """Let the backend open the device."""
        source: Source = self._checked(self._backend.open(device.handle, request), (Source, Guarded))
        try:
            return _CheckedSource(source, self, device.kind)
        except BaseException:
            with Reported():
                source.stop()
            raise

    def begin_at(self, at_us: int) -> None:
        """Let the backend begin there."""
        self._backend.begin_at(at_us)

    def watch(self, notify: Callable[[], object]) -> Watching | None:
        """Let the backend watch its devices."""
        return self._backend.watch(notify)

    def retries(self) -> Iterator[float] | None:
        """Return the times that the backend chooses."""
        return self._backend.retries()

    def close(self) -> None:
        """Let the backend close. A mistake is only reported, because what was captured is whole."""
        with Reported():
            try:
                bounded(self._backend.close, STOP_S, "mscli-close")
            except TimeoutError:
                raise self.broken(f"it did not close within {STOP_S:g} s") from None


class _CheckedSource(Source):
    """An open source of an address. Its settings are asked for once, when it is opened."""

    def __init__(self, source: Source, backend: Addressed, kind: str) -> None:
        self.live, self.finite, self.irregular = bool(source.live), bool(source.finite), bool(source.irregular)
        self.together = source.together
        self._source, self._backend, self._kind = source, backend, kind
        self._settings = backend.checked_settings(source.settings, kind)

    @property
    def heard_us(self) -> int:
        """Return when a frame of any track of its input last came."""
        heard = self._source.heard_us
        return heard if isinstance(heard, int) else 0

    @property
    def settings(self) -> Mapping[str, Scalar]:
        """Return the settings with which it was opened."""
        return self._settings

    def set(self, controls: Mapping[str, Scalar]) -> Mapping[str, Scalar]:
        """Let the source set controls."""
        return self._backend.checked_settings(self._source.set(controls), "")

    def start(self, receiver: Receiver) -> None:
        """Let the source start, and check its frames."""
        self._source.start(_CheckedReceiver(receiver, self._backend, self._kind))

    def stop(self) -> None:
        """Let the source stop."""
        self._source.stop()


class _CheckedReceiver:
    """A receiver that ends a source at its first mistake."""

    def __init__(self, receiver: Receiver, backend: Addressed, kind: str) -> None:
        self._receiver, self._backend = receiver, backend
        self._kind = _CONTENTS.get(kind, "")
        self._ended = False

    def on_frame(self, frame: Media) -> None:
        """Pass on a frame, or end the source."""
        if self._passes(lambda: self._backend.check_frame(frame, self._kind)):
            self._receiver.on_frame(frame)

    def on_lost(self, count: int) -> None:
        """Pass on a loss."""
        if self._passes(lambda: self._backend.check_loss(count)):
            self._receiver.on_lost(count)

    def on_retimed(self, count: int, off_us: int) -> None:
        """Pass on a count."""
        if not self._ended:
            self._receiver.on_retimed(int(count), int(off_us))

    def on_muted(self, muted: bool, cause: str = SWITCHED_OFF) -> None:
        """Pass on a report."""
        if not self._ended:
            self._receiver.on_muted(bool(muted), str(cause))

    def on_changed(self, settings: Mapping[str, Scalar], abilities: Abilities | None = None) -> None:
        """Pass on new settings."""
        if self._passes(lambda: self._backend.check_change(settings, abilities)):
            self._receiver.on_changed(settings, abilities)

    def on_warned(self, reason: str) -> None:
        """Pass on a warning."""
        if not self._ended:
            self._receiver.on_warned(str(reason))

    def _passes(self, check: Callable[[], object]) -> bool:
        """Return whether something is passed on. A mistake ends the source."""
        if self._ended:
            return False
        try:
            check()
        except NotReadableError as error:
            self.on_ended(error)
            return False
        return True

    def on_ended(self, error: Any) -> None:
        """Pass on the end, once."""
        if error is not None and not isinstance(error, DOMException):
            error = self._backend.broken(f"it ended with a {type(error).__name__}")
        if not self._ended:
            self._ended = True
            self._receiver.on_ended(error)
