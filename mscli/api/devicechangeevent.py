"""DeviceChangeEvent: devices were added or removed. https://www.w3.org/TR/mediacapture-streams/#devicechangeevent"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mscli.api.mediadeviceinfo import MediaDeviceInfo
from mscli.core.events import Event
from mscli.core.readonly import ReadOnly


class DeviceChangeEvent(Event):
    """An event about a change of devices. ``devices``: the current ones. ``user_inserted_devices``: the new ones.

    See https://www.w3.org/TR/mediacapture-streams/#devicechangeevent. Does not differ from the standard.
    """

    devices = ReadOnly[tuple[MediaDeviceInfo, ...]]()
    user_inserted_devices = ReadOnly[tuple[MediaDeviceInfo, ...]]()

    def __init__(
        self,
        type: str,  # noqa: A002 (the standard's name)
        init: Mapping[str, Any] | None = None,
        *,
        inserted: tuple[MediaDeviceInfo, ...] = (),
    ) -> None:
        super().__init__(type, init)
        self._devices = tuple((init or {}).get("devices", ()))
        self._user_inserted_devices = inserted
