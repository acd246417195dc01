"""Count what a file has that was cut, after an error, to what can be read of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from typing import TYPE_CHECKING

import av

from mscli.core.clock import MICROSECONDS
from mscli.core.tuples import NamedTuple

if TYPE_CHECKING:
    from mscli.encode.ffmpeg import Packet

MOST_READ = 1 << 30  # bytes: reading a larger file again would take too long


class KeptStream(NamedTuple):
    """The part of a stream in a file: pictures or samples, the size of its packets in bytes, and its end in microseconds."""

    units: int = 0
    size: int = 0
    end_us: int = 0


def read_kept(name: str) -> Sequence[KeptStream] | None:
    """Return what a file has of each stream, or None if it cannot be read or is too large."""
    with suppress(OSError, av.FFmpegError), open(name, "rb") as data:
        if data.seek(0, 2) > MOST_READ:
            return None
        data.seek(0)
        with av.open(data, "r") as file:
            streams = [_StreamCount(stream) for stream in file.streams]
            for packet in file.demux():
                if packet.size:
                    streams[packet.stream.index].add(packet)
            return [stream.kept for stream in streams]
    return None


class _StreamCount:
    """A counter of one stream's packets."""

    def __init__(self, stream: object) -> None:
        self._rate = stream.codec_context.sample_rate if isinstance(stream, av.AudioStream) else 0
        self._packets = self._bytes = 0
        self._begin: Fraction | None = None  # in seconds
        self._end = Fraction(0)

    def add(self, packet: Packet) -> None:
        """Count a packet."""
        self._packets += 1
        self._bytes += packet.size
        if packet.pts is not None and packet.time_base:
            begin = max(Fraction(0), packet.pts * packet.time_base)  # sound may begin with what only its decoder needs
            self._begin = begin if self._begin is None else min(begin, self._begin)
            self._end = max(self._end, (packet.pts + (packet.duration or 0)) * packet.time_base)

    @property
    def kept(self) -> KeptStream:
        """Return the counts."""
        lasts = max(Fraction(0), self._end - (self._begin or 0))
        return KeptStream(
            round(lasts * self._rate) if self._rate else self._packets, self._bytes, round(self._end * MICROSECONDS)
        )
