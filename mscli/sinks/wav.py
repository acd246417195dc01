"""A WAV that grows says how long it is: FFmpeg writes the sizes into its header at the end only.

http://soundfile.sapp.org/doc/WaveFormat/. Programs that trust the header could read nothing of a recording that was killed.
"""

from __future__ import annotations

import os
import struct

_HEAD_BYTES = 4096  # the samples begin within them
_UNKNOWN = 2**32 - 1  # FFmpeg's size of what it has not finished, and the largest that there can be


class WavHeader:
    """Keeps the sizes in a header true."""

    def __init__(self) -> None:
        self._samples_at = 0  # bytes from the start

    def update(self, fd: int, size: int) -> None:
        """Say in that open file that it has so many bytes."""
        self._samples_at = self._samples_at or os.pread(fd, _HEAD_BYTES, 0).index(b"data") + 8
        for at, count in ((4, size - 8), (self._samples_at - 4, size - self._samples_at)):
            os.pwrite(fd, struct.pack("<I", min(count, _UNKNOWN)), at)
