"""A packet sink as another package may bring it: it writes a file by FFmpeg, and knows no more than what is documented."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import mscli
from mscli.sinks.files.output import NamedFile
from mscli.sinks.recording.onefile import OneFile


class ForeignFile(mscli.PacketSink):
    """A file."""

    def __init__(self, row: mscli.SinkRow, target: str, options: mscli.SinkOptions) -> None:
        assert row.takes is not None
        self._file = OneFile(row.takes, NamedFile(target, overwrite=False), options)

    def begin(self, tracks: Sequence[mscli.EncodedTrack], origin_us: int) -> None:
        """Begin the file."""
        self._file.begin(tracks, origin_us)

    def put(self, track: int, piece: mscli.Piece) -> None:
        """Write a packet or samples."""
        self._file.put(track, piece)

    def end(self) -> None:
        """Finish the file."""
        self._file.end()

    def abort(self) -> None:
        """Give up the file."""
        self._file.abort()

    @property
    def bytes_written(self) -> int:
        """Return the size of the file."""
        return self._file.bytes_written

    @property
    def readable(self) -> bool:
        """Return whether the file can be read."""
        return self._file.readable

    def track_bytes(self, track: int) -> int:
        """Return the size of the track."""
        return self._file.track_bytes(track)

    def left_out(self, track: int) -> Mapping[str, int]:
        """Return what is not in the file."""
        return self._file.left_out(track)
