"""Write the headers of WAV files, and correct those that FFmpeg only completes at the end: of growing WAV files, and of MP3s.

WAV: http://soundfile.sapp.org/doc/WaveFormat/. Programs that trust the header could not read the recording of a killed process.
A file above 4 GiB becomes an RF64 file, in the space that FFmpeg reserves: https://tech.ebu.ch/docs/tech/tech3306v1_0.pdf.
The chunk bext says when and by what the file was recorded: https://tech.ebu.ch/docs/tech/tech3285.pdf.

MP3: http://gabriel.mp3-tech.org/mp3infotag.html. Without the encoder's delay, players do not leave out the silence before the
first sample: in a pipe, and in the file of a killed process. How much of the last frame counts is only known at the end: a pipe
ends with up to a frame of silence.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from mscli.core.codecs import AUDIO_CODECS
from mscli.core.version import __version__

_HEAD_BYTES = 1 << 20  # the samples begin within them, however long titles are
_MOST = 2**32 - 1  # the largest size in bytes; in RF64 it means that the size is elsewhere
_ROOM_AT = 12  # the offset in bytes of the chunk JUNK, which becomes ds64
_ROOM_BYTES = 28
_PCM, _FLOAT = 1, 3


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
        chunks = dict(_chunks(begin))
        self._head += begin[: chunks[b"data"] + 8]
        self._count_at = chunks.get(b"fact", -8) + 8
        (self._sample_bytes,) = struct.unpack_from("<H", begin, chunks[b"fmt "] + 20)


def wav_header(rate: int, channels: int, bits: int, *, is_float: bool) -> bytes:
    """Return the header of a file of unknown length, which ``WavHeader`` can complete."""
    frame = channels * bits // 8
    sound = struct.pack("<HHIIHH", _FLOAT if is_float else _PCM, channels, rate, rate * frame, frame, bits)
    room = b"JUNK" + struct.pack("<I", _ROOM_BYTES) + bytes(_ROOM_BYTES)
    riff = b"RIFF" + struct.pack("<I", _MOST) + b"WAVE" + room
    return riff + b"fmt " + struct.pack("<I", len(sound)) + sound + b"data" + struct.pack("<I", _MOST)


def _chunks(head: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield the names and offsets of the chunks up to the samples. Titles may contain any name."""
    at = _ROOM_AT
    while at + 8 <= len(head):
        name, size = struct.unpack_from("<4sI", head, at)
        yield name, at
        if name == b"data":
            return
        at += 8 + size + size % 2


def bext(recorded: datetime, rate: int, description: str) -> Mapping[str, str]:
    """Return the contents of the chunk bext, by FFmpeg's names. The time reference counts samples from midnight.

    https://tech.ebu.ch/docs/tech/tech3285.pdf, section 2.3. ``recorded``: the local time of the first sample.
    """
    midnight = recorded.replace(hour=0, minute=0, second=0, microsecond=0)
    samples = round((recorded.replace(tzinfo=None) - midnight.replace(tzinfo=None)) / timedelta(seconds=1) * rate)
    return {
        "description": _fitting(description, 256),
        "originator": _fitting(f"mscli {__version__}", 32),
        "origination_date": f"{recorded:%Y-%m-%d}",
        "origination_time": f"{recorded:%H:%M:%S}",
        "time_reference": str(samples),
    }


def _fitting(text: str, most_bytes: int) -> str:
    """Return the beginning of the text that fits into a field."""
    return text.encode()[:most_bytes].decode(errors="ignore")


_MARK = b"Xing\0\0\0\x0f"  # with all fields
_DELAY_AT = 141  # bytes after the mark: 12 bits for the beginning, 12 bits for the end
_DECODER_DELAY = 529  # samples that players leave out in any case


def with_delay(head: bytes) -> bytes:
    """Return the first bytes of an MP3 with the encoder's delay."""
    at = head.find(_MARK) + _DELAY_AT
    delay = (AUDIO_CODECS["mp3"].delay - _DECODER_DELAY) << 12
    return head if at < _DELAY_AT or at + 3 > len(head) else head[:at] + delay.to_bytes(3, "big") + head[at + 3 :]
