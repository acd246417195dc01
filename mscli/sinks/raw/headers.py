"""Headers of raw files, and what keeps those of growing files correct."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable

from mscli.core.outputformats import NPY_HEAD_BYTES, ArrayLayout

_UNKNOWN = 0xFFFFFFFF  # the size of what never ends
_PCM, _FLOAT = 1, 3  # http://soundfile.sapp.org/doc/WaveFormat/
_ROOM = b"JUNK" + struct.pack("<I", 28) + bytes(28)  # becomes ds64 if the file grows above 4 GiB

Update = Callable[[int, int], None]  # called with the descriptor of a file and its size


def wav_header(rate: int, channels: int, bits: int, *, is_float: bool) -> bytes:
    """Return the header of a WAV file of unknown length, which ``mscli.encode.headers.WavHeader`` can complete."""
    frame = channels * bits // 8
    sound = struct.pack("<HHIIHH", _FLOAT if is_float else _PCM, channels, rate, rate * frame, frame, bits)
    riff = b"RIFF" + struct.pack("<I", _UNKNOWN) + b"WAVE" + _ROOM
    return riff + b"fmt " + struct.pack("<I", len(sound)) + sound + b"data" + struct.pack("<I", _UNKNOWN)


def array_update(layout: ArrayLayout) -> Update:
    """Return what writes the number of complete frames into the header of NumPy's file."""

    def update(fd: int, size: int) -> None:
        os.pwrite(fd, layout.header(max(0, size - NPY_HEAD_BYTES) // layout.nbytes), 0)

    return update
