"""Run a command in a mount namespace in which /dev and /sys/class have the video nodes of a ``Driver`` and no others.

    python nodes.py LABEL... -- COMMAND...      # a node for each label; as root, or in a user namespace (unshare -r)

The machine's own /dev and /sys stay as they are. Everything else in them is bound into the copies.
"""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
from collections.abc import Sequence

CLONE_NEWNS = 0x20000
MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE = 0x1000, 0x2000, 0x4000, 0x40000
HIDDEN = ("video", "v4l", "media")  # what the machine has of these is not there
_LIBC = ctypes.CDLL(None, use_errno=True)


def main(labels: Sequence[str], command: Sequence[str]) -> None:
    """Make the nodes, then become the command."""
    _check(_LIBC.unshare(CLONE_NEWNS))
    _mount("none", "/", "", MS_REC | MS_PRIVATE)
    classes = _copy_of("/sys/class")
    devices = _copy_of("/dev")
    for number, label in enumerate(labels):
        folder = f"{classes}/video4linux/video{number}"
        os.makedirs(folder)
        for name, text in (("name", label), ("index", "0")):
            with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
                file.write(f"{text}\n")
        with open(f"{devices}/video{number}", "w", encoding="utf-8"):  # it is opened by bridge.c, not by the kernel
            pass
    _mount(classes, "/sys/class", "", MS_MOVE)
    _mount(devices, "/dev", "", MS_MOVE)
    os.execvp(command[0], list(command))


def _copy_of(folder: str) -> str:
    """A folder in memory with what is in that one, but for what is hidden."""
    copy = tempfile.mkdtemp()
    _mount("tmpfs", copy, "tmpfs", 0)
    os.chmod(copy, 0o755)
    for entry in os.scandir(folder):
        place = f"{copy}/{entry.name}"
        if entry.name.startswith(HIDDEN):
            continue
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), place)
            continue
        if entry.is_dir():
            os.mkdir(place)
        else:
            os.close(os.open(place, os.O_CREAT | os.O_WRONLY))
        _mount(entry.path, place, "", MS_BIND | MS_REC)
    return copy


def _mount(source: str, target: str, kind: str, flags: int) -> None:
    _check(_LIBC.mount(source.encode(), target.encode(), kind.encode() or None, flags, None))


def _check(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    split = sys.argv.index("--")
    main(sys.argv[1:split], sys.argv[split + 1 :])
