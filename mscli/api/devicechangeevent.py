"""DeviceChangeEvent: devices came or went. https://www.w3.org/TR/mediacapture-streams/#devicechangeevent"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mscli.api.mediadeviceinfo import MediaDeviceInfo
from mscli.core.events import Event
from mscli.core.readonly import ReadOnly


class DeviceChangeEvent(Event):
    """``devices``: those that are there after the change. ``user_inserted_devices``: those of them that came with it."""

    devices = ReadOnly[tuple[MediaDeviceInfo, ...]]()
    user_inserted_devices = ReadOnly[tuple[MediaDeviceInfo, ...]]()

    def __init__(
        self,
        type: str,  # noqa: A002 (the standard's name)
        init: Mapping[str, Any] | None = None,
        *,
        inserted: tuple[MediaDeviceInfo, ...] = (),
    ) -> None:
        super().__init__(type)
        self._devices = tuple((init or {}).get("devices", ()))
        self._user_inserted_devices = inserted
