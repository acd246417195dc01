"""Sources of video and sound, and their registry. A row is all that the rest of the program knows of a source.

A row lists devices, or serves addresses by scheme and files by suffix, or both. Its module is imported on first use.

The interface

- ``base``: the base classes of backends and sources
- ``track``: the interface between a track and its source

Devices as sources of tracks

- ``device``: a device from its opening to the end of its last track: calls to its driver with time limits, checks of what the
  driver reports, and the watchdog
- ``reconnect``: reconnects a lost device
- ``addressed``: the devices at an address
- ``displays``: the addresses of monitors, windows and system audio

Inputs that hold pictures and sound

- ``demux``: containers: their packets as chunks, pictures and sound
- ``packettimes``: times of packets that cannot be true
- ``feed``: one input for the tracks of both kinds, at its own pace
- ``streams``: the streams of a container for the tracks of an input
- ``bytereader``: bytes that come one after the other
- ``y4m``: the header of YUV4MPEG2

Backends

- ``v4l2``: cameras on Linux
- ``sound``: microphones and speakers, through PortAudio
- ``opencv``: cameras on other systems
- ``fake``: fake devices
- ``file``: media files
- ``pipe``: what other programs write
- ``screen``: monitors, windows and regions of the screen
- ``network``: what servers send

For backends on Linux

- ``identity``: ids that survive a reboot and a replug
- ``uevents``: kernel events about devices
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from importlib import import_module
from typing import Any

from mscli.core.addresses import masked, scheme_of, suffix_of
from mscli.core.errors import NotReadableError, NotSupportedError
from mscli.core.tuples import NamedTuple
from mscli.sources.base import AUDIO_INPUT, AUDIO_OUTPUT, DISPLAY, VIDEO_INPUT, Backend, InputOptions, Source


class SourceRow(NamedTuple):
    """A family of sources: the module and the class of its ``Backend``, and what it serves.

    ``kinds``: the kinds of devices that it may have. ``platforms``: the systems (``sys.platform``) whose devices it lists; its
    backend is created without arguments. ``schemes``, ``suffixes``: the addresses and files that it reads; its backend is
    created with the address as given. ``names``: whole addresses, such as ``-``. ``tunable``: its backend also takes
    ``InputOptions``. ``contents``: it reads media, not a device, and messages say so. ``replaceable``: fake devices have their
    own of these addresses. ``session``: the window system that it needs, or "" for any. ``asks``: the desktop asks its user
    when an address is added. ``package``: the package that provided the row, set by the registry.
    """

    module: str
    cls: str
    kinds: tuple[str, ...]
    platforms: tuple[str, ...] = ()
    schemes: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    tunable: bool = False
    contents: bool = False
    replaceable: bool = False
    session: str = ""
    asks: bool = False
    package: str = ""


X11, WAYLAND, MACOS, WINDOWS = "x11", "wayland", "macos", "windows"  # window systems
_BOTH = (VIDEO_INPUT, AUDIO_INPUT)
_DISPLAYS = ("screen", "window", "region")
_NETWORK = ("http", "https", "rtsp", "rtsps", "rtmp", "rtmps", "srt", "tcp", "udp")
_FILES = (
    "3gp", "aac", "ac3", "aif", "aiff", "apng", "asf", "avi", "caf", "flac", "flv", "gif", "m2ts", "m4a", "m4v", "mka", "mkv",
    "mov", "mp3", "mp4", "mpeg", "mpg", "mts", "mxf", "nut", "oga", "ogg", "ogv", "opus", "ts", "vob", "wav", "webm", "wma",
    "wmv", "y4m",
)  # fmt: skip

BACKENDS: dict[str, SourceRow] = {
    "v4l2": SourceRow("mscli.sources.v4l2.backend", "V4L2Backend", (VIDEO_INPUT,), ("linux",)),
    "opencv": SourceRow("mscli.sources.opencv", "OpenCVBackend", (VIDEO_INPUT,), ("darwin", "win32")),
    "portaudio": SourceRow(
        "mscli.sources.sound.portaudio", "PortAudioBackend", (AUDIO_INPUT, AUDIO_OUTPUT), ("linux", "darwin", "win32")
    ),
    "fake": SourceRow("mscli.sources.fake.backend", "FakeBackend", (VIDEO_INPUT, AUDIO_INPUT, AUDIO_OUTPUT)),
    "network": SourceRow("mscli.sources.network.backend", "NetworkBackend", _BOTH, schemes=_NETWORK, tunable=True),
    "file": SourceRow(
        "mscli.sources.file.backend",
        "FileBackend",
        (VIDEO_INPUT, AUDIO_INPUT),
        schemes=("file",),
        suffixes=_FILES,
        tunable=True,
        contents=True,
    ),
    "blob": SourceRow("mscli.sources.file.backend", "BlobBackend", _BOTH, schemes=("blob",), tunable=True, contents=True),
    "pipe": SourceRow(
        "mscli.sources.pipe.backend", "PipeBackend", _BOTH, schemes=("fd",), names=("-",), tunable=True, contents=True
    ),
    "screen": SourceRow(
        "mscli.sources.screen.backend",
        "ScreenBackend",
        (DISPLAY,),
        ("linux",),
        schemes=_DISPLAYS,
        replaceable=True,
        session=X11,
    ),
    "wayland": SourceRow(
        "mscli.sources.screen.wayland",
        "WaylandBackend",
        (DISPLAY,),
        ("linux",),
        schemes=_DISPLAYS,
        tunable=True,
        replaceable=True,
        session=WAYLAND,
        asks=True,
    ),
    "avfoundation": SourceRow(
        "mscli.sources.screen.desktops",
        "MacBackend",
        (DISPLAY,),
        ("darwin",),
        schemes=_DISPLAYS,
        replaceable=True,
        session=MACOS,
    ),
    "gdigrab": SourceRow(
        "mscli.sources.screen.desktops",
        "WindowsBackend",
        (DISPLAY,),
        ("win32",),
        schemes=_DISPLAYS,
        replaceable=True,
        session=WINDOWS,
    ),
    "monitor": SourceRow(
        "mscli.sources.sound.portaudio", "MonitorBackend", (AUDIO_INPUT,), schemes=("monitor",), replaceable=True
    ),
}


def load_backend(name: str, *described: object) -> Backend:
    """Import and create a backend by name. ``described``: fake devices, {} for the default ones. Raises ArgumentError."""
    backend: Backend = _class(BACKENDS[name])(*described)
    return backend


def system_backends(platform: str = sys.platform) -> list[str]:
    """Return the names of the backends for this system's own hardware, cameras first."""
    sessions = ("", window_system(platform))
    return [name for name, row in BACKENDS.items() if platform in row.platforms and row.session in sessions]


