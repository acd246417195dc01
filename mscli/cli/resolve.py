"""From what people call a device to the device: its id, a path or a link to it, its name, or a unique part of that."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

from mscli.api.mediadeviceinfo import MediaDeviceInfo, device_noun
from mscli.core.errors import NotFoundError
from mscli.sources.identity import real_path

FOLDERS = (
    "",
    "/dev",
    "/dev/v4l/by-id",
    "/dev/v4l/by-path",
    "/dev/snd/by-id",
    "/dev/snd/by-path",
)  # where a name may be a file's

Info = TypeVar("Info", bound=MediaDeviceInfo)


def resolve_device(name: str, among: Sequence[Info], kind: str = "") -> Info:
    """The one device that ``name`` means. Raises NotFoundError that lists the candidates, for several as for none."""
    files = _files(name)
    by_id = [info for info in among if info.device_id == name]
    by_path = [info for info in among if info.path == name or files & _own_files(info)]
    by_name = [info for info in among if info.label.casefold() == name.casefold()]
    by_part = [info for info in among if name and name.casefold() in info.label.casefold()]
    matches = next((found for found in (by_id, by_path, by_name, by_part) if found), [])
    if len(matches) == 1:
        return matches[0]
    raise _several(name, matches) if matches else _none(name, among, kind)


def _files(name: str) -> set[str]:
    """The files that the name may stand for, links followed."""
    paths = (os.path.join(folder, name) for folder in FOLDERS) if name else ()
    return {real_path(path) for path in paths if os.path.exists(path)}


def _own_files(info: MediaDeviceInfo) -> set[str]:
    return {real_path(path) for path in (info.path, *info.names) if path and path.startswith("/")}


def _several(name: str, matches: Sequence[MediaDeviceInfo]) -> NotFoundError:
    hints = ["say which, by more of its name, its path or its id:", *map(describe, matches)]
    relation = "stands for" if _files(name) else "is part of the names of"
    return NotFoundError(f"“{name}” {relation} {len(matches)} devices", hints=hints)


def _none(name: str, among: Sequence[MediaDeviceInfo], kind: str) -> NotFoundError:
    from difflib import get_close_matches

    noun = device_noun(kind) if kind else "device"
    if not among:
        return NotFoundError(f"there is no {noun} “{name}”: this machine has none", hints=_about_path(name))
    labels = {info.label.casefold(): info.label for info in among}
    close = get_close_matches(name.casefold(), labels, 1, 0.5)
    question = f"; did you mean “{labels[close[0]]}”?" if close else ""
    hints = [*_about_path(name), *(f"there is:  {describe(info)}" for info in among)]
    return NotFoundError(f"there is no {noun} “{name}”{question}", hints=hints)


def _about_path(name: str) -> list[str]:
    if not name.startswith("/"):
        return []
    there = os.path.exists(name)
    return [f"{name} is no such device, or a node of one for other data" if there else f"{name} does not exist"]


def describe(info: MediaDeviceInfo) -> str:
    """A device in one line, by everything that names it."""
    return f"“{info.label}”  {info.path or info.kind}  {info.device_id}"
