"""MediaDeviceInfo and InputDeviceInfo: what a device is. https://www.w3.org/TR/mediacapture-streams/#device-info"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from mscli.core.readonly import ReadOnly
from mscli.sources.base import AUDIO_OUTPUT, Abilities, Device


class MediaDeviceInfo:
    """A device. Beyond the standard: ``default``, ``backend``, ``path``, ``names`` (what else it is known by), and of one that
    cannot be used, if that is known, ``problem`` (why) and ``remedy`` (what helps)."""

    device_id = ReadOnly[str]()
    kind = ReadOnly[str]()
    label = ReadOnly[str]()
    group_id = ReadOnly[str]()

    def __init__(self, device: Device) -> None:
        self._device_id = device.device_id
        self._kind = device.kind
        self._label = device.label
        self._group_id = device.group_id
        self.default = device.default
        self.backend = device.backend
        self.path = device.path
        self.names = device.names
        self.problem = device.problem
        self.remedy = device.remedy
        self._device = device

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.kind} “{self.label}” {self.device_id}>"

    def to_json(self) -> dict[str, str]:
        """The standard's four members, with IDL keys."""
        return {"deviceId": self.device_id, "kind": self.kind, "label": self.label, "groupId": self.group_id}


class InputDeviceInfo(MediaDeviceInfo):
    """A camera or a microphone. What it can do is asked once for each of these objects."""

    def __init__(self, device: Device, abilities: Callable[[Device], Abilities]) -> None:
        super().__init__(device)
        self._ask = abilities

    @cached_property
    def _abilities(self) -> Abilities:
        return self._ask(self._device)

    def get_capabilities(self) -> dict[str, Any]:
        """The ranges and lists of values that the device has, with IDL keys. Raises NotReadableError, NotAllowedError."""
        from mscli.api.settings_space import boxes_of, capabilities_of

        return capabilities_of(boxes_of(self._device, self._abilities, 0))

    def get_modes(self) -> list[dict[str, Any]]:
        """A camera's native modes, with the contract's keys; none for a microphone."""
        return [mode.to_json() for mode in self._abilities.modes]


def device_info(device: Device, abilities: Callable[[Device], Abilities]) -> MediaDeviceInfo:
    """The object for a device: an ``InputDeviceInfo`` for what captures."""
    return MediaDeviceInfo(device) if device.kind == AUDIO_OUTPUT else InputDeviceInfo(device, abilities)


def device_noun(kind: str) -> str:
    """What people call a device of that kind."""
    return {"videoinput": "camera", "audioinput": "microphone"}.get(kind, "speaker")


def device_name(device: Device) -> str:
    """The device as messages name it."""
    where = f" ({device.path})" if device.path else ""
    return f"the {device_noun(device.kind)} “{device.label}”{where}"
