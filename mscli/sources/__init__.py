"""Devices in. The registry of backends: a row is all that the rest of the program knows of one; it is imported when used."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

from mscli.sources.base import AUDIO_INPUT, AUDIO_OUTPUT, VIDEO_INPUT, Backend


class BackendRow(NamedTuple):
    """Where a backend is, which kinds of device it has, and on which systems (``sys.platform``) it is the one to use."""

    module: str
    cls: str
    kinds: tuple[str, ...]
    platforms: tuple[str, ...]


BACKENDS: dict[str, BackendRow] = {
    "v4l2": BackendRow("mscli.sources.v4l2", "V4L2Backend", (VIDEO_INPUT,), ("linux",)),
    "opencv": BackendRow("mscli.sources.opencv", "OpenCVBackend", (VIDEO_INPUT,), ("darwin", "win32")),
    "portaudio": BackendRow(
        "mscli.sources.portaudio", "PortAudioBackend", (AUDIO_INPUT, AUDIO_OUTPUT), ("linux", "darwin", "win32")
    ),
    "fake": BackendRow("mscli.sources.fake", "FakeBackend", (VIDEO_INPUT, AUDIO_INPUT, AUDIO_OUTPUT), ()),
}


def load_backend(name: str, *described: object) -> Backend:
    """The backend of that name, imported now. ``described``: fake devices, {} for the default ones. Raises ArgumentError."""
    row = BACKENDS[name]
    backend: Backend = getattr(import_module(row.module), row.cls)(*described)
    return backend


def system_backends(platform: str = sys.platform) -> list[str]:
    """The names of the backends for this system's own hardware, cameras first."""
    return [name for name, row in BACKENDS.items() if platform in row.platforms]


def serves(name: str, kinds: Sequence[str]) -> bool:
    """Whether that backend may have devices of any of those kinds, so that it need not be loaded if not."""
    return any(kind in BACKENDS[name].kinds for kind in kinds)
