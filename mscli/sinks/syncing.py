"""What is written reaches the disk within a second, so that a power cut takes no more than that from a recording.

The kernel by itself keeps it in memory for half a minute, dirty_expire_centisecs:
https://docs.kernel.org/admin-guide/sysctl/vm.html.
"""

from __future__ import annotations

import os
from contextlib import suppress
from threading import Event, Thread

EVERY_S = 0.5


class Syncer:
    """Syncs an open file again and again, on a thread of its own: a slow disk holds up nobody. ``error``: why it cannot."""

    def __init__(self, fd: int) -> None:
        self.error: OSError | None = None
        self._fd = fd
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="mscli-sync", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Sync no more."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopping.wait(EVERY_S):
                sync_data(self._fd)
        except OSError as error:  # told once for each open file: whoever writes has to learn of it
            self.error = error


def sync_data(fd: int) -> None:
    """Have a file's data on the disk, and as much of its inode as is needed to read them."""
    getattr(os, "fdatasync", os.fsync)(fd)


def sync_folder(path: str) -> None:
    """Have the names in a folder on the disk, where the system can."""
    with suppress(OSError):
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
