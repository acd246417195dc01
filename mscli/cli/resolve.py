"""Find a device by its id, its path or a link to that, its name or a unique part of it, or an address.

A name is looked up among the devices first, unless it can only be an address. Names of cameras and of ALSA devices may look
like addresses too.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from mscli.api.mediadeviceinfo import MediaDeviceInfo
from mscli.core.addresses import is_url, masked, scheme_of
from mscli.core.errors import NotFoundError
from mscli.core.nearest import did_you_mean
from mscli.sources import find_source, own_source
from mscli.sources.base import USUAL_INPUT, InputOptions, device_noun
from mscli.sources.identity import real_path

if TYPE_CHECKING:
    from mscli.api.mediadevices import MediaDevices

FOLDERS = (
    "",
    "/dev",
    "/dev/v4l/by-id",
    "/dev/v4l/by-path",
    "/dev/snd/by-id",
    "/dev/snd/by-path",
)  # folders in which a name may be a file

_CUTOFF = 0.5  # a part of a long name is enough for a suggestion

Info = TypeVar("Info", bound=MediaDeviceInfo)


def find_device(devices: MediaDevices, name: str, *kinds: str, options: InputOptions = USUAL_INPUT) -> MediaDeviceInfo:
    """Return the one device that ``name`` refers to, or the source at that address, which is read as the options say.

    Raises NotFoundError that lists the candidates, NotSupportedError for an address that nothing reads, NotReadableError.
    """
    return find_devices(devices, name, *kinds, options=options)[0]


def find_devices(devices: MediaDevices, name: str, *kinds: str, options: InputOptions = USUAL_INPUT) -> list[MediaDeviceInfo]:
    """Return the same, with everything of these kinds that is at an address."""
    if is_url(name) or own_source(name) is not None:
        return devices.add_address(name, kinds, options)
    among = devices.enumerate_devices(kinds)
    matches = _matches(name, among)
    if not among and devices.silent(kinds):
        raise devices.missing(kinds)
    if not matches and find_source(name) is not None:
        return devices.add_address(name, kinds, options)
    return [_only(name, matches, among, kinds[0] if len(kinds) == 1 else "")]


def resolve_device(name: str, among: Sequence[Info], kind: str = "") -> Info:
    """Return the one device that ``name`` refers to. Raises NotFoundError with candidates for none or several."""
    return _only(name, _matches(name, among), among, kind)


def _matches(name: str, among: Sequence[Info]) -> Sequence[Info]:
    """Return the devices that ``name`` may refer to, by the first method that finds any."""
    files = _files(name)
    by_id = [info for info in among if info.device_id == name]
    by_path = [info for info in among if info.path == name or files & _own_files(info)]
    by_name = [info for info in among if info.label.casefold() == name.casefold()]
    by_part = [info for info in among if name and name.casefold() in info.label.casefold()]
    return next((found for found in (by_id, by_path, by_name, by_part) if found), [])


def _only(name: str, matches: Sequence[Info], among: Sequence[Info], kind: str) -> Info:
    if len(matches) == 1:
        return matches[0]
    raise _several(name, matches) if matches else _none(name, among, kind)


def _files(name: str) -> set[str]:
    """Return the files that the name may refer to, with links resolved."""
    paths = (os.path.join(folder, name) for folder in FOLDERS) if name else ()
    return {real_path(path) for path in paths if os.path.exists(path)}


def _own_files(info: MediaDeviceInfo) -> set[str]:
    return {real_path(path) for path in (info.path, *info.names) if path and path.startswith("/")}


def _several(name: str, matches: Sequence[MediaDeviceInfo]) -> NotFoundError:
    hints = ["use more of the name, the path or the id:", *map(device_line, matches)]
    return NotFoundError(f"“{name}” matches {len(matches)} devices", hints=hints)


def _none(name: str, among: Sequence[MediaDeviceInfo], kind: str) -> NotFoundError:
    noun = device_noun(kind) if kind else "device"
    if not among:
        from mscli.core.trouble import WITHOUT_HARDWARE

        return NotFoundError(f"no {noun} found", hints=_about_path(name) or [WITHOUT_HARDWARE])
    question = did_you_mean(name, [info.label for info in among], cutoff=_CUTOFF)
    hints = [*_about_path(name), *(f"available: {device_line(info)}" for info in among)]
    return NotFoundError(f"no {noun} matches “{masked(name)}”{question}", hints=hints)


def _about_path(name: str) -> list[str]:
    if scheme_of(name):
        return [f"mscli cannot read {scheme_of(name)}: addresses either"]
    if os.path.isdir(name):
        return [f"{name} is a folder; name a file in it"]
    if not name.startswith("/"):
        return []
    there = os.path.exists(name)
    return [f"{name} is not such a device, or only carries other data" if there else f"{name} does not exist"]


def device_line(info: MediaDeviceInfo) -> str:
    """Return a device in one line, with everything that identifies it."""
    return f"{device_noun(info.kind)} “{info.label}”, {', '.join(filter(None, (info.path, info.device_id)))}"