def window_system(platform: str = sys.platform) -> str:
    """Return the window system of this session. On Wayland, X11 is there too, but only shows its own windows."""
    usual = WAYLAND if os.environ.get("WAYLAND_DISPLAY") else X11
    return {"darwin": MACOS, "win32": WINDOWS}.get(platform, usual)


def serves(name: str, kinds: Sequence[str]) -> bool:
    """Return whether a backend may have devices of these kinds. If not, it need not be loaded."""
    return any(kind in BACKENDS[name].kinds for kind in kinds)


def own_source(address: str) -> SourceRow | None:
    """Return the built-in row for an address or a file name, or None. A scheme counts more than a suffix."""
    if _is_fifo(address):
        return BACKENDS["pipe"]
    scheme, rows = scheme_of(address), BACKENDS.values()
    by_scheme = (row for row in rows if scheme in row.schemes and row.session in ("", window_system()))
    return next(by_scheme, None) or next((row for row in rows if _reads(row, address)), None)


def find_source(address: str) -> SourceRow | None:
    """Return the row for an address or a file name, built-in or from another package, or None.

    Raises NotSupportedError if the package is broken, or if several packages serve the address.
    """
    own, scheme = own_source(address), scheme_of(address)
    if own is not None and scheme in own.schemes:
        return own
    by_scheme, by_suffix = (partial(_brought, name, address) for name in (scheme, suffix_of(address)))
    return by_scheme() or own or by_suffix() or (BACKENDS["file"] if os.path.isfile(address) else None)


def is_of(address: str, *names: str) -> bool:
    """Return whether an address or a file name is served by one of these built-in rows."""
    found = find_source(address)
    return any(found is BACKENDS[name] for name in names)


def is_display(address: str) -> bool:
    """Return whether an address is that of a display."""
    found = find_source(address)
    return found is not None and DISPLAY in found.kinds


def _brought(name: str, address: str) -> SourceRow | None:
    if not name:
        return None
    from mscli.core.plugins import SOURCES, load_row

    found = load_row(SOURCES, name, SourceRow)
    row = found[0]._replace(package=found[1]) if found else None
    return row if row is not None and _reads(row, address) else None


def _reads(row: SourceRow, address: str) -> bool:
    scheme = scheme_of(address)
    return scheme in row.schemes or suffix_of(address) in row.suffixes or address in row.names


def _is_fifo(path: str) -> bool:
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def unread(address: str) -> NotSupportedError:
    """Return the error for an address that nothing reads."""
    from mscli.core.plugins import SOURCES, describe_plugins

    scheme, suffix = scheme_of(address), suffix_of(address)
    named = f"{masked(address)}: its name has no suffix that says what it holds"
    what = f"{scheme}: addresses" if scheme else f".{suffix} files" if suffix else named
    return NotSupportedError(f"cannot read {what}", hints=describe_plugins(SOURCES))


def load_source(row: SourceRow, address: str, options: InputOptions) -> Backend:
    """Import and return the backend for an address. Raises NotReadableError if it cannot be created, and its own errors."""
    from mscli.sources.addressed import Addressed

    backend: Backend = Addressed(_class(row)(address, *([options] if row.tunable else [])), address)
    return backend


def replaced_source(given: Iterable[Backend], row: SourceRow, address: str) -> Backend | None:
    """Return what an address means among given devices, or None if the row's own backend reads it. Raises NotFoundError."""
    from mscli.sources.addressed import Addressed

    found = (backend.at(address) for backend in given) if row.replaceable else ()
    return next((Addressed(one, address) for one in found if one is not None), None)


def _class(row: SourceRow) -> Any:
    """Return the class of a row's backend. A class of another package is guarded: it only raises errors for people."""
    if not row.package:
        return getattr(import_module(row.module), row.cls)
    from mscli.core.plugins import guarded_class

    return guarded_class(row.module, row.cls, row.package, NotReadableError, (Backend, Source))
