"""MediaDeviceInfo and InputDeviceInfo: descriptions of devices. https://www.w3.org/TR/mediacapture-streams/#device-info"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from typing import Any, Literal, cast

from mscli.core.controls import Control, shown
from mscli.core.errors import DOMException, InvalidStateError
from mscli.core.properties import PROPERTIES
from mscli.core.readonly import ReadOnly
from mscli.sources.base import AUDIO_OUTPUT, Abilities, Device

DeviceKind = Literal["audioinput", "videoinput", "audiooutput"]


class MediaDeviceInfo:
    """A device.

    Beyond the standard: ``default``, ``backend``, ``path``, ``names`` (its other names), ``monitor_of`` (the deviceId of the
    speaker whose sound a microphone records, or ""), and ``called`` (what comes before the
    label of a file or a pipe: “video of”). If the device cannot be used, ``problem`` says why and ``remedy`` what to do, as far
    as known.

    See https://www.w3.org/TR/mediacapture-streams/#device-info. Differs from the standard: ``to_json`` is toJSON. Ids stay the
    same for every program, over a reboot and in the same port, because there is no origin.
    """

    device_id = ReadOnly[str]()
    kind = ReadOnly[DeviceKind]()
    label = ReadOnly[str]()
    group_id = ReadOnly[str]()

    def __init__(self, device: Device) -> None:
        self._device_id = device.device_id
        self._kind = cast(DeviceKind, device.kind)
        self._label = device.label
        self._group_id = device.group_id
        self.default = device.default
        self.backend = device.backend
        self.path = device.path
        self.names = device.names
        self.called = device.called
        self.monitor_of = device.monitor_of
        self.problem, self.busy = device.problem, device.busy
        self.remedy = device.remedy
        self._device = device

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.kind} “{self.label}” {self.device_id}>"

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: everything but what opens the device."""
        return {**vars(self), "_device": self._device._replace(handle=None)}

    def to_json(self) -> dict[str, Any]:
        """Return the standard's four members, with IDL keys."""
        return {"deviceId": self.device_id, "kind": self.kind, "label": self.label, "groupId": self.group_id}


class InputDeviceInfo(MediaDeviceInfo):
    """A camera or a microphone. Each object queries the device's abilities once.

    See https://www.w3.org/TR/mediacapture-streams/#input-specific-device-info. Differs from the standard: ``get_capabilities``
    may open the device, and raises NotReadableError if it does not answer.
    """

    def __init__(self, device: Device, abilities: Callable[[Device], Abilities]) -> None:
        super().__init__(device)
        self._ask = abilities

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: also the abilities, if they can be queried."""
        with suppress(DOMException):
            _ = self._abilities
        return {**super().__getstate__(), "_ask": _not_here}

    @cached_property
    def _abilities(self) -> Abilities:
        return self._ask(self._device)

    def get_capabilities(self) -> dict[str, Any]:
        """Return the supported ranges and values, with IDL keys. Raises NotReadableError, NotAllowedError."""
        from mscli.api.settings_space import boxes_of, capabilities_of

        return capabilities_of(boxes_of(self._device, self._abilities, 0))

    def get_unusable(self) -> list[dict[str, str]]:
        """Return the formats and modes that the device lists but that cannot be used, each with ``what`` and ``why``."""
        return [one._asdict() for one in self._abilities.unusable]

    def get_controls(self) -> dict[str, dict[str, Any]]:
        """Return a camera's controls with their ``value``, ``default`` and, if setting it has no effect, why.

        ``inactive``: the camera sets it by itself now. ``readOnly``: it can never be set.
        """
        controls = self._abilities.controls
        return {name: _control(name, control) for name, control in controls.items() if name not in PROPERTIES.of_photos}

    def get_modes(self) -> list[dict[str, Any]]:
        """Return a camera's native modes, with the contract's keys. A microphone has none."""
        return [mode.to_json() for mode in self._abilities.modes]


class DisplayInfo(MediaDeviceInfo):
    """A monitor or a window, which ``enumerate_displays`` lists (beyond the standard). Its ``kind`` is “display”.

    ``display_surface``: “monitor” or “window”. ``x``, ``y``, ``width``, ``height``: its place among all monitors, in pixels.
    ``path``: its address, for ``get_display_media``.
    """

    def __init__(self, device: Device) -> None:
        super().__init__(device)
        assert device.surface is not None, "every display has one"
        self.display_surface, _, self.x, self.y, self.width, self.height, _ = device.surface

    def to_json(self) -> dict[str, Any]:
        """Return the members of a device, and its surface."""
        place = {"x": self.x, "y": self.y, "width": self.width, "height": self.height}
        return {**super().to_json(), "displaySurface": self.display_surface, **place}


def _not_here(device: Device) -> Abilities:
    raise InvalidStateError(
        f"the abilities of {device.label} were not pickled", hints=["ask enumerate_devices in this process"]
    )


def _control(name: str, control: Control) -> dict[str, Any]:
    known = {"value": control.value} if control.default is None else {"value": control.value, "default": control.default}
    values = {key: shown({name: value})[name] for key, value in known.items()}
    why = {"inactive": control.inactive, "readOnly": control.read_only}
    return {**values, **{name: True for name, applies in why.items() if applies}}


def device_info(device: Device, abilities: Callable[[Device], Abilities]) -> MediaDeviceInfo:
    """Return the object for a device, an ``InputDeviceInfo`` if it can capture."""
    return MediaDeviceInfo(device) if device.kind == AUDIO_OUTPUT else InputDeviceInfo(device, abilities)
