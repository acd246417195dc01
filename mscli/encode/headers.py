"""Correct headers that FFmpeg only completes at the end: of growing WAV files, and of MP3s.

WAV: http://soundfile.sapp.org/doc/WaveFormat/. Programs that trust the header could not read the recording of a killed process.
A file above 4 GiB becomes an RF64 file, in the space that FFmpeg reserves: https://tech.ebu.ch/docs/tech/tech3306v1_0.pdf.

MP3: http://gabriel.mp3-tech.org/mp3infotag.html. Without the encoder's delay, players do not leave out the silence before the
first sample: in a pipe, and in the file of a killed process. How much of the last frame counts is only known at the end: a pipe
ends with up to a frame of silence.
"""

from __future__ import annotations

import os
import struct

from mscli.core.codecs import AUDIO_CODECS

_HEAD_BYTES = 4096  # the samples begin within them
_MOST = 2**32 - 1  # the largest size in bytes; in RF64 it means that the size is elsewhere
_ROOM_AT = 12  # the offset in bytes of the chunk JUNK, which becomes ds64
_ROOM_BYTES = 28


class WavHeader:
    """A header with correct sizes."""

    def __init__(self) -> None:
        self._head = bytearray()  # everything before the samples
        self._sample_bytes = 0  # of all channels
        self._count_at = 0  # the offset of the number of samples, which only some files have
        self._large = False  # whether the file is RF64

    def update(self, fd: int, size: int) -> None:
        """Write the sizes for a file of ``size`` bytes into the open file, with a single write."""
        if not self._head:
            self._read(fd)
        whole, samples = size - 8, size - len(self._head)
        self._large = self._large or whole > _MOST
        if self._large:
            sizes = (whole, samples, samples // self._sample_bytes, 0)
            struct.pack_into("<4sIQQQI", self._head, _ROOM_AT, b"ds64", _ROOM_BYTES, *sizes)
            self._head[:4] = b"RF64"
        if self._count_at:
            struct.pack_into("<I", self._head, self._count_at, min(samples // self._sample_bytes, _MOST))
        for at, count in ((4, whole), (len(self._head) - 4, samples)):
            struct.pack_into("<I", self._head, at, _MOST if self._large else count)
        os.pwrite(fd, self._head, 0)

    def _read(self, fd: int) -> None:
        begin = os.pread(fd, _HEAD_BYTES, 0)
        self._head += begin[: begin.index(b"data") + 8]
        self._count_at = self._head.find(b"fact") + 8 if b"fact" in self._head else 0
        (self._sample_bytes,) = struct.unpack_from("<H", begin, begin.index(b"fmt ") + 20)


_MARK = b"Xing\0\0\0\x0f"  # with all fields
_DELAY_AT = 141  # bytes after the mark: 12 bits for the beginning, 12 bits for the end
_DECODER_DELAY = 529  # samples that players leave out in any case


def with_delay(head: bytes) -> bytes:
    """Return the first bytes of an MP3 with the encoder's delay."""
    at = head.find(_MARK) + _DELAY_AT
    delay = (AUDIO_CODECS["mp3"].delay - _DECODER_DELAY) << 12
    return head if at < _DELAY_AT or at + 3 > len(head) else head[:at] + delay.to_bytes(3, "big") + head[at + 3 :]
