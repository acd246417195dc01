"""From what people call a device to the device: its id, a path, or a unique part of its label in any case."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

from mscli.api.mediadeviceinfo import MediaDeviceInfo, device_noun
from mscli.core.errors import NotFoundError

Info = TypeVar("Info", bound=MediaDeviceInfo)


def resolve_device(name: str, among: Sequence[Info], kind: str = "") -> Info:
    """The one device that ``name`` means. Raises NotFoundError that lists the candidates, for several as for none."""
    by_id = [info for info in among if info.device_id == name]
    by_path = [info for info in among if info.path and _same_path(info.path, name)]
    by_name = [info for info in among if info.label.casefold() == name.casefold()]
    by_part = [info for info in among if name and name.casefold() in info.label.casefold()]
    matches = next((found for found in (by_id, by_path, by_name, by_part) if found), [])
    if len(matches) == 1:
        return matches[0]
    raise _several(name, matches) if matches else _none(name, among, kind)


def _same_path(path: str, name: str) -> bool:
    return name.startswith("/") and os.path.realpath(name) == os.path.realpath(path)


def _several(name: str, matches: Sequence[MediaDeviceInfo]) -> NotFoundError:
    hints = ["say which, by more of its name, its path or its id:", *map(describe, matches)]
    return NotFoundError(f"“{name}” is part of the names of {len(matches)} devices", hints=hints)


def _none(name: str, among: Sequence[MediaDeviceInfo], kind: str) -> NotFoundError:
    from difflib import get_close_matches

    noun = device_noun(kind) if kind else "device"
    if not among:
        return NotFoundError(f"there is no {noun} “{name}”: this machine has none")
    labels = {info.label.casefold(): info.label for info in among}
    close = get_close_matches(name.casefold(), labels, 1, 0.5)
    question = f"; did you mean “{labels[close[0]]}”?" if close else ""
    return NotFoundError(f"there is no {noun} “{name}”{question}", hints=[f"there is:  {describe(info)}" for info in among])


def describe(info: MediaDeviceInfo) -> str:
    """A device in one line, by everything that names it."""
    return f"“{info.label}”  {info.path or info.kind}  {info.device_id}"
