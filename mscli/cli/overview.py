"""``mscli`` without a command: which devices are there, and what can be done with them now. It opens no device."""

from __future__ import annotations

import os
import sys

from mscli import __version__
from mscli.cli.printable import printable
from mscli.core.trouble import WITHOUT_HARDWARE, read_text, why_no_camera, why_no_sound

CAMERA, MICROPHONE = "camera", "microphone"
JOBS = (  # the device that a job needs; its command, in two parts; what it does
    (CAMERA, "mscli snapshot", " picture.png", "Take a picture."),
    (CAMERA, "mscli record", " clip.mp4", "Record a video until Ctrl-C."),
    (MICROPHONE, "mscli record", " voice.m4a", "Record sound until Ctrl-C."),
    (CAMERA, "mscli capture", " | PROGRAM", "Pipe raw frames into a program."),
    (CAMERA, "mscli capabilities", "", "Show what the camera can do."),
    ("", "mscli devices", "", "List devices and their problems."),
    ("", "mscli --help", "", "List all commands."),
)


def show_overview() -> int:
    """Print the devices and the jobs. Return the exit code. Raises ArgumentError for a bad description of fake devices."""
    names, reasons = _look()
    lacking = [noun for noun, found in names.items() if not found]
    commands = {command + (" --fake-devices" if noun in lacking else "") + rest: does for noun, command, rest, does in JOBS}
    width = max(map(len, commands))
    blocks = [
        [f"mscli {__version__}: getUserMedia for the shell"],
        [f"  {noun:10}  {printable(', '.join(found)) or 'none found'}" for noun, found in names.items()],
        [*reasons, WITHOUT_HARDWARE] if lacking else [],
        [f"  {command:{width}}  {does}" for command, does in commands.items()],
    ]
    print("\n\n".join("\n".join(block) for block in blocks if block), flush=True)  # noqa: T201
    return 0


def _look() -> tuple[dict[str, list[str]], list[str]]:
    """Return the names of the devices by noun, and why some are missing. Only Linux lists devices without opening them."""
    if os.environ.get("MSCLI_FAKE_DEVICES"):
        from mscli.cli.shared import Shared, fake_description

        if (description := fake_description(Shared())) is not None:
            return _look_at_fakes(description), []
    if not can_look():
        return {}, []
    names = {CAMERA: cameras(), MICROPHONE: microphones()}
    reasons = ("" if names[noun] else why() for noun, why in ((CAMERA, why_no_camera), (MICROPHONE, why_no_sound)))
    return names, [reason for reason in reasons if reason]


def _look_at_fakes(description: object) -> dict[str, list[str]]:
    from mscli.sources import load_backend
    from mscli.sources.base import device_noun

    devices = load_backend("fake", description).devices()
    return {noun: [device.label for device in devices if device_noun(device.kind) == noun] for noun in (CAMERA, MICROPHONE)}


# What Linux lists. No device is opened, so nothing here is slow or hangs. A listed device may be in use or forbidden, and a
# sound server may have more microphones: ``mscli devices`` asks them all.

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
