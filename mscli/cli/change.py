"""A change of the devices: what came, what went and what is there now."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from mscli.api.mediadeviceinfo import MediaDeviceInfo


class Change(NamedTuple):
    """What came and what went at an instant of CLOCK_MONOTONIC in microseconds, and what is there now."""

    at_us: int
    added: list[MediaDeviceInfo]
    removed: list[MediaDeviceInfo]
    altered: list[MediaDeviceInfo]
    devices: list[MediaDeviceInfo]

    @classmethod
    def between(cls, before: Iterable[MediaDeviceInfo], now: Iterable[MediaDeviceInfo], at_us: int) -> Change:
        """The difference of two lists. A device is altered when another one is the default, or when it can be used now."""
        old, new = ({(info.kind, info.device_id): info for info in infos} for infos in (before, now))
        return cls(
            at_us,
            [info for key, info in new.items() if key not in old],
            [info for key, info in old.items() if key not in new],
            [info for key, info in new.items() if key in old and _told(info) != _told(old[key])],
            list(new.values()),
        )

    def to_json(self) -> dict[str, list[dict[str, Any]]]:
        """What the contract's ``devicechange`` has, but for its time."""
        lists = {"added": self.added, "removed": self.removed, "devices": self.devices}
        return {name: [device_json(info) for info in infos] for name, infos in lists.items()}

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.altered)


def _told(info: MediaDeviceInfo) -> tuple[object, ...]:
    return info.label, info.group_id, info.default, info.path, info.problem


def device_json(info: MediaDeviceInfo) -> dict[str, Any]:
    """A device as scripts read it."""
    known = {"path": info.path, "problem": info.problem, "remedy": info.remedy}
    return {
        **info.to_json(),
        "default": info.default,
        "backend": info.backend,
        **{name: value for name, value in known.items() if value},
    }
