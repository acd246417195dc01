"""The names of the cameras and microphones that Linux lists. No device is opened, so nothing here is slow or hangs.

A listed device may be in use or forbidden, and a sound server may have more microphones: ``mscli devices`` asks them all.
"""

from __future__ import annotations

import os
import sys

from mscli.core.trouble import read_text

CAMERAS = "/sys/class/video4linux"  # https://docs.kernel.org/userspace-api/media/v4l/open.html
UDEV = "/run/udev/data"  # what udev has found out about each device, by its number
SOUND = "/proc/asound"  # https://docs.kernel.org/sound/designs/procfile.html
_CAPTURES = "E:ID_V4L_CAPABILITIES=:capture:"
SOUND_SERVER = "a sound server"  # stands for its microphones, whose names only the server knows


def can_look() -> bool:
    """Return whether this system has such lists."""
    return sys.platform == "linux"


def cameras() -> list[str]:
    """Return the names of the cameras, in the order of their nodes."""
    nodes = os.listdir(CAMERAS) if os.path.isdir(CAMERAS) else []
    ordered = sorted((node for node in nodes if node.startswith("video")), key=lambda node: (len(node), node))
    return [read_text(f"{CAMERAS}/{node}/name").strip() or node for node in ordered if _is_camera(f"{CAMERAS}/{node}")]


def _is_camera(folder: str) -> bool:
    """Return whether a node captures, as udev says. Without udev, take the first node of each device for a camera."""
    known = read_text(f"{UDEV}/c{read_text(f'{folder}/dev').strip()}")
    return _CAPTURES in known if known else read_text(f"{folder}/index").strip() == "0"


def microphones() -> list[str]:
    """Return the names of the inputs of sound cards, or else the sound server, if one can be reached."""
    lines = [line.split(": ") for line in read_text(f"{SOUND}/pcm").splitlines() if ": capture" in line]
    return [line[1].strip() for line in lines] or ([SOUND_SERVER] if _has_sound_server() else [])


def _has_sound_server() -> bool:
    own = os.path.join(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}", "pulse/native")
    return bool(os.environ.get("PULSE_SERVER")) or os.path.exists(own)
