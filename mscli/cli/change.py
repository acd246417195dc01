"""A change of the device list: added, removed, altered and current devices."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mscli.api.mediadeviceinfo import MediaDeviceInfo
from mscli.core.tuples import NamedTuple


class DeviceListChange(NamedTuple):
    """The difference between two device lists. ``at_us``: when it was noticed, in microseconds on CLOCK_MONOTONIC."""

    at_us: int
    added: list[MediaDeviceInfo]
    removed: list[MediaDeviceInfo]
    altered: list[MediaDeviceInfo]
    devices: list[MediaDeviceInfo]

    @classmethod
    def between(cls, before: Iterable[MediaDeviceInfo], now: Iterable[MediaDeviceInfo], at_us: int) -> DeviceListChange:
        """Compare two lists. A device is altered if its name, its default status or its problem has changed."""
        old, new = ({(info.kind, info.device_id): info for info in infos} for infos in (before, now))
        return cls(
            at_us,
            [info for key, info in new.items() if key not in old],
            [info for key, info in old.items() if key not in new],
            [info for key, info in new.items() if key in old and _compared(info) != _compared(old[key])],
            list(new.values()),
        )

    def to_json(self) -> dict[str, list[dict[str, Any]]]:
        """Return the contract's ``devicechange`` without its time."""
        lists = {"added": self.added, "removed": self.removed, "devices": self.devices}
        return {name: [device_json(info) for info in infos] for name, infos in lists.items()}

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.altered)


def _compared(info: MediaDeviceInfo) -> tuple[object, ...]:
    return info.label, info.group_id, info.default, info.path, info.problem


def device_json(info: MediaDeviceInfo) -> dict[str, Any]:
    """Return a device for scripts."""
    known = {"path": info.path, "monitorOf": info.monitor_of, "problem": info.problem, "remedy": info.remedy}
    return {
        **info.to_json(),
        "default": info.default,
        "backend": info.backend,
        **{name: value for name, value in known.items() if value},
    }
